"""Which tables are loaded by their changes, from which value on, and why others are loaded whole or refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError
from bulketl.plan.drift import Drift
from bulketl.plan.incremental import (
    Choice,
    FullLoad,
    Span,
    SpanError,
    UnmetRule,
    check_watermark,
    choice_of,
    cursor,
    misspelt,
    partitions,
    reached,
)
from bulketl.tables.catalog import Catalog, Column, Key, Table, TargetTable
from bulketl.tables.cursor import LOOKBACK, LOOKBACK_KEYS, NO_TIME, State, Watermark
from bulketl.tables.measured import Cursor, Known, Measured
from bulketl.tables.partitions import Changes, Partition
from bulketl.tables.taken import Taken

HOME = "mysql://h:3306/d"
TABLE = Table(
    "t",
    (
        Column("id", "int", False),
        Column("at", "datetime", True),
        Column("day", "date", False),
        Column("n", "bigint", False),
        Column("word", "text", True),
    ),
    ("id",),
    (Key("PRIMARY", ("id",), True), Key("at", ("at",), False)),
)
CATALOG = Catalog(HOME, "10.11", "SYSTEM", (TABLE,))
THERE = TargetTable("t", (("id", "integer"), ("at", "timestamp(0)")), ("id",))
MARK = Watermark("at", "datetime", "2026-05-06 07:08:09")
STATE = State(HOME, MARK)
MOMENT = dt.datetime(2026, 5, 6, 7, 8, 9)


def found(
    rule: dict[str, Any] | None = None,
    *,
    table: Table = TABLE,
    drift: Drift | None = None,
    span: Span | None = None,
    config: dict[str, Any] | None = None,
    **choice: Any,
) -> Cursor:
    """Return the cursor of a table that was loaded by `at` before, where nothing else is said."""
    entry = {"extraction_strategy": "incremental", "incremental_column": "at", **(rule or {})}
    made = Config(tables={"t": TableRule.model_validate(entry)}, **(config or {}))
    known = Choice(**{"state": STATE, "existing": THERE, **choice})
    return cursor(made, CATALOG, table, known, Drift() if drift is None else drift, span)


def why(reason: type[Exception], *arguments: Any, **given: Any) -> str:
    """Return why a table is not loaded by its changes."""
    with pytest.raises(reason) as caught:
        found(*arguments, **given)
    assert type(caught.value) is reason
    return str(caught.value)


def test_changes_are_read_from_two_hours_before_the_watermark() -> None:
    """With what is NULL, and what stands for no time; in chunks where the rule says so."""
    changes = Changes("at", MOMENT - LOOKBACK, None, True, NO_TIME)
    assert found() == Cursor("at", "datetime", changes)
    assert found({"extraction_strategy": "chunked_incremental"}) == Cursor("at", "datetime", changes, chunked=True)
    assert found({"lookback": "1d"}).changes == Changes("at", MOMENT - dt.timedelta(days=1), None, True, NO_TIME)


def test_a_date_goes_back_a_whole_day_and_a_number_a_thousand() -> None:
    """A number has no value that stands for none."""
    day = State(HOME, Watermark("day", "date", "2026-05-06"))
    assert found({"incremental_column": "day"}, state=day).changes == Changes(
        "day", dt.date(2026, 5, 5), None, False, NO_TIME.date()
    )
    number = State(HOME, Watermark("n", "bigint", "5000"))
    assert found({"incremental_column": "n"}, state=number).changes == Changes("n", 5000 - LOOKBACK_KEYS)
    assert found({"incremental_column": "n", "lookback": 7}, state=number).changes == Changes("n", 4993)


@pytest.mark.parametrize(("last", "days"), [("1d", 1), ("36h", 2), ("30d", 30)])
def test_rows_of_the_last_days_are_read_again(last: str, days: int) -> None:
    """Whole days, the one that has begun included."""
    changes = found({"reread": {"columns": ["day", "at"], "last": last}}).changes
    assert changes is not None
    assert changes.last == (("day", days), ("at", days))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"state": None}, "because it has no watermark yet"),
        ({"existing": None}, "because it has no watermark yet"),
        ({"state": State(HOME)}, "because it has no watermark yet"),
        ({"state": State(HOME, Watermark("at", "datetime", ""))}, "because it had no row with a value of the cursor"),
        (
            {"state": State(HOME, Watermark("day", "date", "2026-01-01"))},
            "because its watermark is of day (date), and the cursor is at (datetime)",
        ),
        (
            {"state": State(HOME, Watermark("at", "date", "2026-01-01"))},
            "because its watermark is of at (date), and the cursor is at (datetime)",
        ),
        ({"existing": dataclasses.replace(THERE, primary_key=())}, "because the target table has another primary key"),
        ({"drift": Drift(added=("a", "b"))}, "because a, b is new, and no stamp says which rows have values in it"),
        ({"drift": Drift(changed=("a", "b"))}, "because a, b has another type now"),
        (
            {"drift": Drift(widened=("a", "b")), "existing": dataclasses.replace(THERE, views=("v",))},
            "because a, b is wider now, and views show the table",
        ),
        (
            {"drift": Drift(widened=("a",)), "existing": dataclasses.replace(THERE, materialized=True)},
            "because a is wider now, and views show the table",
        ),
        ({"drift": Drift(dropped=("a", "b")), "config": {"dropped_columns": "drop"}}, "because a, b is to be dropped"),
        ({"drift": Drift(dropped=("a", "b")), "rule": {"exclude_columns": ["b"]}}, "because b is to be dropped"),
    ],
)
def test_what_a_watermark_stands_for_no_longer_holds(given: dict[str, Any], reason: str) -> None:
    assert why(FullLoad, **given) == reason


def test_what_hinders_no_load_by_changes() -> None:
    """A column that is wider where nothing shows it, one that is kept, a state of before sources were noted."""
    assert found(drift=Drift(widened=("a",))).changes
    assert found(drift=Drift(dropped=("a",))).changes
    assert found(state=dataclasses.replace(STATE, source="")).changes


@pytest.mark.parametrize(
    ("rule", "table", "reason"),
    [
        ({"incremental_column": "gone"}, TABLE, "because it has no column 'gone', its incremental_column"),
        ({}, dataclasses.replace(TABLE, primary_key=(), keys=()), "because it has no primary key to merge by"),
        ({"exclude_columns": ["id"]}, TABLE, "because its rule excludes columns of its key"),
        ({"primary_key": ["n", "at"]}, TABLE, "because no unique index of the source keeps its key n, at unique"),
    ],
)
def test_a_rule_that_no_load_can_follow(rule: dict[str, Any], table: Table, reason: str) -> None:
    """With a watermark it has become invalid; without, that is said to be so in every load."""
    assert why(UnmetRule, rule, table=table, state=None) == reason
    assert why(UnmetRule, rule, table=table, state=State(HOME)) == reason
    assert why(FullLoad, rule, table=table) == reason
    text = why(PlanError, rule, table=table, config={"invalid_watermark": "refuse"})
    assert text == f"table 't': {reason.removeprefix('because ')}"


def test_a_watermark_that_is_invalid_may_be_refused_with_the_ways_out() -> None:
    with pytest.raises(PlanError) as caught:
        found(state=State(HOME, Watermark("day", "date", "2026-01-01")), config={"invalid_watermark": "refuse"})
    assert caught.value.hint == "load it whole with --full, or `bulketl state reset t`, or set invalid_watermark: load"


def test_rows_of_another_source_are_neither_joined_nor_replaced() -> None:
    """Known by their number, if it is; also where no watermark is."""
    other = State("mysql://x/y", MARK)
    said = f"table 't' was loaded from mysql://x/y, and this source is {HOME}"
    assert why(PlanError, state=other) == said
    assert why(PlanError, state=dataclasses.replace(other, rows=1)) == f"{said}; its 1 row stays as it is"
    assert why(PlanError, state=dataclasses.replace(other, rows=2000)) == f"{said}; its 2,000 rows stay as they are"
    assert why(PlanError, state=dataclasses.replace(other, watermark=None)) == said
    assert why(FullLoad, state=other, existing=None) == "because it has no watermark yet"
    with pytest.raises(PlanError) as caught:
        found(state=other)
    assert (
        caught.value.hint == "load into another schema; or `bulketl state reset t` when it is the same data by another name"
    )


def test_timestamps_in_another_zone_are_written_again_and_nothing_else_is() -> None:
    stamped = dataclasses.replace(TABLE, columns=(*TABLE.columns, Column("ts", "timestamp", True)))
    berlin = {"timestamp_zone": "Europe/Berlin"}
    assert why(FullLoad, table=stamped, config=berlin) == "because TIMESTAMP columns are written in another zone now"
    assert found(table=stamped).changes
    assert found(config=berlin).changes
    assert found(table=stamped, state=dataclasses.replace(STATE, zone="Europe/Berlin"), config=berlin).changes


@pytest.mark.parametrize(
    ("rule", "kind"), [({"lookback": 5}, "at is datetime"), ({"incremental_column": "n", "lookback": "2h"}, "n is bigint")]
)
def test_a_lookback_is_of_the_kind_of_its_cursor(rule: dict[str, Any], kind: str) -> None:
    """From the first load on."""
    with pytest.raises(PlanError, match=f"^table 't' has lookback .*, and its cursor {kind}$") as caught:
        found(rule, state=None)
    assert caught.value.hint == "a time takes a duration like 2h, a counting column a number"


def test_a_part_is_read_from_the_first_value_to_before_the_last() -> None:
    """Whatever the watermark is of, and where there is none; not of a table that was never loaded."""
    span = Span("2026-01-01", "2026-02-01 12:00:00")
    whole = Cursor("at", "datetime", Changes("at", dt.datetime(2026, 1, 1), dt.datetime(2026, 2, 1, 12)))
    assert found(span=span) == whole
    assert found(span=span, state=State(HOME)) == whole
    assert found(span=span, state=State(HOME, Watermark("day", "date", "2026-01-01"))) == whole
    assert found(span=Span(until="2026-01-01")).changes == Changes("at", None, dt.datetime(2026, 1, 1))
    assert found(span=Span()).changes == Changes("at")
    with pytest.raises(PlanError, match=r"^table 't' was never loaded, so no part of it can be loaded again$") as caught:
        found(span=span, state=None)
    assert caught.value.hint == "load it without --since and --until first"


@pytest.mark.parametrize(("since", "until"), [("2026-02-01", "2026-02-01"), ("2026-02-02", "2026-02-01")])
def test_a_part_that_has_no_value_is_a_wrong_request(since: str, until: str) -> None:
    with pytest.raises(SpanError) as caught:
        found({"incremental_column": "day"}, span=Span(since, until), state=State(HOME))
    assert str(caught.value) == f"no row has a day from {since} on and before {until}"
    assert caught.value.hint == (
        "--since is the first value that is loaded, --until the first that is not: it must be the greater one"
    )
    assert found({"incremental_column": "n"}, span=Span("9", "10"), state=State(HOME)).changes == Changes("n", 9, 10)
    with pytest.raises(SpanError, match="no row has a n from 10 on"):
        found({"incremental_column": "n"}, span=Span("10", "9"), state=State(HOME))


@pytest.mark.parametrize(
    ("column", "kind", "text", "hint"),
    [
        ("day", "date", "yesterday", "write a date as 2024-01-31, without a time"),
        ("day", "date", "2026-01-01 08:00:00", "write a date as 2024-01-31, without a time"),
        (
            "at", "datetime", "2026-01-01 08:00:00+01:00",
            "write dates as 2024-01-31 or '2024-01-31 08:00:00', as the column shows them, without a zone",
        ),
        ("n", "bigint", "2026-01-01", "write numbers as digits"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_value_of_the_cursor(column: str, kind: str, text: str, hint: str) -> None:
    for span in (Span(since=text), Span(until=text)):
        with pytest.raises(SpanError) as caught:
            found({"incremental_column": column}, span=span, state=State(HOME))
        assert str(caught.value) == f"{text!r} is not a value of a cursor of type {kind}"
        assert caught.value.hint == hint


def test_a_part_is_misspelt_when_it_fits_no_table_at_all() -> None:
    wrong, other = SpanError("x", hint=""), PlanError("y", hint="")
    assert misspelt([Choice(refusal=wrong), Choice(refusal=other)]) is wrong
    assert misspelt([Choice(refusal=wrong), Choice()]) is None
    assert misspelt([Choice(refusal=other)]) is None
    assert misspelt([]) is None


TOO_HIGH = "rows were deleted there, or it was restored from a backup"


def test_a_watermark_above_all_that_the_source_has_is_believed_no_longer() -> None:
    changes = Cursor("at", "datetime", Changes("at", MOMENT))
    check_watermark(STATE, changes, Measured(MOMENT))
    with pytest.raises(FullLoad) as caught:
        check_watermark(STATE, changes, Measured(MOMENT - dt.timedelta(seconds=1)))
    assert str(caught.value) == (
        f"because the source has 2026-05-06 07:08:08 as its highest at and 2026-05-06 07:08:09 was loaded: {TOO_HIGH}"
    )
    with pytest.raises(FullLoad) as caught:
        check_watermark(STATE, changes, Measured(None))
    assert (
        str(caught.value)
        == f"because the source has nothing as its highest at and 2026-05-06 07:08:09 was loaded: {TOO_HIGH}"
    )


def test_nothing_is_said_of_a_watermark_that_is_not_compared() -> None:
    """Where all is read, a part has an end, or there is none."""
    changes = Changes("at", MOMENT)
    check_watermark(STATE, Cursor("at", "datetime"), Measured(None))
    check_watermark(STATE, Cursor("at", "datetime", dataclasses.replace(changes, hi=MOMENT)), Measured(None))
    check_watermark(State(HOME), Cursor("at", "datetime", changes), Measured(None))
    check_watermark(State(HOME, Watermark("at", "datetime", "")), Cursor("at", "datetime", changes), Measured(None))


def test_how_changes_are_read_is_told_in_words() -> None:
    """From where, to where, with what lies in the future; in ranges or chunks."""
    since = Cursor("n", "int", Changes("n", 5))
    assert partitions(TABLE, since, Measured(9, 9, 10)) == ((Partition(0, changes=Changes("n", 5)),), "n from 5 on")
    assert partitions(TABLE, Cursor("n", "int"), Measured(9, 9, 10)) == (
        (Partition(0, changes=Changes("n")),), "n up to now",
    )  # fmt: skip
    assert partitions(TABLE, Cursor("n", "int", Changes("n", 5, 8)), Measured(9, 9, 10))[1] == "n from 5 on before 8"
    assert partitions(TABLE, since, Measured(9, 12, 0)) == (
        (), "nothing has n from 5 on (values up to 12 lie in the future; the watermark stays behind them), counted",
    )  # fmt: skip
    assert partitions(TABLE, since, Measured(None, 12, 10))[1] == "n from 5 on"
    parts, words = partitions(TABLE, since, Measured(9, 9, 10, ((3,), (6,))))
    assert words == f"n from 5 on, in {len(parts)} ranges of id"
    assert {part.changes for part in parts} == {Changes("n", 5)}
    keyless = dataclasses.replace(TABLE, keys=(), primary_key=())
    assert partitions(keyless, since, Measured(9, 9, 10, ((3,),)))[0] == (Partition(0, changes=Changes("n", 5)),)


def test_a_chunk_carries_the_mark_that_its_end_is() -> None:
    """None beyond the newest true value; what is NULL or stands for none goes with the first."""
    since = Cursor("n", "int", Changes("n", 5, None, True, 1, (("day", 3),)), chunked=True)
    parts, words = partitions(TABLE, since, Measured(8, 9, 10, (), ((5, ()), (7, ()), (20, ()))))
    assert words == "n from 5 on (values up to 9 lie in the future; the watermark stays behind them), in 3 chunks"
    assert [part.mark for part in parts] == ["7", "8", ""]
    assert [part.changes for part in parts] == [
        Changes("n", 5, 7, True, 1, (("day", 3),)), Changes("n", 7, 20), Changes("n", 20),
    ]  # fmt: skip
    one = partitions(TABLE, since, Measured(8, 8, 10, (), ((5, ()),)))
    assert one[0][0].mark == ""
    plain = dataclasses.replace(since, chunked=False)
    assert partitions(TABLE, plain, Measured(8, 8, 10, (), ((5, ()), (7, ()))))[1] == "n from 5 on"


def test_the_watermark_is_the_highest_value_that_is_not_to_come() -> None:
    assert reached(Cursor("at", "datetime"), Measured(MOMENT)) == MARK
    assert reached(Cursor("n", "int"), Measured(None)) == Watermark("n", "int", "")


def test_a_choice_begins_with_what_both_sides_know() -> None:
    known = Known(states={"t": STATE}, existing={"t": THERE}, encoding="LATIN1")
    taken = known.existing.keys()
    assert choice_of(known, "t") == Choice(state=STATE, existing=THERE, encoding="LATIN1", taken=taken)
    assert choice_of(known, "u") == Choice(encoding="LATIN1", taken=taken)
    assert Choice().whole
    assert Choice(cursor=Cursor("n", "int")).whole
    assert not Choice(cursor=Cursor("n", "int", Changes("n"))).whole


def test_a_date_and_a_time_are_compared_as_they_are_written() -> None:
    """A cursor whose type was a date when the watermark was kept, and is a time now."""
    changes = Cursor("at", "datetime", Changes("at", MOMENT))
    day = State(HOME, Watermark("at", "date", "2026-05-07"))
    with pytest.raises(FullLoad):
        check_watermark(day, changes, Measured(MOMENT))
    check_watermark(State(HOME, Watermark("at", "date", "2026-05-06")), changes, Measured(MOMENT))
    midnight = dt.datetime(2026, 5, 6)
    check_watermark(State(HOME, Watermark("at", "datetime", "2026-05-06 00:00:00")), changes, Measured(midnight))
    check_watermark(State(HOME, Watermark("at", "date", "2026-05-06")), changes, Measured(dt.date(2026, 5, 6)))
    check_watermark(State(HOME, Watermark("n", "int", "10")), Cursor("n", "int", Changes("n", 5)), Measured(10))
    check_watermark(State(HOME, Watermark("n", "int", "9")), Cursor("n", "int", Changes("n", 5)), Measured(10))
    with pytest.raises(FullLoad):
        check_watermark(State(HOME, Watermark("n", "int", "11")), Cursor("n", "int", Changes("n", 5)), Measured(10))


OTHER_ROWS = "because its rule's where is not the one that it was loaded with"


def test_rows_that_another_condition_chose_have_the_table_loaded_whole() -> None:
    """A row that was never read has no stamp that tells of it."""
    where = dataclasses.replace(TABLE, where="id > 1")
    other = dataclasses.replace(STATE, taken=Taken(where="id > 1"))
    assert why(FullLoad, table=where) == OTHER_ROWS
    assert why(FullLoad, state=other) == OTHER_ROWS
    assert found(table=where, state=other).column == "at"
    assert why(FullLoad, table=where, existing=None) == "because it has no watermark yet"


def test_columns_that_get_another_name_have_the_table_loaded_whole() -> None:
    renamed = Drift(renamed=(("at", "stamp"), ("n", "number")))
    assert why(FullLoad, drift=renamed) == "because at is stamp, n is number now, by its rule"


def test_columns_that_are_there_again_have_the_table_loaded_whole() -> None:
    kept = dataclasses.replace(STATE, kept=("at", "day", "else"))
    assert why(FullLoad, state=kept) == "because at, day is new again, and no stamp says which rows have values in it"
