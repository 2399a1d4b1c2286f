"""What comparing the older pipeline's tables with bulketl's has found: values."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from bulketl.postgres.ledger.sidebyside import Outcome, Waiver
from bulketl.tables.differences import UNEXPLAINED, Difference
from bulketl.tables.printable import brief
from bulketl.verifying.verdicts import Level


@dataclass(frozen=True, slots=True)
class Judged:
    """Whom the source says to be right, of a sample of rows of a class: how many each; `both`: neither is.

    `changed`: the source or a table has changed since, so that nobody knows.
    """

    column: str
    name: str
    shadow: int = 0
    legacy: int = 0
    both: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class TableCompared:
    """What was found of a table. `problem`: why it could not be compared, `public` the same without words of a server.

    `legacy_seconds`, `shadow_seconds`: what each pipeline took for it last, None where that is not known. `uncompared`:
    columns that could not be, with why. `published`: when bulketl loaded it.
    """

    table: str
    tier: str
    level: Level
    legacy_rows: int | None = None
    shadow_rows: int | None = None
    differences: tuple[Difference, ...] = ()
    judged: tuple[Judged, ...] = ()
    uncompared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""
    public: str = ""
    published: str = ""
    legacy_seconds: float | None = None
    shadow_seconds: float | None = None
    seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """What it comes to: equal, waived, differs, or not compared."""
        if self.problem:
            return "not compared"
        if not self.differences:
            return "equal"
        return "waived" if all(one.waived for one in self.differences) else "differs"

    def with_waivers(self, waivers: Sequence[Waiver]) -> TableCompared:
        """Return the same in which the differences that somebody waived say by whom and why."""
        found = []
        for one in self.differences:
            by = next((w for w in waivers if w.table == self.table and w.covers(one.column, one.name)), None)
            told = f"{by.by} {by.at:%Y-%m-%d}: {by.reason}" if by and one.name != UNEXPLAINED else ""
            found.append(dataclasses.replace(one, waived=told))
        return dataclasses.replace(self, differences=tuple(found))


@dataclass(frozen=True, slots=True)
class ViewCompared:
    """What was found of a view: its rows over the older pipeline's tables and over bulketl's, and sums that differ.

    `columns`: of which the sum differs. `problem`: why it could not be compared, `public` without words of a server.
    """

    view: str
    legacy_rows: int | None = None
    shadow_rows: int | None = None
    columns: tuple[str, ...] = ()
    problem: str = ""
    public: str = ""
    seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """What it comes to."""
        if self.problem:
            return "not compared"
        return "differs" if self.columns or self.legacy_rows != self.shadow_rows else "equal"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found of all tables and views. `schema`: the older pipeline's; `shadow`: where bulketl's stand."""

    source: str
    schema: str
    shadow: str
    level: Level
    tables: tuple[TableCompared, ...]
    views: tuple[ViewCompared, ...] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, schema=self.schema, shadow=self.shadow, tables=len(self.tables), equal=self.equal)

    @property
    def equal(self) -> bool:
        """Whether every table is equal but for what is waived. Views follow from the tables, and do not count."""
        return all(one.outcome in ("equal", "waived") for one in self.tables)

    def to_json(self) -> dict[str, object]:
        """Return all of it as plain values."""
        document = dataclasses.asdict(self)
        for one, told in zip(self.tables, document["tables"], strict=True):
            told["outcome"] = one.outcome
            for difference, plain in zip(one.differences, told["differences"], strict=True):
                plain["class"] = plain.pop("name")
                plain["words"] = difference.words
            for plain in told["judged"]:
                plain["class"] = plain.pop("name")
        for view, told in zip(self.views, document["views"], strict=True):
            told["outcome"] = view.outcome
        return {**document, "equal": self.equal}
