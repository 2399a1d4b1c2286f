"""What people do with incidents: look at them, acknowledge and resolve them, and ask each channel whether it works."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bulketl.config.channels import HEARTBEAT
from bulketl.config.config import Config
from bulketl.connections.person import person
from bulketl.errors import ConfigError, PlanError, TargetError
from bulketl.operations.alerts import sending, spool, words
from bulketl.operations.alerts.book import Book, Sent, send_all
from bulketl.operations.alerts.ledgerbook import LedgerBook
from bulketl.operations.alerts.machine import Acknowledged, Event, Resolved
from bulketl.operations.alerts.message import Answer, Message
from bulketl.operations.alerts.policies import alerts_of, policies
from bulketl.operations.alerts.spool import SpoolBook
from bulketl.operations.alerts.tick import sender
from bulketl.operations.heartbeat import try_heartbeat
from bulketl.postgres.ledger.incidents import Delivery, Incident, kept
from bulketl.postgres.ledger.looking import asking
from bulketl.postgres.server import Postgres
from bulketl.tables.printable import brief


@dataclass(frozen=True, slots=True)
class Alert:
    """An incident with its title and its messages."""

    incident: Incident
    deliveries: tuple[Delivery, ...]

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, incident=self.incident, messages=len(self.deliveries))

    @property
    def title(self) -> str:
        """What it is, in a line."""
        return words.title(self.incident)

    @property
    def waiting(self) -> list[Delivery]:
        """The messages that are not delivered, and not dropped either."""
        return [one for one in self.deliveries if one.delivered is None and one.dropped is None]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        found = spool.plain(self.incident)
        messages = [spool.plain(one) for one in self.deliveries]
        return {"incident": found.pop("number"), "title": self.title, **found, "messages": messages}


@dataclass(frozen=True, slots=True)
class Listing:
    """Alerts, the newest first. `aside`: why they are of the spool only, '' when the ledger answered."""

    alerts: tuple[Alert, ...]
    aside: str = ""

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, alerts=len(self.alerts), aside=self.aside)


def list_alerts(config: Config, *, every: bool = False) -> Listing:
    """Return the unresolved incidents of the schema, or all with `every`. Raise ConfigError when no alerts are set."""
    spooled = SpoolBook(spool.place(config), config.target_schema, policies(config))
    with _book(config) as (book, aside):
        found = _alerts(book, book.all() if every else book.unresolved())
        waiting = () if aside else _alerts(spooled, spooled.unresolved())  # which the next tick takes over
        return Listing((*waiting, *found), aside)


def show_alert(config: Config, which: str) -> Alert:
    """Return an incident by its number or key. Raise ConfigError when no alerts are set, PlanError for no such one."""
    with _book(config) as (book, _):
        return _alerts(book, _found(book, [which]))[0]


def acknowledge_alerts(
    config: Config, which: Sequence[str], by: str = "", hours: float | None = None, now: dt.datetime | None = None
) -> tuple[Alert, ...]:
    """Acknowledge incidents, by number or key, so that nobody hears of them for that many hours; return them.

    `by`: who acknowledges, by default this user. Channels that show acknowledgements are told. Raise as `show_alert`
    does, and PlanError for an incident that is resolved.
    """
    moment, who = now or dt.datetime.now(dt.UTC), by or person()
    hold = None if hours is None else dt.timedelta(hours=hours)
    return _changed(config, which, Acknowledged(who, hold), moment)


def resolve_alerts(config: Config, which: Sequence[str], by: str = "", now: dt.datetime | None = None) -> tuple[Alert, ...]:
    """Resolve incidents, by number or key, and tell everybody who was told of them. Raise as `acknowledge_alerts` does."""
    return _changed(config, which, Resolved(by or person()), now or dt.datetime.now(dt.UTC))


def _changed(config: Config, which: Sequence[str], event: Event, now: dt.datetime) -> tuple[Alert, ...]:
    alerts = alerts_of(config)
    with _book(config) as (book, _):
        found = _found(book, which)
        if over := next((one for one in found if one.status == "resolved"), None):
            raise PlanError(f"alert {_name(over)} is resolved already, by {over.resolved_by}", hint="there is nothing to do")
        for incident in found:
            book.change(incident, event, now)
            threads = book.threads(incident.key)
            if isinstance(event, Acknowledged):
                told = {channel: threads.get(channel, "") for channel in alerts.channels if channel in incident.told}
                sending.spread(alerts, incident.key, told, event.by)
        if isinstance(event, Resolved):
            book.send(sender(config), now)
        return _alerts(book, _found(book, [one.key for one in found]))


def _name(incident: Incident) -> str:
    return str(incident.number or incident.key)


def _found(book: Book, which: Sequence[str]) -> list[Incident]:
    """Return incidents by number or key; raise PlanError for one that there is not."""
    found = book.search(which)
    known = {one.key: one for one in found} | {str(one.number): one for one in found if one.number}
    if wrong := next((one for one in which if one not in known), None):
        raise PlanError(f"there is no alert {wrong!r} in this schema", hint="`bulketl alerts list --all` shows all of them")
    return list({known[one].key: known[one] for one in which}.values())


def _alerts(book: Book, found: Sequence[Incident]) -> tuple[Alert, ...]:
    messages = book.deliveries([one.key for one in found])
    return tuple(Alert(one, tuple(each for each in messages if each.key == one.key)) for one in found)


@contextlib.contextmanager
def _book(config: Config) -> Iterator[tuple[Book, str]]:
    """Give the ledger's incidents; those of the spool, and why, where the target does not answer or has no ledger yet."""
    rules = policies(config)
    aside = SpoolBook(spool.place(config), config.target_schema, rules)
    with contextlib.ExitStack() as stack:
        try:
            connection = stack.enter_context(asking(Postgres.of(config)))
        except TargetError as error:
            yield aside, error.public
            return
        if kept(connection):
            yield LedgerBook(connection, config.target_schema, rules), ""
        else:
            yield aside, "the target has no ledger that keeps alerts; the next load makes one"


def try_channels(config: Config, channels: Sequence[str] = (), now: dt.datetime | None = None) -> dict[str, Answer]:
    """Send a test by each of the channels, by default all that are set; return what the other sides answered.

    The heartbeat counts as a channel here; the test is not reported to it as a load. Raise ConfigError when no alerts are
    set, or one of the channels is not.
    """
    alerts, moment = alerts_of(config), now or dt.datetime.now(dt.UTC)
    there = (*alerts.channels, *((HEARTBEAT,) if alerts.heartbeat else ()))
    if missing := next((one for one in channels if one not in there), None):
        raise ConfigError(f"channel {missing!r} is not set under alerts", hint=f"these are set: {', '.join(there)}")
    message = Message(
        "test",
        f"bulketl/{config.target_schema}/test/{moment:%Y%m%d-%H%M%S}",
        "reference",
        f"a test of bulketl's alerts, schema {config.target_schema}",
        (f"Sent by {person()} at {moment:%Y-%m-%d %H:%M} UTC. Nothing is wrong.",),
    )
    blank = Delivery(0, message.incident, "", "open", moment)
    chosen = [one for one in channels or there if one != HEARTBEAT]
    sent: list[Sent] = send_all(sender(config), [(replace(blank, channel=one), message, "") for one in chosen])
    found = {channel: one.answer for channel, one in zip(chosen, sent, strict=True)}
    if alerts.heartbeat and HEARTBEAT in (channels or there):
        found[HEARTBEAT] = try_heartbeat(alerts, f"{message.title}\n")
    return found
