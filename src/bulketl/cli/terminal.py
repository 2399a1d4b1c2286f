"""The terminal as every screen writes to it: text is text, whatever a name or a value holds.

Nothing in a name is taken for markup or for an emoji's name, and no character of it acts on the terminal. This is done where
segments leave for the terminal, so no screen has to remember it. So is where lines end: a pipe or a file has no
edge, so what is one line there is never cut into two. And NO_COLOR is heard by whatever is printed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderableType
from rich.segment import Segment

from bulketl.cli.text import RichText
from bulketl.tables.printable import in_a_line, shown

NO_EDGE = 1_000_000  # columns, of what is no terminal


class Terminal(Console):
    """A console that shows names and values as they are, and lets none of them act."""

    def __init__(self, **options: Any) -> None:
        """Take the options of rich's Console; markup is parsed only where a print asks for it."""
        self._fixed = options.get("width") is not None
        super().__init__(**{"markup": False, "emoji": False, **options})

    @property
    def size(self) -> ConsoleDimensions:
        """How wide and high it is; without an edge when it is a pipe or a file, whatever COLUMNS says."""
        if self._fixed or self.is_terminal:
            return super().size
        return ConsoleDimensions(NO_EDGE, 25)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._fixed = True
        Console.size.fset(self, new_size)  # type: ignore[attr-defined]

    def render_str(self, text: str, **options: Any) -> RichText:
        """Return what a string is as a text; what is not known to rich is a picture before rich drops it."""
        return super().render_str(shown(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments that a renderable makes, their text as `shown` returns it, in plain letters with NO_COLOR."""
        plain = bool(os.environ.get("NO_COLOR"))
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown(segment.text), None if plain else segment.style)


class Spoken(logging.Handler):
    """Writes what is logged on a terminal, a line each."""

    def __init__(self, terminal: Terminal) -> None:
        """Write to that terminal."""
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        self._terminal.print(in_a_line(record.getMessage()), highlight=False, soft_wrap=True)
