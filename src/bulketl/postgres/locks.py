"""Locks: two runs never load the same table, nor read the same source, at the same time.

A run holds session-level advisory locks over one connection: for itself, its source and each of its tables. They go with
the connection, so nothing is left of a run that was killed; a run on record whose own lock is free is dead.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence

from bulketl.errors import TargetError
from bulketl.postgres import LEDGER, STAGING, Connection, Postgres
from bulketl.postgres.ddl import name, value

_SPACE = 0x62756C6B  # the first of the two keys of our locks: "bulk"
_HELD = f"""
SELECT k, split_part(a.application_name, ' ', 2), split_part(a.application_name, ' ', 3),
       to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SSOF')
FROM unnest(%s::text[]) k LEFT JOIN pg_locks l ON l.locktype = 'advisory' AND l.classid = {_SPACE} AND l.objsubid = 2
    AND l.granted AND l.objid::bigint = hashtext(k)::bigint & 4294967295 AND l.database = (
        SELECT oid FROM pg_database WHERE datname = current_database())
LEFT JOIN pg_stat_activity a USING (pid) ORDER BY k LIMIT 1"""


@contextlib.contextmanager
def held(target: Postgres, run: str, source: str, schema: str, tables: Sequence[str]) -> Iterator[Connection]:
    """Hold the locks of a run, and give the connection that holds them, for nothing that can fail.

    Raise TargetError, naming the run, its host and since when, when another run holds one of them.
    """
    host = socket.gethostname()[:30].replace(" ", "_")
    with target.connect() as connection:
        connection.execute("SELECT set_config('application_name', %s, false)", (f"bulketl {run} {host}",))
        wanted = [_run(run), f"source {source}", *(f"table {schema}.{table}" for table in tables)]
        got = connection.execute(
            f"SELECT k, pg_try_advisory_lock({_SPACE}, hashtext(k)) FROM unnest(%s::text[]) k", (wanted,)
        ).fetchall()
        refused = [key for key, locked in got if not locked]
        if refused:
            key, other, where, since = connection.execute(_HELD, (refused,)).fetchone() or (refused[0], "", "", "")
            what, _, which = str(key).partition(" ")
            raise TargetError(
                f"{what} {which!r} is {'read' if what == 'source' else 'loaded'} by run {other or '?'} on {where or '?'} "
                f"since {since or '?'}",
                hint="wait until it ends; if it hangs, end it there, or its connection in pg_stat_activity",
            )
        yield connection


def is_free(run: str) -> str:
    """Return the SELECT that tells, inside a transaction, whether nobody carries out that run."""
    return f"SELECT pg_try_advisory_xact_lock_shared({_SPACE}, hashtext({value(_run(run))}))"


def dead_runs(connection: Connection) -> list[str]:
    """Return the runs on record that did not end and that nobody carries out any more."""
    if connection.execute(f"SELECT to_regclass('{LEDGER}.run')").fetchone() == (None,):
        return []
    found = connection.execute(f"SELECT run FROM {LEDGER}.run WHERE finished_at IS NULL ORDER BY run").fetchall()
    return [run for (run,) in found if not alive(connection, run)]


def alive(connection: Connection, run: str) -> bool:
    """Tell whether some process carries out that run."""
    key = (_run(run),)
    free = connection.execute(f"SELECT pg_try_advisory_lock({_SPACE}, hashtext(%s))", key).fetchone() == (True,)
    if free:
        connection.execute(f"SELECT pg_advisory_unlock({_SPACE}, hashtext(%s))", key)
    return not free


def sweep(connection: Connection, keep: str) -> list[str]:
    """Drop the staging tables of every run that nobody carries out, but of `keep`; return their runs.

    Such runs can no longer be resumed, and their record says so.
    """
    left = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (STAGING,)).fetchall()
    owners = {str(table): str(table).partition(" ")[0] for (table,) in left}
    gone = {run for run in {*owners.values(), *dead_runs(connection)} if run != keep and not alive(connection, run)}
    for table, run in owners.items():
        if run in gone:
            connection.execute(f"DROP TABLE IF EXISTS {name(STAGING, table)}".encode())
    connection.execute(
        f"UPDATE {LEDGER}.run SET outcome = 'superseded', finished_at = COALESCE(finished_at, now())"
        " WHERE run <> %s AND (run = ANY(%s) OR outcome IN ('interrupted', 'stopped'))",
        (keep, sorted(gone)),
    )
    return sorted(gone)


def _run(run: str) -> str:
    return f"run {run}"
