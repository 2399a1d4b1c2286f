"""The journal: what happens in a run is on record while it lasts, and no load fails or waits for it."""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from faults import small_partitions
from lab import Lab
from waiting import until

import bulketl
from bulketl.loading import journal
from bulketl.loading.events import Event, FiguresTaken, PartitionLoaded, RunEnded, TablePublished
from bulketl.loading.telling import from_record, kind_of
from bulketl.postgres.ledger.events import Recorded, read_events
from bulketl.postgres.server import Postgres

RULES: dict[str, Any] = {"t": {"retention": {"keep": "7y", "by": "at", "action": "delete"}}}


@pytest.fixture
def lab(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table of eight partitions, with rows that are old enough to leave, and a small one."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, at datetime, c varchar(20))",
        "INSERT INTO t SELECT seq, IF(seq <= 10, '2001-02-03', NOW()), 'row' FROM seq_1_to_400",
        "CREATE TABLE small (id int PRIMARY KEY)",
        "INSERT INTO small VALUES (1)",
    )
    return maria_lab


def on_record(lab: Lab, run: str) -> list[Recorded]:
    with Postgres(lab.target).connect() as connection:
        return read_events(connection, run)


def last_run(lab: Lab, kind: str) -> str:
    ((run,),) = lab.pg(
        "SELECT run FROM bulketl.run WHERE schema_name = '{s}' AND kind = %s ORDER BY started_at DESC LIMIT 1", (kind,)
    )
    return str(run)


def test_all_that_observers_are_told_is_on_record_in_order(lab: Lab) -> None:
    """Numbered from 1; the end is the last; a run that failed says so without its server's words."""
    lab.mysql("INSERT INTO small VALUES (2)")
    lab.pg("CREATE SCHEMA IF NOT EXISTS {s}; CREATE TABLE {s}.small (id int)")  # somebody else's: refused
    done = lab.load()
    found = on_record(lab, done.summary.run)
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    assert [event.at for event in found] == sorted(event.at for event in found)
    told = [event for event in done.events if not isinstance(event, FiguresTaken)]
    back = [from_record(event.run, event.kind, event.body) for event in found]
    assert [kind_of(type(event)) for event in told] == [event.kind for event in found[:-1]]
    assert [event for event in back if isinstance(event, TablePublished | PartitionLoaded)] == [
        event for event in told if isinstance(event, TablePublished | PartitionLoaded)
    ]
    assert back[-1] == RunEnded(done.summary.run, "partly done", done.summary.seconds)


def test_repairs_retries_and_retentions_tell_too(lab: Lab, tmp_path: Path) -> None:
    lab.load(rules=RULES)
    lab.pg("DELETE FROM {s}.t WHERE id = 15")
    assert bulketl.verify(lab.config(rules=RULES), tables=["t"], repair=True).equal
    repaired = on_record(lab, last_run(lab, "repair"))
    assert [event.kind for event in repaired] == ["run_started", "table_started", "table_done", "run_ended"]
    assert (repaired[0].body["kind"], repaired[2].body["rows"]) == ("repair", 1)
    bulketl.retain_tables(lab.config(rules=RULES), (), tmp_path)
    retained = on_record(lab, last_run(lab, "retention"))
    assert [event.kind for event in retained] == ["run_started", "table_started", "table_done", "run_ended"]
    assert retained[2].body["deleted"] == 10
    assert retained[3].body["outcome"] == "done"


@pytest.mark.parametrize("raised", [RuntimeError("what a row said"), KeyboardInterrupt()], ids=["a bug", "an interruption"])
def test_a_mistake_of_ours_and_an_interruption_are_told_as_what_they_are(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    """A bug has its kind and a message, without the words of what it came from; of an interruption the end tells."""
    lab.load(rules=RULES)

    def break_down(*_args: object) -> None:
        raise raised

    monkeypatch.setattr("bulketl.operations.retention.retain", break_down)
    with pytest.raises(type(raised)):
        bulketl.retain_tables(lab.config(rules=RULES), (), tmp_path)
    found = on_record(lab, last_run(lab, "retention"))
    failed = [event.body for event in found if event.kind == "table_failed"]
    if isinstance(raised, RuntimeError):
        assert [(body["kind"], "RuntimeError" in body["message"]) for body in failed] == [("BugError", True)]
        assert "row said" not in str([event.body for event in found])
    else:
        assert failed == []
        assert found[-1].body["outcome"] == "interrupted"


def test_a_run_that_goes_on_counts_on(lab: Lab) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, PartitionLoaded):
            raise KeyboardInterrupt

    config = lab.config(workers=1)
    with contextlib.suppress(KeyboardInterrupt):
        bulketl.load(config, bulketl.make_plan(config), [stop])
    run = last_run(lab, "load")
    before = on_record(lab, run)
    assert before[-1].body["outcome"] == "interrupted"
    assert bulketl.resume(lab.config()).outcome == "done"
    found = on_record(lab, run)
    assert found[: len(before)] == before
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    assert [event.body["outcome"] for event in found if event.kind == "run_ended"] == ["interrupted", "done"]


def test_events_are_on_record_while_the_run_lasts(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are there for others before the observer that waits for them lets the run go on."""
    monkeypatch.setattr(journal, "FLUSH_SECONDS", 0.01)
    seen = list[int]()

    def look(event: Event) -> None:
        if isinstance(event, PartitionLoaded) and not seen:
            until(lambda: on_record(lab, event.run))
            seen.append(len(on_record(lab, event.run)))

    config = lab.config()
    bulketl.load(config, bulketl.make_plan(config), [look])
    assert seen


@pytest.mark.parametrize("fault", ["no table", "no right", "ended again and again"])
def test_no_load_fails_for_want_of_its_journal(
    lab: Lab, fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is lost is counted and said; where only connections are ended nothing is."""
    monkeypatch.setattr(journal, "FLUSH_SECONDS", 0.01)
    lab.load()
    ended = threading.Event()

    def end_connections() -> None:
        with psycopg.connect(lab.target, autocommit=True) as connection:
            while not ended.wait(0.02):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO bulketl.event%'"
                )

    thread = threading.Thread(target=end_connections)
    if fault == "no table":
        lab.pg("ALTER TABLE bulketl.event RENAME TO event_elsewhere")
    elif fault == "no right":
        lab.pg("CREATE FUNCTION bulketl.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;"
               "CREATE TRIGGER no BEFORE INSERT ON bulketl.event EXECUTE FUNCTION bulketl.no()")  # fmt: skip
    else:
        thread.start()
    try:
        with caplog.at_level(logging.WARNING, "bulketl"):
            done = lab.load()
    finally:
        ended.set()
        if thread.ident:
            thread.join()
        if fault == "no table":
            lab.pg("ALTER TABLE bulketl.event_elsewhere RENAME TO event")
        lab.pg("DROP FUNCTION IF EXISTS bulketl.no CASCADE")
    assert done.summary.outcome == "done"
    assert lab.differences("t") == []
    found = on_record(lab, done.summary.run)
    told = [event for event in done.events if not isinstance(event, FiguresTaken)]
    if thread.ident:
        assert len(found) == len(told) + 1
    else:
        assert found == []
        assert f"{len(told) + 1} of its events are not on record" in caplog.text


def test_a_flood_of_events_is_bounded_and_what_is_lost_is_counted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal, "MOST", 5)
    monkeypatch.setattr(journal, "FLUSH_SECONDS", 60)
    done = lab.load()
    found = on_record(lab, done.summary.run)
    lost = [event.body["events"] for event in found if event.kind == "events_lost"]
    told = [event for event in done.events if not isinstance(event, FiguresTaken)]
    assert len(found) - len(lost) + sum(lost) == len(told) + 1
    assert f"{sum(lost)} of its events are not on record" in caplog.text
