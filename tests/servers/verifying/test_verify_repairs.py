"""`bulketl verify` beyond finding: repairs and their guard, samples, what cannot be verified, the command, live writers."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab import Lab
from nights import INCREMENTAL
from test_verify import RULES, fill, named, only, verify
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.rows.coerce import coerce
from bulketl.verifying.verdicts import Level


def test_a_repair_respects_the_guard_of_deletes(lab: Lab) -> None:
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", *(f"INSERT INTO t VALUES ({n})" for n in range(60)))
    lab.load(rules={})
    lab.mysql("DELETE FROM t WHERE id >= 30")
    refused = verify(lab, {}, repair=True)
    assert not refused.equal
    assert "may go" in refused.repaired[0].problem
    assert lab.pg("SELECT count(*) FROM {s}.t") == [(60,)]
    assert verify(lab, {}, repair=True, allow_deletes=["t"]).equal
    assert lab.pg("SELECT count(*) FROM {s}.t") == [(30,)]
    ((deleted, rows),) = lab.pg(
        "SELECT p.deleted, s.rows FROM bulketl.state s JOIN bulketl.published p USING (run, schema_name, table_name)"
        " WHERE s.schema_name = '{s}'"
    )
    assert (deleted, rows) == (30, 30)


@pytest.mark.parametrize("first", [3, 10_000])
def test_however_many_rows_differ_each_is_counted_and_repaired(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """Of few they are kept as they are, of the others by their keys, and some buckets are listed at a time."""
    monkeypatch.setattr("bulketl.verifying.looks.DETAILED", first)
    monkeypatch.setattr("bulketl.rows.reconcile.KEYS_LISTED", 5000)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT seq, seq FROM seq_1_to_20000")
    maria_lab.load()
    maria_lab.pg("DELETE FROM {s}.t WHERE id % 500 = 1; UPDATE {s}.t SET n = -1 WHERE id % 500 = 2")
    maria_lab.pg("INSERT INTO {s}.t SELECT id + 20000, n FROM {s}.t WHERE id % 500 = 3")
    (found,) = verify(maria_lab, {}).tables
    assert (found.missing, found.differing, found.extra, found.wrong) == (40, 40, 40, 120)
    assert verify(maria_lab, {}, repair=True, allow_deletes=["t"]).equal
    assert maria_lab.differences("t") == []


def test_a_repair_is_on_record_like_a_load_and_holds_its_locks(lab: Lab) -> None:
    fill(lab)
    lab.load(rules=RULES)
    lab.pg("DELETE FROM {s}.t WHERE id IN (3, 4); UPDATE {s}.t SET word = 'x' WHERE id = 5")
    done = verify(lab, repair=True)
    ((outcome, finished),) = lab.pg("SELECT outcome, finished_at IS NOT NULL FROM bulketl.run WHERE run = %s", (done.run,))
    assert (outcome, finished) == ("done", True)
    assert lab.pg("SELECT rows, inserted, updated FROM bulketl.published WHERE run = %s", (done.run,)) == [(3, 2, 1)]
    assert lab.pg("SELECT missing, differing, gone FROM bulketl.compared WHERE run = %s", (done.run,)) == [(2, 1, 0)]
    assert lab.pg("SELECT reason, rows FROM bulketl.table_load WHERE run = %s", (done.run,)) == [
        ("repair after a verification", 3)
    ]
    lab.pg("DELETE FROM {s}.t WHERE id = 3")
    from bulketl.postgres.locks import held
    from bulketl.postgres.server import Postgres

    config = lab.config(rules=RULES)
    with (
        held(Postgres.of(config), "another", "elsewhere", lab.schema, ["t"]),
        pytest.raises(bulketl.TargetError, match="t"),
    ):
        verify(lab, repair=True)


POSITIVE = {"range": "n", "min": 0}


def test_rows_that_were_rejected_night_after_night_hide_no_loss(maria_lab: Lab) -> None:
    """A rejected row explains one that is missing, once, however many loads have rejected it; a load that failed none."""
    rules = {"t": {"checks": [{**POSITIVE, "severity": "reject"}], "max_rejects": 3}}
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT seq, CAST(seq AS SIGNED) - 3 FROM seq_1_to_50"
    )
    for _ in range(3):
        maria_lab.load(rules=rules)
    levels: tuple[Level, ...] = ("count", "sums", "keys", "rows")
    for level in levels:
        found = only(verify(maria_lab, rules, level=level))
        assert (found.equal, found.rejected) == (True, 2), level
    maria_lab.pg("DELETE FROM {s}.t WHERE id IN (17, 18)")
    for level in levels:
        found = only(verify(maria_lab, rules, level=level))
        assert (found.missing, found.rejected) == (2, 2), level
    maria_lab.mysql("INSERT INTO t VALUES (51, -1), (52, -1)")
    assert maria_lab.load(rules=rules).summary.tables["t"].outcome == "failed"
    assert (only(verify(maria_lab, rules, level="count")).missing, only(verify(maria_lab, rules)).missing) == (4, 4)


@pytest.mark.parametrize("key", ["int", "varchar(10)", "decimal(20,0)", "binary(4)", "date"])
def test_a_rejected_row_that_was_corrected_and_loaded_hides_no_loss(maria_lab: Lab, key: str) -> None:
    """Its reject stays on record until a retry, and explains nothing any more."""
    rules = {"t": {**INCREMENTAL, "checks": [{**POSITIVE, "severity": "reject"}], "max_rejects": 3}}
    keys = [f"'20240101' + {n}" if key == "date" else f"'{n}000'" for n in range(1, 10)]
    maria_lab.mysql(f"CREATE TABLE t (`5%id` {key} PRIMARY KEY, n int, at datetime)",
                    *(f"INSERT INTO t VALUES ({one}, {n}, '2024-01-01')" for n, one in enumerate(keys)),
                    "UPDATE t SET n = -1 WHERE n IN (3, 4)")  # fmt: skip
    maria_lab.load(rules=rules)
    maria_lab.mysql(f"UPDATE t SET n = 3, at = '2024-02-01' WHERE `5%id` = {keys[3]}")
    maria_lab.load(rules=rules)
    maria_lab.pg("DELETE FROM {s}.t WHERE n = 7")
    levels: tuple[Level, ...] = ("count", "sums", "keys", "rows")
    for level in levels:
        found = only(verify(maria_lab, rules, level=level))
        assert (found.missing, found.rejected) == (1, 1), level


def test_rows_of_a_table_without_a_key_that_were_rejected_hide_no_loss(maria_lab: Lab) -> None:
    """Their keys are all the same, and each counts."""
    rules = {"t": {"checks": [{**POSITIVE, "severity": "reject"}], "max_rejects": 3}}
    maria_lab.mysql("CREATE TABLE t (n int)", "INSERT INTO t SELECT CAST(seq AS SIGNED) - 3 FROM seq_1_to_50")
    for _ in range(3):
        maria_lab.load(rules=rules)
    assert only(verify(maria_lab, rules, level="count")).rejected == only(verify(maria_lab, rules)).rejected == 2
    maria_lab.pg("DELETE FROM {s}.t WHERE n IN (17, 18)")
    assert only(verify(maria_lab, rules, level="count")).missing == only(verify(maria_lab, rules)).missing == 2


@pytest.mark.parametrize("check", [POSITIVE, {"row_count": {"max": 10}}])
def test_a_repair_brings_in_no_row_that_a_load_would_not(maria_lab: Lab, check: dict[str, Any]) -> None:
    """Where the table fails a check, of its rows or as a whole, the repair changes nothing, and says which."""
    rules = {"t": {"checks": [{**check, "severity": "fail"}]}}
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT seq, seq FROM seq_1_to_10")
    maria_lab.load(rules=rules)
    maria_lab.mysql("INSERT INTO t VALUES (11, -5)")
    maria_lab.pg("UPDATE {s}.t SET n = 7 WHERE id = 3")
    done = verify(maria_lab, rules, repair=True)
    assert "does not pass its checks" in done.repaired[0].problem
    assert not done.equal
    assert maria_lab.pg("SELECT count(*), sum(n) FROM {s}.t") == [(10, 59)]
    assert maria_lab.pg("SELECT outcome FROM bulketl.run WHERE run = %s", (done.run,)) == [("failed",)]


def test_a_check_that_only_warns_is_noted_with_the_repair(maria_lab: Lab) -> None:
    rules = {"t": {"checks": [{"row_count": {"max": 9}, "severity": "warn"}]}}
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT seq, seq FROM seq_1_to_10")
    maria_lab.load(rules=rules)
    maria_lab.pg("DELETE FROM {s}.t WHERE id = 3")
    done = verify(maria_lab, rules, repair=True)
    assert done.equal
    ((noted,),) = maria_lab.pg("SELECT checks FROM bulketl.published WHERE run = %s", (done.run,))
    assert noted == {"warn": {"row_count ..9": 10}}


def test_a_repair_loses_no_row_on_the_way(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is counted there as in a load."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT seq, seq FROM seq_1_to_10")
    maria_lab.load(rules={})
    maria_lab.pg("DELETE FROM {s}.t WHERE id > 5")
    monkeypatch.setattr(
        "bulketl.verifying.repair.coerce",
        lambda *given: (batch := coerce(*given)) and replace(batch, good=batch.good.slice(1)),
    )
    done = verify(maria_lab, {}, repair=True)
    assert "5 rows were read, and 4 are good and 0 rejected" in done.repaired[0].problem
    assert maria_lab.pg("SELECT count(*) FROM {s}.t") == [(5,)]


def test_a_share_of_rejects_is_one_of_the_table_in_a_repair(maria_lab: Lab) -> None:
    """One bad row among the few to repair is no more of the table than it was in the load."""
    rules = {"t": {"checks": [{**POSITIVE, "severity": "reject"}], "max_rejects": "10%"}}
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT seq, seq FROM seq_1_to_50")
    maria_lab.load(rules=rules)
    maria_lab.mysql("UPDATE t SET n = -1 WHERE id = 4")
    maria_lab.pg("DELETE FROM {s}.t WHERE id IN (4, 5)")
    done = verify(maria_lab, rules, repair=True)
    assert (done.equal, done.repaired[0].problem, done.repaired[0].written) == (True, "", 1)
    assert maria_lab.pg("SELECT count(*) FROM bulketl.reject WHERE run = %s", (done.run,)) == [(1,)]


def test_a_plan_is_held_against_that_of_the_last_load_and_not_of_a_repair(maria_lab: Lab) -> None:
    """A repair is a run too, but its plan has single rows."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    first = maria_lab.load(rules={}).summary.run
    maria_lab.pg("DELETE FROM {s}.t WHERE id = 2")
    assert verify(maria_lab, {}, repair=True).equal
    assert bulketl.compare_with_last(maria_lab.config(), bulketl.make_plan(maria_lab.config()))[0] == first


def test_a_sample_is_the_same_for_the_same_seed(lab: Lab) -> None:
    """Some of the rows are looked at, with another seed others, and all of them over the seeds."""
    lab.mysql("CREATE TABLE t (id varchar(20) PRIMARY KEY, c int)",
              "INSERT INTO t SELECT CONCAT('k', seq), seq FROM (SELECT a.n + 10 * b.n + 100 * c.n AS seq FROM"
              " (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5) a,"
              " (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5) b,"
              " (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5) c) s")  # fmt: skip
    lab.load(rules={})
    one, again, other = (only(verify(lab, {}, sample=0.25, seed=seed)) for seed in (1, 1, 2))
    assert one.compared == again.compared
    assert 20 < one.compared < 90
    lab.pg("UPDATE {s}.t SET c = -1")
    found = [only(verify(lab, {}, sample=0.25, seed=seed, first=1000)) for seed in (1, 1, 2)]
    assert [item.compared for item in found] == [one.compared, one.compared, other.compared]
    assert [item.differing for item in found] == [item.compared for item in found]
    assert found[0].rows == found[1].rows != found[2].rows


def test_a_sample_of_ranges_finds_keys_beyond_the_targets(lab: Lab) -> None:
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", *(f"INSERT INTO t VALUES ({n * 5000})" for n in range(-10, 10)))
    lab.load(rules={})
    lab.mysql("INSERT INTO t VALUES (1000000), (-1000000)")
    found = [only(verify(lab, {}, sample=0.5, seed=seed)) for seed in range(8)]
    assert {item.missing for item in found} >= {1}
    assert all(0 < item.compared < 22 for item in found)


def test_what_cannot_be_verified_is_said_and_is_no_success(lab: Lab) -> None:
    lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, c int)", "CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO t VALUES (1, 1)"
    )
    lab.load(rules={}, tables=["t"])
    lab.mysql("ALTER TABLE t ADD d int")
    found = {item.table: item for item in verify(lab, {}).tables}
    assert not found["t"].equal
    assert "d" in found["t"].problem
    assert found["t"].compared == 1
    assert "not in the target" in found["u"].problem
    assert not verify(lab, {}).equal


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--level", "cells"], "there is no level"),
        (["--sample", "0%"], "is not possible"),
        (["--sample", "120%"], "is not possible"),
        (["--sample", "a few"], "is not a share"),
        (["--sample", "5%", "--level", "count"], "has no sample"),
        (["--repair", "--level", "sums"], "does not say which rows"),
        (["--first", "-1"], "cannot be named"),
        (["--tables", "nothing"], "no table"),
    ],
)
def test_a_wrong_request_ends_with_2(maria_lab: Lab, words: list[str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)")
    maria_lab.load(rules={})
    result = command(maria_lab, words, monkeypatch)
    assert result.exit_code == 2
    assert told in result.output


def command(lab: Lab, words: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    for key, value in {"SOURCE": lab.source, "TARGET": lab.target, "SCHEMA": lab.schema}.items():
        monkeypatch.setenv(f"BULKETL_{key}", value)
    return CliRunner().invoke(app, ["verify", *words])


def test_the_command_says_what_differs_and_ends_with_1(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = maria_lab
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(9))", "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    lab.load(rules={})
    equal = command(lab, [], monkeypatch)
    assert equal.exit_code == 0
    assert "the table is equal: 3 rows compared" in equal.output
    lab.pg("UPDATE {s}.t SET c = 'z' WHERE id = 2")
    differs = command(lab, [], monkeypatch)
    assert differs.exit_code == 1
    assert "2: differs in c" in differs.output
    assert "'z'" not in differs.output
    assert "'b' at the source, 'z' in the target" in command(lab, ["--show-values"], monkeypatch).output
    document = json.loads(command(lab, ["--json"], monkeypatch).stdout)
    assert document["tables"][0]["rows"][0] == {
        "key": ["2"],
        "kind": "differs",
        "columns": ["c"],
        "source": [],
        "target": [],
    }
    repaired = command(lab, ["--repair"], monkeypatch)
    assert repaired.exit_code == 0
    assert "1 row written" in repaired.output


def test_what_still_differs_after_a_repair_is_said(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """One table is repaired, the other has to be loaded; the last line counts both."""
    lab = maria_lab
    for table in "ab":
        lab.mysql(f"CREATE TABLE {table} (id int PRIMARY KEY)", f"INSERT INTO {table} VALUES (1), (2)")
    lab.load(rules={})
    lab.pg("DELETE FROM {s}.a WHERE id = 2")
    lab.mysql("ALTER TABLE b ADD n int")
    done = command(lab, ["--repair"], monkeypatch)
    assert done.exit_code == 1
    assert "a: 1 row written" in done.output
    assert "2 of 2 tables differed, and 1 still does" in done.output
    assert "load it, which follows them" in done.output
    lab.load(rules={})
    lab.pg("DELETE FROM {s}.a WHERE id = 2")
    assert "1 of 2 tables differed, and all is equal now" in command(lab, ["--repair"], monkeypatch).output


@pytest.mark.timeout(600)
def test_writers_at_the_source_cause_no_alarm(lab: Lab) -> None:
    """Rows inserted and updated all the while, before the load, during it and during the verification."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, c int, at datetime DEFAULT NOW() ON UPDATE NOW())",
              *("INSERT INTO t (c) VALUES (1), (2), (3), (4), (5), (6), (7), (8)" for _ in range(50)))  # fmt: skip
    rules = {"t": INCREMENTAL}
    stop = threading.Event()

    def write() -> None:
        with closing(lab.server.connect(lab.database)) as connection, connection.cursor() as cursor:
            n = 0
            while not stop.is_set():
                n += 1
                cursor.execute("INSERT INTO t (c) VALUES (%s)", (n,))
                cursor.execute("UPDATE t SET c = c + 1 WHERE id = %s", (n % 400 + 1,))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(6):
            lab.load(rules=rules)
            for level in ("count", "sums", "keys", "rows"):
                found = only(verify(lab, rules, level=level))
                assert found.equal, (level, found)
    finally:
        stop.set()
        writer.join()
    assert only(verify(lab, rules)).newer > 0


def test_a_row_that_changes_between_two_looks_is_no_difference(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table without a cursor: what the source changes meanwhile is counted apart."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c int)", "INSERT INTO t VALUES (1, 1), (2, 2)")
    lab.load(rules={})
    lab.mysql("UPDATE t SET c = 5 WHERE id = 1")
    assert only(verify(lab, {})).differing == 1
    asleep = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: lab.mysql("UPDATE t SET c = c + 1 WHERE id = 1"))
    monkeypatch.setattr("bulketl.verifying.keyed.time", asleep)  # other threads sleep as ever
    found = only(verify(lab, {}))
    assert (found.differing, found.changing) == (0, 1)


CELLS = {
    "word": st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    "note": st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60),
    "raw": st.none() | st.binary(max_size=20),
    "amount": st.none() | st.decimals(-99999999, 99999999, places=2),
    "ratio": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "small": st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False),
    "born": st.none() | st.dates(),
    "seen": st.none() | st.datetimes(),
    "yes": st.none() | st.booleans(),
    "id": st.integers(10, 2**31 - 1),
}


@pytest.fixture
def loaded(maria_lab: Lab) -> Lab:
    fill(maria_lab)
    maria_lab.load(rules=RULES)
    return maria_lab


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cell_changed_to_any_other_value_is_found(loaded: Lab, data: st.DataObject) -> None:
    """The row and the column are named when the value differs at all, and only then; the repair brings it back."""
    row = data.draw(st.integers(1, 9))
    column = data.draw(st.sampled_from(sorted(CELLS)))
    value = data.draw(CELLS[column])
    kinds = "(SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = '{s}.t'::regclass AND attname = %s)"
    ((kind,),) = loaded.pg(f"SELECT {kinds}", (column,))
    ((same,),) = loaded.pg(
        f"SELECT NOT ROW({column})::record *<> ROW(%s::{kind})::record FROM {{s}}.t WHERE id = %s", (value, row)
    )
    loaded.pg(f"UPDATE {{s}}.t SET {column} = %s::{kind} WHERE id = %s", (value, row))
    found = only(verify(loaded))
    if column == "id":
        assert sorted(named(found)) == sorted([("missing", str(row), ()), ("extra", str(value), ())])
    else:
        assert named(found) == ([] if same else [("differs", str(row), (column,))])
    assert verify(loaded, repair=True).equal
    assert verify(loaded).equal
