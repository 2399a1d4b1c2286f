"""The tables of the soak: each kind in InnoDB and in another engine, how they change, and what a load must make of them.

Every night as many rows go as come, so that whatever grows at the target grows by itself. What a target must hold that the
source has no longer is noted at the source, in a database of its own, as the rows were first or last seen.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pymysql

from benchmarks.servers import LOADED, Servers
from bulketl.postgres.ledger.previous import PLACE, copy_of

DATABASE, MODEL = "bulketl_benchmark_soak", "bulketl_benchmark_soak_model"
ROWS = 600
CHANGED = 20  # one row in so many comes, goes, is changed with a new stamp, and without one
KEPT_DAYS = 30
COLUMNS = "id, n, word, amount, day, flag, at"
OTHER_ENGINES = ("MyISAM", "Aria")
_COLUMNS = "n int NOT NULL, word varchar(40), amount decimal(12,2), day date, flag tinyint, at datetime(6), KEY (at)"
_INCREMENTAL = {"extraction_strategy": "incremental", "incremental_column": "at"}
_MIRROR, _MARK = {"policy": "mirror", "every": "1d", "guard": "50%"}, {"policy": "mark", "every": "1d", "guard": "50%"}


class Kind(NamedTuple):
    """A rule, and how rows of the target come of it.

    `holds`: `same` as the source, `first` as each row was first seen, `last` as each was last seen, `recent` rows alone,
    `fitting` ones, `masked` ones. `silent`: rows are changed without a new stamp too, which the next load finds.
    """

    rule: dict[str, Any]
    holds: str = "same"
    silent: bool = True
    key: bool = True
    every: int = 1  # it changes each so many nights

    @property
    def grows(self) -> bool:
        """Tell whether the target keeps what the source does not."""
        return self.holds in ("first", "last")


KINDS = {
    "whole": Kind({}),
    "quiet": Kind({}, every=10),
    "newer": Kind({**_INCREMENTAL, "deletes": _MIRROR}),
    "chunked": Kind({**_INCREMENTAL, "extraction_strategy": "chunked_incremental", "deletes": _MIRROR}),
    "added": Kind(_INCREMENTAL, "last", silent=False),
    "marked": Kind({"deletes": {"policy": "mark", "guard": "50%"}}, "last"),
    "marking": Kind({**_INCREMENTAL, "deletes": _MARK}, "last"),
    "log": Kind({"table_importance": "audit"}, "first"),
    "trail": Kind({**_INCREMENTAL, "table_importance": "audit"}, "first"),
    "masked": Kind({**_INCREMENTAL, "deletes": _MIRROR, "mask": {"word": "hmac"}}, "masked"),
    "short": Kind({**_INCREMENTAL, "deletes": _MIRROR}, "recent"),
    "before": Kind({"keep_previous": 1}),
    "before_newer": Kind({**_INCREMENTAL, "deletes": _MIRROR, "keep_previous": 1}),
    "nokey": Kind({}, key=False),
    "streamed": Kind({"consistency": "snapshot"}),
    "refused": Kind({"max_rejects": "100%", "casts": {"flag": "boolean"}}, "fitting"),
}


class Soaked(NamedTuple):
    """A table: its kind, and its engine at the source."""

    name: str
    kind: Kind
    engine: str


def _tables() -> Iterator[Soaked]:
    for n, (name, kind) in enumerate(KINDS.items()):
        yield Soaked(f"{name}_innodb", kind, "InnoDB")
        other = OTHER_ENGINES[n % len(OTHER_ENGINES)]
        if name != "streamed":  # which needs an engine with snapshots
            yield Soaked(f"{name}_{other.lower()}", kind, other)


TABLES = tuple(_tables())


class Calendar(NamedTuple):
    """Which day a night is: night 1 of `nights` is that long ago, so that no row is dated into the future."""

    nights: int

    def day(self, night: int) -> dt.date:
        """Return the date of a night."""
        return dt.datetime.now(dt.UTC).date() - dt.timedelta(days=self.nights + 1 - night)

    def rules(self, night: int) -> dict[str, Any]:
        """Return the tables.yaml of a night: what retention keeps ends `KEPT_DAYS` before that night."""
        keep = f"{self.nights + 1 - night + KEPT_DAYS}d"
        short = {"retention": {"keep": keep, "by": "day", "action": "delete"}}
        return {
            "source_tables": {one.name: {**one.kind.rule, **(short if one.kind.holds == "recent" else {})} for one in TABLES}
        }


def fill(servers: Servers, first: dt.date) -> None:
    """Make both databases, each row dated within the days before."""
    with servers.connect() as connection, connection.cursor() as cursor:
        for database in (DATABASE, MODEL):
            cursor.execute(f"CREATE DATABASE {database}")
        cursor.execute(f"USE {DATABASE}")
        for table in TABLES:
            key = "id int AUTO_INCREMENT PRIMARY KEY" if table.kind.key else "id int NOT NULL"
            cursor.execute(f"CREATE TABLE {table.name} ({key}, {_COLUMNS}) ENGINE={table.engine}")
            cursor.execute(
                f"INSERT INTO {table.name} ({COLUMNS}) SELECT seq, seq, CONCAT('word ', seq), seq / 7,"
                f" '{first}' - INTERVAL 1 + seq % 40 DAY, IF(seq % 50 = 0, 2, seq % 2), '{first}' - INTERVAL seq MINUTE"
                f" FROM seq_1_to_{ROWS}"
            )
            if table.kind.grows:
                cursor.execute(f"CREATE TABLE {MODEL}.{table.name} LIKE {table.name}")
        connection.commit()


def change(servers: Servers, night: int, day: dt.date, seed: int) -> None:
    """Let a day pass at the source: rows of every table come, change and go, the same ones for the same seed."""
    with servers.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"USE {DATABASE}")
        for table in TABLES:
            if night > 1 and night % table.kind.every:
                continue
            few = ROWS // CHANGED
            dice = f"CRC32(CONCAT_WS('-', id, {night}, {seed}, '{table.name}'))"
            chosen = f"{dice} % {CHANGED}"
            cursor.execute(f"SELECT COALESCE(MAX(id), 0) FROM {table.name}")
            ((last,),) = cursor.fetchall()
            word, flag = f"CONCAT('word ', seq, ' of {night}')", "IF(seq % 50 = 0, 2, seq % 2)"
            stamp = f"'{day}' + INTERVAL id SECOND"
            values = f"{last} + seq, seq, {word}, seq / 7, '{day}', {flag}, '{day}' + INTERVAL seq MINUTE"
            statements = [
                f"DELETE FROM {table.name} ORDER BY {dice} LIMIT {few}",
                f"UPDATE {table.name} SET n = n + 1, word = CONCAT('night {night}, ', id), at = {stamp} WHERE {chosen} = 1",
                f"INSERT INTO {table.name} ({COLUMNS}) SELECT {values} FROM seq_1_to_{few}",
            ]
            if table.kind.silent:
                statements.append(f"UPDATE {table.name} SET amount = amount + 1 WHERE {chosen} = 2")
            for statement in statements:
                cursor.execute(statement)
            _note(cursor, table)
        connection.commit()


def _note(cursor: pymysql.cursors.Cursor, table: Soaked) -> None:
    if table.kind.grows:
        verb = "INSERT IGNORE" if table.kind.holds == "first" else "REPLACE"
        cursor.execute(f"{verb} INTO {MODEL}.{table.name} SELECT * FROM {table.name}")


def differences(servers: Servers, before: dt.date) -> tuple[int, list[str]]:
    """Return how many cells were compared, and in words what is not as it must be; `before`: where `recent` begins."""
    found, cells = [], 0
    with servers.connect() as connection, connection.cursor() as cursor, psycopg.connect(servers.target) as target:
        for table in TABLES:
            columns = "id, n, amount, day, flag, at" if table.kind.holds == "masked" else COLUMNS
            columns = columns.replace("flag, ", "flag <> 0, ") if table.kind.holds == "fitting" else columns
            where = {"recent": f" WHERE day >= '{before}'", "fitting": " WHERE flag IN (0, 1)"}.get(table.kind.holds, "")
            database = MODEL if table.kind.grows else DATABASE
            cursor.execute(f"SELECT {columns} FROM {database}.{table.name}{where} ORDER BY id")
            theirs = [tuple(row) for row in cursor.fetchall()]
            ours = target.execute(
                f"SELECT {columns.replace('flag <> 0', 'flag::int')} FROM {LOADED}.{table.name} ORDER BY id".encode()
            ).fetchall()
            cells += len(theirs) * len(columns.split(", "))
            if wrong := len({*theirs} ^ {*ours}) + abs(len(theirs) - len(ours)):
                found.append(f"{table.name}: {wrong} rows otherwise than they must be, of {len(theirs)}")
            found += _deleted(table, cursor, target)
    return cells, found


def _deleted(table: Soaked, cursor: pymysql.cursors.Cursor, target: psycopg.Connection[Any]) -> Iterator[str]:
    """Tell when the rows that are marked as gone are not those that the source has no longer, or masks show a value."""
    if table.name.startswith("mark"):
        cursor.execute(f"SELECT id FROM {MODEL}.{table.name} WHERE id NOT IN (SELECT id FROM {DATABASE}.{table.name})")
        gone = {row[0] for row in cursor.fetchall()}
        marked = target.execute(f"SELECT id FROM {LOADED}.{table.name} WHERE _deleted_at IS NOT NULL".encode()).fetchall()
        if gone != {row[0] for row in marked}:
            yield f"{table.name}: {len(marked)} rows are marked, and {len(gone)} are gone"
    if table.kind.holds == "masked":
        shown = target.execute(
            f"SELECT count(*) FROM {LOADED}.{table.name} WHERE word !~ '^[0-9a-f]{{32}}$'".encode()
        ).fetchone()
        if shown != (0,):
            yield f"{table.name}: {shown} values are not masked"
    if table.kind.rule.get("keep_previous"):
        copy = f'{PLACE}."{copy_of(LOADED, table.name)}"'
        there = target.execute(f"SELECT to_regclass('{copy}') IS NOT NULL".encode()).fetchone()
        if there != (True,):
            yield f"{table.name}: the version before is not kept"
