"""What the tests with real servers work with: a fresh source database, a fresh target schema, and both servers' SQL."""

from __future__ import annotations

import json
import re
import select
import tempfile
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import compare
import psycopg
import pymysql
from foresight import check_error, check_load
from psycopg.pq import TransactionStatus

import bulketl
from bulketl import Config, Plan, Summary
from bulketl.loading.events import Event
from bulketl.tables.spec import Tier

Kind = Literal["mariadb", "mysql"]


@dataclass(frozen=True)
class Server:
    """A MySQL or MariaDB server, with the URI of its administrator."""

    kind: Kind
    uri: str

    def connect(self, database: str = "", user: str = "", password: str = "") -> pymysql.Connection[Any]:
        """Open a connection in autocommit mode."""
        parts = urllib.parse.urlsplit(self.uri)
        return pymysql.connect(
            host=parts.hostname or "",
            port=parts.port or 3306,
            user=user or urllib.parse.unquote(parts.username or "root"),
            password=password if user else urllib.parse.unquote(parts.password or ""),
            database=database or None,
            charset="utf8mb4",
            autocommit=True,
            ssl_disabled=True,  # else PyMySQL reads the system's authorities, for 16 ms of each connection
        )

    def execute(self, statement: str, args: Sequence[object] | None = None, database: str = "") -> list[tuple[Any, ...]]:
        """Execute one statement as administrator and return its rows."""
        with closing(self.connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, args)
            return list(cursor.fetchall())

    def database(self, name: str, user: str = "", password: str = "", port: int = 0) -> str:
        """Return the URI of a database, for the administrator or another user, perhaps through another port."""
        parts = urllib.parse.urlsplit(self.uri)
        login = parts.netloc.rpartition("@")[0]
        if user:
            login = urllib.parse.quote(user, safe="") + (f":{urllib.parse.quote(password, safe='')}" if password else "")
        return f"mysql://{login}@{parts.hostname}:{port or parts.port or 3306}/{name}"


_idle: dict[str, list[psycopg.Connection[Any]]] = {}  # sessions by connection string


@contextmanager
def kept(conninfo: str) -> Iterator[None]:
    """Have what is executed there share a session: to open one costs Postgres more than most statements."""
    _idle[conninfo] = []
    try:
        yield
    finally:
        for connection in _idle.pop(conninfo):
            connection.close()


def execute(conninfo: str, statement: str, args: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
    """Execute one statement in Postgres, or several without arguments, in a session as new; return the last one's rows."""
    with ExitStack() as stack:
        connection = stack.enter_context(_session(conninfo))
        cursor = connection.execute(statement.encode(), args)
        while cursor.nextset():
            pass
        rows = cursor.fetchall() if cursor.description else []
        if not _idle.get(conninfo, True) and connection.info.transaction_status == TransactionStatus.IDLE:
            connection.execute("DISCARD ALL")
            _idle[conninfo].append(connection)
            stack.pop_all()
    return rows


def _session(conninfo: str) -> psycopg.Connection[Any]:
    with suppress(KeyError, IndexError):
        connection = _idle[conninfo].pop()
        if not select.select([connection], [], [], 0)[0]:  # to an idle session a server says only that it ends it
            return connection
        connection.close()
    return psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)


@dataclass(frozen=True)
class Done:
    """A load that ended: its plan, its summary and every event."""

    plan: Plan
    summary: Summary
    events: list[Event]

    def parts(self, table: str) -> int:
        """Return the number of partitions that the plan gave a table."""
        return next(len(load.partitions) for load in self.plan.loads if load.spec.table == table)

    def how(self, table: str) -> str:
        """Return the way a table was published."""
        return next(load.spec.publish for load in self.plan.loads if load.spec.table == table)


def configure(source: str, target: str, schema: str, *, rules: dict[str, Any] | None = None, **overrides: Any) -> Config:
    """Return the Config of a user who has set the environment and, with `rules`, has a tables.yaml."""
    environ = {"BULKETL_SOURCE": source, "BULKETL_TARGET": target, "BULKETL_SCHEMA": schema}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tables.yaml"
        path.write_text(json.dumps({"source_tables": rules or {}}), encoding="utf-8")
        return bulketl.load_config(path, None, environ, **overrides)


def load(
    config: Config,
    *,
    tables: Sequence[str] = (),
    tiers: Sequence[Tier] = (),
    plan: Plan | None = None,
    adopt: Sequence[str] = (),
    unforeseen: str = "",
) -> Done:
    """Plan and load as a notebook does; `validate` has to foresee what fails, unless it is `unforeseen`, and why."""
    events: list[Event] = []
    given = plan is not None
    try:
        plan = plan or bulketl.make_plan(config, tables=tables, tiers=tiers, adopt=adopt)
        summary = bulketl.load(config, plan, [events.append])
    except bulketl.BulketlError as error:
        if not (unforeseen or given):
            check_error(config, error)
        raise
    if not (unforeseen or given):
        check_load(config, summary.failed)
    return Done(plan, summary, events)


@dataclass(frozen=True)
class Lab:
    """A database at the source and a schema at the target that belong to one test."""

    server: Server
    database: str
    target: str
    schema: str

    @property
    def source(self) -> str:
        """The URI of the source database, for its administrator."""
        return self.server.database(self.database)

    def mysql(self, *statements: str, mode: str | None = None) -> list[tuple[Any, ...]]:
        """Execute statements in the source database, in one session with `mode` as sql_mode; return the last one's rows.

        `seq_1_to_30`, which MariaDB has, is there on MySQL too, up to 1,000.
        """
        with closing(self.server.connect(self.database)) as connection, connection.cursor() as cursor:
            if mode is not None:
                cursor.execute("SET SESSION sql_mode = %s", (mode,))
            for statement in statements:
                cursor.execute(statement if self.server.kind == "mariadb" else _SEQUENCE.sub(_numbers, statement))
            return list(cursor.fetchall())

    def insert(self, table: str, rows: Sequence[Sequence[object]], *, mode: str | None = None) -> None:
        """Insert rows of values."""
        with closing(self.server.connect(self.database)) as connection, connection.cursor() as cursor:
            if mode is not None:
                cursor.execute("SET SESSION sql_mode = %s", (mode,))
            cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(rows[0]))})", rows)

    def pg(self, statement: str, args: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Execute statements in the target database; `{s}` stands for the schema."""
        return execute(self.target, statement.replace("{s}", self.schema), args)

    def config(self, **overrides: Any) -> Config:
        """Return the Config of this source and target."""
        return configure(
            overrides.pop("source", self.source), overrides.pop("target", self.target), self.schema, **overrides
        )

    def load(
        self,
        *,
        tables: Sequence[str] = (),
        tiers: Sequence[Tier] = (),
        plan: Plan | None = None,
        adopt: Sequence[str] = (),
        unforeseen: str = "",
        **overrides: Any,
    ) -> Done:
        """Load the database into the schema; `unforeseen`: why `validate` cannot know what fails, if it cannot."""
        return load(self.config(**overrides), tables=tables, tiers=tiers, plan=plan, adopt=adopt, unforeseen=unforeseen)

    def differences(self, table: str, **options: str) -> list[str]:
        """Compare a table with its source."""
        return compare.differences(self.source, self.target, self.schema, table, **options)

    def staged(self) -> list[str]:
        """Return the staging tables that are there."""
        rows = self.pg("SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                       " WHERE nspname = 'bulketl_staging' AND relkind = 'r'")  # fmt: skip
        return [name for (name,) in rows]

    def tables(self) -> set[str]:
        """Return the names of the relations in the target schema that are tables or views."""
        rows = self.pg("SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                       " WHERE nspname = '{s}' AND relkind IN ('r', 'v', 'm', 'p')")  # fmt: skip
        return {name for (name,) in rows}


_SEQUENCE = re.compile(r"\bseq_(\d+)_to_(\d+)\b")


def _numbers(sequence: re.Match[str]) -> str:
    least, most = map(int, sequence.groups())
    return numbers(most) if least <= 1 else f"(SELECT seq FROM {numbers(most)} WHERE seq >= {least}) t"


def numbers(most: int) -> str:
    """Return what a SELECT reads from, on every kind of source: `seq` has the numbers from 1 to at most 1,000."""
    digits = "(SELECT 0 d" + "".join(f" UNION ALL SELECT {n}" for n in range(1, 10)) + ")"
    all_of_them = f"SELECT 1 + a.d + 10 * b.d + 100 * c.d seq FROM {digits} a CROSS JOIN {digits} b CROSS JOIN {digits} c"
    return f"(SELECT seq FROM ({all_of_them}) s WHERE seq <= {most} ORDER BY seq) s"
