"""Lines of a terminal that are painted over in place, for a view that stays open: no clearing, so nothing flickers.

Each line is written over the old one and only its rest erased, all in one write, and nothing is written while nothing has
changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType

from rich.console import Console, RenderableType

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Painting:
    """The last lines of a terminal, to be used as a context manager; what is said goes above them and stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: list[str] = []

    def __enter__(self) -> Painting:
        self._console.file.write(HIDE)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._console.file.write(SHOW)
        self._console.file.flush()

    def show(self, shown: RenderableType, said: Sequence[RenderableType] = ()) -> None:
        """Paint these lines over the last ones, cut at the height of the terminal, below what is said."""
        lines = self._drawn([shown])[: max(1, self._console.height - 1)]
        above = self._drawn(said)
        if not above and lines == self._lines:
            return
        up = f"\x1b[{len(self._lines)}A" if self._lines else ""
        text = "".join(f"{line}\x1b[K\n" for line in (*above, *lines))
        self._console.file.write(f"\r{up}{text}\x1b[J")
        self._console.file.flush()
        self._lines = lines

    def _drawn(self, parts: Iterable[RenderableType]) -> list[str]:
        with self._console.capture() as capture:
            for part in parts:
                self._console.print(part)
        return capture.get().splitlines()
