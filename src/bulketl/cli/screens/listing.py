"""Lists on a terminal: a verdict, facts with their names, tables of one line a row, whatever the names in them hold.

Every screen is made of these, in this order: the verdict, what needs attention with the worst first, and the rest counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import StyleType
from rich.table import Table

from bulketl.cli.screens import layout
from bulketl.cli.text import RichText, Text
from bulketl.tables.printable import in_a_line

WIDE = 100  # columns, from which there is room for what is good to know besides
NAMED = 3  # tables that a line names; beyond, they are counted

Fact = tuple[str, str, str]  # a word, its colour, and the text


class Rows(Table):
    """A table without lines around it, each of whose rows is one line but where it is folded: no name makes a row.

    `still`: its lines fill their width, so that one that is drawn over another covers it.
    """

    def __init__(self, gap: int = 2, *, still: bool = False) -> None:
        self._still, self._gap = still, gap
        super().__init__(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))

    def add_row(self, *cells: RenderableType | None, style: StyleType | None = None, end_section: bool = False) -> None:
        """Add a row; a line feed in a cell is shown as a picture."""
        super().add_row(*map(_cell, cells), style=style, end_section=end_section)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table without blanks at the ends of its lines, unless it is to stand still."""
        if self._still:
            yield from super().__rich_console__(console, options)
            return
        lines = list(Segment.split_lines(super().__rich_console__(console, options)))  # type: ignore[arg-type]
        if rows := self._folded(lines):
            right = [column.justify == "right" for column in self.columns]
            for text in layout.lines(console, rows, right, options.max_width, self._gap, headed=self.show_header):
                yield from console.render(text, options.update(overflow="ignore", no_wrap=True))
            return
        for line in lines:
            while line and not line[-1].control and not line[-1].text.strip(" "):
                line.pop()
            if line and not line[-1].control:
                line[-1] = Segment(line[-1].text.rstrip(" "), line[-1].style)
            yield from line
            yield Segment.line()

    def _folded(self, lines: Sequence[Sequence[Segment]]) -> list[layout.Row]:
        """Return the rows when these lines of theirs break a word; nothing when none is broken."""
        heads = [("bold", [Text(str(column.header)) for column in self.columns])] if self.show_header else []
        cells = zip(*(column.cells for column in self.columns), strict=True)
        rows: list[layout.Row] = [*heads]
        for row, given in zip(self.rows, cells, strict=True):
            if not all(isinstance(cell, (str, RichText)) for cell in given):
                return []
            rows.append((row.style or "", [cell if isinstance(cell, RichText) else Text(str(cell)) for cell in given]))
        whole = Counter(word for line in lines for word in "".join(segment.text for segment in line).split())
        asked = Counter(word for _, row in rows for cell in row for word in cell.plain.split())
        return rows if asked - whole else []  # a word may stand whole in one cell, and broken in another


def _cell(cell: RenderableType | None) -> RenderableType | None:
    if isinstance(cell, RichText) and "\n" in cell.plain:
        return Text(in_a_line(cell.plain), style=cell.style)
    return in_a_line(cell) if isinstance(cell, str) else cell


def rows_of(*columns: str, numbers: Iterable[str] = ()) -> Rows:
    """Return an empty table of these columns; `numbers` stand at the right and are never folded."""
    table, right = Rows(), frozenset(numbers)
    for column in columns:
        number = column in right
        table.add_column(column, justify="right" if number else "left", no_wrap=number, overflow="fold")
    return table


def verdict(text: str, style: str = "") -> Text:
    """Return the first line of a screen."""
    return Text(in_a_line(text), style=f"bold {style}".strip())


class Indented:
    """Something else, a little to the right."""

    def __init__(self, inner: RenderableType, by: int = 2) -> None:
        self._inner, self._by = inner, by

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield its lines, each behind some blanks."""
        narrower = options.update(width=max(1, options.max_width - self._by))
        for line in console.render_lines(self._inner, narrower, pad=False):
            yield Segment(" " * self._by)
            yield from line
            yield Segment.line()


class Fitting:
    """Something that is made for the width it has."""

    def __init__(self, make: Callable[[int], RenderableType]) -> None:
        self._make = make

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what is made for this width."""
        yield self._make(options.max_width)


def facts(found: Iterable[Fact], indent: int = 0) -> RenderableType:
    """Return facts below each other: a name, its colour, and a text that hangs beside it where the terminal ends."""
    table = Rows()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.show_header = False
    for name, style, text in found:
        table.add_row(Text(name, style=style), Text(text))
    return Indented(table, indent) if indent else table


def named(names: Sequence[str], most: int = NAMED) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def lines_of(lines: Iterable[str], style: str = "") -> Text:
    """Return lines, one below the other, each of them one line whatever the names in it hold."""
    return Text("\n".join(map(in_a_line, lines)), style=style)
