"""Carrying out a plan: a generator of events over an executor.

The driver, here, hands out steps and is the only one to speak; a worker runs `loading.worker.work`. At most `workers` steps
are in flight, which bounds memory and connections on both sides whatever the executor.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import time
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

from bulketl.errors import BugError, BulketlError, DataError, RunEndedError, SourceError
from bulketl.loading.brakes import AtOnce, Brakes
from bulketl.loading.events import (
    ColumnsChanged,
    ColumnsWithheld,
    Event,
    FiguresTaken,
    PartitionLoaded,
    PartTaken,
    RuleUnmet,
    RunCancelled,
    RunFinished,
    RunStarted,
    SourceLocked,
    SourceReadAgain,
    SourceSpared,
    StepRetried,
    TableCompared,
    TableFailed,
    TableOverdue,
    TablePublished,
    TableRetried,
    TableSkipped,
    TableStarted,
    WorkersChanged,
)
from bulketl.loading.schedule import Schedule, Step, batch_rows
from bulketl.loading.sides import Lock, Source, Target
from bulketl.loading.waits import Waits
from bulketl.loading.worker import Result, work
from bulketl.plan.masking import unclassified
from bulketl.plan.plan import Plan
from bulketl.plan.stale import notes
from bulketl.postgres.ledger.cancels import Cancel
from bulketl.rows.figures import floats_of
from bulketl.tables.printable import minutes_of
from bulketl.tables.spec import TableSpec

LOOK_SECONDS = 5.0  # at most between two looks at whether the run is to end
READY_SECONDS = 60.0  # for all readers of one moment to be there; nobody waits for that
SIGN_SECONDS = 10.0  # for all of them to begin, while the table is locked
OVER_PLAN = 900.0  # seconds beyond what its earlier loads say, after which somebody should hear of a table
POLL_SECONDS = 0.001
STOPPABLE = ("prepare", "load", "settle")  # steps after which nothing is visible


def run(
    plan: Plan, source: Source, target: Target, executor: Executor, at_once: AtOnce, brakes: Brakes | None = None
) -> Generator[Event]:
    """Carry out the plan, yielding what happens after `decided`; the last event is RunFinished.

    A table that fails is an event and leaves the others alone, also when the reason is a bug. Closing the generator, or an
    exception thrown into it, waits for the steps in flight and starts no other; so does whatever the brakes raise, and the
    error of an executor that cannot go on.
    """
    began = time.monotonic()
    schedule = Schedule(plan.groups, at_once.tables, workers=at_once.workers, jitter=_jitter)
    driver = _Driver(plan, source, target, executor, schedule)
    brakes = brakes or Brakes()
    sparing, waits = brakes.sparing, Waits(target.run, brakes.held)
    try:
        while not schedule.done:
            brakes.tend()
            if brakes.closed():
                schedule.close()
            yield from driver.cancelled(brakes.cancelled())
            yield from driver.overdue()
            yield from waits.of(driver.running, time.monotonic())
            spared, since = sparing.why, sparing.since
            reading = sparing.may_read(time.monotonic())
            if bool(sparing.why) != bool(spared):
                seconds = time.monotonic() - since
                yield SourceSpared(target.run, sparing.why) if sparing.why else SourceReadAgain(target.run, seconds)
            while step := schedule.next(time.monotonic(), reading=reading and not (driver.running and brakes.full())):
                yield from driver.begin(step)
                reading = sparing.may_read(time.monotonic())
            now = time.monotonic()
            times = (schedule.wakes(), sparing.wakes(now), driver.wakes(now), waits.wakes(now), now + LOOK_SECONDS)
            pause = max(0.0, min(at for at in times if at is not None) - now)
            if not driver.running:
                time.sleep(pause)
                continue
            for future in wait(driver.running, timeout=pause, return_when=FIRST_COMPLETED).done:
                for event in driver.ended(future):
                    if isinstance(event, PartitionLoaded):
                        sparing.read(event.bytes, time.monotonic())
                    yield event
    finally:
        driver.close()
    yield RunFinished(target.run, time.monotonic() - began)


def _jitter() -> float:
    return random.uniform(0.5, 1.5)  # noqa: S311


def decided(name: str, plan: Plan, sessions: Mapping[str, Mapping[str, object]]) -> Iterator[Event]:
    """Yield what the plan has decided, before the first step of the run: what it is to load, and what it refuses or skips.

    `sessions`: per side, what is known of its sessions.
    """
    expected = {load.spec.table: (load.rows, str(load.tier)) for load in plan.loads}
    expected |= {refusal.table: (0, str(refusal.tier)) for refusal in plan.refused}
    expected |= {skip.table: (0, str(skip.tier)) for skip in plan.skipped}
    sizes = {load.spec.table: load.bytes for load in plan.loads}
    told = tuple(notes(plan))
    yield RunStarted(name, plan.source, plan.schema, plan.zone, expected, plan.left_out, told, sessions, sizes)
    for refusal in plan.refused:
        public, told = refusal.public or refusal.message, ("PlanError", refusal.message, refusal.hint)
        yield TableFailed(name, refusal.table, *told, 0.0, public=public, reference=refusal.reference)
    for skip in plan.skipped:
        yield TableSkipped(name, skip.table, skip.reason, skip.proof)
    for load in plan.loads:
        if changes := tuple(line for line in load.drift if line not in unclassified(load.spec.withheld)):
            yield ColumnsChanged(name, load.spec.table, changes)
        if load.part:
            yield PartTaken(name, load.spec.table, load.part)
        if load.unmet:
            yield RuleUnmet(name, load.spec.table, load.unmet)
        if load.spec.withheld:
            yield ColumnsWithheld(name, load.spec.table, load.spec.withheld)


class _Driver:
    """The steps under way and the tables they belong to: begins steps, and says what became of them."""

    def __init__(self, plan: Plan, source: Source, target: Target, executor: Executor, schedule: Schedule) -> None:
        self._source, self._target, self._executor, self._schedule = source, target, executor, schedule
        self._run = target.run
        self._due = {load.spec.table: load.due for load in plan.loads if load.due is not None}
        self._late = {x.spec.table: x.seconds + OVER_PLAN for x in plan.loads if x.seconds is not None}
        self._stop = {load.spec.table: load.spec.stop_after for load in plan.loads if load.spec.stop_after is not None}
        self._columns = {load.spec.table: load.spec.columns for load in plan.loads}
        self._started: dict[str, float] = {}
        self._under_way: set[str] = set()
        self._locks: dict[str, tuple[contextlib.ExitStack, Lock, float]] = {}
        self._cancel: Cancel | None = None
        self._torn: dict[str, SourceError] = {}  # by their signs, steps whose lock went before they saw it
        self.running: dict[Future[Result], Step] = {}

    def close(self) -> None:
        """Wait for the steps in flight, begin no other, and let go of every lock."""
        for future in self.running:
            future.cancel()
        wait(
            self.running
        )  # each has an end: what stalls is ended (`bulketl.connections.watch`), and workers that die are given up
        for stack, _, _ in self._locks.values():
            stack.close()

    def overdue(self) -> Iterator[Event]:
        """Say which tables take longer than expected, and give up those that take too long."""
        now = time.monotonic()
        spent = {table: now - self._started[table] for table in self._under_way}
        for table in [table for table, seconds in spent.items() if seconds > self._due.get(table, float("inf"))]:
            yield TableOverdue(self._run, table, self._due.pop(table))
        for table in [table for table, seconds in spent.items() if seconds > self._late.get(table, float("inf"))]:
            yield TableOverdue(self._run, table, self._late.pop(table) - OVER_PLAN, by_plan=True)
        for table in [table for table, seconds in spent.items() if seconds > self._stop.get(table, float("inf"))]:
            kinds = {step.kind for step in self.running.values() if table in step.tables}
            if kinds.issubset(STOPPABLE):
                self._schedule.give_up(table)
                text = (
                    f"table {table!r} was given up after {minutes_of(self._stop.pop(table))}, its rule's stop_after_minutes"
                )
                self._end(table, text)
                hint = "raise stop_after_minutes, or find out what held it up; the target has it as it was before"
                yield from self._gave_up(table, SourceError(text, hint=hint))

    def _end(self, table: str, why: str) -> None:
        """End the steps of a table at both servers, where the executor can; elsewhere the source ends its statement."""
        if end := getattr(self._executor, "end", None):
            for future in [future for future, step in self.running.items() if table in step.tables]:
                end(future, why)

    def cancelled(self, asked: Cancel | None) -> Iterator[Event]:
        """Begin nothing more when somebody has asked for the end of the run; end the steps under way if it is to be at once.

        Those that fail for that leave their tables unfinished.
        """
        if asked is None or asked == self._cancel:
            return
        self._cancel = asked
        yield RunCancelled(self._run, asked.by, asked.at_once)
        self._schedule.close()
        for table in {table for step in self.running.values() for table in step.tables} if asked.at_once else ():
            self._end(table, f"the run was cancelled by {asked.by}")

    def wakes(self, now: float) -> float | None:
        """Return when the next table will be overdue or given up, or None."""
        limits = (
            self._started[table] + seconds
            for of in (self._due, self._late, self._stop)
            for table, seconds in of.items()
            if table in self._under_way and self._started[table] + seconds > now
        )
        return min(limits, default=None)

    def begin(self, step: Step) -> Iterator[Event]:
        """Hand a step to the executor, under a lock of the source where its table asks for one."""
        for table in step.tables:
            again = self._schedule.begins_again(table)
            if again or table not in self._started:
                self._started[table] = time.monotonic()
                self._under_way.add(table)
                yield TableRetried(self._run, table) if again else TableStarted(self._run, table, *self._columns[table])
        try:
            if step.spec and step.together:
                yield from self._together(step, step.spec)
                return
            if step.spec and step.spec.consistency == "locked" and step.partition:
                self._lock(step.spec)
            if step.kind == "publish":
                yield from self._unlock(step.tables[0])
        except SourceError as error:
            yield from self._failed(step, error)
            return
        self._submit(step)

    def _submit(self, step: Step) -> Future[Result]:
        future = self._executor.submit(work, self._source, self._target, step)
        self.running[future] = step
        return future

    def _together(self, first: Step, spec: TableSpec) -> Iterator[Event]:
        """Begin all steps that must see the same rows while nobody can write; let go of the lock when they all do."""
        rest = (self._schedule.next(time.monotonic()) for _ in range(first.together - 1))
        name = f"bulketl {self._run} {zlib.crc32(spec.table.encode()):08x} {first.attempt}"
        steps = [
            dataclasses.replace(step, sign=f"{name} {n}") for n, step in enumerate([first, *(step for step in rest if step)])
        ]
        signs = [step.sign for step in steps]
        try:
            with self._source.gated(spec, signs[0]) as gate:
                futures = dict(zip(signs, map(self._submit, steps), strict=True))
                _await(spec, futures, gate.waiting, READY_SECONDS, done=False)
                began = time.monotonic()
                how = gate.open()
                _await(spec, futures, gate.reading, SIGN_SECONDS, done=True)
        except SourceError as error:
            if any(step in steps for step in self.running.values()):  # they end, and what they read does not count
                self._torn |= dict.fromkeys(signs, error)
                return
            for n, step in enumerate(steps):
                for event in self._failed(step, error):
                    if n == 0:
                        yield event
            return
        yield SourceLocked(self._run, spec.table, how, time.monotonic() - began)

    def _lock(self, spec: TableSpec) -> None:
        """Lock a table until all its ranges are loaded."""
        if spec.table not in self._locks:
            stack = contextlib.ExitStack()
            lock = stack.enter_context(self._source.locked(spec))
            self._locks[spec.table] = (stack, lock, time.monotonic())

    def _unlock(self, table: str) -> Iterator[Event]:
        """Let go of a table's lock. Raise SourceError when it was gone before."""
        if table in self._locks:
            stack, lock, since = self._locks.pop(table)
            lost = lock.lost()
            stack.close()
            if lost:
                raise SourceError(
                    f"table {table!r}: the connection that locked it at the source was lost while it was read",
                    hint="load it again; if a proxy or the server ends idle connections, ask for consistency: re-read",
                )
            yield SourceLocked(self._run, table, lock.how, time.monotonic() - since)

    def ended(self, future: Future[Result]) -> Iterator[Event]:
        """Say what became of a step."""
        step = self.running.pop(future)
        torn = self._torn.pop(step.sign, None)
        error = future.exception() or torn
        workers = self._schedule.workers
        if error is None:
            self._schedule.succeeded(step)
            yield from self._success(step, future.result())
        elif isinstance(error, RunEndedError):
            raise error
        elif self._cancel and self._cancel.at_once:  # it was ended, and that says nothing of its tables
            self._schedule.failed(step, error, time.monotonic())
        else:
            yield from self._failed(step, error if isinstance(error, BulketlError) else BugError.of(error, step.tables[0]))
        if self._schedule.workers != workers:
            failed = error.public if isinstance(error, BulketlError) else type(error).__name__
            yield WorkersChanged(self._run, self._schedule.workers, "all is well again" if error is None else failed)

    def _failed(self, step: Step, error: BulketlError) -> Iterator[Event]:
        known = all(self._schedule.given_up(table) for table in step.tables)
        again = self._schedule.failed(step, error, time.monotonic())
        if again is not None:
            rows = batch_rows(step, error)
            yield StepRetried(self._run, step.tables, step.kind, step.attempt, error.message, again, rows, error.public)
        elif not known:
            for table in step.tables:
                yield from self._gave_up(table, error)

    def _gave_up(self, table: str, error: BulketlError) -> Iterator[Event]:
        self._under_way.discard(table)
        if table in self._locks:
            self._locks.pop(table)[0].close()
        rejects = error.rejects if isinstance(error, DataError) else 0
        found = {"fail": error.checks} if isinstance(error, DataError) and error.checks else {}
        seconds = time.monotonic() - self._started[table]
        told = (type(error).__name__, error.message, error.hint)
        yield TableFailed(self._run, table, *told, seconds, rejects, found, error.public, error.reference)

    def _success(self, step: Step, result: Result) -> Iterator[Event]:
        index = step.partition.index if step.partition else 0
        for table, done in zip(step.tables, result.loaded, strict=False):
            counts = (done.rows, done.rejects, done.bytes)
            yield PartitionLoaded(self._run, table, index, *counts, result.seconds, done.changed, done.checks)
        yield from self._figures(step, result)
        if (found := result.differences) and step.spec:
            counts = (len(found.missing), len(found.differing), len(found.gone))
            yield TableCompared(
                self._run, step.spec.table, *counts, step.spec.deletes, result.seconds, found.noted, found.rejected
            )
        for spec, published in zip(step.specs, result.published, strict=False):
            self._under_way.discard(spec.table)
            yield TablePublished(
                self._run,
                spec.table,
                published.rows,
                spec.publish,
                time.monotonic() - self._started[spec.table],
                published.inserted,
                published.updated,
                published.unchanged,
                published.deleted,
                spec.consistency,
                published.checks,
                published.quality,
                published.noted,
                0 if spec.publish == "create" else spec.rows,
                published.rejects,
            )

    def _figures(self, step: Step, result: Result) -> Iterator[Event]:
        """Say what a step adds to the certificates of its tables."""
        index = step.partition.index if step.partition else 0
        nothing = (None,) * len(step.specs)
        columns = zip(
            step.specs, result.taken or nothing, result.loaded or nothing, result.published or nothing, strict=False
        )
        for spec, taken, loaded, published in columns:
            target = (loaded.figures if loaded else None) or (published.figures if published else None)
            if spec.certify and (taken or target):
                batches, against, masked = (taken.batches, taken.against, taken.masked) if taken else (None, (), {})
                yield FiguresTaken(self._run, spec.table, index, batches, against, target, floats_of(spec), masked)


def _await(
    spec: TableSpec,
    readers: Mapping[str, Future[Result]],
    there: Callable[[Sequence[str]], set[str]],
    seconds: float,
    *,
    done: bool,
) -> None:
    """Wait until `there` has seen each reader once, by its sign; one that is `done` may have gone again.

    Raise SourceError, a passing one, when that takes too long, or one ends that has not begun.
    """
    began, seen = time.monotonic(), set[str]()
    while waiting := [sign for sign in readers if sign not in seen]:
        seen |= there(waiting)
        ended = {sign for sign, future in readers.items() if future.done()} - seen
        if done:
            seen |= ended
        elif ended or time.monotonic() - began > seconds:
            break
        if time.monotonic() - began > seconds:
            break
        time.sleep(0 if seen.issuperset(waiting) else POLL_SECONDS)
    if not seen.issuperset(readers):
        raise SourceError(
            f"table {spec.table!r}: its readers did not all begin within {seconds:.0f} s, so they would see different "
            "moments",
            hint="lower workers, or ask for consistency: re-read, which needs no lock",
            transient=True,
        )
