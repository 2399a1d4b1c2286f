"""What is on record of tables: states, chains of audited ones, and rows that left by retention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group

from bulketl.cli.screens.listing import facts, rows_of, verdict
from bulketl.cli.text import Text
from bulketl.tables.printable import count_of, in_a_line

if TYPE_CHECKING:
    from bulketl.postgres.compare.chain import ChainVerdict
    from bulketl.postgres.ledger.states import TableState
    from bulketl.postgres.write.retention import Expired


def states(found: Sequence[TableState]) -> Group:
    """Return the state of each table, a line each: first those that are loaded whole the next time, as somebody asked."""
    if not found:
        return Group(verdict("nothing was loaded into this schema yet"))
    forgotten = sum(not item.source for item in found)
    known = [item.rows for item in found if item.rows is not None]
    said = f"{count_of(len(found), 'table')} loaded, {count_of(sum(known), 'row')}"
    said += f" in {len(known):,} of them" if len(known) < len(found) else ""
    said += f"; {forgotten:,} forgotten, to be loaded whole the next time" if forgotten else ""
    table = rows_of("table", "cursor", "watermark", "rows", "published", "compared", numbers=("rows",))
    for item in sorted(found, key=lambda item: bool(item.source)):
        rows = "" if item.rows is None else f"{item.rows:,}"
        mark = item.watermark or ("" if item.source else "forgotten")
        table.add_row(Text(item.table), item.column, mark, rows, item.published, item.compared)
    parts = [("part", "yellow", in_a_line(f"{item.table}: {item.part}")) for item in found if item.part]
    return Group(verdict(said), "", table, *(("", facts(parts)) if parts else ()))


def state(item: TableState) -> Group:
    """Return everything that is known of one table."""
    details = {
        "source": item.source or "forgotten: it is loaded whole the next time",
        "cursor": f"{item.column} ({item.type})" if item.column else "none: it is loaded whole every time",
        "watermark": item.watermark,
        "rows": "unknown" if item.rows is None else f"{item.rows:,}",
        "part": item.part,
        "published": f"{item.published} by run {item.run}",
        "compared": item.compared or "never",
    }
    return Group(verdict(item.table), facts([(key, "dim", in_a_line(value)) for key, value in details.items() if value], 2))


def verdicts(found: Sequence[ChainVerdict]) -> Group:
    """Return what the chains of audited tables say, a line each, those that were altered first."""
    if not found:
        return Group(verdict("no table of this schema is audited yet: give it table_importance: audit, and load it"))
    table = rows_of("table", "rows", "entries", "verdict", numbers=("rows", "entries"))
    heads = rows_of("head, to be kept elsewhere", "table", numbers=("head, to be kept elsewhere",))
    for item in sorted(found, key=lambda item: not item.problem):
        well = f"not audited any more since it was loaded {item.ended}" if item.ended else "as loaded"
        word = Text(item.problem, style="red") if item.problem else Text(well, style="green")
        table.add_row(Text(item.table), f"{item.rows:,}", f"{item.entries:,}", word)
        heads.add_row(item.head, Text(item.table))
    wrong = sum(bool(item.problem) for item in found)
    said = f"{wrong:,} of {count_of(len(found), 'table')} altered" if wrong else f"{count_of(len(found), 'table')} as loaded"
    return Group(verdict(said, "red" if wrong else "green"), "", table, "", heads)


def expired(found: Sequence[Expired], *, done: bool) -> Group:
    """Return which rows left by retention, or would when not `done`; the tables that lose most first."""
    if not found:
        return Group(verdict("no table has a retention in its rule"))
    table = rows_of("table", "rows before", "rows", "left" if done else "would leave", "archive", numbers=("rows",))
    for item in sorted(found, key=lambda item: -item.rows):
        what = item.action if item.rows else "none so old"
        table.add_row(Text(item.table), f"{item.column} {item.limit}", f"{item.rows:,}", what, item.file)
    rows, tables = sum(item.rows for item in found), sum(bool(item.rows) for item in found)
    verb = "left" if done else "would leave"
    said = f"{count_of(rows, 'row')} {verb} {tables:,} of {count_of(len(found), 'table')}"
    return Group(verdict(said), "", table)
