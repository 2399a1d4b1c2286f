"""When a table is ready to be promoted: its last nights in a row were equal to the older pipeline's, or waived."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.operations.migrate.ready import standing
from bulketl.postgres.ledger.sidebyside import Outcome

NIGHT = dt.datetime(2026, 11, 27, 2, tzinfo=dt.UTC)
OUTCOMES: tuple[Outcome, ...] = ("equal", "waived", "differs", "not compared")


def nights(*found: Outcome, hours: float = 24.0) -> int:
    """Return the nights in a row of comparisons, the last of them first, so many hours apart."""
    made = [(outcome, NIGHT - dt.timedelta(hours=hours * n)) for n, outcome in enumerate(found)]
    return standing("t", made, 7, dt.UTC).nights


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((), 0),
        (("equal",), 1),
        (("equal", "waived", "equal"), 3),
        (("differs", "equal", "equal"), 0),
        (("equal", "differs", "equal"), 1),
        (("not compared", "equal", "equal"), 2),  # no night at all
        (("equal", "not compared", "equal"), 2),
        (("not compared",), 0),
    ],
)
def test_nights_are_counted_back_to_the_last_that_differed(found: tuple[Outcome, ...], expected: int) -> None:
    assert nights(*found) == expected


def test_a_day_is_one_night_however_often_it_is_compared_and_its_last_comparison_counts() -> None:
    assert nights("equal", "differs", "equal", hours=0.5) == 1
    assert nights("differs", "equal", hours=0.5) == 0


def test_days_without_a_comparison_do_not_break_the_row() -> None:
    assert nights("equal", "equal", "equal", hours=24 * 9) == 3


def test_a_night_is_a_day_of_the_zone() -> None:
    made: list[tuple[Outcome, dt.datetime]] = [
        ("equal", dt.datetime(2026, 11, 27, 4, tzinfo=dt.UTC)),
        ("equal", dt.datetime(2026, 11, 26, 22, tzinfo=dt.UTC)),
    ]
    assert standing("t", made, 7, dt.UTC).nights == 2
    assert standing("t", made, 7, ZoneInfo("America/Chicago")).nights == 1  # an evening of one day


@given(st.lists(st.tuples(st.sampled_from(OUTCOMES), st.integers(0, 2_000)), max_size=40), st.integers(1, 9))
def test_a_row_of_nights_is_that_of_the_days_after_the_last_one_that_ended_different(
    drawn: list[tuple[Outcome, int]], needed: int
) -> None:
    made = sorted(((outcome, NIGHT - dt.timedelta(minutes=n)) for outcome, n in drawn), key=lambda one: one[1], reverse=True)
    found = standing("t", made, needed, dt.UTC)
    ends: dict[dt.date, str] = {}
    for outcome, at in reversed(made):
        if outcome != "not compared":
            ends[at.date()] = outcome  # the last of the day stays
    last = max((day for day, outcome in ends.items() if outcome == "differs"), default=dt.date.min)
    assert found.nights == sum(day > last for day in ends)
    assert found.ready == (found.nights >= needed)
    assert (found.last, found.at) == (made[0] if made else ("", None))
