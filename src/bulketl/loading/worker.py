"""What a worker does with one step, in whatever thread or process: read, coerce, copy, publish.

Source and target are protocols: one of each exists, and fakes in the tests. A worker gets small picklable values and returns
a result or raises; it says nothing to anybody.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from bulketl.errors import MismatchError, SourceError
from bulketl.loading.column_types import check_unaltered
from bulketl.loading.schedule import Step
from bulketl.plan.plan import TableLoad
from bulketl.rows.aggregates import Figures
from bulketl.rows.coerce import Batch, coerce
from bulketl.rows.figures import Taken, figures, floats_of, together, unequal
from bulketl.rows.quality import Counted, around
from bulketl.rows.reconcile import Differences, Here, There, reconcile
from bulketl.tables.partitions import Partition
from bulketl.tables.slices import in_slices
from bulketl.tables.spec import TableSpec

MOST_ROWS = 2_000  # of a table that is read over a session with others: beyond, connectorx is faster
MOST_BYTES = 1_000_000


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


@dataclass(frozen=True, slots=True)
class Result:
    """What a worker sends back: per table of the step what was loaded and published, what differed, its seconds.

    `taken`: the figures of certificates, where they are asked for.
    """

    loaded: tuple[Loaded, ...] = ()
    taken: tuple[Taken | None, ...] = ()
    published: tuple[Published, ...] = ()
    differences: Differences | None = None
    seconds: float = 0.0


def work(source: Source, target: Target, step: Step) -> Result:
    """Carry out one step, in whatever thread or process; raise what went wrong."""
    began = time.monotonic()
    try:
        return dataclasses.replace(_work(source, target, step), seconds=time.monotonic() - began)
    except MismatchError as error:
        raise error.explained(source.types([error.table]).get(error.table, {}).get(error.column)) from error
    except MemoryError as error:
        raise SourceError(
            f"there is not enough memory for the rows of {', '.join(map(repr, step.tables))}",
            hint="lower workers, or memory_mb so that fewer rows are read at once",
            ease="batch",
        ) from error


def _work(source: Source, target: Target, step: Step) -> Result:
    spec, partition = step.spec, step.partition
    if spec is None:
        batches = _small(source, step.loads)
        check_unaltered(source, [load.spec for load in step.loads if load.partitions])
        done = target.load_group([load.spec for load in step.loads], batches, _counted(source, step.loads, batches))
        taken = tuple(
            _taken(source, load.spec, load.partitions, batch) for load, batch in zip(step.loads, batches, strict=True)
        )
        return Result(tuple(loaded for loaded, _ in done), taken, tuple(published for _, published in done))
    if step.kind == "publish":
        check_unaltered(source, [spec])
        return Result(published=(target.publish(spec),))
    if step.kind == "compare":
        return Result(differences=reconcile(source, target, spec, lambda: check_unaltered(source, [spec])))
    if step.kind == "settle":
        check_unaltered(source, [spec])  # else all rows differ, however often they are read
        target.settle(spec, source)
        return Result()
    if step.kind == "discard":
        target.discard(spec)
        return Result()
    if partition is None:
        target.prepare(spec)
        return Result()
    reading, counted = _Reading(source, spec, partition, step.sign), _counting(source, step, spec, partition)
    if step.kind == "chunk":  # it is visible at once
        counted = _unaltered(source, spec, counted)
        loaded, published = target.load_chunk(spec, partition, reading, step.last, counted)
        return Result((loaded,), (reading.held(),), (published,) if step.last else ())
    return Result((target.load(spec, partition, reading, counted),), (reading.held(),))


def _counting(source: Source, step: Step, spec: TableSpec, partition: Partition) -> Counted:
    """Return what says, after the read, how many rows there were at the source.

    Nothing is counted while others wait, nor where the read itself has proved how many there are.
    """
    if step.sign or in_slices(spec, partition):
        return int
    (before,) = source.count([(spec, partition)])
    return lambda read: read if read == before else around(before, read, *source.count([(spec, partition)]))


def _unaltered(source: Source, spec: TableSpec, counted: Counted) -> Counted:
    """Return what counts, and asks before that whether what was read is still of the types of its casts."""

    def count(read: int) -> int:
        check_unaltered(source, [spec])
        return counted(read)

    return count


def _counted(source: Source, loads: Sequence[TableLoad], batches: Sequence[Batch | None]) -> list[int]:
    """Return how many rows each small table should have: the plan counted them, and where that differs they are again."""
    read = [batch.read if batch else 0 for batch in batches]
    proved = [not _is_small(load) and any(in_slices(load.spec, part) for part in load.partitions) for load in loads]
    differ = [n for n, load in enumerate(loads) if read[n] != load.rows and load.partitions and not proved[n]]
    after = source.count([(loads[n].spec, loads[n].partitions[0]) for n in differ]) if differ else []
    for n, rows in zip(differ, after, strict=True):
        read[n] = around(loads[n].rows, read[n], rows)
    return read


@dataclass(frozen=True, slots=True)
class _Reading:
    """The batches of a partition; each iteration reads it from the source anew, and takes its figures where asked."""

    source: Source
    spec: TableSpec
    partition: Partition
    sign: str
    taken: list[Figures] = field(default_factory=list)
    begun: list[bool] = field(default_factory=list)

    def __iter__(self) -> Iterator[Batch]:
        if self.sign and self.begun:
            raise SourceError(
                f"table {self.spec.table!r}: Postgres refuses rows of it, and to find them all would have to be read again, "
                "as of another moment",
                hint="ask for consistency: re-read, which can; or correct the rows that `bulketl rejects` shows then",
            )
        self.begun.append(True)
        self.taken.clear()
        masked = self.source.masked(self.spec)
        for rows in self.source.read(self.spec, self.partition, self.sign):
            batch = coerce(rows, self.spec, masked)
            if self.spec.certify:
                self.taken.append(figures(batch.good, self.spec))
            yield batch

    def held(self) -> Taken | None:
        """Return the figures of all batches, compared with the source."""
        return _held(self.source, self.spec, self.partition, together(self.taken)) if self.spec.certify else None


def _taken(source: Source, spec: TableSpec, partitions: Sequence[Partition], batch: Batch | None) -> Taken | None:
    if not spec.certify or batch is None:
        return None
    return _held(source, spec, partitions[0], figures(batch.good, spec))


def _held(source: Source, spec: TableSpec, partition: Partition, found: Figures) -> Taken:
    """Compare figures with the figures of the source now: what was written to meanwhile differs, and is not certified."""
    return Taken(found, tuple(unequal(found, source.figures(spec, partition), floats_of(spec))))


def _small(source: Source, loads: Sequence[TableLoad]) -> list[Batch | None]:
    """Return the rows of each table, None where the plan found none; the small ones are read over one session."""
    tiny = [n for n, load in enumerate(loads) if load.partitions and _is_small(load)]
    pieces = [(loads[n].spec, loads[n].partitions[0]) for n in tiny]
    together = dict(zip(tiny, source.read_small(pieces), strict=True)) if len(pieces) > 1 else {}
    batches: list[Batch | None] = []
    for n, load in enumerate(loads):
        rows = together.get(n)
        if rows is None and load.partitions:
            (rows,) = source.read(load.spec, load.partitions[0])
        batches.append(None if rows is None else coerce(rows, load.spec, source.masked(load.spec)))
    return batches


def _is_small(load: TableLoad) -> bool:
    return load.rows <= MOST_ROWS and load.bytes <= MOST_BYTES
