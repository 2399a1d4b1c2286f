"""A limit of something that fills up: how full it is, how fast that grows, and when it is full. Values alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from bulketl.operations.capacity.fit import Trend, fit
from bulketl.tables.printable import brief, lasting, size

Kind = Literal["window", "key", "connections", "disk"]
State = Literal["full", "filling", "far", "no trend", "not known"]
ENOUGH = 7  # nights before which nobody speaks of a trend
YEARS = 10  # beyond, a date is of no use


class DayFigure(NamedTuple):
    """A figure of one night, by the day on which that began."""

    day: dt.date
    value: float


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that fills up. Figures are seconds of the `window`, bytes of the `disk`, else a count.

    `name`: what it is, `what`: the limit in words. `most`: where it is full, None when unknown. `nights`: the figures that
    say so, the last one last. `line`: how they grow in a day, from 1970 on, None before ENOUGH nights. `unknown`: why nobody
    can say more, '' else.
    """

    kind: Kind
    name: str
    what: str
    most: float | None
    nights: Sequence[DayFigure] = ()
    line: Trend | None = None
    unknown: str = ""

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, kind=self.kind, name=self.name, state=self.state)

    @property
    def now(self) -> float | None:
        """The last figure, None without any."""
        return self.nights[-1].value if self.nights else None

    @property
    def share(self) -> float | None:
        """How full it is, 1 for full, None when unknown."""
        return None if self.now is None or not self.most else self.now / self.most

    @property
    def state(self) -> State:
        """How it stands: full, filling (with a date), far (beyond YEARS), without a trend, or not known."""
        if self.share is not None and self.share >= 1:
            return "full"
        if self.unknown or self.line is None:
            return "not known"
        if self.dates is None:
            return "no trend"
        return "far" if self.dates[0] is None else "filling"

    @property
    def dates(self) -> tuple[dt.date | None, dt.date | None, dt.date | None] | None:
        """When it is full: most likely, at the earliest, at the latest; None for beyond YEARS, without a trend for all."""
        if self.line is None or self.most is None or (found := self.line.reaches(self.most)) is None:
            return None
        return _day(found[0], self.line), _day(found[1], self.line), _day(found[2], self.line)

    @property
    def a_week(self) -> float | None:
        """By how much it grows in a week, None when nobody knows."""
        return None if self.line is None else 7 * self.line.slope

    def told(self, value: float | None) -> str:
        """Return a figure of it in words."""
        if value is None:
            return "not known"
        if self.kind == "window":
            return lasting(value)
        return size(value) if self.kind == "disk" else f"{value:,.0f}"

    @property
    def when(self) -> str:
        """When it is full, in words."""
        about, early, late = self.dates or (None, None, None)
        if self.state != "filling" or about is None:
            words = {"full": "now", "far": f"not within {YEARS} years", "not known": f"not known: {self.unknown}"}
            return words.get(self.state, "no trend")
        if early is None or early == late:
            return f"about {dated(about)}"
        return f"between {dated(early)} and {dated(late)}" if late else f"not before {dated(early)}, about {dated(about)}"

    @property
    def growth(self) -> str:
        """How it grows, in words, '' when nobody knows."""
        if self.line is None or self.a_week is None:
            return ""
        if self.line.flat:
            return "no trend"
        said = self.told(abs(self.a_week))
        return f"{'+' if self.a_week > 0 else '−'}{said}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values; without its nights, of which `points` says how many there are."""
        about, early, late = self.dates or (None, None, None)
        iso = [day.isoformat() if day and self.state == "filling" else None for day in (about, early, late)]
        return {
            "kind": self.kind,
            "name": self.name,
            "limit": self.what,
            "state": self.state,
            "now": self.now,
            "most": self.most,
            "a_week": self.a_week,
            "a_week_from": None if self.line is None else 7 * self.line.low,
            "a_week_to": None if self.line is None else 7 * self.line.high,
            **dict(zip(("full_about", "full_from", "full_to"), iso, strict=True)),
            "points": len(self.nights),
            "unknown": self.unknown,
            "told": self.when,
        }


def limit(kind: Kind, name: str, what: str, most: float | None, figures: Iterable[tuple[dt.date, float]]) -> Limit:
    """Return a limit by figures of nights, in any order; of a night that has several the highest counts."""
    highest: dict[dt.date, float] = {}
    for day, value in figures:
        highest[day] = max(value, highest.get(day, value))
    nights = [DayFigure(*pair) for pair in sorted(highest.items())]
    if len(nights) < ENOUGH:
        return Limit(kind, name, what, most, nights, None, few(nights))
    return Limit(kind, name, what, most, nights, fit((night.day.toordinal(), night.value) for night in nights))


def few(nights: Sequence[DayFigure]) -> str:
    """Return that there are too few nights, and since when there are any."""
    since = f", on record since {dated(nights[0].day)}" if nights else ""
    return f"{len(nights)} of {ENOUGH} nights{since}"


def _day(ordinal: float, line: Trend) -> dt.date | None:
    return dt.date.fromordinal(int(ordinal)) if ordinal - line.last <= YEARS * 365.25 else None


def dated(day: dt.date) -> str:
    """Return a day for people: 12 Mar 2027."""
    return f"{day.day} {day:%b %Y}"
