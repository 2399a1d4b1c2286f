"""Channels that speak HTTP get the real requests at local endpoints, and whatever these do, `send` says it and goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from waiting import NEVER
from web import Asked, Endpoint, Said, answering, closed, drip, flood, hang, talking

from bulketl.config.alerts import Alerts
from bulketl.config.channels import Channel
from bulketl.operations.alerts.message import Message
from bulketl.operations.alerts.sending import acknowledge, acknowledged, send

KEY = "a-routing-key-of-32-characters-x"
OPEN = Message(
    "open", "20261127-011200-c3d4 target", "critical", "3 tables failed", ("patient: connection lost", "claim"), "book"
)  # fmt: skip


def alerts(**values: Any) -> Alerts:
    """Return alerts as they stand in a file."""
    return Alerts.model_validate(values)


def pagerduty(endpoint: Endpoint | str, **more: str) -> Alerts:
    """Return alerts by a PagerDuty that is an endpoint."""
    url = endpoint if isinstance(endpoint, str) else endpoint.url
    return alerts(pagerduty={"routing_key": KEY, "events_url": url, "api_url": url, **more})


def taken(_asked: Asked) -> Said:
    """Answer as PagerDuty does to an event that it takes."""
    return 202, json.dumps({"status": "success", "message": "Event processed", "dedup_key": "x"})


def test_pagerduty_opens_and_closes_an_incident_by_one_key() -> None:
    """What severity it has is said by the tier."""
    with answering(taken) as endpoint:
        opened = send(pagerduty(endpoint), "pagerduty", OPEN)
        escalated = send(pagerduty(endpoint), "pagerduty", Message("escalated", OPEN.incident, "important", "still"))
        told = acknowledge(pagerduty(endpoint), "pagerduty", OPEN.incident, "", "Jane")
        closed_ = send(pagerduty(endpoint), "pagerduty", Message("resolved", OPEN.incident, "critical", "loaded"))
    assert [answer.delivered for answer in (opened, escalated, told, closed_)] == [True] * 4
    assert opened.text == "202 Event processed"
    assert [(one["event_action"], one["dedup_key"], one["routing_key"]) for one in endpoint.events] == [
        (action, OPEN.incident, KEY) for action in ("trigger", "trigger", "acknowledge", "resolve")
    ]
    payload = endpoint.events[0]["payload"]
    assert (payload["summary"], payload["severity"]) == ("3 tables failed", "critical")
    assert payload["custom_details"] == {"tier": "critical", "about": list(OPEN.lines), "runbook": OPEN.runbook}
    assert "runbook" not in endpoint.events[1]["payload"]["custom_details"]
    assert endpoint.events[1]["payload"]["severity"] == "error"
    assert {one.path for one in endpoint.asked} == {"/v2/enqueue"}


def test_a_test_by_pagerduty_closes_what_it_has_opened() -> None:
    """Nobody has to close it by hand."""
    with answering(taken) as endpoint:
        answer = send(pagerduty(endpoint), "pagerduty", Message("test", "test", "critical", "a test"))
    assert [one["event_action"] for one in endpoint.events] == ["trigger", "resolve"]
    assert answer.text == "opened: 202 Event processed; closed: 202 Event processed"


@pytest.mark.parametrize(("region", "hosts"), [("us", "pagerduty.com"), ("eu", "eu.pagerduty.com")])
def test_a_region_has_hosts_of_its_own(region: str, hosts: str) -> None:
    """Which a proxy may stand in for."""
    found = alerts(pagerduty={"routing_key": KEY, "region": region}).pagerduty
    assert found
    assert (found.events, found.api) == (f"https://events.{hosts}", f"https://api.{hosts}")


def incident(status: str, **more: object) -> Callable[[Asked], Said]:
    """Return what answers as PagerDuty's REST API, which has one incident."""
    return lambda _: (200, json.dumps({"incidents": [{"status": status, **more}]}))


BY_JANE = {"acknowledgements": [{"acknowledger": {"type": "user_reference", "summary": "Jane"}}]}

BY_US = {"acknowledgements": [{"acknowledger": {"type": "service_reference", "summary": "bulketl"}}]}  # as we told it


@pytest.mark.parametrize(
    ("answer", "who"),
    [
        (incident("triggered"), None),
        (incident("acknowledged", **BY_JANE), "Jane"),
        (incident("acknowledged", acknowledgements=[{"acknowledger": {"type": "user_reference"}}]), "somebody in PagerDuty"),
        (incident("acknowledged", **BY_US), None),
        (incident("acknowledged", acknowledgements=[*BY_US["acknowledgements"], *BY_JANE["acknowledgements"]]), "Jane"),
        (incident("acknowledged"), None),
        (incident("resolved", last_status_change_by={"type": "user_reference", "summary": "Joe"}), "Joe"),
        (incident("resolved", last_status_change_by={"type": "service_reference", "summary": "bulketl"}), None),
        (lambda _: (200, json.dumps({"incidents": []})), None),
        (lambda _: (200, "no JSON"), None),
        (lambda _: (200, "[]"), None),
        (lambda _: (401, "{}"), None),
    ],
)
def test_who_has_acknowledged_in_pagerduty_is_asked_by_the_key(answer: Callable[[Asked], Said], who: str | None) -> None:
    """An answer that is none is nobody, and is asked for again."""
    with answering(answer) as endpoint:
        asking: list[tuple[Channel, str, str]] = [("pagerduty", OPEN.incident, "")]
        assert acknowledged(pagerduty(endpoint, api_token="t0ken"), asking) == [[who] if who else []]
        assert acknowledged(pagerduty(endpoint), asking) == [[]]
    (asked,) = endpoint.asked
    assert asked.path.startswith("/incidents?incident_key=20261127-011200-c3d4+target&")
    assert asked.headers["Authorization"] == "Token token=t0ken"


WRONG: list[tuple[Said, str]] = [
    ((400, json.dumps({"status": "invalid event", "message": "Event object is invalid", "errors": ["routing_key is bad"]})),
     "400 Event object is invalid: routing_key is bad"),
    ((429, "slow down", {"Retry-After": "30"}), "429 slow down; asks to wait 30 s"),
    ((503, "", {"Retry-After": "Fri, 27 Nov 2026 08:02:00 GMT", "Date": "Fri, 27 Nov 2026 08:00:00 GMT"}),
     "asks to wait 120 s"),
    ((500, "oops"), "500 oops"),
    ((302, "", {"Location": "http://127.0.0.1:1/"}), "302 is somewhere else now"),
    ((403, f"no such key: {KEY}"), "403 no such key: …"),
    ((500, "a\nb\x1b[2J"), "500 a b␛[2J"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "text"), WRONG)
@pytest.mark.parametrize("channel", ["pagerduty", "webhook"])
def test_a_wrong_answer_is_told(channel: Channel, said: Said, text: str) -> None:
    """In a line, with how long to wait, without a secret."""
    with answering(lambda _: said) as endpoint:
        settings = alerts(
            pagerduty={"routing_key": KEY, "events_url": endpoint.url}, webhook=f"{endpoint.url}/{KEY}",
        )  # fmt: skip
        answer = send(settings, channel, OPEN)
    assert not answer.delivered
    assert text in answer.text or (channel == "webhook" and said[0] == 400)
    assert KEY not in answer.text
    assert "\n" not in answer.text


@pytest.mark.parametrize("talk", [hang, drip])
@pytest.mark.parametrize("channel", ["pagerduty", "webhook"])
def test_who_hangs_is_not_waited_for(channel: Channel, talk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then is no answer either."""
    monkeypatch.setattr("bulketl.connections.web.SECONDS", 0.3)
    monkeypatch.setattr("bulketl.operations.alerts.sending.SECONDS", 0.5)
    with talking(talk) as url:
        began = time.monotonic()
        answer = send(alerts(pagerduty={"routing_key": KEY, "events_url": url}, webhook=url), channel, OPEN)
        assert time.monotonic() - began < NEVER
    assert not answer.delivered
    assert "answer" in answer.text


def test_a_flood_is_cut() -> None:
    """An answer without end is read to a bound and told in a line."""
    with talking(flood) as url:
        answer = send(alerts(webhook=url), "webhook", OPEN)
    assert answer.delivered
    assert len(answer.text) < 400


def test_nobody_there_is_told() -> None:
    """By the name of the host, without the rest of the URL."""
    answer = send(alerts(webhook=f"{closed()}/s3cret"), "webhook", OPEN)
    assert not answer.delivered
    assert answer.text == "127.0.0.1 did not answer: Connection refused"


def test_a_webhook_gets_the_message_as_json() -> None:
    """With all that it says."""
    with answering(lambda _: (204, "")) as endpoint:
        assert send(alerts(webhook=f"{endpoint.url}/hook"), "webhook", OPEN).delivered
    assert endpoint.events == [
        {
            "kind": "open", "incident": OPEN.incident, "tier": "critical", "title": OPEN.title, "lines": list(OPEN.lines),
            "runbook": OPEN.runbook,
        }
    ]  # fmt: skip


def test_a_channel_that_is_not_set_says_so() -> None:
    """Nothing is sent."""
    assert send(alerts(email=["a@example.com"]), "webhook", OPEN).text == "webhook is not set under alerts"
