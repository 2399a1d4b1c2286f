"""The scenario `kills`: loads of an audit and a mark table that are killed at random moments, and what the next load does.

Each load ends by SIGKILL at a random moment between its first and its usual last. The load after it has to end well within a
limit, with every row there: a marked table has the source's rows and marks the others, an audited table has each row that
the source ever had, and its chain holds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from benchmarks.measure import Contender
from benchmarks.servers import LOADED, Servers, out, python

DATABASE = "bulketl_benchmark_kills"
ROWS = 30_000
MOST_SECONDS = 30.0
RULES = {
    "marked": {"deletes": {"policy": "mark", "guard": "50%"}},
    "log": {"table_importance": "audit"},
    "newer": {
        "extraction_strategy": "incremental",
        "incremental_column": "at",
        "deletes": {"policy": "mark", "every": "1s"},
    },
}


@dataclass(slots=True)
class Kills:
    """What became of each try: seconds until the kill, and those of the load after it."""

    rows: int
    killed: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def exceeded(self) -> list[str]:
        """What is beyond its limit, or different."""
        slow = [f"a load after a kill took {seconds:.1f} s" for seconds in self.after if seconds >= MOST_SECONDS]
        return self.wrong + slow + ([] if self.killed else ["no load was killed"])

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "scenario": "kills",
            "rows": self.rows,
            "killed": len(self.killed),
            "seconds_until_killed": [round(seconds, 2) for seconds in self.killed],
            "seconds_of_the_next_load": [round(seconds, 2) for seconds in self.after],
            "exceeded": self.exceeded,
        }

    def show(self, out: Console) -> None:
        """Print how many were killed, and what came of it."""
        usual, most = (statistics.median(self.after), max(self.after)) if self.after else (0.0, 0.0)
        out.print(
            f"kills: {len(self.killed)} loads of 3 tables of {self.rows:,} rows killed at random moments; the next load took"
            f" {usual:.1f} s, at most {most:.1f} s; {len(self.wrong)} tables were wrong after it",
            highlight=False,
        )
        for line in self.exceeded:
            out.print(line, style="red", highlight=False)


def run_kills(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Kills]:
    """Kill so many loads."""
    rules = folder / "kills.json"
    rules.write_text(json.dumps({"source_tables": RULES}))
    words = ("bulketl", "load", "--schema", LOADED, "--rules", str(rules), "--json")
    load = python(servers, "load", servers.database(DATABASE), *words)
    audit = python(servers, "audit", servers.database(DATABASE), "bulketl", "audit", "verify", "--schema", LOADED)
    result, dice = Kills(ROWS), random.Random(options.seed)
    try:
        _fill(servers)
        usual = _ran(load)
        tries = 0
        while len(result.killed) < options.kills:
            tries += 1
            _change(servers, tries)
            moment = dice.uniform(0.2, usual * 1.1)
            if not _killed(load, moment):
                continue  # it had ended: there was less to do than usual
            result.killed.append(moment)
            result.after.append(_ran(load))
            result.wrong += [f"after kill {len(result.killed)} at {moment:.2f} s: {line}" for line in _wrong(servers)]
            if subprocess.run(audit.commands[0], env={**os.environ, **audit.environ}, capture_output=True).returncode:
                result.wrong.append(f"after kill {len(result.killed)} at {moment:.2f} s: a chain does not hold")
            if len(result.killed) % 10 == 0:
                out.print(f"{len(result.killed)} killed", style="dim", highlight=False)
    finally:
        servers.without(LOADED)
        with servers.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    yield result


def _fill(servers: Servers) -> None:
    with servers.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"USE {DATABASE}")
        for name in RULES:
            cursor.execute(
                f"CREATE TABLE {name} (id int AUTO_INCREMENT PRIMARY KEY, n int NOT NULL, word varchar(40) NOT NULL,"
                " at datetime(6) NOT NULL DEFAULT NOW(6) ON UPDATE NOW(6), KEY (at))"
            )
            cursor.execute(f"INSERT INTO {name} (n, word) SELECT seq, CONCAT('word ', seq) FROM seq_1_to_{ROWS}")
        connection.commit()


def _change(servers: Servers, n: int) -> None:
    """Let rows of every table come, change and go."""
    with servers.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"USE {DATABASE}")
        for name in RULES:
            cursor.execute(f"INSERT INTO {name} (n, word) SELECT seq, 'new' FROM seq_1_to_300")
            cursor.execute(f"UPDATE {name} SET n = n + 1 WHERE id % 97 = {n % 97}")
            cursor.execute(f"DELETE FROM {name} WHERE id % 331 = {n % 331}")
        connection.commit()


def _ran(load: Contender) -> float:
    began = time.monotonic()
    done = subprocess.run(load.commands[0], env={**os.environ, **load.environ}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"a load ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-1500:]}")
    return time.monotonic() - began


def _killed(load: Contender, moment: float) -> bool:
    process = subprocess.Popen(
        load.commands[0], env={**os.environ, **load.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def _wrong(servers: Servers) -> list[str]:
    """Return what the target has otherwise than it should, by the rows themselves."""
    found = []
    with servers.connect() as connection, connection.cursor() as cursor, psycopg.connect(servers.target) as target:
        cursor.execute(f"USE {DATABASE}")
        for name in RULES:
            cursor.execute(f"SELECT id, n, word, at FROM {name}")
            theirs = {row[0]: tuple(row) for row in cursor.fetchall()}
            gone = "true" if name == "log" else "_deleted_at IS NULL"
            ours = {
                row[0]: row for row in target.execute(f"SELECT id, n, word, at FROM {LOADED}.{name} WHERE {gone}".encode())
            }
            if name == "log":  # it keeps each row as it was first seen
                lost = theirs.keys() - ours.keys()
                changed: set[int] = set()
            else:
                lost = theirs.keys() ^ ours.keys()
                changed = {key for key in theirs.keys() & ours.keys() if theirs[key] != ours[key]}
            if lost or changed:
                found.append(f"{name}: {len(lost)} rows lost or too many, {len(changed)} other than at the source")
        left = target.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'bulketl_staging'").fetchone()
        if left != (0,):
            found.append(f"{left} staging tables are left")
    return found
