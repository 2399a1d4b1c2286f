"""What `validate` finds, as values: what it has seen of both sides, and what there is to mend.

Nothing is opened. An error is something that loses rows or stops a table, a warning something that costs or misleads, a
note something to know.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.plan.plan import Refusal
from bulketl.survey.proposals import Proposal
from bulketl.survey.stamps import cursor_candidates, doubt_of
from bulketl.tables.catalog import Catalog, Column, Table, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.evidence import Arrival
from bulketl.tables.measured import Profile

FindingSeverity = Literal["error", "warning", "note"]
SEVERITIES: tuple[FindingSeverity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: what is, what happens if it is ignored, what to do.

    `fix` maps keys of the table's rule to the values that mend it; empty when a person has to decide. `validate` fills in
    `source`, the database, and `schema`, of the target, between which it was found.
    """

    table: str
    severity: FindingSeverity
    message: str
    otherwise: str
    advice: str
    fix: Mapping[str, object] = field(default_factory=dict)
    source: str = ""
    schema: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that findings are made of.

    `proposals`, `profiles` (by table and column) and `arrivals` are of the source as it is now. `target` is None when there
    is no target to look at. `refused` is what a load would refuse, `states` what the target knows of earlier loads.
    """

    config: Config
    catalog: Catalog
    proposals: Mapping[str, Proposal]
    profiles: Mapping[tuple[str, str], Profile]
    target: Mapping[str, TargetTable] | None = None
    refused: Sequence[Refusal] = ()
    states: Mapping[str, State] = field(default_factory=dict)
    arrivals: Mapping[str, Arrival] = field(default_factory=dict)

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
        """The columns of its key, by the rule or else by the source; empty when there is none."""
        return tuple(self.rule.primary_key or self.table.primary_key)

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
        return {"extraction_strategy": strategy, "incremental_column": self.proposal.cursor}

    @property
    def instead(self) -> str:
        """The same for people, and why."""
        whole = self.proposal.strategy == "full_table"
        keys = "extraction_strategy: full_table" if whole else f"incremental_column: {self.proposal.cursor}"
        return f"{keys} ({self.proposal.reasons['extraction_strategy']})"

    def finding(
        self, severity: FindingSeverity, message: str, otherwise: str, advice: str, fix: Mapping[str, object] | None = None
    ) -> Finding:
        """Return a finding about this table."""
        return Finding(self.table.name, severity, message, otherwise, advice, fix or {})

    def wrong_cursor(self, message: str, otherwise: str) -> Finding:
        """Return the error that its cursor is wrong, mended by the proposed one."""
        return self.finding("error", message, otherwise, self.instead, self.better)


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that may be wrong: its name, and what finds it in what was seen."""

    name: str
    find: Callable[[Seen], Iterable[Finding]]


def of_tables(name: str, find: Callable[[Ruled], Finding | None]) -> Rule:
    """Return the rule that looks at each table that has a rule of its own and is loaded."""
    return Rule(name, lambda seen: (found for one in seen.ruled() if (found := find(one)) is not None))
