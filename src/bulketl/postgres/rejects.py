"""The rejected rows on record: counted, read, and settled once they are loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bulketl.postgres import LEDGER, Connection, Postgres, checks, ledger
from bulketl.postgres.copy import TEMPORARY, copy, transaction, without_refused
from bulketl.postgres.ddl import batch, name, value
from bulketl.postgres.joins import BY_HASH, PLANNING, by_hash
from bulketl.postgres.keylist import send
from bulketl.postgres.made import held
from bulketl.postgres.publish import into
from bulketl.postgres.stage import temporary, temporary_name
from bulketl.rows.coerce import Batch
from bulketl.tables.partitions import json_key
from bulketl.tables.spec import TableSpec

_DONE = "bulketl_done"
FETCHED = 10_000  # rows in memory at once
_OF = (
    f"{LEDGER}.reject r JOIN {LEDGER}.run s USING (run) WHERE r.schema_name = %(schema)s"
    " AND (%(tables)s::text[] IS NULL OR r.table_name = ANY(%(tables)s)) AND (%(run)s = '' OR r.run = %(run)s)"
)


@dataclass(frozen=True, slots=True)
class Counted:
    """Rejects of one run, table, column and reason. `loaded`: the run published the table; `settled`: how many are done."""

    run: str
    table: str
    column: str
    reason: str
    rows: int
    settled: int
    loaded: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row on record. Key and row are as they were read; `settled`: the retry that took it in, or found it gone, or ''."""

    run: str
    table: str
    column: str
    value: str | None = field(repr=False)
    reason: str
    key: dict[str, Any] = field(repr=False)
    row: dict[str, Any] = field(repr=False)
    settled: str
    rejected_at: str


def there(connection: Connection) -> bool:
    """Tell whether the ledger has rejects that can be settled: it was made, or brought up to date, by this version."""
    found = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'settled')",
        (f"{LEDGER}.reject",),
    ).fetchone()
    return found == (True,)


def tables(connection: Connection, schema: str) -> set[str]:
    """Return the tables that some load into the schema was to load."""
    if not there(connection):
        return set()
    loads = f"SELECT table_name FROM {LEDGER}.table_load JOIN {LEDGER}.run USING (run) WHERE schema_name = %(schema)s"
    rejects = f"SELECT table_name FROM {LEDGER}.reject WHERE schema_name = %(schema)s"
    with by_hash(connection):
        return {table for (table,) in connection.execute(f"{loads} UNION {rejects}".encode(), {"schema": schema})}


def count(connection: Connection, schema: str, tables: Sequence[str] | None, run: str) -> list[Counted]:
    """Return how many rows were rejected, the last run first; `tables` None means all, `run` '' every one."""
    query = (
        "SELECT r.run, r.table_name, column_name, reason, count(*), count(settled_at), EXISTS (SELECT FROM"
        f" {LEDGER}.published p WHERE (p.run, p.schema_name, p.table_name) = (r.run, %(schema)s, r.table_name)) FROM {_OF}"
        " GROUP BY 1, 2, 3, 4, s.started_at ORDER BY s.started_at DESC, 2, 5 DESC, 3, 4"
    )
    with by_hash(connection):
        found = connection.execute(query.encode(), {"schema": schema, "tables": tables, "run": run})
        return [Counted(*row) for row in found]


def read(
    connection: Connection, schema: str, tables: Sequence[str] | None, run: str, first: int | None = None
) -> Iterator[Rejected]:
    """Yield the rows on record, the last run first, at most `first`; few of them are in memory at once."""
    query = (
        "SELECT run, table_name, column_name, value, reason, key, row, COALESCE(settled, ''),"
        f" to_char(rejected_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM {_OF}"
        " ORDER BY s.started_at DESC, table_name, rejected_at, key LIMIT %(first)s"
    )
    with by_hash(connection), connection.cursor("bulketl_rejects") as cursor:
        cursor.itersize = FETCHED
        cursor.execute(query.encode(), {"schema": schema, "tables": tables, "run": run, "first": first})
        for row in cursor:
            yield Rejected(*row)


def open_keys(connection: Connection, schema: str, table: str, run: str) -> list[dict[str, Any]]:
    """Return the keys of rows that are not settled, of runs that published the table, each key once."""
    published = f"{LEDGER}.published p WHERE (p.run, p.schema_name, p.table_name) = (r.run, %(schema)s, r.table_name)"
    query = f"SELECT DISTINCT key FROM {_OF} AND settled_at IS NULL AND EXISTS (SELECT FROM {published}) ORDER BY key"
    with by_hash(connection):
        found = connection.execute(query.encode(), {"schema": schema, "tables": [table], "run": run})
        return [key for (key,) in found]


def take(
    target: Postgres, run: str, spec: TableSpec, keys: Sequence[dict[str, Any]], batches: Iterator[Batch]
) -> tuple[int, int]:
    """Merge the rows that are good now into the table and settle those and the ones that are gone, in one transaction.

    `keys` as they are on record; `batches` has the rows that the source still has of them. Return how many were loaded,
    and how many are still rejected. Raise DataError when a check fails: then nothing is changed.
    """
    still: set[str] = set()
    with transaction(target, run, f"table {spec.table!r}", spec.encoder) as cursor:
        cursor.execute(batch([ledger.claim_publish(run, spec, returning=False), *held(run, [spec]), temporary(0, spec)]))
        rows = 0
        for tried in checks.passing(spec, (without_refused(target, run, spec, piece) for piece in batches)):
            copy(cursor, tried.good, spec, TEMPORARY, temporary_name(0))
            rows += tried.good.num_rows
            still |= {json_key(item.key) for item in tried.rejects}
        at = f"(schema_name, table_name) = ({value(spec.schema)}, {value(spec.table)})"
        known = [json_key(json.dumps(key)) for key in keys]
        done = [(key,) for key in known if key not in still] if still.issubset(known) else []
        send(cursor, ["key"], done, _DONE)
        statements = [
            *into(run, spec, name(TEMPORARY, temporary_name(0))),
            ledger.published(run, spec, rows),
        ]
        new = f"SELECT COALESCE(inserted, 0) FROM {LEDGER}.published WHERE run = {value(run)} AND {at}"
        statements.append(f"UPDATE {LEDGER}.state SET rows = rows + ({new}) WHERE {at}")
        sets = f"settled_at = clock_timestamp(), settled = {value(run)}"
        among = f"settled_at IS NULL AND key IN (SELECT key::jsonb FROM {TEMPORARY}.{_DONE})"
        settled = f"UPDATE {LEDGER}.reject SET {sets} WHERE {at} AND {among}"
        cursor.execute(batch([*statements, PLANNING, BY_HASH, settled]))
        checks.hold(cursor, [spec])
    return rows, len(still)
