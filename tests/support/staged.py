"""What pictures need and a seeded ledger has not: a run that is under way now, and audit tables on both servers."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from lab import Lab, execute
from psycopg.conninfo import make_conninfo

import bulketl
from benchmarks import seeded
from bulketl.operations.reports.compliance import Compliance, compliance
from bulketl.operations.reports.period import ReportPeriod

RUN = "20261127-020011-m4tk"
LASTING = 660  # seconds for which the run is under way
CRITICAL, IMPORTANT = 12, 60  # as tiers are seeded
AUDITED = ("access_log", "security_log", "claim_history")
RULES: dict[str, Any] = {
    "access_log": {"table_importance": "audit", "extraction_strategy": "incremental", "incremental_column": "at",
                   "mask": {"address": "null"}},
    "security_log": {"table_importance": "audit", "extraction_strategy": "incremental", "incremental_column": "at"},
    "claim_history": {"table_importance": "audit", "extraction_strategy": "incremental", "incremental_column": "at",
                      "retention": {"keep": "7y", "by": "at", "action": "archive"}},
}  # fmt: skip


@contextmanager
def database(target: str) -> Iterator[str]:
    """Give another database of the server."""
    name = f"t_{secrets.token_hex(5)}"
    execute(target, f"CREATE DATABASE {name}")
    try:
        yield make_conninfo(target, dbname=name)
    finally:
        execute(target, f"DROP DATABASE {name} WITH (FORCE)")


def begin(target: str) -> None:
    """Put a load on record that began LASTING seconds ago; one that is there already begins anew."""
    with psycopg.connect(target) as connection:  # in one transaction, so that the run is never away
        for table in ("run", "event"):
            connection.execute(f"DELETE FROM bulketl.{table} WHERE run = %s".encode(), (RUN,))
        found = connection.execute("SELECT table_name, rows FROM bulketl.state ORDER BY rows DESC").fetchall()
        _under_way(connection, found)


def _under_way(connection: psycopg.Connection, tables: Sequence[tuple[str, int]]) -> None:
    """Put it on record: most tables are in, one failed, three are under way, and the source is spared."""
    connection.execute(
        "INSERT INTO bulketl.run (run, kind, host, source, schema_name, zone, plan, document, version, started_at)"
        " VALUES (%s, 'load', 'etl', %s, %s, '', '', '{}', '0.1.0', clock_timestamp() - make_interval(secs => %s))",
        (RUN, seeded.SOURCE, seeded.SCHEMA, LASTING),
    )
    tier = {name: "critical" if n < CRITICAL else "important" if n < IMPORTANT else "reference"
            for n, (name, _) in enumerate(tables)}  # fmt: skip
    told: list[tuple[float, str, dict[str, Any]]] = [
        (0, "run_started", {"source": seeded.SOURCE, "schema": seeded.SCHEMA, "zone": "", "kind": "load",
                            "tables": {name: [rows, tier[name]] for name, rows in tables}}),
    ]  # fmt: skip
    going, done = tables[:3], tables[3:95]
    for n, (name, rows) in enumerate(done):
        at = 5 + n * 6.5
        told.append((at, "table_started", {"table": name}))
        if n == 4:
            said = f"table '{name}': 10 rows rejected, and max_rejects is 0"
            hint = "correct them at the source, or raise max_rejects"
            told.append((at + 3, "table_failed", {"table": name, "kind": "DataError", "message": said, "hint": hint,
                                                  "seconds": 3.0, "rejects": 10}))  # fmt: skip
            continue
        told.append((at + 4, "partition_loaded", _range(name, 0, rows, 4.0)))
        told.append((at + 5, "table_published", {"table": name, "rows": rows, "how": "swap", "seconds": 5.0}))
    for n, (name, rows) in enumerate(going):
        begins = 400 + 60 * n
        told.append((begins, "table_started", {"table": name}))
        parts = int(LASTING - begins) // 3  # the last a moment ago, for a speed is of the last ten seconds
        told += [
            (begins + 3 * (part + 1), "partition_loaded", _range(name, part, rows // 120, 3.0)) for part in range(parts)
        ]
    waits = "the source's threads_running is 46, and 40 are allowed"
    told += [(650, "source_spared", {"why": waits}), (657, "workers_changed", {"workers": 2, "why": waits})]
    told.sort(key=lambda one: one[0])
    for seq, (seconds, kind, body) in enumerate(told, 1):
        connection.execute(
            "INSERT INTO bulketl.event (run, seq, at, kind, body) VALUES"
            " (%s, %s, clock_timestamp() - make_interval(secs => %s), %s, %s)",
            (RUN, seq, LASTING - seconds, kind, json.dumps(body)),
        )


def _range(table: str, number: int, rows: int, seconds: float) -> dict[str, Any]:
    return {"table": table, "partition": number, "rows": rows, "rejects": 0, "bytes": rows * 90, "seconds": seconds}


def audited(lab: Lab) -> Compliance:
    """Return the compliance report on three audit tables, of which the source has altered one since it was loaded."""
    for n, table in enumerate(AUDITED, 1):
        lab.mysql(
            f"CREATE TABLE {table} (id int PRIMARY KEY, at datetime NOT NULL, address varchar(20), KEY (at))",
            f"INSERT INTO {table} SELECT seq, '2026-11-01' + INTERVAL seq MINUTE, 'v' FROM seq_1_to_{n * 1200}",
        )
    lab.mysql("DELETE FROM security_log WHERE id IN (7, 8)")
    config = lab.config(rules=RULES)
    lab.load(rules=RULES)
    lab.mysql("DELETE FROM claim_history WHERE id = 9")
    lab.mysql("UPDATE access_log SET address = 'w', at = '2026-11-20' WHERE id < 12")
    bulketl.load(config, bulketl.make_plan(config, full=True))
    now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    return compliance(config, ReportPeriod(now - dt.timedelta(days=31), now, now))
