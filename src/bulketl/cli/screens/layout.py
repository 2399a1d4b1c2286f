"""Rows laid out for a width that is too small for them: no word is folded that a line of its own has room for.

A cell whose words do not fit its column runs on over the columns beside it, and the next cell of the row stands a line
below, in its own column. What is wider than the terminal is folded at its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.style import StyleType

from bulketl.cli.text import RichText

Row = tuple[StyleType, Sequence[RichText]]
Placed = tuple[int, RichText]  # where a piece of a cell begins on its line, and the piece


@dataclass(frozen=True, slots=True)
class Column:
    """Where a column begins and how wide it is; `right`: its cells are numbers, which stand at its right and never wrap."""

    start: int
    width: int
    right: bool


def lines(
    console: Console, rows: Sequence[Row], right: Sequence[bool], width: int, gap: int, *, headed: bool
) -> Iterator[RichText]:
    """Yield the lines of rows of cells in a width; `right` tells of each column whether it has numbers.

    `headed`: the first row are the names of the columns, which are always wide enough for them.
    """
    columns = _columns([cells for _, cells in rows], right, width - gap * (len(right) - 1), gap, headed=headed)
    for style, cells in rows:
        for line in _laid(console, cells, columns, width):
            text = RichText(style=style)
            for start, part in sorted(line, key=lambda found: found[0]):
                text.append(" " * (start - text.cell_len))
                text.append_text(part)
            yield text


def _columns(
    rows: Sequence[Sequence[RichText]], right: Sequence[bool], room: int, gap: int, *, headed: bool
) -> list[Column]:
    """Return the columns, those of texts made narrower until all have room.

    They wrap first, as far as their longest words let them; then the words of as few cells as possible are given up.
    """
    cells = list(zip(*rows, strict=True))
    natural = [max(cell.cell_len for cell in column) for column in cells]
    words = [sorted((_longest(cell) for cell in column), reverse=True) for column in cells]
    heads = [_longest(column[0]) if headed else 0 for column in cells]
    widths = [full if number else words[n][0] for n, (full, number) in enumerate(zip(natural, right, strict=True))]
    while sum(widths) > room:
        steps = [step for n, number in enumerate(right) if not number and (step := _step(n, words[n], widths[n], heads[n]))]
        if not steps:
            break
        _, less, which = min(steps)
        widths[which] += less
    for n in sorted(range(len(widths)), key=lambda n: natural[n] - widths[n]):
        wraps = widths[n] >= words[n][0] or natural[n] - widths[n] <= room - sum(widths)
        widths[n] += max(0, min(natural[n] - widths[n], room - sum(widths))) if wraps and not right[n] else 0
    starts = [sum(widths[:n]) + gap * n for n in range(len(widths))]
    return [Column(*each) for each in zip(starts, widths, right, strict=True)]


def _step(which: int, words: Sequence[int], width: int, least: int) -> tuple[int, int, int] | None:
    """Return what it costs to make a column narrower: cells that no longer fit it, its negative gain, the column."""
    shorter = next((length for length in words if least <= length < width), 0)
    return (sum(length > shorter for length in words), shorter - width, which) if shorter else None


def _longest(cell: RichText) -> int:
    return max(map(cell_len, cell.plain.split()), default=0)


def _laid(console: Console, row: Sequence[RichText], columns: Sequence[Column], width: int) -> list[list[Placed]]:
    """Return the lines of one row."""
    placed: list[list[Placed]] = [[]]
    base = 0  # the line on which the next cell begins
    for cell, column in zip(row, columns, strict=True):
        if not cell.plain:
            continue
        longest = _longest(cell)
        fits = longest <= column.width <= width - column.start
        start = column.start if fits else max(0, min(column.start, width - longest))
        parts = list(cell.wrap(console, max(1, column.width if fits else width - start), overflow="fold"))
        beside = (place for line in placed[base : base + len(parts)] for place in line)
        if any(start <= other + text.cell_len for other, text in beside):
            base = len(placed)
            placed.append([])
        for n, part in enumerate(parts, base):
            part.rstrip()
            if n == len(placed):
                placed.append([])
            placed[n].append((start + (column.width - part.cell_len if column.right and fits else 0), part))
        if not fits:
            base += len(parts)
            if base == len(placed):
                placed.append([])
    return [line for line in placed if line]
