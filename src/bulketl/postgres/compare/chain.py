"""The chain of an audited table: whether its rows and its trail are those that loads have written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bulketl.postgres.ddl import name, own_rows
from bulketl.postgres.ledger import chains
from bulketl.postgres.ledger.states import read_states
from bulketl.postgres.server import Connection
from bulketl.postgres.write.chain import JSON
from bulketl.tables.printable import brief, count_of, verb_of


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """What the chain says of a table. `problem` is '' when rows, trail and chain agree; `head` is its last link.

    `ended`: since when and by which run the table is no longer audited, '' when it is. `source`: the database that its rows
    came from, '' once its state was reset; `schema`: of the target.
    """

    source: str
    schema: str
    table: str
    entries: int
    rows: int
    head: str
    problem: str = ""
    ended: str = ""

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, rows=self.rows, entries=self.entries, problem=self.problem)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dataclasses.asdict(self)


def verify_chains(connection: Connection, schema: str, tables: Sequence[str]) -> list[ChainVerdict]:
    """Recompute the chain of each of these tables, and the sum over its rows; read both whole, change nothing."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        known = read_states(connection, schema)
        return [_verify(connection, known[table].source if table in known else "", schema, table) for table in tables]


def _verify(connection: Connection, source: str, schema: str, table: str) -> ChainVerdict:
    entries = chains.entries(connection, schema, table)
    if not entries:
        return ChainVerdict(source, schema, table, 0, 0, "", "its chain is gone")
    last = entries[-1]
    ended = f"at {last.at} by run {last.run}" if last.kind == "end" else ""
    verdict = ChainVerdict(source, schema, table, len(entries), last.all_rows, last.link, ended=ended)
    for one in entries:
        if not one.right:
            return replace(verdict, problem=f"entry {one.seq} of its chain, of run {one.run} at {one.at}, was altered")
    problem = chains.trail_problem(connection, schema, table) or _table_problem(connection, schema, verdict)
    return replace(verdict, problem=problem)


def _table_problem(connection: Connection, schema: str, verdict: ChainVerdict) -> str:
    """Return what is wrong with the rows of the table, '' for nothing, or when its audit has ended."""
    table = verdict.table
    if verdict.ended:
        return ""
    columns = connection.execute(
        "SELECT attname, atttypid::regtype::text, relkind = 'p' FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
        " WHERE c.oid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        (name(schema, table),),
    ).fetchall()
    if not columns:
        return "the table is gone"
    json, rows = [column for column, kind, _ in columns if kind in JSON], own_rows(schema, table, columns[0][2])
    there, same = chains.table_sum(connection, schema, table, rows, json)
    if there != verdict.rows:
        return f"it has {count_of(there, 'row')}, and {verdict.rows:,} {verb_of(verdict.rows, 'was')} loaded"
    return "" if same else "rows in it are not as they were loaded"
