"""Alerts: which are open and who knows of them, one with all its messages, and what channels answered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from bulketl.cli.screens.listing import facts, lines_of, named, rows_of, verdict
from bulketl.cli.text import Text
from bulketl.operations.alerts.runbooks import hints_of
from bulketl.operations.alerts.words import by_text, occasion
from bulketl.tables.printable import count_of, in_a_line
from bulketl.tables.spec import TIERS

if TYPE_CHECKING:
    from bulketl.operations.alerts.incidents import Alert, Listing
    from bulketl.operations.alerts.message import Answer
    from bulketl.operations.alerts.tick import Done

HINTS = 3  # that are shown, of tables each of which may have its own
SHOWN = 12  # tables that a line names
_STYLES = {"open": "red", "acknowledged": "yellow", "resolved": "green"}


def listing(found: Listing, now: dt.datetime) -> Group:
    """Return the alerts, a line each: those that are open first, the most urgent before."""
    order = ("open", "acknowledged", "resolved")
    alerts = sorted(found.alerts, key=lambda one: (order.index(one.incident.status), TIERS.index(one.incident.tier)))
    waiting = sum(one.incident.status == "open" for one in alerts)
    taken = sum(one.incident.status == "acknowledged" for one in alerts)
    counts = [f"{waiting:,} open" if waiting else "", f"{taken:,} acknowledged" if taken else ""]
    said = ", ".join(filter(None, counts)) or "no alert is open"
    parts: list[RenderableType] = [verdict(said, "red" if waiting else "yellow" if taken else "green")]
    if found.aside:
        parts.append(lines_of([f"from the spool only: {found.aside}"], "yellow"))
    if alerts:
        table = rows_of("alert", "tier", "since", "state", "what", numbers=("alert",))
        for one in alerts:
            incident = one.incident
            style = _STYLES[incident.status]
            table.add_row(
                str(incident.number or "spool"), incident.tier, since(incident.opened, now),
                Text(state(one, now), style=style), Text(one.title),
            )  # fmt: skip
        parts += ["", table]
    if failing := [one for one in alerts if any(each.attempts for each in one.waiting)]:
        parts += ["", lines_of((_failing(one) for one in failing), "yellow")]
    return Group(*parts)


def _failing(alert: Alert) -> str:
    channels = {one.channel: one.answer for one in alert.waiting if one.attempts}
    said = "; ".join(f"{channel} did not take it: {answer}" for channel, answer in channels.items())
    return f"alert {alert.incident.number or alert.incident.key}: {said}"


def since(at: dt.datetime, now: dt.datetime) -> str:
    """Return how long ago that was: 5 min, 3 h, 2 d."""
    minutes = max(0, int((now - at).total_seconds() // 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} d"


def state(alert: Alert, now: dt.datetime) -> str:
    """Return in a few words what will happen next."""
    incident = alert.incident
    if incident.status == "acknowledged" and incident.acknowledged_until:
        return f"{incident.acknowledged_by} has it until {incident.acknowledged_until:%H:%M} UTC"
    if incident.status == "resolved":
        return "resolved"
    if not incident.told and alert.waiting:
        due = min(one.due for one in alert.waiting)
        return f"to be told {f'at {due:%H:%M} UTC' if due > now else 'now'}"
    if incident.escalates:
        return f"told; escalates {incident.escalates:%H:%M} UTC"
    return "told" if incident.told else "nobody is told"


def alert(found: Alert, now: dt.datetime) -> Group:
    """Return everything that is known of an alert: tables, what to do, and every message with its answer."""
    incident = found.incident
    style = _STYLES[incident.status]
    details = [
        ("state", state(found, now)),
        ("tier", incident.tier),
        ("since", f"{incident.opened:%Y-%m-%d %H:%M} UTC, {since(incident.opened, now)} ago"),
        ("of", occasion(incident)),
        ("key", incident.key),
        ("resolved", f"{incident.resolved:%Y-%m-%d %H:%M} UTC by {incident.resolved_by}" if incident.resolved else ""),
    ]
    parts: list[RenderableType] = [
        verdict(found.title, style),
        facts([(name, "dim", in_a_line(text)) for name, text in details if text], 2),
        "",
    ]
    members = rows_of("tables", "tier", "what")
    ill = {name: one for name, one in incident.members.items() if one.over is None}
    for (text, tier), names in by_text(ill or incident.members).items():
        members.add_row(Text(named(names, SHOWN) if any(names) else "(the run)"), tier, Text(text))
    parts.append(members)
    if ill and len(ill) < len(incident.members):
        well = sorted(set(incident.members) - set(ill))
        parts += ["", lines_of([f"well again: {named(well, SHOWN)}"], "green")]
    if hints := hints_of(incident) if ill else []:
        more = [f"… and {len(hints) - HINTS:,} more of the kind"] if len(hints) > HINTS else []
        parts += ["", lines_of([*hints[:HINTS], *more])]
    if found.deliveries:
        messages = rows_of("message", "to", "when", "answer")
        for each in found.deliveries:
            messages.add_row(each.kind, each.channel, *_sent(each.delivered, each.dropped, each.due, each.answer))
        parts += ["", messages]
    return Group(*parts)


def _sent(
    delivered: dt.datetime | None, dropped: dt.datetime | None, due: dt.datetime, answer: str
) -> tuple[RenderableType, RenderableType]:
    if delivered:
        return f"{delivered:%m-%d %H:%M}", Text(answer)
    if dropped:
        return f"{dropped:%m-%d %H:%M}", Text("not sent: no longer due", style="dim")
    return f"due {due:%m-%d %H:%M}", Text(answer or "waits", style="yellow" if answer else "dim")


def changed(found: Sequence[Alert], now: dt.datetime) -> Text:
    """Return what became of alerts that somebody acknowledged or resolved, a line each."""
    return lines_of(f"alert {one.incident.number or one.incident.key}: {state(one, now)}; {one.title}" for one in found)


def tested(found: Mapping[str, Answer]) -> Group:
    """Return what each channel answered, those that failed first."""
    failed = sum(not answer.delivered for answer in found.values())
    said = (
        f"{failed:,} of {count_of(len(found), 'channel')} did not take the test" if failed else "every channel took the test"
    )
    table = rows_of("channel", "took it", "answer")
    for channel, answer in sorted(found.items(), key=lambda item: item[1].delivered):
        took = Text("yes", style="green") if answer.delivered else Text("no", style="red")
        table.add_row(channel, took, Text(answer.text))
    return Group(verdict(said, "red" if failed else "green"), "", table)


def ticked(done: Done) -> Group:
    """Return what a tick did: what is open, and each message that was sent or not taken."""
    opened = sum(one.status == "open" for one in done.open)
    took = sum(one.answer.delivered for one in done.sent)
    said = f"{count_of(opened, 'alert')} open, {count_of(took, 'message')} sent"
    failed = [
        f"{one.delivery.channel} did not take a message: {one.answer.text}" for one in done.sent if not one.answer.delivered
    ]
    parts: list[RenderableType] = [verdict(said, "red" if failed else "yellow" if opened else "green")]
    if done.aside:
        parts.append(lines_of([f"from the spool only: {done.aside}"], "yellow"))
    if failed:
        parts.append(lines_of(dict.fromkeys(failed), "red"))
    return Group(*parts)
