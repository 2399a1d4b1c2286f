"""Carrying out a plan: a generator of events over an executor.

The driver, here, hands out steps and is the only one to speak; a worker runs `work`, gets small picklable values and
returns a result or raises. At most `workers` steps are in flight, which bounds memory and connections on both sides
whatever the executor.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from bulketl.coerce import Batch, coerce
from bulketl.errors import BulketlError, DataError
from bulketl.events import (
    ColumnsChanged,
    Event,
    PartitionLoaded,
    RunFinished,
    RunStarted,
    StepRetried,
    TableFailed,
    TablePublished,
    TableSkipped,
    TableStarted,
)
from bulketl.partitions import Partition
from bulketl.plan import Plan, TableLoad, TableSpec
from bulketl.schedule import Schedule, Step


class Source(Protocol):
    """What the engine needs of a source."""

    def read(self, spec: TableSpec, partition: Partition) -> Iterator[pa.Table]:
        """Yield the partition's rows, each table with the columns of the casts and then the masks of `masked`."""
        ...

    def masked(self, spec: TableSpec) -> list[list[str]]:
        """Return the columns of each mask that `read` appends."""
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


class Target(Protocol):
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

    def publish(self, spec: TableSpec) -> int:
        """Make the staged rows visible, once they are counted; return their number."""
        ...

    def load_group(self, loads: Sequence[TableLoad], batches: Sequence[Batch | None]) -> Sequence[Loaded]:
        """Write small tables straight into place, all or none."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """What a worker sends back: what was loaded per table of the step, the rows published, its seconds."""

    loaded: tuple[Loaded, ...]
    published: int
    seconds: float


def work(source: Source, target: Target, step: Step) -> Result:
    """Carry out one step, in whatever thread or process; raise what went wrong."""
    began = time.monotonic()
    loaded: tuple[Loaded, ...] = ()
    published = 0
    if step.kind == "group":
        batches = [_small(source, load) for load in step.loads]
        loaded = tuple(target.load_group(step.loads, batches))
    elif step.spec and step.kind == "prepare":
        target.prepare(step.spec)
    elif step.spec and step.kind == "publish":
        published = target.publish(step.spec)
    elif step.spec and step.partition:
        spec, masked = step.spec, source.masked(step.spec)
        batches_ = (coerce(rows, spec, masked) for rows in source.read(spec, step.partition))
        loaded = (target.load(spec, step.partition, batches_),)
    return Result(loaded, published, time.monotonic() - began)


def _small(source: Source, load: TableLoad) -> Batch | None:
    if not load.partitions:
        return None
    (rows,) = source.read(load.spec, load.partitions[0])
    return coerce(rows, load.spec, source.masked(load.spec))


def run(plan: Plan, source: Source, target: Target, executor: Executor, *, workers: int) -> Iterator[Event]:
    """Carry out the plan, yielding what happens; the last event is RunFinished.

    A table that fails is an event and leaves the others alone; so do the plan's refusals. Closing the generator, or
    an exception thrown into it, waits for the steps in flight and starts no other. A bug in a worker is raised.
    """
    began = time.monotonic()
    name = target.run
    yield from _decided(name, plan)
    schedule = Schedule(plan.groups)
    started: dict[str, float] = {}
    running: dict[Future[Result], Step] = {}
    try:
        while not schedule.done:
            while len(running) < workers and (step := schedule.next(time.monotonic())):
                for table in step.tables:
                    if table not in started:
                        started[table] = time.monotonic()
                        yield TableStarted(name, table)
                running[executor.submit(work, source, target, step)] = step
            wakes = schedule.wakes()
            pause = None if wakes is None else max(0.0, wakes - time.monotonic())
            if not running:
                time.sleep(pause or 0.0)
                continue
            for future in wait(running, timeout=pause, return_when=FIRST_COMPLETED).done:
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
        yield TableSkipped(name, skip.table, skip.reason)
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
    if step.kind == "group":
        for load, loaded in zip(step.loads, result.loaded, strict=True):
            seconds = now - started[load.spec.table]
            yield TablePublished(name, load.spec.table, loaded.rows, load.spec.publish, seconds)
    elif step.kind == "publish" and step.spec:
        yield TablePublished(name, step.spec.table, result.published, step.spec.publish, now - started[step.spec.table])
