"""One row's story: what it is on both sides, how its values got from one to the other, and what is on record of it.

Values only. `bulketl.operations.why` gathers them, `bulketl.verifying.because` says in one sentence what follows.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from bulketl.postgres.ledger.rowrecords import RowRecord
from bulketl.survey.nextload import NextLoad
from bulketl.tables.printable import brief
from bulketl.tables.spec import Tier

Side = Literal["there", "absent", "unknown"]
Verdict = Literal["equal", "differs", "missing", "extra", "deleted", "unknown"]
ColumnState = Literal["equal", "differs", "source only", "target only", "unknown"]


@dataclass(frozen=True, slots=True)
class ColumnStory:
    """A column of the row: its values as each server prints them, and the cast between them.

    `state`: how its values compare, as a load would write them now. `written`: what a load would write of the source's value
    where that differs from the target's. `cast`: from type to type; `declared`: by a person. `altered`: what the way changes
    of the value. `shown`: False where a value is masked or its column excluded; both texts are None then. `note`: why one
    side has no value.
    """

    column: str
    state: ColumnState = "unknown"
    source: str | None = field(default=None, repr=False)
    target: str | None = field(default=None, repr=False)
    written: str | None = field(default=None, repr=False)
    cast: str = ""
    declared: bool = False
    altered: tuple[str, ...] = ()
    shown: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class RowStory:
    """All that is known of one row.

    `source` and `target`: whether each side has the row; `unknown` if the side could not be asked, because of
    `source_problem` or `target_problem`. `table_gone`: the source has no such table. `in_target`: the target has the
    table; `part`: which rows of the table it has, if a limit left some out. `columns`: those that differ come first.
    `refused`: why a load would reject the row as the source has it, '' if it would not. `stamp`: the row's cursor, as
    column and value; `watermark`: up to which value the table was loaded. `newer`: the row was stamped after that;
    `within`: the next load reads the row among its changes; `stays`: retention has not removed it. `noted`: the audit
    trail has the row as it is at the source. `stamped_run`, `loaded_at`, `deleted_at`: what the row's own stamps say.
    `verdict` says whether the row is equal, and `because` says why in one sentence.
    """

    database: str
    schema: str
    table: str
    key: tuple[tuple[str, str], ...]
    column: str = ""
    source: Side = "unknown"
    target: Side = "unknown"
    source_problem: str = ""
    target_problem: str = ""
    table_gone: bool = False
    part: str = ""
    in_target: bool = False
    columns: tuple[ColumnStory, ...] = ()
    tier: Tier = "reference"
    deletes: str = ""
    refused: str = ""
    stamp: tuple[str, str] = ("", "")
    watermark: str = ""
    newer: bool = False
    within: bool = False
    stays: bool = True
    noted: bool = False
    stamped_run: str = ""
    loaded_at: str = ""
    deleted_at: str = ""
    record: RowRecord = field(default_factory=RowRecord)
    next: NextLoad | None = None
    verdict: Verdict = "unknown"
    because: str = ""

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, column=self.column, verdict=self.verdict)

    @property
    def equal(self) -> bool:
        """Whether both sides are known and agree: they have equal values, or the row is deleted on both."""
        return self.verdict in ("equal", "deleted")

    @property
    def looked_at(self) -> tuple[ColumnStory, ...]:
        """The column that the caller named, or all columns."""
        return tuple(item for item in self.columns if self.column in ("", item.column))

    @property
    def differing(self) -> tuple[ColumnStory, ...]:
        """The columns among those looked at in which the two sides differ."""
        return tuple(item for item in self.looked_at if item.state in ("differs", "source only"))

    @property
    def foreign(self) -> bool:
        """Whether no run on record wrote the target's row, although runs that loaded the table are on record."""
        return self.target == "there" and not self.record.writers and self.record.loaded is not None

    def to_json(self) -> dict[str, Any]:
        """Return the story as plain values with times as texts, and with `equal`."""
        found = dataclasses.asdict(self)
        found["key"] = dict(self.key)
        if self.next and self.next.since:
            found["next"]["since"] = {"column": self.next.since.column, "from": str(self.next.since.lo)}
        return {**found, "equal": self.equal}
