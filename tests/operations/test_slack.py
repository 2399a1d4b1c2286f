"""Slack's web API and its webhooks, at a local endpoint: threads, acknowledgements, and what Slack says when it refuses."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

import pytest
from slackserver import slack_server
from web import Asked, Endpoint, Said, answering

from bulketl.config.alerts import Alerts
from bulketl.operations.alerts.message import Answer, Message
from bulketl.operations.alerts.sending import acknowledge, acknowledged, send

TOKEN = "xoxb-s3cret-token"
OPEN = Message("open", "20261127-011200-c3d4 target", "critical", "3 tables failed", ("patient: connection lost", "claim"))
THREAD = "C024BE91L 1732669920.000100"


def slack(endpoint: Endpoint) -> Alerts:
    """Return alerts by a Slack that is an endpoint."""
    return Alerts.model_validate({"slack": {"token": TOKEN, "channel": "#nights", "api_url": endpoint.url}})


def ok(**values: object) -> Said:
    """Return what Slack answers when all is well."""
    return 200, json.dumps({"ok": True, **values})


def posted(_asked: Asked) -> Said:
    """Answer as chat.postMessage."""
    channel, stamp = THREAD.split()
    return ok(channel=channel, ts=stamp)


def test_the_messages_of_an_incident_are_a_thread() -> None:
    """An escalation is seen in the channel as well."""
    with answering(posted) as endpoint:
        first = send(slack(endpoint), "slack", OPEN)
        escalated = send(slack(endpoint), "slack", Message("escalated", OPEN.incident, "critical", "still"), first.thread)
        send(slack(endpoint), "slack", Message("resolved", OPEN.incident, "critical", "loaded"), first.thread)
        acknowledge(slack(endpoint), "slack", OPEN.incident, first.thread, "Jane")
    assert first == Answer(True, "posted to C024BE91L", THREAD)
    assert escalated.thread == THREAD
    texts = [one["text"] for one in endpoint.events]
    assert texts == [
        "[critical] 3 tables failed\npatient: connection lost\nclaim", "[critical] still",
        "[critical] loaded", "acknowledged by Jane",
    ]  # fmt: skip
    assert [one["channel"] for one in endpoint.events] == ["#nights", *["C024BE91L"] * 3]
    assert [one.get("thread_ts") for one in endpoint.events] == [None, *["1732669920.000100"] * 3]
    assert [one.get("reply_broadcast") for one in endpoint.events] == [None, True, False, False]
    assert {one.path for one in endpoint.asked} == {"/chat.postMessage"}
    assert {one.headers["Authorization"] for one in endpoint.asked} == {f"Bearer {TOKEN}"}


def test_no_name_calls_people_or_is_a_link() -> None:
    """A table may be called anything."""
    with answering(posted) as endpoint:
        send(slack(endpoint), "slack", Message("open", "i", "audit", "<!channel> & <http://x|y>"))
    assert endpoint.events[0]["text"] == "[audit] &lt;!channel&gt; &amp; &lt;http://x|y&gt;"


def test_a_long_list_is_cut_and_counted() -> None:
    """Slack would cut it in mid-word."""
    with answering(posted) as endpoint:
        send(
            slack(endpoint),
            "slack",
            Message("open", "i", "audit", "400 tables", tuple(f"table_{n:03}: lost" for n in range(400))),
        )
    text = endpoint.events[0]["text"]
    assert len(text) < 4000
    shown = text.count(": lost")
    assert text.endswith(f"\nand {400 - shown} more lines")


REACTION = {"reactions": [{"name": "eyes", "users": ["U1", "U2"], "count": 2}]}
OURS = [{"ts": "1732669920.000100", "user": "UBOT", "bot_id": "B1"}, {"ts": "2", "user": "UBOT", "bot_id": "B1"}]
JANE = {"user": {"real_name": "Jane Doe"}}


@pytest.mark.parametrize(
    ("answers", "who"),
    [
        ({"conversations.replies": {"messages": [OURS[0] | REACTION, OURS[1]]}}, ["U1", "U2"]),
        ({"conversations.replies": {"messages": [OURS[0], OURS[1] | REACTION]}}, ["U1", "U2"]),  # to an escalation
        ({"conversations.replies": {"messages": OURS}}, []),
        ({"conversations.replies": {"messages": [*OURS, {"ts": "3", "user": "U7"}]}}, ["U7"]),
        ({"conversations.replies": {"messages": [*OURS, {"ts": "3", "user": "U7"}]}, "users.info": JANE}, ["Jane Doe"]),
        ({"conversations.replies": {"messages": [OURS[0] | REACTION, {"ts": "3", "user": "U2"}]}}, ["U1", "U2"]),
        ({"reactions.get": {"message": REACTION}}, ["U1", "U2"]),  # a token that may not read the channel
        ({}, []),
    ],
)
def test_a_reaction_or_an_answer_acknowledges(answers: dict[str, Any], who: list[str]) -> None:
    """By name where the token may ask for it; what the bot itself says does not count, nor a refusal."""

    def answer(asked: Asked) -> Said:
        method = urllib.parse.urlsplit(asked.path).path.strip("/")
        return ok(**answers[method]) if method in answers else (200, json.dumps({"ok": False, "error": "missing_scope"}))

    with answering(answer) as endpoint:
        assert acknowledged(slack(endpoint), [("slack", OPEN.incident, THREAD), ("slack", OPEN.incident, "")]) == [who, []]
    assert endpoint.asked[0].path == "/conversations.replies?channel=C024BE91L&ts=1732669920.000100&limit=20"


def test_an_answer_late_in_a_long_thread_is_found() -> None:
    """A page of Slack's may be larger than what is read of an answer, were it the whole thread."""
    with slack_server() as found:
        alerts = Alerts.model_validate({"slack": found.settings()})
        first = send(alerts, "slack", OPEN)
        for n in range(130):
            send(alerts, "slack", Message("escalated", OPEN.incident, "critical", f"{n} " + "x" * 1500), first.thread)
        assert acknowledged(alerts, [("slack", OPEN.incident, first.thread)]) == [[]]
        found.reply("U2")
        assert acknowledged(alerts, [("slack", OPEN.incident, first.thread)]) == [["Ali Ito"]]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ((200, json.dumps({"ok": False, "error": "channel_not_found"})), "200 channel_not_found"),
        (
            (429, json.dumps({"ok": False, "error": "ratelimited"}), {"Retry-After": "7"}),
            "429 ratelimited; asks to wait 7 s",
        ),
        ((500, "oops"), "500 oops"),
        ((200, ""), "200 no answer that is known"),
        ((200, "[]"), "200 []"),
        ((403, f"bad token {TOKEN}"), "403 bad token …"),
    ],
)
def test_a_refusal_is_told(said: Said, text: str) -> None:
    """Slack refuses with 200 for the most part."""
    with answering(lambda _: said) as endpoint:
        assert send(slack(endpoint), "slack", OPEN) == Answer(False, text, "", 7.0 if "wait" in text else 0.0)


def test_an_incoming_webhook_gets_the_text_and_has_no_threads() -> None:
    """As it was always set, by its URL alone."""
    with answering(lambda _: (200, "ok")) as endpoint:
        alerts = Alerts.model_validate({"slack": f"{endpoint.url}/services/T000/B000/s3cret"})
        assert send(alerts, "slack", OPEN) == Answer(True, "200 ok")
        assert acknowledged(alerts, [("slack", OPEN.incident, "")]) == [[]]
        assert acknowledge(alerts, "slack", OPEN.incident, "", "Jane") == Answer(True, "")
    assert endpoint.events == [{"text": "[critical] 3 tables failed\npatient: connection lost\nclaim", "mrkdwn": False}]
    assert endpoint.asked[0].path == "/services/T000/B000/s3cret"
