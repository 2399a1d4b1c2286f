"""The last nights of tables as cells: how each night ended, by the day on which it began in the zone of the pages.

A night goes from noon to noon. Where several loads had a table in one night, the last of them tells.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bulketl.operations.dashboard.words import NAMES, OF_OUTCOMES, State
from bulketl.postgres.ledger.manynights import MOST_LOADS, Nights
from bulketl.tables.printable import count_of

NIGHTS = 30
STEP, WIDTH, HEIGHT = 9.1, 7.0, 26
TALL = {"ontime": 9, "late": 17, "failed": 25, "never": 9, "running": 17, "none": 2}


@dataclass(frozen=True, slots=True)
class Cell:
    """A night of a table: where it is drawn, how high, and in which state."""

    state: State
    x: float
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class Strip:
    """The nights of a table, the last one last."""

    states: Sequence[State]

    @property
    def cells(self) -> list[Cell]:
        """The nights as cells."""
        return [cell(state, n) for n, state in enumerate(self.states)]

    @property
    def label(self) -> str:
        """The same in words, for who cannot see them."""
        counts = Counter(self.states)
        told = ", ".join(f"{count} {NAMES[state] if state != 'none' else 'without it'}" for state, count in counts.items())
        return f"last {count_of(len(self.states), 'night')}: {told}"

    @property
    def bad(self) -> int:
        """How many nights were late or failed."""
        return sum(state in ("late", "failed") for state in self.states)


def cell(state: State, n: int = 0) -> Cell:
    """Return the cell of the night number `n`, counted from the left."""
    return Cell(state, round(2 + n * STEP, 1), HEIGHT - TALL[state], TALL[state])


@dataclass(frozen=True)
class Strips:
    """The nights that are shown, the last one last, and the loads that were in them."""

    days: Sequence[dt.date]
    nights: Nights
    zone: dt.tzinfo

    @cached_property
    def _night(self) -> list[int]:
        """The number of the night that each load was in."""
        return [(night_of(began, self.zone) - self.days[0]).days for began in self.nights.began]

    def of(self, table: str, *, never: bool = False, last: State | None = None) -> Strip:
        """Return the nights of a table. `never`: it was never loaded; `last`: how its last load stands, if better known."""
        states: list[State] = ["none"] * len(self.days)
        slow = self.nights.slow.get(table, ())
        for n, outcome in self.nights.outcomes.get(table, ()):
            state = OF_OUTCOMES.get(outcome, "none")
            if state == "ontime" and n in slow:
                state = "late"
            night = self._night[n]
            if 0 <= night < len(states) and (state != "none" or states[night] == "none"):
                states[night] = state
        if never:
            states = ["never" if state == "none" and n in self._night else state for n, state in enumerate(states)]
        if last is not None and (last == "running" or states[-1] in ("none", "ontime")):
            states[-1] = last
        return Strip(states)


def night_of(at: dt.datetime, zone: dt.tzinfo) -> dt.date:
    """Return the day on which the night of a moment began."""
    return (at.astimezone(zone) - dt.timedelta(hours=12)).date()


def first_night(now: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Return when the first night that is shown began."""
    day = night_of(now, zone) - dt.timedelta(days=NIGHTS)  # the last one shown may be last night
    return dt.datetime.combine(day, dt.time(12), zone)


def strips(nights: Nights, now: dt.datetime, zone: dt.tzinfo, last: dt.date | None = None) -> Strips:
    """Return the last nights, NIGHTS of them, or as many as the loads that were looked at tell of.

    The last is that of the last load, or last night where none has begun since, unless somebody says which is `last`.
    """
    if last is None:
        last = night_of(nights.began[-1], zone) if nights.began else night_of(now, zone)
        last = max(last, night_of(now, zone) - dt.timedelta(days=1))
    days = [last - dt.timedelta(days=n) for n in range(NIGHTS - 1, -1, -1)]
    if len(nights.began) == MOST_LOADS:  # what was before is not known
        days = [day for day in days if day >= night_of(nights.began[0], zone)] or [last]
    return Strips(days, nights, zone)
