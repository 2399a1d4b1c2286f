"""The tables of the trials, loaded in every way there is, and what an eye of its own sees of them: text against text."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import compare
import psycopg
from lab import Lab, execute
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sidebyside import ABOUT

from trials.servers import Servers
from trials.warm import Ended, Warm

MIRROR = {"policy": "mirror", "every": "1s", "guard": "100%"}
ANY = {"policy": "mirror", "guard": "100%"}  # rows that moved while they were read are gone the next time
BY_TIME = {"extraction_strategy": "incremental", "incremental_column": "at", "deletes": MIRROR}
RULES: dict[str, dict[str, Any]] = {
    "swapped": {"deletes": ANY},
    "moment": {"consistency": "snapshot", "deletes": ANY},
    "settled": {"consistency": "re-read", "deletes": ANY},
    "keyless": {},
    "exact": {},
    "merged": BY_TIME,
    "chunked": {**BY_TIME, "extraction_strategy": "chunked_incremental"},
    "marked": {"deletes": {"policy": "mark", "guard": "100%"}},
    "log": {"table_importance": "audit", "extraction_strategy": "incremental", "incremental_column": "id"},
    "kept": {"keep_previous": 1},
    **{f"small{n}": {"table_importance": "reference"} for n in range(2)},
}
SMALL, ROWS = 5, 160
SCHEMA, OLDER, SHADOW = "raw", "older", "older_shadow"
CHANGING = ("patient", "visit")  # tables that change hands
STALL_SECONDS = 1


@dataclass(slots=True)
class House:
    """A source database and a target database that belong to one trial after another.

    `uris`: where commands find them, perhaps over lines. `days`: how often the source has changed. `settings`, `rules`:
    further ones of its commands. `version`: the rows of the table that keeps a version, before its last load.
    """

    servers: Servers
    warm: Warm
    folder: Path
    lab: Lab
    uris: dict[str, str] = field(default_factory=dict)
    days: int = 1
    settings: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: frozenset[tuple[str, ...]] = frozenset()

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a command."""
        return {
            "BULKETL_SOURCE": self.uris.get("source", self.lab.source),
            "BULKETL_TARGET": self.uris.get("target", uri(self.lab.target)),
            "NO_COLOR": "1",
        }

    def words(self, *words: str, schema: str = SCHEMA) -> list[str]:
        """Return the words of a command with this house's settings and rules."""
        made = {"stall_seconds": STALL_SECONDS, "workers": 2, **self.settings}
        made |= {"migration": {"shadow": SHADOW}} if schema == OLDER else {}
        (self.folder / "bulketl.yaml").write_text(json.dumps(made))
        rules = {name: {**rule, **self.rules.get(name, {})} for name, rule in RULES.items() if schema == SCHEMA}
        (self.folder / "tables.yaml").write_text(json.dumps({"source_tables": rules}))
        files = ["--config", str(self.folder / "bulketl.yaml"), "--schema", schema]
        return [*words, *files, *(["--rules", str(self.folder / "tables.yaml")] if words[0] in ("load", "verify") else [])]

    def run(self, *words: str, schema: str = SCHEMA, seconds: float = 90, **how: Any) -> Ended:
        """Carry out a command."""
        return self.warm.run(self.words(*words, schema=schema), self.environ, seconds, **how)

    def must(self, *words: str, schema: str = SCHEMA) -> Ended:
        """Carry out a command that has to end well."""
        done = self.run(*words, schema=schema)
        assert (done.code, done.hung) == (0, False), (words, done.out[-2000:], done.err[-2000:])
        return done

    def another_day(self, tables: Sequence[str]) -> None:
        """Let rows of tables change, come and go at the source; the log only grows."""
        self.days += 1
        day = f"'2024-02-01' + INTERVAL {self.days} DAY"
        for name in tables:
            new = f"SELECT (SELECT MAX(id) FROM {name}) + seq, {self.days}, {day}{MORE.get(name, '')} FROM seq_1_to_3"
            self.lab.mysql(f"INSERT INTO {name} {new}")
            if name != "log":
                self.lab.mysql(
                    f"UPDATE {name} SET n = n + 1, at = {day} + INTERVAL id MINUTE WHERE id % 3 = 0",
                    f"DELETE FROM {name} WHERE id % 97 = {self.days % 97}",
                )
        # However fast all this is, the next comparison is due.
        self.lab.pg("UPDATE bulketl.state SET compared_at = compared_at - interval '1 minute'")

    def lost(self, tables: Sequence[str], schema: str = SCHEMA) -> tuple[int, list[str]]:
        """Return how many rows of tables are not as at the source, and what differs."""
        count, said = 0, list[str]()
        for name in tables:
            if name == "marked":  # rows that are gone at the source stay, with a stamp
                wrong = rows_of_source(self.lab, name) ^ rows_of_target(self.lab, name, schema, "_deleted_at IS NULL")
                count, said = count + len(wrong), said + [f"marked: {row}" for row in sorted(wrong)[:5]]
                continue
            done = compare.compare(self.lab.source, self.lab.target, schema, name)
            count, said = count + done.differing, said + done.messages
        return count, said

    def images(self, tables: Sequence[str], schema: str = SCHEMA) -> dict[str, frozenset[tuple[str, ...]]]:
        """Return the rows of tables in the target, as text."""
        return {name: rows_of_target(self.lab, name, schema) for name in tables}


LONG = ("keyless", "swapped", "moment", "settled")  # tables with a text that is each row's own
MORE = {"exact": ", '{\"a\": [1, 2]}'", **dict.fromkeys(LONG, ", REPEAT(UUID(), 4)")}
COLUMNS = {"exact": ", v json", **dict.fromkeys(LONG, ", v varchar(200)")}


def rows_of_source(lab: Lab, table: str) -> frozenset[tuple[str, ...]]:
    """Return the columns `id`, `n` and `at` of every row at the source, as text."""
    return frozenset(
        tuple(map(str, row)) for row in lab.mysql(f"SELECT id, n, DATE_FORMAT(at, '%Y-%m-%d %H:%i:%s') FROM {table}")
    )


def rows_of_target(lab: Lab, table: str, schema: str, where: str = "true") -> frozenset[tuple[str, ...]]:
    """Return the same of the target."""
    with psycopg.connect(lab.target, autocommit=True) as connection:
        found = connection.execute(f"SELECT id::text, n::text, at::text FROM {schema}.{table} WHERE {where}".encode())
        return frozenset(found.fetchall())


def uri(conninfo: str) -> str:
    """Return a connection string as a URI."""
    words = {key: str(value) for key, value in conninfo_to_dict(conninfo).items() if value}
    return "postgresql:///?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in words.items())


@contextmanager
def house(servers: Servers, warm: Warm, folder: Path) -> Iterator[House]:
    """Fill the tables and load them once; drop all of it at the end."""
    name = f"t_{secrets.token_hex(5)}"
    servers.source.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    execute(servers.conninfo, f"CREATE DATABASE {name}")
    target = make_conninfo(servers.conninfo, dbname=name)
    (folder / name).mkdir()
    made = House(servers, warm, folder / name, Lab(servers.source, name, target, SCHEMA))
    try:
        for table in (*RULES, *CHANGING):
            _fill(made.lab, table)
        made.must("load", "--exclude", ",".join(CHANGING))
        _older(made)
        yield made
    finally:
        servers.source.execute(f"DROP DATABASE {name}")
        execute(servers.conninfo, f"DROP DATABASE {name} WITH (FORCE)")


def _fill(lab: Lab, table: str) -> None:
    rows = SMALL if table.startswith("small") else ROWS
    key = "KEY (id)" if table == "keyless" else "PRIMARY KEY (id)"
    lab.mysql(
        f"CREATE TABLE {table} (id int NOT NULL, n int NOT NULL, at datetime NOT NULL{COLUMNS.get(table, '')}, {key},"
        " KEY (at))",
        f"INSERT INTO {table} SELECT seq, 0, '2024-01-01' + INTERVAL seq MINUTE{MORE.get(table, '')} FROM seq_1_to_{rows}",
    )


def _older(made: House) -> None:
    """Have an older pipeline serve tables, and bulketl's beside them."""
    from bulketl.postgres.ledger import ownership, schema
    from bulketl.postgres.server import Postgres

    made.lab.pg(f"CREATE SCHEMA {OLDER}")
    for table in CHANGING:
        made.lab.pg(
            f"CREATE TABLE {OLDER}.{table} (id bigint PRIMARY KEY, n numeric NOT NULL, at timestamp);"
            f" INSERT INTO {OLDER}.{table} SELECT i, 0, '2023-01-01' FROM generate_series(1, 90) i;"
            f" CREATE VIEW {OLDER}.stg_{table} AS SELECT id, n FROM {OLDER}.{table}"
        )
    with Postgres(made.lab.target).connect() as connection:
        schema.create(connection, OLDER)
        ownership.own(connection, OLDER, list(CHANGING), "shadow", ABOUT)
    made.must("load", "--tables", ",".join(CHANGING), schema=SHADOW)
