"""The period that a report is about."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple


class ReportPeriod(NamedTuple):
    """From `since` until before `until`, and the moment `now`; all aware."""

    since: dt.datetime
    until: dt.datetime
    now: dt.datetime
