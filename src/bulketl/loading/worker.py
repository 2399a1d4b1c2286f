"""What a worker does with one step, in whatever thread or process: read, coerce, copy, publish.

A worker gets small picklable values and returns a result or raises; it says nothing to anybody.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

from bulketl.errors import BugError, BulketlError, DataError, MismatchError, RunEndedError, SourceError, TargetError
from bulketl.loading.column_types import check_unaltered
from bulketl.loading.reading import Reading, read_together, taken
from bulketl.loading.schedule import Step
from bulketl.loading.sides import Loaded, Published, Source, Target
from bulketl.rows.figures import Taken
from bulketl.rows.quality import Counted
from bulketl.rows.reconcile import Differences, reconcile
from bulketl.tables.spec import TableSpec

_QUOTING_NOTHING = (TargetError, DataError, RunEndedError)  # of what is masked: Postgres has seen no other values


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
    except Exception as error:
        lost = isinstance(error, BulketlError) and error.transient  # of a line: no statement is quoted
        if lost or isinstance(error, _QUOTING_NOTHING) or not any(spec.masked for spec in step.specs):
            raise
        # It may quote a row as it was read: its words go no further, nor does it itself.
        raise (error if isinstance(error, BulketlError) else BugError.of(error, step.tables[0])).unquoted() from None


def _work(source: Source, target: Target, step: Step) -> Result:
    spec, partition = step.spec, step.partition
    if spec is None:
        batches, expected = read_together(source, step.loads)
        check_unaltered(source, [load.spec for load in step.loads if load.partitions])
        done = target.load_group([load.spec for load in step.loads], batches, expected)
        figures = tuple(
            taken(source, load.spec, load.partitions, batch) for load, batch in zip(step.loads, batches, strict=True)
        )
        return Result(tuple(loaded for loaded, _ in done), figures, tuple(published for _, published in done))
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
    reading = Reading(source, spec, partition, step.sign)
    counted = reading.counting()
    if step.kind == "chunk":  # it is visible at once
        counted = _unaltered(source, spec, counted)
        loaded, published = target.load_chunk(spec, partition, reading, step.last, counted)
        return Result((loaded,), (reading.held(),), (published,) if step.last else ())
    return Result((target.load(spec, partition, reading, counted),), (reading.held(),))


def _unaltered(source: Source, spec: TableSpec, counted: Counted) -> Counted:
    """Return what counts, and asks before that whether what was read is still of the types of its casts."""

    def count(read: int) -> int:
        check_unaltered(source, [spec])
        return counted(read)

    return count
