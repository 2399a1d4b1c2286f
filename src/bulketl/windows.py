"""When loads may run: windows of wall-clock time in a zone, on the days they begin. Pure; who asks says what time it is."""

from __future__ import annotations

import datetime as dt

from bulketl.settings import DAYS, Windows, parse_window


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
