"""Alerts as golden screens show them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import cast

from shown_base import LONG, MANY, ODD, RUN, SCHEMA, SOURCE, Made, tier_of

from bulketl.cli.screens import alerts
from bulketl.operations.alerts.book import Sent
from bulketl.operations.alerts.incidents import Alert, Listing
from bulketl.operations.alerts.message import Answer
from bulketl.operations.alerts.tick import Done
from bulketl.postgres.ledger.incidents import Delivery, Incident, Member
from bulketl.tables.spec import Tier

NOW = dt.datetime(2026, 11, 27, 3, 40, tzinfo=dt.UTC)
BEGAN = NOW - dt.timedelta(minutes=11)
HINT = "check host and port in BULKETL_SOURCE, and that the server runs"
REFUSED = Member("critical", "source mysql://clinic:3306/opendental: lost connection to the server", HINT, BEGAN)
ONE = Incident(
    f"bulketl/{SCHEMA}/{RUN}/source/table_failed-SourceError", SOURCE, SCHEMA, RUN, "source", "table_failed-SourceError",
    "critical", BEGAN, "open", 1, BEGAN + dt.timedelta(minutes=15), ("pagerduty", "email"),
    members={"patient": REFUSED, ODD: dataclasses.replace(REFUSED, tier="important"),
             LONG: dataclasses.replace(REFUSED, tier="reference", over=NOW)}, number=12,
)  # fmt: skip
LOST = dataclasses.replace(
    ONE,
    members={table: dataclasses.replace(REFUSED, tier=cast("Tier", tier_of(n))) for n, table in enumerate(MANY)},
    number=13,
)
TAKEN = dataclasses.replace(
    ONE, kind="overtime", tier="important", status="acknowledged", acknowledged_by="ann@desk", number=11, escalates=None,
    acknowledged_until=NOW + dt.timedelta(hours=4), members={"claimproc": dataclasses.replace(REFUSED, tier="important")},
)  # fmt: skip
WAITS = dataclasses.replace(
    ONE, kind="drift", tier="reference", told=(), escalates=None, number=10, daily=True,
    members={"zipcode": dataclasses.replace(REFUSED, tier="reference")},
)  # fmt: skip
OVER = dataclasses.replace(
    ONE, kind="died", status="resolved", resolved=NOW, resolved_by="bulketl", number=9, escalates=None,
    members={"": dataclasses.replace(REFUSED, over=NOW)},
)  # fmt: skip
MESSAGES = (
    Delivery(1, ONE.key, "pagerduty", "open", BEGAN, attempts=1, delivered=BEGAN, answer="202 Event processed"),
    Delivery(2, ONE.key, "email", "open", BEGAN, attempts=1, delivered=BEGAN, answer="250 2.0.0 Ok: queued as 4XyZ"),
    Delivery(3, ONE.key, "slack", "open", NOW, attempts=4, answer="not_in_channel"),
    Delivery(4, ONE.key, "slack", "escalated", NOW, dropped=NOW),
    Delivery(5, ONE.key, "email", "resolved", NOW + dt.timedelta(hours=4)),
)
MAIL = Delivery(6, WAITS.key, "email", "digest", NOW + dt.timedelta(hours=4), daily=True)
SEVERAL = Listing(
    (Alert(LOST, MESSAGES), Alert(ONE, MESSAGES[:2]), Alert(TAKEN, ()), Alert(WAITS, (MAIL,)), Alert(OVER, ()))
)
TOOK, REFUSES = Answer(True, "202 Event processed"), Answer(False, "535 5.7.8 Error: authentication failed")

ALERTS: dict[str, dict[str, Made]] = {
    "alerts-listing": {
        "several": lambda v: alerts.listing(SEVERAL, NOW),
        "none": lambda v: alerts.listing(Listing(()), NOW),
        "spool": lambda v: alerts.listing(
            Listing((Alert(dataclasses.replace(ONE, number=0), ()),), "target postgresql://warehouse:5432/dw: refused"), NOW
        ),
    },
    "alerts-alert": {
        "open": lambda v: alerts.alert(Alert(ONE, MESSAGES), NOW),
        "many": lambda v: alerts.alert(Alert(LOST, ()), NOW),
        "over": lambda v: alerts.alert(Alert(OVER, MESSAGES[:1]), NOW),
    },
    "alerts-changed": {"two": lambda v: alerts.changed((Alert(TAKEN, ()), Alert(OVER, ())), NOW)},
    "alerts-tested": {
        "some": lambda v: alerts.tested({"pagerduty": TOOK, "email": REFUSES}),
        "well": lambda v: alerts.tested({"pagerduty": TOOK}),
        "heartbeat": lambda v: alerts.tested({"heartbeat": TOOK}),
    },
    "alerts-ticked": {
        "some": lambda v: alerts.ticked(Done((ONE,), (Sent(MESSAGES[0], TOOK), Sent(MESSAGES[1], REFUSES)))),
        "spool": lambda v: alerts.ticked(Done((), (), "target postgresql://warehouse:5432/dw: connection refused")),
    },
}
