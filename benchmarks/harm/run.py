"""The scenario `harm`: one large table of each engine is loaded while a clinic works, on that table and twenty others.

Contenders run in turn, A B A B, beside a clinic of the same requests each time; first of all there is the clinic alone. The
clinic's own reads, and those of the watch, are taken off what the server counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import payments
from benchmarks.harm import clinic
from benchmarks.harm.counters import COUNTERS, Watch, counted
from benchmarks.harm.results import IDLE, Did, Harm, HarmScenario
from benchmarks.measure import ContenderError, measure
from benchmarks.peers import check
from benchmarks.peers.contenders import OURS, PEERS, PIPE, Peer, Task
from benchmarks.peers.environments import NotMeasuredError
from benchmarks.servers import LOADED, Servers, out

DATABASE = "bulketl_harm"
CONTENDERS = (OURS, *(peer for peer in PEERS if peer.name in (PIPE, "DuckDB", "pgloader", "sling")))
NAMES = (*clinic.ENGINES, *(peer.name for peer in CONTENDERS))
IDLE_SECONDS = 15.0
QUIET_SECONDS = 1.0  # before a load begins and after it ended
MOST_SECONDS = 240


def run_harm(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[HarmScenario]:
    """Measure each engine, or those that `--only` names; and with every program, or with those."""
    if not servers.processes:
        out.print("harm: skipped, because it needs servers of its own")
        return
    try:
        for engine in _of(clinic.ENGINES, options.only):
            yield _one(servers, engine, options, folder)
    finally:
        servers.without(*(_schema(peer) for peer in CONTENDERS))
        with servers.connect() as connection, connection.cursor() as cursor:
            for database in (DATABASE, clinic.DATABASE):
                cursor.execute(f"DROP DATABASE IF EXISTS {database}")
            cursor.execute("DROP USER IF EXISTS clinic@'%'")


def _of(names: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    return [name for name in names if name in (wanted or ())] or list(names)


def _schema(peer: Peer) -> str:
    return f"{LOADED}_{peer.slug}"


def _one(servers: Servers, engine: str, options: argparse.Namespace, folder: Path) -> HarmScenario:
    out.print(f"harm, {engine}: making {options.rows:,} rows", highlight=False)
    most = _fill(servers, engine, options.rows)
    scenario = HarmScenario(engine, options.rows)
    ready: list[tuple[Harm, Peer, Path]] = []
    idle = Harm(IDLE)
    scenario.results.append(idle)
    wanted = _of([peer.name for peer in CONTENDERS], options.only)
    for peer in (peer for peer in CONTENDERS if peer.name in wanted):
        result = Harm(peer.name)
        scenario.results.append(result)
        try:
            place, result.version = peer.prepare()
            ready.append((result, peer, place))
        except NotMeasuredError as error:
            result.absent = f"not measured: {error}"
    for n in range(options.runs):
        _beside(servers, most, idle, lambda: time.sleep(IDLE_SECONDS))
        for result, peer, place in ready:
            if result.absent:
                continue
            task = Task(servers, servers.database(DATABASE), servers.tcp, _schema(peer), {payments.TABLE: "PayNum"}, folder)
            servers.without(task.schema)
            if not peer.creates:
                servers.execute(*check.created(task.source, task.schema))
            command = peer.command(task, place)
            try:
                done = _beside(
                    servers, most, result, lambda command=command: measure(command, folder, (), MOST_SECONDS), task.schema
                )
            except ContenderError as error:
                result.absent = str(error)[:300]
                out.print(str(error), style="dim", markup=False, highlight=False)
                continue
            finally:
                servers.without(task.schema)
            out.print(f"[dim]run {n + 1}, {peer.name}: {done.seconds:.2f} s; longest: {done.text[:100]}[/]", highlight=False)
    return scenario


def _fill(servers: Servers, engine: str, rows: int) -> int:
    """Make all tables anew, and the clinic's user; return the greatest key of the large one."""
    with servers.connect() as connection, connection.cursor() as cursor:
        payments.fill(connection, rows, DATABASE)
        cursor.execute(f"ALTER TABLE {payments.TABLE} ENGINE={engine}")
        cursor.execute(f"ANALYZE TABLE {payments.TABLE}")
        clinic.made(cursor)
        cursor.execute("CREATE OR REPLACE USER clinic@'%'")
        cursor.execute("GRANT ALL ON *.* TO clinic@'%'")
        connection.commit()
        cursor.execute(f"SELECT MAX(PayNum) FROM {payments.TABLE}")
        ((most,),) = cursor.fetchall()
    return int(most)


def _beside(servers: Servers, most: int, result: Harm, load: Any, schema: str = "") -> Did:
    """Have the clinic work, and the contender load meanwhile; keep what both of them met."""
    before = _counted(servers)
    watch = Watch(servers)
    with _opened(servers, most) as process:
        try:
            time.sleep(QUIET_SECONDS)
            watch.start()
            began = time.monotonic()
            measured = load()
            ended = began + measured.seconds if measured else time.monotonic()
            watch.stop()
            time.sleep(QUIET_SECONDS)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    found = json.loads(said)
    for group, took in found["took"]:
        seconds = result.took.setdefault(group, [])
        seconds += [passed for due, passed in took if due < ended and due + passed > began]
    spent = {name: found["spent"][name] + watch.spent[name] for name in COUNTERS}
    did = {name: value - before[name] - spent[name] for name, value in _counted(servers).items()}
    rows = _rows(servers, schema) if schema else 0
    done = Did(ended - began, rows, did["rows"], did["bytes"], did["waits"], watch.statement, watch.snapshot, watch.text)
    result.runs.append(done)
    return done


def _opened(servers: Servers, most: int) -> subprocess.Popen[str]:
    """Open the clinic; it is at work when this returns."""
    host, port, _, _ = servers.login
    order = {"login": {"host": host, "port": port, "user": "clinic"}, "large": f"{DATABASE}.{payments.TABLE}", "most": most}
    words = (sys.executable, "-m", "benchmarks.harm.clinic")
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    process.stdout.readline()
    return process


def _counted(servers: Servers) -> dict[str, int]:
    with servers.connect() as connection, connection.cursor() as cursor:
        return counted(cursor, "GLOBAL")


def _rows(servers: Servers, schema: str) -> int:
    """Return how many rows the contender has loaded; it may have cased names otherwise."""
    with psycopg.connect(servers.target) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)).fetchall()
        counts = [
            connection.execute(f'SELECT count(*) FROM "{schema}"."{table}"'.encode()).fetchone() for (table,) in tables
        ]
    return sum(int((count or (0,))[0]) for count in counts)
