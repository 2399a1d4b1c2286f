"""The books that an older pipeline keeps in the target, as far as they are known: how long each table took it."""

from __future__ import annotations

from bulketl.postgres.ddl import name
from bulketl.postgres.server import Connection

TABLE_METRICS = "etl_table_metrics"
_COLUMNS = ("table_name", "processing_time", "success", "timestamp")


def seconds_of(connection: Connection, schema: str) -> dict[str, float]:
    """Return how many seconds each table took when the older pipeline last loaded it well; empty where no book says it."""
    ((there,),) = connection.execute(
        "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s AND c.relkind = 'r' AND a.attname = ANY(%s)"
        " AND has_table_privilege(c.oid, 'SELECT') AND NOT a.attisdropped",
        (schema, TABLE_METRICS, list(_COLUMNS)),
    ).fetchall()
    if there != len(_COLUMNS):
        return {}
    found = connection.execute(
        "SELECT DISTINCT ON (table_name) table_name::text, processing_time::float8"
        f" FROM {name(schema, TABLE_METRICS)} WHERE success AND processing_time IS NOT NULL"
        " ORDER BY table_name, timestamp DESC NULLS LAST".encode()
    )
    return {table: round(seconds, 3) for table, seconds in found}
