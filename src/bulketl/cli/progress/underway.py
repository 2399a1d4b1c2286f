"""What of a load is under way, as the lines of a live display: large tables, small ones together, the run as a whole.

A fold over events that is told the time. Columns stand still: their widths depend on the terminal alone, a line keeps its
place, and one that has ended stays until another needs the place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.text import Text

from bulketl.cli.screens.common import size
from bulketl.cli.screens.listing import Rows
from bulketl.loading.events import (
    Event,
    PartitionLoaded,
    RunStarted,
    TableFailed,
    TableOverdue,
    TablePublished,
    TableSkipped,
    TableStarted,
)
from bulketl.tables.printable import count_of, in_a_line

LINE_ROWS = 20_000  # smaller tables come and go too quickly to have a line each
MOST_LINES = 8  # of tables; others are counted
RATE_AFTER = 2.0  # seconds, before which a rate says nothing
RATE_SECONDS = 10.0  # that a rate looks back, or more where partitions take longer
GAP = 2
LEFT = ("table", "tier", "")  # the others are numbers
WIDTHS = {"table": 21, "tier": 10, "": 10, "rows": 13, "size": 7, "rows/s": 9, "seconds": 7, "left": 7}  # "": the bar
IMPORTANCE = ("rows", "seconds", "tier", "rows/s", "", "size", "left")  # what comes last goes first; 80 are too few for two


@dataclass(slots=True)
class _Line:
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
    came: deque[tuple[float, int]] = field(default_factory=deque)  # when how many rows were there, the last in a while

    def begin(self, now: float) -> None:
        self.began = now
        self.came.append((now, 0))

    def add(self, rows: int, weight: int, now: float) -> None:
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

    @property
    def arrived(self) -> int:
        """Rows of those expected; all of them once it has ended: a resumed table brings only the rest."""
        return self.expected if self.ended is not None else min(self.rows + self.coming, self.expected)

    def seconds(self, now: float) -> float:
        """Return how long it has taken."""
        return 0.0 if self.began is None else (now if self.ended is None else self.ended) - self.began

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
    """Everything that is shown of a run: add events, and take the lines of any moment."""

    def __init__(self) -> None:
        self._run = _Line("", "", 0, tables=0)
        self._lines: dict[str, _Line] = {}  # of each table; small ones of a tier share one
        self._ended: set[str] = set()
        self._shown: list[_Line] = []
        self._waiting: deque[_Line] = deque()  # under way, without a place

    def add(self, event: Event, now: float) -> None:
        """Take note of an event."""
        match event:
            case RunStarted():
                self._begin(event, now)
            case TableSkipped(table=table):
                self._run.tables -= 1
                self._lines[table].tables -= 1
            case TableStarted(table=table) if self._lines[table].began is None:
                line = self._lines[table]
                line.label = table  # where all the other small ones of its tier are skipped
                line.begin(now)
                self._place(line)
            case PartitionLoaded(table=table):
                for line in (self._lines[table], self._run):
                    line.add(event.rows, event.bytes, now)
            case TableOverdue(table=table):
                self._lines[table].late = True
            case TablePublished(table=table) | TableFailed(table=table):
                for line in (self._lines[table], self._run):
                    line.end(isinstance(event, TableFailed), table in self._ended, now)
                self._ended.add(table)
                self._give_place()

    def _begin(self, event: RunStarted, now: float) -> None:
        rows = sum(expected for expected, _ in event.tables.values())
        self._run = _Line("", "", rows, len(event.tables))
        self._run.begin(now)
        small: dict[str, _Line] = {}
        for table, (expected, tier) in event.tables.items():
            if expected >= LINE_ROWS:
                self._lines[table] = _Line(table, tier, expected, size=event.sizes.get(table, 0))
            elif tier in small:
                small[tier].tables += 1
                small[tier].expected += expected
                self._lines[table] = small[tier]
            else:
                self._lines[table] = small[tier] = _Line(table, tier, expected)

    def _place(self, line: _Line) -> None:
        """Give a line the place of the one that ended first, or one more, or let it wait."""
        ended = [n for n, shown in enumerate(self._shown) if shown.ended is not None]
        if ended:
            self._shown[min(ended, key=lambda n: self._shown[n].ended or 0.0)] = line
        elif len(self._shown) < MOST_LINES:
            self._shown.append(line)
        else:
            self._waiting.append(line)

    def _give_place(self) -> None:
        self._waiting = deque(line for line in self._waiting if line.ended is None)
        while self._waiting and any(shown.ended is not None for shown in self._shown):
            self._place(self._waiting.popleft())

    def arrive(self, coming: Mapping[str, int]) -> None:
        """Take note of the bytes that are on their way from the source, by table."""
        for table, line in self._lines.items():
            if line.tables == 1:
                line.come(coming.get(table, 0) if line.began is not None and line.ended is None else 0)
        self._run.coming = sum(line.coming for line in self._lines.values() if line.tables == 1)

    def lines(self, width: int, now: float, note: str = "") -> Group:
        """Return the lines of this moment, the run as a whole below them, and a note, for which a line is always free."""
        shown = [Text(note, style="yellow", no_wrap=True, overflow="ellipsis")]
        if not self._run.tables:
            return Group(*shown)
        widths = fitting(width)
        table = Rows(GAP, still=True)
        for title, width in widths.items():
            table.add_column(title, width=width, no_wrap=True, justify="left" if title in LEFT else "right")
        for line in self._shown:
            cells = _of_table(line) | _numbers(line, now)
            style = "red" if line.failed else "dim" if line.ended is not None else ""
            table.add_row(*(cells.get(title, "") for title in widths), style=style)
        if self._waiting:
            table.add_row(f"and {sum(line.tables for line in self._waiting):,} more", style="dim")
        cells = self._of_run(now) | _numbers(self._run, now)
        table.add_row(*(cells.get(title, "") for title in widths), style="bold")
        return Group(table, *shown)

    def _of_run(self, now: float) -> dict[str, RenderableType]:
        run = self._run
        arrived = sum(line.arrived for line in {id(line): line for line in self._lines.values()}.values())
        cells: dict[str, RenderableType] = {
            "table": f"{run.over:,} of {count_of(run.tables, 'table')}",
            "tier": Text(f"{run.failed:,} failed", style="red") if run.failed else "",
            "": _bar(arrived / run.expected if run.expected else run.over / run.tables, "green"),
        }
        if rate := run.rate(now):  # of a table nothing is foretold: it may have to wait for others
            seconds = (run.expected - arrived) / rate - (now - run.came[-1][0])
            cells["left"] = f"{seconds:.0f}" if seconds >= 1 else ""
        return cells


def _of_table(line: _Line) -> dict[str, RenderableType]:
    if line.tables > 1:
        return {
            "table": f"{line.tables:,} small tables",
            "tier": line.tier,
            "": _bar(line.over / line.tables, "red" if line.failed else "green"),
        }
    arrived = min(line.rows, line.expected) if line.failed else line.arrived
    share = arrived / line.expected if line.expected else float(line.over)
    return {"table": Text(in_a_line(line.label)), "tier": line.tier, "": _bar(share, "red" if line.failed else "green")}


def _bar(share: float, colour: str) -> ProgressBar:
    return ProgressBar(1.0, share, style="dim", complete_style=colour, finished_style=colour)


def _numbers(line: _Line, now: float) -> dict[str, RenderableType]:
    rate = line.rate(now)
    return {
        "rows": f"{line.rows + line.coming:,}",
        "size": size(line.bytes),
        "rows/s": f"{float(f'{rate:.3g}'):,.0f}" if rate else "",  # digits that change all the time say nothing
        "seconds": Text(f"{line.seconds(now):.0f}", style="yellow" if line.late else ""),
    }


def fitting(width: int) -> dict[str, int]:
    """Return the columns for which a terminal is wide enough, and their widths; what is left over widens names and bars."""
    taken, room = {"table"}, width - WIDTHS["table"]
    for title in IMPORTANCE:
        if room < GAP + WIDTHS[title]:
            break
        taken.add(title)
        room -= GAP + WIDTHS[title]
    widths = {title: cells for title, cells in WIDTHS.items() if title in taken}
    widths["table"] += room
    if "left" in widths:
        widths["table"] -= room // 3
        widths[""] += room // 3
    return widths
