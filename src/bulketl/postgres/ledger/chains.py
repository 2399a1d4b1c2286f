"""The trail and the chain of audited tables, as the ledger has them: their statements, sums and links.

`audit_trail` holds what was noted of rows: key, kind, old and new row. `audit_chain` holds the entries of a table's chain:
each has the sum of the hashes of the rows that it covers, the sum over all rows so far, and a link over this and the link
before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bulketl.postgres.ddl import name, value
from bulketl.postgres.ledger.made import exists
from bulketl.postgres.server import LEDGER, Connection
from bulketl.tables.printable import count_of, verb_of
from bulketl.tables.spec import TableSpec

TRAIL_JSON = ("key", "old_row", "new_row")  # the trail's columns of JSON
_PARTS = tuple(range(1, 61, 15))  # of a SHA-256 in hexadecimal: four numbers of 60 bits, whose sums are exact
NOTHING = "ARRAY[0, 0, 0, 0]::numeric[]"
# What an entry adds to the sums over the table: notes and reports are no rows of it.
_ADDED_ROWS = "CASE WHEN kind IN ('trail', 'report') THEN 0 ELSE rows END"
_ADDED_HASH = f"CASE WHEN kind IN ('trail', 'report') THEN {NOTHING} ELSE hash END"
# The link over an entry of the chain and the link before it.
_LINK = (
    "encode(sha256(convert_to(concat_ws('|', COALESCE(link_before, ''), {schema}, table_name, seq, kind, run, rows, hash,"
    " all_rows, all_hash, extract(epoch FROM at)), 'UTF8')), 'hex')"
)
LINK = _LINK.format(schema="schema_name")  # of an entry that is made
# A table may have come from another schema, whose name its earlier entries and notes were hashed with.
_MADE_IN = "COALESCE(made_in, schema_name)"
_NOTED = f"run, {_MADE_IN} AS schema_name, table_name, key, kind, old_row, new_row, seen_at, seq"


@dataclass(frozen=True, slots=True)
class Covered:
    """The rows that an entry of a chain covers: what the statement `rows` returns, or the `whole` table as it is now.

    `json`: the columns of JSON that they have. `sign`: -1 for rows that leave. `only`: the condition on the entry before,
    `p`, and the number of rows, `n`, for there to be an entry.
    """

    kind: str
    rows: str
    json: Sequence[str] = ()
    whole: bool = False
    sign: int = 1
    only: str = "true"


def entry(run: str, spec: TableSpec, covered: Covered) -> str:
    """Return the INSERT of the next entry of a table's chain."""
    before = f"COALESCE(p.all_hash, {NOTHING})"
    sums = ("n - COALESCE(p.all_rows, 0)", _sum("sums", before, "-")) if covered.whole else ("n", "sums")
    total = ("n", "sums") if covered.whole else ("n + COALESCE(p.all_rows, 0)", _sum("sums", before))
    if covered.kind == "trail":
        total = ("COALESCE(p.all_rows, 0)", before)
    return (
        f"WITH fresh AS ({covered.rows}), summed AS ({summed('SELECT * FROM fresh', covered.json, covered.sign)}),"
        f" entry AS (SELECT {at(spec)}, COALESCE(p.seq, 0) + 1 AS seq, {value(covered.kind)}::text AS kind,"
        f" {value(run)}::text AS run,"
        f" {sums[0]} AS rows, {sums[1]} AS hash, {total[0]} AS all_rows, {total[1]} AS all_hash, clock_timestamp() AS at,"
        f" p.link AS link_before FROM summed LEFT JOIN ({last(spec)}) p ON true WHERE {covered.only})"
        f" INSERT INTO {LEDGER}.audit_chain SELECT schema_name, table_name, seq, kind, run, rows, hash, all_rows, all_hash,"
        f" {LINK}, at FROM entry"
    )


def noting(rows: str) -> str:
    """Return the INSERT of a SELECT's rows into the trail, which returns them.

    They are run, schema, table, key, kind, and the old and the new row.
    """
    columns = "run, schema_name, table_name, key, kind, old_row, new_row"
    return f"INSERT INTO {LEDGER}.audit_trail ({columns}) {rows} RETURNING *"


def summed(rows: str, json: Sequence[str], sign: int = 1) -> str:
    """Return the SELECT of the number of rows, `n`, and the `sums` of their hashes; `rows` is a SELECT.

    `json` are its columns of JSON: NULLs inside them would be left out too, and SQL's be as JSON's own.
    """
    sums = ", ".join(f"{sign} * COALESCE(sum(('x' || substr(h, {part}, 15))::bit(60)::bigint), 0)" for part in _PARTS)
    texts = "".join(f" || jsonb_build_object({value(column)}, r.{name(column)}::text)" for column in json)
    text = f"jsonb_strip_nulls(to_jsonb(r.*){texts})::text"
    return (
        f"SELECT {sign} * count(*) AS n, ARRAY[{sums}]::numeric[] AS sums"
        f" FROM (SELECT encode(sha256(convert_to({text}, 'UTF8')), 'hex') AS h FROM ({rows}) r) hashed"
    )


def last(spec: TableSpec) -> str:
    """Return the SELECT of the last entry of a table's chain."""
    return f"SELECT * FROM {LEDGER}.audit_chain WHERE {_of(spec)} ORDER BY seq DESC LIMIT 1"


def last_rows(spec: TableSpec) -> str:
    """Return the SELECT of how many rows the last entry of a table's chain covers."""
    return f"SELECT rows FROM {LEDGER}.audit_chain WHERE {_of(spec)} ORDER BY seq DESC LIMIT 1"


def last_hash(spec: TableSpec) -> str:
    """Return the SELECT of the sum over all rows of a table by the last entry of its chain."""
    return f"SELECT all_hash FROM {LEDGER}.audit_chain WHERE {_of(spec)} ORDER BY seq DESC LIMIT 1"


def last_notes(spec: TableSpec) -> str:
    """Return the SELECT of the trail's last word on each key of a table: key, kind and new row."""
    return f"SELECT DISTINCT ON (key) key, kind, new_row FROM {LEDGER}.audit_trail WHERE {_of(spec)} ORDER BY key, seq DESC"


def last_noted(spec: TableSpec, key: str) -> str:
    """Return the SELECT of the trail's last word on one key, an expression: kind and new row."""
    # By an expression: the order of the primary key would tempt Postgres to read the trail backwards until the key comes.
    found = f"SELECT kind, new_row FROM {LEDGER}.audit_trail n WHERE {_of(spec)} AND n.key = {key}"
    return f"{found} ORDER BY seq + 0 DESC LIMIT 1"


def at(spec: TableSpec) -> str:
    """Return the columns of a SELECT that say which table it is."""
    return f"{value(spec.schema)}::text AS schema_name, {value(spec.table)}::text AS table_name"


def audited(connection: Connection, schema: str) -> list[str]:
    """Return the tables of the schema that have a chain, or were ever appended to and should have one."""
    if not exists(connection, "audit_chain"):
        return []
    found = connection.execute(
        f"SELECT table_name FROM {LEDGER}.audit_chain WHERE schema_name = %(schema)s UNION"
        f" SELECT table_name FROM {LEDGER}.published WHERE schema_name = %(schema)s AND how = 'append' ORDER BY 1",
        {"schema": schema},
    )
    return [table for (table,) in found]


class Entry(NamedTuple):
    """An entry of a chain. `right`: its number, sums and link follow from what it says and from the entry before it."""

    seq: int
    run: str
    at: str
    right: bool
    kind: str
    all_rows: int
    link: str


def entries(connection: Connection, schema: str, table: str) -> list[Entry]:
    """Return the entries of a table's chain, recomputed, in order."""
    found = connection.execute(
        f"SELECT seq, run, at::text, link = {_LINK.format(schema=_MADE_IN)} AND seq = n"
        f" AND all_rows = {_ADDED_ROWS} + COALESCE(rows_before, 0)"
        f" AND all_hash = {_sum(_ADDED_HASH, 'COALESCE(hash_before, ' + NOTHING + ')')}, kind, all_rows, link FROM ("
        "SELECT *, row_number() OVER w AS n, lag(link) OVER w AS link_before, lag(all_rows) OVER w AS rows_before,"
        f" lag(all_hash) OVER w AS hash_before FROM {LEDGER}.audit_chain WHERE schema_name = %s AND table_name = %s"
        " WINDOW w AS (ORDER BY seq)) c ORDER BY seq",
        (schema, table),
    )
    return [Entry(*row) for row in found]


def trail_problem(connection: Connection, schema: str, table: str) -> str:
    """Return what is wrong with what was noted of the table's rows, '' for nothing."""
    of = f"(schema_name, table_name) = ({value(schema)}, {value(table)})"
    sums = ", ".join(f"COALESCE(sum(hash[{n}]), 0)" for n in range(1, 5))
    noted, listed, same = connection.execute(
        f"SELECT x.n, c.n, x.sums = c.sums FROM"
        f" ({summed(f'SELECT {_NOTED} FROM {LEDGER}.audit_trail WHERE {of}', TRAIL_JSON)}) x,"
        f" (SELECT COALESCE(sum(rows), 0)::bigint AS n, ARRAY[{sums}]::numeric[] AS sums"
        f" FROM {LEDGER}.audit_chain WHERE {of} AND kind = 'trail') c".encode()
    ).fetchone() or (0, 0, True)
    if noted != listed:
        return f"{LEDGER}.audit_trail has {count_of(noted, 'row')} of it, and {listed:,} {verb_of(listed, 'was')} noted"
    return "" if same else f"entries of it in {LEDGER}.audit_trail are not as they were noted"


def table_sum(connection: Connection, schema: str, table: str, rows: str, json: Sequence[str]) -> tuple[int, bool]:
    """Return how many rows a FROM item has, and whether their sum is that of the last entry of the table's chain."""
    at = f"(schema_name, table_name) = ({value(schema)}, {value(table)})"
    found = connection.execute(
        f"SELECT n, sums = (SELECT all_hash FROM {LEDGER}.audit_chain WHERE {at} ORDER BY seq DESC LIMIT 1)"
        f" FROM ({summed(f'SELECT * FROM {rows}', json)}) x".encode()
    ).fetchone() or (0, False)
    return found[0], found[1]


def _sum(one: str, other: str, sign: str = "+") -> str:
    return "ARRAY[" + ", ".join(f"({one})[{n}] {sign} ({other})[{n}]" for n in range(1, 5)) + "]"


def _of(spec: TableSpec) -> str:
    return f"(schema_name, table_name) = ({value(spec.schema)}, {value(spec.table)})"
