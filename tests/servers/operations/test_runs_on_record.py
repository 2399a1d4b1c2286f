"""Every act that writes is a run on record: one row in `bulketl.run` for each, and every run named anywhere is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import Lab

import bulketl
from bulketl import DataError, PlanError, TargetError
from bulketl.loading.events import Event, TableStarted
from bulketl.postgres.ledger.looking import looking
from bulketl.postgres.ledger.onetable import loads_of
from bulketl.postgres.ledger.runs import dead_runs, paces
from bulketl.postgres.locks import held
from bulketl.postgres.server import Postgres
from bulketl.tables.measured import Pace

NOT_NEGATIVE = {"range": "n", "min": 0, "severity": "reject"}
RETENTION = {"retention": {"keep": "7y", "by": "at", "action": "delete"}}
RULES: dict[str, Any] = {
    "t": {"checks": [NOT_NEGATIVE], "max_rejects": 9, **RETENTION},
    "log": {"table_importance": "audit", "max_rejects": 9, "checks": [NOT_NEGATIVE], **RETENTION},
}
# Names of runs stand in these columns of the ledger too.
OTHER_COLUMNS = {("reject", "settled")}


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """Two tables with ten old rows, ten new ones and one that is rejected each; both loaded once."""
    for table in ("t", "log"):
        maria_lab.mysql(
            f"CREATE TABLE {table} (id int PRIMARY KEY, n int, at datetime)",
            f"INSERT INTO {table} SELECT seq, seq, IF(seq <= 10, '2001-02-03', NOW()) FROM seq_1_to_20",
            f"INSERT INTO {table} VALUES (21, -1, NOW())",
        )
    maria_lab.load(rules=RULES)
    return maria_lab


def repair(lab: Lab, _: Path) -> None:
    """Take a row out of the target, and repair it."""
    lab.pg("DELETE FROM {s}.t WHERE id = 15")
    assert bulketl.verify(lab.config(rules=RULES), tables=["t"], repair=True).equal


def retry(lab: Lab, _: Path) -> None:
    """Correct what was rejected, and retry it."""
    lab.mysql("UPDATE t SET n = 5 WHERE id = 21", "UPDATE log SET n = 5 WHERE id = 21")
    assert sum(one.loaded for one in bulketl.retry_rejects(lab.config(rules=RULES))) == 2


def retain(lab: Lab, folder: Path) -> None:
    """Let the old rows leave."""
    assert sum(one.rows for one in bulketl.retain_tables(lab.config(rules=RULES), (), folder)) == 20


def reload(lab: Lab, _: Path) -> None:
    """Load what has changed."""
    lab.mysql("UPDATE t SET n = 7 WHERE id = 12", "INSERT INTO log VALUES (30, 1, NOW())")
    lab.load(rules=RULES)


ACTS: dict[str, Callable[[Lab, Path], None]] = {"load": reload, "repair": repair, "retry": retry, "retention": retain}
DONE = {"load": "loaded", "repair": "loaded", "retry": "loaded", "retention": "shortened"}
BY_RUN = ("event", "cancel")  # tables that know a schema by the run alone
ON_RECORD = "SELECT run FROM bulketl.run WHERE schema_name = '{s}'"


def unknown(lab: Lab) -> list[tuple[str, str, str]]:
    """Return the runs that a table of the ledger names and `bulketl.run` does not have, by table and column."""
    columns = lab.pg(
        "SELECT relname, attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE attname = 'run'"
        " AND attnum > 0 AND relkind = 'r' AND relnamespace = 'bulketl'::regnamespace AND relname <> 'run'"
    )
    assert len(columns) >= 10

    def of(table: str) -> str:
        """Take only this schema's rows, where the table has its name."""
        return "true" if table in BY_RUN else "schema_name = '{s}'"

    return [
        (table, column, run)
        for table, column in {*columns, *OTHER_COLUMNS}
        for (run,) in lab.pg(
            f"SELECT DISTINCT {column} FROM bulketl.{table} WHERE {of(table)} AND {column} <> ''"
            f" AND {column} NOT IN ({ON_RECORD if table not in BY_RUN else 'SELECT run FROM bulketl.run'})"
        )
    ]


def records(lab: Lab) -> dict[str, tuple[str, str | None]]:
    """Return kind and outcome of every run on record."""
    found = lab.pg("SELECT run, kind, outcome FROM bulketl.run WHERE schema_name = '{s}'")
    return {run: (kind, outcome) for run, kind, outcome in found}


@pytest.mark.parametrize("act", ACTS)
def test_each_act_that_writes_is_one_run_on_record(lab: Lab, tmp_path: Path, act: str) -> None:
    """With its kind, plan, outcome, totals and what became of each table; whatever it wrote bears its name."""
    before = records(lab)
    assert set(before.values()) == {("load", "done")}
    ACTS[act](lab, tmp_path)
    ((run, ended),) = (item for item in records(lab).items() if item[0] not in before)
    assert ended == (act, "done")
    ((source, zone, summary, finished, document, tables),) = lab.pg(
        "SELECT source, zone, summary, finished_at >= started_at, document, (SELECT array_agg(table_name ORDER BY 1)"
        " FROM bulketl.table_load t WHERE t.run = r.run AND t.outcome = %s) FROM bulketl.run r WHERE run = %s",
        (DONE[act], run),
    )
    assert (source, finished) == (bulketl.make_plan(lab.config(rules=RULES)).source, True)
    assert zone or act in ("repair", "retention")  # '' is the server's, or that no source is read
    assert [load["spec"]["table"] for group in document["groups"] for load in group["loads"]]
    touched = ["t"] if act == "repair" else ["log", "t"]
    assert tables == touched
    rows = {"repair": 1, "retry": 2, "retention": 20}
    assert (summary["tables"], summary["failed"], summary["rows"]) == (len(touched), 0, rows.get(act, summary["rows"]))
    assert unknown(lab) == []


def test_every_run_that_the_ledger_names_is_on_record(lab: Lab, tmp_path: Path) -> None:
    """After all acts one after another, in whatever table of the ledger it stands; records say source and schema."""
    for act in ("repair", "retry", "load", "retention"):
        ACTS[act](lab, tmp_path)
    assert unknown(lab) == []
    assert sorted(kind for kind, _ in records(lab).values()) == ["load", "load", "repair", "retention", "retry"]
    places = lab.pg(
        "SELECT DISTINCT (t.source, t.schema_name) = (r.source, r.schema_name), t.source <> ''"
        " FROM bulketl.table_load t JOIN bulketl.run r USING (run) WHERE r.schema_name = '{s}'"
    )
    assert places == [(True, True)]


def test_looking_at_what_retention_would_do_is_no_run(lab: Lab, tmp_path: Path) -> None:
    """Nor is a retention without a table that has a rule, nor a retry without a reject."""
    config = lab.config(rules=RULES)
    before = records(lab)
    assert [one.rows for one in bulketl.retain_tables(config)] == [10, 10]
    assert bulketl.retain_tables(lab.config(rules={}), (), tmp_path) == []
    retry(lab, tmp_path)
    after = records(lab)
    assert bulketl.retry_rejects(config) == []
    assert (len(after) - len(before), records(lab)) == (1, after)


def failing_retry(lab: Lab, _: Path) -> None:
    """The first table takes its row, the second one fails a check."""
    lab.mysql("UPDATE t SET n = 5 WHERE id = 21", "UPDATE log SET n = 5 WHERE id = 21")
    few = {
        "t": {**RULES["t"], "checks": [NOT_NEGATIVE, {"row_count": {"max": 20}, "severity": "fail"}]},
        "log": RULES["log"],
    }
    with pytest.raises(DataError, match="row_count"):
        bulketl.retry_rejects(lab.config(rules=few))


def failing_retention(lab: Lab, folder: Path) -> None:
    """The first table is shortened, the second goes by a column that is no date."""
    rules = {**RULES, "t": {"retention": {**RETENTION["retention"], "by": "n"}}}
    with pytest.raises(PlanError, match="which its retention goes by"):
        bulketl.retain_tables(lab.config(rules=rules), (), folder)


@pytest.mark.parametrize(("kind", "act"), [("retry", failing_retry), ("retention", failing_retention)])
def test_an_act_that_fails_ends_on_record(lab: Lab, tmp_path: Path, kind: str, act: Callable[[Lab, Path], None]) -> None:
    """What it did before stays, and is on record; so is why it failed."""
    before = records(lab)
    act(lab, tmp_path)
    ((run, ended),) = (item for item in records(lab).items() if item[0] not in before)
    assert ended == (kind, "partly done")
    tables = lab.pg("SELECT table_name, outcome, error IS NULL FROM bulketl.table_load WHERE run = %s ORDER BY 1", (run,))
    assert tables == [("log", DONE[kind], True), ("t", "failed", False)]
    assert unknown(lab) == []


def test_an_act_that_is_interrupted_ends_on_record(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As interrupted, and the next load does not take its place."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bulketl.operations.retention.retain", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bulketl.retain_tables(lab.config(rules=RULES), (), tmp_path)
    assert sorted(records(lab).values()) == [("load", "done"), ("retention", "interrupted")]
    lab.load(rules=RULES)
    assert sorted(records(lab).values()) == [("load", "done"), ("load", "done"), ("retention", "interrupted")]


@pytest.mark.parametrize("next_one", ["load", "repair"])
def test_an_act_that_was_killed_is_interrupted_once_a_run_finds_it(lab: Lab, tmp_path: Path, next_one: str) -> None:
    """Of whatever kind the next one is: it has no end of its own; its record gets one."""
    retain(lab, tmp_path)
    lab.pg("UPDATE bulketl.run SET finished_at = NULL, outcome = NULL WHERE schema_name = '{s}' AND kind = 'retention'")
    ACTS[next_one](lab, tmp_path)
    assert ("retention", "interrupted") in records(lab).values()
    with Postgres(lab.target).connect() as connection:
        assert not set(dead_runs(connection)) & set(records(lab))


def test_an_act_that_another_run_keeps_out_is_no_run(lab: Lab, tmp_path: Path) -> None:
    """Nothing was written."""
    before = records(lab)
    with held(Postgres(lab.target), "other", "elsewhere", lab.schema, ["t"]):
        with pytest.raises(TargetError, match="is loaded by run other"):
            bulketl.retain_tables(lab.config(rules=RULES), (), tmp_path)
        with pytest.raises(TargetError, match="is loaded by run other"):
            bulketl.retry_rejects(lab.config(rules=RULES))
    assert records(lab) == before
    assert lab.pg("SELECT count(*) FROM {s}.log") == [(20,)]


# --- who reads the runs ----------------------------------------------------------------------------------------------


def pace(lab: Lab) -> dict[str, Pace]:
    """Return how fast loads are known to be."""
    with Postgres(lab.target).connect() as connection:
        return paces(connection, lab.schema)


@pytest.mark.parametrize("act", ["repair", "retry", "retention"])
def test_who_asks_for_the_last_load_gets_the_last_load(lab: Lab, tmp_path: Path, act: str) -> None:
    """For its plan, for its pace, for its certificate, and to go on with it; whatever was done since."""
    config = lab.config(rules=RULES, certify=True)
    load = bulketl.load(config, bulketl.make_plan(config)).run
    lab.pg("UPDATE bulketl.table_load SET seconds = 77 WHERE schema_name = '{s}'")
    certified, known = bulketl.certificate(config), pace(lab)
    ACTS[act](lab, tmp_path)
    assert bulketl.compare_with_last(config, bulketl.make_plan(config, full=True))[0] == load
    assert pace(lab) == known
    assert bulketl.certificate(config) == certified
    with pytest.raises(PlanError, match=f"run {load} cannot be resumed: it ended"):
        bulketl.resume(config)
    ((run,),) = lab.pg("SELECT run FROM bulketl.run WHERE schema_name = '{s}' AND kind = %s", (act,))
    with pytest.raises(PlanError, match=f"run {run} cannot be resumed: it is a {act}"):
        bulketl.resume(config, run)
    with pytest.raises(PlanError, match="there is no certificate of run"):
        bulketl.certificate(config, run)


def test_a_load_that_was_interrupted_can_be_resumed_after_a_repair(lab: Lab, tmp_path: Path) -> None:
    """The last load is meant, and not the last run."""
    lab.mysql("UPDATE t SET n = n + 1 WHERE n > 0")

    def stop(event: Event) -> None:
        if isinstance(event, TableStarted):
            raise KeyboardInterrupt

    config = lab.config(rules=RULES)
    with pytest.raises(KeyboardInterrupt):
        bulketl.load(config, bulketl.make_plan(config, tables=["t"], full=True), [stop])
    lab.pg("DELETE FROM {s}.log WHERE id = 15")
    bulketl.verify(config, tables=["log"], repair=True)
    assert bulketl.resume(config).outcome == "done"
    assert sorted(records(lab).values()) == [("load", "done"), ("load", "done"), ("repair", "done")]


@pytest.mark.parametrize("act", ["retry", "retention"])
def test_the_last_run_of_rejects_is_the_last_that_rejects(lab: Lab, tmp_path: Path, act: str) -> None:
    """A load or a repair; others reject nothing. By its name any run can be asked for."""
    config = lab.config(rules=RULES)
    ((load,),) = lab.pg(ON_RECORD)
    ACTS[act](lab, tmp_path)
    found = bulketl.list_rejects(config, run="last")
    assert [(item.run, item.table, item.settled) for item in found] == [
        (load, table, int(act == "retry")) for table in ("log", "t")
    ]
    ((run,),) = lab.pg("SELECT run FROM bulketl.run WHERE schema_name = '{s}' AND kind = %s", (act,))
    assert bulketl.list_rejects(config, run=run) == []


def test_of_runs_of_one_second_the_ledger_knows_the_order_and_their_names_do_not(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever lists runs, or asks for the last, goes by when they began."""
    made = [f"20200101-000000-{digits}{maria_lab.schema}" for digits in ("eeee", "0000", "ffff", "2222", "1111")]
    names = iter(made)
    monkeypatch.setattr("bulketl.loading.record.new_run", lambda: next(names))
    maria_lab.mysql("CREATE TABLE a (id int PRIMARY KEY)")
    config = maria_lab.config()
    for rows in range(1, len(made) + 1):
        maria_lab.mysql(f"INSERT INTO a VALUES ({rows})")
        maria_lab.load()
    last_first = made[::-1]
    assert [one.run for one in bulketl.runs(config)] == last_first
    assert [one.run for one in bulketl.nights(config, "a", 50).nights] == last_first
    assert [one.rows for one in bulketl.nights(config, "a", 3).nights] == [5, 4, 3]
    with looking(Postgres.of(config)) as look:
        assert [one.rows for one in loads_of(look, maria_lab.schema, "a", 3)] == [5, 4, 3]
    assert [one.run for one in bulketl.runs(config, 2)] == last_first[:2]
    assert bulketl.timeline(config, "last", 1).run.run == made[-1]
    (standing,) = bulketl.status(config).tables
    assert (standing.table, standing.rows) == ("a", 5)
    assert standing.run == made[-1]


def test_a_run_that_would_have_the_name_of_another_does_not_begin(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance may give two runs of one second the same: the first stays on record as it is, and the second says so."""
    monkeypatch.setattr("bulketl.loading.record.new_run", lambda: f"20200101-000000-{maria_lab.schema}")
    maria_lab.mysql("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)")
    run = maria_lab.load().summary.run
    record = "SELECT started_at, finished_at, outcome FROM bulketl.run WHERE schema_name = '{s}'"
    before = maria_lab.pg(record)
    maria_lab.mysql("INSERT INTO a VALUES (2)")
    with pytest.raises(TargetError, match=f"run {run} is on record already") as told:
        maria_lab.load(unforeseen="it is chance")
    assert told.value.hint == "give the command again"
    assert maria_lab.pg(record) == before
    assert maria_lab.pg("SELECT count(*) FROM {s}.a") == [(1,)]
    monkeypatch.undo()
    assert maria_lab.load().summary.outcome == "done"
