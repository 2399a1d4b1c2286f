"""The partitions of changes by computation, and the durations and shares of the rules."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bulketl.config.tables import TableRule
from bulketl.config.values import duration, share
from bulketl.plan.incremental import partitions, reached
from bulketl.tables.catalog import Column, Key, Table
from bulketl.tables.measured import Cursor, Measured
from bulketl.tables.partitions import Changes, KeyTuple, Partition

TABLE = Table(
    "t",
    (Column("id", "int", False), Column("n", "int", True)),
    ("id",),
    (Key("PRIMARY", ("id",), True), Key("n", ("n",), False)),
)
NUMBER = st.integers(-20, 20)


def changed(changes: Changes, n: int | None) -> bool:
    """Tell whether a row may have changed, by the words of the docstring."""
    if n is None:
        return changes.nulls
    lo, hi, below = changes.lo, changes.hi, changes.below
    within = (lo is None or n >= lo) and (hi is None or n < hi)  # type: ignore[operator]
    return within or (below is not None and n < below)  # type: ignore[operator]


def holds(part: Partition, key: int, n: int | None) -> bool:
    """Tell whether a partition has a row."""
    within = (part.lo is None or (key,) >= part.lo) and (part.hi is None or (key,) < part.hi)
    return within and part.changes is not None and changed(part.changes, n)


def cuts(keys: list[int]) -> tuple[KeyTuple, ...]:
    return tuple((key,) for key in sorted(set(keys)))


@given(NUMBER, NUMBER | st.none(), st.booleans(), st.lists(NUMBER), NUMBER, NUMBER | st.none())
def test_changes_that_are_cut_along_the_key_are_in_one_partition_each(
    lo: int, below: int | None, nulls: bool, keys: list[int], key: int, n: int | None
) -> None:
    """Those that are none are in no partition."""
    changes = Changes("n", lo, None, nulls, below)
    parts, _ = partitions(TABLE, Cursor("n", "int", changes), Measured(20, 20, 100, cuts(keys)))
    assert sum(holds(part, key, n) for part in parts) == changed(changes, n)


@given(
    st.lists(NUMBER, min_size=2, unique=True).map(sorted), st.booleans(), st.lists(st.lists(NUMBER)), NUMBER,
    NUMBER | st.none(), NUMBER,
)  # fmt: skip
def test_changes_that_are_cut_into_chunks_are_in_one_partition_each_and_marks_only_rise(
    starts: list[int], nulls: bool, keys: list[list[int]], key: int, n: int | None, top: int
) -> None:
    """A mark is never above the newest true value, and never above a row of a later partition."""
    changes = Changes("n", starts[0], None, nulls)
    inside = [*keys, *([] for _ in starts)]
    chunks = tuple((start, cuts(inside[i])) for i, start in enumerate(starts))
    measured = Measured(top, 20, 100, (), chunks)
    parts, _ = partitions(TABLE, Cursor("n", "int", changes, chunked=True), measured)
    assert sum(holds(part, key, n) for part in parts) == changed(changes, n)
    assert [part.index for part in parts] == list(range(len(parts)))
    marks = [(part.index, int(part.mark)) for part in parts if part.mark]
    assert [mark for _, mark in marks] == sorted(mark for _, mark in marks)
    assert all(mark <= top for _, mark in marks)
    assert len(marks) == len(starts) - 1
    if n is not None:
        assert all(n >= mark for index, mark in marks for part in parts[index + 1 :] if holds(part, key, n))
    assert parts[-1].mark == ""


def test_nothing_that_has_changed_is_no_partition_and_says_that_it_was_counted() -> None:
    """Zero rows are a success only when they were counted."""
    parts, how = partitions(TABLE, Cursor("n", "int", Changes("n", 5)), Measured(9, 9, 0))
    assert parts == ()
    assert how == "nothing has n from 5 on, counted"


def test_the_watermark_is_the_newest_value_that_is_not_in_the_future() -> None:
    """And empty when there is none."""
    cursor = Cursor("at", "datetime")
    newest = dt.datetime(2199, 1, 1)
    assert reached(cursor, Measured(dt.datetime(2024, 1, 1), newest)).value == "2024-01-01 00:00:00"
    assert reached(cursor, Measured(None, newest)).value == ""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("12h", 43200), ("30d", 30 * 86400), ("2 w", 14 * 86400), (" 1d ", 86400), ("0s", 0)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    """As in every tool of that kind."""
    assert duration(text) == dt.timedelta(seconds=seconds)
    assert duration("7y") == dt.timedelta(days=7 * 365, hours=42)


@pytest.mark.parametrize("text", ["", "5", "d", "-1d", "1.5h", "1 month", "1d 2h", "9999999d"])
def test_any_other_text_is_no_duration(text: str) -> None:
    """The message shows the form."""
    with pytest.raises(ValueError, match="as in 30d"):
        duration(text)


@pytest.mark.parametrize(("given", "found"), [("5%", 0.05), ("0.5 %", 0.005), ("100%", 1.0), (0, 0.0), (1, 1.0), (0.2, 0.2)])
def test_a_share_is_a_number_or_a_percentage(given: object, found: float) -> None:
    """Between nothing and all."""
    assert share(given) == pytest.approx(found)
    assert TableRule.model_validate({"deletes": {"guard": given}}).deletes.guard == pytest.approx(found)


@pytest.mark.parametrize("given", ["5", "-1%", "101%", 1.5, -0.1, True, "all", "5%%"])
def test_any_other_value_is_no_share(given: object) -> None:
    """Too much is none either."""
    with pytest.raises(ValidationError):
        TableRule.model_validate({"deletes": {"guard": given}})


@pytest.mark.parametrize("given", [-1, "-1d", 1.5, "2", True, []])
def test_a_lookback_is_a_count_or_a_duration(given: object) -> None:
    """A count for counting cursors, a duration for times."""
    with pytest.raises(ValidationError):
        TableRule.model_validate({"lookback": given})
    assert TableRule.model_validate({"lookback": 5}).lookback == 5
    assert TableRule.model_validate({"lookback": "5m"}).lookback == dt.timedelta(minutes=5)


def test_a_policy_alone_is_short_for_its_mapping() -> None:
    """Both are written by people."""
    assert TableRule.model_validate({"deletes": "mark"}) == TableRule.model_validate({"deletes": {"policy": "mark"}})
