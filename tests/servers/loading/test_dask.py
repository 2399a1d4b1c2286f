"""The same run on a Dask cluster of separate processes: equal tables, the same caps, nothing lost when parts of it die."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any

import psycopg
import pytest
from distributed import Client, LocalCluster
from faults import no_pauses, small_partitions
from lab import Lab, execute
from masked import KEY
from test_consistency import ROWS, TOTAL, accounts, movers
from waiting import until

import bulketl
import bulketl.loading.dask
from bulketl.errors import ClusterError, ConfigError
from bulketl.loading.events import Event, PartitionLoaded, StepRetried, TableCompared, TableStarted

__all__ = ["accounts"]
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'bulketl%' AND datname = current_database()"
Cluster = Callable[[str, int], contextlib.AbstractContextManager[Executor]]


@pytest.fixture(scope="module")
def local() -> Iterator[LocalCluster]:
    """Two worker processes with two threads each, and a scheduler."""
    with LocalCluster(processes=True, n_workers=2, threads_per_worker=2, dashboard_address=":0", memory_limit=0) as cluster:
        yield cluster


@pytest.fixture
def cluster(local: LocalCluster) -> Iterator[Cluster]:
    """What a run takes as executor; a worker that a test has killed is there again before the next."""
    with Client(local, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    with bulketl.dask(local.scheduler_address) as executor:
        yield executor


@pytest.fixture
def filled(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Tables for every kind of step: partitions of a key, a stream without one, a group, and an audit table."""
    small_partitions(monkeypatch, 50)
    no_pauses(monkeypatch)
    maria_lab.mysql(
        "CREATE TABLE parts (id int PRIMARY KEY, c varchar(20), at datetime NOT NULL, KEY (at))",
        "INSERT INTO parts SELECT seq, CONCAT('row ', seq), '2024-01-01' + INTERVAL seq MINUTE FROM seq_1_to_600",
        "CREATE TABLE stream (c varchar(20), n int)",
        "INSERT INTO stream SELECT CONCAT('row ', seq), seq FROM seq_1_to_300",
        "CREATE TABLE one (id int PRIMARY KEY, c text)",
        "INSERT INTO one VALUES (1, 'é'), (2, NULL)",
        "CREATE TABLE empty (id int PRIMARY KEY)",
    )
    return maria_lab


def load(lab: Lab, executor: Cluster, observer: Callable[[Event], object] = lambda event: None, **options: Any) -> Any:
    """Load on the cluster; return the summary."""
    config = lab.config(**options.pop("settings", {}))
    return bulketl.load(config, bulketl.make_plan(config, **options), [observer], executor=executor)


def complete(lab: Lab) -> None:
    """Assert that every table is as its source has it, and nothing is left beside."""
    assert [line for name in ("parts", "one", "empty") for line in lab.differences(name)] == []
    assert lab.pg("SELECT count(*), sum(n), min(c), max(c) FROM {s}.stream") == [(300, 45150, "row 1", "row 99")]
    assert lab.staged() == []


def connections(lab: Lab) -> int:
    """Return how many sessions the runs of any process have at the target."""
    return int(execute(lab.target, SESSIONS)[0][0])


class Held:
    """A lock on a source table: steps that read it stand still until what is to happen meanwhile has happened."""

    def __init__(self, lab: Lab, then: Callable[[], object], reads: int = 2) -> None:
        self.lab, self.then, self.reads, self.events = lab, then, reads, list[Event]()
        self.connection = lab.server.connect(lab.database)
        self.cursor = self.connection.cursor()

    def waiting(self) -> int:
        """Return how many reads wait for the lock."""
        state = "SELECT count(*) FROM information_schema.processlist WHERE db = %s AND state LIKE 'Waiting for table%%'"
        return int(self.lab.server.execute(state, (self.lab.database,))[0][0])

    def release(self) -> None:
        self.connection.close()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, TableStarted) and event.table == "parts":
            self.cursor.execute("LOCK TABLES parts WRITE")
            threading.Thread(target=self._act).start()

    def _act(self) -> None:
        try:
            until(lambda: self.waiting() >= self.reads)
            self.then()
        finally:
            self.release()


def test_a_plan_loads_the_same_tables_with_threads_and_on_a_cluster(filled: Lab, cluster: Cluster) -> None:
    """Every kind of step; the summaries are the same but for names and seconds, and no connection stays."""
    rules = {"one": {"table_importance": "audit"}}
    incremental = {
        **rules,
        "parts": {
            "extraction_strategy": "chunked_incremental",
            "incremental_column": "at",
            "deletes": {"policy": "mirror", "every": "1s"},
        },
    }
    before = filled.load(rules=rules).summary
    summary = load(filled, cluster, settings={"rules": rules}, full=True)
    assert (summary.outcome, before.outcome) == ("done", "done")
    rows = [
        {table.table: (table.rows, table.rejects, table.bytes) for table in x.tables.values()} for x in (before, summary)
    ]
    assert rows[0] == rows[1]
    complete(filled)
    filled.mysql("DELETE FROM parts WHERE id < 20", "INSERT INTO parts SELECT seq, 'new', '2025-01-01' FROM seq_601_to_700")
    load(filled, cluster, settings={"rules": incremental}, full=True)
    filled.mysql("DELETE FROM parts WHERE id < 25", "INSERT INTO parts SELECT seq, 'new', '2025-02-01' FROM seq_701_to_900")
    events: list[Event] = []
    time.sleep(1.1)  # so that the comparison is due again
    summary = load(filled, cluster, events.append, settings={"rules": incremental})
    assert (summary.outcome, [table.message for table in summary.failed]) == ("done", [])
    assert any(isinstance(event, TableCompared) and event.gone == 5 for event in events)
    assert sum(isinstance(event, PartitionLoaded) and event.table == "parts" for event in events) > 1
    complete(filled)
    until(lambda: connections(filled) == 0)


@pytest.mark.parametrize("allowed", [3, 0])
def test_a_worker_that_is_killed_in_mid_load_loses_and_doubles_nothing(
    filled: Lab, local: LocalCluster, cluster: Cluster, allowed: int
) -> None:
    """However many deaths Dask itself would allow: the schedule tries the step again, and says so; no table fails."""
    local.scheduler.allowed_failures = allowed

    def kill() -> None:
        busy = [worker.pid for worker in local.workers.values() if local.scheduler.workers[worker.worker_address].processing]
        os.kill(busy[0], signal.SIGKILL)
        until(lambda: busy[0] not in [worker.pid for worker in local.workers.values()])

    held = Held(filled, kill)
    try:
        summary = load(filled, cluster, held, settings={"workers": 4})
    finally:
        local.scheduler.allowed_failures = 3
    assert (summary.outcome, summary.failed) == ("done", [])
    assert any(isinstance(event, StepRetried) and "worker that ran the step died" in event.message for event in held.events)
    complete(filled)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_caps_hold_whatever_the_size_of_the_cluster(filled: Lab, cluster: Cluster, workers: int) -> None:
    """Reads at the source, and connections at the target beside the one that holds the locks."""
    ended, reads, most = threading.Event(), [0], [0]

    def watch() -> None:
        with psycopg.connect(filled.target, autocommit=True) as connection:
            seen = deque[int](maxlen=4)  # a session that was closed is listed until its server process has ended
            while not ended.wait(0.1):
                seen.append((connection.execute(SESSIONS).fetchone() or (0,))[0] - 1)
                most[0] = max(most[0], min(seen))

    def settle() -> None:
        time.sleep(1)  # time for one read too many to come
        reads[0] = held.waiting()

    held, watcher = Held(filled, settle, reads=workers), threading.Thread(target=watch)
    watcher.start()
    try:
        summary = load(filled, cluster, held, settings={"workers": workers})
    finally:
        ended.set()
        watcher.join()
    assert summary.outcome == "done"
    assert reads == [workers]
    assert most[0] <= workers


def test_masks_hold_on_a_cluster_and_their_key_is_in_none_of_its_state(
    filled: Lab, local: LocalCluster, cluster: Cluster
) -> None:
    """In partitions, in a group and with rows read again; what is loaded is what the source's rows are under the masks."""
    filled.mysql("UPDATE parts SET c = CONCAT('Quillmask ', id)", "UPDATE one SET c = 'Quillmask 1'")
    rules = {
        "parts": {"mask": {"c": "hmac"}, "consistency": "re-read"},
        "one": {"mask": {"c": "partial"}},
        "stream": {"exclude_columns": ["c"]},
    }
    settings: dict[str, Any] = {"rules": rules, "mask_key": KEY}
    seen: list[str] = []

    def look() -> None:
        seen.extend(f"{task!r} {task.run_spec!r} {task.key} {task.metadata}" for task in local.scheduler.tasks.values())

    with Client(local, set_as_default=False) as client:
        for _ in range(2):
            summary = load(filled, cluster, Held(filled, look, reads=1), settings=settings, full=True)
            assert not summary.failed, summary.failed[0].message
        seen += [repr(client.get_scheduler_logs()), repr(client.get_worker_logs()), repr(client.get_events())]
    text = "\n".join(seen)
    assert KEY not in text
    assert "Quillmask" not in text
    assert bulketl.verify(filled.config(**settings), level="rows").equal
    ((rows, pseudonyms),) = filled.pg("SELECT count(*), count(*) FILTER (WHERE c ~ '^[0-9a-f]{32}$') FROM {s}.parts")
    assert (rows, pseudonyms) == (600, 600)
    tables = filled.pg(
        "SELECT c.oid::regclass::text FROM pg_class c WHERE relkind = 'r' AND relnamespace::regnamespace::text !~ '^pg_'"
    )
    kept = (str(filled.pg(f"SELECT t::text FROM {table} t WHERE t::text LIKE '%Quillmask%'")) for (table,) in tables)
    assert {*kept} == {"[]"}


def test_no_password_and_no_value_is_in_dasks_state_or_logs(filled: Lab, local: LocalCluster, cluster: Cluster) -> None:
    """Neither while steps run nor after one failed; a patient's name in a key stays out of the logs too."""
    filled.mysql("CREATE TABLE named (name varchar(30) PRIMARY KEY, n int NOT NULL)",
                 "INSERT INTO named SELECT CONCAT('Quillfeather ', 1000 + seq), seq FROM seq_1_to_200")  # fmt: skip
    user = f"u_{filled.database}"
    filled.server.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 's3cr3t-source'")
    filled.server.execute(f"GRANT SELECT ON {filled.database}.* TO {user}@'%'")
    source = filled.server.database(filled.database, user, "s3cr3t-source")
    seen: list[str] = []

    def look() -> None:
        for task in list(local.scheduler.tasks.values()):
            seen.append(f"{task!r} {task.run_spec!r} {task.key} {task.prefix!r} {task.annotations} {task.metadata}")
        seen.append(repr(local.scheduler.identity()))

    held = Held(filled, look, reads=1)
    rules = {"named": {"casts": {"n": "boolean"}, "max_rejects": 0}}
    with Client(local, set_as_default=False) as client:
        settings = {"source": source, "target": f"{filled.target} password=s3cr3t-target", "rules": rules}
        summary = load(filled, cluster, held, settings=settings)
        seen += [repr(client.get_scheduler_logs()), repr(client.get_worker_logs()), repr(client.get_events())]
    filled.server.execute(f"DROP USER {user}@'%'")
    assert [table.table for table in summary.failed] == ["named"]
    text = "\n".join(seen)
    assert "bulketl-load-" in text, "there was nothing to look at"
    for word in ("s3cr3t", "Quillfeather", "Compute Failed"):
        assert word not in text


def test_a_run_that_is_interrupted_is_resumed_on_the_cluster(filled: Lab, cluster: Cluster) -> None:
    """Ctrl-C ends the steps under way: what was read is on record, and no connection is left."""
    loaded: list[Event] = []

    def stop(event: Event) -> None:
        if isinstance(event, PartitionLoaded) and event.table == "parts":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(filled, cluster, stop)
    until(lambda: connections(filled) == 0)
    before = filled.pg("SELECT count(*) FROM bulketl.partition WHERE schema_name = '{s}'")[0][0]
    assert bulketl.resume(filled.config(), "", [loaded.append], executor=cluster).outcome == "done"
    again = sum(isinstance(event, PartitionLoaded) for event in loaded)
    assert filled.pg("SELECT count(*) FROM bulketl.partition WHERE schema_name = '{s}'") == [(before + again,)]
    complete(filled)


def test_at_the_end_of_its_window_a_run_stops_and_is_resumed(filled: Lab, cluster: Cluster) -> None:
    """As with threads."""
    config, over = filled.config(workers=1), [False]

    def look(event: Event) -> None:
        over[0] = over[0] or isinstance(event, PartitionLoaded)

    summary = bulketl.load(config, bulketl.make_plan(config), [look], closed=lambda: over[0], executor=cluster)
    assert summary.outcome == "stopped"
    assert bulketl.resume(config, executor=cluster).outcome == "done"
    complete(filled)


def test_one_moment_for_all_readers_holds_on_a_cluster(accounts: Lab, cluster: Cluster) -> None:
    """The sum is exact while money is moved, though the readers are in two processes."""
    rules = {"account": {"consistency": "snapshot"}}
    with movers(accounts, pause=0.001) as moved:
        before = moved[0]
        summary = load(accounts, cluster, settings={"rules": rules, "workers": 2, "source_connections": 3})
        assert moved[0] > before
    assert (summary.outcome, [table.message for table in summary.failed]) == ("done", [])
    assert summary.tables["account"].consistency == "snapshot"
    assert accounts.pg("SELECT count(*), sum(amount) FROM {s}.account") == [(ROWS, TOTAL)]


def test_another_version_is_refused_by_name(local: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler and every worker, each with what it has."""
    monkeypatch.setattr(bulketl.loading.dask, "version", lambda name: "0.0.9")
    with pytest.raises(ConfigError) as refused, bulketl.dask(local.scheduler_address):
        raise AssertionError
    for worker in local.scheduler.workers:
        assert f"worker {worker}: bulketl " in refused.value.message
    assert "the scheduler: bulketl " in refused.value.message
    assert refused.value.exit_code == 2


def test_a_cluster_without_workers_is_told_at_once() -> None:
    """Instead of a run that waits for ever."""
    with (
        LocalCluster(n_workers=0, dashboard_address=":0") as nobody,
        pytest.raises(ClusterError, match="has no workers"),
        bulketl.dask(nobody.scheduler_address),
    ):
        raise AssertionError
