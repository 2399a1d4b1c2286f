"""What an act is doing beside the steps of a load: one moving line on a terminal, elsewhere a line for each stage."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar

from bulketl.cli.screens.listing import Rows
from bulketl.cli.text import Text
from bulketl.tables.printable import in_a_line

BAR = 20  # columns
DETAIL_SECONDS = 5.0  # that a second line stays without news


class Stages:
    """Tells what is being done, to be used as a context manager and called with it."""

    def __init__(self, console: Console, *, live: bool) -> None:
        """Write to that console, a moving line when `live`."""
        self._console, self._is_live = console, live
        self._lock = threading.Lock()  # it is told by threads, and drawn by another
        self._what, self._done, self._of, self._began = "starting", 0, 0, time.monotonic()
        self._detail, self._detail_at, self._note = ("", 0, 0), 0.0, ""
        self._live = Live(console=console, transient=True, refresh_per_second=8, get_renderable=self._lines)

    def __enter__(self) -> Stages:
        if self._is_live:
            self._live.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._is_live:
            self._live.stop()

    def __call__(self, what: str, done: int = 0, of: int = 0) -> None:
        """Show what is done from now on, and how many of how many are done; ranges of a table beside it."""
        with self._lock:
            if what.startswith("ranges of "):
                self._detail, self._detail_at = (what, done, of), time.monotonic()
                return
            new = what != self._what
            self._what, self._done, self._of = what, done, of
        if new and not self._is_live:
            count = f" ({of:,} tables)" if of > 1 else ""
            self._console.print(in_a_line(f"{what}{count}"), highlight=False, markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Show a line below from now on; also from a signal's handler."""
        self._note = text

    def _lines(self) -> Group:
        now = time.monotonic()
        with self._lock:
            rows = [(self._what, self._done, self._of)]
            rows += [self._detail] if self._detail[2] and now - self._detail_at < DETAIL_SECONDS else []
        table = Rows(still=True)
        table.show_header = False
        table.add_column(no_wrap=True, overflow="ellipsis", width=max(20, min(40, self._console.width - BAR - 34)))
        table.add_column(width=BAR)
        table.add_column(no_wrap=True, justify="right", width=16)
        table.add_column(no_wrap=True, justify="right", width=6)
        for n, (what, done, of) in enumerate(rows):
            bar = ProgressBar(float(of or 1), float(done), width=BAR, pulse=not done, style="dim", animation_time=now)
            count = f"{done:,} of {of:,}" if done else f"{of:,} tables" if of > 1 else ""
            table.add_row(Text(in_a_line(what)), bar, count, f"{now - self._began:.0f} s" if not n else "")
        return Group(table, Text(self._note, style="yellow", no_wrap=True, overflow="ellipsis"))
