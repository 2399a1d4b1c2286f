"""Windows in which loads may run, by the wall clock of their zone."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.config.windows import DAYS, Windows, closes, opens

NIGHT = Windows(load="21:00-06:00 America/Chicago")


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-07-01 01:59", None),  # 20:59 there
        ("2026-07-01 02:00", "2026-07-01 11:00"),
        ("2026-07-01 10:59", "2026-07-01 11:00"),
        ("2026-07-01 11:00", None),
        ("2026-03-08 05:00", "2026-03-08 11:00"),  # the clock skips an hour that night: 8 hours
        ("2026-03-08 03:00", "2026-03-08 11:00"),
        ("2026-11-01 02:00", "2026-11-01 12:00"),  # and has one twice: 10 hours
        ("2026-11-01 11:30", "2026-11-01 12:00"),
    ],
)
def test_a_window_is_open_from_its_begin_to_its_end_by_the_clock_on_the_wall(now: str, end: str | None) -> None:
    """Also in the nights when the clock is changed."""
    assert closes(NIGHT, utc(now)) == (None if end is None else utc(end))


def test_a_window_belongs_to_the_day_it_begins_on() -> None:
    """Friday's night ends on Saturday morning."""
    friday = Windows(load="21:00-06:00 UTC", days=("fri",))
    assert closes(friday, utc("2026-11-28 05:59")) == utc("2026-11-28 06:00")  # a Saturday
    assert closes(friday, utc("2026-11-28 21:00")) is None
    assert opens(friday, utc("2026-11-28 06:00")) == utc("2026-12-04 21:00")


@given(
    st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2030, 1, 1)),
    st.sampled_from(["21:00-06:00", "01:30-02:30", "09:00-17:00", "23:59-00:00"]),
    st.sampled_from(["America/Chicago", "Europe/Berlin", "UTC", "Australia/Lord_Howe"]),
    st.sets(st.sampled_from(DAYS), min_size=1),
)
def test_a_window_that_opens_is_open_then_and_one_that_closes_is_not(
    now: dt.datetime, hours: str, zone: str, days: set[str]
) -> None:
    """Whatever the day, the zone and the hour."""
    windows = Windows.model_validate({"load": f"{hours} {zone}", "days": tuple(days)})
    at = now.replace(tzinfo=dt.UTC)
    begin = opens(windows, at)
    assert begin > at
    end = closes(windows, begin)
    assert end is not None
    assert begin < end <= begin + dt.timedelta(hours=25)
    assert closes(windows, end - dt.timedelta(microseconds=1)) == end
    if closes(windows, at) is None:
        assert closes(windows, begin - dt.timedelta(microseconds=1)) is None
