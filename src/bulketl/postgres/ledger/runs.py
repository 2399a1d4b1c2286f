"""Runs on record: what kind of act each was, when it began and ended, its plan, what became of its tables.

Every act that writes to tables is a run. Who asks for the last one says which kinds are meant: only a load can be resumed,
has a plan to compare with, and tells how fast a table is.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Literal, NamedTuple, get_args

from bulketl.postgres.ddl import name, staging_name
from bulketl.postgres.ledger.documents import as_json, written
from bulketl.postgres.ledger.made import exists
from bulketl.postgres.locks import alive
from bulketl.postgres.server import LEDGER, STAGING, SUPERSEDED, Connection
from bulketl.tables.measured import Pace

# A retry takes in rejected rows; promote and rollback are of tables that change hands with an older pipeline; an undo
# makes a table what it was before its last load.
Kind = Literal["load", "repair", "retry", "retention", "promote", "rollback", "undo"]
KINDS: tuple[Kind, ...] = get_args(Kind)
REJECTING: tuple[Kind, ...] = ("load", "repair")  # the kinds of runs that may reject rows
READING_NOTHING: tuple[Kind, ...] = ("retention", "promote", "rollback", "undo")  # of the source
COUNTS = ("inserted", "updated", "unchanged", "deleted")


class Start(NamedTuple):
    """What a run begins with: its kind, the source, schema and zone of its plan, the plan's fingerprint and its JSON.

    `rules`: the fingerprint of the configuration that it follows.
    """

    kind: Kind
    source: str
    schema: str
    zone: str
    plan: str
    document: str
    rules: str = ""


def start_run(connection: Connection, run: str, start: Start) -> bool:
    """Record that a run begins here and now, unless it is on record; return False when it is, and has ended."""
    done = connection.execute(
        f"INSERT INTO {LEDGER}.run (run, host, version, kind, source, schema_name, zone, plan, document, rules)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (run) DO NOTHING",
        (run, socket.gethostname(), version("bulketl"), *start),
    )
    ended = f"SELECT FROM {LEDGER}.run WHERE run = %s AND finished_at IS NOT NULL"
    return done.rowcount == 1 or connection.execute(ended, (run,)).rowcount == 0


def note_sessions(connection: Connection, run: str, sessions: Mapping[str, Mapping[str, object]]) -> None:
    """Record what is known of the sessions of a run: per side its server, TLS, zone, and what could not be set."""
    connection.execute(f"UPDATE {LEDGER}.run SET sessions = %s WHERE run = %s", (as_json(connection, sessions), run))


class End(NamedTuple):
    """How a run ended: its outcome, its totals, and what the source's server counted meanwhile, {} when unknown."""

    outcome: str
    summary: dict[str, object]
    source_work: Mapping[str, object] = {}


def finish_run(connection: Connection, run: str, end: End) -> None:
    """Record how a run ended, unless a later load has taken its place. A run that went on adds to what its source did."""
    numbers = [name for name, value in end.source_work.items() if isinstance(value, int)]
    sums = ", ".join(f"'{one}', (source_work->>'{one}')::bigint + (%(work)s::jsonb->>'{one}')::bigint" for one in numbers)
    connection.execute(
        f"UPDATE {LEDGER}.run SET finished_at = now(), outcome = %(outcome)s, summary = %(summary)s, source_work = CASE"
        f" WHEN %(work)s::jsonb IS NULL OR source_work->>'of' = %(work)s::jsonb->>'of'"
        f" THEN source_work || jsonb_build_object({sums}) ELSE %(work)s::jsonb END"
        " WHERE run = %(run)s AND outcome IS DISTINCT FROM %(superseded)s".encode(),
        {
            "outcome": end.outcome,
            "summary": as_json(connection, end.summary),
            "work": json.dumps(end.source_work) if end.source_work else None,
            "run": run,
            "superseded": SUPERSEDED,
        },
    )


def end_run(
    connection: Connection,
    run: str,
    end: End,
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
        _record_tables(connection, run, tables)
        _certify(connection, run, certificates or {})
        finish_run(connection, run, end)


def reopen_run(connection: Connection, run: str) -> bool:
    """Record that a run goes on; return False when a later load has taken its place meanwhile."""
    found = connection.execute(
        f"UPDATE {LEDGER}.run SET finished_at = NULL, outcome = NULL WHERE run = %s AND outcome IS DISTINCT FROM %s",
        (run, SUPERSEDED),
    )
    return found.rowcount == 1


class PlannedRun(NamedTuple):
    """A run on record: its name, kind and outcome, None while it has not ended, its plan as JSON, and when it began."""

    run: str
    kind: str
    outcome: str | None
    document: str
    began: str


def find_run(connection: Connection, schema: str, run: str, kinds: Sequence[Kind]) -> PlannedRun | None:
    """Return a run into the schema by its name, whatever its kind; the last of these kinds when `run` is ''; or None."""
    if (kind := kind_of(connection)) is None:
        return None
    found = connection.execute(
        f"SELECT run, {kind}, outcome, document::text, to_char(started_at, 'YYYY-MM-DD HH24:MI:SSOF') FROM {LEDGER}.run r"
        f" WHERE schema_name = %s AND CASE %s WHEN '' THEN {kind} = ANY(%s) ELSE run = %s END"
        " ORDER BY started_at DESC LIMIT 1".encode(),
        (schema, run, list(kinds), run),
    ).fetchone()
    return None if found is None else PlannedRun(*found)


def kind_of(connection: Connection) -> str | None:
    """Return the expression of the kind of a run `r`, None when there is no ledger; one before version 6 has no column."""
    columns = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0", (f"{LEDGER}.run",)
    ).fetchall()
    if not columns:
        return None
    return "r.kind" if ("kind",) in columns else "CASE WHEN r.summary ? 'repair' THEN 'repair' ELSE 'load' END"


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
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (STAGING,)).fetchall()
    left = {str(table) for (table,) in tables}
    staged = {table for table in recorded if staging_name(run, table) in left}
    return {table for (table,) in published}, recorded, staged


def _record_tables(connection: Connection, run: str, tables: Sequence[dict[str, object]]) -> None:
    """Record what became of each table; the mappings have the columns of `table_load` but the columns of the run."""
    kept, summed = ("tier", "changed", "drift", "reason"), ("rows", "rejects", "bytes", "seconds")
    columns = (*kept, *summed, "outcome", "error", "hint", *COUNTS, "consistency", "checks", "quality", "part")
    updates = [f"{column} = table_load.{column} + excluded.{column}" for column in summed]
    updates += [f"{column} = excluded.{column}" for column in columns if column not in (*summed, *kept)]
    entries = [{"table_name": table["table"], **{column: table[column] for column in columns}} for table in tables]
    connection.execute(
        f"INSERT INTO {LEDGER}.table_load (run, source, schema_name, table_name, {', '.join(columns)})"
        f" SELECT r.run, r.source, r.schema_name, t.table_name, {', '.join(f't.{column}' for column in columns)}"
        f" FROM {LEDGER}.run r, jsonb_populate_recordset(NULL::{LEDGER}.table_load, %s) t WHERE r.run = %s"
        f" ON CONFLICT (run, source, schema_name, table_name) DO UPDATE SET {', '.join(updates)}",
        (as_json(connection, entries), run),
    )


def _certify(connection: Connection, run: str, certificates: Mapping[str, dict[str, object]]) -> None:
    """Record the certificates of a run's tables."""
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {LEDGER}.certificate (run, source, schema_name, table_name, certified, document)"
            f" SELECT run, source, schema_name, %s, %s, %s FROM {LEDGER}.run WHERE run = %s"
            " ON CONFLICT (run, source, schema_name, table_name)"
            " DO UPDATE SET certified = excluded.certified, document = excluded.document",
            [
                (written(connection, table), found["certified"], as_json(connection, found), run)
                for table, found in certificates.items()
            ],
        )


class Certified(NamedTuple):
    """What is on record of a run with certificates: itself, these by table, what became of each table, and later loads.

    `since`: of tables that another load brought afterwards, by which run and when.
    """

    about: dict[str, Any]
    documents: dict[str, dict[str, Any]]
    loads: dict[str, dict[str, Any]]
    since: dict[str, tuple[str, str]]


def certificates(connection: Connection, schema: str, run: str) -> Certified | None:
    """Return what is on record of a run into the schema that has certificates, of the last one for '', or None."""
    if connection.execute(f"SELECT to_regclass('{LEDGER}.certificate')").fetchone() == (None,):
        return None
    time = "to_char({}, 'YYYY-MM-DD HH24:MI:SSOF')"
    cursor = connection.execute(
        f"SELECT run, source, schema_name, host, version, {time.format('started_at')} AS started_at,"
        f" {time.format('finished_at')} AS finished_at, outcome FROM {LEDGER}.run r"
        f" WHERE schema_name = %s AND %s IN ('', run) AND EXISTS (SELECT 1 FROM {LEDGER}.certificate c WHERE c.run = r.run)"
        " ORDER BY r.started_at DESC LIMIT 1".encode(),
        (schema, run),
    )
    row = cursor.fetchone()
    if row is None:
        return None
    about = dict(zip((column.name for column in cursor.description or ()), row, strict=True))
    found = connection.execute(
        f"SELECT table_name, document FROM {LEDGER}.certificate WHERE run = %s ORDER BY table_name", (row[0],)
    ).fetchall()
    loads = connection.execute(
        f"SELECT table_name, tier, outcome, rows, rejects, COALESCE(error, '') FROM {LEDGER}.table_load WHERE run = %s"
        " ORDER BY table_name",
        (row[0],),
    ).fetchall()
    since = connection.execute(
        f"SELECT s.table_name, s.run, {time.format('s.published_at')} FROM {LEDGER}.state s"
        f" JOIN {LEDGER}.certificate c ON (c.run, c.table_name) = (%s, s.table_name)"
        f" JOIN {LEDGER}.run r ON r.run = s.run AND {kind_of(connection)} = 'load'"
        " WHERE s.schema_name = %s AND s.run <> c.run ORDER BY s.table_name".encode(),
        (row[0], schema),
    ).fetchall()
    names = ("tier", "outcome", "rows", "rejects", "error")
    return Certified(
        about,
        {str(table): document for table, document in found},
        {str(table): dict(zip(names, rest, strict=True)) for table, *rest in loads},
        {str(table): (str(later), str(at)) for table, later, at in since},
    )


def paces(connection: Connection, schema: str) -> dict[str, Pace]:
    """Return how fast the earlier loads of each table were; empty before the first. Single rows tell nothing of that.

    Tables that became visible in one transaction, whose records have its number as their xmin, share its seconds.
    """
    if (kind := kind_of(connection)) is None:
        return {}
    found = connection.execute(
        "WITH took AS (SELECT table_name, t.rows, t.seconds / count(*) OVER (PARTITION BY run, p.xmin::text) AS seconds,"
        f" r.started_at FROM {LEDGER}.table_load t JOIN {LEDGER}.published p USING (run, table_name)"
        f" JOIN {LEDGER}.run r USING (run) WHERE t.outcome = 'loaded' AND {kind} = 'load' AND p.schema_name = %s)"
        " SELECT DISTINCT ON (table_name) table_name, seconds / greatest(rows, 1),"
        " min(seconds) OVER (PARTITION BY table_name) FROM took ORDER BY table_name, rows DESC, started_at DESC".encode(),
        (schema,),
    )
    return {str(table): Pace(per_row, least) for table, per_row, least in found}


def last_plans(connection: Connection, schema: str, most: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the names of the last loads into a schema and their plans, the last first, each read when it is asked for.

    Other acts have a plan of single rows.
    """
    if (kind := kind_of(connection)) is None:
        return
    found = connection.execute(
        f"SELECT run FROM {LEDGER}.run r WHERE schema_name = %s AND {kind} = 'load'"
        " ORDER BY started_at DESC LIMIT %s".encode(),
        (schema, most),
    ).fetchall()
    for (run,) in found:
        if plan := plan_of(connection, run):
            yield run, plan


def plan_of(connection: Connection, run: str) -> dict[str, Any]:
    """Return the plan of a run as the ledger stores it, {} for a run that is not on record, or where this role may not read.

    A statement cannot look into it: a plan has names and keys exactly, as JSON's escapes where need be, and Postgres keeps
    the escapes of NUL and of what the encoding of the database lacks, but reads no JSON that has one.
    """
    may = connection.execute(f"SELECT has_column_privilege('{LEDGER}.run', 'document', 'SELECT')").fetchone()
    if may != (True,):
        return {}
    row = connection.execute(f"SELECT document FROM {LEDGER}.run WHERE run = %s", (run,)).fetchone()
    return row[0] if row else {}


def dead_runs(connection: Connection) -> list[str]:
    """Return the runs on record that did not end and that nobody carries out any more."""
    if not exists(connection, "run"):
        return []
    found = connection.execute(f"SELECT run FROM {LEDGER}.run WHERE finished_at IS NULL ORDER BY started_at, run").fetchall()
    return [run for (run,) in found if not alive(connection, run)]


def sweep(connection: Connection, keep: str, schema: str) -> list[str]:
    """Drop the staging tables of every run into the schema that nobody carries out, but of `keep`; return their runs.

    Such loads can no longer be resumed, and their record says so. Those into other schemas that are there can. What else is
    in the staging schema, of no run on record, is not ours and stays.
    """
    left = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s AND split_part(tablename, ' ', 1) IN"
        f" (SELECT run FROM {LEDGER}.run) AND tablename LIKE '%% %%'",
        (STAGING,),
    ).fetchall()
    owners = {str(table): str(table).partition(" ")[0] for (table,) in left}
    elsewhere = {
        str(run)
        for (run,) in connection.execute(
            f"SELECT run FROM {LEDGER}.run JOIN pg_namespace ON nspname = schema_name WHERE schema_name <> %s", (schema,)
        )
    }
    found = {*owners.values(), *dead_runs(connection)} - elsewhere - {keep}
    gone = {run for run in found if not alive(connection, run)}
    for table, run in owners.items():
        if run in gone:
            connection.execute(f"DROP TABLE IF EXISTS {name(STAGING, table)}".encode())
    connection.execute(
        f"UPDATE {LEDGER}.run SET outcome = '{SUPERSEDED}', finished_at = COALESCE(finished_at, now()) WHERE kind = 'load'"
        " AND run <> %s AND schema_name = %s AND (run = ANY(%s) OR outcome IN ('interrupted', 'stopped'))",
        (keep, schema, sorted(gone)),
    )
    return sorted(gone)


def end_dead(connection: Connection, schema: str) -> None:
    """Have it on record that runs into a schema have ended which nobody carries out any more and nobody can resume.

    That is every kind but a load: what such a run has done stays done, and no later one takes its place.
    """
    if dead := dead_runs(connection):
        connection.execute(
            f"UPDATE {LEDGER}.run SET outcome = 'interrupted', finished_at = now() WHERE kind <> 'load'"
            " AND finished_at IS NULL AND schema_name = %s AND run = ANY(%s)",
            (schema, dead),
        )
