"""The history of a table: what is compared, what is told of it, and where a picture shows it."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.config.rules import TableRule
from bulketl.rows.months import Month, MonthCount, sum_of
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column, Key, Table
from bulketl.verifying.heatmap import MOST_TABLES, STEPS, cell, drawn, tables_grid, years_grid
from bulketl.verifying.months import History, MonthPair, TableHistory, date_column, is_sentinel, side_by_side

MONTHS: st.SearchStrategy[Month] = st.one_of(
    st.none(),
    st.sampled_from([101, 190001, 999912, 0]),
    st.builds(lambda y, m: y * 100 + m, st.integers(1902, 2099), st.integers(1, 12)),
)
SIDES = st.dictionaries(MONTHS, st.integers(1, 10**6), max_size=40)
PAIRS = st.lists(
    st.builds(MonthPair, MONTHS, st.integers(0, 10**6), st.integers(0, 10**6)), max_size=60, unique_by=lambda p: p.month
)


def counted(side: dict[Month, int]) -> dict[Month, MonthCount]:
    return {month: MonthCount(rows, rows, (Decimal(rows),)) for month, rows in side.items()}


@given(SIDES, SIDES)
def test_every_month_of_either_side_is_there_once_and_no_row_is_lost(
    source: dict[Month, int], target: dict[Month, int]
) -> None:
    """In order, rows without a date first; months differ exactly where the counts do."""
    found = side_by_side(counted(source), counted(target), ["n"])
    assert [item.month for item in found] == sorted({*source, *target}, key=lambda m: -1 if m is None else m)
    assert sum(item.source for item in found) == sum(source.values())
    assert sum(item.target for item in found) == sum(target.values())
    assert {item.month for item in found if item.differs} == {
        m for m in {*source, *target} if source.get(m) != target.get(m)
    }


def test_a_sum_that_differs_by_the_last_digit_differs_and_trailing_zeros_do_not() -> None:
    """NULL is no zero."""
    one: dict[Month, MonthCount] = {202401: MonthCount(2, 2, (Decimal("0.10"), Decimal("1e-30"), None, None))}
    other: dict[Month, MonthCount] = {202401: MonthCount(2, 2, (Decimal("0.1000"), Decimal(0), Decimal(0), None))}
    (month,) = side_by_side(one, other, ["a", "b", "c", "d"])
    assert [name for name, _, _ in month.sums] == ["b", "c"]
    assert month.differs


def columns(*pairs: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, kind, nullable=True, extra=extra) for name, kind, extra in pairs)


TABLE = Table(
    "t",
    columns(
        ("id", "int(11)", ""), ("birth", "date", ""), ("entered", "datetime", ""),
        ("stamp", "timestamp", "on update current_timestamp()"), ("words", "varchar(20)", ""),
    ),
    keys=(Key("PRIMARY", ("id",), unique=True),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("cursor", "loaded", "by", "expected"),
    [
        ("entered", "id birth entered stamp", "", "entered"),
        ("id", "id birth entered stamp", "", "stamp"),
        (None, "id birth entered stamp", "", "stamp"),
        (None, "id birth", "", "birth"),
        ("entered", "id birth stamp", "", "stamp"),
        (None, "id words", "", ""),
        (None, "id birth entered stamp", "birth", "birth"),
        (None, "id birth entered stamp", "nothing", ""),
        (None, "id birth entered stamp words", "words", ""),
    ],
)
def test_the_column_is_the_cursor_then_what_says_when_a_row_was_written_then_any_date(
    cursor: str | None, loaded: str, by: str, expected: str
) -> None:
    """With --by only that one; text is no date, and a column that is not loaded none to compare."""
    assert date_column(TABLE, TableRule(incremental_column=cursor), loaded.split(), by) == expected


@pytest.mark.parametrize(
    ("source", "target", "is_sum"),
    [
        ("int(11)", "integer", True), ("decimal(10,2)", "numeric(10,2)", True), ("double", "double precision", True),
        ("decimal(10,2)", "text", False), ("tinyint(1)", "boolean", False), ("varchar(20)", "varchar(20)", False),
        ("date", "date", False), ("bit(8)", "bigint", True), ("time", "interval(0)", False),
    ],
)  # fmt: skip
def test_sums_are_of_what_is_a_number_on_both_sides(source: str, target: str, is_sum: bool) -> None:
    """Others cannot be added up alike."""
    item = cast(Column("c", source, nullable=True), target)
    assert (sum_of(item, '"c"', target) is not None) is is_sum


@given(PAIRS)
def test_a_cell_hides_neither_what_is_missing_nor_what_is_too_many(months: list[MonthPair]) -> None:
    """They are added up by month; a cell looks equal only when every month in it is."""
    found = cell(months)
    assert (found.colour <= 1) == all(item.source == item.target for item in months)
    assert (found.colour == 0) == all(item.source == item.target == 0 for item in months)
    assert found.missing - found.surplus == sum(item.source - item.target for item in months)


@pytest.mark.parametrize(
    ("source", "target", "colour"),
    [
        (10**6, 10**6 - 1, 2),
        (1000, 999, 2),
        (1000, 998, 3),
        (100, 50, 5),
        (100, 0, 6),
        (100, 101, 8),
        (0, 1, 11),
        (5, 50, 11),
    ],
)
def test_the_colour_is_the_share_and_one_row_of_a_million_is_seen(source: int, target: int, colour: int) -> None:
    """2 to 6 are rows that are missing, 7 to 11 rows too many."""
    assert cell([MonthPair(202401, source, target)]).colour == colour
    assert len(STEPS) == 4


@given(st.lists(PAIRS.map(tuple), min_size=1, max_size=4))
def test_every_month_has_a_place_in_the_picture(tables: list[tuple[MonthPair, ...]]) -> None:
    """Whatever the years: the cells hold every row, and those that are no date stand apart."""
    histories = [TableHistory(f"t{n}", "at", months) for n, months in enumerate(tables)]
    grids = [(tables_grid(histories), [item for months in tables for item in months])]
    grids += [(years_grid(one), list(one.months)) for one in histories]
    for grid, months in grids:
        assert sum(item.rows for item in grid.cells.values()) == sum(item.source for item in months)
        assert sum(item.missing for item in grid.cells.values()) == sum(max(item.source - item.target, 0) for item in months)
        assert all(0 <= n < len(grid.rows) and 0 <= at < len(grid.columns) for n, at in grid.cells)
        labels = {*grid.rows, *grid.columns}
        assert ("no date" in labels) == any(item.month is None for item in months)
        assert ("before 1902" in labels) == any(
            is_sentinel(i.month) and i.month is not None and i.month < 190201 for i in months
        )


def test_of_many_tables_those_that_differ_are_drawn() -> None:
    """And the picture says how many are not in it."""
    tables = tuple(
        TableHistory(f"t{n:03}", "at", (MonthPair(202401, 1000 + n, 1000 + n - (n in (3, 70))),)) for n in range(100)
    )
    kept, word = drawn(History(dt.datetime.now(dt.UTC), "s", "raw", tables))
    assert len(kept) == MOST_TABLES
    assert {"t003", "t070", "t099"} <= {table.table for table in kept}
    assert word.startswith("60 of 100 tables")


def test_labels_of_narrow_years_keep_their_distance() -> None:
    """The first of eighty years has no room for one beside the column of dates before 1902."""
    months = tuple(MonthPair(year * 100 + 1, 1, 1) for year in range(1940, 2020))
    grid = tables_grid([TableHistory("t", "at", (MonthPair(101, 1, 1), *months))])
    labelled = [first for first, _, label in grid.spans if label]
    assert labelled[0] == 0
    assert labelled[1] > 1
    assert all(later - first >= 3 for first, later in itertools.pairwise(labelled[1:]))
    assert {label for _, _, label in grid.spans if label} >= {"before\n1902", "1942", "2018"}
