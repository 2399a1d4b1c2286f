"""Progress on a terminal: a bar per table under way and one for the whole; plain lines when nobody is watching a screen."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from bulketl.events import (
    Event,
    PartitionLoaded,
    RunStarted,
    SourceLocked,
    SourceReadAgain,
    SourceSpared,
    StepRetried,
    TableFailed,
    TableOverdue,
    TablePublished,
    TableStarted,
    WorkersChanged,
)

BAR_ROWS = 20_000  # smaller tables come and go too quickly to be worth a line


def told(event: Event) -> Iterator[tuple[str, str]]:
    """Yield what a person should hear at once of an event that is no table's beginning or end: a word, and the text."""
    match event:
        case StepRetried():
            rows = f"; {event.batch_rows:,} rows at a time from now on" if event.batch_rows else ""
            yield "again", f"{', '.join(event.tables[:5])}: {event.message}{rows}"
        case WorkersChanged():
            steps = "one step" if event.workers == 1 else f"{event.workers} steps"
            yield "workers", f"{steps} at a time from now on: {event.why}"
        case TableOverdue():
            yield "late", f"{event.table}: longer than the {event.seconds / 60:g} minutes it should take; it goes on"
        case SourceSpared():
            yield "waiting", event.why
        case SourceReadAgain():
            yield "reading", f"again, after {event.seconds:.0f} s"
        case SourceLocked():
            yield "locked", f"{event.table} at the source for {event.seconds:.3f} s ({event.how})"


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} rows/s" if task.speed else "", style="cyan", justify="right")


class Display:
    """A live display, to be used as a context manager and called with events."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:>12,.0f} rows", justify="right"),
            _Rate(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )
        self._console = console
        self._bars: dict[str, TaskID] = {}
        self._expected: dict[str, int] = {}
        self._rows: dict[str, int] = {}
        self._published = 0
        self._all: TaskID | None = None

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case RunStarted():
                self._expected = {name: rows for name, (rows, _) in event.tables.items()}
                self._all = self._progress.add_task("", total=sum(self._expected.values()) or None)
                self._count(0)
            case TableStarted(table=table) if self._expected[table] >= BAR_ROWS:
                self._bars[table] = self._progress.add_task(escape(table), total=self._expected[table])
            case PartitionLoaded(table=table):
                self._rows[table] = self._rows.get(table, 0) + event.rows
                if table in self._bars:
                    self._progress.advance(self._bars[table], event.rows)
                if self._all is not None:
                    self._progress.advance(self._all, event.rows)
            case TablePublished(table=table):
                self._end(table)
            case TableFailed(table=table):
                self._say("failed", "red", event.message)
                self._end(table)
            case _:
                for what, text in told(event):
                    self._say(what, "yellow", text)

    def _say(self, what: str, style: str, text: str) -> None:
        self._console.print(Text.assemble((what, style), f" {text}"))

    def _end(self, table: str) -> None:
        bar = self._bars.pop(table, None)
        if bar is not None:
            self._progress.remove_task(bar)
        self._count(1)

    def _count(self, more: int) -> None:
        self._published += more
        if self._all is not None:
            text = f"[bold]{self._published} of {len(self._expected)} tables[/]"
            self._progress.update(self._all, description=text)


class Lines:
    """Plain lines for logs: one when a table of some size is published, one for every failure and retry."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, event: Event) -> None:
        """Print one event."""
        match event:
            case RunStarted():
                text = f"run {event.run}: {len(event.tables)} tables from {event.source} into schema {event.schema}"
                self._print(f"{text}, TIMESTAMP columns in zone {event.zone}")
            case TablePublished() if event.rows >= BAR_ROWS:
                self._print(f"loaded {event.table}: {event.rows:,} rows in {event.seconds:.1f} s ({event.how})")
            case TableFailed():
                self._print(f"failed {event.table}: {event.message}")
            case _:
                for what, text in told(event):
                    self._print(f"{what} {text}")

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
