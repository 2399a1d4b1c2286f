"""PagerDuty: its Events API v2, in which one key opens, acknowledges and closes an incident, and its REST API to poll.

https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
"""

from __future__ import annotations

import json
import socket
import urllib.parse
from collections.abc import Mapping
from typing import Any, Literal

from bulketl.config.channels import PagerDuty
from bulketl.connections.web import Reply, ask
from bulketl.operations.alerts.message import Answer, Message
from bulketl.tables.printable import count_of
from bulketl.tables.spec import Tier

SEVERITY: Mapping[Tier, str] = {"critical": "critical", "important": "error", "audit": "warning", "reference": "info"}
MOST_SUMMARY = 1024  # characters that PagerDuty takes
MOST_LINES = 200  # an event may have 512 kB
Action = Literal["trigger", "acknowledge", "resolve"]


def send(settings: PagerDuty, message: Message) -> Answer:
    """Open an incident, or close it; a test opens one and closes it at once, so that nobody has to."""
    if message.kind == "resolved":
        return _answer(_event(settings, "resolve", message.incident))
    opened = _answer(_event(settings, "trigger", message.incident, _payload(message)))
    if message.kind == "test" and opened.delivered:
        closed = _answer(_event(settings, "resolve", message.incident))
        return Answer(closed.delivered, f"opened: {opened.text}; closed: {closed.text}", "", closed.wait_seconds)
    return opened


def acknowledge(settings: PagerDuty, incident: str) -> Answer:
    """Tell PagerDuty that somebody has acknowledged elsewhere, so that it escalates no more."""
    return _answer(_event(settings, "acknowledge", incident))


def acknowledged(settings: PagerDuty, incident: str) -> list[str]:
    """Return who has acknowledged the incident, or closed it by hand; nobody without a token to ask."""
    if settings.api_token is None:
        return []
    query = urllib.parse.urlencode({"incident_key": incident, "sort_by": "created_at:desc", "limit": 1})
    headers = {
        "Authorization": f"Token token={settings.api_token}",
        "Accept": "application/vnd.pagerduty+json;version=2",
    }
    reply = ask(f"{settings.api}/incidents?{query}", headers=headers)
    return _who(json.loads(reply.text)) if reply.well else []


def _who(document: Any) -> list[str]:
    """Return the people who have acknowledged or closed an incident; what bulketl itself told PagerDuty is no person's."""
    people = []
    for found in document["incidents"]:
        by = (
            [one["acknowledger"] for one in found.get("acknowledgements") or ()] if found["status"] == "acknowledged" else []
        )
        if found["status"] == "resolved":
            by = [found.get("last_status_change_by") or {}]
        people += [one for one in by if str(one.get("type")).startswith("user")]
    return list(dict.fromkeys(str(one.get("summary") or "somebody in PagerDuty") for one in people))


def _payload(message: Message) -> dict[str, object]:
    details: dict[str, object] = {"tier": message.tier, "about": list(message.lines[:MOST_LINES])}
    details |= {"runbook": message.runbook} if message.runbook else {}
    if len(message.lines) > MOST_LINES:
        details["left out"] = count_of(len(message.lines) - MOST_LINES, "line")
    return {
        "summary": message.title[:MOST_SUMMARY],
        "source": socket.gethostname(),
        "severity": "info" if message.kind in ("test", "digest") else SEVERITY[message.tier],
        "component": "bulketl",
        "custom_details": details,
    }


def _event(settings: PagerDuty, action: Action, incident: str, payload: dict[str, object] | None = None) -> Reply:
    event: dict[str, object] = {"routing_key": settings.routing_key, "event_action": action, "dedup_key": incident}
    if payload is not None:
        event |= {"payload": payload, "client": "bulketl"}
    return ask(f"{settings.events}/v2/enqueue", json.dumps(event).encode(), {"Content-Type": "application/json"})


def _answer(reply: Reply) -> Answer:
    """Return what PagerDuty says of an event: `message`, and with an invalid one `errors`."""
    try:
        document = json.loads(reply.text)
        errors = [str(error) for error in document.get("errors") or ()]
        text = ": ".join([str(document.get("message", reply.text)), *errors[:3]])
    except (ValueError, AttributeError):
        text = reply.text
    return Answer(reply.well, f"{reply.status} {text}" if reply.status else text, "", reply.wait_seconds)
