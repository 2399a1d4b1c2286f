"""Progress: a live display on a terminal, and plain lines when nobody is watching a screen."""

from __future__ import annotations

import dataclasses
import threading
import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live

from bulketl.cli.progress.underway import lines
from bulketl.cli.text import Text
from bulketl.connections import watch
from bulketl.loading.events import Event, HookRan, RunStarted, StepRetried, TableFailed, TablePublished
from bulketl.operations.following import told
from bulketl.operations.underway import LINE_ROWS, UnderWay
from bulketl.tables.printable import count_of, in_a_line


class Display:
    """A live display, to be used as a context manager and called with events."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._under_way = UnderWay()
        self._lock = threading.Lock()  # the display is drawn by a thread of its own
        self._note = ""
        self._live = Live(console=console, transient=True, refresh_per_second=4, get_renderable=self._lines)

    def __enter__(self) -> Display:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        with self._lock:
            self._under_way.add(event, time.monotonic())
        if isinstance(event, RunStarted) and event.sessions:
            self._say("run", "dim", f"{event.run}: {event.line}")
        if isinstance(event, TableFailed):
            self._say("failed", "red", event.message)
        for what, text in told(event):
            self._say(what, "yellow", text)

    def note(self, text: str) -> None:
        """Show a line below everything from now on; also from a signal's handler."""
        self._note = text

    def _lines(self) -> Group:
        coming = {what.removeprefix("table ").strip("'"): weight for what, weight in watch.arriving("connectorx").items()}
        with self._lock:
            self._under_way.arrive(coming)
            return lines(self._under_way, self._console.width, time.monotonic(), self._note)

    def _say(self, what: str, style: str, text: str) -> None:
        self._console.print(Text.assemble((what, style), f" {in_a_line(text)}"))


class Lines:
    """Plain lines for logs: one when a table of some size is published, one for every failure and retry.

    Unless they are `whole` words of a server are left out, which may quote rows: who reads a log is not known.
    """

    def __init__(self, console: Console, whole: bool = False) -> None:
        self._console, self._whole = console, whole

    def __call__(self, event: Event) -> None:
        """Print one event."""
        if isinstance(event, (TableFailed, StepRetried, HookRan)) and event.public and not self._whole:
            event = dataclasses.replace(event, message=event.public)
        match event:
            case RunStarted():
                text = (
                    f"run {event.run}: {count_of(len(event.tables), 'table')} from {event.source} into schema {event.schema}"
                )
                self._print(f"{text}, TIMESTAMP columns in zone {event.zone}")
                if event.sessions:
                    self._print(event.line)
                for note in event.notes:
                    self._print(note)
            case TablePublished() if event.rows >= LINE_ROWS:
                self._print(f"loaded {event.table}: {count_of(event.rows, 'row')} in {event.seconds:.1f} s ({event.how})")
            case TableFailed():
                self._print(f"failed {event.table}: {event.message}")
            case _:
                for what, text in told(event):
                    self._print(f"{what} {text}")

    def _print(self, text: str) -> None:
        self._console.print(in_a_line(text), highlight=False, markup=False, soft_wrap=True)
