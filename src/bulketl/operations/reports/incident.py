"""The report on a run in trouble: what it hit, what that was before and has become since, and who did what about it.

Each has a number, under which the ledger keeps it: pruning takes the events of a run, and leaves its report.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

from bulketl.config.config import Config
from bulketl.connections.person import person
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError
from bulketl.operations.alerts import words
from bulketl.operations.alerts.machine import FAILED_AGAIN, LOADED_WELL
from bulketl.operations.dashboard.lines import Line
from bulketl.operations.dashboard.runpage import RunPage, run_page
from bulketl.operations.dashboard.sight import sight
from bulketl.operations.history.runs import RunEntry, entry_of
from bulketl.operations.history.standing import plain
from bulketl.postgres.ledger import incidentreports, incidents, ownership, runlist
from bulketl.postgres.ledger.incidentreports import Around, Kept, WellLoad
from bulketl.postgres.ledger.looking import Look, asking
from bulketl.postgres.ledger.runs import plan_of
from bulketl.postgres.server import Postgres
from bulketl.tables.alike import for_many, of_tables
from bulketl.tables.printable import brief, count_of, lasting, verb_of

How = Literal["failed", "not reached", "not certified", "rolled back"]


@dataclass(frozen=True, slots=True)
class Affected:
    """A table that the run left as it was before, published without a certificate that agrees, or gave back.

    `why`, `hint`: without a value of any row. `before`: its last load before the run that went well, `since`: the first
    after it; None for none.
    """

    table: str
    tier: str
    how: How
    why: str
    hint: str
    before: WellLoad | None
    since: WellLoad | None

    @property
    def after(self) -> str:
        """What the run left in its place."""
        if self.how == "rolled back":
            return "rows of the older pipeline"
        return "rows of this run, not certified" if self.how == "not certified" else "as before"


class Alike(NamedTuple):
    """Tables of which the same is to be said; `hint` is what to do about all of them, '' for nothing."""

    how: How
    open: bool
    tables: tuple[Affected, ...]
    why: str
    hint: str


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody, or bulketl, did about it. `at` is None where the moment is not on record."""

    at: dt.datetime | None
    who: str
    what: str


@dataclass(frozen=True, slots=True)
class IncidentReport:
    """The report on a run in trouble, as of `made`. `number`: its number in the ledger, None where it is not kept there.

    `planned`: how many tables the run was to load. `events`: those of `recorded` on record that say more than that a table
    went well.
    """

    schema: str
    run: RunEntry
    planned: int
    affected: tuple[Affected, ...]
    deeds: tuple[Deed, ...]
    events: tuple[Line, ...]
    recorded: int
    made: dt.datetime
    by: str
    host: str
    version: str
    number: int | None = None

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, number=self.number, schema=self.schema, affected=len(self.affected))

    @property
    def subject(self) -> str:
        """The state for a subject, without names of tables."""
        number = f"{self.number}, " if self.number is not None else ""
        return f"{number}{self.schema}: {self.headline}"

    @property
    def open(self) -> list[Affected]:
        """The tables that no load has reached since."""
        return [one for one in self.affected if one.since is None]

    @property
    def alike(self) -> list[Alike]:
        """The tables, those together of which the same is to be said; what no load has reached since comes first."""
        found: dict[tuple[bool, How, str, str], list[Affected]] = {}
        for one in self.affected:
            hint = for_many(one.hint, one.table) if one.since is None else ""
            found.setdefault((one.since is None, one.how, one.why, hint), []).append(one)
        return [
            Alike(how, open_, tuple(tables), why, of_tables(hint, [one.table for one in tables]) if hint else "")
            for (open_, how, why, hint), tables in found.items()
        ]

    @property
    def headline(self) -> str:
        """What happened, and how it is now, in one sentence."""
        began = f"{self.run.kind.capitalize()} {_ENDS.get(self.run.outcome, self.run.outcome)}"
        after = f" after {lasting(self.run.seconds)}" if self.run.seconds is not None else ""
        if self.run.kind == "rollback" and self.affected:
            many = count_of(len(self.affected), "table")
            verb = "is" if len(self.affected) == 1 else "are"
            return f"{began}{after}: {many} {verb} served by the older pipeline again; {self._since}."
        if not self.affected:
            return f"{began}{after}; what is on record names no table that it left behind."
        apart = sum(one.how == "not certified" for one in self.affected)
        behind = len(self.affected) - apart
        told = [f"{behind:,} of {count_of(self.planned, 'table', 'is')} as before"] if behind else []
        told += [f"{count_of(apart, 'table', 'differs')} from the source"] if apart else []
        return f"{began}{after}: {' and '.join(told)}; {self._since}."

    @property
    def _since(self) -> str:
        left, all_ = len(self.open), len(self.affected)
        if not left:
            return "it was loaded since" if all_ == 1 else "all were loaded since"
        if left == all_:
            return "it was not loaded since" if all_ == 1 else "none was loaded since"
        return f"{all_ - left:,} of them {verb_of(all_ - left, 'was')} loaded since"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, times in ISO 8601."""
        found = plain({name: value for name, value in dataclasses.asdict(self).items() if name != "run"})
        return {"report": "incident", "headline": self.headline, "run": self.run.to_json(), **_spelled(found, self)}


def _spelled(found: dict[str, Any], report: IncidentReport) -> dict[str, Any]:
    """Return plain values in which loads have the names of their fields."""
    for one, table in zip(found["affected"], report.affected, strict=True):
        one["before"] = plain(table.before._asdict()) if table.before else None
        one["since"] = plain(table.since._asdict()) if table.since else None
    return found


_ENDS = {
    "failed": "failed", "dead": "died", "partly done": "was partly done", "stopped": "was stopped",
    "interrupted": "was interrupted", "done": "was carried out", "not certified": "was not certified",
}  # fmt: skip


def incident(config: Config, which: str = "", now: dt.datetime | None = None, *, keep: bool = True) -> IncidentReport:
    """Return the report on a run in trouble, and `keep` it in the ledger; if the role may not, it has no number.

    `which`: the name of a run, the number of a report, or '' for the last run that did not end well. A number gives the
    report as it was kept; so does a run whose events have been pruned since. Raise PlanError when there is no such run or
    report, when the run went well, or when it is still under way; ConfigError or TargetError when the ledger cannot be
    used.
    """
    return patient(_incident, config, which, now or dt.datetime.now(dt.UTC), keep)


def _incident(config: Config, which: str, now: dt.datetime, keep: bool) -> IncidentReport:
    schema = config.target_schema
    with sight(config) as look:
        if which.isascii() and which.isdigit() and len(which) < 19:
            if (found := incidentreports.kept(look.connection, schema, number=int(which))) is None:
                raise PlanError(
                    f"there is no incident report {which} of schema {schema!r}",
                    hint="name a run: `bulketl runs list` shows which did not end well",
                )
            return _as_kept(found)
        entry = _run(look, schema, which)
        known = incidentreports.kept(look.connection, schema, run=entry.run)
    page = run_page(config, entry.run)
    if known is not None and not page.recorded:  # pruned since
        return _as_kept(known)
    with sight(config) as look:
        report = _report(look, config, page, now)
    if not keep:
        return dataclasses.replace(report, number=known.number if known else None)
    with asking(Postgres.of(config)) as connection:
        if not incidentreports.may_keep(connection):
            return report
        number = incidentreports.keep(connection, schema, entry.run, report.by, report.to_json())
    return dataclasses.replace(report, number=number)


def _run(look: Look, schema: str, which: str) -> RunEntry:
    """Return the run that a report is asked for."""
    for name in [which] if which else incidentreports.troubled(look.connection, schema):
        found = [entry_of(one) for one in runlist.last_runs(look, schema, 1, name) if one.schema == schema]
        if not found:
            raise PlanError(
                f"there is no run {name!r} into schema {schema!r} on record",
                hint="`bulketl runs list` shows the runs there were",
            )
        if found[0].outcome == "done" and found[0].kind != "rollback":
            raise PlanError(f"run {name} went well: there is no incident", hint=f"`bulketl report run {name}` tells of it")
        if found[0].outcome != "running":
            return found[0]
        if which:
            raise PlanError(
                f"run {name} is still under way", hint=f"`bulketl watch {name}` shows it; report it once it has ended"
            )
    raise PlanError(
        f"no run into schema {schema!r} on record ended badly",
        hint="`bulketl runs list` shows the runs there were",
    )


def _report(look: Look, config: Config, page: RunPage, now: dt.datetime) -> IncidentReport:
    schema, run = config.target_schema, page.run
    plan = _planned(look, run.run)
    ended = {one.table: one for one in runlist.table_ends(look, run.run)}
    behind = {table: "failed" for table, one in ended.items() if one.outcome == "failed"}
    done = {table for table, one in ended.items() if one.outcome != "unfinished"} | incidentreports.reached(
        look.connection, run.run
    )
    behind |= {table: "rolled back" for table, one in ended.items() if one.outcome == "rolled back"}
    behind |= dict.fromkeys((table for table in plan if table not in done and table not in behind), "not reached")
    behind |= dict.fromkeys(incidents.uncertified(look.connection, run.run), "not certified")
    loads = incidentreports.around(look.connection, schema, run.run, list(behind))
    by, reason = ownership.given_by(look.connection, run.run)
    reasons: dict[How, tuple[str, str]] = {
        "rolled back": (f"{by} gave it back: {reason}", "`bulketl migrate promote` has bulketl serve it again"),
        "not reached": ("the run ended before it was loaded", f"`bulketl load --resume {run.run}`" if run.resumable else ""),
        "not certified": ("its certificate does not agree with the source", f"`bulketl certificate --run {run.run}`"),
    }

    def affected(table: str, how: How) -> Affected:
        end, at = ended.get(table), loads.get(table, Around(None, None))
        tier = end.tier if end else plan.get(table, "")
        failed = how == "failed" and end is not None
        why, hint = (page.why(end), end.hint) if failed and end else reasons.get(how, ("", ""))
        return Affected(table, tier, how, why, hint, at.before, at.since)

    found = sorted((affected(table, how) for table, how in behind.items()), key=_rank)  # type: ignore[arg-type]
    return IncidentReport(
        schema, run, len(plan) or sum(run.counts.values()), tuple(found), tuple(_deeds(look, schema, run, found)),
        tuple(page.events), page.recorded, now, person(), socket.gethostname(), version("bulketl"),
    )  # fmt: skip


def _rank(one: Affected) -> tuple[bool, int, str]:
    from bulketl.tables.spec import TIERS

    return (one.since is not None, TIERS.index(one.tier) if one.tier in TIERS else len(TIERS), one.table)


def _planned(look: Look, run: str) -> dict[str, str]:
    """Return the tables that a run was to load, with their tiers: as it told when it began, or else by its plan."""
    events, _ = runlist.events_but(look, run, (), 1)
    if events and events[0].kind == "run_started":
        return {table: str(found[1]) for table, found in events[0].body.get("tables", {}).items()}
    groups = plan_of(look.connection, run).get("groups", ())
    return {load["spec"]["table"]: group["tier"] for group in groups for load in group["loads"]}


def _deeds(look: Look, schema: str, run: RunEntry, affected: Sequence[Affected]) -> Iterator[Deed]:
    """Yield what was done about a run, in order of time; what has none on record stands last."""
    found = [*_of_run(look, run), *_of_alerts(look, schema, run.run)]
    again: dict[WellLoad, int] = {}
    for one in affected:
        if one.since is not None:
            again[one.since] = again.get(one.since, 0) + 1
    found += [
        Deed(load.at, f"bulketl on {load.host}", f"{load.kind} {load.run} brought {count_of(count, 'of these tables')} in")
        for load, count in again.items()
    ]
    yield from sorted((one for one in found if one.at is not None), key=lambda one: one.at or run.began)
    yield from (one for one in found if one.at is None)


def _of_run(look: Look, run: RunEntry) -> Iterator[Deed]:
    yield Deed(run.began, f"bulketl on {run.host}", f"began {run.kind} {run.run}, version {run.version}")
    if asked := incidentreports.asked(look.connection, run.run):
        yield Deed(asked.at, asked.by, "asked for its end" + (" at once" if asked.at_once else ""))
    if run.ended is not None:
        yield Deed(run.ended, f"bulketl on {run.host}", f"ended it: {run.outcome}")


def _of_alerts(look: Look, schema: str, run: str) -> Iterator[Deed]:
    if not incidents.kept(look.connection):
        return
    found = {one.key: one for one in incidents.of_occasion(look.connection, schema, run)}
    for one in found.values():
        named = f"alert {one.number}"
        yield Deed(one.opened, "bulketl", f"opened {named}: {words.title(one)}")
        if one.acknowledged_by:
            until = f" until {one.acknowledged_until:%Y-%m-%d %H:%M} UTC" if one.acknowledged_until else ""
            yield Deed(None, one.acknowledged_by, f"took on {named}{until}")
        if one.resolved is not None:
            how = {
                LOADED_WELL: f"closed {named}: its tables are well again",
                FAILED_AGAIN: f"{named} went on in a later one",
            }
            by = "bulketl" if one.resolved_by in how else one.resolved_by
            yield Deed(one.resolved, by, how.get(one.resolved_by, f"resolved {named}"))
    for message in incidents.deliveries(look.connection, list(found)):
        if message.delivered is not None:
            what = f"told {message.channel} of alert {found[message.key].number} ({message.kind})"
            yield Deed(message.delivered, "bulketl", what)


def _as_kept(found: Kept) -> IncidentReport:
    from pydantic import TypeAdapter

    document = {key: value for key, value in found.document.items() if key not in ("report", "headline")}
    report = TypeAdapter(IncidentReport).validate_python({**document, "number": found.number})
    return dataclasses.replace(report, made=found.made, by=found.by)
