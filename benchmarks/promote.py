"""The scenario `promote`: 220 tables change hands, and come back, while readers go on.

Each table has a view, an index and a grant, and 44 views join five of these views each. Eight readers ask for one of the
joined views after another. A promotion and the way back take less than five seconds each, the whole command counted, and
the slowest read less than a second.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

import bulketl
from benchmarks.measure import median
from benchmarks.servers import LOADED, OTHER, Servers, out
from bulketl.postgres.ledger import ownership, schema
from bulketl.postgres.server import Postgres

TABLES, EACH, ROWS, READERS = 220, 5, 200, 8
MOST_SECONDS, MOST_READ = 5.0, 1.0
ABOUT = {"by": "benchmark", "reason": "benchmark", "run": ""}


@dataclass(slots=True)
class Handed:
    """What was measured: seconds of the commands, of the time in which tables were locked, and of reads meanwhile."""

    commands: dict[str, list[float]] = field(default_factory=dict)
    locked: dict[str, list[float]] = field(default_factory=dict)
    slowest: dict[str, list[float]] = field(default_factory=dict)
    reads: int = 0

    @property
    def exceeded(self) -> list[str]:
        """Which command takes too long by the median, and which kept a reader waiting too long once."""
        slow = [f"{name} takes {median(runs):.2f} s; the limit is {MOST_SECONDS}" for name, runs in self.commands.items()
                if median(runs) > MOST_SECONDS]  # fmt: skip
        return slow + [f"a read during {name} took {max(runs):.2f} s; the limit is {MOST_READ}"
                       for name, runs in self.slowest.items() if max(runs) > MOST_READ]  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"scenario": "promote", "tables": TABLES, **asdict(self), "exceeded": self.exceeded}

    def show(self, out: Console) -> None:
        """Print a line for each command."""
        title = f"{TABLES} tables, {TABLES + TABLES // EACH} views, {READERS} readers, {self.reads:,} reads"
        table = Table("command", title=title, title_justify="left")
        for heading in ("command, s", "tables locked, s", "slowest read, s"):
            table.add_column(heading, justify="right")
        for name, runs in self.commands.items():
            table.add_row(name, f"{median(runs):.2f}", f"{median(self.locked[name]):.2f}", f"{max(self.slowest[name]):.2f}")
        out.print(table)
        for text in self.exceeded:
            out.print(f"[red]exceeded[/] {text}", highlight=False)


def run_promote(servers: Servers, options: argparse.Namespace, _: Path) -> Iterator[Handed]:
    """Make both sides, and have the tables change hands and come back while they are read. On servers of its own."""
    if not servers.processes:
        out.print("promote: skipped, because it fills the ledger, and yours is there", highlight=False)
        return
    out.print(f"promote: making {TABLES} tables on both sides", highlight=False)
    config = _both_sides(servers)
    found = Handed()
    for _run in range(options.runs):
        for name in ("promote", "rollback"):
            with _Readers(servers.target) as readers:
                began = time.monotonic()
                if name == "promote":
                    locked = bulketl.promote(config, reason="benchmark", force=True).blocked
                else:
                    locked = bulketl.rollback(config, reason="benchmark", act="demote").blocked
                found.commands.setdefault(name, []).append(time.monotonic() - began)
            found.locked.setdefault(name, []).append(locked)
            found.slowest.setdefault(name, []).append(max(readers.seconds))
            found.reads += len(readers.seconds)
    yield found


def _both_sides(servers: Servers) -> bulketl.Config:
    names = [f"table_{n:03}" for n in range(TABLES)]
    with servers.connect() as source, source.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {LOADED}")
        cursor.execute(f"USE {LOADED}")
        for name in names:
            cursor.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, name varchar(40), fee decimal(10,2), at datetime)")
            cursor.execute(f"INSERT INTO {name} SELECT seq, CONCAT('n', seq), seq / 4, NOW() FROM seq_1_to_{ROWS}")
        source.commit()
    with psycopg.connect(servers.target, autocommit=True) as target:
        target.execute(f"CREATE SCHEMA {LOADED}; CREATE ROLE reader".encode())
        for name in names:
            at = f"{LOADED}.{name}"
            target.execute(
                f"CREATE TABLE {at} (id bigint PRIMARY KEY, name varchar(40) NOT NULL, fee numeric, at timestamp);"
                f" INSERT INTO {at} SELECT n, 'n' || n, n / 4.0, now() FROM generate_series(1, {ROWS - 10}) n;"
                f" CREATE INDEX {name}_name ON {at} (name); GRANT SELECT ON {at} TO reader;"
                f" CREATE VIEW {LOADED}.stg_{name} AS SELECT id, name, fee FROM {at};"
                f" GRANT SELECT ON {LOADED}.stg_{name} TO reader".encode()
            )
        for n in range(TABLES // EACH):
            some = names[n * EACH : (n + 1) * EACH]
            rows = " UNION ALL ".join(f"SELECT count(*) AS n, sum(fee) AS fee FROM {LOADED}.stg_{name}" for name in some)
            target.execute(
                f"CREATE VIEW {LOADED}.mart_{n:03} AS SELECT sum(n) AS n, sum(fee) AS fee FROM ({rows}) r".encode()
            )
    environ = {"BULKETL_SOURCE": servers.database(LOADED), "BULKETL_TARGET": servers.target, "BULKETL_SCHEMA": LOADED}
    config = bulketl.load_config(None, None, environ, migration={"shadow": OTHER})
    with Postgres.of(config).connect() as connection:
        schema.create(connection, LOADED)
        ownership.own(connection, LOADED, names, "shadow", ABOUT)
    beside = bulketl.load_config(None, None, {**environ, "BULKETL_SCHEMA": OTHER})
    bulketl.load(beside, bulketl.make_plan(beside))
    return config


class _Readers:
    """Readers of the joined views, each over a session of its own, with how long each read took."""

    def __init__(self, target: str) -> None:
        self.seconds: list[float] = []
        self._target, self._stop = target, threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(n,)) for n in range(READERS)]

    def __enter__(self) -> _Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self, n: int) -> None:
        with psycopg.connect(self._target, autocommit=True, prepare_threshold=None) as connection:
            while not self._stop.wait(0.02):
                n = (n + 7) % (TABLES // EACH)
                began = time.monotonic()
                ((rows,),) = connection.execute(f"SELECT n FROM {LOADED}.mart_{n:03}".encode()).fetchall()
                self.seconds.append(time.monotonic() - began)
                if rows not in (EACH * ROWS, EACH * (ROWS - 10)):
                    raise AssertionError(f"mart_{n:03} told {rows} rows")
