"""What is normal for a figure by its earlier nights: a median, how far nights spread around it, and bounds.

Pure. It uses medians, because one bad night must not decide what is normal. Durations and counts differ by factors, so
their spread is that of their logarithms; a lag differs by hours. A figure that is odd among all nights, but is as on the
same day of earlier weeks, is not odd: weekends are like that.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

NIGHTS = 14  # the last ones that count
ENOUGH = 7  # nights before which nothing is compared with them
WEEK = 7  # days
SCALE = 1.4826  # by which the median of deviations becomes what is called a standard deviation


class Night(NamedTuple):
    """A figure of so many days before."""

    days: int
    value: float


class Bound(NamedTuple):
    """What was expected, what would still have been normal, and how many nights say so."""

    expected: float
    bound: float
    nights: int


def spread(values: Sequence[float]) -> float:
    """Return how far values are from their median, most of them: one that is far off does not change it."""
    middle = statistics.median(values)
    return SCALE * statistics.median(abs(value - middle) for value in values)


def last(nights: Iterable[Night]) -> list[Night]:
    """Return the nights that count, the last first."""
    return sorted(nights, key=lambda night: night.days)[:NIGHTS]


def above(value: float, nights: Sequence[Night], times: float, spreads: float, least: float) -> Bound | None:
    """Return the bound that a figure is above, None when it is normal or too few nights tell.

    It is more than `times` the median, more than so many spreads above it, and by more than `least`.
    """
    figures = _figures(nights)
    if not figures:
        return None
    middle = statistics.median(figures)
    bound = max(middle * times, _far(figures, spreads), middle + least)
    same = statistics.median_low(_same_day(nights) or [-math.inf])
    return None if value <= max(bound, same * times, same + least) else Bound(middle, bound, len(figures))


def below(value: float, nights: Sequence[Night], times: float, spreads: float, least: float) -> Bound | None:
    """Return the bound that a figure is below, as `above`: less than that part of the median."""
    figures = _figures(nights)
    if not figures:
        return None
    middle = statistics.median(figures)
    bound = min(middle / times, _far(figures, -spreads), middle - least)
    same = statistics.median_high(_same_day(nights) or [math.inf])
    return None if value >= min(bound, same / times, same - least) else Bound(middle, bound, len(figures))


def beyond(value: float, nights: Sequence[Night], spreads: float, least: float) -> Bound | None:
    """Return the bound that a figure is above, as `above`, of one that differs by amounts and not by factors."""
    figures = _figures(nights)
    if not figures:
        return None
    middle = statistics.median(figures)
    bound = middle + max(least, spreads * spread(figures))
    same = statistics.median_low(_same_day(nights) or [-math.inf])
    return None if value <= max(bound, same + least) else Bound(middle, bound, len(figures))


def _figures(nights: Sequence[Night]) -> list[float]:
    """Return the figures that count, none where there are too few."""
    recent = last(nights)
    return [night.value for night in recent] if len(recent) >= ENOUGH else []


def _far(figures: Sequence[float], spreads: float) -> float:
    """Return what is so many spreads of the logarithms from the median."""
    logarithms = [math.log1p(figure) for figure in figures]
    return math.expm1(math.log1p(statistics.median(figures)) + spreads * spread(logarithms))


def _same_day(nights: Sequence[Night]) -> list[float]:
    """Return the figures of the same day of earlier weeks. Where several differ, one odd week does not excuse another."""
    return [night.value for night in nights if night.days % WEEK == 0]
