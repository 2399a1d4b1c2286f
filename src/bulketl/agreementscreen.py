"""What a terminal shows of whether both servers agree: pairs of SQL, and the history by months."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bulketl.listing import Rows
from bulketl.tables.printable import in_a_line
from bulketl.verifying.months import History, MonthPair, TableHistory, month_text
from bulketl.verifying.pairs import Difference, PairResult, Value, shown

MOST_LINES = 20  # of what differs, per pair and per table; --json has all


def pairs(found: Sequence[PairResult]) -> Group:
    """Return a line per pair, what differs in each below it, and how many agree."""
    parts: list[RenderableType] = []
    for item in found:
        parts.append(_pair_line(item))
        if item.error:
            parts.append(Text(f"  {item.error.message}\n  {item.error.hint}".rstrip()))
        elif item.differences:
            parts.append(Padding(_differences(item), (0, 0, 0, 2)))
            if len(item.differences) > MOST_LINES:
                parts.append(Text(f"  … and {len(item.differences) - MOST_LINES:,} more; --json has all", style="dim"))
    wrong = [item for item in found if item.outcome != "equal"]
    warned = sum(item.severity == "warn" for item in wrong)
    end = f"{len(found) - len(wrong)} of {len(found)} pairs agree"
    if wrong:
        end += f"; {len(wrong) - warned} fail, {warned} warn"
    return Group(*parts, Text(f"\n{end}", style="bold red" if len(wrong) > warned else "bold"))


def _pair_line(item: PairResult) -> Text:
    colour = "green" if item.outcome == "equal" else "red" if item.severity == "fail" else "yellow"
    text = Text.assemble((in_a_line(item.name), "bold"), "  ")
    since = (item.window or {}).get("since")
    what = f"since {since}" if since else ""
    if item.outcome == "equal":
        rows = (
            f"{item.compared:,} row{'' if item.compared == 1 else 's'} of figures"
            if item.compared
            else "no row on either side"
        )
        text.append("equal", style=colour).append(f"  {rows}{', ' + what if what else ''}", style="dim")
    elif item.outcome == "error":
        text.append(f"{item.severity}: not compared", style=colour)
    else:
        keys = len({difference.key for difference in item.differences})
        text.append(f"{item.severity}: differs", style=colour)
        text.append(f"  in {keys:,} of {item.compared:,} rows{', ' + what if what else ''}", style="dim")
    return text


def _differences(item: PairResult) -> Table:
    table = Rows()
    for name in item.key:
        table.add_column(Text(name), overflow="fold")
    table.add_column("figure", overflow="fold")
    for name in ("source", "target", "target has"):
        table.add_column(name, justify="right", overflow="fold")
    for one in item.differences[:MOST_LINES]:
        key = [Text(shown(value)) for value in one.key]
        if one.missing:
            table.add_row(*key, "", *("no row" if one.missing == side else "a row" for side in ("source", "target")), "")
        else:
            table.add_row(*key, Text(one.column), Text(_figure(one.source)), Text(_figure(one.target)), _by(one.by))
    return table


def _by(by: Decimal | None) -> str:
    return "" if by is None else f"{'+' if by > 0 else ''}{_figure(by)}"


def pair_json(item: PairResult) -> dict[str, object]:
    """Return a result as plain values; figures are texts, so that no digit is lost."""
    result: dict[str, object] = {
        "pair": item.name,
        "severity": item.severity,
        "outcome": item.outcome,
        "window": {name: day.isoformat() for name, day in (item.window or {}).items()},
        "compared": item.compared,
        "differences": [_difference_json(item, one) for one in item.differences],
    }
    return result | (item.error.to_json() if item.error else {})


def _difference_json(item: PairResult, one: Difference) -> dict[str, object]:
    key = {name: None if value is None else shown(value) for name, value in zip(item.key, one.key, strict=True)}
    if one.missing:
        return {"key": key, "missing": one.missing}
    values = {"source": one.source, "target": one.target, "target_has": one.by}
    return {"key": key, "figure": one.column, **{k: None if v is None else shown(v) for k, v in values.items()}}


def history(found: History) -> Group:
    """Return the months that differ per table, the tables without months, and how many agree."""
    parts: list[RenderableType] = []
    for item in found.tables:
        if item.error:
            parts.append(Text.assemble((in_a_line(item.table), "bold"), "  ", ("not compared", "red"), f"\n  {item.error}"))
        elif item.differing:
            parts += _table_history(item)
    skipped: dict[str, list[str]] = {}
    for item in found.tables:
        if item.skipped:
            skipped.setdefault(item.skipped, []).append(item.table)
    parts += [
        Text.assemble((f"{why}: ", "bold"), f"{in_a_line(', '.join(names))} ({len(names)})")
        for why, names in skipped.items()
    ]
    compared = [item for item in found.tables if not item.skipped]
    agree = len(compared) - len(found.wrong)
    several = f"{agree} of {len(compared)} tables agree in every month"
    end = "the table agrees in every month" if agree == len(compared) == 1 else several
    return Group(*parts, Text(f"\n{end}" if parts else end, style="bold red" if found.wrong else "bold"))


def _table_history(item: TableHistory) -> list[RenderableType]:
    differing = item.differing
    missing = sum(max(month.source - month.target, 0) for month in differing)
    surplus = sum(max(month.target - month.source, 0) for month in differing)
    what = [f"{missing:,} rows missing" if missing else "", f"{surplus:,} too many" if surplus else ""]
    text = Text.assemble((in_a_line(item.table), "bold"), f"  by {in_a_line(item.column)}: ")
    text.append(", ".join(word for word in what if word) or "only sums differ", style="red")
    text.append(f", in {len(differing):,} of {len(item.months):,} months", style="dim")
    table = Rows()
    table.add_column("month")
    table.add_column("figure", overflow="fold")
    for name in ("source", "target", "target has"):
        table.add_column(name, justify="right", overflow="fold")
    lines = [line for month in differing for line in _month_lines(month)]
    for line in lines[:MOST_LINES]:
        table.add_row(*line)
    parts: list[RenderableType] = [text, Padding(table, (0, 0, 0, 2))]
    if len(lines) > MOST_LINES:
        parts.append(Text(f"  … and {len(lines) - MOST_LINES:,} more lines; --json has all", style="dim"))
    return parts


def _month_lines(month: MonthPair) -> list[tuple[Text, ...]]:
    label = month_text(month.month)
    if month.invalid:
        label += f" ({month.invalid:,} invalid at the source)"
    if month.source != month.target:  # then sums differ too, and say nothing more
        figure = "rows" + (f", {len(month.sums)} sums" if month.sums else "")
        by = f"{month.target - month.source:+,}"
        return [tuple(map(Text, (label, figure, f"{month.source:,}", f"{month.target:,}", by)))]
    return [
        tuple(map(Text, (label, f"sum of {name}", _figure(one), _figure(other), _by(Difference((), name, one, other).by))))
        for name, one, other in month.sums
    ]


def _figure(value: Value, most: int = 9) -> str:
    """Return a figure; with more than `most` places it comes from floats, and nine of them are shown if any is not zero."""
    if isinstance(value, Decimal) and value.is_finite():
        _, digits, exponent = value.as_tuple()
        if isinstance(exponent, int) and exponent < -most and len(digits) + exponent > -9:
            return f"{round(value, 9):f}".rstrip("0").rstrip(".")
    return shown(value)


def history_json(found: History) -> dict[str, object]:
    """Return the history as plain values, every month of every table; sums only where they differ, as texts."""
    return {
        "at": found.at.isoformat(),
        "source": found.source,
        "schema": found.schema,
        "tables": [
            {
                "table": item.table,
                "by": item.column,
                "outcome": item.outcome,
                "message": item.error or item.skipped,
                "months": [_month_json(month) for month in item.months],
            }
            for item in found.tables
        ],
    }


def _month_json(month: MonthPair) -> dict[str, object]:
    texts = {name: [None if one is None else _figure(one, 30) for one in pair] for name, *pair in month.sums}
    label = None if month.month is None else month_text(month.month)
    values = {"month": label, "source": month.source, "target": month.target, "invalid": month.invalid, "sums": texts}
    return {key: value for key, value in values.items() if key in ("month", "source", "target") or value}
