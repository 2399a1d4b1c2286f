"""Rejected rows: how many, which, and what became of them when they were asked for again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import Rows, rows_of, verdict
from bulketl.cli.text import Text
from bulketl.tables.printable import count_of, shortened

if TYPE_CHECKING:
    from bulketl.operations.rejects import Retried
    from bulketl.postgres.ledger.rejects import RejectCount, Rejected

SHOWN = 200  # characters of a value


def _table(*columns: str) -> Rows:
    table = rows_of(*columns, numbers=("rows", "settled", "asked", "loaded", "rejected", "gone",
                                       "key unknown"))  # fmt: skip
    for column in table.columns:
        if column.header == "run":
            column.no_wrap = True
    return table


def counts(found: Sequence[RejectCount]) -> Group:
    """Return the counts, a line per run, table, column and reason; those that are not settled first, the most before."""
    if not found:
        return Group(verdict("no row was rejected", "green"))
    rows, settled = sum(item.rows for item in found), sum(item.settled for item in found)
    tables = len({item.table for item in found})
    said = f"{count_of(rows, 'rejected row')} of {count_of(tables, 'table')}"
    said += ", all settled" if settled == rows else f", {settled:,} settled" if settled else ""
    table = _table("run", "table", "column", "reason", "rows", "settled")
    for item in sorted(found, key=lambda item: item.settled - item.rows):
        what = item.reason if item.loaded else f"{item.reason} (the table failed)"
        table.add_row(item.run, Text(item.table), Text(item.column), Text(what), f"{item.rows:,}", f"{item.settled:,}")
    return Group(verdict(said, "green" if settled == rows else "yellow"), "", table)


def rows(found: Sequence[Rejected], first: int) -> Group:
    """Return rows with their values, of long ones the beginning: `--json` and `export` have them whole."""
    if not found:
        return Group(verdict("no row was rejected", "green"))
    table = _table("run", "table", "key", "column", "value", "reason")
    for item in found:
        key = ", ".join(f"{name}={shortened(str(value), SHOWN)}" for name, value in item.key.items())
        no_value = Text("NULL" if item.column else "", style="dim")  # of a row that is refused as a whole
        value = no_value if item.value is None else Text(shortened(item.value, SHOWN))
        reason = Text(f"{item.reason} (settled)" if item.settled else item.reason, style="dim" if item.settled else "")
        table.add_row(item.run, Text(item.table), Text(key), Text(item.column), value, reason)
    parts: list[RenderableType] = [verdict(count_of(len(found), "rejected row"), "yellow"), "", table]
    if len(found) == first:
        parts[0] = verdict(f"the first {count_of(first, 'rejected row')}; --first shows more, `bulketl rejects export` all")
    return Group(*parts)


def retried(found: Sequence[Retried]) -> Group:
    """Return what became of the rows, a line per table."""
    if not found:
        return Group(verdict("no rejected row is waiting", "green"))
    table = _table("table", "asked", "loaded", "rejected", "gone", "key unknown", "")
    for item in sorted(found, key=lambda item: -item.rejected):
        counts = (item.asked, item.loaded, item.rejected, item.gone, item.unreadable)
        note = "" if item.asked else "its load failed: load it"
        table.add_row(Text(item.table), *(f"{count:,}" for count in counts), note)
    asked, left = sum(item.asked for item in found), sum(item.rejected for item in found)
    loaded = sum(item.loaded for item in found)
    said = f"{count_of(asked, 'rejected row')} asked again: {loaded:,} loaded, {left:,} still rejected"
    return Group(verdict(said, "yellow" if left else "green"), "", table)
