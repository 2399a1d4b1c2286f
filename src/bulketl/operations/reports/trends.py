"""What the loads of a night moved, beside other nights: the one before, the same weekday before, a median of fourteen.

Nights are those of the dashboard: from noon to noon, by when a load began. A figure that nobody can know is None, and too
few nights give no median.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bulketl.operations.dashboard.charts import BEFORE, ENOUGH, Chart, chart
from bulketl.operations.dashboard.nights import NIGHTS, night_of
from bulketl.operations.history.standing import plain
from bulketl.postgres.ledger.nightloads import LoadTotals
from bulketl.tables.printable import lasting, size

Unit = Literal["s", "rows", "bytes", "rows/s", "count"]
WEEK = 7


@dataclass(frozen=True, slots=True)
class NightFigures:
    """The loads of a night taken together. `took`: seconds in which one was carried out; `paused`: in which one stood still.

    All figures are None in a night without a load that has ended; `failed`, the tables whose last load of it failed, also
    where it is not known any more.
    """

    day: dt.date
    loads: int = 0
    took: float | None = None
    rows: int | None = None
    bytes: int | None = None
    rejects: int | None = None
    failed: int | None = None
    ended: dt.datetime | None = None
    paused: float = 0.0

    @property
    def speed(self) -> float | None:
        """Rows a second."""
        return self.rows / self.took if self.rows is not None and self.took else None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        names = ("loads", "took", "paused", "rows", "bytes", "rejects", "failed", "ended")
        return {"day": self.day.isoformat(), **plain({name: getattr(self, name) for name in names})}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a night beside other nights. `nights`: how many of the fourteen before have it; `median` is of these."""

    title: str
    unit: Unit
    last: float | None
    median: float | None
    nights: int
    before: float | None
    week: float | None

    def told(self, value: float | None) -> str:
        """Return a value with its unit; a dash for one that is not known."""
        return "–" if value is None else _UNITS[self.unit](value)

    @property
    def usual(self) -> str:
        """The median, or why there is none."""
        return self.told(self.median) if self.median is not None else f"too few nights ({self.nights})"

    @property
    def against(self) -> str:
        """The difference to the median; '' where one of them is not known."""
        if self.last is None or self.median is None:
            return ""
        more = self.last - self.median
        sign = "+" if more > 0 else "−" if more < 0 else "±"
        if self.unit == "count" or not self.median:
            return f"{sign}{self.told(abs(more))}"
        if self.unit == "s":
            return f"{sign}{lasting(abs(more))}"
        share = self.last / self.median
        return f"× {share:,.1f}" if share >= 3 else f"{sign}{abs(share - 1):.1%}".replace("%", " %")

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        names = ("title", "unit", "last", "median", "nights", "before", "week")
        return {name: getattr(self, name) for name in names}


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


_UNITS: Mapping[Unit, Any] = {
    "s": lambda value: f"{value:.1f} s" if 0 < value < 10 else lasting(value),
    "rows": lambda value: f"{value:,.0f}",
    "bytes": size,
    "rows/s": lambda value: f"{value:,.0f}",
    "count": _count,
}
_TITLES: tuple[tuple[str, str, Unit], ...] = (
    ("Took", "took", "s"),
    ("Rows read", "rows", "rows"),
    ("Volume", "bytes", "bytes"),
    ("Rows a second", "speed", "rows/s"),
    ("Rejected rows", "rejects", "count"),
    ("Failed tables", "failed", "count"),
)


def days_before(day: dt.date) -> list[dt.date]:
    """Return the nights that are looked at: that one, and before it as many as charts and medians need."""
    return [day - dt.timedelta(days=n) for n in range(NIGHTS - 1, -1, -1)]


def by_night(
    totals: Sequence[LoadTotals], failed: Mapping[dt.date, int], days: Sequence[dt.date], zone: dt.tzinfo
) -> list[NightFigures]:
    """Return the nights of those days, the first one first; `failed`: how many tables failed, where that is known."""
    found: dict[dt.date, list[LoadTotals]] = {day: [] for day in days}
    for load in totals:
        found.setdefault(night_of(load.began, zone), []).append(load)
    return [_night(day, found[day], failed.get(day)) for day in days]


def _night(day: dt.date, loads: Sequence[LoadTotals], failed: int | None) -> NightFigures:
    done = [(load, load.ended) for load in loads if load.ended is not None]
    if not done:
        return NightFigures(day, len(loads))
    paused = sum(load.paused for load, _ in done)
    return NightFigures(
        day,
        len(loads),
        max(took_together([(load.began, ended) for load, ended in done]) - paused, 0.0),
        sum(load.rows for load, _ in done),
        sum(load.bytes for load, _ in done),
        sum(load.rejects for load, _ in done),
        failed,
        max(ended for _, ended in done),
        paused,
    )


def took_together(spans: Sequence[tuple[dt.datetime, dt.datetime]]) -> float:
    """Return the seconds that spans cover; those in which several are on count once."""
    covered, until = 0.0, None
    for begin, end in sorted(spans):
        begins = begin if until is None else max(begin, until)
        covered += max((end - begins).total_seconds(), 0.0)
        until = end if until is None else max(until, end)
    return covered


def figures_of(nights: Sequence[NightFigures]) -> tuple[Figure, ...]:
    """Return the figures of the last night beside those before it."""
    return tuple(_figure(nights, *each) for each in _TITLES)


def _figure(nights: Sequence[NightFigures], title: str, name: str, unit: Unit) -> Figure:
    values: list[float | None] = [getattr(night, name) for night in nights]
    known = [value for value in values[:-1][-BEFORE:] if value is not None]
    return Figure(
        title, unit, values[-1],
        statistics.median(known) if len(known) >= ENOUGH else None, len(known),
        values[-2] if len(values) > 1 else None, values[-1 - WEEK] if len(values) > WEEK else None,
    )  # fmt: skip


def charts_of(nights: Sequence[NightFigures], zone: dt.tzinfo) -> tuple[Chart, ...]:
    """Return what the loads of these nights took and read, against the fourteen nights before each."""
    if sum(night.took is not None for night in nights) < 2:
        return ()
    at = [dt.datetime.combine(night.day, dt.time(12), zone) for night in nights]
    bad = frozenset(n for n, night in enumerate(nights) if night.failed)
    took: list[float | None] = [night.took for night in nights]
    rows: list[float | None] = [night.rows for night in nights]
    return (chart("Took", "s", at, took, bad, "night"), chart("Rows read", "rows", at, rows, bad, "night"))
