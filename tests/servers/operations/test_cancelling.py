"""A run is cancelled from anywhere: its driver takes notice within seconds, and the run can be resumed afterwards."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from faults import small_partitions
from heldup import held_up
from lab import Lab
from waiting import until

import bulketl
from bulketl.errors import PlanError
from bulketl.loading import journal
from bulketl.loading.events import PartitionLoaded, RunCancelled
from bulketl.operations.cancelling import cancel
from bulketl.postgres.ledger.events import read_events
from bulketl.postgres.server import Postgres


@pytest.fixture
def lab(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table of eight partitions."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, at datetime)",
                    "INSERT INTO t SELECT seq, '2001-02-03' FROM seq_1_to_400",
                    "CREATE TABLE u (id int PRIMARY KEY, at datetime)",
                    "INSERT INTO u SELECT seq, '2001-02-03' FROM seq_1_to_4")  # fmt: skip
    maria_lab.load()
    return maria_lab


def events(lab: Lab, run: str) -> list[Any]:
    with Postgres(lab.target).connect() as connection:
        return read_events(connection, run)


def outcome(lab: Lab, run: str) -> str:
    ((found,),) = lab.pg("SELECT outcome FROM bulketl.run WHERE run = %s", (run,))
    return str(found)


def test_a_cancelled_load_ends_after_the_steps_under_way_and_goes_on_later(lab: Lab) -> None:
    """Who did it is an event, the load's own screen says it, and resuming is not cancelled again."""
    with held_up(lab) as (lock, process, run):
        found = cancel(lab.config(), by="nurse")
        assert (found.run, found.state, found.by) == (run, "heard", "nurse")
        assert process.poll() is None
        lock.execute("UNLOCK TABLES")
        told, _ = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "cancelled by nurse" in told
    assert outcome(lab, run) == "stopped"
    (asked,) = [event for event in events(lab, run) if event.kind == "run_cancelled"]
    assert asked.body == {"by": "nurse", "at_once": False}
    with pytest.raises(PlanError, match="has ended: stopped"):
        cancel(lab.config(), run)
    resumed = bulketl.resume(lab.config())
    assert (resumed.run, resumed.outcome) == (run, "done")
    assert lab.differences("t") == []


def test_at_once_ends_the_steps_under_way_at_both_servers(lab: Lab) -> None:
    """The table that was being read is not finished, and has not failed; nothing is asked again."""
    with held_up(lab) as (_, process, run):
        assert cancel(lab.config(), run, at_once=True).state == "heard"
        told, _ = process.communicate(timeout=60)  # with the lock still held
        assert process.returncode == 4, told
        assert outcome(lab, run) == "stopped"
        assert "failed" not in told
    assert bulketl.resume(lab.config()).outcome == "done"
    assert lab.differences("t") == []


def test_a_dead_run_is_called_dead_and_nothing_is_asked_of_it(lab: Lab) -> None:
    """As its driver was killed; before, it is given the time in which a lost connection comes back."""
    with held_up(lab) as (_, process, run):
        process.send_signal(signal.SIGKILL)
        process.wait()
        until(lambda: cancel(lab.config(), run, seconds=0).state == "dead")
    assert bulketl.resume(lab.config()).outcome == "done"  # though it was asked while nobody knew


def test_a_driver_that_takes_no_notice_is_told_apart(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is alive, and the request stays for it."""
    monkeypatch.setattr(journal, "FLUSH_SECONDS", 60)
    found = list[str]()

    def ask(event: object) -> None:
        if isinstance(event, PartitionLoaded) and not found:
            found.append(cancel(lab.config(), seconds=0.1).state)

    config = lab.config()
    assert bulketl.load(config, bulketl.make_plan(config), [ask]).outcome == "done"
    assert found == ["silent"]


def test_other_runs_end_before_their_next_table(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retention that has shortened one table keeps that, and the next one is as it was."""
    monkeypatch.setattr(journal, "FLUSH_SECONDS", 0.01)
    rule = {"retention": {"keep": "7y", "by": "at", "action": "delete"}}
    rules = {"t": rule, "u": rule}
    config = lab.config(rules=rules)
    from bulketl.operations import retention

    real = getattr(retention, "retain")  # noqa: B009
    threads = list[threading.Thread]()

    def slow(*given: Any) -> Any:
        thread = threading.Thread(target=cancel, args=(config,), kwargs={"by": "nurse"})
        threads.append(thread)
        thread.start()
        thread.join()
        return real(*given)

    monkeypatch.setattr(retention, "retain", slow)
    with pytest.raises(bulketl.BulketlError, match="cancelled by nurse before it came to table 'u'") as caught:
        bulketl.retain_tables(config, (), tmp_path)
    assert caught.value.exit_code == 4
    assert lab.pg("SELECT (SELECT count(*) FROM {s}.t), (SELECT count(*) FROM {s}.u)") == [(0, 4)]
    ((run, ended),) = lab.pg("SELECT run, outcome FROM bulketl.run WHERE schema_name = '{s}' AND kind = 'retention'")
    assert ended == "stopped"
    assert [event.kind for event in events(lab, run)][-2:] == ["run_cancelled", "run_ended"]


def test_what_cannot_be_cancelled_is_said(lab: Lab) -> None:
    with pytest.raises(PlanError, match=r"no run is under way; the last one, \S+, has ended: done"):
        cancel(lab.config())
    with pytest.raises(PlanError, match="no run 'x' on record"):
        cancel(lab.config(), "x")


def test_observers_hear_of_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "FLUSH_SECONDS", 0.01)
    heard = list[RunCancelled]()

    def ask(event: object) -> None:
        if isinstance(event, PartitionLoaded) and event.table == "t" and not heard:
            cancel(lab.config(), by="nurse")
        if isinstance(event, RunCancelled):
            heard.append(event)

    config = lab.config(workers=1)
    summary = bulketl.load(config, bulketl.make_plan(config), [ask])
    assert (summary.outcome, summary.cancelled) == ("stopped", "nurse")
    assert [event.by for event in heard] == ["nurse"]
