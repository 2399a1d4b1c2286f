"""The chain of an audited table: whether its rows and its trail are those that loads have put there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bulketl.postgres.ddl import name, own_rows, value
from bulketl.postgres.server import LEDGER, Connection
from bulketl.postgres.write.chain import (
    _ADDED_HASH,
    _ADDED_ROWS,
    _JSON,
    _LINK,
    _NOTHING,
    _TRAIL_JSON,
    _sum,
    _summed,
)


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """What the chain says of a table. `problem` is '' when rows, trail and chain agree; `head` is its last link.

    `ended`: since when and by which run the table is no longer audited, '' when it is.
    """

    table: str
    entries: int
    rows: int
    head: str
    problem: str = ""
    ended: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dataclasses.asdict(self)


def audited(connection: Connection, schema: str) -> list[str]:
    """Return the tables of the schema that have a chain, or were ever appended to and should have one."""
    if connection.execute(f"SELECT to_regclass('{LEDGER}.audit_chain') IS NOT NULL").fetchone() != (True,):
        return []
    found = connection.execute(
        f"SELECT table_name FROM {LEDGER}.audit_chain WHERE schema_name = %(schema)s UNION"
        f" SELECT table_name FROM {LEDGER}.published WHERE schema_name = %(schema)s AND how = 'append' ORDER BY 1",
        {"schema": schema},
    )
    return [table for (table,) in found]


def verify_chains(connection: Connection, schema: str, tables: Sequence[str]) -> list[ChainVerdict]:
    """Recompute the chain of each of these tables, and the sum over its rows; read both whole, change nothing."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return [_verify(connection, schema, table) for table in tables]


def _verify(connection: Connection, schema: str, table: str) -> ChainVerdict:
    entries = connection.execute(
        f"SELECT seq, run, at::text, link = {_LINK} AND seq = n AND all_rows = {_ADDED_ROWS} + COALESCE(rows_before, 0)"
        f" AND all_hash = {_sum(_ADDED_HASH, 'COALESCE(hash_before, ' + _NOTHING + ')')}, kind, all_rows, link FROM ("
        "SELECT *, row_number() OVER w AS n, lag(link) OVER w AS link_before, lag(all_rows) OVER w AS rows_before,"
        f" lag(all_hash) OVER w AS hash_before FROM {LEDGER}.audit_chain WHERE schema_name = %s AND table_name = %s"
        " WINDOW w AS (ORDER BY seq)) c ORDER BY seq",
        (schema, table),
    ).fetchall()
    if not entries:
        return ChainVerdict(table, 0, 0, "", "its chain is gone")
    _, run, at, _, kind, rows, head = entries[-1]
    verdict = ChainVerdict(table, len(entries), rows, head, ended=f"at {at} by run {run}" if kind == "end" else "")
    for seq, run, at, right, *_ in entries:
        if not right:
            return replace(verdict, problem=f"entry {seq} of its chain, of run {run} at {at}, was altered")
    return replace(verdict, problem=_trail_problem(connection, schema, table) or _table_problem(connection, schema, verdict))


def _trail_problem(connection: Connection, schema: str, table: str) -> str:
    """Return what is wrong with what was noted of the table's rows, '' for nothing."""
    of = f"(schema_name, table_name) = ({value(schema)}, {value(table)})"
    sums = ", ".join(f"COALESCE(sum(hash[{n}]), 0)" for n in range(1, 5))
    there, noted, same = connection.execute(
        f"SELECT x.n, c.n, x.sums = c.sums FROM"
        f" ({_summed(f'SELECT * FROM {LEDGER}.audit_trail WHERE {of}', json=_TRAIL_JSON)}) x,"
        f" (SELECT COALESCE(sum(rows), 0)::bigint AS n, ARRAY[{sums}]::numeric[] AS sums"
        f" FROM {LEDGER}.audit_chain WHERE {of} AND kind = 'trail') c".encode()
    ).fetchone() or (0, 0, True)
    if there != noted:
        return f"{LEDGER}.audit_trail has {there:,} entries of it, and {noted:,} were noted"
    return "" if same else f"entries of it in {LEDGER}.audit_trail are not as they were noted"


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
    json, rows = [column for column, kind, _ in columns if kind in _JSON], own_rows(schema, table, columns[0][2])
    there, same = connection.execute(
        f"SELECT n, sums = (SELECT all_hash FROM {LEDGER}.audit_chain WHERE (schema_name, table_name)"
        f" = ({value(schema)}, {value(table)}) ORDER BY seq DESC LIMIT 1)"
        f" FROM ({_summed(f'SELECT * FROM {rows}', json=json)}) x".encode()
    ).fetchone() or (0, False)
    if there != verdict.rows:
        return f"it has {there:,} rows, and {verdict.rows:,} were loaded"
    return "" if same else "rows in it are not as they were loaded"
