"""The promises of the design with real servers, each in a test that is called after its sentence: 1, 3, 5 and 7.

The others are in files of their own; 7 and 8 are in `test_promises_to_the_source.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from faults import Proxy, no_pauses, once, one_by_one, small_partitions, use
from lab import Lab, execute
from waiting import until

from bulketl.errors import BulketlError, SourceError, TargetError

STEPS = [("prepare", "before"), ("load", "before"), ("load", "amid"), ("publish", "before"), ("group", "before")]


@pytest.fixture
def old(maria_lab: Lab) -> Lab:
    """Two tables that were loaded once, one staged and one direct, and have other rows at the source since."""
    maria_lab.mysql(
        "CREATE TABLE staged (id int PRIMARY KEY, c varchar(20))",
        "CREATE TABLE direct (id int PRIMARY KEY, c varchar(20))",
        "INSERT INTO staged SELECT seq, 'old' FROM seq_1_to_200",
        "INSERT INTO direct SELECT seq, 'old' FROM seq_1_to_9",
    )
    maria_lab.load()
    maria_lab.mysql("UPDATE staged SET c = 'new'", "UPDATE direct SET c = 'new'", "INSERT INTO staged VALUES (999, 'new')")
    return maria_lab


def contents(lab: Lab, table: str) -> list[tuple[str, int]]:
    """Return the values of c with their counts."""
    return lab.pg(f"SELECT c, count(*) FROM {{s}}.{table} GROUP BY c ORDER BY c")


OLD = {"staged": [("old", 200)], "direct": [("old", 9)]}
NEW = {"staged": [("new", 201)], "direct": [("new", 9)]}


@pytest.mark.parametrize(("step", "moment"), STEPS)
def test_a_table_is_as_it_was_when_a_step_fails_for_good(
    old: Lab, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    """Promise 1: the old rows, all of them, and no trace in the staging schema."""
    small_partitions(monkeypatch, 50)

    def fault(at: str, when: str) -> None:
        if (at, when) == (step, moment):
            raise TargetError("the disk is full")

    use(monkeypatch, fault)
    done = old.load(unforeseen="planted amid the load")
    assert done.parts("staged") >= 4
    assert done.how("staged") == "swap"
    failed = "direct" if step == "group" else "staged"
    assert {table.table for table in done.summary.failed} == {failed}
    for table in ("staged", "direct"):
        assert contents(old, table) == (OLD if table == failed else NEW)[table]
    assert old.staged() == []


@pytest.mark.parametrize(("step", "moment"), STEPS)
def test_a_step_that_fails_for_a_passing_reason_is_tried_again(
    old: Lab, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    """Promises 1 and 4: the tables are complete, and every row is there once."""
    small_partitions(monkeypatch, 50)
    no_pauses(monkeypatch)
    use(monkeypatch, once(step, moment, TargetError("connection lost", transient=True)))
    done = old.load()
    assert done.summary.outcome == "done"
    assert [type(event).__name__ for event in done.events].count("StepRetried") == 1
    assert old.differences("staged") == old.differences("direct") == []


@pytest.mark.parametrize("step", ["prepare", "load", "publish", "group"])
@pytest.mark.parametrize("rejects", [0, 3])
def test_a_step_whose_answer_was_lost_may_be_tried_again_and_rows_are_not_doubled(
    old: Lab, monkeypatch: pytest.MonkeyPatch, step: str, rejects: int
) -> None:
    """Promise 4: the commit was done, the driver does not know it, and the step runs again."""
    small_partitions(monkeypatch, 50)
    no_pauses(monkeypatch)
    for table in ("staged", "direct"):
        old.mysql(f"UPDATE {table} SET c = 'no number'", f"UPDATE {table} SET c = '7' WHERE id > {rejects}")
    old.pg("DROP TABLE {s}.direct")  # created anew, it is loaded directly, whatever its columns were
    use(monkeypatch, once(step, "after", TargetError("the answer was lost", transient=True)))
    rules = {table: {"casts": {"c": "jsonb"}, "max_rejects": rejects} for table in ("staged", "direct")}
    done = old.load(rules=rules)
    assert done.summary.outcome == "done", [table.message for table in done.summary.failed]
    assert [type(event).__name__ for event in done.events].count("StepRetried") == 1
    for table, rows in (("staged", 201), ("direct", 9)):
        told = done.summary.tables[table]
        assert (told.rows, told.rejects) == (rows - rejects, rejects)
        assert old.pg(f"SELECT c, count(*) FROM {{s}}.{table} GROUP BY c") == [(7, rows - rejects)]
        kept = old.pg("SELECT count(*) FROM bulketl.reject WHERE run = %s AND table_name = %s", (done.summary.run, table))
        assert kept == [(rejects,)]


def test_a_group_whose_answer_was_lost_may_be_tried_again_and_rows_are_not_doubled(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 4: many small tables in one transaction, which come back table by table."""
    for name in ("a", "b", "c"):
        maria_lab.mysql(f"CREATE TABLE {name} (id int)", f"INSERT INTO {name} VALUES (1), (1), (2)")
    use(monkeypatch, once("group", "after", TargetError("the answer was lost", transient=True)))
    done = maria_lab.load()
    assert len(done.plan.groups) == 1
    assert done.summary.outcome == "done"
    assert done.summary.totals["rows"] == 9
    assert [d for name in ("a", "b", "c") for d in maria_lab.differences(name)] == []


def test_a_connection_that_postgres_ends_in_the_middle_of_a_copy_costs_nothing(
    old: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 1: the backend is gone amid the load, really; the step runs again on a new connection."""
    small_partitions(monkeypatch, 50)
    no_pauses(monkeypatch)
    ended: list[object] = []

    def fault(step: str, moment: str) -> None:
        if (step, moment) == ("load", "amid") and not ended:
            ended.extend(
                old.pg(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    " AND datname = current_database() AND application_name = 'bulketl'"
                )
            )

    use(monkeypatch, fault)
    done = old.load(workers=1)
    assert ended
    assert done.summary.outcome == "done", [table.message for table in done.summary.failed]
    assert old.differences("staged") == old.differences("direct") == []


def test_a_load_that_is_killed_before_it_publishes_leaves_the_table_as_it_was(old: Lab) -> None:
    """Promise 1: kill -9 while the loader waits for its lock; the table has its old rows, and the next load completes it."""
    environment = {
        **os.environ, "BULKETL_SOURCE": old.source, "BULKETL_TARGET": old.target, "BULKETL_SCHEMA": old.schema
    }  # fmt: skip
    here = "SELECT pid FROM pg_stat_activity WHERE application_name = 'bulketl' AND datname = current_database()"
    holder = threading.Event()
    held = threading.Event()

    def hold() -> None:
        import psycopg

        with psycopg.connect(old.target) as connection:
            connection.execute(f"LOCK TABLE {old.schema}.staged, {old.schema}.direct IN ACCESS SHARE MODE")
            held.set()
            holder.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(20)
    process = subprocess.Popen(
        [sys.executable, "-m", "bulketl", "load"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: bool(old.pg(f"{here} AND wait_event_type = 'Lock'")))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        holder.set()
        thread.join(20)
    until(lambda: not old.pg(here))
    assert contents(old, "staged") == OLD["staged"]
    assert contents(old, "direct") == OLD["direct"]
    assert old.load().summary.outcome == "done"
    assert old.differences("staged") == old.differences("direct") == []


def test_readers_see_the_old_rows_or_the_new_ones_and_nothing_between(old: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 1: whoever reads while tables are published sees a complete table, at any moment."""
    small_partitions(monkeypatch, 50)
    seen: dict[str, set[tuple[tuple[str, int], ...]]] = {"staged": set(), "direct": set()}
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for table, found in seen.items():
                found.add(tuple(contents(old, table)))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        old.load()
    finally:
        stop.set()
        thread.join(20)
    for table, found in seen.items():
        assert found <= {tuple(OLD[table]), tuple(NEW[table])}


@pytest.fixture
def broken(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table of 300 rows in several partitions, 12 of which hold a 2 where a boolean is declared."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, flag tinyint)",
        "INSERT INTO t SELECT seq, IF(seq % 25 = 0, 2, seq % 2) FROM seq_1_to_300",
    )
    return maria_lab


def test_a_row_that_was_read_is_copied_or_rejected(broken: Lab) -> None:
    """Promise 3: good + rejects = read, in the table, the summary and the ledger alike."""
    done = broken.load(rules={"t": {"casts": {"flag": "boolean"}, "max_rejects": 12}})
    told = done.summary.tables["t"]
    assert done.parts("t") >= 6
    assert (told.outcome, told.rows, told.rejects) == ("loaded", 288, 12)
    ids = {n for (n,) in broken.pg("SELECT id FROM {s}.t")}
    rejected = broken.pg("SELECT key->>'id', value, column_name FROM bulketl.reject WHERE run = %s", (done.summary.run,))
    assert {(str(n), "2", "flag") for n in range(25, 301, 25)} == set(rejected)
    assert len(rejected) == 12
    assert ids == set(range(1, 301)) - {int(n) for n, _, _ in rejected}
    run = (done.summary.run,)
    assert broken.pg("SELECT sum(rows), sum(rejects) FROM bulketl.partition WHERE run = %s", run) == [(288, 12)]
    assert broken.pg("SELECT rows, rejects FROM bulketl.table_load WHERE run = %s", run) == [(288, 12)]
    assert broken.pg("SELECT rows FROM bulketl.published WHERE run = %s", run) == [(288,)]


@pytest.mark.parametrize("size", [50, 100_000])
def test_a_table_with_more_rejects_than_allowed_is_not_published(
    broken: Lab, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Promise 3: staged or direct, the table stays away, and the rejects tell why."""
    small_partitions(monkeypatch, size)
    done = broken.load(rules={"t": {"casts": {"flag": "boolean"}, "max_rejects": 11}})
    told = done.summary.tables["t"]
    assert (told.outcome, told.error) == ("failed", "DataError")
    assert "12 rows" in told.message
    assert "t" not in broken.tables()
    assert broken.staged() == []
    assert broken.pg("SELECT count(*) FROM bulketl.reject WHERE run = %s", (done.summary.run,)) == [(12,)]


def test_a_row_that_only_postgres_refuses_is_found_among_good_ones(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 3: COPY ends at the first bad value; the rows around it arrive all the same."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, c varchar(20))",
        "INSERT INTO t SELECT seq, IF(seq IN (7, 8, 120), 'no', '{}') FROM seq_1_to_200",
    )
    done = maria_lab.load(rules={"t": {"casts": {"c": "jsonb"}, "max_rejects": 3}})
    assert (done.summary.tables["t"].rows, done.summary.tables["t"].rejects) == (197, 3)
    rejected = maria_lab.pg("SELECT (key->>'id')::int, reason FROM bulketl.reject WHERE run = %s", (done.summary.run,))
    assert sorted(n for n, _ in rejected) == [7, 8, 120]
    assert all("json" in reason for _, reason in rejected)


@pytest.fixture
def proxy(maria_lab: Lab) -> Iterator[Proxy]:
    """A proxy in front of the source."""
    connection = maria_lab.server.connect()
    port = connection.port
    connection.close()
    between = Proxy(port)
    yield between
    between.stop()


@pytest.mark.parametrize("key", ["PRIMARY KEY (id)", "KEY (id)"], ids=["ranges", "streamed"])
def test_a_line_that_is_cut_while_reading_is_read_again(
    maria_lab: Lab, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Promise 4: the source goes away in the middle of an answer, once; every row arrives once."""
    small_partitions(monkeypatch, 2000)
    no_pauses(monkeypatch)
    maria_lab.mysql(
        f"CREATE TABLE t (id int, c varchar(200), {key})",
        "INSERT INTO t SELECT seq, REPEAT('x', 200) FROM seq_1_to_5000",
        "ANALYZE TABLE t",
    )
    config = maria_lab.config(source=maria_lab.server.database(maria_lab.database, port=proxy.port), workers=1)
    import bulketl

    plan = bulketl.make_plan(config)
    proxy.cut_after = 200_000
    events: list[object] = []
    summary = bulketl.load(config, plan, [events.append])
    assert proxy.cuts == 1
    assert summary.outcome == "done", [table.message for table in summary.failed]
    assert [type(event).__name__ for event in events].count("StepRetried") == 1
    assert maria_lab.differences("t") == []


@pytest.mark.parametrize("error", [SourceError("broken"), TargetError("refused"), BulketlError("lost", transient=True)])
def test_a_failed_table_does_not_stop_the_others(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, error: BulketlError
) -> None:
    """Promise 6: in a group or staged, one table fails, the others are complete."""
    small_partitions(monkeypatch, 50)
    no_pauses(monkeypatch)
    for name in ("a", "b", "c", "big1", "big2"):
        rows = 200 if name.startswith("big") else 5
        maria_lab.mysql(f"CREATE TABLE {name} (id int PRIMARY KEY)", f"INSERT INTO {name} SELECT seq FROM seq_1_to_{rows}")
    from bulketl.loading import run as runs
    from bulketl.mysql import source

    class Source(source.MySQLSource):
        def read(self, spec, partition, sign=""):  # type: ignore[no-untyped-def]
            if spec.table in ("b", "big1"):
                raise error
            return super().read(spec, partition)

    monkeypatch.setattr(runs, "MySQLSource", Source)
    one_by_one(monkeypatch)
    done = maria_lab.load(unforeseen="planted amid the load")
    assert {table.table for table in done.summary.failed} == {"b", "big1"}
    assert done.summary.outcome == "partly done"
    assert maria_lab.tables() == {"a", "c", "big2"}
    assert [d for table in ("a", "c", "big2") for d in maria_lab.differences(table)] == []
    assert maria_lab.staged() == []


def test_a_table_that_cannot_be_read_when_planning_does_not_stop_the_others(maria_lab: Lab) -> None:
    """Promise 6: a damaged table is refused with its reason, and the plan has the others."""
    maria_lab.mysql("CREATE TABLE good (id int PRIMARY KEY)", "INSERT INTO good VALUES (1)",
                    "CREATE TABLE damaged (id int) ENGINE=MERGE UNION=(missing)")  # fmt: skip
    done = maria_lab.load()
    assert [table.table for table in done.summary.failed] == ["damaged"]
    assert maria_lab.differences("good") == []


def test_an_interrupted_load_ends_as_interrupted_and_the_next_leaves_nothing_staged(
    old: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 1: Ctrl-C in the driver; the tables have their old rows, the ledger says so; what it staged waits for
    --resume."""
    small_partitions(monkeypatch, 50)
    use(monkeypatch, lambda step, moment: None)
    import bulketl

    def stop(event: object) -> None:
        if type(event).__name__ == "PartitionLoaded":
            raise KeyboardInterrupt

    config = old.config(workers=1)
    plan = bulketl.make_plan(config, tables=["staged"])
    with contextlib.suppress(KeyboardInterrupt):
        bulketl.load(config, plan, [stop])
    assert contents(old, "staged") == OLD["staged"]
    query = "SELECT outcome FROM bulketl.run WHERE schema_name = %s ORDER BY started_at"
    assert execute(old.target, query, (old.schema,))[-1] == ("interrupted",)
    old.load()
    assert old.staged() == []
    assert [outcome for (outcome,) in execute(old.target, query, (old.schema,))][-2:] == ["superseded", "done"]
