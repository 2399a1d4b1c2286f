"""Runs on record: when each began and ended, its plan, what became of its tables, and their certificates."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from bulketl.postgres.ddl import staging_name
from bulketl.postgres.server import LEDGER, STAGING, SUPERSEDED, Connection
from bulketl.tables.measured import Pace

COUNTS = ("inserted", "updated", "unchanged", "deleted")


def start_run(
    connection: Connection,
    run: str,
    *,
    source: str,
    schema: str,
    zone: str,
    plan: str,
    version: str,
    document: str,
) -> None:
    """Record that a run begins; `plan` is the plan's fingerprint and `document` its JSON."""
    connection.execute(
        f"INSERT INTO {LEDGER}.run (run, host, source, schema_name, zone, plan, document, version)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (run) DO NOTHING",
        (run, socket.gethostname(), source, schema, zone, plan, document, version),
    )


def note_sessions(connection: Connection, run: str, sessions: Mapping[str, Mapping[str, object]]) -> None:
    """Record what is known of the sessions of a run: per side its server, TLS, zone, and what could not be set."""
    connection.execute(f"UPDATE {LEDGER}.run SET sessions = %s WHERE run = %s", (json.dumps(sessions), run))


def finish_run(connection: Connection, run: str, outcome: str, summary: dict[str, object]) -> None:
    """Record how a run ended, unless a later load has taken its place."""
    connection.execute(
        f"UPDATE {LEDGER}.run SET finished_at = now(), outcome = %s, summary = %s"
        " WHERE run = %s AND outcome IS DISTINCT FROM %s",
        (outcome, json.dumps(summary), run, SUPERSEDED),
    )


def end_run(
    connection: Connection,
    run: str,
    outcome: str,
    summary: dict[str, object],
    tables: Sequence[dict[str, object]],
    certificates: Mapping[str, dict[str, object]] | None = None,
) -> None:
    """Record what became of each table and how the run ended, in one transaction; nothing when an earlier try did."""
    with connection.transaction():
        found = connection.execute(
            f"SELECT finished_at IS NOT NULL AND outcome IS DISTINCT FROM %s FROM {LEDGER}.run WHERE run = %s FOR UPDATE",
            (SUPERSEDED, run),
        ).fetchone()
        if found == (True,):
            return
        record_tables(connection, run, tables)
        certify(connection, run, certificates or {})
        finish_run(connection, run, outcome, summary)


def reopen_run(connection: Connection, run: str) -> bool:
    """Record that a run goes on; return False when a later load has taken its place meanwhile."""
    found = connection.execute(
        f"UPDATE {LEDGER}.run SET finished_at = NULL, outcome = NULL WHERE run = %s AND outcome IS DISTINCT FROM %s",
        (run, SUPERSEDED),
    )
    return found.rowcount == 1


def find_run(connection: Connection, schema: str, run: str) -> tuple[str, str | None, str] | None:
    """Return name, outcome and plan (JSON) of a run into the schema, of the last one when `run` is '', or None."""
    if connection.execute(f"SELECT to_regclass('{LEDGER}.run')").fetchone() == (None,):
        return None
    found = connection.execute(
        f"SELECT run, outcome, document::text FROM {LEDGER}.run WHERE schema_name = %s AND (%s = '' OR run = %s)"
        " ORDER BY started_at DESC LIMIT 1",
        (schema, run, run),
    ).fetchone()
    return None if found is None else (found[0], found[1], found[2])


def progress(connection: Connection, run: str, schema: str) -> tuple[set[str], dict[str, set[int]], set[str]]:
    """Return what of a run is on record: tables published, partitions per table, and tables whose staging table is there."""
    at = (run, schema)
    published = connection.execute(
        f"SELECT table_name FROM {LEDGER}.published WHERE run = %s AND schema_name = %s", at
    ).fetchall()
    recorded: dict[str, set[int]] = {}
    for table, index in connection.execute(
        f"SELECT table_name, partition FROM {LEDGER}.partition WHERE run = %s AND schema_name = %s", at
    ):
        recorded.setdefault(table, set()).add(index)
    names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (STAGING,)).fetchall()
    there = {str(name) for (name,) in names}
    staged = {table for table in recorded if staging_name(run, table) in there}
    return {table for (table,) in published}, recorded, staged


def record_tables(connection: Connection, run: str, tables: Sequence[dict[str, object]]) -> None:
    """Record what became of each table; the mappings have the columns of `table_load` but `run`."""
    kept, summed = ("tier", "changed", "drift", "reason"), ("rows", "rejects", "bytes", "seconds")
    columns = (*kept, *summed, "outcome", "error", "hint", *COUNTS, "consistency", "checks", "quality")
    updates = [f"{column} = table_load.{column} + excluded.{column}" for column in summed]
    updates += [f"{column} = excluded.{column}" for column in columns if column not in (*summed, *kept)]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {LEDGER}.table_load (run, table_name, {', '.join(columns)})"
            f" VALUES (%(run)s, %(table)s, {', '.join(f'%({column})s' for column in columns)})"
            f" ON CONFLICT (run, table_name) DO UPDATE SET {', '.join(updates)}",
            [
                {**table, "run": run, **{key: json.dumps(table[key]) for key in ("changed", "drift", "checks")}}
                for table in tables
            ],
        )


def certify(connection: Connection, run: str, certificates: Mapping[str, dict[str, object]]) -> None:
    """Record the certificates of a run's tables."""
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {LEDGER}.certificate VALUES (%s, %s, %s, %s) ON CONFLICT (run, table_name)"
            " DO UPDATE SET certified = excluded.certified, document = excluded.document",
            [(run, table, found["certified"], json.dumps(found)) for table, found in certificates.items()],
        )


def certificates(connection: Connection, schema: str, run: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]] | None:
    """Return what is on record of a run into the schema that has certificates, the last one for '', and these by table."""
    if connection.execute(f"SELECT to_regclass('{LEDGER}.certificate')").fetchone() == (None,):
        return None
    cursor = connection.execute(
        f"SELECT run, source, schema_name, host, version, started_at::text, finished_at::text, outcome FROM {LEDGER}.run r"
        f" WHERE schema_name = %s AND %s IN ('', run) AND EXISTS (SELECT 1 FROM {LEDGER}.certificate c WHERE c.run = r.run)"
        " ORDER BY started_at DESC LIMIT 1",
        (schema, run),
    )
    row = cursor.fetchone()
    if row is None:
        return None
    about = dict(zip((column.name for column in cursor.description or ()), row, strict=True))
    found = connection.execute(
        f"SELECT table_name, document FROM {LEDGER}.certificate WHERE run = %s ORDER BY table_name", (row[0],)
    ).fetchall()
    return about, {str(table): document for table, document in found}


def paces(connection: Connection, schema: str) -> dict[str, Pace]:
    """Return how fast the earlier loads of each table were; empty before the first.

    Tables that became visible in one transaction, whose records have its number as their xmin, share its seconds.
    """
    if connection.execute(f"SELECT to_regclass('{LEDGER}.table_load')").fetchone() == (None,):
        return {}
    found = connection.execute(
        "WITH took AS (SELECT table_name, t.rows, t.seconds / count(*) OVER (PARTITION BY run, p.xmin::text) AS seconds,"
        f" r.started_at FROM {LEDGER}.table_load t JOIN {LEDGER}.published p USING (run, table_name)"
        f" JOIN {LEDGER}.run r USING (run) WHERE t.outcome = 'loaded' AND p.schema_name = %s)"
        " SELECT DISTINCT ON (table_name) table_name, seconds / greatest(rows, 1),"
        " min(seconds) OVER (PARTITION BY table_name) FROM took ORDER BY table_name, rows DESC, started_at DESC",
        (schema,),
    )
    return {str(table): Pace(per_row, least) for table, per_row, least in found}


def last_plan(connection: Connection, schema: str) -> tuple[str, dict[str, Any]] | None:
    """Return the name of the last load into a schema and its plan, or None; a repair has a plan of single rows."""
    if connection.execute(f"SELECT to_regclass('{LEDGER}.run')").fetchone() == (None,):
        return None
    found = connection.execute(
        f"SELECT run, document FROM {LEDGER}.run WHERE schema_name = %s AND NOT COALESCE(summary ? 'repair', false)"
        " ORDER BY started_at DESC LIMIT 1",
        (schema,),
    ).fetchone()
    return None if found is None else (found[0], found[1])
