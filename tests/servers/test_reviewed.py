"""What a reviewer found: odd tables that comparison, audit and merging must take as they are."""

from __future__ import annotations

import pytest
from lab import Lab
from nights import a_day_later, night

from bulketl import verify_audit

MIRROR = {"extraction_strategy": "incremental", "incremental_column": "at", "deletes": "mirror"}


def test_a_table_of_more_than_a_hundred_columns_is_compared(lab: Lab) -> None:
    """Functions of Postgres take a hundred arguments."""
    columns = ", ".join(f"c{n} int" for n in range(150))
    lab.mysql(
        f"CREATE TABLE t (id int PRIMARY KEY, at datetime, {columns})", "INSERT INTO t (id, at, c149) VALUES (1, NOW(), 5)"
    )
    night(lab, MIRROR)
    lab.mysql("UPDATE t SET c149 = 6, at = at - INTERVAL 0 DAY")
    a_day_later(lab)
    night(lab, MIRROR)
    assert lab.differences("t") == []


@pytest.mark.parametrize("other", ["'\\x01'", "'\\x02'", "'-'", "'='", "''", "'a\\x01=b'", "'a\\x01'"])
def test_any_text_is_told_from_null_and_from_its_neighbours(lab: Lab, other: str) -> None:
    """Whatever stands between values in the hash."""
    text = eval(other).encode().hex()
    rows = "(1, NULL, 'b', '2020-01-01'), (2, 'a', 'b', '2020-01-01'), (3, 'z', 'z', NOW())"
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, a varchar(9) NULL, b varchar(9) NULL, at datetime)",
              f"INSERT INTO t VALUES {rows}")  # fmt: skip
    night(lab, {**MIRROR, "lookback": "0s"})
    lab.mysql(f"UPDATE t SET a = X'{text}' WHERE id = 1", f"UPDATE t SET a = X'{text}', b = '' WHERE id = 2")
    a_day_later(lab)
    night(lab, {**MIRROR, "lookback": "0s"})
    assert lab.differences("t") == []


def test_keys_of_times_with_fractions_are_compared(lab: Lab) -> None:
    """Negative ones too."""
    rows = ", ".join(f"('{k}', 1, NOW())" for k in ("-00:00:00.500", "00:00:00.500", "838:00:00.001"))
    lab.mysql("CREATE TABLE t (k time(3) PRIMARY KEY, c int, at datetime)", f"INSERT INTO t VALUES {rows}")
    night(lab, MIRROR)
    a_day_later(lab)
    compared = night(lab, MIRROR).summary.tables["t"].compared
    assert compared == {"missing": 0, "differing": 0, "gone": 0}
    lab.mysql("DELETE FROM t WHERE k > 0 AND c = 1 LIMIT 1")
    a_day_later(lab)
    night(lab, MIRROR)
    assert lab.pg("SELECT count(*) FROM {s}.t") == [(2,)]


def test_a_key_that_is_a_float_is_not_compared(maria_lab: Lab) -> None:
    """Nothing is taken for gone that is there."""
    maria_lab.mysql(
        "CREATE TABLE t (k double PRIMARY KEY, at datetime)", "INSERT INTO t SELECT seq * 1e-9, NOW() FROM seq_1_to_100"
    )
    rule = {**MIRROR, "table_importance": "audit"}
    night(maria_lab, rule)
    a_day_later(maria_lab)
    assert night(maria_lab, rule).summary.tables["t"].compared == {}
    assert maria_lab.pg("SELECT count(*) FROM bulketl.audit_trail WHERE schema_name = '{s}'") == [(0,)]


def test_the_chain_covers_every_column_whatever_it_is_called(maria_lab: Lab) -> None:
    """Also `r` and `x`, which statements might use."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, x int, r int, note varchar(9))", "INSERT INTO t VALUES (1, 2, 3, 'n')"
    )
    night(maria_lab, {"table_importance": "audit"})
    maria_lab.pg("UPDATE {s}.t SET note = 'forged', x = 99")
    config = maria_lab.config()
    assert [verdict.problem for verdict in verify_audit(config)] == ["rows in it are not as they were loaded"]
    maria_lab.pg("UPDATE {s}.t SET note = 'n', x = 2")
    maria_lab.mysql("UPDATE t SET note = 'new'")
    night(maria_lab, {"table_importance": "audit"})
    ((old, new),) = maria_lab.pg("SELECT old_row, new_row FROM bulketl.audit_trail WHERE schema_name = '{s}'")
    assert (old, new) == ({"id": 1, "x": 2, "r": 3, "note": "n"}, {"id": 1, "x": 2, "r": 3, "note": "new"})


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


@pytest.mark.parametrize("rule", [{"table_importance": "audit"}, {"deletes": "ignore"}], ids=["audit", "ignore"])
@pytest.mark.parametrize("strategy", ["full_table", "incremental"])
def test_rows_of_another_source_are_never_mixed_in(maria_lab: Lab, rule: dict[str, object], strategy: str) -> None:
    """A test system's, say; with --full neither."""
    import bulketl

    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, at datetime)", "INSERT INTO t VALUES (1, NOW())")
    rule = {**rule, "extraction_strategy": strategy, "incremental_column": "at"}
    night(maria_lab, rule)
    maria_lab.pg("UPDATE bulketl.state SET source = 'mysql://elsewhere:3306/clinic' WHERE schema_name = '{s}'")
    maria_lab.mysql("INSERT INTO t VALUES (2, NOW())")
    config = maria_lab.config(rules={"t": rule})
    for full in (False, True):
        summary = bulketl.load(config, bulketl.make_plan(config, full=full))
        assert "was loaded from mysql://elsewhere:3306/clinic" in summary.tables["t"].message
    assert maria_lab.pg("SELECT count(*) FROM {s}.t") == [(1,)]


@pytest.mark.parametrize(("column", "lookback"), [("at", 5), ("id", "30d")])
def test_a_lookback_of_the_wrong_kind_is_refused(maria_lab: Lab, column: str, lookback: object) -> None:
    """A number of rows is no time."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, at datetime)", "INSERT INTO t VALUES (1, NOW())")
    night(maria_lab, {**MIRROR, "incremental_column": column})
    done = night(maria_lab, {**MIRROR, "incremental_column": column, "lookback": lookback}, fails=True)
    assert "has lookback" in done.summary.tables["t"].message
