"""What the watchdog saw, as golden screens show it."""

from __future__ import annotations

import dataclasses
import datetime as dt

from shown_base import RUN, SCHEMA, Made

from bulketl.cli.screens import watchdog
from bulketl.operations.alerts.book import Sent
from bulketl.operations.alerts.message import Answer
from bulketl.operations.watchdog import TierNews, Watched
from bulketl.postgres.ledger.incidents import Delivery, Incident
from bulketl.postgres.ledger.news import LastLoad

AT = dt.datetime(2026, 11, 27, 2, 10, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
LAST = LastLoad(RUN, AT - DAY / 24, AT, "partly done")
TIERS = (
    TierNews("critical", AT - DAY, AT + DAY / 12, late=True),
    TierNews("important", AT, AT + DAY, late=False),
    TierNews("audit", None, None, late=True),
)
SAID = "HTTP 503 upstream connect error or disconnect/reset before headers; asks to wait 30 s"
SENT = (
    Sent(Delivery(1, "k", "slack", "open", AT), Answer(True, "posted to C024BE91L")),
    Sent(Delivery(2, "k", "pagerduty", "open", AT), Answer(False, SAID)),
)
TAKEN = Incident(
    "k", "", SCHEMA, "watchdog", "target", "silence", "critical", AT, "acknowledged", acknowledged_by="jane",
    acknowledged_until=AT + DAY / 6,
)  # fmt: skip
LATE = Watched(SCHEMA, "", TIERS, LAST, True, (TAKEN,), SENT)
SILENT = "target warehouse.example:5432/dw does not let us in: the connection was refused"

WATCHED: dict[str, Made] = {
    "well": lambda v: watchdog.watched(Watched(SCHEMA, "", (dataclasses.replace(TIERS[1]),), LAST, True)),
    "late": lambda v: watchdog.watched(LATE),
    "under-way": lambda v: watchdog.watched(dataclasses.replace(LATE, last=LastLoad(RUN, AT, None, None), sent=(), open=())),
    "silent": lambda v: watchdog.watched(Watched(SCHEMA, SILENT, (), None, True)),
    "nothing": lambda v: watchdog.watched(Watched(SCHEMA, "", (), None, False)),
}
