"""Lists on a terminal: a table of one line a row, and lines below each other, whatever the names in them hold."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

from bulketl.tables.printable import in_a_line


class Rows(Table):
    """A table without lines around it, each of whose rows is one line but where it is folded: no name makes a row."""

    def __init__(self, gap: int = 2) -> None:
        super().__init__(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))

    def add_row(self, *cells: RenderableType | None, style: StyleType | None = None, end_section: bool = False) -> None:
        """Add a row; a line feed in a cell is shown as a picture."""
        super().add_row(*map(_cell, cells), style=style, end_section=end_section)


def _cell(cell: RenderableType | None) -> RenderableType | None:
    if isinstance(cell, Text) and "\n" in cell.plain:
        return Text(in_a_line(cell.plain), style=cell.style)
    return in_a_line(cell) if isinstance(cell, str) else cell


def lines_of(lines: Iterable[str], style: str = "") -> Text:
    """Return lines, one below the other, each of them one line whatever the names in it hold."""
    return Text("\n".join(map(in_a_line, lines)), style=style)
