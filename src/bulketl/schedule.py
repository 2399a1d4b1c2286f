"""Which step may run next: a plain value machine that knows neither threads nor clocks.

A group of direct tables is one step. A staged table is prepared, then its partitions are loaded in any order, then it
is published. A chunked table's partitions are published one after another. What is to be compared with its source is so
when it is published. Of each tier only so many tables, or groups of small ones, are under way at once. Steps are
offered in the plan's order, and a table's next step before the next table's first, so that tables end one after
another. A step that fails for a passing reason comes back after a pause; a failed group comes back table by table; any
other failure gives up its table and nothing else.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bulketl.errors import BulketlError
from bulketl.partitions import Partition
from bulketl.plan import Group, TableLoad, TableSpec
from bulketl.rules import Tier

ATTEMPTS = 4
PAUSES = (0.5, 2.0, 8.0)  # seconds before the second, third and fourth attempt


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of work: small, picklable, and safe to run twice."""

    kind: Literal["group", "prepare", "load", "publish", "chunk", "compare"]
    loads: tuple[TableLoad, ...] = ()
    spec: TableSpec | None = None
    partition: Partition | None = None
    last: bool = False  # of a table's chunks
    attempt: int = 1

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables this step is for."""
        return (self.spec.table,) if self.spec else tuple(load.spec.table for load in self.loads)


class Schedule:
    """The steps of a plan's groups, in the order they may run. Tell it what became of each step it gave."""

    def __init__(self, groups: Sequence[Group], at_once: Mapping[Tier, int] | None = None) -> None:
        self._groups = deque(groups)
        self._at_once = at_once or {}  # tables or groups of a tier; without a number all
        self._under_way: dict[str, Tier] = {}  # the first table of each group that has begun and not ended
        self._ready: deque[Step] = deque()
        self._waiting: list[tuple[float, Step]] = []
        self._open: dict[str, int] = {}  # staged tables: partitions not loaded yet
        self._partitions: dict[str, tuple[Partition, ...]] = {}
        self._chunks: dict[str, deque[Partition]] = {}
        self._compare = {load.spec.table for group in groups for load in group.loads if load.compare}
        self._failed: set[str] = set()
        self._running = 0
        self._closing = False

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing is left to run."""
        return not (self._running or self._ready or self._waiting or self._groups)

    def close(self) -> None:
        """Begin nothing more: from now on only tables whose rows are all there are published."""
        self._closing = True
        self._groups.clear()
        self._waiting.clear()
        self._ready = deque(step for step in self._ready if step.kind == "publish")

    def next(self, now: float) -> Step | None:
        """Return a step that may run now, or None: then wait for a running one, or until `wakes`."""
        due = [item for item in self._waiting if item[0] <= now]
        for item in due:
            self._waiting.remove(item)
            self._ready.appendleft(item[1])
        while self._ready or self._may_begin():
            if not self._ready:
                self._begin(self._groups.popleft())
            step = self._ready.popleft()
            if not self._failed.intersection(step.tables):
                self._running += 1
                return step
        return None

    def _may_begin(self) -> bool:
        if not self._groups:
            return False
        tier = self._groups[0].tier
        return sum(other == tier for other in self._under_way.values()) < self._at_once.get(tier, len(self._groups))

    def wakes(self) -> float | None:
        """Return when the first waiting step is due, or None when none waits."""
        return min((at for at, _ in self._waiting), default=None)

    def succeeded(self, step: Step) -> None:
        """Take note that a step is done; its successors become ready."""
        self._running -= 1
        if step.spec is None:
            for load in step.loads:
                self._published(load.spec)
            self._under_way.pop(step.tables[0], None)
            return
        table = step.spec.table
        if table in self._failed:
            return
        if step.kind == "prepare" and not self._closing:
            self._prepared(step.spec)
        elif step.kind == "load":
            self._open[table] -= 1
            if self._open[table] == 0:
                self._ready.appendleft(Step("publish", spec=step.spec))
        elif step.kind == "chunk" and not step.last:
            if not self._closing:
                self._ready.appendleft(self._chunk(step.spec))
        elif step.kind != "compare":
            self._published(step.spec)

    def failed(self, step: Step, error: BaseException, now: float) -> float | None:
        """Take note that a step failed; return the pause in seconds when it will run again, else None: it is given up."""
        self._running -= 1
        if self._closing:
            self._failed.update(step.tables)
            return None
        if len(step.loads) > 1:
            self._under_way.pop(step.tables[0], None)
            self._ready.extendleft(Step("group", loads=(load,)) for load in reversed(step.loads))
            return 0.0
        transient = isinstance(error, BulketlError) and error.transient
        if transient and step.attempt < ATTEMPTS and not self._failed.intersection(step.tables):
            pause = PAUSES[step.attempt - 1]
            again = dataclasses.replace(step, attempt=step.attempt + 1)
            self._waiting.append((now + pause, again))
            return pause
        self._failed.update(step.tables)
        self._under_way.pop(step.tables[0], None)
        # Nobody shall wait for the pause of a step that will not run.
        self._waiting = [item for item in self._waiting if not self._failed.intersection(item[1].tables)]
        return None

    def _begin(self, group: Group) -> None:
        self._under_way[group.loads[0].spec.table] = group.tier
        if all(load.direct for load in group.loads):
            self._ready.append(Step("group", loads=group.loads))
            return
        for load in group.loads:
            self._partitions[load.spec.table] = load.partitions
            self._open[load.spec.table] = len(load.partitions)
            if load.chunked:
                self._chunks[load.spec.table] = deque(load.partitions)
                self._ready.append(self._chunk(load.spec))
            elif load.prepared:
                self._prepared(load.spec)
            else:
                self._ready.append(Step("prepare", spec=load.spec))

    def _prepared(self, spec: TableSpec) -> None:
        parts = self._partitions[spec.table]
        # Reversed and put in front: partitions of a table under way go before the next table.
        for partition in reversed(parts):
            self._ready.appendleft(Step("load", spec=spec, partition=partition))
        if not parts:
            self._ready.appendleft(Step("publish", spec=spec))

    def _chunk(self, spec: TableSpec) -> Step:
        left = self._chunks[spec.table]
        return Step("chunk", spec=spec, partition=left.popleft(), last=not left)

    def _published(self, spec: TableSpec) -> None:
        self._under_way.pop(spec.table, None)
        if spec.table in self._compare and not self._closing:
            self._ready.append(Step("compare", spec=spec))
