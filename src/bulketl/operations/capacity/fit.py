"""A straight line through figures of nights that a few odd nights do not turn: Theil and Sen's. Pure.

Its slope is the median of the slopes between every two points, so up to 29 % of them may be anything. The interval of the
slope is Sen's, by the ranks of those slopes, and holds it with 95 % when nights differ from the line at random.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

CONFIDENCE = 0.95
MOST = 400  # points; there are half as many slopes as their square
LATELY = 7  # points whose median says where the line is now

Point = tuple[float, float]


class Trend(NamedTuple):
    """A line: by how much it rises for each unit of x, between which slopes the true one is, where it is at x = 0.

    `level`: where it is at the last x when it goes through the median of the last points, which tells of a step that they
    took together; a forecast begins there.
    """

    slope: float
    low: float
    high: float
    intercept: float
    last: float
    level: float

    @property
    def rises(self) -> bool:
        """Whether it rises without doubt: its interval is above 0."""
        return self.low > 0

    @property
    def flat(self) -> bool:
        """Whether nobody can say that it rises or falls: its interval holds 0."""
        return self.low <= 0 <= self.high

    def reaches(self, limit: float) -> tuple[float, float, float] | None:
        """Return at which x it reaches a limit above it: most likely, at the earliest, at the latest; None for no trend.

        All are the last x where it is there already.
        """
        if not self.rises:
            return None
        left = max(limit - self.level, 0.0)
        return self.last + left / self.slope, self.last + left / self.high, self.last + left / self.low


def fit(points: Iterable[Point], confidence: float = CONFIDENCE) -> Trend | None:
    """Return the line through points (x, y) in any order, None through fewer than two x. The last MOST of them count."""
    chosen = sorted(points)[-MOST:]
    slopes = sorted(_slopes(chosen))
    if not slopes:
        return None
    xs, ys = [x for x, _ in chosen], [y for _, y in chosen]
    slope = statistics.median(slopes)
    low, high = _interval(slopes, xs, ys, confidence)
    intercept = statistics.median(ys) - slope * statistics.median(xs)
    lately = statistics.median(y - slope * x for x, y in chosen[-LATELY:])
    return Trend(slope, low, high, intercept, xs[-1], lately + slope * xs[-1])


def _slopes(points: Sequence[Point]) -> list[float]:
    return [(later - y) / (beyond - x) for n, (x, y) in enumerate(points) for beyond, later in points[n + 1 :] if beyond > x]


def _interval(slopes: Sequence[float], xs: Sequence[float], ys: Sequence[float], confidence: float) -> tuple[float, float]:
    """Return between which two slopes the true one is; `slopes` in order.

    How many pairs rise is nearly normal around half of them. Pairs that are level in x or y say nothing, and lessen how far
    it strays.
    """
    strays = _strays(len(xs)) - sum(_strays(n) for n in (*_times(xs), *_times(ys)))
    far = -statistics.NormalDist().inv_cdf((1 - confidence) / 2) * math.sqrt(max(strays, 0.0) / 18)
    below, above = round((len(slopes) - far) / 2) - 1, round((len(slopes) + far) / 2)
    return slopes[max(below, 0)], slopes[min(above, len(slopes) - 1)]


def _strays(n: int) -> float:
    return n * (n - 1) * (2 * n + 5)


def _times(values: Sequence[float]) -> list[int]:
    """Return how often each value is there that is so more than once."""
    return [count for count in Counter(values).values() if count > 1]
