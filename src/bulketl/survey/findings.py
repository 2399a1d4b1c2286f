"""What `validate` finds, as values: what it has seen of both sides, and what there is to mend.

Nothing is opened. An error is something that loses rows or stops a table, a warning something that costs or misleads, a
note something to know.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.connections.line import Line
from bulketl.plan.plan import Leftover, Plan, Refusal
from bulketl.survey.proposals import Proposal
from bulketl.survey.stamps import cursor_candidates, doubt_of
from bulketl.tables.catalog import Catalog, Column, Table, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.demands import Footing
from bulketl.tables.evidence import Arrival
from bulketl.tables.measured import Profile
from bulketl.tables.printable import brief

FindingSeverity = Literal["error", "warning", "note"]
SEVERITIES: tuple[FindingSeverity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: what is, what happens if it is ignored, what to do.

    `fix` maps keys of the table's rule to the values that mend it; empty when a person has to decide. Whoever finds all
    fills in `kind`, the name of the rule that found it, and between which `source` and `schema` it was found.
    """

    table: str
    severity: FindingSeverity
    message: str
    otherwise: str
    advice: str
    fix: Mapping[str, object] = field(default_factory=dict)
    source: str = ""
    schema: str = ""
    kind: str = ""

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, severity=self.severity, fix=sorted(self.fix))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class There:
    """What is known of the target: its tables, what a load stands on, and the plan of a load of all tables.

    `left` are tables that bulketl made and no longer loads, `outsiders` things of others in its staging schema.
    `encoding`: of its database, by its name in Postgres.
    """

    existing: Mapping[str, TargetTable]
    footing: Footing | None = None
    plan: Plan | None = None
    left: Sequence[Leftover] = ()
    outsiders: Sequence[str] = ()
    encoding: str = "UTF8"


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that findings are made of.

    `proposals`, `profiles` (by table and column) and `arrivals` are of the source as it is now. `there` is None when there
    is no target to look at. `refused` is what a load would refuse, `states` what the target knows of earlier loads.
    `lacking`: what a load would lack at the source: where, what, and what to do. `doubled`: the zone in which TIMESTAMPs
    are read, if a key has one and an hour of the zone comes twice. `not_here`: what bulketl.yaml names and this machine has
    not: what, what follows, and what to do. `lines`: the lines to both servers as they were negotiated.
    """

    config: Config
    catalog: Catalog
    proposals: Mapping[str, Proposal]
    profiles: Mapping[tuple[str, str], Profile]
    there: There | None = None
    refused: Sequence[Refusal] = ()
    states: Mapping[str, State] = field(default_factory=dict)
    arrivals: Mapping[str, Arrival] = field(default_factory=dict)
    lacking: Sequence[tuple[str, str, str]] = ()
    doubled: str = ""
    not_here: Sequence[tuple[str, str, str]] = ()
    lines: Sequence[Line] = ()

    @property
    def unloadable(self) -> frozenset[str]:
        """The tables that a load would refuse."""
        return frozenset(item.table for item in self.refused)

    def ruled(self) -> Iterator[Ruled]:
        """Yield the tables of the source that have a rule and are loaded."""
        tables = {table.name: table for table in self.catalog}
        for name, rule in self.config.tables.items():
            if name in tables and not rule.exclude:
                yield Ruled(self, tables[name], rule)


@dataclass(frozen=True, slots=True)
class Ruled:
    """A table of the source beside its rule."""

    seen: Seen
    table: Table
    rule: TableRule

    @property
    def proposal(self) -> Proposal:
        """What `discover` would propose for it."""
        return self.seen.proposals[self.table.name]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of its key, by the rule or else by the source; empty when there is none, or one is excluded."""
        return self.rule.key_of(self.table.primary_key)

    @property
    def keyless(self) -> str:
        """Why it has no key, in words."""
        lost = [column for column in self.table.primary_key if not self.rule.takes(column)]
        return f"has no key, because its rule excludes {', '.join(lost)}" if lost else "has no primary key"

    @property
    def doubtful(self) -> bool:
        """Whether its key has columns of the table that no index keeps unique."""
        named = bool(self.key) and {column.name for column in self.table.columns}.issuperset(self.key)
        return named and not self.table.keeps_unique(self.key)

    @property
    def by_changes(self) -> bool:
        """Whether it is to be loaded by its changes."""
        return self.rule.extraction_strategy != "full_table"

    @property
    def keyed_changes(self) -> bool:
        """Whether it is to be loaded by its changes, and its key lets it be."""
        return self.by_changes and bool(self.key) and not self.doubtful

    @property
    def column(self) -> Column | None:
        """The column of the source that its rule names as cursor."""
        return next((column for column in self.table.columns if column.name == self.rule.incremental_column), None)

    @property
    def cursor(self) -> Column | None:
        """That column, where the table can be loaded by it and it is not part of the source's key."""
        column = self.column if self.keyed_changes else None
        return None if column is None or column.name in self.table.primary_key else column

    @property
    def stamps(self) -> list[Column]:
        """The other columns that may say when a row was changed, trusted or not."""
        return [column for column in cursor_candidates(self.table) if column.name != self.rule.incremental_column]

    @property
    def trusted(self) -> list[Column]:
        """The stamps whose values say nothing against them: another is no remedy."""
        return [column for column in self.stamps if not doubt_of(column, self.profile(column))]

    def profile(self, column: Column) -> Profile | None:
        """Return what the column's values look like, if they were looked at."""
        return self.seen.profiles.get((self.table.name, column.name))

    @property
    def better(self) -> dict[str, object]:
        """The keys of the rule that name the proposed cursor instead."""
        strategy = self.proposal.strategy if self.proposal.cursor else "full_table"
        named = {"incremental_column": self.proposal.cursor} if self.proposal.cursor or self.rule.incremental_column else {}
        return {"extraction_strategy": strategy, **named}

    @property
    def instead(self) -> str:
        """The same for people, and why."""
        whole = self.proposal.strategy == "full_table"
        keys = "extraction_strategy: full_table" if whole else f"incremental_column: {self.proposal.cursor}"
        return f"{keys} ({self.proposal.reasons['extraction_strategy']})"

    def finding(
        self, severity: FindingSeverity, message: str, otherwise: str, advice: str, fix: Mapping[str, object] | None = None
    ) -> Finding:
        """Return a finding about this table; of `fix` it keeps what its rule does not say already."""
        new = {path: value for path, value in (fix or {}).items() if attrgetter(path)(self.rule) != value}
        return Finding(self.table.name, severity, message, otherwise, advice, new)

    def whole_instead(self, what: str, advice: str, fix: Mapping[str, object] | None = None) -> Finding:
        """Return the finding that every load takes it whole, although its rule says otherwise, and says so in its summary.

        Nothing is missed, so that is no error; of a rule for many tables it is rightly so.
        """
        then = "every load takes it whole"
        if self.seen.config.chosen(self.table.name):
            return self.finding("warning", f"is {self.rule.extraction_strategy} and {what}", then, advice, fix)
        return self.finding(
            "note", f"{what}, and a pattern or tier has it {self.rule.extraction_strategy}", then,
            "nothing, if that is meant; else write what it needs under its own name",
        )  # fmt: skip

    @property
    def compared(self) -> bool:
        """Whether it is compared with its source from time to time, so that what a cursor misses arrives then."""
        deletes = self.rule.deletes
        return deletes.every is not None or deletes.policy not in (None, "ignore")

    @property
    def mended(self) -> bool:
        """Whether its rule says already what is proposed for its cursor."""
        return self.proposal.cursor is not None and self.proposal.cursor == self.rule.incremental_column

    def wrong_cursor(self, message: str, otherwise: str, severity: FindingSeverity = "error") -> Finding:
        """Return the finding that its cursor is wrong, mended by the proposed one, or by loading all of it."""
        if self.mended:
            whole = {"extraction_strategy": "full_table"}
            return self.finding(
                severity, message, otherwise, "extraction_strategy: full_table (no other column is better)", whole
            )
        return self.finding(severity, message, otherwise, self.instead, self.better)


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that may be wrong: its name, and what finds it in what was seen.

    `one`: whatever it finds is the same, but for names; else its findings may be of several kinds.
    """

    name: str
    find: Callable[[Seen], Iterable[Finding]]
    one: bool = True


def of_tables(name: str, find: Callable[[Ruled], Finding | None]) -> Rule:
    """Return the rule that looks at each table that has a rule of its own and is loaded."""
    return Rule(name, lambda seen: (found for one in seen.ruled() if (found := find(one)) is not None))
