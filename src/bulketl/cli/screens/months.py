"""Months of both servers beside each other."""

from __future__ import annotations

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import Indented, Rows, lines_of, named, verdict
from bulketl.cli.screens.pairs import MOST_LINES, signed
from bulketl.cli.text import Text
from bulketl.tables.printable import count_of, in_a_line
from bulketl.verifying.months import History, MonthPair, TableHistory, month_text
from bulketl.verifying.pairs import Difference, figure


def history(found: History, verbose: bool = False) -> Group:
    """Return how many tables agree, the months that differ per table, and the tables without months."""
    parts: list[RenderableType] = []
    for item in found.tables:
        if item.error:
            parts.append(
                Text.assemble(
                    ("\n" + in_a_line(item.table), "bold"),
                    "  ",
                    ("not compared", "red"),
                    f"\n  {in_a_line(str(item.error))}",
                )
            )
        elif item.differing:
            parts += _table_history(item, verbose)
    skipped: dict[str, list[str]] = {}
    for item in found.tables:
        if item.skipped:
            skipped.setdefault(item.skipped, []).append(item.table)
    if skipped:
        parts += ["", *(lines_of([f"{why}: {named(names)}" for why, names in skipped.items()], "dim"),)]
    compared = [item for item in found.tables if not item.skipped]
    agree = len(compared) - len(found.wrong)
    several = f"{agree:,} of {count_of(len(compared), 'table')} agree in every month"
    end = "the table agrees in every month" if agree == len(compared) == 1 else several
    return Group(verdict(end, "red" if found.wrong else "green"), *parts)


def _table_history(item: TableHistory, verbose: bool) -> list[RenderableType]:
    differing = item.differing
    missing = sum(max(month.source - month.target, 0) for month in differing)
    surplus = sum(max(month.target - month.source, 0) for month in differing)
    what = [f"{count_of(missing, 'row')} missing" if missing else "", f"{surplus:,} too many" if surplus else ""]
    text = Text.assemble(("\n" + in_a_line(item.table), "bold"), f"  by {in_a_line(item.column)}: ")
    text.append(", ".join(word for word in what if word) or "only sums differ", style="red")
    text.append(f", in {len(differing):,} of {count_of(len(item.months), 'month')}", style="dim")
    table = Rows()
    table.add_column("month")
    table.add_column("figure", overflow="fold")
    for name in ("source", "target", "target has"):
        table.add_column(name, justify="right", overflow="fold")
    lines = [line for month in differing for line in _month_lines(month)]
    for line in lines if verbose else lines[:MOST_LINES]:
        table.add_row(*line)
    parts: list[RenderableType] = [text, Indented(table)]
    if len(lines) > MOST_LINES and not verbose:
        parts.append(Text(f"  … and {count_of(len(lines) - MOST_LINES, 'more line')}; -v shows all", style="dim"))
    return parts


def _month_lines(month: MonthPair) -> list[tuple[Text, ...]]:
    label = month_text(month.month)
    if month.invalid:
        label += f" ({month.invalid:,} invalid at the source)"
    if month.source != month.target:  # then sums differ too, and say nothing more
        what = "rows" + (f", {count_of(len(month.sums), 'sum')}" if month.sums else "")
        by = f"{month.target - month.source:+,}"
        return [tuple(map(Text, (label, what, f"{month.source:,}", f"{month.target:,}", by)))]
    return [
        tuple(map(Text, (label, f"sum of {name}", figure(one), figure(other), signed(Difference((), name, one, other).by))))
        for name, one, other in month.sums
    ]
