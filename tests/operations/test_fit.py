"""The line through nights: as scipy has it, whatever the order, and unmoved by what a few nights were."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from bulketl.operations.capacity.fit import MOST, fit

FIGURES = st.integers(-1_000_000, 1_000_000)
POINTS = st.lists(st.tuples(st.integers(0, 60), FIGURES), min_size=3, max_size=40)
SHIFTS = st.integers(-10_000, 10_000)


def near(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)


@given(POINTS)
def test_slope_interval_and_intercept_are_as_scipy_has_them(points: list[tuple[int, int]]) -> None:
    """Nights that are level and nights that are doubled included."""
    assume(len({x for x, _ in points}) > 1)
    line = fit(points)
    with np.errstate(invalid="ignore"):  # where hardly a pair of nights says anything it has no interval
        theirs = stats.theilslopes([float(y) for _, y in points], [float(x) for x, _ in points], 0.95)
    assert line is not None
    assert near(line.slope, theirs.slope)
    assert near(line.intercept, theirs.intercept)
    if not math.isnan(theirs.low_slope):
        assert near(line.low, theirs.low_slope)
        assert near(line.high, theirs.high_slope)


def test_a_year_of_nights_is_as_scipy_has_it() -> None:
    chance = random.Random(7)
    points = [(float(day), 3 * day + chance.gauss(0, 50)) for day in range(365)]
    line, theirs = fit(points), stats.theilslopes([y for _, y in points], [x for x, _ in points], 0.95)
    assert line is not None
    assert line[:4] == pytest.approx((theirs.slope, theirs.low_slope, theirs.high_slope, theirs.intercept))
    assert line.low < 3 < line.high


@given(POINTS, st.randoms())
def test_the_order_of_nights_does_not_matter(points: list[tuple[int, int]], chance: random.Random) -> None:
    assume(len({x for x, _ in points}) == len(points))
    mixed = list(points)
    chance.shuffle(mixed)
    assert fit(points) == fit(mixed)


@given(POINTS, SHIFTS, SHIFTS, st.sampled_from([1, 2, 8, 1024]))
def test_it_moves_and_grows_as_its_points_do(points: list[tuple[int, int]], right: int, up: int, times: int) -> None:
    assume(len({x for x, _ in points}) > 1)
    line, moved = fit(points), fit([(x + right, times * y + up) for x, y in points])
    assert line is not None
    assert moved is not None
    for name in ("slope", "low", "high"):
        assert near(getattr(moved, name), times * getattr(line, name))
    assert near(moved.intercept + moved.slope * right, times * line.intercept + up)


@given(st.integers(-100, 100), st.integers(20, 60), st.data())
def test_29_of_100_nights_may_be_anything(slope: int, count: int, data: st.DataObject) -> None:
    wrong = data.draw(st.sets(st.integers(0, count - 1), max_size=int(0.28 * count)))
    points = [(n, data.draw(FIGURES) if n in wrong else slope * n + 5) for n in range(count)]
    line = fit(points)
    assert line is not None
    assert line.slope == slope


def test_what_nobody_can_fit_is_none() -> None:
    assert [fit(points) for points in ([], [(1, 2)], [(1, 2), (1, 3)])] == [None, None, None]


def test_the_last_nights_count_where_there_are_more_than_enough() -> None:
    points = [(float(n), 0.0) for n in range(600)] + [(600.0 + n, 2.0 * n) for n in range(MOST)]
    line = fit(points)
    assert line is not None
    assert line.slope == 2


def test_a_line_that_is_level_or_falls_reaches_nothing() -> None:
    """Nor does one of which nobody can say that it rises."""
    for values in ([5.0] * 20, [20.0 - n for n in range(20)], [float((n * 7) % 5) for n in range(20)]):
        line = fit(list(enumerate(values)))
        assert line is not None
        assert line.reaches(100) is None


def test_a_line_reaches_its_limit_from_where_the_last_nights_are() -> None:
    """A step that they took together counts; the limit may be behind."""
    level = fit([(n, 2.0 * n) for n in range(30)])
    stepped = fit([(n, 2.0 * n + (100 if n >= 24 else 0)) for n in range(30)])
    assert level is not None
    assert stepped is not None
    assert level.reaches(78) == (39, 39, 39)
    assert stepped.reaches(178) == pytest.approx((39, 39, 39), abs=8)
    assert level.reaches(10) == (29, 29, 29)
