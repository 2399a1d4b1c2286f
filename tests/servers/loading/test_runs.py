"""Runs beside each other and after each other: locks, what a dead run leaves, and going on where one was interrupted."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import Any

import pytest
from faults import small_partitions, use
from lab import Lab, configure, execute
from masked import KEY, OTHER

import bulketl
from bulketl.errors import PlanError, TargetError
from bulketl.loading.events import Event, PartitionLoaded, TablePublished
from bulketl.postgres.ledger.runs import dead_runs
from bulketl.postgres.locks import held


@pytest.fixture
def parts(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Two tables of eight partitions, and a small one."""
    small_partitions(monkeypatch, 50)
    for name in ("a", "b"):
        maria_lab.mysql(f"CREATE TABLE {name} (id int PRIMARY KEY, c varchar(20))",
                        f"INSERT INTO {name} SELECT seq, 'row' FROM seq_1_to_400")  # fmt: skip
    maria_lab.mysql("CREATE TABLE small (id int PRIMARY KEY)", "INSERT INTO small VALUES (1)")
    return maria_lab


def interrupted(lab: Lab, after: int, **overrides: Any) -> None:
    """Load, and press Ctrl-C after so many partitions."""
    seen = [0]

    def stop(event: Event) -> None:
        seen[0] += isinstance(event, PartitionLoaded)
        if seen[0] == after:
            raise KeyboardInterrupt

    config = lab.config(workers=1, **overrides)
    with contextlib.suppress(KeyboardInterrupt):
        bulketl.load(config, bulketl.make_plan(config), [stop])
    assert seen[0] >= after


def runs(lab: Lab) -> list[tuple[Any, ...]]:
    return execute(lab.target, "SELECT outcome FROM bulketl.run WHERE schema_name = %s ORDER BY started_at", (lab.schema,))


@pytest.mark.parametrize("after", [1, 3, 9, 14])
def test_a_run_that_was_interrupted_goes_on_at_the_partitions_that_are_not_on_record(parts: Lab, after: int) -> None:
    """No partition is loaded twice, everything is complete in the end, and nothing stays staged."""
    interrupted(parts, after)
    before = len(parts.pg("SELECT 1 FROM bulketl.partition WHERE schema_name = '{s}'"))
    assert before >= after
    events: list[Event] = []
    summary = bulketl.resume(parts.config(), "", [events.append])
    assert summary.outcome == "done"
    again = sum(isinstance(event, PartitionLoaded) for event in events)
    assert before + again == len(parts.pg("SELECT 1 FROM bulketl.partition WHERE schema_name = '{s}'"))
    assert [line for name in ("a", "b", "small") for line in parts.differences(name)] == []
    assert parts.staged() == []
    assert runs(parts) == [("done",)]


def test_a_run_of_a_version_that_read_no_integers_is_resumed(parts: Lab) -> None:
    """Its stored plan does not say how values are packed: what is left of it is read as it was."""
    parts.mysql("ALTER TABLE a ADD d decimal(9,2), ADD at datetime(3)", "UPDATE a SET d = id / 3, at = NOW(3)")
    interrupted(parts, 3)
    ((run, text),) = parts.pg("SELECT run, document::text FROM bulketl.run WHERE schema_name = '{s}'")
    older = json.loads(text, object_hook=lambda item: {k: v for k, v in item.items() if k not in ("packed", "unpack")})
    parts.pg("UPDATE bulketl.run SET document = %s WHERE run = %s", [json.dumps(older), run])
    assert bulketl.resume(parts.config()).outcome == "done"
    assert [line for name in ("a", "b", "small") for line in parts.differences(name)] == []


def test_a_run_that_was_killed_can_be_resumed(parts: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL leaves an open record, staging tables and no lock; here the process only forgets to clean up."""
    interrupted(parts, 3)
    parts.pg("UPDATE bulketl.run SET outcome = NULL, finished_at = NULL WHERE schema_name = '{s}'")
    assert bulketl.resume(parts.config()).outcome == "done"
    assert parts.differences("a") == []


def test_a_later_load_sweeps_what_an_interrupted_run_left(parts: Lab) -> None:
    """After it the interrupted run cannot be resumed, and says why."""
    interrupted(parts, 3)
    assert parts.staged()
    (name,) = parts.pg("SELECT run FROM bulketl.run WHERE schema_name = '{s}'")[0]
    assert parts.load().summary.outcome == "done"
    assert parts.staged() == []
    with pytest.raises(PlanError, match="a later load has taken its place"):
        bulketl.resume(parts.config(), name)


def test_a_run_is_not_resumed_when_what_it_was_planned_for_has_changed(parts: Lab) -> None:
    """All that changed is said; what was published stays, nothing else is done."""
    interrupted(parts, 1)
    parts.mysql("ALTER TABLE a MODIFY c varchar(30), ADD COLUMN n int", "DROP TABLE small")
    with pytest.raises(PlanError) as refused:
        bulketl.resume(parts.config())
    text = refused.value.message
    assert "column n is new" in text or "table b" in text
    assert "varchar(20) -> varchar(20) and is varchar(30) -> varchar(30)" in text
    assert "table small is gone" in text


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"max_rejects": 7}, "table b: its max_rejects was 0 and is 7"),
        ({"deletes": {"policy": "fail"}}, "table b: its deletes was mirror and is fail"),
        ({"consistency": "re-read"}, "table b: its consistency was best effort and is re-read"),
        ({"table_importance": "critical"}, "table b: its table_importance was reference and is critical"),
        ({"stop_after_minutes": 5}, "table b: its stop_after was none and is 300.0"),
        ({"checks": [{"unique": "id"}]}, "table b: its checks are others"),
        (
            {"extraction_strategy": "incremental", "incremental_column": "id"},
            "table b: its extraction_strategy was full_table and is incremental",
        ),
        ({"exclude": True}, "table b is excluded now"),
        (
            {"casts": {"c": "varchar(40)"}},
            "table b: column c was varchar(20) -> varchar(20) and is varchar(20) -> varchar(40)",
        ),
    ],
)
def test_a_run_is_not_resumed_when_the_rule_of_a_table_has_changed(parts: Lab, rule: dict[str, Any], told: str) -> None:
    """What of it is said; with the rule as it was the run goes on."""
    interrupted(parts, 3)
    with pytest.raises(PlanError) as refused:
        bulketl.resume(parts.config(rules={"b": rule}))
    assert told in refused.value.message
    assert "table a:" not in refused.value.message
    assert bulketl.resume(parts.config()).outcome == "done"


def test_a_run_is_not_resumed_with_another_mask_key(parts: Lab) -> None:
    """Its tables would have pseudonyms of two keys, and equal values others in each."""
    rules = {"b": {"mask": {"c": "hmac"}}}
    interrupted(parts, 3, rules=rules, mask_key=KEY)
    with pytest.raises(PlanError, match="table b: its masks, their key or their year are others") as refused:
        bulketl.resume(parts.config(rules=rules, mask_key=OTHER))
    assert KEY not in refused.value.message
    assert "table a:" not in refused.value.message
    assert bulketl.resume(parts.config(rules=rules, mask_key=KEY)).outcome == "done"


def test_a_run_of_changes_is_not_resumed_by_another_cursor(parts: Lab) -> None:
    """And goes on by its own, whatever a full load would do with rows that are gone."""
    rules = {"a": {"extraction_strategy": "incremental", "incremental_column": "id", "lookback": 390}}
    parts.load(rules=rules)
    parts.mysql("ALTER TABLE a ADD n int NOT NULL DEFAULT 1, ADD KEY (n)")
    parts.load(rules=rules)
    interrupted(parts, 3, rules=rules)
    with pytest.raises(PlanError, match="table a: its incremental_column was id and is n"):
        bulketl.resume(parts.config(rules={"a": {**rules["a"], "incremental_column": "n"}}))
    assert bulketl.resume(parts.config(rules=rules)).outcome == "done"
    assert parts.differences("a") == []


@pytest.mark.parametrize(
    ("name", "told"), [("", "there is no run into schema"), ("20200101-000000-abcd", "there is no run '")]
)
def test_a_run_that_never_was_is_not_resumed(maria_lab: Lab, name: str, told: str) -> None:
    """Without a ledger, and without a run of that name."""
    with pytest.raises(PlanError, match=told):
        bulketl.resume(maria_lab.config(), name)


def test_a_run_that_ended_is_not_resumed(parts: Lab) -> None:
    """There is nothing to go on with."""
    parts.load()
    with pytest.raises(PlanError, match="it ended: done"):
        bulketl.resume(parts.config())


def test_a_second_run_is_told_who_holds_what_it_wants(parts: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same source, or same tables; the run, its host and since when are named."""
    going, go_on = threading.Event(), threading.Event()

    def wait(step: str, moment: str) -> None:
        going.set()
        go_on.wait(30)

    use(monkeypatch, wait)
    config = parts.config()
    plan = bulketl.make_plan(config)
    summaries: list[bulketl.Summary] = []
    first = threading.Thread(target=lambda: summaries.append(bulketl.load(config, plan)))
    first.start()
    assert going.wait(30)
    try:
        with pytest.raises(TargetError) as refused:
            bulketl.load(config, plan)
        assert "is read by run 20" in refused.value.message
        assert f"on {socket.gethostname()[:30]} since 20" in refused.value.message
        assert parts.database in refused.value.message
    finally:
        go_on.set()
        first.join()
    assert summaries[0].outcome == "done"


def test_another_source_may_not_load_the_same_tables_at_the_same_time(parts: Lab) -> None:
    """The lock of a table holds whatever the source."""
    other = configure(parts.source, parts.target, parts.schema)
    plan = bulketl.make_plan(other)
    from bulketl.postgres.server import Postgres

    elsewhere = "mysql://elsewhere:3306/clinic"
    with (
        held(Postgres(parts.target), "20200101-000000-abcd", elsewhere, parts.schema, ["b"]),
        pytest.raises(TargetError, match=rf"table '{parts.schema}.b' is loaded by run 20200101-000000-abcd"),
    ):
        bulketl.load(other, plan)
    assert bulketl.load(other, plan).outcome == "done"


def test_a_run_is_dead_when_nobody_holds_its_lock(parts: Lab) -> None:
    """And alive while somebody does."""
    from bulketl.postgres.server import Postgres

    parts.load()
    parts.pg("UPDATE bulketl.run SET finished_at = NULL WHERE schema_name = '{s}'")
    (name,) = parts.pg("SELECT run FROM bulketl.run WHERE schema_name = '{s}'")[0]
    target = Postgres(parts.target)
    with target.connect() as connection:
        assert name in dead_runs(connection)
        with held(target, name, "source", parts.schema, []):
            assert name not in dead_runs(connection)


def test_at_the_end_of_its_window_a_run_publishes_what_is_complete_and_can_be_resumed(parts: Lab) -> None:
    """Steps under way are finished, no other begins; the next night goes on."""
    config = parts.config(workers=1)
    events: list[Event] = []
    over = [False]

    def look(event: Event) -> None:
        events.append(event)
        over[0] = over[0] or isinstance(event, TablePublished)

    summary = bulketl.load(config, bulketl.make_plan(config), [look], closed=lambda: over[0])
    assert summary.outcome == "stopped"
    assert [table.outcome for table in summary.tables.values()].count("loaded") == 1
    assert runs(parts) == [("stopped",)]
    assert bulketl.resume(config).outcome == "done"
    assert [line for name in ("a", "b", "small") for line in parts.differences(name)] == []


def test_of_runs_within_one_second_the_later_one_is_the_last(parts: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names have a random end, so which came first is what the ledger's clock says, for whoever asks for the last."""
    names = ["20260101-000000-ffff", "20260101-000000-0000"]
    monkeypatch.setattr("bulketl.loading.record.new_run", iter([f"{name}{parts.schema[-4:]}" for name in names]).__next__)
    rule = {"range": "id", "max": 399, "severity": "reject"}
    rules = {name: {"checks": [rule], "max_rejects": 1} for name in ("a", "b")}
    one, two = (parts.load(tables=[table], rules=rules).summary.run for table in ("a", "b"))
    assert one > two
    assert [(item.run, item.table) for item in bulketl.list_rejects(parts.config())] == [(two, "b"), (one, "a")]
    assert [item.table for item in bulketl.show_rejects(parts.config())] == ["b", "a"]
    assert {item.run for item in bulketl.list_rejects(parts.config(), run="last")} == {two}
    assert bulketl.compare_with_last(parts.config(), bulketl.make_plan(parts.config()))[0] == two
    with pytest.raises(PlanError, match=f"run {two} cannot be resumed"):
        bulketl.resume(parts.config())


def test_a_table_that_is_to_be_read_again_until_nothing_differs_is_so_when_its_run_is_resumed(parts: Lab) -> None:
    """All its ranges were staged when the window ended, and rows of it have changed since."""
    config = parts.config(workers=1, rules={"a": {"consistency": "re-read"}})
    staged = [0]

    def look(event: Event) -> None:
        staged[0] += isinstance(event, PartitionLoaded)

    plan = bulketl.make_plan(config, tables=["a"])
    assert bulketl.load(config, plan, [look], closed=lambda: staged[0] == 8).outcome == "stopped"
    parts.mysql("UPDATE a SET c = 'moved' WHERE id IN (1, 400)", "DELETE FROM a WHERE id = 200")
    summary = bulketl.resume(config)
    assert (summary.outcome, summary.tables["a"].consistency) == ("done", "re-read")
    assert parts.differences("a") == []
