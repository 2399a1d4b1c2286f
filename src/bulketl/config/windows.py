"""When loads may run: windows of wall-clock time in a zone, on the days they begin. Pure; who asks says what time it is."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator

from bulketl.config.values import Model


def closes(windows: Windows, now: dt.datetime) -> dt.datetime | None:
    """Return when the window that is open at `now` (aware) closes, or None when none is open."""
    found = window_of(windows, now)
    return found[1] if found else None


def window_of(windows: Windows, at: dt.datetime) -> tuple[dt.datetime, dt.datetime] | None:
    """Return begin and end of the window that is open at `at` (aware), in UTC, None when none is."""
    return next((pair for pair in _around(windows, at) if pair[0] <= at < pair[1]), None)


def opens(windows: Windows, now: dt.datetime) -> dt.datetime:
    """Return when the next window begins after `now` (aware)."""
    return next(begin for begin, _ in _around(windows, now) if begin > now)


def closed(windows: Windows, now: dt.datetime) -> tuple[tuple[dt.datetime, dt.datetime], ...]:
    """Return the windows of the last days that closed before `now` (aware), as (begin, end) in UTC, the last one first."""
    return tuple((begin, end) for begin, end in reversed(_around(windows, now, back=9)) if end <= now)


def last_window(windows: Windows, now: dt.datetime) -> tuple[dt.datetime, dt.datetime] | None:
    """Return begin and end of the window that closed last before `now` (aware), None when that is over a week ago."""
    return max((pair for pair in _around(windows, now, back=8) if pair[1] <= now), default=None)


def _around(windows: Windows, now: dt.datetime, *, back: int = 1) -> list[tuple[dt.datetime, dt.datetime]]:
    """Return the windows of the days around `now`, in UTC.

    Begin and end are what the wall clock of the zone shows, so a window is an hour shorter or longer when the clock is
    changed in it. A time that the clock skips is taken an hour later, as `zoneinfo` does.
    """
    begin, end, zone = parse_window(windows.load)
    today = now.astimezone(zone).date()
    found = []
    for day in (today + dt.timedelta(days=n) for n in range(-back, 9)):
        if DAYS[day.weekday()] in windows.days:
            last = day if end > begin else day + dt.timedelta(days=1)
            pair = (dt.datetime.combine(day, begin, zone), dt.datetime.combine(last, end, zone))
            found.append((pair[0].astimezone(dt.UTC), pair[1].astimezone(dt.UTC)))
    return found


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def zone_of_window(windows: Windows | None) -> dt.tzinfo:
    """Return the zone in which the window for loads is written, UTC where there is none."""
    return parse_window(windows.load)[2] if windows else dt.UTC


def parse_window(text: str) -> tuple[dt.time, dt.time, ZoneInfo]:
    """Return begin, end and zone of a window like `21:00-06:00 America/Chicago`; an end before the begin is the next day's.

    Raise ValueError that says what is wrong with it.
    """
    found = re.fullmatch(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)\s+(\S+)", text.strip())
    if found is None:
        raise ValueError("two times and a zone are expected, like 21:00-06:00 America/Chicago")
    hour, minute, last_hour, last_minute = map(int, found.groups()[:4])
    try:
        begin, end = dt.time(hour, minute), dt.time(last_hour, last_minute)
    except ValueError:
        raise ValueError("a time is from 00:00 to 23:59; midnight is 00:00") from None
    if begin == end:
        raise ValueError("it ends when it begins; leave it out to allow every hour")
    return begin, end, _zone(found.group(5))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no proper name, a folder of the zone files
        zones = available_timezones()
    if not zones:
        raise ValueError("this system has no time zones; install the package tzdata")
    close = difflib.get_close_matches(name, zones, n=1)
    raise ValueError("there is no such zone" + (f"; did you mean {close[0]}?" if close else ", like Europe/Berlin or UTC"))


class Windows(Model):
    """When loads may run; a window belongs to the day it begins on."""

    load: str
    days: tuple[Day, ...] = Field(default=DAYS, strict=False, json_schema_extra={"minItems": 1})

    @field_validator("days")
    @classmethod
    def _some(cls, days: tuple[Day, ...]) -> tuple[Day, ...]:
        if not days:
            raise ValueError("at least one day is needed, like [mon, tue]; leave it out for all")
        return tuple(day for day in DAYS if day in days)

    @field_validator("load")
    @classmethod
    def _possible(cls, load: str) -> str:
        parse_window(load)
        return load
