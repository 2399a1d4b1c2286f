"""Which of a run's events are troubles, and what ends these: rules from events to causes, which open nothing.

A cause is the run, the side and the class of error, so all tables of a lost source are one incident with a list. The
texts are the public ones: none contains a value of a row.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bulketl.config.alerts import Rule
from bulketl.config.config import Config
from bulketl.errors import BulketlError, ConfigError
from bulketl.loading.events import (
    ColumnsChanged,
    ColumnsWithheld,
    Event,
    RunFinished,
    TableDone,
    TableFailed,
    TableOverdue,
    TablePublished,
    TableSkipped,
)
from bulketl.operations.alerts.machine import MOST_KEY
from bulketl.postgres.ledger.incidents import Incident, Member
from bulketl.postgres.server import Postgres
from bulketl.tables.printable import count_of, minutes_of
from bulketl.tables.spec import TIERS, Tier

SIDES = {
    "SourceError": "source", "TargetError": "target", "DataError": "data", "DataQualityError": "data",
    "MassDeleteError": "data", "PlanError": "plan", "ConfigError": "configuration", "ClusterError": "cluster",
}  # fmt: skip
OF_THE_DRIVER: tuple[Rule, ...] = (
    "run_failed",
    "table_failed",
    "died",
)  # of a run as a whole: over as soon as a load comes to its end
OF_ITS_OWN_RUN: tuple[Rule, ...] = ("overtime",)  # over when the table is loaded in the same run
# Known of a table that was loaded well: the next load ends it.
UNTIL_THE_NEXT: tuple[Rule, ...] = ("drift", "withheld", "verification")
FAILURES: tuple[Rule, ...] = ("table_failed", "quality", "rejects", "mass_delete")  # of which a table has one at a time
BEGIN = "begin"
WELL = ("loaded", "shortened", "unchanged")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something went wrong: in which run into a schema, or on what other occasion, at which side, and by which rule.

    `error`: the class of error, '' where the rule says enough. `source`: its identity, '' where it is not known.
    """

    schema: str
    occasion: str
    side: str
    rule: Rule
    error: str = ""
    source: str = ""

    @property
    def kind(self) -> str:
        """The rule with the class of error."""
        return f"{self.rule}-{self.error}" if self.error else self.rule

    @property
    def key(self) -> str:
        """Its name at every channel. A run fails for the same cause as its tables."""
        kind = f"failed-{self.error}" if self.rule in ("table_failed", "run_failed") else self.kind
        return "/".join(("bulketl", self.schema, self.occasion, self.side, kind))[:MOST_KEY]

    def blank(self, tier: Tier, now: dt.datetime) -> Incident:
        """Return its incident before anything is in it."""
        return Incident(self.key, self.source, self.schema, self.occasion, self.side, self.kind, tier, now)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A table, or the run as a whole as '', that a cause hit."""

    cause: Cause
    table: str
    member: Member

    def of(self, source: str) -> Trouble:
        """Return the same, of a source that is known."""
        return dataclasses.replace(self, cause=dataclasses.replace(self.cause, source=source))


@dataclass(frozen=True, slots=True)
class Relief:
    """Tables are well at that moment, by a run; none named: a load has come to its end.

    `rules`: of these only, if any. `key`: of that incident only, if any.
    """

    run: str
    tables: tuple[str, ...]
    at: dt.datetime
    rules: tuple[str, ...] = ()
    key: str = ""

    def settles(self, incident: Incident) -> tuple[str, ...]:
        """Return the members of an incident that it ends."""
        rule = rule_of(incident)
        if not self.tables:
            return ("",) if "" in incident.members and rule in OF_THE_DRIVER else ()
        if (self.rules and rule not in self.rules) or (self.key and incident.key != self.key):
            return ()
        if rule in UNTIL_THE_NEXT and incident.occasion == self.run and not self.rules:
            return ()
        return tuple(name for name in self.tables if name in incident.members)


def repeats(trouble: Trouble, incident: Incident) -> bool:
    """Tell whether the trouble is of a table that failed, or differed, on an earlier occasion, of which the incident is."""
    rules = {trouble.cause.rule, rule_of(incident)}
    alike = rules <= set(FAILURES) or rules == {"verification"}
    return bool(trouble.table) and incident.occasion != trouble.cause.occasion and alike


@dataclass(frozen=True, slots=True)
class Ending:
    """No more is to come of a run."""

    run: str


Heard = Trouble | Relief | Ending
# Of a run's events, those that tell anything; most others are of parts of tables.
TELLING = (TableFailed, TableOverdue, ColumnsChanged, ColumnsWithheld, TablePublished, TableSkipped, TableDone, RunFinished)


def rule_of(incident: Incident) -> str:
    """Return the rule by which an incident is one."""
    return incident.kind.partition("-")[0]


def heard(config: Config, event: Event, at: dt.datetime, source: str = "") -> Iterator[Heard]:
    """Yield what an event of a run at that moment tells: troubles that somebody hears of, and what ends them.

    `source`: the identity of the source that the run reads.
    """
    match event:
        case TableFailed() | TableOverdue() | ColumnsChanged() | ColumnsWithheld():
            for one in _trouble(config, event, at):
                yield one.of(source) if isinstance(one, Trouble) else one
        case TablePublished():
            yield Relief(event.run, (event.table,), at)
        case TableSkipped() if event.proof:
            yield Relief(event.run, (event.table,), at)
        case TableDone() if event.outcome in WELL:
            yield Relief(event.run, (event.table,), at)
        case RunFinished():
            yield Relief(event.run, (), at)


def _trouble(
    config: Config, event: TableFailed | TableOverdue | ColumnsChanged | ColumnsWithheld, at: dt.datetime
) -> Iterator[Heard]:
    schema, own = config.target_schema, config.rule(event.table).monitoring
    if isinstance(event, ColumnsChanged):
        text = f"its columns changed at the source: {'; '.join(event.changes)}"
        hint = "the load follows them; whoever reads the table may have to as well"
        yield from _told(config, Cause(schema, event.run, "source", "drift"), event.table, text, hint, at)
    elif isinstance(event, ColumnsWithheld):
        text = f"nobody has said whether its new columns are personal, so they are withheld: {', '.join(event.columns)}"
        hint = "give each a mask in tables.yaml, with keep for what is not personal, or name it under exclude_columns"
        yield from _told(config, Cause(schema, event.run, "source", "withheld"), event.table, text, hint, at)
    elif isinstance(event, TableOverdue):
        if event.by_plan or "max_extraction_time_minutes" in own.model_fields_set:
            limit = f"{minutes_of(event.seconds)}, its max_extraction_time_minutes"
            usual = f"{minutes(event.seconds)} and 15 minutes more; it took {minutes(event.seconds)} before"
            text = f"is not loaded after {usual if event.by_plan else limit}"
            hint = "`bulketl plan` says how long it took before; a lock or a busy source may hold it up"
            yield from _told(config, Cause(schema, event.run, "time", "overtime"), event.table, text, hint, at)
    else:
        if own.tells:
            rule, error = _failure(event)
            cause = Cause(schema, event.run, SIDES.get(event.kind, "bulketl"), rule, error)
            yield from _told(config, cause, event.table, event.public or event.kind, event.hint, at)
        # Who waits for a table that takes too long waits no more.
        yield Relief(event.run, (event.table,), at, rules=OF_ITS_OWN_RUN)


def minutes(seconds: float) -> str:
    """Return a time as people say it: 12 seconds, 3 minutes."""
    return count_of(round(seconds), "second") if seconds < 120 else f"{seconds / 60:.0f} minutes"


def _failure(event: TableFailed) -> tuple[Rule, str]:
    """Return the rule that a failure breaks, and its class of error."""
    if event.kind == "DataQualityError":
        return "quality", ""
    if event.kind == "MassDeleteError":
        return "mass_delete", ""
    return ("rejects", "") if event.rejects else ("table_failed", event.kind)


def _told(config: Config, cause: Cause, table: str, text: str, hint: str, at: dt.datetime) -> Iterator[Trouble]:
    if config.alerts is not None and config.alerts.way(cause.rule) != "off":
        yield Trouble(cause, table, Member(config.rule(table).table_importance, text, hint, at))


def of_tables(
    config: Config, cause: Cause, tables: Iterable[str], text: str, hint: str, at: dt.datetime
) -> Iterator[Trouble]:
    """Yield the same trouble of several tables."""
    for table in tables:
        yield from _told(config, cause, table, text, hint, at)


def of_the_run(config: Config, cause: Cause, text: str, hint: str, at: dt.datetime) -> Iterator[Trouble]:
    """Yield the trouble of a run as a whole, as urgent as the most urgent table of the rules, and important at least."""
    if config.alerts is not None and config.alerts.way(cause.rule) != "off":
        yield Trouble(cause, "", Member(whole_tier(config), text, hint, at))


def of_error(config: Config, error: BulketlError, occasion: str, at: dt.datetime) -> Iterator[Trouble]:
    """Yield the trouble that a load did not begin, or did not end, for an error."""
    kind = type(error).__name__
    cause = Cause(config.target_schema, occasion, SIDES.get(kind, "bulketl"), "run_failed", kind)
    yield from of_the_run(config, cause, error.public, error.hint, at)


def before_any_run(config: Config) -> str:
    """Return the occasion of a load that did not come to have a run: of this database, for others may have such a schema."""
    database = ""
    with contextlib.suppress(ConfigError):  # which is then the trouble itself
        database = Postgres.of(config).identity
    return f"{BEGIN}-{zlib.crc32(database.encode()):08x}"


def whole_tier(config: Config) -> Tier:
    """Return the tier of what concerns all tables: that of the most urgent rule, and important at least."""
    tiers: list[Tier] = [rule.table_importance for rule in config.rules if not rule.exclude]
    return min([*tiers, "important"], key=TIERS.index)


def by_cause(troubles: Iterable[Trouble]) -> Mapping[Cause, dict[str, Member]]:
    """Return troubles by their cause."""
    found: dict[Cause, dict[str, Member]] = {}
    for trouble in troubles:
        found.setdefault(trouble.cause, {})[trouble.table] = trouble.member
    return found
