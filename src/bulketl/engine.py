"""Carrying out a plan: a generator of events over an executor.

The driver, here, hands out steps and is the only one to speak; a worker runs `work`, gets small picklable values and
returns a result or raises. At most `workers` steps are in flight, which bounds memory and connections on both sides
whatever the executor.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from typing import Protocol

from bulketl.coerce import Batch, coerce
from bulketl.errors import BulketlError, DataError
from bulketl.events import (
    ColumnsChanged,
    Event,
    PartitionLoaded,
    RunFinished,
    RunStarted,
    StepRetried,
    TableCompared,
    TableFailed,
    TablePublished,
    TableSkipped,
    TableStarted,
)
from bulketl.partitions import Partition
from bulketl.plan import Plan, TableLoad, TableSpec
from bulketl.reconcile import Differences, Here, There, mend
from bulketl.rules import Tier
from bulketl.schedule import Schedule, Step

LOOK_SECONDS = 5.0  # at most between two looks at whether the run is to end


class Source(Here, Protocol):
    """What the engine needs of a source."""


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


class Target(There, Protocol):
    """What the engine needs of a target. Every method may be called again after any failure."""

    @property
    def run(self) -> str:
        """The run's name."""
        ...

    def prepare(self, spec: TableSpec) -> None:
        """Make an empty staging table."""
        ...

    def load(self, spec: TableSpec, partition: Partition, batches: Iterator[Batch]) -> Loaded:
        """Copy a partition into the staging table."""
        ...

    def publish(self, spec: TableSpec) -> Published:
        """Make the staged rows visible, once they are counted."""
        ...

    def load_chunk(
        self, spec: TableSpec, partition: Partition, batches: Iterator[Batch], last: bool
    ) -> tuple[Loaded, Published]:
        """Merge a partition into the table and move its watermark."""
        ...

    def load_group(self, loads: Sequence[TableLoad], batches: Sequence[Batch | None]) -> Sequence[tuple[Loaded, Published]]:
        """Write small tables straight into place, all or none."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """What a worker sends back: per table of the step what was loaded and published, what differed, its seconds."""

    loaded: tuple[Loaded, ...] = ()
    published: tuple[Published, ...] = ()
    differences: Differences | None = None
    seconds: float = 0.0


def work(source: Source, target: Target, step: Step) -> Result:
    """Carry out one step, in whatever thread or process; raise what went wrong."""
    began = time.monotonic()
    return dataclasses.replace(_work(source, target, step), seconds=time.monotonic() - began)


def _work(source: Source, target: Target, step: Step) -> Result:
    spec, partition = step.spec, step.partition
    if spec is None:
        done = target.load_group(step.loads, [_small(source, load) for load in step.loads])
        return Result(tuple(loaded for loaded, _ in done), tuple(published for _, published in done))
    if step.kind == "publish":
        return Result(published=(target.publish(spec),))
    if step.kind == "compare":
        return Result(differences=mend(source, target, spec))
    if partition is None:
        target.prepare(spec)
        return Result()
    masked = source.masked(spec)
    batches = (coerce(rows, spec, masked) for rows in source.read(spec, partition))
    if step.kind == "chunk":
        loaded, published = target.load_chunk(spec, partition, batches, step.last)
        return Result((loaded,), (published,) if step.last else ())
    return Result((target.load(spec, partition, batches),))


def _small(source: Source, load: TableLoad) -> Batch | None:
    if not load.partitions:
        return None
    (rows,) = source.read(load.spec, load.partitions[0])
    return coerce(rows, load.spec, source.masked(load.spec))


def run(
    plan: Plan,
    source: Source,
    target: Target,
    executor: Executor,
    *,
    workers: int,
    tables_at_once: Mapping[Tier, int] | None = None,
    closed: Callable[[], bool] = lambda: False,
) -> Generator[Event]:
    """Carry out the plan, yielding what happens; the last event is RunFinished.

    `workers`: steps at once; `tables_at_once`: tables, or groups of small ones, of each tier. Once `closed` says so,
    steps under way are finished, tables that are complete are published, and nothing else begins. A table that fails is
    an event and leaves the others alone; so do the plan's refusals. Closing the generator, or an exception thrown into
    it, waits for the steps in flight and starts no other. A bug in a worker is raised.
    """
    began = time.monotonic()
    name = target.run
    yield from _decided(name, plan)
    schedule = Schedule(plan.groups, tables_at_once)
    started: dict[str, float] = {}
    running: dict[Future[Result], Step] = {}
    try:
        while not schedule.done:
            if closed():
                schedule.close()
            while len(running) < workers and (step := schedule.next(time.monotonic())):
                for table in step.tables:
                    if table not in started:
                        started[table] = time.monotonic()
                        yield TableStarted(name, table)
                running[executor.submit(work, source, target, step)] = step
            wakes = schedule.wakes()
            pause = None if wakes is None else max(0.0, wakes - time.monotonic())
            if not running:
                time.sleep(min(pause or 0.0, LOOK_SECONDS))
                continue
            for future in wait(running, timeout=min(pause or LOOK_SECONDS, LOOK_SECONDS), return_when=FIRST_COMPLETED).done:
                yield from _outcome(name, schedule, running.pop(future), future, started)
    finally:
        for future in running:
            future.cancel()
        wait(running)
    yield RunFinished(name, time.monotonic() - began)


def _decided(name: str, plan: Plan) -> Iterator[Event]:
    """Say what the plan has decided before the first step."""
    expected = {load.spec.table: (load.rows, str(load.tier)) for load in plan.loads}
    expected |= {refusal.table: (0, str(refusal.tier)) for refusal in plan.refused}
    expected |= {skip.table: (0, str(skip.tier)) for skip in plan.skipped}
    yield RunStarted(name, plan.source, plan.schema, plan.zone, expected)
    for refusal in plan.refused:
        yield TableFailed(name, refusal.table, "PlanError", refusal.message, refusal.hint, 0.0)
    for skip in plan.skipped:
        yield TableSkipped(name, skip.table, skip.reason, skip.unchanged)
    for load in plan.loads:
        if load.drift:
            yield ColumnsChanged(name, load.spec.table, load.drift)


def _outcome(
    name: str, schedule: Schedule, step: Step, future: Future[Result], started: dict[str, float]
) -> Iterator[Event]:
    now = time.monotonic()
    error = future.exception()
    if error is None:
        schedule.succeeded(step)
        yield from _success(name, step, future.result(), now, started)
        return
    if not isinstance(error, BulketlError):
        raise error
    pause = schedule.failed(step, error, now)
    if pause is not None:
        yield StepRetried(name, step.tables, step.kind, step.attempt, error.message, pause)
        return
    for table in step.tables:
        kind = type(error).__name__
        rejects = error.rejects if isinstance(error, DataError) else 0
        yield TableFailed(name, table, kind, error.message, error.hint, now - started[table], rejects)


def _success(name: str, step: Step, result: Result, now: float, started: dict[str, float]) -> Iterator[Event]:
    index = step.partition.index if step.partition else 0
    for table, loaded in zip(step.tables, result.loaded, strict=False):
        yield PartitionLoaded(name, table, index, loaded.rows, loaded.rejects, loaded.bytes, result.seconds, loaded.changed)
    if (found := result.differences) and step.spec:
        counts = (len(found.missing), len(found.differing), len(found.gone))
        yield TableCompared(name, step.spec.table, *counts, step.spec.deletes, result.seconds)
    specs = [step.spec] if step.spec else [load.spec for load in step.loads]
    for spec, done in zip(specs, result.published, strict=False):
        yield TablePublished(
            name,
            spec.table,
            done.rows,
            spec.publish,
            now - started[spec.table],
            done.inserted,
            done.updated,
            done.unchanged,
            done.deleted,
        )
