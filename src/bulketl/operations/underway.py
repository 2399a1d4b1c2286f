"""What of a load is under way: large tables, small ones together, the run as a whole.

A fold over events that is told the time; a live display, `watch` and the dashboard show it, each in its own way. A line
keeps its place, and one that has ended stays until another needs the place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bulketl.loading.events import (
    Event,
    PartitionLoaded,
    RunStarted,
    TableDone,
    TableFailed,
    TableOverdue,
    TablePublished,
    TableRetried,
    TableSkipped,
    TableStarted,
)

LINE_ROWS = 20_000  # smaller tables come and go too quickly to have a line each
MOST_LINES = 8  # of tables; others are counted
RATE_AFTER = 2.0  # seconds, before which a rate says nothing
RATE_SECONDS = 10.0  # that a rate looks back, or more where partitions take longer


@dataclass(slots=True)
class Line:
    """A table, several small ones of a tier, or the run: what is expected, and what has arrived."""

    label: str
    tier: str
    expected: int
    tables: int = 1
    began: float | None = None
    ended: float | None = None
    rows: int = 0
    bytes: int = 0
    size: int = 0  # bytes expected
    coming: int = 0  # rows, of what is on its way from the source
    over: int = 0
    failed: int = 0
    late: bool = False
    usual: float | None = None  # seconds that it took in earlier nights
    came: deque[tuple[float, int]] = field(default_factory=deque)  # when how many rows were there, the last in a while

    def begin(self, now: float) -> None:
        """Its first table has begun."""
        self.began = now
        self.came.append((now, 0))

    def add(self, rows: int, weight: int, now: float) -> None:
        """Take note of rows that have come, and of their weight in bytes."""
        self.rows, self.bytes = self.rows + rows, self.bytes + weight
        self.came.append((now, self.rows))
        while len(self.came) > 1 and self.came[1][0] <= now - RATE_SECONDS:
            self.came.popleft()

    def come(self, weight: int) -> None:
        """Take note of the bytes that are on their way, of all ranges together: never of all of it, which is not there."""
        left = self.expected - self.rows
        self.coming = min(int(self.expected * weight / self.size), left * 9 // 10) if self.size and left > 0 else 0

    def end(self, failed: bool, again: bool, now: float) -> None:
        """One table has ended; `again`: it was published before, and failed when it was compared."""
        self.over, self.failed = self.over + (not again), self.failed + failed
        self.ended = now if self.over == self.tables else None

    def begin_again(self, rows: int) -> None:
        """One table that failed is loaded once more, of which so many rows had come."""
        self.over, self.failed, self.ended = self.over - 1, self.failed - 1, None
        self.rows -= rows

    @property
    def arrived(self) -> int:
        """Rows of those expected; all of them once it has ended: a resumed table brings only the rest."""
        return self.expected if self.ended is not None else min(self.rows + self.coming, self.expected)

    def seconds(self, now: float) -> float:
        """Return how long it has taken."""
        return 0.0 if self.began is None else (now if self.ended is None else self.ended) - self.began

    def left(self, now: float) -> tuple[float, str] | None:
        """Return the seconds that are left, and by what: `nights`, or `rate` where these tell nothing any more."""
        if self.began is None or self.ended is not None:
            return None
        if self.usual is not None and self.seconds(now) < self.usual:
            return self.usual - self.seconds(now), "nights"
        rate = self.rate(now)
        seconds = (self.expected - self.arrived) / rate - (now - self.came[-1][0]) if rate else 0.0
        return (seconds, "rate") if seconds >= 1 else None

    def rate(self, now: float) -> float | None:
        """Return rows a second as they came of late, at the end of its whole time; None while that says nothing.

        It stands between partitions, for rows are told by partitions, until these are overdue: a table may have to wait.
        """
        if not self.rows:
            return None
        (since, before), (last, rows) = self.came[0], self.came[-1]
        if self.ended is not None:
            (since, before), last = (self.began or 0.0, 0), self.ended
        elif now - last > max(last - since, RATE_SECONDS) and self.rows < self.expected:
            return None
        return (rows - before) / (last - since) if last - since >= RATE_AFTER else None


class UnderWay:
    """Everything that is shown of a run: add events, and take the lines of any moment.

    `usual`: how many seconds tables took in earlier nights, the whole run by ''; where it is given, it is foretold when they
    end. `tiers`: those that are shown, all of them when empty.
    """

    def __init__(self, usual: Mapping[str, float] | None = None, tiers: Collection[str] = ()) -> None:
        self.usual, self._tiers = usual, tiers
        self.run = Line("", "", 0, tables=0)
        self._lines: dict[str, Line] = {}  # of each table; small ones of a tier share one
        self._ended: set[str] = set()
        self._begun: set[str] = set()
        self.shown: list[Line] = []
        self.waiting: deque[Line] = deque()  # under way, without a place

    def add(self, event: Event, now: float) -> None:
        """Take note of an event; of a table whose beginning was not told, or of another tier, nothing is shown."""
        if getattr(event, "table", None) not in (None, *self._lines):
            return
        match event:
            case RunStarted():
                self._begin(event, now)
            case TableSkipped(table=table):
                self.run.tables -= 1
                self._lines[table].tables -= 1
            case TableStarted(table=table):
                self._start(table, now)
            case PartitionLoaded(table=table):
                for line in (self._lines[table], self.run):
                    line.add(event.rows, event.bytes, now)
            case TableOverdue(table=table):
                self._lines[table].late = True
            case TableRetried(table=table):
                self._begin_again(table)
            case TableDone(table=table) | TablePublished(table=table) | TableFailed(table=table):
                self._end(table, isinstance(event, TableFailed), now)

    def _start(self, table: str, now: float) -> None:
        self._begun.add(table)
        line = self._lines[table]
        if line.began is None:
            line.label = table  # where all the other small ones of its tier are skipped
            line.begin(now)
            self._place(line)

    def _end(self, table: str, failed: bool, now: float) -> None:
        for line in (self._lines[table], self.run):
            line.end(failed, table in self._ended, now)
        self._ended.add(table)
        self._give_place()

    def _begin_again(self, table: str) -> None:
        line = self._lines[table]
        rows = line.rows if line.tables == 1 else 0
        for each in (line, self.run):
            each.begin_again(rows)
        self._ended.discard(table)
        self._begun.discard(table)

    def _begin(self, event: RunStarted, now: float) -> None:
        tables = {name: told for name, told in event.tables.items() if not self._tiers or told[1] in self._tiers}
        rows, usual = sum(expected for expected, _ in tables.values()), self.usual or {}
        self.run = Line("", "", rows, len(tables), usual=None if self._tiers else usual.get(""))
        self.run.begin(now)
        self._lines, self._begun, self._ended, self.shown, self.waiting = {}, set(), set(), [], deque()
        small: dict[str, Line] = {}
        for table, (expected, tier) in tables.items():
            if expected >= LINE_ROWS:
                self._lines[table] = Line(table, tier, expected, size=event.sizes.get(table, 0), usual=usual.get(table))
            elif tier in small:
                small[tier].tables += 1
                small[tier].expected += expected
                self._lines[table] = small[tier]
            else:
                self._lines[table] = small[tier] = Line(table, tier, expected)

    def _place(self, line: Line) -> None:
        """Give a line the place of the one that ended first, or one more, or let it wait."""
        ended = [n for n, shown in enumerate(self.shown) if shown.ended is not None]
        if ended:
            self.shown[min(ended, key=lambda n: self.shown[n].ended or 0.0)] = line
        elif len(self.shown) < MOST_LINES:
            self.shown.append(line)
        else:
            self.waiting.append(line)

    def _give_place(self) -> None:
        self.waiting = deque(line for line in self.waiting if line.ended is None)
        while self.waiting and any(shown.ended is not None for shown in self.shown):
            self._place(self.waiting.popleft())

    def arrive(self, coming: Mapping[str, int]) -> None:
        """Take note of the bytes that are on their way from the source, by table."""
        for table, line in self._lines.items():
            if line.tables == 1:
                line.come(coming.get(table, 0) if line.began is not None and line.ended is None else 0)
        self.run.coming = sum(line.coming for line in self._lines.values() if line.tables == 1)

    @property
    def arrived(self) -> int:
        """Rows of those expected, of all tables."""
        return sum(line.arrived for line in {id(line): line for line in self._lines.values()}.values())

    def left_of(self, line: Line, now: float) -> tuple[float, str] | None:
        """Return the seconds that are left of a line, and by what; None where that is not foretold."""
        return line.left(now) if self.usual is not None and (line.tables == 1 or line is self.run) else None

    @property
    def begun(self) -> bool:
        """Whether it was told which tables there are."""
        return bool(self.run.tables)

    @property
    def tables(self) -> frozenset[str]:
        """The tables that have begun and not ended, by name, small ones too."""
        return frozenset(self._begun - self._ended)

    @property
    def to_come(self) -> int:
        """How many tables wait for their turn."""
        lines = {id(line): line for line in self._lines.values()}.values()
        return sum(line.tables for line in lines if line.began is None)

    def to_json(self, now: float) -> dict[str, object]:
        """Return what is under way as plain values; `left`: seconds, by `nights` or by `rate`."""
        tables = [_to_json(line, now) for line in (*self.shown, *self.waiting) if line.ended is None]
        return {"tables": self.run.tables, "ended": self.run.over, "failed": self.run.failed,
                "rows": self.run.rows, **_left_of(self.run, now), "under_way": tables}  # fmt: skip


def _to_json(line: Line, now: float) -> dict[str, object]:
    rate = line.rate(now)
    name = line.label if line.tables == 1 else f"{line.tables} small tables"
    return {"table": name, "tier": line.tier, "rows": line.rows, "expected": line.expected, "bytes": line.bytes,
            "rows_per_second": rate and round(rate, 1), "seconds": round(line.seconds(now), 1), "late": line.late,
            **_left_of(line, now)}  # fmt: skip


def _left_of(line: Line, now: float) -> dict[str, object]:
    left = line.left(now)
    return {"left": round(left[0], 1), "left_by": left[1]} if left else {"left": None, "left_by": None}
