"""The part of a table that a limit leaves: its first rows by its key, and rows that others refer to."""

from __future__ import annotations

from dataclasses import dataclass

from bulketl.errors import PlanError
from bulketl.tables.partitions import Partition
from bulketl.tables.printable import count_of


@dataclass(frozen=True, slots=True)
class Part:
    """How many rows of a table a load takes under a limit of `limit` rows.

    `rows`: the first by its key. `referred`: rows beyond these that rows of this load refer to. `complete`: the source has
    no others.
    """

    limit: int
    rows: int
    referred: int = 0
    complete: bool = False

    @property
    def all(self) -> int:
        """How many rows it has."""
        return self.rows + self.referred

    @property
    def words(self) -> str:
        """Which rows these are, in words that follow the name of the table and a colon."""
        if self.complete:
            return f"all {count_of(self.rows, 'row')}, within its limit of {self.limit:,}"
        more = f", and {self.referred:,} that others refer to" if self.referred else ""
        return f"a part of its rows: {self.rows:,} by its key{more}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which rows of a table a limit leaves.

    `partitions`: the ranges and keys that are read, () where all rows are. `beyond`: tables that its rows refer to and that
    the load does not take. `error`: why no rows could be chosen.
    """

    part: Part
    partitions: tuple[Partition, ...] = ()
    beyond: tuple[str, ...] = ()
    error: PlanError | None = None
