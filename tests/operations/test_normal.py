"""What is normal by earlier nights, against plain definitions."""

from __future__ import annotations

import math
import statistics

from hypothesis import given
from hypothesis import strategies as st

from bulketl.operations.anomalies.normal import ENOUGH, NIGHTS, Night, above, below, beyond, spread

FIGURES = st.floats(0, 1e6, allow_nan=False)
VALUES = st.lists(FIGURES, min_size=1, max_size=40)
TIMES = st.floats(1.1, 10)
LEAST = st.floats(0, 100)


def nights(values: list[float], days: int = 1) -> list[Night]:
    """The last one first, one a day, without a day that is the same day of the week."""
    free = [day for day in range(days, 80) if day % 7]
    return [Night(day, value) for day, value in zip(free, values, strict=False)]


def plain_spread(values: list[float]) -> float:
    ordered = sorted(values)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    far = sorted(abs(value - middle) for value in values)
    return 1.4826 * (far[(len(far) - 1) // 2] + far[len(far) // 2]) / 2


@given(VALUES)
def test_a_spread_is_the_scaled_median_of_deviations(values: list[float]) -> None:
    assert math.isclose(spread(values), plain_spread(values), abs_tol=1e-9)


@given(VALUES, FIGURES, TIMES, LEAST)
def test_what_is_above_is_more_than_each_of_its_three_bounds(
    values: list[float], value: float, times: float, least: float
) -> None:
    """Of the last fourteen nights, and nothing with fewer than seven."""
    found = above(value, nights(values), times, 3.0, least)
    if len(values) < ENOUGH:
        assert found is None
        return
    recent = values[:NIGHTS]
    middle = statistics.median(recent)
    logs = [math.log1p(one) for one in recent]
    far = math.exp(math.log1p(middle) + 3.0 * plain_spread(logs)) - 1
    bound = max(times * middle, middle + least, far)
    if not math.isclose(value, bound, rel_tol=1e-9, abs_tol=1e-12):
        assert (found is not None) == (value > bound)
    if found:
        assert (found.expected, found.nights) == (middle, len(recent))
        assert math.isclose(found.bound, bound, rel_tol=1e-9, abs_tol=1e-12)


@given(VALUES, FIGURES, TIMES, LEAST)
def test_what_is_below_is_less_than_each_of_its_three_bounds(
    values: list[float], value: float, times: float, least: float
) -> None:
    found = below(value, nights(values), times, 3.0, least)
    if len(values) < ENOUGH:
        assert found is None
        return
    recent = values[:NIGHTS]
    middle = statistics.median(recent)
    far = math.exp(math.log1p(middle) - 3.0 * plain_spread([math.log1p(one) for one in recent])) - 1
    bound = min(middle / times, middle - least, far)
    if not math.isclose(value, bound, rel_tol=1e-9, abs_tol=1e-9):
        assert (found is not None) == (value < bound)


@given(VALUES, FIGURES, LEAST)
def test_what_is_beyond_differs_by_amounts(values: list[float], value: float, least: float) -> None:
    found = beyond(value, nights(values), 3.0, least)
    recent = values[:NIGHTS]
    bound = statistics.median(recent) + max(least, 3.0 * plain_spread(recent))
    if not math.isclose(value, bound, rel_tol=1e-9, abs_tol=1e-12):
        assert (found is not None) == (len(values) >= ENOUGH and value > bound)


@given(st.lists(FIGURES, min_size=7, max_size=20), FIGURES, TIMES)
def test_what_is_as_on_the_same_day_of_an_earlier_week_is_normal(values: list[float], value: float, times: float) -> None:
    """However odd it is among all nights."""
    same = [Night(7, value), *nights(values)]
    assert above(value, same, times, 3.0, 0) is None
    assert below(value, same, times, 3.0, 0) is None
    assert beyond(value, same, 3.0, 0) is None


@given(VALUES, FIGURES, st.randoms())
def test_the_order_of_nights_does_not_matter(values: list[float], value: float, dice: object) -> None:
    mixed = nights(values)
    getattr(dice, "shuffle")(mixed)  # noqa: B009
    assert above(value, mixed, 2, 3, 1) == above(value, nights(values), 2, 3, 1)
    assert below(value, mixed, 2, 3, 1) == below(value, nights(values), 2, 3, 1)


@given(st.lists(FIGURES, min_size=7, max_size=20), TIMES)
def test_a_night_like_the_median_is_normal(values: list[float], times: float) -> None:
    middle = statistics.median(values[:NIGHTS])
    assert above(middle, nights(values), times, 3, 0) is None
    assert below(middle, nights(values), times, 3, 0) is None
    assert beyond(middle, nights(values), 3, 0) is None
