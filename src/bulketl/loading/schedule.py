"""Which step may run next: a plain value machine that knows neither threads nor clocks.

A group of direct tables is one step. A staged table is prepared, then its partitions are loaded in any order, then it
is published; partitions that must see the same rows are given out together. A chunked table's partitions are published one
after another. What is to be compared with its source is so when it is published. Of each tier only some tables, or groups
of small ones, are under way at once, and none begins before those it depends on have ended. Steps are offered in the plan's
order, and a table's next step before the next table's first, so that tables end one after another.

A step that fails for a passing reason comes back after a pause (`bulketl.loading.patience`); for want of memory, in smaller
batches; after a deadlock or for want of connections, with one step at a time until things have gone well for a while. A
failed group comes back table by table, unless nobody answers on a side; any other failure gives up its table and nothing
else. What a table that is given up has staged is discarded at once. Tables for which the plan says so are loaded once more
when they failed, after all others.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bulketl.errors import BulketlError, DataError, DataQualityError, SourceError, TargetError
from bulketl.loading.patience import Patience, is_away
from bulketl.plan.plan import Group, TableLoad
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec, Tier

BATCHES = (8192, 512, 32)  # rows at a time, after the first, second and third failure for want of memory
CALM = 20  # steps that go well before there is one worker more again
MOST_WORKERS = 1 << 16
LARGE_BYTES = 64 << 20  # expected in a step: four partitions; above, it runs where its death costs one table only
ROWS_UNLIKE = 8  # average rows that one row may weigh


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of work: small, picklable, and safe to run twice.

    `together`: how many steps, this one included, are to see the same rows and are given out one after another; 0 when it
    is alone. `sign`: the named lock that it takes at the source as soon as it does. `bytes`: what it is expected to hold;
    `long`: rows of it may be longer than anybody expects.
    """

    kind: Literal["group", "prepare", "load", "settle", "publish", "chunk", "compare", "discard"]
    loads: tuple[TableLoad, ...] = ()
    spec: TableSpec | None = None
    partition: Partition | None = None
    last: bool = False  # of a table's chunks
    attempt: int = 1
    together: int = 0
    sign: str = ""
    bytes: int = 0
    long: bool = False

    @property
    def specs(self) -> tuple[TableSpec, ...]:
        """What is to be known of the tables this step is for."""
        return (self.spec,) if self.spec else tuple(load.spec for load in self.loads)

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables this step is for."""
        return tuple(spec.table for spec in self.specs)

    @property
    def reads(self) -> bool:
        """Whether it asks the source for rows."""
        return self.kind not in ("prepare", "publish", "discard")


class Schedule:
    """The steps of a plan's groups, in the order they may run. Tell it what became of each step it gave.

    `workers`: steps at once, lowered and raised again as they fare; `at_once`: tables or groups of a tier, without a number
    all; `jitter` gives the factor of a pause.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        at_once: Mapping[Tier, int] | None = None,
        *,
        workers: int = MOST_WORKERS,
        jitter: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._groups = deque(groups)
        self._at_once = at_once or {}
        self.workers = self._most = workers
        self._calm = 0
        self._patience = Patience(jitter)
        self._left = {load.spec.table for group in groups for load in group.loads}  # not published and not given up
        self._under_way: dict[str, Tier] = {}  # the first table of each group that has begun and not ended
        self._ready: deque[Step] = deque()
        self._waiting: list[tuple[float, Step]] = []
        self._open: dict[str, int] = {}  # staged tables: partitions not loaded yet
        self._loads = {load.spec.table: load for group in groups for load in group.loads}
        self._chunks: dict[str, deque[Partition]] = {}
        self._failed: set[str] = set()
        self._staged: set[str] = set()  # that have, or will have, a staging table
        self._busy: Counter[str] = Counter()  # steps under way
        self._gang: deque[Step] = deque()  # steps that must follow the one given out
        self._abreast: dict[str, int] = {}  # tables read together: steps under way
        self._torn: dict[str, tuple[float, Step]] = {}  # of these, what to do when the last has ended
        self._running = 0
        self._closing = False
        self._later: list[TableLoad] = []  # tables that failed, to be loaded once more
        self._tried: set[str] = set()  # once already
        self._revived: set[str] = set()  # and have not begun again

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing is left to run."""
        return not (self._running or self._ready or self._waiting or self._groups or self._later)

    def close(self) -> None:
        """Begin nothing more: from now on only tables whose rows are all there are published."""
        self._closing = True
        self._groups.clear()
        self._later.clear()
        self._waiting.clear()
        self._ready = deque(step for step in self._ready if step.kind == "publish")

    def next(self, now: float, *, reading: bool = True) -> Step | None:
        """Return a step that may run now, or None: then wait for a running one, or until `wakes`.

        Not `reading`: only a step that leaves the source alone.
        """
        due = [item for item in self._waiting if item[0] <= now]
        for item in due:
            self._waiting.remove(item)
            self._ready.appendleft(item[1])
        while self._gang or self._running < self.workers:
            step = self._gang.popleft() if self._gang else self._first(reading)
            if step is None and self._revive():
                continue
            if step is None:
                return None
            if step.together and not self._abreast.get(step.tables[0]) and not self._room(step):
                self._ready.appendleft(step)
                return None
            if step.kind == "discard" or not self._failed.intersection(step.tables):
                self._running += 1
                self._busy.update(step.tables)
                return self._weighed(step) if step.reads else step
        return None

    def _revive(self) -> bool:
        """Once all others have ended, let tables that failed begin anew, each on its own; tell whether there are any."""
        if self._running or self._ready or self._waiting or self._groups or not self._later:
            return False
        for load in self._later:
            table = load.spec.table
            self._failed.discard(table)
            self._left.add(table)
            self._revived.add(table)
            self._abreast.pop(table, None)
            self._torn.pop(table, None)
            self._loads[table] = load
            self._groups.append(Group(load.tier, (load,)))
        self._later.clear()
        return True

    def begins_again(self, table: str) -> bool:
        """Tell, once, that a table which failed has a step again."""
        again = table in self._revived
        self._revived.discard(table)
        return again

    def _weighed(self, step: Step) -> Step:
        """Return a step with what it may hold."""
        loads = step.loads or tuple(self._loads[table] for table in step.tables)
        stream = step.partition.stream if step.partition else 0
        weight = sum(expected_bytes(load, stream) for load in loads)
        return dataclasses.replace(step, bytes=weight, long=any(load.long for load in loads))

    def _room(self, step: Step) -> bool:
        """Tell whether all steps of a table read together may begin; then they do."""
        if self._running and self._running + step.together > self.workers:
            return False
        (table,) = step.tables
        self._abreast[table] = step.together
        parts = self._loads[table].partitions
        self._gang.extend(dataclasses.replace(step, partition=part) for part in parts[1:])
        return True

    def _first(self, reading: bool) -> Step | None:
        if not reading:
            found = next((step for step in self._ready if not step.reads), None)
            if found is not None:
                self._ready.remove(found)
            return found
        if not self._ready:
            group = self._next_group()
            if group is None:
                return None
            self._groups.remove(group)
            self._begin(group)
        return self._ready.popleft()

    def _next_group(self) -> Group | None:
        """Return the first group whose dependencies have ended, if its tier has room for it."""
        for group in self._groups:
            if self._left.isdisjoint(group.after):
                busy = sum(tier == group.tier for tier in self._under_way.values())
                return group if busy < self._at_once.get(group.tier, MOST_WORKERS) else None
        return None

    def wakes(self) -> float | None:
        """Return when the first waiting step is due, or None when none waits."""
        return min((at for at, _ in self._waiting), default=None)

    def given_up(self, table: str) -> bool:
        """Tell whether the table has failed."""
        return table in self._failed

    def give_up(self, table: str) -> None:
        """Let nothing more begin of a table; its steps under way may end."""
        self._ended(table)
        self._failed.add(table)
        # Nobody shall wait for the pause of a step that will not run.
        self._waiting = [item for item in self._waiting if table not in item[1].tables]
        self._discard(table)

    def _discard(self, table: str) -> None:
        """Let what a failed table has staged be dropped, once nobody is at work on it: its neighbours need the room."""
        if table in self._staged and table in self._failed and not self._busy[table] and not self._closing:
            self._staged.discard(table)
            self._ready.appendleft(Step("discard", spec=self._loads[table].spec))

    def _ended_one(self, step: Step) -> None:
        self._running -= 1
        self._busy.subtract(step.tables)
        for table in step.tables:
            self._discard(table)

    def succeeded(self, step: Step) -> None:
        """Take note that a step is done; its successors become ready."""
        self._ended_one(step)
        self._calm += 1
        self._patience.answered(*((SourceError, TargetError) if step.reads or step.kind == "publish" else (TargetError,)))
        if self._calm >= CALM and self.workers < self._most:
            self.workers, self._calm = self.workers + 1, 0
        if step.spec is None:
            for load in step.loads:
                self._published(load.spec)
            return
        table = step.spec.table
        if table in self._failed:
            return
        if step.kind in ("publish", "chunk") and (step.last or step.kind == "publish"):
            self._published(step.spec)
        elif step.kind == "load":
            self._loaded(step, step.spec)
        elif step.kind == "settle":
            self._ready.appendleft(Step("publish", spec=step.spec))
        elif step.kind == "prepare" and not self._closing:
            self._prepared(step.spec, step.attempt)
        elif step.kind == "chunk" and not self._closing:
            self._ready.appendleft(self._chunk(step.spec))

    def _loaded(self, step: Step, spec: TableSpec) -> None:
        self._open[spec.table] -= 1
        if not self._parted(step) and self._open[spec.table] == 0:
            self._ready.appendleft(self._complete(spec))

    def failed(self, step: Step, error: BaseException, now: float) -> float | None:
        """Take note that a step failed; return the pause in seconds when it will run again, else None: it is given up."""
        self._ended_one(step)
        self._calm = 0
        if self._closing or self._failed.intersection(step.tables):
            self._failed.update(step.tables)
            return None
        if len(step.loads) > 1 and not is_away(error):
            tier = self._under_way.pop(step.tables[0])
            self._groups.extendleft(Group(tier, (load,)) for load in reversed(step.loads))
            return 0.0
        pause = self._patience.pause(step.attempt, error, now)
        if pause is not None and isinstance(error, BulketlError):
            if error.ease == "workers":
                self.workers = 1
            if error.away:  # which is no attempt
                step = dataclasses.replace(step, attempt=step.attempt - 1)
            if step.together:  # what the others read is not the same any more
                again = Step("prepare", spec=step.spec, attempt=step.attempt + 1)
                self._torn[step.tables[0]] = (now + pause, again)
                self._parted(step)
            else:
                self._again(step, now + pause, batch_rows(step, error))
            return pause
        for table in step.tables:
            self.give_up(table)
            self._put_off(self._loads[table], error)
        return None

    def _put_off(self, load: TableLoad, error: BaseException) -> None:
        """Keep a table that failed for later, unless its own rows are why, which are as bad then."""
        rows = isinstance(error, DataError) and not isinstance(error, DataQualityError)
        if load.once_more and not rows and load.spec.table not in self._tried:
            self._tried.add(load.spec.table)
            self._later.append(dataclasses.replace(load, prepared=False))

    def _parted(self, step: Step) -> bool:
        """Count a step of a table read together as ended; tell whether the table has to be read again."""
        (table,) = step.tables
        if not step.together:
            return False
        self._abreast[table] -= 1
        if table in self._torn and self._abreast[table] == 0:
            self._waiting.append(self._torn.pop(table))
            return True
        return table in self._torn

    def _again(self, step: Step, at: float, rows: int) -> None:
        step = dataclasses.replace(step, attempt=step.attempt + 1)
        if rows and step.partition is not None:
            step = dataclasses.replace(step, partition=_smaller(step.partition, rows))
        elif rows and step.kind == "group":  # what is not in memory at once has to be staged
            (load,) = step.loads
            load = dataclasses.replace(load, partitions=tuple(_smaller(part, rows) for part in load.partitions))
            self._loads[load.spec.table] = load
            self._open[load.spec.table] = len(load.partitions)
            self._staged.add(load.spec.table)
            step = Step("prepare", spec=load.spec, attempt=step.attempt)
        self._waiting.append((at, step))

    def _begin(self, group: Group) -> None:
        self._under_way[group.loads[0].spec.table] = group.tier
        if all(load.direct for load in group.loads):
            self._ready.append(Step("group", loads=group.loads))
            return
        for load in group.loads:
            self._open[load.spec.table] = len(load.partitions)
            if load.chunked:
                self._chunks[load.spec.table] = deque(load.partitions)
                self._ready.append(self._chunk(load.spec))
                continue
            self._staged.add(load.spec.table)
            if load.prepared:
                self._prepared(load.spec)
            else:
                self._ready.append(Step("prepare", spec=load.spec))

    def _prepared(self, spec: TableSpec, attempt: int = 1) -> None:
        parts = self._loads[spec.table].partitions
        self._open[spec.table] = len(parts)
        if spec.consistency == "snapshot" and len(parts) > 1:
            self._ready.appendleft(Step("load", spec=spec, partition=parts[0], attempt=attempt, together=len(parts)))
            return
        # Reversed and put in front: partitions of a table under way go before the next table.
        for partition in reversed(parts):
            self._ready.appendleft(Step("load", spec=spec, partition=partition))
        if not parts:
            self._ready.appendleft(self._complete(spec))

    def _complete(self, spec: TableSpec) -> Step:
        """Return what follows when all rows of a table are staged."""
        return Step("settle" if spec.consistency == "re-read" else "publish", spec=spec)

    def _chunk(self, spec: TableSpec) -> Step:
        left = self._chunks[spec.table]
        return Step("chunk", spec=spec, partition=left.popleft(), last=not left)

    def _published(self, spec: TableSpec) -> None:
        self._staged.discard(spec.table)
        self._ended(spec.table)
        if self._loads[spec.table].compare and not self._closing:
            self._ready.append(Step("compare", spec=spec))

    def _ended(self, table: str) -> None:
        self._left.discard(table)
        self._under_way.pop(table, None)


def expected_bytes(load: TableLoad, stream: int = 0) -> int:
    """Return how many bytes a step of a table is expected to hold; a stream reads `stream` rows at a time."""
    row = load.bytes / max(1, load.rows)
    rows = load.rows / max(1, len(load.partitions))
    return int(row * max(min(stream, rows) if stream else rows, ROWS_UNLIKE if row * ROWS_UNLIKE > LARGE_BYTES else 0))


def batch_rows(step: Step, error: BulketlError) -> int:
    """Return how many rows at a time a step that failed is to read in its next try, 0 when as many as before.

    Rows that are read so pass through a file, which those that are to be masked must not.
    """
    alone = len(step.loads) < 2 and not step.together and not any(spec.masked for spec in step.specs)
    smaller = error.ease == "batch" and step.kind in ("load", "chunk", "group") and alone
    return BATCHES[min(step.attempt, len(BATCHES)) - 1] if smaller else 0


def _smaller(partition: Partition, rows: int) -> Partition:
    return dataclasses.replace(partition, stream=min(rows, partition.stream or rows))
