"""A run that loses the connection that holds its locks takes them again; when another came between, it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from faults import no_pauses, small_partitions
from lab import Lab, configure, execute

import bulketl
from bulketl.errors import TargetError
from bulketl.loading.events import Event, PartitionLoaded
from bulketl.postgres.locks import alive, held
from bulketl.postgres.server import Postgres

HOLDERS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE application_name LIKE 'bulketl 2%' AND datname = current_database()"
)
OTHER = "20200101-000000-abcd"


@pytest.fixture
def parts(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table of eight partitions that was loaded, and has other rows since."""
    small_partitions(monkeypatch, 50)
    no_pauses(monkeypatch)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(20))",
                    "INSERT INTO t SELECT seq, 'old' FROM seq_1_to_400")  # fmt: skip
    maria_lab.load()
    maria_lab.mysql("UPDATE t SET c = 'new'")
    return maria_lab


def loses_locks(
    lab: Lab, then: Callable[[], object] = lambda: None
) -> tuple[bulketl.Config, bulketl.Plan, Callable[[Event], None]]:
    """Return a load whose locks go after its first partition, and what watches it do so; `then` happens at that moment."""
    lost: list[str] = []

    def cut(event: Event) -> None:
        if isinstance(event, PartitionLoaded) and not lost:
            lost.append(event.run)
            assert lab.pg(HOLDERS) == [(1,)]
            then()

    config = lab.config(workers=1)
    return config, bulketl.make_plan(config), cut


def outcome(lab: Lab, run: str) -> str | None:
    found: list[tuple[str | None]] = lab.pg("SELECT outcome FROM bulketl.run WHERE run = %s", (run,))
    return found[0][0]


def test_locks_that_are_lost_are_taken_again(parts: Lab) -> None:
    """Somebody ended the session, or the server was restarted: the load goes on, and nobody else may load meanwhile."""
    held_again: list[bool] = []

    def look(event: Event) -> None:
        if isinstance(event, PartitionLoaded):
            with Postgres(parts.target).connect() as connection:
                held_again.append(alive(connection, event.run))

    config, plan, cut = loses_locks(parts)
    summary = bulketl.load(config, plan, [cut, look])
    assert summary.outcome == "done", summary.failed
    assert held_again == [False, *[True] * 7]
    assert parts.differences("t") == []
    assert parts.staged() == []


def test_a_run_whose_locks_another_has_taken_ends_and_writes_nothing_more(parts: Lab) -> None:
    """It says which run on which host, and leaves a run that can be resumed."""
    with contextlib.ExitStack() as stack:
        other = held(Postgres(parts.target), OTHER, "elsewhere", parts.schema, ["t"])
        config, plan, cut = loses_locks(parts, lambda: stack.enter_context(other))
        with pytest.raises(TargetError, match=rf"table '{parts.schema}.t' is loaded by run {OTHER} on "):
            bulketl.load(config, plan, [cut])
        assert parts.pg("SELECT DISTINCT c FROM {s}.t") == [("old",)]
        ((run,),) = parts.pg("SELECT run FROM bulketl.run WHERE schema_name = '{s}' ORDER BY started_at DESC LIMIT 1")
        assert outcome(parts, run) == "interrupted"
    assert bulketl.resume(config).outcome == "done"
    assert parts.differences("t") == []


def test_a_run_that_another_has_overtaken_ends_and_leaves_what_that_one_loaded(parts: Lab) -> None:
    """The later load came and went while the locks were free: what it swept away is not used any more."""

    def overtake() -> None:
        assert parts.load().summary.outcome == "done"
        parts.mysql("UPDATE t SET c = 'newer'")

    config, plan, cut = loses_locks(parts, overtake)
    with pytest.raises(TargetError, match="a later load has taken its place") as ended:
        bulketl.load(config, plan, [cut])
    run = ended.value.message.split()[1]
    assert outcome(parts, run) == "superseded"
    assert parts.pg("SELECT DISTINCT c FROM {s}.t") == [("new",)]
    assert parts.staged() == []


def test_a_step_writes_nothing_while_the_locks_of_its_run_are_free(parts: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever might hold them next; the step is tried again, and fails when nobody takes them."""
    monkeypatch.setattr("bulketl.postgres.locks.Locks.keep", lambda locks: None)
    config, plan, cut = loses_locks(parts)
    (failed,) = bulketl.load(config, plan, [cut]).failed
    assert "any more: its locks in the target are free" in failed.message
    assert parts.pg("SELECT DISTINCT c FROM {s}.t") == [("old",)]


def test_a_load_sweeps_nothing_of_a_run_into_another_schema(parts: Lab) -> None:
    """A run into one schema that was stopped can be resumed after a load into another."""
    stopped = [False]

    def stop(event: Event) -> None:
        stopped[0] = stopped[0] or isinstance(event, PartitionLoaded)

    config = parts.config(workers=1)
    summary = bulketl.load(config, bulketl.make_plan(config), [stop], closed=lambda: stopped[0])
    assert summary.outcome == "stopped"
    other = parts.schema + "_other"
    execute(parts.target, f"CREATE SCHEMA {other}")
    try:
        elsewhere = configure(parts.source, parts.target, other)
        assert bulketl.load(elsewhere, bulketl.make_plan(elsewhere)).outcome == "done"
        assert len(parts.staged()) == 1
        assert bulketl.resume(config).outcome == "done"
    finally:
        execute(parts.target, f"SET client_min_messages = warning; DROP SCHEMA {other} CASCADE")
    assert parts.differences("t") == []
