"""How a table stands at a moment: pure, so every case is a line."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from bulketl.config.windows import Windows, closed
from bulketl.operations.history.standing import FINE, Expected, Known, standing_of, zone_of
from bulketl.postgres.ledger.findings import Anomaly, Oddity
from bulketl.postgres.ledger.tableloads import TablePlace, TableRecord

NOW = dt.datetime(2026, 11, 27, 7, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
LAST = NOW - dt.timedelta(hours=5)
WINDOWS = Windows(load="21:00-06:00 UTC")


def record(outcome: str = "loaded", **more: Any) -> TableRecord:
    well = outcome in ("loaded", "unchanged")
    values: dict[str, Any] = {
        "table": "t", "tier": "critical", "source": "s", "run": "r", "outcome": outcome, "rows": 100, "rejects": 0,
        "seconds": 40.0, "error": "", "hint": "", "began": LAST, "ended": LAST + dt.timedelta(minutes=5), "median": 38.0,
        "median_rows": 100.0, "nights": 14, "gap": 86400.0, "longest": 86400.0, "read_at": LAST if well else None,
        "judged": False, "well_at": LAST if well else None,
    }  # fmt: skip
    return TableRecord(**{**values, **more})


def read(ago: dt.timedelta, **more: Any) -> TableRecord:
    at = NOW - ago
    return record(began=at, ended=at + dt.timedelta(minutes=5), read_at=at, well_at=at + dt.timedelta(minutes=5), **more)


def expected(now: dt.datetime = NOW, *, run: bool = True) -> Expected:
    return Expected(closed(WINDOWS, now), 86400.0, run)


NOTHING = Expected()
CASES: dict[str, tuple[TableRecord | None, Expected, str, str]] = {
    "loaded": (record(), NOTHING, "well", ""),
    "unchanged": (record("unchanged", seconds=0.0), NOTHING, "well", ""),
    "failed": (record("failed", error="no", read_at=LAST - DAY, well_at=LAST - DAY), NOTHING, "failed", "no"),
    "failed ever since": (record("failed", error="no"), NOTHING, "failed", "no; it was never loaded"),
    "never": (None, NOTHING, "never loaded", "no load on record had it"),
    "never, with windows and runs": (None, expected(), "never loaded", ""),
    "never, and no run in the last window": (None, expected(run=False), "overdue", "never loaded"),
    "only skipped": (record("skipped", error="new"), NOTHING, "never loaded", "new"),
    "skipped now": (record("skipped", error="new", read_at=LAST, well_at=LAST), NOTHING, "not loaded", "new"),
    "not come to": (record("unfinished", read_at=LAST, well_at=LAST), NOTHING, "unfinished", ""),
    "never come to": (record("unfinished"), NOTHING, "never loaded", "ended before it"),
    "twice its median": (record(seconds=77.0), NOTHING, "slow", "77.0 s, 2.0 × its median of 14 nights"),
    "twice, and only seconds": (record(seconds=2.0, median=0.5), NOTHING, "well", ""),
    "twice in few nights": (record(seconds=90.0, nights=6), NOTHING, "well", ""),
    "rejects": (record(rejects=1), NOTHING, "rejected", "1 row rejected"),
    "by habit, a day ago": (read(DAY), NOTHING, "well", ""),
    "by habit, and no longer than once before": (read(3 * DAY, longest=4 * 86400.0), NOTHING, "well", ""),
    "by habit, two days and more ago": (read(2 * DAY + dt.timedelta(hours=1)), NOTHING, "overdue", "loaded every 1 d"),
    "by habit, weekly": (read(9 * DAY, gap=7 * 86400.0), NOTHING, "well", ""),
    "no habit, long ago": (read(90 * DAY, gap=None), NOTHING, "well", ""),
    "in the window": (read(dt.timedelta(hours=9)), expected(), "well", ""),
    "in the window before": (read(dt.timedelta(hours=33)), expected(), "overdue", "the last window closed without a load"),
    "in none of three": (read(dt.timedelta(hours=81)), expected(), "overdue", "the last 3 windows closed"),
    "weekly, with windows": (read(6 * DAY, gap=7 * 86400.0), expected(), "well", ""),
    "weekly, late, with windows": (read(15 * DAY, gap=7 * 86400.0), expected(), "overdue", "every 7 d"),
    "by hand after the window": (read(dt.timedelta(minutes=30)), expected(), "well", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_a_table_stands_as_its_record_says(case: str) -> None:
    had, due, word, why = CASES[case]
    found = standing_of(Known("t", "critical", True, had), due, NOW)
    assert (found.word, why in found.why) == (word, True), found.why
    assert (found.why == "") == (found.word == "well")


@pytest.mark.parametrize("due", [NOTHING, expected(), expected(run=False)])
@pytest.mark.parametrize("outcome", ["", "failed", "unfinished", "skipped"])
def test_what_was_never_loaded_is_never_on_time(due: Expected, outcome: str) -> None:
    had = record(outcome) if outcome else None
    assert standing_of(Known("t", "reference", False, had), due, NOW).word not in FINE


def test_a_table_is_not_overdue_before_its_window_has_closed() -> None:
    """Nor while it is open, nor on the days that have none."""
    windows = Windows(load="21:00-06:00 UTC", days=("mon",))
    had = read(dt.timedelta(hours=9), gap=None)
    for hours in (2, 15, 20, 24 * 3):
        now = NOW + dt.timedelta(hours=hours)
        assert (
            standing_of(Known("t", "critical", True, had), Expected(closed(windows, now), 604800.0, True), now).word
            == "well"
        )
    assert standing_of(Known("t", "critical", True, had), expected(NOW + DAY), NOW + DAY).word == "overdue"


def test_a_failure_in_a_run_that_has_not_ended_counts_and_one_before_the_load_does_not() -> None:
    later, before = NOW - dt.timedelta(minutes=1), LAST - dt.timedelta(hours=1)
    for at, word in ((later, "failed"), (before, "well")):
        known = Known("t", "critical", True, record(), failed=("other", at, "table 't': no", "do this"))
        assert standing_of(known, NOTHING, NOW).word == word


def place(cursor: str, kind: str, mark: str, zone: str = "+00:00") -> TablePlace:
    return TablePlace("t", "s", zone, "r", 5, LAST, LAST, cursor, kind, mark)


@pytest.mark.parametrize(
    ("had", "age", "unknown"),
    [
        (None, None, "never loaded"),
        (place("", "", ""), None, "no cursor"),
        (place("id", "bigint", "4711"), None, "counts"),
        (place("at", "datetime", "2026-11-27 01:00:00"), 6 * 3600, ""),
        (place("at", "datetime", "2026-11-27 01:00:00", "SYSTEM (CET)"), 7 * 3600, ""),
        (place("at", "timestamp in -06:00", "2026-11-26 19:00:00"), 6 * 3600, ""),
        (place("at", "date", "2026-11-27"), 7 * 3600, ""),
        (place("at", "datetime", "2026-11-28 01:00:00"), None, "yet to come"),
        (place("at", "datetime", "2026-11-27 01:00:00", "SYSTEM (MEZ)"), None, "SYSTEM (MEZ)"),
        (place("at", "datetime", "2026-11-27 01:00:00", ""), None, "zone"),
        (place("at", "datetime", "odd"), None, "not a time"),
    ],
)
def test_how_far_behind_is_told_or_said_to_be_unknown(had: TablePlace | None, age: float | None, unknown: str) -> None:
    """How old its newest row is, and when the source was read, which is known of every table that was loaded."""
    lag = standing_of(Known("t", "critical", True, record() if had else None, had), NOTHING, NOW).lag
    assert lag.newest_age == age
    assert unknown in lag.unknown
    assert bool(lag.unknown) == (age is None)
    assert lag.behind == (None if had is None else 5 * 3600)


def test_zones_are_read_as_the_source_says_them() -> None:
    assert zone_of("-05:30") == dt.timezone(-dt.timedelta(hours=5, minutes=30))
    assert str(zone_of("Europe/Berlin")) == "Europe/Berlin"
    assert zone_of("../etc") is None


def odd(kind: Oddity, value: float, expected: float | None) -> Anomaly:
    return Anomaly("t", kind, "r", "s", "raw", "critical", value, expected, value / 2, 14, NOW)


def test_what_was_found_not_normal_is_told_and_of_a_load_that_was_judged_nothing_else() -> None:
    """Its limits are those of the rules, which may be wider than twice the median."""
    slow = record(seconds=100.0, judged=True)
    known = Known("t", "critical", True, slow, judged=True)
    assert standing_of(known, NOTHING, NOW).word == "well"
    found = standing_of(dataclasses.replace(known, odd=(odd("slower", 100, 38),)), NOTHING, NOW)
    assert (found.word, found.why) == ("slow", "took 100.0 s, 2.6 × its median of 14 nights")
    found = standing_of(dataclasses.replace(known, odd=(odd("fewer_rows", 3, 100),)), NOTHING, NOW)
    assert found.word == "not normal"
    assert "read 3 rows" in found.why


def test_a_part_is_called_one_unless_something_is_wrong() -> None:
    """Nobody has to look at it, for a person asked for it."""
    part = place("", "", "")._replace(part="a part of its rows: 5 by its key")
    known = Known("t", "critical", True, record(), part)
    found = standing_of(known, NOTHING, NOW)
    assert (found.word, found.why) == ("in part", "a part of its rows: 5 by its key")
    assert "in part" in FINE
    assert standing_of(dataclasses.replace(known, record=record(rejects=2)), NOTHING, NOW).word == "rejected"


def test_a_table_is_overdue_when_it_was_not_loaded_for_longer_than_its_tier_allows() -> None:
    """With a window not before that has closed."""
    known = Known("t", "critical", True, read(30 * dt.timedelta(hours=1), gap=None), within=dt.timedelta(hours=26))
    found = standing_of(known, NOTHING, NOW)
    assert (found.word, "1 d 2 h are allowed" in found.why) == ("overdue", True)
    assert standing_of(dataclasses.replace(known, within=None), NOTHING, NOW).word == "well"
    windows = Windows(load="21:00-06:00 UTC", days=("wed",))
    assert standing_of(known, Expected(closed(windows, NOW), 604800.0, True), NOW).word == "well"
