"""What became of the loads of several sources on a terminal: a line for each, and why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import WIDE, Fact, Fitting, facts, rows_of, verdict
from bulketl.cli.text import Text
from bulketl.tables.printable import count_of, lasting

if TYPE_CHECKING:
    from bulketl.cli.oneload import SourceEnd

_COLOURS = {"done": "green", **dict.fromkeys(("partly done", "stopped", "interrupted", "not begun"), "yellow")}


def loads(ends: Sequence[SourceEnd]) -> Group:
    """Return what became of the load of each source, below what was said of each, and why there is none of some."""
    well = sum(end.outcome == "done" for end in ends)
    said = "all done" if well == len(ends) else f"{well or 'none'} of them done"
    style = "green" if well == len(ends) else "yellow" if well else "red"
    why: list[Fact] = [(end.source, "red", end.why) for end in ends if end.why]
    below: list[RenderableType] = ["", facts(why)] if why else []
    return Group(
        verdict(f"{count_of(len(ends), 'source')}, {said}", style), "", Fitting(lambda width: _rows(ends, width)), *below
    )


def _rows(ends: Sequence[SourceEnd], width: int) -> RenderableType:
    columns = ["source", "outcome", "tables", "failed", "rows", "rejects", "time", "run"]
    table = rows_of(*(columns if width >= WIDE else columns[:-1]), numbers=columns[2:-1])
    for end in ends:
        runs = [one.run for one in end.summaries if one.run]
        cells = [""] * 5
        if end.summaries:
            counts = (sum(len(one.tables) for one in end.summaries), *map(end.total, ("failed", "rows", "rejects")))
            cells = [*(f"{count:,}" for count in counts), lasting(sum(one.seconds for one in end.summaries))]
        named = [Text(end.source), Text(end.outcome, style=_COLOURS.get(end.outcome, "red"))]
        table.add_row(*named, *cells, *([", ".join(runs)] if width >= WIDE else []))
    return table
