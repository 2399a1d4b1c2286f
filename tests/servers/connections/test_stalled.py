"""A line that keeps the connection and passes nothing on: whoever waits for it is let go, and tries again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from faults import fill_two
from lab import Lab
from lines import Line, to_source, to_target, until

import bulketl
from bulketl.loading.events import Event, TableStarted
from bulketl.mysql.server import MySQL
from bulketl.postgres.server import Postgres

STALL = 1  # stall_seconds
LINES = {"source": to_source, "target": to_target}
STAGES = (0.01, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)  # of a load, by the questions of one that nothing holds up
CLI = "import bulketl.tables.partitions as p; p.MOST_ROWS = 50; from bulketl.cli.app import main; main()"

Stalled = tuple[Lab, subprocess.Popen[str], Line]


@pytest.fixture
def tables(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table of three partitions, two small ones, one of them for the reference encoder."""
    exact = ("CREATE TABLE exact (id int PRIMARY KEY, s int, d json)", "INSERT INTO exact VALUES (1, 1, '{}')")
    return fill_two(lab, monkeypatch, *exact)


def over(side: str, uri: str) -> dict[str, Any]:
    """Return what has a load go over a line."""
    return {side: uri}


def changed(lab: Lab) -> None:
    lab.mysql(*(f"UPDATE {table} SET s = s + 1" for table in ("t", "small", "exact")))


def nothing_stays(lab: Lab) -> bool:
    """Tell whether no session, no lock and no staging table is left on either server."""
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'bulketl%' AND datname = current_database()"
    there = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()"
    return lab.pg(ours) == [(0,)] and lab.mysql(there) == [(0,)] and lab.staged() == []


@pytest.mark.parametrize("side", LINES)
def test_a_load_goes_on_over_new_connections_when_one_stalls_at_any_stage(tables: Lab, side: str) -> None:
    """Login, plan, read, copy, publish, record: within stall_seconds and ten more."""
    with LINES[side](tables) as (line, uri):
        tables.load(**over(side, uri))  # which may make the ledger
        changed(tables)
        line.questions = 0
        tables.load(**over(side, uri))
        questions = line.questions
        for stage in STAGES:
            changed(tables)
            line.questions, line.stall, faults = 0, max(1, int(questions * stage)), line.faults
            began = time.monotonic()
            done = tables.load(**over(side, uri), stall_seconds=STALL)
            assert time.monotonic() - began < STALL + 10, stage
            assert (done.summary.outcome, done.summary.failed) == ("done", []), stage
            assert line.faults == faults + 1, stage
            assert [line for table in ("t", "small", "exact") for line in tables.differences(table)] == [], stage
    until(lambda: nothing_stays(tables))


@pytest.mark.parametrize("side", LINES)
def test_a_line_that_stalls_amid_rows_is_let_go(tables: Lab, side: str) -> None:
    """A stream, which another process reads, too."""
    tables.mysql("CREATE TABLE keyless (v varchar(200))")
    tables.insert("keyless", [(str(n) * 20,) for n in range(2000)])
    with LINES[side](tables) as (line, uri):
        if side == "source":
            line.stall_bytes = 30_000
        else:
            line.stall_sent = 60_000
        began = time.monotonic()
        done = tables.load(**over(side, uri), stall_seconds=STALL)
        assert time.monotonic() - began < STALL + 10
        assert (done.summary.outcome, [(x.table, x.message) for x in done.summary.failed], line.faults) == ("done", [], 1)
    assert tables.pg("SELECT count(*) FROM {s}.keyless") == [(2000,)]
    until(lambda: nothing_stays(tables))


def test_a_server_at_work_is_not_stalled(tables: Lab) -> None:
    """However long a statement takes: three times stall_seconds here."""
    with MySQL(tables.source, stall_seconds=STALL).connect() as cursor:
        cursor.execute("SELECT SLEEP(3)")
        assert cursor.fetchall() == ((0,),)
    with Postgres(tables.target, stall_seconds=STALL).connect() as connection:
        assert connection.execute("SELECT 1 FROM pg_sleep(3)").fetchone() == (1,)


def test_a_session_that_nobody_waits_for_is_not_stalled(tables: Lab) -> None:
    """As are the locks of a run, which an idle session holds."""
    source, target = MySQL(tables.source, stall_seconds=STALL), Postgres(tables.target, stall_seconds=STALL)
    with source.connect() as cursor, target.connect() as connection:
        time.sleep(3 * STALL)
        cursor.execute("SELECT 1")
        assert connection.execute("SELECT 1").fetchone() == (1,)


def started(lab: Lab, folder: Path, source: str, target: str, stall: float, *words: str) -> subprocess.Popen[str]:
    pairs = dict(pair.split("=", 1) for pair in target.replace("'", "").split())
    uri = "postgresql:///?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs.items())
    environ = {**os.environ, "BULKETL_SOURCE": source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": lab.schema}
    settings = folder / "bulketl.yaml"
    settings.write_text(f"stall_seconds: {stall}\n")
    command = [sys.executable, "-c", CLI, "load", "--workers", "1", "--config", str(settings), *words]
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture(params=LINES)
def stalled(
    tables: Lab, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Lab, subprocess.Popen[str], Line]]:
    """A load in a process, one line of which has stalled amid it, for good: new connections are held too."""
    with LINES[request.param](tables) as (line, uri):
        tables.load(**over(request.param, uri))
        changed(tables)
        line.stall, line.dead, line.questions = int(line.questions * 0.5), True, 0
        uris = {"source": tables.source, "target": tables.target, request.param: uri}
        process = started(tables, tmp_path, uris["source"], uris["target"], 3)
        until(lambda: line.faults > 0)
        yield tables, process, line
        process.kill()
        process.communicate()


def test_ctrl_c_is_told_within_two_seconds_and_ends_a_run_whose_line_is_dead(
    stalled: Stalled,
) -> None:
    """It is told at once, and the run ends by itself, once the dead line is known as one."""
    _, process, _ = stalled
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stderr
    told = ""
    while "once more ends at once" not in told:
        told = process.stderr.readline()
        assert told, "it ended"
    assert time.monotonic() - began < 2
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - began < 3 + 10


def test_a_second_ctrl_c_ends_at_once(stalled: Stalled) -> None:
    """Whatever the drivers are at."""
    _, process, _ = stalled
    process.send_signal(signal.SIGINT)
    assert process.stderr
    while "once more ends at once" not in (line := process.stderr.readline()):
        assert line, "it ended"
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("share", [0, 0.4, 0.9])  # of what the table's steps ask before it is published
@pytest.mark.parametrize("side", LINES)
def test_stop_after_minutes_ends_whatever_a_step_waits_for(tables: Lab, side: str, share: float) -> None:
    """A login as well as a statement, on either server, and long before stall_seconds."""
    with LINES[side](tables) as (line, uri):
        rules = {"t": {"stop_after_minutes": 2 / 60}, "small": {}, "exact": {}}
        config = tables.config(**{side: uri}, rules=rules, stall_seconds=300)
        bulketl.load(config, bulketl.make_plan(config, tables=["t"]))
        asked: dict[str, int] = {}
        changed(tables)
        bulketl.load(
            config,
            bulketl.make_plan(config, tables=["t"]),
            [lambda event: asked.update({type(event).__name__: line.questions})],
        )
        steps = asked["PartitionLoaded"] - asked["TableStarted"]
        changed(tables)
        plan = bulketl.make_plan(config, tables=["t"])

        def hold(event: Event) -> None:
            if isinstance(event, TableStarted):
                line.stall = line.questions + 1 + int(steps * share)

        began = time.monotonic()
        summary = bulketl.load(config, plan, [hold])
        assert time.monotonic() - began < 2 + 15  # GREETING_SECONDS are 30
        assert line.faults == 1
        assert [(table.table, "was given up after" in table.message) for table in summary.failed] == [("t", True)]
    until(lambda: nothing_stays(tables))
