"""A weekly report, as golden screens show it."""

from __future__ import annotations

import dataclasses
import datetime as dt

from shown_base import LONG, ODD, SCHEMA, SOURCE, Made

from bulketl.cli.screens import weekly
from bulketl.operations.capacity.fit import Trend
from bulketl.operations.capacity.forecast import Capacity
from bulketl.operations.capacity.limits import DayFigure, Limit
from bulketl.operations.reports.advice import Advice
from bulketl.operations.reports.quality import Figure
from bulketl.operations.reports.weekly import Slowing, Weekly
from bulketl.postgres.ledger.weeks import LoadEnd

AT = dt.datetime(2026, 11, 27, 5, 10, tzinfo=dt.UTC)
LINE = Trend(60.0, 48.0, 75.0, 0.0, float(AT.toordinal()), 25_920.0)
NIGHTS = [DayFigure(AT.date() - dt.timedelta(days=n), 25_920.0) for n in range(6, -1, -1)]
FULL = (
    Limit("window", "the window for loads", "21:00-06:00 America/Chicago", 32_400.0, NIGHTS, LINE),
    Limit("key", f"{LONG}.EServiceLogNum", "its type at the source", 2**31 - 1, NIGHTS, None, "3 of 7 nights"),
    Limit("disk", "the target's database", "no limit is known", None, unknown="say `capacity: {disk: 200 GB}`"),
)
WHY = (
    "It is read whole each night, and 0.4% of its 9,000,000 rows came or changed in the last week: DateTStamp is kept by the"
    " server on every change."
)
WEEK = Weekly(
    SCHEMA, (SOURCE,), AT - dt.timedelta(days=7), AT, AT, "etl-2", "0.1.0",
    tuple(LoadEnd(f"run-{n}", SOURCE, "etl-2", AT, AT, "done") for n in range(7)), 90,
    (
        Advice("procedurelog", "load what changed", WHY,
               "procedurelog: {extraction_strategy: incremental, incremental_column: DateTStamp, deletes: mirror}", 1860.0),
        Advice(ODD, "compare it once a week", "None of 90 found a difference.", "odd: {deletes: {every: 7d}}", 720.0),
    ),
    (Slowing("claimproc", "critical", LINE, (), "faster than its rows"),), Slowing("", "", LINE, (), ""),
    (Figure("rejected rows", 472, 36, 34, (34, 36, 472)), Figure("table loads that failed", 0, 1, 1, (1, 1, 0))), (), (),
    Capacity(SCHEMA, AT, FULL, 12, 0),
)  # fmt: skip
NO_WEEK = dataclasses.replace(
    WEEK, loads=(), nights=0, advice=(), slowing=(), total=None, figures=(), unasked="no source is configured"
)
WEEKS: dict[str, Made] = {
    "busy": lambda v: weekly.weekly(WEEK, "weekly.html"),
    "nothing": lambda v: weekly.weekly(NO_WEEK, ""),
}
