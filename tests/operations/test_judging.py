"""What wakes somebody at three in the morning and what does not: loads of a table by the loads of its nights."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from typing import Any

import pytest

from bulketl.config.expected import Expect
from bulketl.operations.anomalies.judging import Judged, judge, not_loaded
from bulketl.operations.anomalies.words import told, what_to_do
from bulketl.postgres.ledger.findings import ODDITIES, LastWell, LoadFigures

NOW = dt.datetime(2026, 11, 27, 8, tzinfo=dt.UTC)
RUN = Judged("run", "mysql://clinic", "raw", NOW)
DAY = 86400.0


def load(days: int = 0, **more: Any) -> LoadFigures:
    """A load of a table so many days before, 100,000 changed rows in 200 s, one a day."""
    given = {"rows": 100_000, "seconds": 200.0, "whole": False, "lag": 3600.0, "gap": DAY, "tables": 432, **more}
    return LoadFigures("paysplit", days, "critical", **given)


def nights(count: int = 14, **more: Any) -> list[LoadFigures]:
    """As many nights before, each a little different."""
    dice = random.Random(7)
    return [
        load(n, **{"rows": round(100_000 * dice.uniform(0.9, 1.1)), "seconds": 200 * dice.uniform(0.9, 1.1), **more})
        for n in range(1, count + 1)
    ]


def kinds(one: LoadFigures, before: list[LoadFigures], expect: Expect | None = None, run: Judged = RUN) -> list[str]:
    return [found.kind for found in judge(run, one, before, expect or Expect())]


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        ({"seconds": 450.0}, "slower"),
        ({"seconds": 40.0}, "faster"),
        ({"rows": 230_000}, "more_rows"),
        ({"rows": 30_000}, "fewer_rows"),
        ({"rows": 0}, "fewer_rows"),
        ({"lag": 20 * 3600.0}, "lag"),
    ],
)
def test_what_is_not_normal_is_found_with_its_figures(odd: dict[str, Any], kind: str) -> None:
    """After seven nights, and not before."""
    (found,) = judge(RUN, load(**odd), nights(), Expect())
    assert (found.kind, found.value, found.nights) == (kind, next(iter(odd.values())), 14)
    assert (found.run, found.schema, found.table, found.tier, found.at) == ("run", "raw", "paysplit", "critical", NOW)
    assert found.expected is not None
    assert (found.value > found.bound > found.expected) or (found.value < found.bound < found.expected)
    assert kinds(load(**odd), nights(7)) == [kind]
    assert kinds(load(**odd), nights(6)) == []


@pytest.mark.parametrize("seconds", [380.0, 200.0, 60.0])
def test_what_is_within_its_limits_is_normal(seconds: float) -> None:
    assert kinds(load(seconds=seconds), nights()) == []


def test_a_load_after_missed_nights_brings_more_rows_and_that_is_normal() -> None:
    """As many more as there were nights; far more than that is not."""
    assert kinds(load(rows=300_000, gap=3 * DAY), nights()) == []
    assert kinds(load(rows=300_000), nights()) == ["more_rows"]
    assert kinds(load(rows=900_000, gap=3 * DAY), nights()) == ["more_rows"]


def test_a_second_load_of_the_day_brings_fewer_rows_and_that_is_normal() -> None:
    assert kinds(load(rows=4_000, gap=DAY / 24), nights()) == []
    assert kinds(load(rows=4_000), nights()) == ["fewer_rows"]


def test_more_rows_are_more_rows_however_long_nobody_loaded_a_whole_table() -> None:
    """It has as many rows as it has."""
    assert kinds(load(rows=300_000, gap=3 * DAY, whole=True), nights(whole=True)) == ["more_rows"]


def test_nights_in_which_it_was_loaded_otherwise_are_not_compared() -> None:
    """A table that was replaced whole until the week before yesterday, and now gets what changed."""
    before = nights(3) + nights(14, whole=True, seconds=4000.0, rows=9_000_000)[3:]
    assert kinds(load(seconds=400.0), before) == []


def test_a_table_that_is_loaded_alone_is_not_timed_and_its_rows_are_counted() -> None:
    """It has the servers for itself, or has them at a busy hour."""
    assert kinds(load(seconds=20.0, tables=1), nights()) == []
    assert kinds(load(seconds=900.0, tables=1), nights()) == []
    assert kinds(load(rows=0, tables=1), nights()) == ["fewer_rows"]
    assert kinds(load(seconds=900.0, tables=1), nights(tables=1)) == ["slower"]


def test_a_run_that_went_on_after_an_interruption_is_not_timed() -> None:
    resumed = dataclasses.replace(RUN, resumed=True)
    assert kinds(load(seconds=20.0), nights(), run=resumed) == []


@pytest.mark.parametrize("weeks", [1, 2, 4])
def test_weekends_are_normal_once_the_nights_say_so(weeks: int) -> None:
    """On a Sunday hardly anything is written, and the newest row is of Saturday noon; on a Tuesday that is a fault."""
    before = [
        load(n, rows=100_000 + n, seconds=200.0 + n) if n % 7 not in (0, 1) else load(n, rows=900, seconds=9.0, lag=40_000.0)
        for n in range(1, 7 * weeks + 7)
    ]
    sunday = load(rows=950, seconds=10.0, lag=42_000.0)
    assert kinds(sunday, before) == []
    tuesday = [night._replace(days=night.days + 2) for night in before if night.days > 1]
    assert "fewer_rows" in kinds(sunday, tuesday)
    assert "faster" in kinds(sunday, tuesday)


def test_a_small_table_that_takes_three_seconds_for_one_wakes_nobody() -> None:
    """Nor ten rows for two."""
    before = nights(seconds=1.0, rows=2)
    assert kinds(load(seconds=9.0, rows=90), before) == []
    assert kinds(load(seconds=9.0, rows=90), before, Expect(least_seconds=0, least_rows=0)) == ["slower", "more_rows"]


def test_a_table_whose_nights_differ_much_has_wide_limits() -> None:
    """Between 100 and 900 s: 1,000 s is no news."""
    dice = random.Random(3)
    before = [
        load(n, seconds=dice.choice([100.0, 250.0, 500.0, 900.0]), rows=dice.randint(2_000, 90_000)) for n in range(1, 15)
    ]
    assert kinds(load(seconds=1000.0, rows=100_000), before) == []


def test_one_bad_night_does_not_decide_what_is_normal() -> None:
    before = [*nights(13), load(14, seconds=90_000.0, rows=10**9)]
    assert kinds(load(seconds=450.0, rows=230_000), before) == ["slower", "more_rows"]


def test_a_table_that_grows_slowly_is_normal() -> None:
    before = [load(n, rows=int(1_000_000 * 0.99**n), whole=True) for n in range(1, 15)]
    assert kinds(load(rows=1_000_000, whole=True), before) == []


def test_each_limit_can_be_another_or_off() -> None:
    odd, before = load(seconds=450.0, rows=230_000, lag=50 * 3600.0), nights()
    assert kinds(odd, before) == ["slower", "more_rows", "lag"]
    off = Expect.model_validate({"slower": "off", "rows": "off", "lag": "off"})
    assert kinds(odd, before, off) == []
    wide = Expect.model_validate({"slower": 3, "rows": 4, "lag": "3d"})
    assert kinds(odd, before, wide) == []


def test_a_table_without_a_cursor_that_is_a_time_has_no_lag() -> None:
    assert kinds(load(lag=None), nights(lag=None)) == []


def well(hours: float | None) -> LastWell:
    """When it was loaded last, or for how long it has been known without ever being."""
    known = NOW - dt.timedelta(hours=hours or 0)
    return LastWell("paysplit", "mysql://clinic", known if hours is not None else None, "run0", known)


def test_a_table_that_was_not_loaded_for_longer_than_allowed_is_found_from_the_first_day() -> None:
    """Without any nights."""
    day = dt.timedelta(hours=36)
    late = not_loaded("raw", well(40), "critical", day, NOW, None)
    assert late is not None
    assert (late.kind, late.value, late.bound, late.run, late.nights) == ("not_loaded", 40 * 3600, 36 * 3600, "run0", 0)
    assert not_loaded("raw", well(30), "critical", day, NOW, None) is None
    assert not_loaded("raw", well(4000), "critical", None, NOW, None) is None


def test_a_table_that_was_never_loaded_is_found_too() -> None:
    never = LastWell("paysplit", "mysql://clinic", None, "", NOW - dt.timedelta(hours=40))
    late = not_loaded("raw", never, "critical", dt.timedelta(hours=36), NOW, None)
    assert late is not None
    assert late.run == ""
    assert told(late) == "was never loaded well, for 1 d 16 h; 1 d 12 h are allowed"


def test_nobody_expects_a_load_before_a_window_has_closed() -> None:
    """Friday night's load is the last until Tuesday morning, where none is done on weekends."""
    closed = NOW - dt.timedelta(hours=60)
    assert not_loaded("raw", well(62), "critical", dt.timedelta(hours=36), NOW, closed) is not None
    assert not_loaded("raw", well(59), "critical", dt.timedelta(hours=36), NOW, closed) is None


@pytest.mark.parametrize("kind", ODDITIES)
def test_each_has_words_with_its_figures_and_what_to_do(kind: Any) -> None:
    (found,) = judge(RUN, load(seconds=450.0), nights(), Expect())
    one = dataclasses.replace(found, kind=kind)
    assert len(told(one)) > 20
    assert what_to_do(one)
