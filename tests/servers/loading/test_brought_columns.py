"""Only some columns, and other names for them: what of it changes between two nights is said, and loses nothing."""

from __future__ import annotations

from typing import Any

import pytest
from lab import Lab

import bulketl

TABLE = "CREATE TABLE t (PatNum int PRIMARY KEY, LName varchar(20), b int, c int, DateTStamp datetime(3))"
ROWS = "INSERT INTO t VALUES (1, 'one', 10, 100, NOW(3)), (2, 'two', 20, 200, NOW(3))"
CHANGES = {"extraction_strategy": "incremental", "incremental_column": "DateTStamp"}


@pytest.fixture
def table(lab: Lab) -> Lab:
    lab.mysql(TABLE, ROWS)
    return lab


def columns(lab: Lab) -> list[str]:
    """Return the columns of the table in the target."""
    return [name for (name,) in lab.pg("SELECT attname FROM pg_attribute WHERE attrelid = '{s}.t'::regclass AND attnum > 0"
                                       " AND NOT attisdropped ORDER BY attname")]  # fmt: skip


def test_only_the_columns_that_are_named_are_loaded(table: Lab) -> None:
    done = table.load(rules={"t": {"columns": ["PatNum", "b"]}})
    assert (done.summary.outcome, columns(table)) == ("done", ["PatNum", "b"])
    (load,) = done.plan.loads
    assert "2 of its 5 columns" in load.reason
    assert bulketl.verify(table.config(rules={"t": {"columns": ["PatNum", "b"]}})).equal
    assert table.load(rules={"t": {"columns": ["PatNum", "c"]}}).summary.outcome == "done"
    assert (columns(table), table.pg('SELECT c FROM {s}.t ORDER BY "PatNum"')) == (["PatNum", "c"], [(100,), (200,)])


def test_columns_that_are_not_there_are_refused(table: Lab) -> None:
    for rule in ({"columns": ["PatNum", "nothing"]}, {"rename": {"nothing": "x"}}):
        (refused,) = bulketl.make_plan(table.config(rules={"t": rule})).refused
        assert "has no column 'nothing'" in refused.message


def test_a_key_that_is_not_among_them_is_said(table: Lab) -> None:
    (load,) = bulketl.make_plan(table.config(rules={"t": {"columns": ["b"]}})).loads
    assert (load.spec.key, load.unmet) == ((), "loaded without a key: its rule excludes PatNum")


def test_a_column_that_is_new_and_not_among_them_is_said(table: Lab) -> None:
    rules = {"t": {"columns": ["PatNum", "b"]}}
    known = {"known": frozenset({"t"}), "known_columns": {"t": frozenset({"PatNum", "LName", "b", "c", "DateTStamp"})}}
    table.mysql("ALTER TABLE t ADD news int")
    config = table.config(rules=rules).model_copy(update=known)
    (load,) = bulketl.make_plan(config).loads
    assert load.drift == ("? news: new at the source, and not among the columns of its rule",)


def test_names_in_small_letters_hold_for_every_column_but_those_with_a_name_of_their_own(table: Lab) -> None:
    config: dict[str, Any] = {"names": "snake_case", "rules": {"t": {**CHANGES, "rename": {"LName": "family name"}}}}
    assert table.load(**config).summary.outcome == "done"
    assert columns(table) == ["b", "c", "date_t_stamp", "family name", "pat_num"]
    table.mysql("INSERT INTO t VALUES (3, 'three', 30, 300, NOW(3))")
    assert table.load(**config).plan.refused == ()
    assert table.pg('SELECT "family name" FROM {s}.t ORDER BY pat_num') == [("one",), ("two",), ("three",)]
    assert bulketl.verify(table.config(**config)).equal


def test_two_columns_that_would_have_one_name_are_refused_by_name(table: Lab) -> None:
    table.mysql("ALTER TABLE t ADD Pat_Num int")
    (refused,) = bulketl.make_plan(table.config(names="snake_case")).refused
    assert refused.message == "columns 'PatNum' and 'Pat_Num' of table 't' would both be 'pat_num' in the target"
    assert "rename" in refused.hint
    assert not bulketl.make_plan(table.config(names="snake_case", rules={"t": {"rename": {"Pat_Num": "other"}}})).refused


@pytest.mark.parametrize("rule", [{}, CHANGES])
def test_another_name_of_a_column_is_said_and_leaves_nothing_behind(table: Lab, rule: dict[str, Any]) -> None:
    """Of the key, too. What was kept under the old name is under the new one, and no column of NULLs stays."""
    table.load(rules={"t": rule})
    rules = {"t": {**rule, "rename": {"PatNum": "id", "b": "bee"}}}
    done = table.load(rules=rules)
    (load,) = done.plan.loads
    assert load.drift == ("~ PatNum is id now, by another name in its rule", "~ b is bee now, by another name in its rule")
    assert (done.summary.outcome, load.spec.whole) == ("done", True)
    assert columns(table) == ["DateTStamp", "LName", "bee", "c", "id"]
    assert table.pg("SELECT id, bee FROM {s}.t ORDER BY 1") == [(1, 10), (2, 20)]
    assert bulketl.verify(table.config(rules=rules)).equal


def test_two_columns_that_exchange_their_names_are_read_again_whole(table: Lab) -> None:
    """Nothing is added or dropped, and each row that is not written again would have its values exchanged."""
    table.load(rules={"t": CHANGES})
    rules = {"t": {**CHANGES, "rename": {"b": "c", "c": "b"}}}
    assert not bulketl.verify(table.config(rules=rules)).equal
    done = table.load(rules=rules)
    assert (done.summary.outcome, done.how("t")) == ("done", "swap")
    assert table.pg('SELECT c, b FROM {s}.t ORDER BY "PatNum"') == [(10, 100), (20, 200)]
    assert bulketl.verify(table.config(rules=rules)).equal
    assert table.load(rules={"t": CHANGES}).summary.outcome == "done"
    assert table.pg('SELECT b, c FROM {s}.t ORDER BY "PatNum"') == [(10, 100), (20, 200)]


def test_a_table_that_is_never_replaced_says_how_its_columns_get_their_new_names(table: Lab) -> None:
    rule: dict[str, Any] = {"table_importance": "audit"}
    table.load(rules={"t": rule})
    rules = {"t": {**rule, "rename": {"b": "bee"}}}
    (refused,) = bulketl.make_plan(table.config(rules=rules)).refused
    assert "ALTER TABLE … RENAME COLUMN b TO bee" in refused.hint
    table.pg("ALTER TABLE {s}.t RENAME COLUMN b TO bee")
    assert table.load(rules=rules).summary.outcome == "done"
