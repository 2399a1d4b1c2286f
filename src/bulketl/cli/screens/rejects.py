"""Rejected rows: how many, which, and what became of them when they were asked for again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bulketl.cli.screens.listing import Rows
from bulketl.tables.printable import shortened

if TYPE_CHECKING:
    from bulketl.operations.rejects import Retried
    from bulketl.postgres.ledger.rejects import RejectCount, Rejected

SHOWN = 200  # characters of a value


def _table(*columns: str) -> Table:
    table = Rows()
    for column in columns:
        numbers = column in ("rows", "settled")
        table.add_column(column, overflow="fold", no_wrap=column == "run", justify="right" if numbers else "left")
    return table


def counts(found: Sequence[RejectCount]) -> Table | Text:
    """Return the counts, a line per run, table, column and reason."""
    if not found:
        return Text("no row was rejected")
    table = _table("run", "table", "column", "reason", "rows", "settled")
    for item in found:
        what = item.reason if item.loaded else f"{item.reason} (the table failed)"
        table.add_row(item.run, Text(item.table), Text(item.column), Text(what), f"{item.rows:,}", f"{item.settled:,}")
    return table


def rows(found: Sequence[Rejected], first: int) -> Group | Text:
    """Return rows with their values, of long ones the beginning: `--json` and `export` have them whole."""
    if not found:
        return Text("no row was rejected")
    table = _table("run", "table", "key", "column", "value", "reason")
    for item in found:
        key = ", ".join(f"{name}={shortened(str(value), SHOWN)}" for name, value in item.key.items())
        no_value = Text("NULL" if item.column else "", style="dim")  # of a row that is refused as a whole
        value = no_value if item.value is None else Text(shortened(item.value, SHOWN))
        reason = Text(item.reason, style="dim" if item.settled else "")
        table.add_row(item.run, Text(item.table), Text(key), Text(item.column), value, reason)
    more = [Text(f"\nthe first {first}; --first shows more, `bulketl rejects export` all")] if len(found) == first else []
    return Group(table, *more)


def retried(found: Sequence[Retried]) -> Table | Text:
    """Return what became of the rows, a line per table."""
    if not found:
        return Text("no rejected row is waiting")
    table = _table("table", "asked again", "loaded", "still rejected", "gone at the source", "of unknown key")
    for item in found:
        counts = (item.asked, item.loaded, item.rejected, item.gone, item.unreadable)
        note = Text(f"{item.table}  (its load failed: load it)") if not item.asked else Text(item.table)
        table.add_row(note, *(f"{count:,}" for count in counts))
    return table
