"""An incident that people follow in Slack: told in its channel, taken on by whoever sees it, and over in its thread."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alerted import MINUTE, configured, lab, pager, rules, run, told
from lab import Lab
from lines import until
from slackserver import Slack, slack_server
from web import Endpoint, hang, talking

import bulketl
from bulketl import Config
from bulketl.operations.alerts.tick import tick_alerts

__all__ = ["lab", "pager"]


@pytest.fixture
def slack() -> Iterator[Slack]:
    """A Slack of this test."""
    with slack_server() as found:
        yield found


def by_slack(lab: Lab, slack: Slack, folder: Path, **more: object) -> Config:
    return lab.config(
        rules=rules("critical", "bad"),
        alerts={"slack": slack.settings(), "spool": str(folder), "acknowledged_hours": 1, "rules": {"drift": "off"}, **more},
    )


def acknowledged(config: Config) -> str:
    (alert,) = bulketl.list_alerts(config).alerts
    return alert.incident.acknowledged_by if alert.incident.status == "acknowledged" else alert.incident.status


def test_an_incident_lives_in_a_thread_until_it_is_over(lab: Lab, slack: Slack, tmp_path: Path) -> None:
    """A reaction holds for an hour; then it is told anew, and somebody else takes it on; a good load ends it."""
    config = by_slack(lab, slack, tmp_path)
    run(config)
    now = dt.datetime.now(dt.UTC)
    (first,) = slack.messages
    tick_alerts(config, now + MINUTE)
    assert acknowledged(config) == "open"
    slack.react("U1")
    for minutes in (2, 3, 20, 61):
        tick_alerts(config, now + minutes * MINUTE)
        assert acknowledged(config) == "Jane Doe (slack)"
    assert len(slack.messages) == 1
    tick_alerts(config, now + 63 * MINUTE)  # it is told anew
    tick_alerts(config, now + 64 * MINUTE)  # and the reaction of then counts no more
    assert acknowledged(config) == "open"
    slack.react("U2")
    tick_alerts(config, now + 65 * MINUTE)
    assert acknowledged(config) == "Ali Ito (slack)"
    tick_alerts(config, now + 90 * MINUTE)
    lab.mysql("UPDATE bad SET n = 1")
    run(config)
    said = slack.texts()
    assert len(said) == 3
    assert said[1] == said[0].replace("] ", "] again: ")
    assert "resolved" in said[2]
    assert all(one["thread_ts"] == first["ts"] for one in slack.messages[1:])


@pytest.mark.parametrize("how", ["on the escalation", "in the thread"])
def test_whoever_answers_where_it_is_seen_has_taken_it_on(lab: Lab, slack: Slack, tmp_path: Path, how: str) -> None:
    """The escalation is a message of the channel too; so is what people write in the thread."""
    config = by_slack(lab, slack, tmp_path)
    run(config)
    now = dt.datetime.now(dt.UTC)
    tick_alerts(config, now + 16 * MINUTE)
    assert len(slack.messages) == 2
    assert slack.messages[1]["reply_broadcast"] is True
    if how == "on the escalation":
        slack.react("U2", 1)
    else:
        slack.reply("U2")
    tick_alerts(config, now + 17 * MINUTE)
    assert acknowledged(config) == "Ali Ito (slack)"


def test_a_slack_that_does_not_answer_holds_up_nobody_else(lab: Lab, pager: Endpoint, tmp_path: Path) -> None:
    """However many incidents wait for it: what is new is told in seconds, and a tick does not last for minutes."""
    with talking(hang) as url:
        every = ("good", "bad", "worse")
        slack = {"token": "t", "channel": "#c", "api_url": url}
        hanging = configured(lab, pager, rules("critical", *every), tmp_path, slack=slack)
        for table in every[:2]:  # an incident each
            bulketl.load(hanging, bulketl.make_plan(hanging, tables=[table]))
        began = time.monotonic()
        tick_alerts(hanging)
        assert time.monotonic() - began < 18  # one wait for Slack, not two
        assert len(told(pager)) == 2
        bulketl.load(hanging, bulketl.make_plan(hanging, tables=["worse"]))
        came = len(pager.asked)
        began = time.monotonic()
        ticking = threading.Thread(target=tick_alerts, args=(hanging, dt.datetime.now(dt.UTC) + MINUTE))
        ticking.start()
        until(lambda: len(pager.asked) > came)
        assert time.monotonic() - began < 9  # while two others wait to be told by Slack again
        ticking.join()
    assert len(told(pager)) == 3
