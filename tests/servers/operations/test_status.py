"""`status` and `runs` on real ledgers: of nights that were loaded, of a year that was seeded, old, new, locked and none."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from counted import rows_read
from faults import small_partitions
from lab import Lab, Server, configure, execute
from typer.testing import CliRunner
from waiting import NEVER, until

import bulketl
from benchmarks import seeded
from bulketl import ConfigError, PlanError, TargetError
from bulketl.cli.app import app
from bulketl.operations.history.standing import ENOUGH
from bulketl.operations.watching import looks
from bulketl.postgres.ledger.looking import LockedError
from bulketl.postgres.ledger.schema import NEWEST, create

VERSION_4 = Path(__file__).parents[2].joinpath("support", "ledger4.sql").read_text(encoding="utf-8")
UNTIL = dt.datetime(2026, 11, 27, 3, 0, tzinfo=dt.UTC)
NOW = UNTIL + dt.timedelta(hours=4)


@pytest.fixture
def apart(mariadb: Server, empty: str) -> Iterator[Lab]:
    """A database at the source and one at the target that belong to one test."""
    name = f"t_{secrets.token_hex(5)}"
    mariadb.execute(f"CREATE DATABASE {name}")
    yield Lab(mariadb, name, empty, "raw")
    mariadb.execute(f"DROP DATABASE {name}")


@pytest.fixture
def year(empty: str) -> str:
    """A ledger of 40 tables and nights."""
    with psycopg.connect(empty, autocommit=True) as connection:
        seeded.seed(connection, UNTIL, tables=140, nights=40)
    return empty


def config(target: str, **more: Any) -> bulketl.Config:
    return configure("mysql://nobody@127.0.0.1:1/away", target, "raw", **more)


def test_a_year_of_nights_is_told_with_the_worst_first(year: str) -> None:
    """With the source down: of each table its last load, what is usual, how far it is behind."""
    found = bulketl.status(config(year), now=NOW)
    assert [(item.table, item.word) for item in found.attention] == [
        ("table_007", "failed"),
        ("table_130", "failed"),
        ("table_020", "overdue"),
        ("table_021", "overdue"),
        ("table_003", "slow"),
        ("table_040", "rejected"),
    ]
    assert found.counts["well"] == 134
    assert found.exit_code == 1
    (slow,) = [item for item in found.tables if item.word == "slow"]
    ((median,),) = execute(
        year,
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM (SELECT seconds FROM bulketl.table_load"
        " WHERE table_name = 'table_003' ORDER BY run DESC OFFSET 1 LIMIT 14) s",
    )
    assert slow.median == pytest.approx(median)
    assert slow.nights == 14
    assert slow.times == pytest.approx((slow.seconds or 0) / median)
    assert slow.lag.behind == 4 * 3600 + 1500
    assert json.loads(json.dumps(found.to_json()))["counts"]["failed"] == 2
    warned = bulketl.status(config(year), ["table_003"], now=NOW)
    assert [item.table for item in warned.tables] == ["table_003"]
    assert warned.exit_code == 3
    assert bulketl.status(config(year), ["table_001"], ["critical"], now=NOW).exit_code == 0
    with pytest.raises(PlanError, match="nope"):
        bulketl.status(config(year), ["nope"], now=NOW)


def test_a_failure_of_a_tier_that_only_warns_is_a_warning(year: str) -> None:
    """As it is for a load's exit code."""
    assert bulketl.status(config(year), ["table_130"], now=NOW).exit_code == 3
    assert bulketl.status(config(year), ["table_007"], now=NOW).exit_code == 1


def test_runs_are_listed_shown_and_one_table_is_followed_through_them(year: str) -> None:
    listed = bulketl.runs(config(year), 3)
    assert [run.outcome for run in listed] == ["partly done", "done", "done"]
    assert listed[0].failed == ("table_007", "table_130")
    assert listed[0].counts == {"failed": 2, "loaded": 136}
    ((rows,),) = execute(year, "SELECT sum(rows) FROM bulketl.table_load WHERE run = %s", (listed[1].run,))
    assert listed[1].rows == rows
    shown = bulketl.timeline(config(year), "last", 10)
    assert shown.run == listed[0]
    assert [event.kind for event in shown.events] == ["run_started", "table_failed", "table_failed", "run_ended"]
    assert len(bulketl.timeline(config(year), listed[1].run, 5, every=True).events) == 5
    assert shown.recorded == 2 + 138 + 136 * 2 + 2
    nights = bulketl.nights(config(year), "table_020", 50)
    assert len(nights.nights) == 40 - seeded.LATE_NIGHTS
    assert [night.began for night in nights.nights] == sorted((n.began for n in nights.nights), reverse=True)
    with pytest.raises(PlanError, match="no run 'x'"):
        bulketl.timeline(config(year), "x")
    with pytest.raises(PlanError, match="'gone'"):
        bulketl.nights(config(year), "gone")


def test_a_look_reads_what_it_shows_and_not_the_ledger(year: str) -> None:
    """Twice as many nights are not twice as many rows: of what is far back nothing is read."""
    assert ENOUGH < seeded.LATE_NIGHTS
    acts = {
        "status": lambda: bulketl.status(config(year), now=NOW),
        "runs": lambda: bulketl.runs(config(year), 10),
        "nights": lambda: bulketl.nights(config(year), "table_001", 10),
        "timeline": lambda: bulketl.timeline(config(year), "last", 10),
    }

    def read(act: Any) -> int:
        tables = ("table_load", "event", "published", "partition")
        before = rows_read(year, "bulketl", *tables)
        act()
        return rows_read(year, "bulketl", *tables) - before

    once = {name: read(act) for name, act in acts.items()}
    with psycopg.connect(year, autocommit=True) as connection:
        execute(year, "TRUNCATE bulketl.run, bulketl.table_load, bulketl.published, bulketl.partition, bulketl.state,"
                " bulketl.event, bulketl.measure")  # fmt: skip
        seeded.seed(connection, UNTIL, tables=140, nights=80)
    twice = {name: read(act) for name, act in acts.items()}
    for name, rows in once.items():
        assert 0 < twice[name] <= rows * 1.1 + 10, (name, rows, twice[name])


def test_a_target_without_a_ledger_and_one_without_loads(empty: str) -> None:
    """Nothing was loaded, which is never well; nothing is made by looking."""
    found = bulketl.status(config(empty), now=NOW)
    assert (found.tables, found.last, found.exit_code, found.note) == ((), None, 3, "")
    assert bulketl.runs(config(empty)) == []
    assert execute(empty, "SELECT to_regnamespace('bulketl')::text") == [(None,)]
    ruled = bulketl.status(config(empty, rules={"patient": {"table_importance": "critical"}, "tmp": {"exclude": True}}))
    assert [(item.table, item.word) for item in ruled.tables] == [("patient", "never loaded")]
    assert ruled.exit_code == 3
    with psycopg.connect(empty, autocommit=True) as connection:
        create(connection, "raw")
    assert bulketl.status(config(empty)).exit_code == 3
    with pytest.raises(PlanError, match="no run into schema"):
        bulketl.timeline(config(empty))


def test_a_ledger_of_an_earlier_version_is_read_as_it_is(empty: str) -> None:
    """And one of a later version, with a note of each; looking changes neither."""
    execute(empty, VERSION_4)
    execute(
        empty,
        "INSERT INTO bulketl.run (run, host, source, schema_name, zone, plan, document, version, started_at, finished_at,"
        " outcome) VALUES ('r1', 'h', 's', 'raw', '', '', '{}', '0', now() - interval '1 hour', now(), 'done');"
        "INSERT INTO bulketl.table_load (run, table_name, tier, outcome, rows, rejects, bytes, seconds, changed, drift,"
        " reason)"
        " VALUES ('r1', 't', 'audit', 'loaded', 7, 0, 0, 1, '{}', '[]', '')",
    )
    found = bulketl.status(config(empty))
    assert [(item.table, item.tier, item.rows, item.word) for item in found.tables] == [("t", "audit", 7, "well")]
    assert "version 4" in found.note
    assert [run.rows for run in bulketl.runs(config(empty))] == [7]
    assert bulketl.timeline(config(empty)).recorded == 0
    assert len(bulketl.nights(config(empty), "t").nights) == 1
    assert execute(empty, "SELECT to_regclass('bulketl.event')::text") == [(None,)]
    with psycopg.connect(empty, autocommit=True) as connection:
        create(connection, "raw")
    assert bulketl.status(config(empty)).note == ""
    execute(empty, f"COMMENT ON SCHEMA bulketl IS 'bulketl''s ledger, version {NEWEST + 1}'")
    assert f"version {NEWEST + 1}" in bulketl.status(config(empty)).note
    execute(empty, "ALTER TABLE bulketl.table_load RENAME COLUMN seconds TO lasted")
    with pytest.raises(TargetError, match="seconds"):
        bulketl.status(config(empty))


def test_a_ledger_that_is_locked_says_so_and_is_not_waited_for(year: str) -> None:
    """As while another bulketl brings it up to date."""
    with psycopg.connect(year) as connection:
        connection.execute("ALTER TABLE bulketl.table_load ADD COLUMN IF NOT EXISTS later int")
        began = time.monotonic()
        with pytest.raises(TargetError, match="locked"):
            bulketl.status(config(year))
        assert time.monotonic() - began < NEVER  # the lock is held until then


ASKING: dict[str, Callable[[bulketl.Config], object]] = {
    "status": bulketl.status, "runs": bulketl.runs, "show": bulketl.timeline, "metrics": bulketl.metrics,
    "alerts list": bulketl.list_alerts, "alerts ack": lambda config: bulketl.acknowledge_alerts(config, ["1"]),
    "cancel": lambda config: bulketl.cancel(config, "last"),
}  # fmt: skip


@pytest.mark.parametrize("what", ASKING)
def test_whatever_a_person_asks_of_a_ledger_that_is_locked_is_answered_in_seconds(year: str, what: str) -> None:
    with psycopg.connect(year) as connection:
        found = connection.execute("SELECT format('bulketl.%I', relname) FROM pg_class WHERE relkind = 'r'"
                                   " AND relnamespace = 'bulketl'::regnamespace").fetchall()  # fmt: skip
        connection.execute(f"LOCK TABLE {', '.join(name for (name,) in found)} IN ACCESS EXCLUSIVE MODE".encode())
        began = time.monotonic()
        with pytest.raises(LockedError, match="the ledger is locked"):
            ASKING[what](config(year, alerts={"webhook": "http://127.0.0.1:1/"}))
        assert time.monotonic() - began < 25  # any other lock is waited for 30 s, and four times


def test_the_timeline_of_a_night_in_which_little_changed_is_short(apart: Lab) -> None:
    """Tables that were proved unchanged went well; one that the rules leave out is told."""
    for n in range(5):
        apart.mysql(f"CREATE TABLE t{n} (id int PRIMARY KEY)", f"INSERT INTO t{n} VALUES (1)")
    apart.mysql("CREATE TABLE `out` (id int PRIMARY KEY)")
    rules = {"out": {"exclude": True}, **{f"t{n}": {"table_importance": "reference"} for n in range(5)}}
    apart.load(rules=rules)
    apart.load(rules=rules)
    shown = bulketl.timeline(apart.config(rules=rules), "last")
    assert shown.run.counts["unchanged"] == 5
    assert [event.body["table"] for event in shown.events if event.kind == "table_skipped"] in ([], ["out"])
    every = bulketl.timeline(apart.config(rules=rules), "last", 100, every=True)
    assert {f"t{n}" for n in range(5)} <= {e.body["table"] for e in every.events if e.kind == "table_skipped"}


@pytest.mark.parametrize("what", ["alerts list", "watch"])
def test_a_ledger_with_another_layout_than_its_version_tells_is_named_so(empty: str, what: str) -> None:
    with psycopg.connect(empty, autocommit=True) as connection:
        create(connection, "raw")
    execute(empty, "ALTER TABLE bulketl.incident RENAME told TO known; ALTER TABLE bulketl.run RENAME source TO whence;"
                   "INSERT INTO bulketl.run (run, host, whence, schema_name, zone, plan, document, version)"
                   " VALUES ('r', 'h', 's', 'raw', 'UTC', 'p', '{}', '1')")  # fmt: skip
    act = ASKING.get(what) or (lambda config: next(looks(config)))
    with pytest.raises(TargetError, match="lacks the tables that belong to its version"):
        act(config(empty, alerts={"webhook": "http://127.0.0.1:1/"}))


def test_who_watches_goes_on_when_the_ledger_is_locked_for_a_while(year: str) -> None:
    """As while a later bulketl brings it up to date in mid-run."""
    seen = looks(config(year), pause=lambda: None)
    assert next(seen).trouble == ""
    with psycopg.connect(year) as connection:
        connection.execute("LOCK TABLE bulketl.run IN ACCESS EXCLUSIVE MODE")
        assert "locked" in next(seen).trouble
        env = {"BULKETL_TARGET": f"postgresql:///?{'&'.join(year.split())}", "BULKETL_SCHEMA": "raw"}
        done = CliRunner().invoke(app, ["watch", "--once"], env=env)
        assert (done.exit_code, "locked" in done.output) == (1, True), done.output
    assert next(seen).trouble == ""


def test_a_schema_of_somebody_else_is_not_taken_for_the_ledger(empty: str) -> None:
    execute(empty, "CREATE SCHEMA bulketl; CREATE TABLE bulketl.run (id int)")
    with pytest.raises(ConfigError, match="somebody else's"):
        bulketl.status(config(empty))


def test_several_schemas_in_one_ledger_are_kept_apart(apart: Lab) -> None:
    """And each is told of the others."""
    apart.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    apart.load()
    other = configure(apart.source, apart.target, "other")
    bulketl.load(other, bulketl.make_plan(other))
    for one, another in ((apart.config(), "other"), (other, "raw")):
        found = bulketl.status(one)
        assert [item.table for item in found.tables] == ["t"]
        assert found.elsewhere == ((another, 1),)
        assert [run.schema for run in bulketl.runs(one)] == [one.target_schema]


def test_what_a_server_said_is_not_in_status_or_the_list(apart: Lab) -> None:
    """It may be values of rows."""
    marker = "m4rk3r-of-a-patient"
    apart.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(40))", f"INSERT INTO t VALUES (1, '{marker}')")
    apart.load()
    apart.pg("ALTER TABLE raw.t ADD CONSTRAINT short CHECK (c < 'a')" + " NOT VALID")
    apart.mysql("INSERT INTO t VALUES (2, 'm4rk3r-of-another')")
    rules = {"t": {"publish": "refill"}}
    done = apart.load(rules=rules, unforeseen="the constraint is of this test")
    assert done.summary.failed
    found = bulketl.status(apart.config(rules=rules))
    assert found.tables[0].word == "failed"
    assert marker not in json.dumps(found.to_json())
    assert marker not in json.dumps([run.to_json() for run in bulketl.runs(apart.config())])


def test_a_driver_that_was_killed_is_seen_as_dead(apart: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """By another process, at once; while it lives it runs; what it published counts, and it can be gone on with."""
    apart.mysql("CREATE TABLE first (id int PRIMARY KEY)", "INSERT INTO first VALUES (1)",
                "CREATE TABLE slow (id int PRIMARY KEY, c varchar(200))",
                "INSERT INTO slow SELECT seq, REPEAT('x', 200) FROM seq_1_to_200000")  # fmt: skip
    environ = {**os.environ, "BULKETL_SOURCE": apart.source, "BULKETL_TARGET": apart.target, "BULKETL_SCHEMA": "raw",
               "PYTHONPATH": os.pathsep.join(sys.path)}  # fmt: skip
    code = (
        "import bulketl.tables.partitions as p; p.MOST_ROWS = 200\n"
        "from bulketl.cli.app import main; import sys; sys.argv = ['bulketl', 'load']; main()"
    )
    small_partitions(monkeypatch, 200)
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:

        def published() -> bool:
            assert process.poll() is None, "it ended before it was looked at"
            return any(run.counts.get("published") for run in bulketl.status(apart.config()).running)

        until(published)
        found = bulketl.status(apart.config())
        (running,) = found.running
        assert (running.outcome, found.dead) == ("running", ())
    finally:
        process.kill()
        process.wait()
    until(lambda: bulketl.status(apart.config()).dead)
    found = bulketl.status(apart.config())
    (dead,) = found.dead
    assert (dead.run, dead.outcome, dead.resumable, found.exit_code) == (running.run, "dead", True, 1)
    assert {item.table: item.word for item in found.tables}["first"] == "well"
    assert bulketl.runs(apart.config())[0].outcome == "dead"
    bulketl.resume(apart.config(), dead.run)
    after = bulketl.status(apart.config())
    assert (after.dead, after.exit_code, len(after.tables)) == ((), 0, 2)


def test_the_commands_print_what_the_acts_return(year: str, tmp_path: Path) -> None:
    """On a screen and as JSON, with the exit code of the state."""
    environ = {**os.environ, "BULKETL_TARGET": year, "BULKETL_SOURCE": "", "PYTHONPATH": os.pathsep.join(sys.path)}

    def ran(*words: str) -> tuple[int, str]:
        done = subprocess.run([sys.executable, "-m", "bulketl", *words], env=environ, cwd=tmp_path, capture_output=True,
                              text=True, timeout=60, check=False)  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    code, text = ran("status")
    assert code == 1
    assert re.search(r"^failed +table_007 \(critical\): 10 rows rejected", text, re.MULTILINE)
    assert json.loads(ran("status", "--json")[1])["schema"] == "raw"
    assert ran("runs", "list", "--first", "2")[1].count("load") == 2
    assert "▁" in ran("runs", "list", "--table", "table_001")[1]
    assert "table failed" in ran("runs", "show")[1]
    assert len(json.loads(ran("runs", "show", "last", "--first", "3", "--json")[1])["events"]) == 3
    assert ran("runs", "show", "nope")[0] == 2
