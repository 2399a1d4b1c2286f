"""How far a load is, in the cell of the notebook that runs it."""

from __future__ import annotations

import importlib
import time
from typing import Any

from bulketl.errors import ConfigError
from bulketl.loading.events import Event, Observer, RunFinished, RunStarted
from bulketl.operations.underway import Line, UnderWay
from bulketl.tables.notebook import html_table
from bulketl.tables.printable import count_of

PAUSE = 0.5  # seconds between two pictures: a browser draws each
HEADINGS = ("table", "tier", "rows", "of about", "a second", "seconds")


def progress() -> Observer:
    """Return an observer for `load` that shows in the cell what is under way, and at the end what became of it.

    Raise ConfigError outside a notebook.
    """
    try:
        ipython: Any = importlib.import_module("IPython.display")
    except ImportError:
        raise ConfigError(
            "progress is shown in a cell of a notebook, and IPython is not installed here",
            hint="call it in Jupyter, or hand load a function of your own, which is called with each event",
        ) from None
    shown = Progress()
    shown.cell = ipython.display(shown, display_id=True)
    return shown


class Progress:
    """What a cell shows; told of each event, and drawn anew when the last picture is old, at the beginning and the end.

    `cell`: what IPython gives for it; None where there is no kernel.
    """

    def __init__(self) -> None:
        self.cell: Any = None
        self._under_way, self._drawn = UnderWay(), 0.0

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        now = time.monotonic()
        self._under_way.add(event, now)
        if self.cell is not None and (now - self._drawn >= PAUSE or isinstance(event, (RunStarted, RunFinished))):
            self._drawn = now
            self.cell.update(self)

    def __repr__(self) -> str:
        """Say how many tables and rows of how many are there."""
        run = self._under_way.run
        if not run.tables:
            return "no load has begun"
        failed = f", {run.failed:,} failed" if run.failed else ""
        return f"{run.over:,} of {count_of(run.tables, 'table')}, {count_of(run.rows, 'row')}{failed}"

    def _repr_html_(self) -> str:
        """Return a table of what is under way, a line for each large table."""
        now = time.monotonic()
        lines = [line for line in (*self._under_way.shown, *self._under_way.waiting) if line.ended is None]
        return html_table(repr(self), HEADINGS, [_row(line, now) for line in lines])


def _row(line: Line, now: float) -> tuple[object, ...]:
    name = line.label if line.tables == 1 else count_of(line.tables, "small table")
    rate = line.rate(now)
    return name, line.tier, line.rows + line.coming, line.expected, rate and round(rate), round(line.seconds(now))
