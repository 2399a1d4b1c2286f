"""The ledger: schema `bulketl` in the target, the memory of every run.

`partition`, `reject` and `published` are written in the very transactions that carry the rows, so they can neither
lag behind them nor run ahead. `run` and `table_load` are written from events, to be read by people. Statements are
text; who executes them decides the transaction.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql

from bulketl.postgres import LEDGER, STAGING, SUPERSEDED, Connection, audit, made, retention, state
from bulketl.postgres.ddl import staging_name, value
from bulketl.rows.coerce import Reject
from bulketl.rows.reconcile import Differences
from bulketl.tables.checks import Counts, stored
from bulketl.tables.measured import Pace
from bulketl.tables.spec import TableSpec

COUNTS = ("inserted", "updated", "unchanged", "deleted")
_TABLES = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.run (
    run text PRIMARY KEY, host text NOT NULL, source text NOT NULL, schema_name text NOT NULL, zone text NOT NULL,
    plan text NOT NULL, document json NOT NULL,
    version text NOT NULL, started_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz,
    outcome text, summary jsonb, sessions jsonb);
CREATE TABLE IF NOT EXISTS {LEDGER}.partition (
    run text, schema_name text, table_name text, partition integer, rows bigint NOT NULL, rejects bigint NOT NULL,
    bytes bigint NOT NULL, changed jsonb NOT NULL, loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    written xid8 NOT NULL DEFAULT pg_current_xact_id(), checks jsonb NOT NULL DEFAULT '{{}}',
    expected bigint NOT NULL DEFAULT 0, PRIMARY KEY (run, schema_name, table_name, partition));
CREATE TABLE IF NOT EXISTS {LEDGER}.reject (
    run text NOT NULL, schema_name text NOT NULL, table_name text NOT NULL, partition integer NOT NULL,
    column_name text NOT NULL, value text, reason text NOT NULL, key jsonb NOT NULL, row jsonb NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT clock_timestamp(), settled_at timestamptz, settled text);
CREATE INDEX IF NOT EXISTS reject_run ON {LEDGER}.reject (run, table_name);
CREATE TABLE IF NOT EXISTS {LEDGER}.published (
    run text, schema_name text, table_name text, rows bigint NOT NULL, how text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(), inserted bigint, updated bigint, unchanged bigint,
    deleted bigint, checks jsonb NOT NULL DEFAULT '{{}}', quality double precision NOT NULL DEFAULT 1,
    PRIMARY KEY (run, schema_name, table_name));
CREATE TABLE IF NOT EXISTS {LEDGER}.compared (
    run text, schema_name text, table_name text, missing bigint NOT NULL, differing bigint NOT NULL, gone bigint NOT NULL,
    deletes text NOT NULL, compared_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run, schema_name, table_name));
CREATE TABLE IF NOT EXISTS {LEDGER}.certificate (
    run text, table_name text, certified boolean NOT NULL, document jsonb NOT NULL, PRIMARY KEY (run, table_name));
CREATE TABLE IF NOT EXISTS {LEDGER}.table_load (
    run text, table_name text, tier text NOT NULL, outcome text NOT NULL, rows bigint NOT NULL, rejects bigint NOT NULL,
    bytes bigint NOT NULL, seconds double precision NOT NULL, changed jsonb NOT NULL, drift jsonb NOT NULL,
    reason text NOT NULL, error text, hint text, inserted bigint, updated bigint, unchanged bigint, deleted bigint,
    consistency text NOT NULL DEFAULT '', checks jsonb NOT NULL DEFAULT '{{}}', quality double precision,
    PRIMARY KEY (run, table_name));
"""
# What a ledger that was made before lacks.
_LATER = "".join(
    f"ALTER TABLE {LEDGER}.{table} {', '.join(f'ADD COLUMN IF NOT EXISTS {column} bigint' for column in COUNTS)};"
    for table in ("published", "table_load")
) + (
    f"ALTER TABLE {LEDGER}.partition ADD COLUMN IF NOT EXISTS written xid8 NOT NULL DEFAULT pg_current_xact_id(),"
    " ADD COLUMN IF NOT EXISTS checks jsonb NOT NULL DEFAULT '{}',"
    " ADD COLUMN IF NOT EXISTS expected bigint NOT NULL DEFAULT 0;"
    f"ALTER TABLE {LEDGER}.table_load ADD COLUMN IF NOT EXISTS consistency text NOT NULL DEFAULT '',"
    " ADD COLUMN IF NOT EXISTS checks jsonb NOT NULL DEFAULT '{}', ADD COLUMN IF NOT EXISTS quality double precision;"
    f"ALTER TABLE {LEDGER}.published ADD COLUMN IF NOT EXISTS checks jsonb NOT NULL DEFAULT '{{}}',"
    " ADD COLUMN IF NOT EXISTS quality double precision NOT NULL DEFAULT 1;"
    f"ALTER TABLE {LEDGER}.run ADD COLUMN IF NOT EXISTS sessions jsonb;"
    f"ALTER TABLE {LEDGER}.reject ADD COLUMN IF NOT EXISTS settled_at timestamptz, ADD COLUMN IF NOT EXISTS settled text;"
)
_VERSION = f"{made.TITLE}5"  # the schema's comment, once all of it is there
_SCHEMA_LOCK = 0x62756C6B  # two first runs at once must not both create the tables


def create(connection: Connection, target_schema: str) -> None:
    """Create the ledger, the staging schema and the target schema where they are missing; bring an older ledger up to date.

    Raise ConfigError when the ledger's schema is somebody else's.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
        for schema in (LEDGER, STAGING, target_schema):
            # Asked first: CREATE SCHEMA IF NOT EXISTS wants the right to create even when there is nothing to do.
            known = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone()
            if not known:
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        version = connection.execute(f"SELECT obj_description(to_regnamespace('{LEDGER}'), 'pg_namespace')").fetchone()
        if version != (_VERSION,):
            recorded = made.there(connection, "made")
            connection.execute(f"{_TABLES}{_LATER}{state.TABLE}{audit.TABLES}{retention.TABLE}{made.TABLE}")
            if not recorded:
                connection.execute(made.TAKE_OVER)
            connection.execute(f"COMMENT ON SCHEMA {LEDGER} IS {value(_VERSION)}")


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


def claim(run: str, spec: TableSpec, index: int) -> str:
    """Return the INSERT that claims a partition's record: it returns a row unless an earlier try did commit."""
    return f"{partition(run, spec, index, 0, 0, 0, {})} ON CONFLICT DO NOTHING RETURNING 1"


def partition(
    run: str,
    spec: TableSpec,
    index: int,
    rows: int,
    rejects: int,
    size: int,
    changed: dict[str, dict[str, int]],
    checks: Counts | None = None,
    expected: int = 0,
) -> str:
    """Return the INSERT of a partition's record."""
    found = value(json.dumps(checks or {}))
    counts = f"{rows}, {rejects}, {size}, {value(json.dumps(changed))}, clock_timestamp(), {found}, {expected}"
    return (
        f"INSERT INTO {LEDGER}.partition (run, schema_name, table_name, partition, rows, rejects, bytes, changed, loaded_at,"
        f" checks, expected) VALUES ({_at(run, spec, index)}, {counts})"
    )


def loaded(
    run: str,
    spec: TableSpec,
    index: int,
    rows: int,
    rejects: int,
    size: int,
    changed: dict[str, dict[str, int]],
    checks: Counts,
    expected: int,
) -> str:
    """Return the UPDATE that completes a claimed record."""
    return (
        f"UPDATE {LEDGER}.partition SET rows={rows}, rejects={rejects}, bytes={size}, changed={value(json.dumps(changed))},"
        f" checks={value(json.dumps(checks))}, expected={expected}"
        f" WHERE (run, schema_name, table_name, partition) = ({_at(run, spec, index)})"
    )


def recorded(run: str, spec: TableSpec, index: int) -> str:
    """Return the SELECT of a partition's record: rows, rejects, bytes, changed and checks as text, expected."""
    return (
        f"SELECT rows, rejects, bytes, changed::text, checks::text, expected FROM {LEDGER}.partition "
        f"WHERE (run, schema_name, table_name, partition) = ({_at(run, spec, index)})"
    )


def rejected(run: str, spec: TableSpec, index: int, rejects: Sequence[Reject]) -> str:
    """Return the INSERT of rejected rows."""
    rows = ", ".join(
        f"({_at(run, spec, index)}, {value(r.column)}, {value(r.value and r.value.replace(chr(0), ''))}, "
        f"{value(r.reason)}, {value(r.key)}::jsonb, {value(r.row)}::jsonb)"
        for r in rejects
    )
    return f"INSERT INTO {LEDGER}.reject VALUES {rows}"


def checked(run: str, spec: TableSpec, found: Counts) -> str:
    """Return the UPDATE that notes, with the record of a publish, what its checks on the table have found."""
    return (
        f"UPDATE {LEDGER}.published SET checks = {value(json.dumps(stored(found)))} "
        f"WHERE (run, schema_name, table_name) = ({value(run)}, {value(spec.schema)}, {value(spec.table)})"
    )


def claim_publish(run: str, spec: TableSpec, *, returning: bool = True) -> str:
    """Return the INSERT that claims the record of a publish: it returns a row unless an earlier try did commit."""
    record = f"{value(run)}, {value(spec.schema)}, {value(spec.table)}, 0, {value(spec.publish)}"
    claim = f"INSERT INTO {LEDGER}.published VALUES ({record}) ON CONFLICT DO NOTHING"
    return f"{claim} RETURNING 1" if returning else claim


def published(run: str, spec: TableSpec, rows: int, quality: float = 1.0) -> str:
    """Return the UPDATE that completes a claimed record: so many (more) rows were read and are visible now.

    `quality` is their score; of a table in chunks the worst one stays.
    """
    return (
        f"UPDATE {LEDGER}.published SET rows = rows + {rows}, quality = least(quality, {quality}),"
        " published_at = clock_timestamp(),"
        f" unchanged = rows + {rows} - inserted - COALESCE(updated, 0) "
        f"WHERE (run, schema_name, table_name) = ({value(run)}, {value(spec.schema)}, {value(spec.table)})"
    )


def compared(run: str, spec: TableSpec, found: Differences) -> str:
    """Return the INSERT of what a comparison found."""
    counts = f"{len(found.missing)}, {len(found.differing)}, {len(found.gone)}, {value(spec.deletes)}"
    at = f"{value(run)}, {value(spec.schema)}, {value(spec.table)}"
    return f"INSERT INTO {LEDGER}.compared VALUES ({at}, {counts}) ON CONFLICT DO NOTHING"


def outcome_of(run: str, spec: TableSpec) -> str:
    """Return the SELECT of what a publish did.

    Rows; inserted, updated, unchanged, deleted, or NULL each; checks as text; the score; what was noted of it as text.
    """
    noted = f"({noted_by(run, spec)})" if spec.audit else "'{}'"
    return (
        f"SELECT rows, inserted, updated, unchanged, deleted, checks::text, quality, {noted} FROM {LEDGER}.published "
        f"WHERE (run, schema_name, table_name) = ({value(run)}, {value(spec.schema)}, {value(spec.table)})"
    )


def noted_by(run: str, spec: TableSpec) -> str:
    """Return the SELECT of what a run has put into the audit trail of a table: as text, an object of kinds and numbers."""
    at = f"({value(run)}, {value(spec.schema)}, {value(spec.table)})"
    counts = (
        f"SELECT kind, count(*) AS n FROM {LEDGER}.audit_trail WHERE (run, schema_name, table_name) = {at} GROUP BY kind"
    )
    return f"SELECT COALESCE(jsonb_object_agg(kind, n), '{{}}')::text FROM ({counts}) noted"


def _at(run: str, spec: TableSpec, index: int) -> str:
    return f"{value(run)}, {value(spec.schema)}, {value(spec.table)}, {index}"
