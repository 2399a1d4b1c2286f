"""What a verification finds: values, and how keys and figures of both sides become findings.

A table is compared at one of four levels, each finding what the one before finds and more. Of a row it is said by which
key it is known, in what way it differs, and in which columns; never what stands in them, unless that was asked for.
What is as it should be although the sides differ (rows that are newer, rejected, kept by a rule) is counted apart.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from bulketl.tables.printable import brief

Level = Literal["count", "sums", "keys", "rows"]
LEVELS: tuple[Level, ...] = ("count", "sums", "keys", "rows")
RowKind = Literal["missing", "differs", "extra", "doubled"]


@dataclass(frozen=True, slots=True)
class RowFinding:
    """A row that differs: lost in the target, different in some columns, in the target only, or there too often.

    `key`: its values as Postgres shows them, or the beginning of the row's hash where the table has no key. `columns`:
    those that differ. `source` and `target`: their values as text, only where that was asked for.
    """

    key: tuple[str, ...]
    kind: RowKind
    columns: tuple[str, ...] = ()
    source: tuple[str | None, ...] = ()
    target: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure over a column that differs: its name (count, min, max, sum, length), and both sides' values if asked for."""

    column: str
    what: str
    source: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class TableVerdict:
    """What was found of a table.

    `level`: at which it was compared. `compared`: rows of the source that were. `there`: rows of the target. `missing`,
    `differing`, `extra`, `doubled`: rows, all of them; `rows` has the first of them. `newer`: rows of the source stamped
    after what was loaded, which were left out. `rejected`: rows the target lacks because they were rejected. `kept`:
    rows the source has no longer, or has otherwise, that the target keeps by its rule; `kept_edited`: of these, what
    the source has otherwise. `changing`: rows that were another when looked at again. `figures`: at level sums.
    `uncompared`: columns that could not be, with why. `published`: when it was loaded. `cursor`: the column that says how
    new a row is. `problem`: why it could not be compared at all, or not wholly. `notes`: what else has to be known.
    """

    table: str
    tier: str
    level: Level
    compared: int = 0
    there: int = 0
    missing: int = 0
    differing: int = 0
    extra: int = 0
    doubled: int = 0
    newer: int = 0
    rejected: int = 0
    kept: int = 0
    kept_edited: int = 0
    changing: int = 0
    rows: tuple[RowFinding, ...] = ()
    figures: tuple[Figure, ...] = ()
    uncompared: tuple[str, ...] = ()
    published: str = ""
    cursor: str = ""
    problem: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, level=self.level, compared=self.compared, wrong=self.wrong, equal=self.equal)

    @property
    def kept_deleted(self) -> int:
        """The number of rows that the source has no longer, and the target keeps by its rule."""
        return self.kept - self.kept_edited

    @property
    def wrong(self) -> int:
        """The number of rows that differ."""
        return self.missing + self.differing + self.extra + self.doubled

    @property
    def equal(self) -> bool:
        """Whether the target has what it should have, as far as the level tells."""
        return not (self.wrong or self.figures or self.problem)


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was repaired of a table: rows brought in, rows removed or marked; or, `whole`, it was loaded anew."""

    table: str
    written: int = 0
    removed: int = 0
    whole: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found in all tables. `sample` and `seed`: the share of rows compared, and their choice.

    `repaired`: what the repair did, in the run `run`. `tables` has the tables as they were found before the repair, and
    `again` as they were afterwards.
    """

    source: str
    schema: str
    level: Level
    tables: tuple[TableVerdict, ...]
    sample: float = 1.0
    seed: int = 0
    seconds: float = 0.0
    run: str = ""
    repaired: tuple[Repaired, ...] = ()
    again: tuple[TableVerdict, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, schema=self.schema, level=self.level, tables=len(self.tables), equal=self.equal)

    def _repr_html_(self) -> str:
        """Return a table for a notebook: what differs first, as it was found before a repair."""
        from bulketl.tables.notebook import html_table  # notebooks only: html is slow to load

        words = ("compared", "missing", "differing", "extra", "doubled", "newer", "rejected", "kept")
        worst = sorted(self.tables, key=lambda verdict: verdict.equal)
        rows = [(v.table, v.equal, *(getattr(v, word) for word in words), v.problem) for v in worst]
        caption = f"{self.source} and {self.schema} {'are equal' if self.equal else 'differ'} at level {self.level}"
        return html_table(caption, ("table", "equal", *words, "problem"), rows)

    @property
    def equal(self) -> bool:
        """Whether nothing differs, after the repair if there was one."""
        after = {verdict.table: verdict for verdict in self.again}
        return all(after.get(verdict.table, verdict).equal for verdict in self.tables)

    def to_json(self) -> dict[str, object]:
        """Return everything as plain values."""
        document = dataclasses.asdict(self)
        for name in ("tables", "again"):
            document[name] = [
                {**dataclasses.asdict(v), "kept_deleted": v.kept_deleted, "equal": v.equal} for v in getattr(self, name)
            ]
        kept = {key: sum(getattr(v, key) for v in self.tables) for key in ("kept", "kept_edited", "kept_deleted")}
        return {**document, **kept, "equal": self.equal}


def with_note(verdict: TableVerdict, note: str) -> TableVerdict:
    """Return the verdict with one more note."""
    return dataclasses.replace(verdict, notes=(*verdict.notes, note))
