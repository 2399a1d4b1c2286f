"""What is old leaves the ledger at the end of a load, and never what audit, a certificate or the next load needs."""

from __future__ import annotations

import datetime as dt
from typing import Any

import psycopg
import pytest
from lab import Lab
from nights import INCREMENTAL

import bulketl
from benchmarks import seeded
from bulketl import ConfigError
from bulketl.loading.events import LedgerPruned
from bulketl.loading.telling import from_record
from bulketl.postgres.ledger import pruning
from bulketl.postgres.ledger.pruning import prune
from bulketl.postgres.server import Connection, Postgres

RULES: dict[str, Any] = {
    "whole": {},
    "changes": INCREMENTAL,
    "log": {"table_importance": "audit"},
    "checked": {"max_rejects": 5, "checks": [{"range": "id", "min": 2, "severity": "reject"}]},
}
TIMES = {
    "run": ("started_at", "finished_at"), "partition": ("loaded_at",), "published": ("published_at",),
    "compared": ("compared_at",), "event": ("at",), "reject": ("rejected_at", "settled_at"), "certificate": (),
    "audit_chain": (), "audit_trail": (), "made": ("made_at",), "table_load": (), "state": (),
}  # fmt: skip
KEEP: dict[str, Any] = {"ledger": {"keep": "400d"}}


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """Tables that are replaced whole, loaded by their changes, audited, and with rows that are rejected."""
    for table in RULES:
        maria_lab.mysql(f"CREATE TABLE {table} (id int PRIMARY KEY, at datetime, KEY (at))",
                        f"INSERT INTO {table} SELECT seq, '2024-01-01' + INTERVAL seq DAY FROM seq_1_to_30")  # fmt: skip
    return maria_lab


def load(lab: Lab, **more: Any) -> str:
    return lab.load(rules=RULES, **more).summary.run


def age(lab: Lab, days: int = 500) -> None:
    """Let all that is on record of the schema be that much older."""
    for table, columns in TIMES.items():
        for column in columns:
            of = "run IN (SELECT run FROM bulketl.run WHERE schema_name = '{s}')"
            lab.pg(f"UPDATE bulketl.{table} SET {column} = {column} - interval '{days} days' WHERE {of}")


def kept(lab: Lab, run: str) -> dict[str, list[str]]:
    """Return the tables of each table of the ledger that a run still has a record of, [''] where it is of no table."""
    found = {}
    for table in TIMES:
        name = "''" if table in ("run", "event") else "table_name"
        rows = lab.pg(f"SELECT DISTINCT {name} FROM bulketl.{table} WHERE run = %s ORDER BY 1", (run,))
        if rows:
            found[table] = [name for (name,) in rows]
    return found


def test_what_is_old_goes_and_what_is_needed_stays(lab: Lab) -> None:
    """A table that was replaced since leaves no trace; rows that are there still can be traced to their run."""
    first = load(lab)
    lab.mysql(
        "INSERT INTO changes VALUES (31, '2024-03-01')", "DELETE FROM log WHERE id = 3", "DELETE FROM whole WHERE id = 1"
    )
    second = load(lab)
    age(lab)
    lab.mysql("DELETE FROM whole WHERE id = 2")
    before = {run: kept(lab, run) for run in (first, second)}
    assert "event" in before[first]
    done = lab.load(rules=RULES, **KEEP)
    pruned = done.summary.pruned
    assert pruned is not None
    assert pruned.left == 0
    assert kept(lab, first) == {
        "run": [""],
        "partition": ["changes", "log"],
        "published": ["changes", "log"],
        "reject": ["checked"],
        "audit_chain": ["log"],
        "made": before[first]["made"],
        "table_load": ["log"],
    }
    assert "event" not in kept(lab, second)
    assert kept(lab, second)["audit_trail"] == ["log"]
    for key, run in ((1, first), (31, second)):
        story = bulketl.why(lab.config(rules=RULES), "changes", key)
        assert [writer.run for writer in story.record.writers] == [run]
    assert bulketl.verify_audit(lab.config(rules=RULES))[0].problem == ""
    assert bulketl.status(lab.config(rules=RULES)).exit_code in (0, 3)
    assert bulketl.timeline(lab.config(), first).recorded == 0
    (event,) = [one for one in events(lab, done.summary.run) if isinstance(one, LedgerPruned)]
    assert event.rows == pruned.rows
    assert sum(pruned.rows.values()) > 10


def events(lab: Lab, run: str) -> list[Any]:
    rows = lab.pg("SELECT kind, body FROM bulketl.event WHERE run = %s ORDER BY seq", (run,))
    return [from_record(run, kind, body) for kind, body in rows]


def test_a_run_of_which_nothing_is_left_goes_itself(lab: Lab) -> None:
    """Its rejects settled, its tables replaced; the last load of each table stays however old it is."""
    rules: dict[str, Any] = {"whole": {}}
    runs = []
    for n in range(3):
        lab.mysql(f"DELETE FROM whole WHERE id = {n}")
        runs.append(lab.load(rules=rules, tables=["whole"]).summary.run)
    lab.pg("DELETE FROM bulketl.made WHERE run = ANY(%s)", (runs,))  # as of a table that was made before
    age(lab)
    lab.load(rules=rules, tables=["changes"], **KEEP)
    assert [bool(kept(lab, run)) for run in runs] == [False, False, True]
    assert {"run", "table_load", "published", "state"} <= set(kept(lab, runs[2]))
    assert bulketl.status(lab.config(), ["whole"]).tables[0].outcome == "loaded"


def test_a_table_that_is_swapped_in_every_night_leaves_no_trace_of_those_before(lab: Lab) -> None:
    """Nor do their runs stay for it; the entry of the table that is there stays, by which it is bulketl's."""
    rules: dict[str, Any] = {"whole": {"publish": "swap"}}
    runs = []
    for n in range(4):
        lab.mysql(f"UPDATE whole SET at = '2025-01-01' + INTERVAL {n} DAY")
        runs.append(lab.load(rules=rules, tables=["whole"]).summary.run)
    age(lab)
    assert lab.load(rules=rules, tables=["changes"], **KEEP).summary.pruned is not None
    assert [bool(kept(lab, run)) for run in runs] == [False, False, False, True]
    assert lab.pg("SELECT run FROM bulketl.made WHERE table_name = 'whole'") == [(runs[3],)]
    assert lab.load(rules=rules, tables=["whole"]).summary.outcome == "done"


def test_certificates_stay_with_what_they_show(lab: Lab) -> None:
    run = lab.load(rules={"whole": {}}, tables=["whole"], certify=True).summary.run
    lab.load(rules={"whole": {}}, tables=["whole"])
    age(lab)
    lab.load(rules={"whole": {}}, tables=["whole"], **KEEP)
    assert {"run", "table_load", "certificate"} <= set(kept(lab, run))
    assert bulketl.certificate(lab.config(), run)[0]["certified"]


def test_rejects_go_when_they_are_settled_and_not_before(lab: Lab) -> None:
    run = load(lab)
    age(lab)
    lab.load(rules=RULES, tables=["checked"], **KEEP)
    assert kept(lab, run)["reject"] == ["checked"]
    lab.pg("UPDATE bulketl.reject SET settled_at = now() - interval '401 days', settled = 'r' WHERE run = %s", (run,))
    lab.load(rules=RULES, tables=["checked"], **KEEP)
    assert "reject" not in kept(lab, run)


def test_findings_go_when_they_are_closed_and_not_before(lab: Lab) -> None:
    """With the runs that they were found in."""
    first = load(lab)
    place = f"'{lab.schema}', 'whole', '{{}}', '{first}', 's', 'critical', 1, 1, 1, 7, now() - interval '500 days'"
    for kind, closed in (("slower", "now() - interval '499 days'"), ("lag", "NULL")):
        lab.pg(f"INSERT INTO bulketl.finding VALUES ({place.format(kind)}, {closed})")
    lab.mysql("DELETE FROM whole WHERE id = 1")
    load(lab)
    age(lab)
    lab.load(rules=RULES, **KEEP)
    assert lab.pg("SELECT kind FROM bulketl.finding WHERE run = %s", (first,)) == [("lag",)]
    assert lab.pg("SELECT count(*) FROM bulketl.run WHERE run = %s", (first,)) == [(1,)]


def test_what_alerts_have_read_of_a_run_goes_with_its_events(lab: Lab) -> None:
    """One row of each run would stay for ever."""
    run = load(lab)
    lab.pg(f"INSERT INTO bulketl.alerted VALUES ('{run}', '{lab.schema}', 1, true)")
    lab.mysql("DELETE FROM whole WHERE id = 1")
    load(lab)
    age(lab)
    lab.load(rules=RULES, **KEEP)
    assert lab.pg("SELECT count(*) FROM bulketl.alerted WHERE run = %s", (run,)) == [(0,)]


def test_without_a_policy_and_within_it_nothing_goes(lab: Lab) -> None:
    run = load(lab)
    age(lab, 300)
    before = kept(lab, run)
    assert load(lab, **KEEP)
    assert lab.load(rules=RULES).summary.pruned is None
    assert {name: kept(lab, run).get(name) for name in ("event", "partition", "run")} == {
        name: before[name] for name in ("event", "partition", "run")
    }
    with pytest.raises(ConfigError, match=r"ledger\.keep"):
        lab.config(ledger={"keep": "3d"})


def test_other_schemas_and_runs_that_have_not_ended_are_left_alone(lab: Lab) -> None:
    run = load(lab)
    age(lab)
    lab.pg("UPDATE bulketl.run SET finished_at = NULL WHERE run = %s", (run,))
    with Postgres(lab.target).connect() as connection:
        assert prune(connection, "another", dt.datetime.now(dt.UTC)).rows == {}
        assert prune(connection, lab.schema, dt.datetime.now(dt.UTC) - dt.timedelta(days=400)).rows == {}
    assert "event" in kept(lab, run)
    lab.pg("UPDATE bulketl.run SET finished_at = now() WHERE run = %s", (run,))


def test_no_load_fails_or_is_silent_when_the_ledger_cannot_be_pruned(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise psycopg.errors.DiskFull("the disk is full")

    monkeypatch.setattr("bulketl.loading.pruning.prune", fails)
    done = lab.load(rules=RULES, **KEEP)
    assert done.summary.outcome == "done"
    assert done.summary.pruned is None
    assert "the ledger keeps what is older than 400 days" in caplog.text


def test_a_load_prunes_for_a_bounded_time_and_the_next_goes_on(postgres: str, lab: Lab) -> None:
    """Some runs at a time, those looked at the longest ago first, until all were looked at."""
    into = f"{lab.schema}_years"
    until = dt.datetime.now(dt.UTC)
    with Postgres(lab.target).connect() as connection:
        seeded.seed(connection, until, tables=5, nights=60, into=into)
        try:
            before = until - dt.timedelta(days=29.5)
            first = pruned_for(connection, into, before, 2)
            assert first.left == 30 - 2 * pruning.AT_ONCE
            assert first.rows["run"] == 2 * pruning.AT_ONCE
            rest = pruned_for(connection, into, before, 100)
            assert rest.left == 0
            assert rest.rows["run"] == 10
            assert pruned_for(connection, into, before, 100).rows == {}
            ((nights,),) = connection.execute("SELECT count(*) FROM bulketl.run WHERE schema_name = %s", (into,)).fetchall()
            assert nights == 30
        finally:
            for table in ("event", "partition", "published", "table_load", "run", "state"):
                of = (
                    "run IN (SELECT run FROM bulketl.run WHERE schema_name = %s)" if table == "event" else "schema_name = %s"
                )
                connection.execute(f"DELETE FROM bulketl.{table} WHERE {of}".encode(), (into,))
            connection.execute(f"DROP SCHEMA {into}".encode())


def pruned_for(connection: Connection, into: str, before: dt.datetime, looks: int) -> pruning.Pruned:
    """Prune by a clock that stops it after a number of transactions."""
    ticks = iter([0.0] * (looks + 1) + [pruning.SECONDS] * 2)
    return prune(connection, into, before, lambda: next(ticks))
