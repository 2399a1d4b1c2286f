"""What was measured of a table, on either server, before anything is decided about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bulketl.tables.catalog import TargetTable, enum_types
from bulketl.tables.cursor import State
from bulketl.tables.owner import Owned
from bulketl.tables.partitions import Changes, KeyTuple, KeyValue


@dataclass(frozen=True, slots=True)
class Known:
    """What the target has of each table by its name, and how far that is loaded.

    `encoding`: of its database, by its name in Postgres. `owners`: who serves a table, where that is on record. `types`: the
    enum types among what the target has.
    """

    existing: Mapping[str, TargetTable]
    states: Mapping[str, State]
    encoding: str = field(default="UTF8", kw_only=True)
    owners: Mapping[str, Owned] = field(default_factory=dict, kw_only=True)
    types: Mapping[str, TargetTable] = field(default_factory=dict, init=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", enum_types(self.existing))


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast earlier loads of a table were: seconds per row of the largest, and the least that any took."""

    per_row: float
    least: float

    def seconds(self, rows: int) -> float:
        """Return how many seconds a number of rows will take."""
        return max(self.per_row * rows, self.least)


@dataclass(frozen=True, slots=True)
class Cursor:
    """What to measure of a cursor column. `changes`: the rows to read, None for all; `chunked`: cut by the cursor."""

    column: str
    type: str
    changes: Changes | None = None
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a cursor, before anything is read.

    `top`: the highest value that does not lie in the future, None when there is none. `newest`: the highest of all.
    `rows`: of the changes, counted up to a partition's size and beyond it estimated. `cuts`: through the key, when they
    are more. `chunks`: values of the cursor between which a chunk lies, each with the cuts through the key inside it.
    `error`: why nothing was measured.
    """

    top: KeyValue | None
    newest: KeyValue | None = None
    rows: int = 0
    cuts: tuple[KeyTuple, ...] = ()
    chunks: tuple[tuple[KeyValue | None, tuple[KeyTuple, ...]], ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a look at a column's newest values showed: rows looked at, and how many were NULL, before 1902, or to come.

    `days`: since the oldest of the other values, None when there are none. `missed`: how many were before 1902 and not
    before the year 1000: a load by this cursor reads all other odd values each time.
    """

    rows: int
    nulls: int
    sentinels: int
    future: int
    days: float | None = None
    missed: int = 0

    @property
    def per_day(self) -> float:
        """How many rows came or changed in a day."""
        known = self.rows - self.nulls - self.sentinels - self.future
        return 0.0 if self.days is None else known / max(self.days, 1)


@dataclass(frozen=True, slots=True)
class Match:
    """How many different values of a column were looked up as keys of another table, and how many were found there."""

    values: int
    found: int
