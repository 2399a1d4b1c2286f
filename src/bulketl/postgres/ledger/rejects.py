"""The rejected rows on record: counted, read, and settled once they are loaded."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bulketl.postgres.joins import by_hash
from bulketl.postgres.ledger.escapes import throughout, unescape
from bulketl.postgres.server import LEDGER, Connection
from bulketl.tables.printable import brief

FETCHED = 10_000  # rows in memory at once
_OF = (
    f"{LEDGER}.reject r JOIN {LEDGER}.run s USING (run) WHERE r.schema_name = %(schema)s"
    " AND (%(tables)s::text[] IS NULL OR r.table_name = ANY(%(tables)s)) AND (%(run)s = '' OR r.run = %(run)s)"
)


@dataclass(frozen=True, slots=True)
class RejectCount:
    """Rejects of one run, table, column and reason. `loaded`: the run published the table; `settled`: how many are done.

    `source`: the database that the run read; `schema`: of the target.
    """

    run: str
    source: str
    schema: str
    table: str
    column: str
    reason: str
    rows: int
    settled: int
    loaded: bool

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, column=self.column, reason=self.reason, rows=self.rows)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row on record. Key and row are as they were read; `settled`: the retry that took it in, or found it gone, or ''.

    `source`: the database that the run read; `schema`: of the target.
    """

    run: str
    source: str
    schema: str
    table: str
    column: str
    value: str | None = field(repr=False)
    reason: str
    key: dict[str, Any] = field(repr=False)
    row: dict[str, Any] = field(repr=False)
    settled: str
    rejected_at: str

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, column=self.column, reason=self.reason, run=self.run)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return dataclasses.asdict(self)


def readable(connection: Connection) -> bool:
    """Tell whether the ledger has rejects that can be settled: it was made, or brought up to date, by this version."""
    found = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'settled')",
        (f"{LEDGER}.reject",),
    ).fetchone()
    return found == (True,)


def tables(connection: Connection, schema: str) -> set[str]:
    """Return the tables that some load into the schema was to load."""
    if not readable(connection):
        return set()
    loads = f"SELECT table_name FROM {LEDGER}.table_load JOIN {LEDGER}.run r USING (run) WHERE r.schema_name = %(schema)s"
    rejects = f"SELECT table_name FROM {LEDGER}.reject WHERE schema_name = %(schema)s"
    with by_hash(connection):
        return {table for (table,) in connection.execute(f"{loads} UNION {rejects}".encode(), {"schema": schema})}


def count(connection: Connection, schema: str, tables: Sequence[str] | None, run: str) -> list[RejectCount]:
    """Return how many rows were rejected, the last run first; `tables` None means all, `run` '' every one."""
    escaped = escaped_of(connection)
    query = (
        f"SELECT r.run, s.source, r.schema_name, r.table_name, column_name, reason, {escaped}, count(*), count(settled_at),"
        f" EXISTS (SELECT FROM {LEDGER}.published p WHERE (p.run, p.schema_name, p.table_name) ="
        f" (r.run, %(schema)s, r.table_name)) FROM {_OF}"
        " GROUP BY 1, 2, 3, 4, 5, 6, 7, s.started_at ORDER BY s.started_at DESC, 4, 8 DESC, 5, 6"
    )
    with by_hash(connection):
        found = connection.execute(query.encode(), {"schema": schema, "tables": tables, "run": run}).fetchall()
    return [
        RejectCount(run, source, into, table, *plain(is_escaped, column, reason), *counts)
        for run, source, into, table, column, reason, is_escaped, *counts in found
    ]


def read(
    connection: Connection, schema: str, tables: Sequence[str] | None, run: str, first: int | None = None
) -> Iterator[Rejected]:
    """Yield the rows on record, the last run first, at most `first`; few of them are in memory at once."""
    escaped = escaped_of(connection)
    query = (
        f"SELECT {escaped}, run, s.source, r.schema_name, table_name, column_name, value, reason, key, row,"
        " COALESCE(settled, ''),"
        f" to_char(rejected_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM {_OF}"
        " ORDER BY s.started_at DESC, table_name, rejected_at, key LIMIT %(first)s"
    )
    with by_hash(connection), connection.cursor("bulketl_rejects") as cursor:
        cursor.itersize = FETCHED
        cursor.execute(query.encode(), {"schema": schema, "tables": tables, "run": run, "first": first})
        for is_escaped, name, source, into, table, *texts, settled, when in cursor:
            column, value, reason, key, found = plain(is_escaped, *texts)
            yield Rejected(name, source, into, table, column, value, reason, key, found, settled, when)


def open_keys(connection: Connection, schema: str, table: str, run: str) -> list[dict[str, Any]]:
    """Return the keys of rows that are not settled, of runs that published the table, each key once."""
    published = f"{LEDGER}.published p WHERE (p.run, p.schema_name, p.table_name) = (r.run, %(schema)s, r.table_name)"
    escaped = escaped_of(connection)
    query = (
        f"SELECT DISTINCT key, {escaped} FROM {_OF} AND settled_at IS NULL AND EXISTS (SELECT FROM {published}) ORDER BY key"
    )
    with by_hash(connection):
        found = connection.execute(query.encode(), {"schema": schema, "tables": [table], "run": run})
        keys = [json.dumps(plain(is_escaped, key)[0], sort_keys=True) for key, is_escaped in found]
    return [json.loads(key) for key in dict.fromkeys(keys)]


def escaped_of(connection: Connection) -> str:
    """Return the expression that says of a reject whether it is escaped; a ledger before version 8 has no column for it."""
    found = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'escaped')",
        (f"{LEDGER}.reject",),
    ).fetchone()
    return "escaped" if found == (True,) else "false"


def plain(escaped: bool, *values: Any) -> tuple[Any, ...]:
    """Return values of a record as they were before they were escaped."""
    return tuple(throughout(value, unescape) for value in values) if escaped else values


# A ledger that was made before has no column `settled_at`, or `escaped`.
_REJECTS = f"""
WITH p AS (SELECT run, table_name, published_at, max(published_at) FILTER (WHERE how IN ('create', 'refill', 'swap'))
               OVER (PARTITION BY table_name) AS since FROM {LEDGER}.published WHERE schema_name = %s),
     r AS (SELECT r.table_name, r.key, COALESCE(to_jsonb(r)->>'escaped', '') = 'true' AS escaped
           FROM {LEDGER}.reject r JOIN p USING (run, table_name)
           WHERE schema_name = %s AND to_jsonb(r)->>'settled_at' IS NULL AND published_at >= COALESCE(since, '-infinity'))
SELECT DISTINCT table_name, key, escaped FROM r WHERE key <> '{{}}'
UNION ALL SELECT table_name, key, escaped FROM r WHERE key = '{{}}'"""


def rejects(connection: Connection, schema: str) -> dict[str, list[str]]:
    """Return the keys, as JSON texts, of the rows that the target lacks because they were rejected, per table.

    Rejects of runs that published the table, from the last one on that loaded all of it; each key once, where there is one.
    """
    if connection.execute(f"SELECT to_regclass('{LEDGER}.reject') IS NOT NULL").fetchone() != (True,):
        return {}
    found: dict[str, list[str]] = {}
    with by_hash(connection):
        for table, key, is_escaped in connection.execute(_REJECTS.encode(), (schema, schema)):
            found.setdefault(table, []).append(json.dumps(plain(is_escaped, key)[0], sort_keys=True))
    # A key may have been escaped in one run for another value of its row, and not in the next.
    return {table: [*dict.fromkeys(key for key in keys if key != _NO_KEY), *(key for key in keys if key == _NO_KEY)]
            for table, keys in found.items()}  # fmt: skip


_NO_KEY = "{}"
