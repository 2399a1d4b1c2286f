"""What of a table can be verified, from configuration, catalogue and what the target has, without a server."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from lab import configure

from bulketl.plan.plan import Refusal
from bulketl.plan.selection import Selection
from bulketl.postgres.known import Recorded
from bulketl.postgres.ledger.states import Load
from bulketl.tables.catalog import Catalog, Column, Key, Made, Table, TargetTable
from bulketl.tables.cursor import State, Watermark
from bulketl.tables.spec import DELETED_AT
from bulketl.verifying.tasks import Found, Task, surplus_of, tasks, unverifiable
from bulketl.verifying.verdicts import TableVerdict

SOURCE = "mysql://h:3306/d"
COLUMNS = (
    Column("id", "int", False), Column("c", "varchar(9)", True), Column("at", "datetime", True),
    Column("ts", "timestamp", True),
)  # fmt: skip
TABLE = Table("t", COLUMNS, ("id",), (Key("PRIMARY", ("id",), True),), 100, 1000)
THERE = (("id", "integer"), ("c", "varchar(9)"), ("at", "timestamp(0)"), ("ts", "timestamp(0)"))
MADE = Made(1, SOURCE, "20240101-000000-abcd", "created", "2024-01-01")
OURS = TargetTable("t", THERE, ("id",), oid=1, made=MADE)
LOADED = State(SOURCE)
EVERYTHING = Selection()
MARK = Watermark("at", "datetime", "2024-03-01 00:00:00")
BY_CHANGES = {"extraction_strategy": "incremental", "incremental_column": "at"}


def task(
    existing: TargetTable | None = OURS,
    state: State | None = LOADED,
    rule: dict[str, Any] | None = None,
    selection: Selection = EVERYTHING,
    table: Table = TABLE,
    **settings: Any,
) -> Task:
    """Return the task of the one table."""
    config = configure("mysql://h/d", "postgresql://h/d", "raw", rules={"t": rule or {}}, **settings)
    known = Recorded(
        {"t": existing} if existing else {}, {"t": state} if state else {}, {"t": Load("2024-03-02 01:00:00+00", 60.0)},
        {"t": ['{"id": 7}']},
    )  # fmt: skip
    (found,) = tasks(config, Catalog(SOURCE, "11", "UTC", (table,)), known, selection, 1000.0)
    return found


def there(*columns: tuple[str, str], **values: Any) -> TargetTable:
    return dataclasses.replace(OURS, columns=columns, **values)


def test_a_table_that_is_as_it_was_loaded_is_compared_in_all_its_columns() -> None:
    """By a merge of what differs, which moves no watermark."""
    found = task(rule={"table_importance": "critical"})
    assert found.comparable
    assert (found.verdict.table, found.verdict.tier, found.verdict.level) == ("t", "critical", "rows")
    assert (found.verdict.problem, found.verdict.uncompared, found.verdict.notes) == ("", (), ())
    assert [item.name for item in found.spec.casts] == ["id", "c", "at", "ts"] == [i.name for i in found.writing.casts]
    assert (found.spec.key, found.spec.publish, found.spec.whole, found.spec.watermark) == (("id",), "merge", False, None)
    assert found.rows == 100
    assert found.verdict.published == "2024-03-02 01:00:00+00"
    assert found.loaded_at == 1000.0 - 60.0
    assert list(found.rejected) == ['{"id": 7}']


@pytest.mark.parametrize(
    ("existing", "message"),
    [
        (None, "it is not in the target: it was never loaded"),
        (TargetTable("t", (), kind="view"), "it is not in the target: a view has its name there"),
        (TargetTable("t", (), kind="index"), "it is not in the target: an index has its name there"),
    ],
)
def test_a_table_that_was_never_loaded_has_that_as_its_problem(existing: TargetTable | None, message: str) -> None:
    """It is not compared, and no load of it is told, whatever is on record of one."""
    found = task(existing, state=None)
    assert (found.verdict.problem, found.comparable, found.verdict.published) == (message, False, "")
    assert not found.verdict.equal


def test_a_table_whose_rule_cannot_be_followed_has_that_as_its_problem() -> None:
    found = task(rule={"primary_key": ["id"], "exclude_columns": ["nothing"]})
    assert "no column 'nothing'" in found.verdict.problem
    assert not found.comparable


@pytest.mark.parametrize(
    ("columns", "uncompared"),
    [
        ((THERE[0], *THERE[2:]), ("c: the target lacks it",)),
        ((THERE[0], ("c", "date"), *THERE[2:]), ("c: has another type",)),
        ((THERE[0], ("c", "date"), THERE[2]), ("ts: the target lacks it", "c: has another type")),
    ],
)
def test_other_columns_are_left_out_and_said_and_the_rest_is_compared(
    columns: tuple[tuple[str, str], ...], uncompared: tuple[str, ...]
) -> None:
    """They are a problem all the same: the target has not what the source has, and a load brings it."""
    found = task(there(*columns))
    assert found.comparable
    assert found.verdict.uncompared == uncompared
    assert "load it, which follows them" in found.verdict.problem
    assert all(text in found.verdict.problem for text in uncompared)
    without = {text.split(":")[0] for text in uncompared}
    assert [item.name for item in found.spec.casts] == [name for name, _ in THERE if name not in without]
    assert [item.name for item in found.writing.casts] == [name for name, _ in THERE]


def test_a_narrower_column_is_compared_and_a_column_more_is_no_problem() -> None:
    """A repair widens the one; the other was dropped at the source, and is kept."""
    found = task(there(THERE[0], ("c", "varchar(3)"), *THERE[2:], ("old", "text")))
    assert (found.verdict.uncompared, found.verdict.problem) == ((), "")
    assert len(found.spec.casts) == 4
    assert found.writing.widened == ("c",)


@pytest.mark.parametrize("columns", [THERE[1:], (("id", "text"), *THERE[1:])])
def test_a_table_whose_key_cannot_be_used_is_not_compared(columns: tuple[tuple[str, str], ...]) -> None:
    found = task(there(*columns))
    assert not found.comparable
    assert "id: " in found.verdict.problem
    assert found.verdict.published == ""


def test_a_table_without_a_common_column_is_not_compared() -> None:
    """Also where it has no key that could be missing."""
    found = task(there(("other", "text")), table=dataclasses.replace(TABLE, primary_key=(), keys=()))
    assert not found.comparable
    assert len(found.verdict.uncompared) == len(COLUMNS)


@pytest.mark.parametrize("made", [None, dataclasses.replace(MADE, oid=2)])
def test_a_table_that_is_not_ours_is_compared_and_that_is_its_problem(made: Made | None) -> None:
    """Whether it equals the source is what a person wants to know before adopting it."""
    found = task(dataclasses.replace(OURS, made=made), state=None)
    assert found.comparable
    assert "is somebody else's" in found.verdict.problem
    assert len(found.spec.casts) == 4
    lacking = task(there(THERE[0], made=made), state=None)
    assert "is somebody else's" in lacking.verdict.problem
    assert len(lacking.verdict.uncompared) == 3


def test_a_table_of_another_source_is_noted_and_a_reset_one_is_not() -> None:
    assert task(state=State("mysql://test/d")).verdict.notes == ("it was loaded from mysql://test/d",)
    assert task(state=State("")).verdict.notes == () == task(state=None).verdict.notes


def test_the_watermark_says_up_to_where_the_source_was_loaded() -> None:
    found = task(state=State(SOURCE, MARK), rule={**BY_CHANGES, "lookback": "1d"})
    assert (found.mark, found.verdict.cursor, found.lookback) == (MARK, "at", dt.timedelta(days=1))
    whole = task(state=State(SOURCE, MARK), rule={"incremental_column": "at"})  # loaded whole, and newer rows are told apart
    assert (whole.mark, whole.verdict.cursor) == (MARK, "at")


@pytest.mark.parametrize(
    ("mark", "rule"),
    [
        (MARK, {}),  # the rule names no cursor
        (MARK, {**BY_CHANGES, "incremental_column": "ts"}),
        (MARK, {**BY_CHANGES, "incremental_column": "gone"}),
        (Watermark("at", "date", "2024-03-01"), BY_CHANGES),
        (Watermark("at", "datetime", ""), BY_CHANGES),
        (Watermark("ts", "timestamp in +02:00", MARK.value), {**BY_CHANGES, "incremental_column": "ts"}),
        (Watermark("c", "varchar", "x"), {**BY_CHANGES, "incremental_column": "c"}),
        (None, BY_CHANGES),
    ],
)
def test_a_watermark_of_another_cursor_tells_nothing(mark: Watermark | None, rule: dict[str, Any]) -> None:
    """Of another column, type or zone, without a value, or of a column that is no cursor: then no row is taken for newer."""
    found = task(state=State(SOURCE, mark), rule=rule)
    assert found.comparable
    assert (found.mark, found.verdict.cursor) == (None, "")


def test_a_watermark_of_a_stamp_holds_in_its_own_zone() -> None:
    mark = Watermark("ts", "timestamp in UTC", MARK.value)
    rule = {**BY_CHANGES, "incremental_column": "ts"}
    assert task(state=State(SOURCE, mark), rule=rule).mark == mark
    assert task(state=State(SOURCE, mark), rule=rule, timestamp_zone="+02:00").mark is None


@pytest.mark.parametrize(
    ("rule", "mark", "kept"),
    [
        ({}, None, False),  # loaded whole: the target has what the source has
        ({"deletes": "ignore"}, None, True),
        ({"deletes": "mirror"}, None, False),
        ({"deletes": "mark"}, None, False),  # marked rows are not compared
        ({"deletes": "fail"}, None, False),
        ({"table_importance": "audit"}, None, True),
        ({"retention": {"keep": "1y", "by": "at", "action": "delete", "legal_hold": True}}, None, True),
        (BY_CHANGES, MARK, True),  # changes tell of no delete, and nobody asked for a comparison
        ({**BY_CHANGES, "deletes": "mirror"}, MARK, False),
        (BY_CHANGES, None, False),  # without a watermark it is loaded whole
        ({"incremental_column": "at"}, MARK, False),  # so it is where its rule says no more than the cursor
    ],
)
def test_surplus_rows_are_kept_by_the_rule_or_too_many(rule: dict[str, Any], mark: Watermark | None, kept: bool) -> None:
    """All of them: there is no table of which some are kept."""
    found = task(state=State(SOURCE, mark), rule=rule)
    for more in (0, 1, 10**9):
        assert surplus_of(found, more) == ((0, more) if kept else (more, 0))


def test_a_table_of_tier_audit_is_repaired_by_appending() -> None:
    assert task(rule={"table_importance": "audit"}).writing.publish == "append"


def test_rows_are_marked_only_where_the_target_has_the_column_for_it() -> None:
    """Before that none is marked, so all rows count; the next load adds the column."""
    marked = there(*THERE, (DELETED_AT, "timestamptz"))
    assert task(marked, rule={"deletes": "mark"}).spec.deletes == "mark"
    assert task(rule={"deletes": "mark"}).spec.deletes == "mirror"


def test_a_repair_may_delete_any_share_only_where_that_is_allowed() -> None:
    assert task(selection=Selection(allow_deletes=("t",))).writing.guard == 1.0
    assert task(selection=Selection(allow_deletes=("other",))).writing.guard < 1.0


def test_columns_that_bulketl_adds_are_written_and_not_compared() -> None:
    """The source has none of them."""
    added = (("_loaded_at", "timestamptz"), ("_run_id", "text"), ("_row_hash", "text"))
    found = task(there(*THERE, *added), added_columns=("_loaded_at", "_run_id", "_row_hash"))
    assert (found.verdict.problem, found.verdict.uncompared) == ("", ())
    assert [item.name for item in found.spec.casts] == [name for name, _ in THERE]
    assert found.spec.stamps == ()
    assert found.writing.stamps == ("_loaded_at", "_run_id")
    assert [item.name for item in found.writing.casts][-1] == "_row_hash"


def test_a_table_out_of_view_has_its_refusal_as_its_problem() -> None:
    found = unverifiable(Refusal("t", "critical", "it is out of view", "grant SELECT"))
    assert (found.verdict.table, found.verdict.tier, found.verdict.problem) == ("t", "critical", "it is out of view")
    assert not found.comparable


def test_what_was_found_keeps_its_buckets_when_its_keys_are_let_go() -> None:
    found = Found(TableVerdict("t", "critical", "rows", missing=1), task(), ((1,),), ((2,),), ((3,),), ("0",))
    let_go = found.without_keys()
    assert (let_go.missing, let_go.differing, let_go.extra) == ((), (), ())
    assert (let_go.verdict, let_go.task, let_go.buckets) == (found.verdict, found.task, found.buckets)
