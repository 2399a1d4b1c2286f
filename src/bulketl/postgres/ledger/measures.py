"""What fills up, measured once in every load: the database's size, the source's sessions, the highest value of keys.

A load writes all of it with one statement. Whoever asks when something is full reads the figures of many loads.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from bulketl.postgres.ddl import name
from bulketl.postgres.ledger.looking import MEASURED, Look
from bulketl.postgres.server import LEDGER, Connection

What = Literal["database", "connections", "key"]
AT_ONCE = 500  # keys in a statement, which locks each of their tables a moment


class Measure(NamedTuple):
    """One figure: bytes of the `database`, sessions at the source as `connections`, or the highest value of a `key`.

    `most`: the limit, None where nobody knows it here; `side`: whose limit that is, `source` or `target`, '' for both.
    """

    what: What
    value: int
    most: int | None = None
    table: str = ""
    column: str = ""
    side: str = ""


def note_measures(connection: Connection, run: str, found: Sequence[Measure]) -> None:
    """Put the figures of a load on record; those of a load that went on take the place of the earlier ones."""
    columns: list[list[object]] = [list(values) for values in zip(*found, strict=True)]
    connection.execute(
        f"INSERT INTO {LEDGER}.measure (run, source, schema_name, what, value, most, table_name, column_name, side)"
        f" SELECT r.run, r.source, r.schema_name, m.* FROM {LEDGER}.run r, unnest(%s::text[], %s::numeric[],"
        " %s::numeric[], %s::text[], %s::text[], %s::text[]) m WHERE r.run = %s"
        " ON CONFLICT (run, what, table_name, column_name) DO UPDATE SET value = excluded.value, most = excluded.most,"
        " side = excluded.side, measured_at = excluded.measured_at",
        (*columns, run),
    )


class Key(NamedTuple):
    """A column of a target table that is the first of its key and an integer."""

    table: str
    column: str


def measured_database(connection: Connection) -> int:
    """Return the bytes of the target's database."""
    ((found,),) = connection.execute("SELECT pg_database_size(current_database())").fetchall()
    return int(found)


def highest(connection: Connection, schema: str, keys: Iterable[Key]) -> dict[Key, int]:
    """Return the highest value of each key that an index begins with, AT_ONCE keys to a statement; none reads a table."""
    indexed = _indexed(connection, schema, list(keys))
    found: dict[Key, int] = {}
    for begin in range(0, len(indexed), AT_ONCE):
        some = indexed[begin : begin + AT_ONCE]
        asked = ", ".join(f"(SELECT max({name(key.column)}) FROM {name(schema, key.table)})::bigint" for key in some)
        ((values,),) = connection.execute(f"SELECT ARRAY[{asked}]".encode()).fetchall()
        found |= {key: value for key, value in zip(some, values, strict=True) if value is not None}
    return found


def _indexed(connection: Connection, schema: str, keys: Sequence[Key]) -> list[Key]:
    found = connection.execute(
        "SELECT DISTINCT k.* FROM unnest(%s::text[], %s::text[]) k (table_name, column_name)"
        " JOIN pg_class c ON c.relname = k.table_name JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = %s"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = k.column_name"
        "  AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)"
        " JOIN pg_index i ON i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL"
        " JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'"
        " ORDER BY 1, 2",
        ([key.table for key in keys], [key.column for key in keys], schema),
    )
    return [Key(*row) for row in found]


class Series(NamedTuple):
    """A figure through the loads, the first one first: when each was measured and how much it was; as in `Measure`."""

    what: What
    source: str
    table: str
    column: str
    most: float | None
    side: str
    at: Sequence[dt.datetime]
    values: Sequence[float]


def measures(look: Look, schema: str, since: dt.datetime, until: dt.datetime) -> list[Series]:
    """Return what loads into a schema measured from `since` until before `until`; nothing from a ledger that keeps none.

    The size of the database is one series, whatever the source; a limit is the last one that was measured. All is asked for
    in one order, so that Postgres sorts once.
    """
    if look.version < MEASURED:
        return []
    found = look.connection.execute(
        "SELECT what, CASE what WHEN 'database' THEN '' ELSE source END, table_name, column_name,"
        " (array_agg(most::float8 ORDER BY measured_at))[count(*)], (array_agg(side ORDER BY measured_at))[count(*)],"
        " array_agg(measured_at ORDER BY measured_at), array_agg(value::float8 ORDER BY measured_at)"
        f" FROM {LEDGER}.measure WHERE schema_name = %s AND measured_at >= %s AND measured_at < %s"
        " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        (schema, since, until),
    )
    return [Series(*row) for row in found]
