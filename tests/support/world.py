"""Real servers driven at random beside the model: what is done to one is done to the other, and then they are compared."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pymysql
from lab import Server
from model import STORED, Held, Row, Rule, Table

import bulketl
from bulketl import Config

FLAG = "_deleted_at"
START = dt.datetime(2024, 1, 1)
COLUMNS = {"id": "int", "n": "int", "c": "varchar(10)", "at": "datetime", "born": "date"}


@dataclass
class World:
    """A database at the source and a schema in the target, and the model of both."""

    server: Server
    target: str
    folder: Path
    name: str = field(default_factory=lambda: f"t_{secrets.token_hex(5)}")
    tables: dict[str, Table] = field(default_factory=dict)
    previous: int = 0
    migrating: bool = False  # beside an older pipeline
    crashed: bool = False  # a load was killed, and none has come since
    hours: int = 10  # of the source's clock since START

    def __post_init__(self) -> None:
        self.mysql, self.pg = self.server.connect(), psycopg.connect(self.target, autocommit=True, prepare_threshold=None)
        self.source(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4", f"USE {self.name}")
        self.asked("CREATE SCHEMA {s}")
        self.today = self.asked("SELECT current_date")[0][0]

    def close(self) -> None:
        """Drop both."""
        self.source(f"DROP DATABASE {self.name}")
        self.mysql.close()
        places = self.asked(
            "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s) OR starts_with(nspname, 'bulketl_legacy')",
            self.name,
        )
        copies = self.asked("SELECT format('DROP TABLE %%I.%%I', schemaname, tablename) FROM pg_tables"
                            " WHERE schemaname = 'bulketl_previous' AND starts_with(tablename, %s)", self.name)  # fmt: skip
        self.asked("SET client_min_messages = warning")
        for (place,) in places:
            self.asked(f"DROP SCHEMA {place} CASCADE")
        for (statement,) in copies:
            self.asked(statement)
        self.pg.close()

    @property
    def shadow(self) -> str:
        """The schema in which tables are loaded beside an older pipeline's."""
        return f"{self.name}_shadow"

    def asked(self, statement: str, *args: object) -> list[tuple[Any, ...]]:
        """Execute a statement in the target and return its rows; `{s}` stands for the schema."""
        cursor = self.pg.execute(statement.replace("{s}", self.name).encode(), args or None)
        return cursor.fetchall() if cursor.description else []

    def source(self, *statements: str, rows: Sequence[Sequence[object]] = ()) -> list[tuple[Any, ...]]:
        """Execute statements at the source; `rows` with the last."""
        with self.mysql.cursor(pymysql.cursors.Cursor) as cursor:
            for statement in statements:
                cursor.executemany(statement, rows) if rows else cursor.execute(statement)
            return list(cursor.fetchall())

    def create(self, name: str, rule: Rule) -> Table:
        """Create a table at the source."""
        table = self.tables[name] = Table(name, rule, dict(COLUMNS))
        columns = ", ".join(f"{column} {kind} NULL" for column, kind in COLUMNS.items() if column != "id")
        self.source(f"CREATE TABLE {name} (id int PRIMARY KEY, {columns}, KEY (at))")
        return table

    def put(self, table: Table, rows: dict[int, Row]) -> None:
        """Have rows at the source."""
        table.rows |= rows
        if rows:
            names, marks = ", ".join(table.types), ", ".join(["%s"] * len(table.types))
            values = [[row[column] for column in table.types] for row in rows.values()]
            self.source(f"REPLACE INTO {table.name} ({names}) VALUES ({marks})", rows=values)

    def take(self, table: Table, keys: Sequence[int]) -> None:
        """Delete rows at the source."""
        for key in keys:
            del table.rows[key]
        if keys:
            self.source(f"DELETE FROM {table.name} WHERE id IN ({', '.join(map(str, keys))})")

    def config(self, *, beside: bool = False) -> Config:
        """Return the Config of a person with these rules; `beside`: into the shadow schema."""
        path = self.folder / "tables.yaml"
        rules = {name: table.rule.written() for name, table in self.tables.items() if not table.dropped}
        path.write_text(json.dumps({"source_tables": rules}))
        environ = {"BULKETL_SOURCE": self.server.database(self.name), "BULKETL_TARGET": self.target}
        environ["BULKETL_SCHEMA"] = self.shadow if beside else self.name
        more: dict[str, Any] = {"migration": {"legacy": {}}} if self.migrating and not beside else {}
        return bulketl.load_config(path, None, environ, keep_previous=self.previous, workers=2, **more)

    def here(self, table: Table) -> dict[int, Row]:
        """Return the rows that the source has."""
        names = list(table.types)
        rows = self.source(f"SELECT {', '.join(names)} FROM {table.name}")
        return {row[0]: dict(zip(names, row, strict=True)) for row in rows}

    def there(self, name: str, place: str = "") -> tuple[dict[str, str], list[Row]] | None:
        """Return the columns and rows that the target has, None without the table."""
        place = place or self.name
        columns = dict(self.asked(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = to_regclass(%s)"
            " AND attnum > 0 AND NOT attisdropped", f"{place}.{name}"))  # fmt: skip
        if not columns:
            return None
        rows = self.asked(f"SELECT {', '.join(columns)} FROM {place}.{name}")
        return columns, [dict(zip(columns, row, strict=True)) for row in rows]

    def differences(self, table: Table) -> list[str]:
        """Return where the target is not as the model has it."""
        if table.owner == "bulketl":
            return self.unlike(table.name, self.name, table.held)
        old = Held(shape={name: kind for name, kind in COLUMNS.items() if name != "born"}, rows=table.old)
        beside = self.unlike(table.name, self.shadow, table.beside)
        return [*self.unlike(table.name, self.name, old), *beside]

    def unlike(self, name: str, place: str, held: Held | None) -> list[str]:
        """Return where a table of a schema is not what it must be."""
        found = self.there(name, place)
        if held is None or found is None:
            return [] if held is None and found is None else [f"{place}.{name}: there is {'no' if held else 'a'} table"]
        columns, rows = found
        shape = {column: STORED[kind] for column, kind in held.shape.items()}
        shape |= {FLAG: "timestamp with time zone"} if held.flagged else {}
        lines = []
        if {column: kind.replace("(0) ", " ") for column, kind in columns.items()} != shape:
            lines.append(f"{name}: columns are {columns}, not {shape}")
        keys = [row["id"] for row in rows]
        if len(keys) != len(set(keys)):
            lines.append(f"{name}: rows are there twice: {sorted(key for key in set(keys) if keys.count(key) > 1)}")
        have = {row["id"]: row for row in rows}
        for key in sorted(have.keys() | held.rows.keys()):
            one, other = held.rows.get(key), have.get(key)
            if one is None or other is None:
                lines.append(f"{name}: row {key} is {'too many' if one is None else 'not there'}: {one or other}")
                continue
            marked = other.pop(FLAG, None) is not None
            if one != other or marked != (key in held.marked):
                lines.append(f"{name}: row {key} is {other}, marked {marked}, not {one}, marked {key in held.marked}")
        return lines

    def hanging(self, table: Table) -> list[str]:
        """Return what a person has hung on a table, and is not there any more, or shows other rows."""
        lines = []
        if table.view and table.held:
            shown = dict(self.asked(f"SELECT id, n FROM {{s}}.v_{table.name}"))
            if shown != {key: row["n"] for key, row in table.held.rows.items()}:
                lines.append(f"{table.name}: the view shows {shown}")
        if table.index:
            query = "SELECT 1 FROM pg_indexes WHERE (schemaname, tablename, indexname) = ('{s}', %s, %s)"
            lines += [] if self.asked(query, table.name, f"i_{table.name}") else [f"{table.name}: the index is gone"]
        return lines

    def left(self) -> list[str]:
        """Return what no load may leave behind: staging tables, open runs, locks, sessions."""
        asked = {
            "staging table": "SELECT tablename FROM pg_tables WHERE schemaname = 'bulketl_staging'",
            "open run": "SELECT run FROM bulketl.run WHERE schema_name = '{s}' AND finished_at IS NULL",
            "lock": "SELECT objid FROM pg_locks l WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database"
            " WHERE datname = current_database())",
            "session": "SELECT query FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'bulketl'",
        }
        if self.crashed:
            asked = {"session": asked["session"]}
        return [f"{what} {row[0]}" for what, query in asked.items() for row in self.asked(query)]

    def nothing_left(self) -> None:
        """Fail when something is left behind; the server notices a moment later that a session was closed."""
        until = time.monotonic() + 5
        while (left := self.left()) and time.monotonic() < until:
            time.sleep(0.005)
        assert not left, left

    def ledger(self) -> list[tuple[Any, ...]]:
        """Return how many records the ledger has."""
        if self.asked("SELECT to_regclass('bulketl.state')") == [(None,)]:
            return []
        names = ("run", "state", "made", "table_load", "partition", "published", "event", "compared", "previous")
        counts = self.asked(" UNION ALL ".join(f"SELECT '{name}', count(*) FROM bulketl.{name}" for name in names))
        return sorted(counts)  # a large ledger is counted by several processes, in any order
