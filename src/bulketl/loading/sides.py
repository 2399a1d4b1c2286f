"""What a load needs of its two servers: protocols with one implementation each, and fakes in the tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import pyarrow as pa

from bulketl.rows.aggregates import Figures
from bulketl.rows.coerce import Batch
from bulketl.rows.quality import Counted
from bulketl.rows.reconcile import Here, There
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec


class Lock(Protocol):
    """A read lock on one table of the source."""

    @property
    def how(self) -> str:
        """The statement that took it."""
        ...

    def lost(self) -> bool:
        """Tell whether the lock has gone with its connection."""
        ...


class Gate(Protocol):
    """Where the readers of a table wait for each other, so that all see the rows of one moment."""

    def waiting(self, signs: Sequence[str]) -> set[str]:
        """Return those readers that are there."""
        ...

    def open(self) -> str:
        """Lock the table and let the readers go; return the statement that locked it."""
        ...

    def reading(self, signs: Sequence[str]) -> set[str]:
        """Return those readers that see the rows of this moment."""
        ...


class Source(Here, Protocol):
    """What the engine needs of a source."""

    def read(self, spec: TableSpec, partition: Partition, sign: str = "") -> Iterator[pa.Table]:
        """Yield the partition's rows; with a sign, as they are at the moment at which that named lock is taken."""
        ...

    def read_small(self, pieces: Sequence[tuple[TableSpec, Partition]]) -> Iterator[pa.Table | None]:
        """Yield the rows of each small table, all over one session; None for one that is to be read by itself."""
        ...

    def count(self, pieces: Sequence[tuple[TableSpec, Partition]]) -> list[int]:
        """Count the rows of some partitions, in one query."""
        ...

    def figures(self, spec: TableSpec, partition: Partition) -> Figures:
        """Return the figures of a certificate over a partition's rows as they are now."""
        ...

    def types(self, tables: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return the types of the columns of each table as they are now, in one query."""
        ...

    def locked(self, spec: TableSpec) -> AbstractContextManager[Lock]:
        """Keep everybody from writing to the table, for as long as the context lasts. Raise SourceError."""
        ...

    def gated(self, spec: TableSpec, sign: str) -> AbstractContextManager[Gate]:
        """Keep the gate shut at which readers with such signs wait; the lock goes with the context. Raise SourceError."""
        ...


class Loaded(Protocol):
    """What a target says of rows it took."""

    @property
    def rows(self) -> int:
        """Rows copied."""
        ...

    @property
    def rejects(self) -> int:
        """Rows rejected."""
        ...

    @property
    def bytes(self) -> int:
        """Bytes of Arrow copied."""
        ...

    @property
    def changed(self) -> dict[str, dict[str, int]]:
        """Values altered on the way, per column and kind."""
        ...

    @property
    def checks(self) -> dict[str, dict[str, float]]:
        """Rows that fail a check, per severity and check."""
        ...

    @property
    def figures(self) -> Figures | None:
        """The figures of a certificate, of rows that were written into place."""
        ...


class Published(Protocol):
    """What a target says of a table that became visible; None where it does not count."""

    @property
    def beside(self) -> Mapping[str, int]:
        """How many indexes and comments of the source it has, by kind."""
        ...

    @property
    def refused(self) -> tuple[str, ...]:
        """In words, what of these it could not have."""
        ...

    @property
    def rows(self) -> int:
        """Rows read."""
        ...

    @property
    def inserted(self) -> int | None:
        """Rows that were new."""
        ...

    @property
    def updated(self) -> int | None:
        """Rows that were replaced."""
        ...

    @property
    def unchanged(self) -> int | None:
        """Rows that were the same."""
        ...

    @property
    def deleted(self) -> int | None:
        """Rows deleted or marked as deleted."""
        ...

    @property
    def checks(self) -> dict[str, dict[str, float]]:
        """What checks on the table as a whole found, per severity and check."""
        ...

    @property
    def quality(self) -> float:
        """Rows that arrived per row at the source."""
        ...

    @property
    def figures(self) -> Figures | None:
        """The figures of a certificate, of rows that were staged."""
        ...

    @property
    def noted(self) -> dict[str, int]:
        """What the run has put into the table's audit trail, by kind."""
        ...

    @property
    def rejects(self) -> int:
        """Rows that the table refused when it was published."""
        ...


class Target(There, Protocol):
    """What the engine needs of a target. Every method may be called again after any failure."""

    @property
    def run(self) -> str:
        """The run's name."""
        ...

    def prepare(self, spec: TableSpec) -> None:
        """Make an empty staging table."""
        ...

    def discard(self, spec: TableSpec) -> None:
        """Drop the staging table of one that failed."""
        ...

    def load(self, spec: TableSpec, partition: Partition, batches: Iterable[Batch], counted: Counted) -> Loaded:
        """Copy a partition into the staging table; `batches` can be read twice, `counted` says how many it should be."""
        ...

    def publish(self, spec: TableSpec) -> Published:
        """Make the staged rows visible, once they are counted."""
        ...

    def settle(self, spec: TableSpec, source: Source) -> None:
        """Read again what differs between the staged rows and the source, until nothing does."""
        ...

    def load_chunk(
        self, spec: TableSpec, partition: Partition, batches: Iterable[Batch], last: bool, counted: Counted
    ) -> tuple[Loaded, Published]:
        """Merge a partition into the table and move its watermark."""
        ...

    def load_group(
        self, specs: Sequence[TableSpec], batches: Sequence[Batch | None], expected: Sequence[int]
    ) -> Sequence[tuple[Loaded, Published]]:
        """Write small tables straight into place, all or none; `expected` is the number of rows of each."""
        ...
