"""Who has acknowledged is asked of channels that may hang, for incidents of which there may be many."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field
from typing import Any

from slackserver import Slack, slack_server
from web import hang, talking

from bulketl import Config
from bulketl.config.alerts import Alerts
from bulketl.operations.alerts.machine import Acknowledged
from bulketl.operations.alerts.sending import ASK_SECONDS
from bulketl.operations.alerts.tick import POLLED, poll
from bulketl.postgres.ledger.incidents import Incident

NOW = dt.datetime(2026, 11, 27, 3, 0, tzinfo=dt.UTC)


@dataclass
class Shelf:
    """A book of open incidents, each with a thread, that keeps what they hear."""

    incidents: list[Incident]
    heard: list[tuple[str, Any]] = field(default_factory=list)

    def unresolved(self) -> list[Incident]:
        return self.incidents

    def threads(self, key: str) -> dict[str, str]:
        return {"slack": f"C024BE91L {key}"}

    def change(self, incident: Incident, event: object, _now: dt.datetime) -> None:
        self.heard.append((incident.key, event))


def incident(key: str, **more: Any) -> Incident:
    return Incident(
        key=key, source="s", schema="raw", occasion="r", side="data", kind="k", tier="critical", status="open",
        opened=NOW, round=1, told=("slack",), **more,
    )  # fmt: skip


def config(**slack: object) -> Config:
    return Config(alerts=Alerts.model_validate({"slack": slack}))


def test_a_channel_that_hangs_costs_a_tick_a_few_seconds_however_many_incidents_are_open() -> None:
    shelf = Shelf([incident(str(n)) for n in range(40)])
    with talking(hang) as url:
        began = time.monotonic()
        poll(config(token="t", channel="#c", api_url=url), shelf, NOW)  # type: ignore[arg-type]
        assert time.monotonic() - began < ASK_SECONDS + 3
    assert shelf.heard == []


def test_no_open_incident_is_left_out_for_good() -> None:
    """Those that are escalated soon are asked for in each tick, the others in turn."""
    soon = incident("99.0", escalates=NOW + dt.timedelta(seconds=90))
    shelf = Shelf([*(incident(f"{n}.0") for n in range(50)), soon])
    with slack_server() as slack:
        for minute in range(4):
            before = len(slack.endpoint.asked)
            poll(config(**slack.settings()), shelf, NOW + minute * dt.timedelta(minutes=1))  # type: ignore[arg-type]
            asked = {one.path for one in slack.endpoint.asked[before:]}
            assert any("ts=99.0&" in path for path in asked)
        every = {one.path for one in slack.endpoint.asked if "replies" in one.path}
    assert len(every) == 51
    assert POLLED < 50


def test_everybody_who_has_acknowledged_counts_once() -> None:
    """Who was heard of before hides nobody, and who is there already when it is acknowledged is no news later."""
    with slack_server() as slack:
        _post(slack)
        shelf = Shelf([incident(slack.messages[0]["ts"], heard=("slack Jane Doe",))])
        slack.react("U1")
        poll(config(**slack.settings()), shelf, NOW)  # type: ignore[arg-type]
        assert shelf.heard == []
        slack.react("U2")
        poll(config(**slack.settings()), shelf, NOW)  # type: ignore[arg-type]
    ((_, event),) = shelf.heard
    assert event == Acknowledged("Ali Ito (slack)", marks=("slack Jane Doe", "slack Ali Ito"))


def _post(slack: Slack) -> None:
    slack.messages.append({"ts": "1732669920.000000", "user": "UBOT", "bot_id": "B1", "text": "failed"})
