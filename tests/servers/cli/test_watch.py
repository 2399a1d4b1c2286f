"""`watch`: a run seen from another process, from the ledger alone."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import psycopg
import pytest
from faults import small_partitions
from heldup import environ, held_up
from lab import Lab
from psycopg.types.json import Jsonb
from rich.cells import cell_len
from terminals import Terminal, shows
from terminals import bulketl as in_a_terminal
from waiting import until

import bulketl
from bulketl.loading.events import Event, PartitionLoaded
from bulketl.operations.watching import looks
from bulketl.postgres.ledger import schema


@pytest.fixture
def lab(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table of eight partitions, and a small one."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_400",
                    "CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)")  # fmt: skip
    return maria_lab


def command(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bulketl", *words], env={**os.environ, **environ(lab)}, capture_output=True, text=True
    )


def frames(terminal: Terminal) -> list[tuple[float, str]]:
    """What was sent, and when, of the writes that paint."""
    return [(at, text) for at, text in terminal.sent if "under way" in text]


@pytest.mark.parametrize("width", [80, 120])
def test_a_run_of_another_process_is_seen_as_it_goes_on_and_ends_with_its_code(lab: Lab, width: int) -> None:
    """Nothing is cleared, no line is wider than the terminal, and there are at most two frames a second."""
    with held_up(lab) as (lock, process, _), in_a_terminal(["watch"], width, environ(lab)) as terminal:
        seen = terminal.until(lambda text: "under way: load" in text and "rows/s" in text)
        assert "2 small tables" in seen
        time.sleep(2)
        terminal.read(1)
        lock.execute("UNLOCK TABLES")
        assert terminal.ended() == process.wait(60) == 0
    left = shows(terminal.output)
    assert re.match(r"done: load \S+, in \d.*, ended \d.* ago", left[0])
    assert [line for line in left if line.startswith("2 of 2 tables")]
    assert max(map(cell_len, left)) <= width
    assert "\x1b[2J" not in terminal.output
    assert "\x1b[2K" not in terminal.output
    assert terminal.output.rpartition("\x1b[2mnext: ")[0].endswith("\x1b[?25h")
    times = [at for at, _ in frames(terminal)]
    assert len(times) < 2 * (times[-1] - times[0]) + 2


def test_a_wait_for_a_lock_at_the_source_is_told_with_the_table(lab: Lab) -> None:
    """By who watches, in JSON, in the load's own log and on record; and that it is over."""
    with held_up(lab) as (lock, process, _), in_a_terminal(["watch"], 80, environ(lab)) as terminal:
        terminal.until(lambda text: "for a lock at the source, for" in " ".join(text.split()))
        found = json.loads(command(lab, "watch", "--once", "--json").stdout)
        (waiting,) = [one for one in found["waiting"] if one["what"] == "t"]
        assert "'waiting for table metadata lock'" in waiting["why"]
        lock.execute("UNLOCK TABLES")
        assert terminal.ended() == process.wait(60) == 0
        said = process.stderr.read() if process.stderr else ""
    assert "waiting t: for a lock at the source" in said
    assert re.search(r"reading t: again, after \d+ s of waiting", said)
    events = lab.pg("SELECT kind, body ->> 'table' FROM bulketl.event WHERE kind LIKE 'source_wait%' ORDER BY seq")
    assert events == [("source_waits", "t"), ("source_waited", "t")]


def test_a_driver_that_was_killed_is_seen_as_dead_within_a_minute(lab: Lab) -> None:
    """By who watched it, who comes later, and in JSON; with what to do, which does it."""
    with held_up(lab) as (_, process, _), in_a_terminal(["watch"], 80, environ(lab)) as terminal:
        terminal.until(lambda text: "under way: load" in text)
        process.send_signal(signal.SIGKILL)
        began = time.monotonic()
        assert terminal.ended(60) == 1
        assert time.monotonic() - began < 60
    seen = " ".join(shows(terminal.output))
    assert "dead: load" in seen
    again = re.findall(r"bulketl load --resume (\S+)`", seen)
    once = command(lab, "watch", "--once")
    assert (once.returncode, once.stdout[:10]) == (1, "dead: load")
    found = json.loads(command(lab, "watch", "--once", "--json").stdout)
    assert (found["state"], found["run"]) == ("dead", again[0])
    assert command(lab, "load", "--resume", again[0]).returncode == 0
    assert command(lab, "watch", again[0]).returncode == 0


def test_between_runs_the_last_one_is_shown_and_the_next_one_waited_for(lab: Lab) -> None:
    """And then it ends with that."""
    lab.load()
    with in_a_terminal(["watch"], 80, environ(lab)) as terminal:
        terminal.until(lambda text: "done: load" in text and "is due is not known" in text)
        with held_up(lab) as (lock, _, _):
            terminal.until(lambda text: "under way: load" in text)
            lock.execute("UNLOCK TABLES")
            assert terminal.ended() == 0


def test_ctrl_c_ends_the_watching_and_not_the_run(lab: Lab) -> None:
    with held_up(lab) as (lock, process, _), in_a_terminal(["watch"], 80, environ(lab)) as terminal:
        terminal.until(lambda text: "under way: load" in text)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.ended() == 130
        assert "no longer watched; the run goes on" in terminal.output
        assert "steps under way" not in terminal.output
        lock.execute("UNLOCK TABLES")
        assert process.wait(60) == 0


def test_lines_go_into_a_pipe_and_events_into_json(lab: Lab) -> None:
    """Of a run that has failed, with its exit code."""
    lab.pg("CREATE TABLE {s}.u (id int)")  # somebody else's: refused
    assert lab.load().summary.outcome == "partly done"
    ((run,),) = lab.pg("SELECT run FROM bulketl.run WHERE schema_name = '{s}'")
    done = command(lab, "watch", run)
    assert done.returncode == 3  # of tier reference, which only warns
    assert "failed table 'u'" in done.stdout or "failed u" in done.stdout
    assert f"partly done: load {run}" in done.stdout
    found = [json.loads(line) for line in command(lab, "watch", run, "--json").stdout.splitlines()]
    assert [line["seq"] for line in found if "event" in line] == list(range(1, len(found)))
    assert (found[-1]["state"], found[-1]["outcome"], found[-1]["failed"]) == ("ended", "partly done", 1)
    only = command(lab, "watch", run, "--tier", "critical").stdout
    assert "failed" not in only


def test_what_is_left_is_foretold_by_earlier_nights(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The median of the loads of this table, as it is known to the first look at the run."""
    for _ in range(3):
        lab.load()
    lab.pg("UPDATE bulketl.run SET summary = summary || %s WHERE schema_name = '{s}'", (Jsonb({"seconds": 700}),))
    lab.pg("UPDATE bulketl.table_load SET seconds = 500 WHERE schema_name = '{s}' AND table_name = 't'")
    found: dict[str, Any] = {}

    def look(event: Event) -> None:
        if isinstance(event, PartitionLoaded) and event.table == "t" and not found:
            (one,) = [next(looks(lab.config(), pause=lambda: None))]
            found.update(one.usual)

    config = lab.config()
    bulketl.load(config, bulketl.make_plan(config), [look])
    assert (found["t"], found[""]) == (500, 700)


def test_a_lock_in_the_target_is_told_with_who_holds_it(lab: Lab) -> None:
    """A reader whose transaction stays open holds up what empties the table."""
    lab.load()
    lab.mysql("DELETE FROM u", "INSERT INTO u VALUES (2)")
    with psycopg.connect(lab.target, application_name="Metabase") as reader:
        reader.execute(f"SELECT FROM {lab.schema}.u".encode())
        words = [sys.executable, "-m", "bulketl", "load", "--tables", "u"]
        process = subprocess.Popen(words, env={**os.environ, **environ(lab)}, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            found: list[dict[str, str]] = []

            def told() -> bool:
                done = command(lab, "watch", "--once", "--json")
                found[:] = json.loads(done.stdout).get("waiting", [])
                return any("Metabase" in one["why"] for one in found)

            until(told)
            (one,) = [one for one in found if "Metabase" in one["why"]]
            assert one["what"] == "u"
            assert re.match(r"for a lock in the target, which \S+ \(session \d+, Metabase\) holds, for ", one["why"])
            reader.rollback()
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.communicate()


def test_a_look_is_one_statement_that_never_reads_the_run_again(lab: Lab) -> None:
    lab.load()
    seen = looks(lab.config(), pause=lambda: None)
    found = [look.sight for look in (next(seen), next(seen), next(seen)) if look.sight]
    assert [bool(sight.events) for sight in found] == [True, False, False]


def test_a_session_that_the_target_ends_is_opened_again(lab: Lab) -> None:
    """Meanwhile the last look stays, with why there is no other."""
    lab.load()
    seen = looks(lab.config(), pause=lambda: None)
    assert next(seen).sight
    lab.pg("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bulketl'")
    troubled, again = next(seen), next(seen)
    assert troubled.sight
    assert (troubled.trouble != "", again.trouble) == (True, "")
    assert again.sight
    assert list(again.sight.events) == []


def test_ledgers_that_cannot_be_watched_are_said(lab: Lab) -> None:
    """Not there, empty, of another version."""
    lab.load()
    with pytest.raises(bulketl.PlanError, match="no run 'x' on record"):
        next(looks(lab.config(), "x"))
    lab.pg("DELETE FROM bulketl.run WHERE schema_name = '{s}'")
    assert next(looks(lab.config(), pause=lambda: None)).sight is None
    done = command(lab, "watch", "--once")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "no run is on record yet")
    for version, hint in ((schema.NEWEST + 1, "install that version"), (schema.NEWEST - 1, "brings it up to date")):
        lab.pg(f"COMMENT ON SCHEMA bulketl IS 'bulketl''s ledger, version {version}'")
        try:
            done = command(lab, "watch", "--once")
        finally:
            lab.pg(f"COMMENT ON SCHEMA bulketl IS 'bulketl''s ledger, version {schema.NEWEST}'")
        assert done.returncode == 2
        assert f"of version {version}" in done.stderr
        assert hint in done.stderr
