"""A figure of a table's loads as a line with axes, against the median and the middle half of the loads before each.

What is drawn twice, wide and narrow, keeps its labels legible on a phone. Only numbers are worked out here; the template
`chart` draws them as attributes of SVG, which a strict policy of contents allows.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bulketl.tables.printable import count_of, lasting

BEFORE = 14  # loads whose median is what is usual
ENOUGH = 4  # of them, before which nothing is
HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 200, 62, 14, 12, 26
WIDTHS = {"wide": 620, "narrow": 340}
TICKS = 4
_MINUTES = (1, 2, 5, 10, 15, 30, *(60 * hours for hours in (1, 2, 3, 6, 12, 24, 48)))  # between two ticks of a time
DATES = {"wide": 5, "narrow": 3}


class Label(NamedTuple):
    """A text at a place of an axis, and how it is anchored there."""

    at: float
    text: str
    anchor: Literal["start", "middle", "end"] = "middle"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart of one width: paths of SVG, and the labels of both axes."""

    name: str
    width: int
    line: str
    dots: Sequence[tuple[float, float]]
    median: str
    band: str
    failed: Sequence[float]
    ys: Sequence[Label]
    xs: Sequence[Label]


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure through the loads: its title, what it says in words, and its drawings."""

    title: str
    said: str
    drawings: Sequence[Drawing]
    height: int = HEIGHT
    left: int = LEFT
    bottom: int = HEIGHT - BOTTOM


def chart(
    title: str,
    unit: Literal["s", "rows"],
    at: Sequence[dt.datetime],
    values: Sequence[float | None],
    failed: Collection[int],
    noun: Literal["load", "night"] = "load",
) -> Chart:
    """Return a figure of loads, or of nights, the first one first; None for one that has none."""
    known = [value for value in values if value is not None]
    usual = [_usual([v for v in values[max(0, n - BEFORE) : n] if v is not None]) for n in range(len(values))]
    last, median = known[-1] if known else None, statistics.median(known[-BEFORE - 1 : -1]) if len(known) > ENOUGH else None
    said = f"no {noun} on record has it" if last is None else f"last {_told(last, unit)}"
    said += f", median {_told(median, unit)}" if median is not None else ""
    said += f", {len(failed)} of {count_of(len(values), noun)} failed" if failed and noun == "load" else ""
    said += f", something failed in {len(failed)} of {count_of(len(values), noun)}" if failed and noun == "night" else ""
    top = _round_up(max(known, default=1.0), unit)
    return Chart(title, said, [_drawing(name, at, values, usual, sorted(failed), top, unit) for name in WIDTHS])


def _usual(before: Sequence[float]) -> tuple[float, float, float] | None:
    """Return the lower quarter, the median and the upper quarter of the loads before; None for too few of them."""
    if len(before) < ENOUGH:
        return None
    low, middle, high = statistics.quantiles(before, n=4, method="inclusive")
    return low, middle, high


def _drawing(
    name: str, at: Sequence[dt.datetime], values: Sequence[float | None], usual: Sequence[tuple[float, float, float] | None],
    failed: Sequence[int], top: float, unit: str,
) -> Drawing:  # fmt: skip
    width = WIDTHS[name]
    step = (width - LEFT - RIGHT) / max(len(values) - 1, 1)
    xs = [round(LEFT + step * n, 1) for n in range(len(values))]

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(value / top, 1)), 1)

    marked = [(x, found) for x, found in zip(xs, usual, strict=True) if found is not None]
    there = [(x, y(middle)) for x, (_, middle, _) in marked]
    band = [(x, y(low)) for x, (low, _, _) in marked] + [(x, y(high)) for x, (_, _, high) in reversed(marked)]
    points = [None if value is None else (x, y(value)) for x, value in zip(xs, values, strict=True)]
    alone = [
        point for n, point in enumerate(points)
        if point and not any(0 <= near < len(points) and points[near] for near in (n - 1, n + 1))
    ]  # fmt: skip
    dates = sorted({round(n * (len(at) - 1) / (DATES[name] - 1)) for n in range(DATES[name])})
    anchors: list[Literal["start", "middle", "end"]] = ["middle"] * len(dates)
    anchors[0], anchors[-1] = "start", "end"
    return Drawing(
        name,
        width,
        _path(points),
        alone + ([points[-1]] if points[-1] else []),
        _path(there),
        f"{_path(band)}Z" if band else "",
        [xs[n] for n in failed],
        [Label(y(top * n / TICKS), _short(top * n / TICKS, unit)) for n in range(TICKS + 1)],
        [Label(xs[n], f"{at[n].day} {at[n]:%b}", anchor) for n, anchor in zip(dates, anchors, strict=True)],
    )


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    """Return a path through points, with a gap where there is none."""
    parts, drawn = list[str](), False
    for point in points:
        if point is not None:
            parts.append(f"{'L' if drawn else 'M'}{point[0]:g} {point[1]:g}")
        drawn = point is not None
    return "".join(parts)


def _round_up(value: float, unit: str) -> float:
    """Return a round number that is not below a value: what the axis ends with. A time is in whole minutes at each tick."""
    if unit == "s" and value >= 120:
        return next((TICKS * 60 * tick for tick in _MINUTES if TICKS * 60 * tick >= value), value)
    size = 10.0 ** (len(f"{value:.0f}") - 1) if value >= 1 else 0.1
    return next((size * n for n in (1, 2, 4, 6, 8, 10) if size * n >= value), value) or 1.0


def _told(value: float, unit: str) -> str:
    if unit == "s":
        return f"{value:.1f} s" if value < 10 else lasting(value)
    return f"{value:,.0f}"


def _short(value: float, unit: str) -> str:
    """Return a label of an axis."""
    if unit == "s" and value >= 3600:
        return f"{value / 3600:.2f}".rstrip("0").rstrip(".") + " h"
    if unit == "s" and value >= 60:
        return lasting(value)
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if unit == "rows" and value >= size:
            return f"{value / size:,.2f}".rstrip("0").rstrip(".") + letter
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}".rstrip("0")
