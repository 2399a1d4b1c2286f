"""SQL as text: literals that mean their value and nothing else, names that stay apart, ranges that compare as tuples do."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.mysql.read import literal, range_condition
from bulketl.postgres.ddl import batch, staging_name
from bulketl.tables.spec import NAME_BYTES, cut


@given(st.text() | st.binary())
def test_text_and_bytes_are_literals_in_hexadecimal(value: str | bytes) -> None:
    """So no quote, backslash or SQL mode can change them."""
    match = re.fullmatch(r"(_utf8mb4 )?X'([0-9a-f]*)'", literal(value))
    assert match
    raw = bytes.fromhex(match[2])
    assert (raw.decode() if match[1] else raw) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**64 - 1, "18446744073709551615"),
        (-5, "-5"),
        (Decimal("1.50"), "1.50"),
        (dt.date(2024, 2, 29), "'2024-02-29'"),
        (dt.datetime(2024, 2, 29, 1, 2, 3, 4), "'2024-02-29 01:02:03.000004'"),
        (dt.datetime(2024, 2, 29), "'2024-02-29 00:00:00'"),
    ],
)
def test_numbers_and_dates_are_plain(value: int | Decimal | dt.date, text: str) -> None:
    """As MySQL prints them."""
    assert literal(value) == text


def test_floats_and_times_are_literals_that_are_equal_to_the_value() -> None:
    """A float has an exponent, so that it is no decimal; a TIME may be negative and have more than a day."""
    assert [literal(value) for value in (0.1, -2.0, 1e-07, 1e300)] == ["0.1e0", "-2.0e0", "1e-07", "1e+300"]
    time = dt.timedelta(hours=838, minutes=59, seconds=58, microseconds=5)
    assert [literal(time), literal(-time)] == ["'838:59:58.000005'", "'-838:59:58.000005'"]


PAIRS = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))


@given(st.lists(PAIRS, unique=True), PAIRS | st.none(), PAIRS | st.none())
def test_a_range_condition_means_what_comparing_tuples_means(
    rows: list[tuple[int, int, int]], lo: tuple[int, int, int] | None, hi: tuple[int, int, int] | None
) -> None:
    """Run by a database, not by reading it: lo <= key < hi."""
    condition = range_condition(("a", "b", "c"), lo, hi) or "1"
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a int, b int, c int)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        found = connection.execute(f"SELECT * FROM t WHERE {condition}").fetchall()
    assert sorted(found) == sorted(row for row in rows if (lo is None or row >= lo) and (hi is None or row < hi))


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_cut_name_fits_and_two_names_stay_two(one: str, other: str) -> None:
    """At most 63 bytes, whole characters, short names as they are."""
    for name in (one, one * 20):
        assert len(cut(name).encode()) <= NAME_BYTES
        if len(name.encode()) <= NAME_BYTES:
            assert cut(name) == name
    if one != other:
        assert cut("x" * 80 + one) != cut("x" * 80 + other)


def test_a_staging_table_is_called_after_its_run_first() -> None:
    """So that a dead run's tables can be found, however long the table's own name."""
    run = "20260101-000000-abcd"
    assert staging_name(run, "x" * 64).startswith(run + " ")


@given(st.lists(st.text(), min_size=1))
def test_nothing_inside_a_batch_can_end_it(statements: list[str]) -> None:
    """The quotation's tag stands at its two ends only."""
    text = batch(statements)
    tag = text.split()[1]
    assert text.count(tag) == 2
    assert text.startswith(f"DO {tag} ")
    assert text.endswith(tag)
