"""What a run does for its servers and itself: limits of the source, memory, time, and stepping down."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from faults import no_pauses, one_by_one, small_partitions
from lab import Lab, configure, load
from waiting import NEVER, until

import bulketl
from bulketl import ConfigError, PlanError
from bulketl.errors import SourceError, TargetError
from bulketl.loading import throttle
from bulketl.loading.events import (
    Event,
    PartitionLoaded,
    SourceReadAgain,
    SourceSpared,
    StepRetried,
    TableFailed,
    TableOverdue,
    TablePublished,
    TableStarted,
    WorkersChanged,
)
from bulketl.loading.schedule import BATCHES
from bulketl.mysql import source
from bulketl.postgres.target import PostgresTarget


def make(lab: Lab, *names: str, rows: int = 1000) -> None:
    for name in names:
        lab.mysql(f"CREATE TABLE {name} (id int PRIMARY KEY, c varchar(20))",
                  f"INSERT INTO {name} SELECT seq, 'row' FROM seq_1_to_{rows}")  # fmt: skip


def test_a_table_begins_when_those_it_depends_on_have_ended(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their tiers; also when one of them fails."""
    small_partitions(monkeypatch, 100)
    make(maria_lab, "claim", "patient", "provider", "other")
    read = source.MySQLSource.read

    def faulty(source: Any, spec: Any, *rest: Any) -> Any:
        if spec.table == "provider":
            raise SourceError("gone")
        return read(source, spec, *rest)

    monkeypatch.setattr(source.MySQLSource, "read", faulty)
    rules: dict[str, Any] = {
        "claim": {"table_importance": "critical", "dependencies": ["patient", "provider"]},
        "patient": {"table_importance": "reference", "dependencies": ["provider"]},
        "provider": {"table_importance": "audit"},
        "other": {"table_importance": "important"},
    }
    done = load(maria_lab.config(rules=rules, workers=4), unforeseen="planted amid the load")
    order = [
        event.table for event in done.events if isinstance(event, (TableStarted, TablePublished, TableFailed))
    ]  # begin and end of each
    assert [table.table for table in done.summary.failed] == ["provider"]
    assert [name for name in order if name != "other"] == ["provider"] * 2 + ["patient"] * 2 + ["claim"] * 2


def test_tables_that_depend_on_each_other_are_refused_with_their_place(maria_lab: Lab, tmp_path: Path) -> None:
    """By name, with file and line; nothing is loaded."""
    path = tmp_path / "tables.yaml"
    path.write_text("source_tables:\n  a: {dependencies: [b]}\n  b:\n    dependencies: [c]\n  c: {dependencies: [a]}\n")
    with pytest.raises(ConfigError) as told:
        bulketl.load_config(path, None, {})
    assert f"{path}:" in told.value.message
    assert any(f"circle, and none can be first: {' -> '.join(way)}" in told.value.message
               for way in ("abca", "bcab", "cabc"))  # fmt: skip


def test_more_workers_than_the_source_allows_connections_are_refused(maria_lab: Lab) -> None:
    """Before anything is read."""
    make(maria_lab, "t")
    maria_lab.server.execute("CREATE OR REPLACE USER few@'%' IDENTIFIED BY 'r' WITH MAX_USER_CONNECTIONS 2")
    maria_lab.server.execute(f"GRANT SELECT ON {maria_lab.database}.* TO few@'%'")
    source = maria_lab.server.database(maria_lab.database, "few", "r")
    with pytest.raises(PlanError, match=r"3 workers need as many connections, and .* gives this user 2"):
        load(configure(source, maria_lab.target, maria_lab.schema, timestamp_zone="+00:00"))
    assert load(configure(source, maria_lab.target, maria_lab.schema, timestamp_zone="+00:00", workers=2)).summary.totals[
        "rows"
    ]


def test_nothing_is_read_while_the_source_is_hard_at_work(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits, says why, and goes on when the work is done."""
    monkeypatch.setattr(throttle, "LOOK_SECONDS", 0.2)
    make(maria_lab, "t", "u")
    (running,) = [int(v) for _, v in maria_lab.mysql("SHOW GLOBAL STATUS LIKE 'Threads_running'")]
    work = f"DO GET_LOCK('work of {maria_lab.database}', 600)"
    events = list[Event]()
    with contextlib.closing(maria_lab.server.connect(maria_lab.database)) as connection, connection.cursor() as holder:
        holder.execute(work)
        busy = [threading.Thread(target=maria_lab.mysql, args=(work,)) for _ in range(3)]
        for thread in busy:
            thread.start()
        until(lambda: int(maria_lab.mysql("SHOW GLOBAL STATUS LIKE 'Threads_running'")[0][1]) >= running + 3)

        def rest(event: Event) -> None:
            events.append(event)
            if isinstance(event, SourceSpared):
                holder.execute("DO RELEASE_ALL_LOCKS()")

        config = maria_lab.config(source_limits={"threads_running": running + 1})
        summary = bulketl.load(config, bulketl.make_plan(config), [rest])
        for thread in busy:
            thread.join()
    (spared,) = [event for event in events if isinstance(event, SourceSpared)]
    (again,) = [event for event in events if isinstance(event, SourceReadAgain)]
    assert "statements run at the source, and threads_running is" in spared.why
    assert again.seconds >= throttle.LOOK_SECONDS
    kinds = [type(event) for event in events]
    assert kinds.index(SourceSpared) < kinds.index(SourceReadAgain) < kinds.index(TableStarted)
    assert summary.outcome == "done"


def test_waits_for_locks_at_the_source_hold_reading_back(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted from one look to the next."""
    monkeypatch.setattr(throttle, "LOOK_SECONDS", 0.2)
    small_partitions(monkeypatch, 50)
    make(maria_lab, "t")
    maria_lab.mysql("CREATE TABLE hot (id int PRIMARY KEY) ENGINE=MyISAM", "INSERT INTO hot VALUES (1)")
    ends = threading.Event()

    def wait_for_locks() -> None:
        with contextlib.closing(maria_lab.server.connect(maria_lab.database)) as connection, connection.cursor() as cursor:
            while not ends.is_set():
                cursor.execute("UPDATE hot SET id = id + SLEEP(0.02)")

    threads = [threading.Thread(target=wait_for_locks) for _ in range(3)]
    for thread in threads:
        thread.start()
    read = source.MySQLSource.read

    def slowly(*step: Any) -> Any:
        time.sleep(0.1)
        return read(*step)

    monkeypatch.setattr(source.MySQLSource, "read", slowly)
    config, why = maria_lab.config(source_limits={"lock_waits_per_minute": 30}), list[str]()

    def rest(event: Event) -> None:
        if isinstance(event, SourceSpared):
            why.append(event.why)
            ends.set()

    try:
        summary = bulketl.load(config, bulketl.make_plan(config, tables=["t"]), [rest])
    finally:
        ends.set()
        for thread in threads:
            thread.join()
    assert "wait for locks at the source" in why[0]
    assert summary.outcome == "done"


def test_a_limit_that_cannot_be_looked_at_is_an_error_before_anything_is_read(maria_lab: Lab) -> None:
    """A user without the right would be spared never, and nobody would know."""
    make(maria_lab, "t")
    maria_lab.server.execute("CREATE OR REPLACE USER reader@'%' IDENTIFIED BY 'r'")
    maria_lab.server.execute(f"GRANT SELECT ON {maria_lab.database}.* TO reader@'%'")
    source = maria_lab.server.database(maria_lab.database, "reader", "r")
    limits = {"replica_lag_seconds": 10}
    with pytest.raises(SourceError, match="replica_lag_seconds is set") as told:
        load(configure(source, maria_lab.target, maria_lab.schema, timestamp_zone="+00:00", source_limits=limits))
    assert "REPLICA" in told.value.hint
    assert load(maria_lab.config(source_limits=limits)).summary.outcome == "done"


def test_rows_come_no_faster_than_the_rate(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """On average over the run."""
    small_partitions(monkeypatch, 100)
    make(maria_lab, "t")
    size = load(maria_lab.config()).summary.totals["bytes"]
    began = time.monotonic()
    done = load(maria_lab.config(source_limits={"mb_per_second": size / 1_000_000 / 2}, workers=2))
    assert done.summary.totals["bytes"] == size
    assert time.monotonic() - began > 1.4  # the last of ten ranges is not waited for, nor its neighbour


def test_a_late_table_is_told_and_one_with_a_limit_is_given_up(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement ends at the source; the target has the table as it was, and the others are loaded."""
    small_partitions(monkeypatch, 300)
    make(maria_lab, "slow", "fine")
    maria_lab.mysql("CREATE VIEW v AS SELECT 1")
    assert load(maria_lab.config()).summary.outcome == "done"
    maria_lab.mysql("UPDATE slow SET c = 'new'")
    select = "bulketl.mysql.read.select"
    original = bulketl.mysql.read.select

    def sleeping(spec: Any, partition: Any) -> str:
        text: str = original(spec, partition)
        return text.replace(" WHERE ", " WHERE SLEEP(5)=0 AND ") if spec.table == "slow" else text

    monkeypatch.setattr(select, sleeping)
    rules = {"slow": {"stop_after_minutes": 0.02, "monitoring": {"max_extraction_time_minutes": 0.005}}}
    began = time.monotonic()
    done = load(maria_lab.config(rules=rules), unforeseen="how long a table takes only the load tells")
    assert time.monotonic() - began < NEVER  # it would sleep at each row
    (failed,) = done.summary.failed
    assert "stop_after_minutes" in failed.message + failed.hint
    assert [event.table for event in done.events if isinstance(event, TableOverdue)] == ["slow"]
    assert done.summary.tables["slow"].overdue
    assert maria_lab.pg("SELECT DISTINCT c FROM {s}.slow") == [("row",)]
    asked = "SELECT 1 FROM information_schema.processlist WHERE info LIKE '%SLEEP(5)%' AND id <> CONNECTION_ID()"
    until(lambda: maria_lab.mysql(asked) == [])


@pytest.mark.parametrize("rows", [100, 1000])
def test_after_want_of_memory_a_table_is_read_in_smaller_batches(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Also a small one, which is staged then; all rows arrive."""
    no_pauses(monkeypatch)
    small_partitions(monkeypatch, 300)
    make(maria_lab, "t", "neighbour", rows=rows)
    one_by_one(monkeypatch)
    read = source.MySQLSource.read

    def faulty(source: Any, spec: Any, partition: Any, sign: str = "") -> Any:
        if spec.table == "t" and (partition.stream == 0 or partition.stream > BATCHES[1]):
            raise MemoryError
        return read(source, spec, partition, sign)

    monkeypatch.setattr(source.MySQLSource, "read", faulty)
    done = load(maria_lab.config())
    assert done.summary.outcome == "done", done.summary.failed
    assert maria_lab.differences("t") == []
    retried = [event for event in done.events if isinstance(event, StepRetried) and event.batch_rows]
    assert {event.batch_rows for event in retried} == set(BATCHES[:2])


def test_after_a_deadlock_one_step_runs_at_a_time_for_a_while(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change of the number of workers is an event."""
    no_pauses(monkeypatch)
    small_partitions(monkeypatch, 10)
    make(maria_lab, "t")
    copied, failed, under_way, seen = PostgresTarget.load, [False], [0], list[int]()
    guard = threading.Lock()

    def deadlocked(target: Any, *step: Any) -> Any:
        with guard:
            first, failed[0] = not failed[0], True
            under_way[0] += 1
            seen.append(under_way[0])
        try:
            if first:
                raise TargetError("deadlock detected", transient=True, ease="workers")
            return copied(target, *step)
        finally:
            with guard:
                under_way[0] -= 1

    monkeypatch.setattr(PostgresTarget, "load", deadlocked)
    done = load(maria_lab.config(workers=3))
    assert done.summary.outcome == "done", done.summary.failed
    assert [event.workers for event in done.events if isinstance(event, WorkersChanged)] == [1, 2, 3]
    assert max(seen[4:18]) == 1
    assert max(seen) <= 3


def test_memory_that_is_used_up_lets_one_step_run_at_a_time(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The load ends all the same."""
    small_partitions(monkeypatch, 50)
    make(maria_lab, "t")
    monkeypatch.setattr("bulketl.loading.run.resident_mb", lambda: 99_999.0)
    read, guard, reading, seen = source.MySQLSource.read, threading.Lock(), [0], list[int]()

    def counted(*args: Any) -> Any:
        with guard:
            reading[0] += 1
            seen.append(reading[0])
        yield from read(*args)
        with guard:
            reading[0] -= 1

    monkeypatch.setattr(source.MySQLSource, "read", counted)
    done = load(maria_lab.config(workers=3))
    assert done.summary.outcome == "done"
    assert max(seen) == 1
    assert len([event for event in done.events if isinstance(event, PartitionLoaded)]) == done.parts("t")
