"""The terminal as every screen writes to it: text is text, whatever a name or a value holds.

Nothing in a name is taken for markup or for an emoji's name, and no character of it acts on the terminal. This is done where
segments leave for the terminal, so no screen has to remember it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from bulketl.tables.printable import in_a_line, shown


class Terminal(Console):
    """A console that shows names and values as they are, and lets none of them act."""

    def __init__(self, **options: Any) -> None:
        """Take the options of rich's Console; markup is parsed only where a print asks for it."""
        super().__init__(**{"markup": False, "emoji": False, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments that a renderable makes, their text as `shown` returns it."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown(segment.text), segment.style)


class Spoken(logging.Handler):
    """Writes what is logged on a terminal, a line each."""

    def __init__(self, terminal: Terminal) -> None:
        """Write to that terminal."""
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        self._terminal.print(in_a_line(record.getMessage()), highlight=False, soft_wrap=True)
