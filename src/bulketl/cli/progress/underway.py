"""What is under way as the lines of a live display.

Columns stand still: their widths depend on the terminal alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar

from bulketl.cli.screens.listing import Rows
from bulketl.cli.text import Text
from bulketl.operations.underway import Line, UnderWay
from bulketl.tables.printable import count_of, in_a_line, size

GAP = 2
LEFT = ("table", "tier", "")  # the others are numbers
WIDTHS = {"table": 21, "tier": 10, "": 10, "rows": 13, "size": 7, "rows/s": 9, "seconds": 7, "left": 7}  # "": the bar
IMPORTANCE = ("rows", "seconds", "tier", "rows/s", "", "size", "left")  # what comes last goes first; 80 are too few for two
FORETOLD = ("rows", "left", "seconds", "rows/s", "", "tier", "size")  # the same where it is foretold when tables end


def lines(shown: UnderWay, width: int, now: float, note: str = "") -> Group:
    """Return the lines of this moment, the run as a whole below them, and a note, for which a line is always free."""
    told = Text(note, style="yellow", no_wrap=True, overflow="ellipsis")
    return Group(table(shown, width, now), told) if shown.run.tables else Group(told)


def table(shown: UnderWay, width: int, now: float, *, lasts: bool = True, still: bool = True) -> Rows:
    """Return the lines of this moment, the run as a whole below them; of one that does not last, nothing is foretold.

    `still`: what is drawn next covers it; else names are whole, and there are no bars.
    """
    widths: dict[str, int | None] = {**fitting(width, IMPORTANCE if shown.usual is None else FORETOLD)}
    if not still:
        widths = dict.fromkeys(title for title in widths if title)
    table = Rows(GAP, still=still)
    for title, cells_wide in widths.items():
        side: Literal["left", "right"] = "left" if title in LEFT else "right"
        table.add_column(
            title,
            width=cells_wide,
            no_wrap=still or side == "right",
            justify=side,
            overflow="ellipsis" if still else "fold",
        )
    for line in shown.shown:
        cells = _of_table(line) | _numbers(line, now) | (_foretold(shown, line, now) if lasts else {})
        style = "red" if line.failed else "dim" if line.ended is not None else ""
        table.add_row(*(cells.get(title, "") for title in widths), style=style)
    if shown.waiting:
        table.add_row(f"and {sum(line.tables for line in shown.waiting):,} more", style="dim")
    cells = _of_run(shown, now) | _numbers(shown.run, now) | ({} if lasts else {"left": ""})
    if shown.run.failed and "tier" not in widths and shown.usual is not None:
        cells["table"] = f"{shown.run.over:,} of {shown.run.tables:,}, {shown.run.failed:,} failed"
    table.add_row(*(cells.get(title, "") for title in widths), style="bold")
    return table


def _of_run(shown: UnderWay, now: float) -> dict[str, RenderableType]:
    run = shown.run
    arrived = shown.arrived
    cells: dict[str, RenderableType] = {
        "table": f"{run.over:,} of {count_of(run.tables, 'table')}",
        "tier": Text(f"{run.failed:,} failed", style="red") if run.failed else "",
        "": _bar(arrived / run.expected if run.expected else run.over / run.tables, "green"),
    }
    if shown.usual is not None:
        return cells | _foretold(shown, run, now)
    if rate := run.rate(now):  # of a table nothing is foretold: it may have to wait for others
        seconds = (run.expected - arrived) / rate - (now - run.came[-1][0])
        cells["left"] = f"{seconds:.0f}" if seconds >= 1 else ""
    return cells


def _foretold(shown: UnderWay, line: Line, now: float) -> dict[str, RenderableType]:
    left = shown.left_of(line, now)
    return {"left": f"{'~' if left[1] == 'rate' else ''}{left[0]:.0f}"} if left else {}


def _of_table(line: Line) -> dict[str, RenderableType]:
    if line.tables > 1:
        return {
            "table": f"{line.tables:,} small tables",
            "tier": line.tier,
            "": _bar(line.over / line.tables, "red" if line.failed else "green"),
        }
    arrived = min(line.rows, line.expected) if line.failed else line.arrived
    share = arrived / line.expected if line.expected else float(line.over)
    return {"table": Text(in_a_line(line.label)), "tier": line.tier, "": _bar(share, "red" if line.failed else "green")}


def _bar(share: float, colour: str) -> ProgressBar:
    return ProgressBar(1.0, share, style="dim", complete_style=colour, finished_style=colour)


def _numbers(line: Line, now: float) -> dict[str, RenderableType]:
    rate = line.rate(now)
    return {
        "rows": f"{line.rows + line.coming:,}",
        "size": size(line.bytes),
        "rows/s": f"{float(f'{rate:.3g}'):,.0f}" if rate else "",  # digits that change all the time say nothing
        "seconds": Text(f"{line.seconds(now):.0f}", style="yellow" if line.late else ""),
    }


def fitting(width: int, order: Sequence[str] = IMPORTANCE) -> dict[str, int]:
    """Return the columns for which a terminal is wide enough, and their widths; what is left over widens names and bars.

    `order`: the columns but the first, of which the last go first.
    """
    taken, room = {"table"}, width - WIDTHS["table"]
    for title in order:
        if room < GAP + WIDTHS[title]:
            break
        taken.add(title)
        room -= GAP + WIDTHS[title]
    widths = {title: cells for title, cells in WIDTHS.items() if title in taken}
    widths["table"] += room
    if "left" in widths:
        widths["table"] -= room // 3
        widths[""] += room // 3
    return widths
