"""What is on record of tables: states, chains of audited ones, and rows that left by retention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bulketl.cli.screens.listing import Rows
from bulketl.tables.printable import count_of, in_a_line

if TYPE_CHECKING:
    from bulketl.postgres.compare.chain import ChainVerdict
    from bulketl.postgres.ledger.states import TableState
    from bulketl.postgres.write.retention import Expired


def states(found: Sequence[TableState]) -> Table | Text:
    """Return the state of each table, a line each."""
    if not found:
        return Text("nothing was loaded into this schema yet")
    table = Rows()
    for column in ("table", "cursor", "watermark"):
        table.add_column(column, overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("published")
    table.add_column("compared")
    for item in found:
        rows = "" if item.rows is None else f"{item.rows:,}"
        forgotten = "" if item.source else "forgotten"
        table.add_row(Text(item.table), item.column, item.watermark or forgotten, rows, item.published, item.compared)
    return table


def state(item: TableState) -> Text:
    """Return everything that is known of one table."""
    text = Text(f"{in_a_line(item.table)}\n", style="bold")
    details = {
        "source": item.source or "forgotten: it is loaded whole the next time",
        "cursor": f"{item.column} ({item.type})" if item.column else "none: it is loaded whole every time",
        "watermark": item.watermark,
        "rows": "unknown" if item.rows is None else f"{item.rows:,}",
        "published": f"{item.published} by run {item.run}",
        "compared": item.compared or "never",
    }
    for key, value in details.items():
        if value:
            text.append(f"  {key}: ", style="dim not bold").append(f"{in_a_line(value)}\n", style="not bold")
    text.rstrip()
    return text


def verdicts(found: Sequence[ChainVerdict]) -> Group | Text:
    """Return what the chains of audited tables say, a line each."""
    if not found:
        return Text("no table of this schema is audited yet: give it table_importance: audit, and load it")
    table = Rows()
    table.add_column("table", overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("entries", justify="right")
    table.add_column("verdict", overflow="fold")
    table.add_column("head", overflow="fold")
    for item in found:
        well = f"not audited any more since it was loaded {item.ended}" if item.ended else "as loaded"
        verdict = Text(item.problem, style="red") if item.problem else Text(well, style="green")
        table.add_row(Text(item.table), f"{item.rows:,}", f"{item.entries:,}", verdict, item.head)
    wrong = sum(bool(item.problem) for item in found)
    end = f"{wrong} of {count_of(len(found), 'table')} altered" if wrong else f"{count_of(len(found), 'table')} as loaded"
    return Group(table, Text(f"\n{end}", style="bold red" if wrong else "bold"))


def expired(found: Sequence[Expired], *, done: bool) -> Table | Text:
    """Return which rows left by retention, or would when not `done`."""
    if not found:
        return Text("no table has a retention in its rule")
    table = Rows()
    for column in ("table", "rows before", "rows", "left" if done else "would leave", "archive"):
        table.add_column(column, overflow="fold", justify="right" if column == "rows" else "left")
    for item in found:
        what = item.action if item.rows else "none so old"
        table.add_row(Text(item.table), f"{item.column} {item.limit}", f"{item.rows:,}", what, item.file)
    return table
