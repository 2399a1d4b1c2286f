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
    for begin, end in _around(windows, now):
        if begin <= now < end:
            return end
    return None


def opens(windows: Windows, now: dt.datetime) -> dt.datetime:
    """Return when the next window begins after `now` (aware)."""
    return next(begin for begin, _ in _around(windows, now) if begin > now)


def _around(windows: Windows, now: dt.datetime) -> list[tuple[dt.datetime, dt.datetime]]:
    """Return the windows of the days around `now`, in UTC.

    Begin and end are what the wall clock of the zone shows, so a window is an hour shorter or longer when the clock is
    changed in it. A time that the clock skips is taken an hour later, as `zoneinfo` does.
    """
    begin, end, zone = parse_window(windows.load)
    today = now.astimezone(zone).date()
    found = []
    for day in (today + dt.timedelta(days=n) for n in range(-1, 9)):
        if DAYS[day.weekday()] in windows.days:
            last = day if end > begin else day + dt.timedelta(days=1)
            pair = (dt.datetime.combine(day, begin, zone), dt.datetime.combine(last, end, zone))
            found.append((pair[0].astimezone(dt.UTC), pair[1].astimezone(dt.UTC)))
    return found


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


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
