"""Watermarks by computation: what the ledger keeps is what was meant, and looking back never goes forward."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulketl.errors import PlanError
from bulketl.tables.catalog import Column
from bulketl.tables.cursor import LOOKBACK, LOOKBACK_KEYS, Watermark, before, cursor_type, is_time, parse_value, text_of
from bulketl.tables.partitions import KeyValue

VALUES: st.SearchStrategy[tuple[str, KeyValue]] = st.one_of(
    st.tuples(st.sampled_from(["int", "bigint", "tinyint"]), st.integers(-(2**63), 2**64)),
    st.tuples(st.just("date"), st.dates()),
    st.tuples(st.sampled_from(["datetime", "timestamp in +05:00", "timestamp in Europe/Berlin"]), st.datetimes()),
)
LOOKBACKS = st.one_of(st.none(), st.integers(0, 2**70), st.timedeltas(dt.timedelta(0), dt.timedelta.max))


@given(VALUES)
def test_the_text_of_a_value_is_read_back_as_the_same_value(typed: tuple[str, KeyValue]) -> None:
    """Of the same type too: a date never becomes a time."""
    kind, value = typed
    read = Watermark("c", kind, text_of(value)).typed
    assert read == value
    assert type(read) is type(value)


@given(VALUES, LOOKBACKS)
@example(("date", dt.date(2000, 1, 1)), dt.timedelta.max)
@example(("datetime", dt.datetime(2000, 1, 1)), dt.timedelta.max)
def test_looking_back_never_fails_nor_goes_up(typed: tuple[str, KeyValue], lookback: dt.timedelta | int | None) -> None:
    """At the smallest date there is nothing before it."""
    kind, value = typed
    found = before(value, lookback)
    assert type(found) is type(value)
    assert found <= value  # type: ignore[operator]
    assert parse_value(kind, text_of(found)) == found


@pytest.mark.parametrize(
    ("value", "lookback", "found"),
    [
        (dt.datetime(2024, 1, 2), None, dt.datetime(2024, 1, 2) - LOOKBACK),
        (dt.datetime(2024, 1, 2), dt.timedelta(minutes=5), dt.datetime(2024, 1, 1, 23, 55)),
        (dt.datetime(2024, 1, 2), dt.timedelta(0), dt.datetime(2024, 1, 2)),
        (dt.datetime(1, 1, 1, 1), None, dt.datetime.min),
        (dt.date(2024, 1, 2), None, dt.date(2024, 1, 1)),
        (dt.date(2024, 1, 2), dt.timedelta(hours=25), dt.date(2023, 12, 31)),
        (dt.date(2024, 1, 2), dt.timedelta(0), dt.date(2024, 1, 2)),
        (5, None, 5 - LOOKBACK_KEYS),
        (5, 7, -2),
        (5, dt.timedelta(days=1), 5 - LOOKBACK_KEYS),  # a time says nothing of numbers
        (dt.datetime(2024, 1, 2), 1000, dt.datetime(2024, 1, 2) - LOOKBACK),
    ],
)
def test_a_lookback_of_the_other_kind_is_the_default(
    value: KeyValue, lookback: dt.timedelta | int | None, found: KeyValue
) -> None:
    """And a date goes back whole days, at least one for the default."""
    assert before(value, lookback) == found


@pytest.mark.parametrize(
    ("kind", "text"),
    [("int", "many"), ("date", "2024-02-30"), ("datetime", "0000-00-00 00:00:00"), ("datetime", "soon"), ("int", "1.5")],
)
def test_a_text_that_is_no_value_is_an_error(kind: str, text: str) -> None:
    """It is said where it came from by whoever asked."""
    with pytest.raises(ValueError, match=r".+"):
        parse_value(kind, text)


def test_only_numbers_dates_and_times_are_cursors() -> None:
    """A TIMESTAMP's type has its zone, because another zone shows other values."""
    zone = "+00:00"
    assert cursor_type(Column("c", "timestamp(3)", True), zone) == "timestamp in +00:00"
    assert cursor_type(Column("c", "bigint(20) unsigned", True), zone) == "bigint"
    assert cursor_type(Column("c", "datetime(6)", True), zone) == "datetime"
    assert is_time("timestamp in +00:00")
    assert not is_time("bigint")
    for kind in ("varchar(20)", "decimal(10,2)", "double", "time", "year", "json", "binary(8)"):
        with pytest.raises(PlanError, match="how new a row is"):
            cursor_type(Column("c", kind, True), zone)


def test_a_column_without_an_order_of_time_is_refused_with_what_to_name() -> None:
    with pytest.raises(PlanError) as caught:
        cursor_type(Column("c", "json", True), "UTC")
    assert str(caught.value) == "incremental_column 'c' is json, and only numbers, dates and times say how new a row is"
    assert caught.value.hint == (
        "name a stamp of changes or a counting key, or set extraction_strategy: full_table; `bulketl discover` proposes one"
    )
    with pytest.raises(TypeError, match=r"^str is no cursor value$"):
        before("x", None)
    assert (dt.timedelta(hours=2), 1000) == (LOOKBACK, LOOKBACK_KEYS)
    assert [is_time(kind) for kind in ("date", "datetime", "timestamp in UTC", "int", "time")] == [True] * 3 + [False] * 2
