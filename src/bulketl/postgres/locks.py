"""Locks: two runs never load the same table, nor read the same source, at the same time.

A run holds session-level advisory locks over one connection: for itself, its source and each of its tables. They go with
the connection, so nothing is left of a run that was killed; a run on record whose own lock is free is dead. A run that is
alive and loses the connection, because the server was restarted or ended it, takes them again, unless another came between.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
import socket
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psycopg

from bulketl.connections.retrying import patient
from bulketl.errors import TargetError
from bulketl.postgres.ddl import value
from bulketl.postgres.kept import silent
from bulketl.postgres.server import LEDGER, SUPERSEDED, Connection, Postgres

_LETTERS = string.ascii_lowercase + string.digits
_SPACE = 0x62756C6B  # the first of the two keys of our locks: "bulk"
_HELD = f"""
SELECT k, split_part(a.application_name, ' ', 2), split_part(a.application_name, ' ', 3),
       to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SSOF'), a.usename, a.pid
FROM unnest(%s::text[]) k LEFT JOIN pg_locks l ON l.locktype = 'advisory' AND l.classid = {_SPACE} AND l.objsubid = 2
    AND l.granted AND l.objid::bigint = hashtext(k)::bigint & 4294967295 AND l.database = (
        SELECT oid FROM pg_database WHERE datname = current_database())
LEFT JOIN pg_stat_activity a USING (pid) ORDER BY k LIMIT 1"""


@dataclass(slots=True)
class Locks:
    """The locks of a run, and the connection that they go with, which is for nothing that can fail."""

    target: Postgres
    run: str
    wanted: tuple[str, ...]
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _connection: Connection | None = None

    def take(self) -> None:
        """Take all of them. Raise TargetError, naming the run, its host and since when, when another run holds one."""
        host = socket.gethostname()[:30].replace(" ", "_")
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(self.target.connect())
            connection.execute("SELECT set_config('application_name', %s, false)", (f"bulketl {self.run} {host}",))
            got = connection.execute(
                f"SELECT k, pg_try_advisory_lock({_SPACE}, hashtext(k)) FROM unnest(%s::text[]) k", (list(self.wanted),)
            ).fetchall()
            if refused := [key for key, locked in got if not locked]:
                raise _refusal(connection, self.run, refused)
            self._stack, self._connection = stack.pop_all(), connection

    def keep(self) -> None:
        """Take them again when the connection is lost; as long as the server does not answer that is put off.

        Raise TargetError when another run has one of them now, or has had them. Costs no round trip while all is well.
        """
        if self._connection is not None and not _spoken(self._connection):
            return
        self.release()
        try:
            self.take()
            with self.target.connect() as connection:
                found = connection.execute(f"SELECT outcome FROM {LEDGER}.run WHERE run = %s", (self.run,)).fetchone()
        except TargetError as error:
            if error.transient:
                return
            raise
        if found == (SUPERSEDED,):
            raise TargetError(
                f"run {self.run} lost its locks with its connection to the target, and a later load has taken its place",
                hint="there is nothing to do: the later load brings the tables that it did not publish",
            )

    def release(self) -> None:
        """Let go of all of them, the connection too.

        By their own statement first: the server frees what a closed session held a moment later, and whatever is done next
        would be told that this run is not over.
        """
        connection, self._connection = self._connection, None
        with contextlib.suppress(TargetError, psycopg.Error):  # it was lost before
            if connection is not None and not _spoken(connection):
                connection.execute("SELECT pg_advisory_unlock_all()")
                connection.close()  # it has the run's name, and is kept for nothing else
        with contextlib.suppress(TargetError):
            self._stack.close()


def _spoken(connection: Connection) -> bool:
    """Tell whether the connection is lost."""
    if connection.closed:
        return True
    if silent(connection):
        return False
    try:
        connection.execute("SELECT")
    except psycopg.Error:
        return True
    return False


def _refusal(connection: Connection, run: str, refused: Sequence[str]) -> TargetError:
    found = connection.execute(_HELD, (list(refused),)).fetchone() or (refused[0], "", "", "", "", None)
    key, other, where, since, user, pid = found
    what, _, which = str(key).partition(" ")
    act, _, schema = which.partition(" ")
    of = _kind(connection, str(other or ""))
    how = "read" if what == "source" else _DONE.get(of, "loaded")
    said = f"{what} {which!r} is {how} by"
    if what == "source" and act in _ACTS:
        of, said = act, f"{_ACTS[act]} in schema {schema!r} is under way:"
    session = f", user {user}, pid {pid}" if pid else ""
    end = f"end it there, or its connection{f' (pid {pid})' if pid else ''} in pg_stat_activity"
    hint = f"wait until it ends; if it hangs, {end}"
    if of in ("promote", "rollback"):
        hint = f"it takes seconds: then `bulketl migrate status -v` shows who serves what; if it hangs, {end}"
    return TargetError(
        f"{said} run {other or '?'} on {where or '?'} since {since or '?'}{session}",
        hint=hint,
        transient=other in (run, ""),  # its own lost session, which the server has not noticed yet, or one that just ended
    )


# Acts of which there is one in a schema at a time, and what a run of a kind does to its tables, in words.
_ACTS = {"promote": "another promotion", "rollback": "another rollback", "undo": "another undo", "retention": "retention"}
_DONE = {"promote": "promoted", "rollback": "rolled back", "undo": "undone", "repair": "repaired", "retention": "retained"}


def _kind(connection: Connection, run: str) -> str:
    """Return of which kind a run is by its record, '' for one that has none yet."""
    try:
        found = connection.execute(f"SELECT kind FROM {LEDGER}.run WHERE run = %s", (run,)).fetchone()
    except psycopg.Error:  # there is no ledger yet, or this user may not read it
        return ""
    return str(found[0]) if found else ""


@contextlib.contextmanager
def held(target: Postgres, run: str, source: str, schema: str, tables: Sequence[str], beside: str = "") -> Iterator[Locks]:
    """Hold the locks of a run, on its tables in the schema `beside` too, if any.

    Raise TargetError, naming the run, its host and since when, when another holds one.
    """
    places = [schema, *([beside] if beside else [])]
    of_tables = (f"table {place}.{table}" for place in places for table in tables)
    locks = Locks(target, run, (_run(run), f"source {source}", *of_tables))
    patient(locks.take)
    try:
        yield locks
    finally:
        locks.release()


def is_free(run: str) -> str:
    """Return the SELECT that tells, inside a transaction, whether nobody carries out that run."""
    return f"SELECT pg_try_advisory_xact_lock_shared({_SPACE}, hashtext({value(_run(run))}))"


def taken(run: str) -> str:
    """Return the expression that tells whether some process carries out a run, whose name is an expression.

    It only looks: to take a lock and let go of it, as `alive` does, could be in the way of a driver that comes back.
    """
    key = f"hashtext('run ' || {run})::bigint & 4294967295"
    return (
        f"EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = {_SPACE} AND objsubid = 2 AND granted"
        f" AND objid::bigint = ({key}) AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
    )


def waits(schema: str) -> str:
    """Return the expression of what our sessions wait for at tables of a schema, an expression: JSON, or NULL for nothing.

    Each with `table`, `seconds`, and who holds the lock: `pid`, `user` and `application` of the first of them.
    """
    return f"""(
SELECT jsonb_agg(jsonb_build_object('table', table_name, 'seconds', seconds, 'pid', b.pid, 'user', b.usename,
    'application', b.application_name) ORDER BY table_name)
FROM (
    SELECT c.relname AS table_name, (pg_blocking_pids(l.pid))[1] AS blocker,
        extract(epoch FROM clock_timestamp() - l.waitstart)::float8 AS seconds
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_stat_activity a ON a.pid = l.pid AND a.application_name LIKE 'bulketl%%'
    WHERE l.locktype = 'relation' AND NOT l.granted AND n.nspname = {schema}
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) w
LEFT JOIN pg_stat_activity b ON b.pid = w.blocker)"""


def alive(connection: Connection, run: str) -> bool:
    """Tell whether some process carries out that run."""
    key = (_run(run),)
    free = connection.execute(f"SELECT pg_try_advisory_lock({_SPACE}, hashtext(%s))", key).fetchone() == (True,)
    if free:
        connection.execute(f"SELECT pg_advisory_unlock({_SPACE}, hashtext(%s))", key)
    return not free


def _run(run: str) -> str:
    return f"run {run}"


def new_run() -> str:
    """Return a run's name: UTC time and four random letters or digits. Of two within a second the ledger knows the first."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}-{''.join(secrets.choice(_LETTERS) for _ in range(4))}"
