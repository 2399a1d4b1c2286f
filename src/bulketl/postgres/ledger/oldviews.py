"""The ledger as readers of an older pipeline's bookkeeping know it: three views with its tables' names and columns.

A view runs with the rights of its owner, so its readers need none on the ledger. No value of any row is in it but the
watermark, which the older table had too.
"""

from __future__ import annotations

from collections.abc import Mapping

from bulketl.errors import ConfigError, TargetError
from bulketl.postgres.ddl import name, value
from bulketl.postgres.ledger.tableloads import NAMED
from bulketl.postgres.server import LEDGER, Connection

MADE_BY = "made by bulketl from its ledger"
_LOAD_STATUS = f"""
WITH RECURSIVE {NAMED}
SELECT row_number() OVER (ORDER BY named.table_name)::integer AS id, named.table_name,
    s.watermark AS last_primary_value, s.cursor_column AS primary_column_name, COALESCE(t.rows, 0) AS rows_loaded,
    CASE WHEN t.outcome IN ('loaded', 'unchanged') THEN 'success' WHEN t.outcome = 'failed' THEN 'failed' ELSE 'pending' END
        AS load_status,
    l.at::timestamp AS _loaded_at, l.at::timestamp AS last_loaded
FROM named
LEFT JOIN {LEDGER}.state s ON s.schema_name = %(schema)s AND s.table_name = named.table_name
LEFT JOIN LATERAL (
    SELECT outcome, rows FROM {LEDGER}.table_load
    WHERE schema_name = %(schema)s AND table_name = named.table_name AND outcome NOT IN ('skipped', 'unfinished')
    ORDER BY run DESC LIMIT 1) t ON true
LEFT JOIN LATERAL (
    SELECT COALESCE(r.finished_at, r.started_at) AS at FROM {LEDGER}.table_load w JOIN {LEDGER}.run r USING (run)
    WHERE w.schema_name = %(schema)s AND w.table_name = named.table_name AND w.outcome = 'loaded' AND w.rows > 0
    ORDER BY w.run DESC LIMIT 1) l ON true
WHERE named.table_name IS NOT NULL"""
_PIPELINES = f"""
SELECT run AS pipeline_id, started_at::timestamp AS start_time, finished_at::timestamp AS end_time,
    extract(epoch FROM finished_at - started_at)::double precision AS total_time,
    (summary->>'tables')::integer AS tables_processed, (summary->>'rows')::bigint AS total_rows_processed,
    COALESCE(outcome = 'done', false) AS success, COALESCE((summary->>'failed')::integer, 0) AS error_count,
    CASE WHEN finished_at IS NULL THEN 'running' WHEN outcome = 'done' THEN 'completed' ELSE 'failed' END AS status,
    summary AS metrics_json
FROM {LEDGER}.run WHERE schema_name = %(schema)s AND kind = 'load'"""
_TABLES = f"""
SELECT t.run AS pipeline_id, t.table_name, t.rows AS rows_processed, t.seconds AS processing_time,
    t.outcome IN ('loaded', 'unchanged') AS success, CASE WHEN t.outcome = 'failed' THEN t.error END AS error,
    COALESCE(r.finished_at, r.started_at)::timestamp AS "timestamp"
FROM {LEDGER}.table_load t JOIN {LEDGER}.run r USING (run)
WHERE t.schema_name = %(schema)s AND r.kind = 'load' AND t.outcome NOT IN ('skipped', 'unfinished')"""
VIEWS: Mapping[str, str] = {
    "etl_load_status": _LOAD_STATUS, "etl_pipeline_metrics": _PIPELINES, "etl_table_metrics": _TABLES,
}  # fmt: skip


def make(connection: Connection, schema: str, into: str) -> None:
    """Make the views of what is on record of a schema in the schema `into`, or make them anew, in one transaction.

    Raise TargetError when something has one of their names that bulketl did not make.
    """
    known = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (into,)).fetchone()
    if known is None:
        raise ConfigError(f"the target has no schema {into!r}", hint=f"CREATE SCHEMA {name(into)}, or name another one")
    with connection.transaction():
        for view, select in VIEWS.items():
            _free(connection, into, view)
            at = name(into, view)
            # Not dropped, or whoever may read it, and views over it, would be lost.
            connection.execute(f"CREATE OR REPLACE VIEW {at} AS {select.replace('%(schema)s', value(schema))}".encode())
            connection.execute(f"COMMENT ON VIEW {at} IS {value(MADE_BY)}".encode())


def drop(connection: Connection, into: str) -> None:
    """Drop the views from a schema. Raise TargetError when something has one of their names that bulketl did not make."""
    with connection.transaction():
        for view in VIEWS:
            _free(connection, into, view)
            connection.execute(f"DROP VIEW IF EXISTS {name(into, view)}".encode())


def _free(connection: Connection, into: str, view: str) -> None:
    found = connection.execute(
        "SELECT c.relkind, obj_description(c.oid, 'pg_class') FROM pg_class c WHERE c.oid = to_regclass(%s)",
        (name(into, view),),
    ).fetchone()
    if found and found != ("v", MADE_BY):
        what = "view" if found[0] == "v" else "table"
        raise TargetError(
            f"schema {into!r} has a {what} {view!r} that bulketl did not make",
            hint="while the older pipeline writes its books, have the views elsewhere with --into; afterwards rename it",
        )
