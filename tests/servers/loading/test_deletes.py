"""Rows that are gone at the source, and rows that changed without a stamp: found on a schedule, treated as declared."""

from __future__ import annotations

from typing import Any

import pytest
from faults import no_pauses, once, small_partitions, use
from lab import Done, Lab
from nights import CHUNKED, INCREMENTAL, MIRRORED, a_day_later, counts, night, reason

import bulketl.rows.reconcile
from bulketl.errors import TargetError

FULL: dict[str, Any] = {"extraction_strategy": "full_table"}


@pytest.fixture
def used(maria_lab: Lab) -> Lab:
    """A table of 100 rows with a stamp."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at datetime, KEY (at))",
        "INSERT INTO t SELECT seq, 'old', '2024-01-01' + INTERVAL seq HOUR FROM seq_1_to_100",
    )
    return maria_lab


def found(done: Done) -> dict[str, int]:
    """Return what the comparison of a load found."""
    return done.summary.tables["t"].compared


def difference(missing: int, differing: int, gone: int) -> dict[str, int]:
    return {"missing": missing, "differing": differing, "gone": gone}


@pytest.mark.parametrize("rule", [INCREMENTAL, CHUNKED])
def test_mirror_removes_rows_that_are_gone_and_repairs_unstamped_updates(used: Lab, rule: dict[str, Any]) -> None:
    """Neither can be seen by the load of what changed; the comparison sees both."""
    mirror = {**rule, "deletes": "mirror"}
    night(used, mirror)
    used.mysql("DELETE FROM t WHERE id IN (5, 50, 99)", "UPDATE t SET c = 'unstamped' WHERE id IN (1, 2)",
               "INSERT INTO t VALUES (1000, 'no stamp to go by', '2020-01-01')")  # fmt: skip
    done = night(used, mirror)
    assert found(done) == {}
    assert used.pg("SELECT count(*) FROM {s}.t") == [(100,)]
    a_day_later(used)
    done = night(used, mirror)
    assert "then compared with the source" in reason(done)
    assert found(done) == difference(1, 2, 3)
    assert used.differences("t") == []
    recorded = used.pg("SELECT missing, differing, gone, deletes FROM bulketl.compared WHERE schema_name = '{s}'")
    assert recorded == [(1, 2, 3, "mirror")]
    a_day_later(used)
    assert found(night(used, mirror)) == difference(0, 0, 0)


def test_the_comparison_is_on_a_schedule_of_its_own(used: Lab) -> None:
    """Due after `every`, a day when it is not said; a whole load has compared as well."""
    rule = {**INCREMENTAL, "deletes": {"policy": "mirror", "every": "3d"}}
    night(used, rule)
    for due in (False, False, True, False):
        a_day_later(used)
        assert bool(found(night(used, rule))) is due
    night(used, rule, full=True)
    assert not found(night(used, rule))


def test_without_a_policy_nothing_is_compared_unless_it_is_asked_for(used: Lab) -> None:
    """`every` alone finds and repairs changed rows, and leaves those that are gone."""
    night(used)
    used.mysql("DELETE FROM t WHERE id = 5", "UPDATE t SET c = 'x' WHERE id = 1")
    a_day_later(used)
    assert not found(night(used))
    assert found(night(used, {**INCREMENTAL, "deletes": {"every": "1h"}})) == difference(0, 1, 1)
    assert used.pg("SELECT c FROM {s}.t WHERE id = 1") == [("x",)]
    assert used.pg("SELECT count(*) FROM {s}.t") == [(100,)]


@pytest.mark.parametrize("rule", [INCREMENTAL, CHUNKED, FULL])
def test_ignore_keeps_rows_that_are_gone_whatever_is_loaded(used: Lab, rule: dict[str, Any]) -> None:
    """Also in a whole load."""
    ignore = {**rule, "deletes": "ignore"}
    night(used, ignore)
    used.mysql("DELETE FROM t WHERE id > 10", "UPDATE t SET c = 'x' WHERE id = 1")
    night(used, ignore, full=True)
    assert used.pg("SELECT count(*) FROM {s}.t") == [(100,)]
    assert used.pg("SELECT c FROM {s}.t WHERE id = 1") == [("x",)]


@pytest.mark.parametrize("rule", [INCREMENTAL, CHUNKED, FULL])
def test_mark_says_when_a_row_was_found_gone_and_takes_it_back_when_it_returns(used: Lab, rule: dict[str, Any]) -> None:
    """The row itself stays as it was last seen."""
    mark = {**rule, "deletes": {"policy": "mark", "every": "1s"}}
    night(used, mark)
    assert used.pg("SELECT count(_deleted_at) FROM {s}.t") == [(0,)]
    used.mysql("DELETE FROM t WHERE id IN (5, 6, 7)")
    a_day_later(used)
    done = night(used, mark)
    marked = "SELECT id, c, _deleted_at IS NULL FROM {s}.t WHERE id IN (5, 6, 7, 8) ORDER BY id"
    assert used.pg(marked) == [(5, "old", False), (6, "old", False), (7, "old", False), (8, "old", True)]
    if rule is FULL:
        assert done.summary.tables["t"].deleted == 3
    else:
        assert found(done) == difference(0, 0, 3)
    first = used.pg("SELECT _deleted_at FROM {s}.t WHERE id = 5")
    a_day_later(used)
    night(used, mark, full=rule is FULL)
    assert used.pg("SELECT _deleted_at FROM {s}.t WHERE id = 5") == first
    used.mysql("INSERT INTO t VALUES (5, 'old', '2024-01-01 05:00:00'), (6, 'back', NOW())")
    a_day_later(used)
    night(used, mark)
    assert used.pg(marked) == [(5, "old", True), (6, "back", True), (7, "old", False), (8, "old", True)]
    a_day_later(used)
    done = night(used, mark, full=rule is FULL)
    assert found(done) in ({}, difference(0, 0, 0))
    assert used.mysql("SELECT count(*) FROM t") == used.pg("SELECT count(*) FROM {s}.t WHERE _deleted_at IS NULL")


def test_mark_may_be_chosen_for_a_table_that_is_there(used: Lab) -> None:
    """The column is added, and nothing else changes."""
    night(used, FULL)
    used.mysql("DELETE FROM t WHERE id = 5")
    night(used, {**FULL, "deletes": "mark"})
    assert used.pg("SELECT id FROM {s}.t WHERE _deleted_at IS NOT NULL") == [(5,)]


def test_a_column_of_the_source_that_has_the_name_of_the_mark_is_refused(used: Lab) -> None:
    """It would be overwritten."""
    used.mysql("ALTER TABLE t ADD _deleted_at datetime")
    told = night(used, {**FULL, "deletes": "mark"}, fails=True).summary.tables["t"]
    assert "_deleted_at" in told.message
    assert "another policy" in told.hint


@pytest.mark.parametrize("rule", [INCREMENTAL, FULL])
def test_fail_stops_at_the_first_row_that_is_gone_and_says_how_many(used: Lab, rule: dict[str, Any]) -> None:
    """Nothing is removed, and the rest of the load's rows are not in a whole table either."""
    fail = {**rule, "deletes": {"policy": "fail", "every": "1s"}}
    night(used, fail)
    used.mysql("DELETE FROM t WHERE id = 5")
    a_day_later(used)
    told = night(used, fail, fails=True).summary.tables["t"]
    assert "1 of its 100 rows is gone at the source, and deletes: fail allows none" in told.message
    assert "mirror, mark or ignore" in told.hint
    assert used.pg("SELECT count(*) FROM {s}.t") == [(100,)]
    used.mysql("INSERT INTO t VALUES (5, 'back', '2024-01-01')")
    night(used, fail)
    assert used.differences("t") == []


@pytest.mark.parametrize("policy", ["mirror", "mark"])
@pytest.mark.parametrize("rule", [INCREMENTAL, CHUNKED, FULL])
@pytest.mark.parametrize("staged", [False, True])
def test_too_many_rows_gone_stop_the_table_until_it_is_allowed(
    used: Lab, monkeypatch: pytest.MonkeyPatch, rule: dict[str, Any], policy: str, staged: bool
) -> None:
    """The message has the numbers, the hint the way out; nothing is removed, by a small load or a staged one."""
    guarded = {**rule, "deletes": {"policy": policy, "every": "1s"}}
    night(used, guarded)
    if staged:
        small_partitions(monkeypatch, 30)
    used.mysql("DELETE FROM t WHERE id <= 21")
    a_day_later(used)
    told = night(used, guarded, fails=True).summary.tables["t"]
    assert told.error == "MassDeleteError"
    assert "21 of its 100 rows are gone at the source, 21.0%, and 5% may go" in told.message
    assert "--allow-deletes t" in told.hint
    assert used.pg("SELECT count(*) FROM {s}.t") == [(100,)]
    if policy == "mark":
        assert used.pg("SELECT count(_deleted_at) FROM {s}.t") == [(0,)]
    night(used, guarded, allow=("t", "t*"))
    left = "WHERE _deleted_at IS NULL" if policy == "mark" else ""
    assert used.pg(f"SELECT count(*) FROM {{s}}.t {left}") == [(79,)]


@pytest.mark.parametrize(
    ("guard", "rows", "gone", "passes"),
    [
        (None, 100, 20, True),  # few rows may always go
        (None, 10, 1, True),
        (None, 10, 10, True),
        ("50%", 100, 50, True),
        ("50%", 100, 51, False),
        (0.0, 100, 1, False),
        ("1%", 100, 1, True),
        ("1%", 10, 1, False),  # a declared guard is meant as it is written
        ("100%", 100, 100, True),
    ],
)
@pytest.mark.parametrize("rule", [MIRRORED, FULL])
def test_the_guard_is_the_share_that_is_declared(
    used: Lab, rule: dict[str, Any], guard: str | float | None, rows: int, gone: int, passes: bool
) -> None:
    """5 % and twenty rows when nothing is."""
    declared = {**rule, "deletes": {"policy": "mirror", "every": "1s"} | ({} if guard is None else {"guard": guard})}
    used.mysql(f"DELETE FROM t WHERE id > {rows}")
    night(used, declared)
    used.mysql(f"DELETE FROM t WHERE id <= {gone}")
    a_day_later(used)
    night(used, declared, fails=not passes)
    assert used.pg("SELECT count(*) FROM {s}.t") == [(rows - gone if passes else rows,)]


def test_the_guard_counts_rows_that_go_and_not_rows_that_come(used: Lab) -> None:
    """As many new ones as were lost do not hide the loss in a merge."""
    rule = {**FULL, "deletes": {"policy": "mark"}}
    night(used, rule)
    used.mysql("UPDATE t SET id = id + 1000 WHERE id <= 40")
    told = night(used, rule, fails=True).summary.tables["t"]
    assert "40 of its 100 rows" in told.message


def test_a_truncated_source_does_not_empty_the_target(used: Lab) -> None:
    """An accident there is not repeated here."""
    night(used, FULL)
    used.mysql("TRUNCATE t")
    told = night(used, FULL, fails=True).summary.tables["t"]
    assert "100 of its 100 rows are gone" in told.message
    assert used.pg("SELECT count(*) FROM {s}.t") == [(100,)]


def test_a_comparison_of_many_rows_reads_them_in_pieces(used: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """More keys than one query takes, and more buckets than are looked at together."""
    monkeypatch.setattr(bulketl.rows.reconcile, "KEYS_READ", 7)
    monkeypatch.setattr(bulketl.rows.reconcile, "BUCKETS_LISTED", 2)
    monkeypatch.setattr("bulketl.postgres.compare.digests.BUCKET_KEYS", 16)
    night(used, MIRRORED)
    used.mysql("UPDATE t SET c = 'x' WHERE id % 2 = 0", "DELETE FROM t WHERE id % 7 = 0",
               "INSERT INTO t SELECT -seq, 'negative', '2020-01-01' FROM seq_1_to_40")  # fmt: skip
    a_day_later(used)
    assert found(night(used, MIRRORED)) == difference(40, 42, 14)  # one of the 43 bears a stamp in the lookback
    assert used.differences("t") == []


def test_a_comparison_whose_answer_was_lost_may_be_done_again(used: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows known of the table are right afterwards, so that the guard is."""
    no_pauses(monkeypatch)
    night(used, MIRRORED)
    used.mysql("DELETE FROM t WHERE id < 4", "INSERT INTO t VALUES (500, 'late', '2020-01-01')")
    a_day_later(used)
    use(monkeypatch, once("compare", "after", TargetError("the answer was lost", transient=True)))
    night(used, MIRRORED)
    assert used.differences("t") == []
    assert used.pg("SELECT rows FROM bulketl.state WHERE schema_name = '{s}'") == [(98,)]


def test_rows_that_are_rejected_are_not_the_comparisons_fault(used: Lab) -> None:
    """A rule that allows rejects allows them in every load and after every comparison."""
    rule = {**MIRRORED, "casts": {"c": "jsonb"}, "max_rejects": 2}
    used.mysql("UPDATE t SET c = '1'", "UPDATE t SET c = 'no json' WHERE id IN (3, 4)")
    night(used, rule)
    a_day_later(used)
    used.mysql("DELETE FROM t WHERE id = 9")
    night(used, rule)
    assert used.pg("SELECT count(*) FROM {s}.t") == [(97,)]
    used.mysql("UPDATE t SET c = 'no json either' WHERE id = 5")
    a_day_later(used)
    assert counts(night(used, rule))


def test_rows_known_of_a_table_follow_every_kind_of_load(used: Lab) -> None:
    """The guard of a whole load goes by them."""
    for statement, rows in [
        ("SELECT 1", 100),
        ("INSERT INTO t VALUES (200, 'n', NOW()), (201, 'n', NOW())", 102),
        ("DELETE FROM t WHERE id IN (1, 2, 3)", 99),
        ("UPDATE t SET c = 'x', at = NOW() WHERE id = 7", 99),
    ]:
        used.mysql(statement)
        a_day_later(used)
        night(used, MIRRORED)
        assert used.pg("SELECT rows FROM bulketl.state WHERE schema_name = '{s}'") == [(rows,)]


@pytest.mark.parametrize("rule", [{"table_importance": "audit"}, {"deletes": "mark"}], ids=["audit", "mark"])
def test_a_row_that_is_rejected_is_not_taken_for_deleted(maria_lab: Lab, rule: dict[str, object]) -> None:
    """It is at the source still."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c varchar(9))", "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    rule = {**rule, "max_rejects": 5}
    night(maria_lab, rule)
    maria_lab.mysql("UPDATE t SET c = 'a\0' WHERE id = 1")
    maria_lab.load(rules={"t": rule}, nul_bytes="reject")
    assert maria_lab.pg("SELECT count(*) FROM bulketl.audit_trail WHERE schema_name = '{s}'") == [(0,)]
    if "deletes" in rule:
        assert maria_lab.pg("SELECT count(*) FROM {s}.t WHERE _deleted_at IS NOT NULL") == [(0,)]
