"""The bookkeeping of an older pipeline in the target schema: `etl_load_status`, a row for each table, and its metrics.

Its columns differ from version to version, so each row is read as it is, and what is not there is None.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from bulketl.postgres.ddl import name
from bulketl.postgres.server import Connection

TABLE = "etl_load_status"
_TIMES = ("_loaded_at", "last_loaded")
WELL = "success"
METRICS = "etl_table_metrics"
_METRICS = ("table_name", "processing_time", "success", "timestamp")


class Booked(NamedTuple):
    """What the older pipeline noted of a table: how its last load ended, when, and up to which value of which column."""

    status: str
    at: dt.datetime | None
    rows: int | None
    column: str
    value: str


def read(connection: Connection, schema: str) -> dict[str, Booked] | None:
    """Return what the older pipeline noted of each table, None where it keeps no books in that schema.

    A view of that name is none of them: `migrate views` makes one over bulketl's own ledger.
    A time without a zone is in that of the session, in which it was written.
    """
    place = f"{name(schema)}.{name(TABLE)}"
    found = connection.execute("SELECT relkind IN ('r', 'p', 'f') FROM pg_class WHERE oid = to_regclass(%s)", (place,))
    if found.fetchone() != (True,):
        return None
    columns = {
        str(column)
        for (column,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped", (place,)
        )
    }
    if "table_name" not in columns:
        return None
    times = [f"{name(column)}::timestamptz" for column in _TIMES if column in columns]
    at = f"GREATEST({', '.join(times)})" if times else "NULL::timestamptz"
    rows = connection.execute(f"SELECT to_jsonb(b), {at} FROM {place} b".encode())
    return {str(row["table_name"]): _booked(row, moment) for row, moment in rows}


def _booked(row: Mapping[str, Any], at: dt.datetime | None) -> Booked:
    rows = row.get("rows_loaded")
    return Booked(
        str(row.get("load_status") or ""), at, int(rows) if isinstance(rows, (int, float)) else None,
        str(row.get("primary_column_name") or ""), str(row.get("last_primary_value") or ""),
    )  # fmt: skip


def seconds_of(connection: Connection, schema: str) -> dict[str, float]:
    """Return how many seconds each table took when the older pipeline last loaded it well; empty where no book says it."""
    ((there,),) = connection.execute(
        "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s AND c.relkind = 'r' AND a.attname = ANY(%s)"
        " AND has_table_privilege(c.oid, 'SELECT') AND NOT a.attisdropped",
        (schema, METRICS, list(_METRICS)),
    ).fetchall()
    if there != len(_METRICS):
        return {}
    found = connection.execute(
        "SELECT DISTINCT ON (table_name) table_name::text, processing_time::float8"
        f" FROM {name(schema, METRICS)} WHERE success AND processing_time IS NOT NULL"
        " ORDER BY table_name, timestamp DESC NULLS LAST".encode()
    )
    return {table: round(seconds, 3) for table, seconds in found}
