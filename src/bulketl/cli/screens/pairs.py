"""What a terminal shows of whether both servers agree: pairs of SQL, and the history by months."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table

from bulketl.cli.screens.listing import Indented, Rows, lines_of, verdict
from bulketl.cli.text import Text
from bulketl.tables.printable import count_of, in_a_line, verb_of
from bulketl.verifying.pairs import PairResult, figure, value_text

MOST_LINES = 10  # of what differs, per pair and per table; -v shows all


def pairs(found: Sequence[PairResult], verbose: bool = False) -> Group:
    """Return how many agree; then a line per pair, the worst first, and below it what differs."""
    parts: list[RenderableType] = [""] if found else []
    order = {"error": 0, "differs": 1, "equal": 2}
    for item in sorted(found, key=lambda item: (order.get(item.outcome, 1), item.severity != "fail")):
        parts.append(_pair_line(item))
        if item.error:
            parts.append(lines_of(f"  {line}" for line in (item.error.message, item.error.hint) if line))
        elif item.differences:
            parts.append(Indented(_differences(item, verbose)))
            if len(item.differences) > MOST_LINES and not verbose:
                parts.append(Text(f"  … and {len(item.differences) - MOST_LINES:,} more; -v shows all", style="dim"))
    wrong = [item for item in found if item.outcome != "equal"]
    warned = sum(item.severity == "warn" for item in wrong)
    failed = len(wrong) - warned
    said = [f"{failed:,} {verb_of(failed, 'fails')}"] * bool(failed)
    said += [f"{warned:,} {verb_of(warned, 'warns')}"] * bool(warned)
    agree = f"{len(found) - len(wrong):,} of {count_of(len(found), 'pair', 'agrees')}"
    first = verdict("; ".join([agree, *said]), "red" if failed else "yellow" if warned else "green")
    return Group(first, *parts)


def _pair_line(item: PairResult) -> Text:
    colour = "green" if item.outcome == "equal" else "red" if item.severity == "fail" else "yellow"
    text = Text.assemble((in_a_line(item.name), "bold"), "  ")
    since = (item.window or {}).get("since")
    what = f"since {since}" if since else ""
    if item.outcome == "equal":
        rows = f"{count_of(item.compared, 'row')} of figures" if item.compared else "no row on either side"
        text.append("equal", style=colour).append(f"  {rows}{', ' + what if what else ''}", style="dim")
    elif item.outcome == "error":
        text.append(f"{item.severity}: not compared", style=colour)
    else:
        keys = len({difference.key for difference in item.differences})
        text.append(f"{item.severity}: differs", style=colour)
        text.append(f"  in {keys:,} of {count_of(item.compared, 'row')}{', ' + what if what else ''}", style="dim")
    return text


def _differences(item: PairResult, verbose: bool) -> Table:
    table = Rows()
    for name in item.key:
        table.add_column(Text(name), overflow="fold")
    table.add_column("figure", overflow="fold")
    for name in ("source", "target", "target has"):
        table.add_column(name, justify="right", overflow="fold")
    for one in item.differences if verbose else item.differences[:MOST_LINES]:
        key = [Text(value_text(value)) for value in one.key]
        if one.missing:
            table.add_row(*key, "", *("no row" if one.missing == side else "a row" for side in ("source", "target")), "")
        else:
            table.add_row(*key, Text(one.column), Text(figure(one.source)), Text(figure(one.target)), signed(one.by))
    return table


def signed(by: Decimal | None) -> str:
    """Return a difference with its sign, '' for none."""
    return "" if by is None else f"{'+' if by > 0 else ''}{figure(by)}"
