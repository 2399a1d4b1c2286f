"""A tick: it does whatever is due by now, because the processes that load can die.

It looks at the ledger, asks the channels who has acknowledged, and sends and escalates what is due. Two ticks at once do
nothing twice. Without a target, a tick does the same for what is in the spool.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bulketl.config.channels import Channel
from bulketl.config.config import Config
from bulketl.errors import BulketlError, TargetError
from bulketl.operations.alerts import sending, spool
from bulketl.operations.alerts.book import Book, Send, Sent
from bulketl.operations.alerts.causes import (
    Cause,
    Heard,
    Relief,
    Trouble,
    by_cause,
    of_the_run,
    repeats,
    rule_of,
    whole_tier,
)
from bulketl.operations.alerts.ledgerbook import LedgerBook
from bulketl.operations.alerts.look import look
from bulketl.operations.alerts.machine import FAILED_AGAIN, Acknowledged, Complete, Delivered, Event, Raised, Settled
from bulketl.operations.alerts.policies import alerts_of, policies
from bulketl.operations.alerts.spool import SpoolBook
from bulketl.postgres.ledger import acknowledgements, incidents
from bulketl.postgres.ledger.incidents import Incident
from bulketl.postgres.server import Postgres
from bulketl.tables.printable import brief

ATTEMPTS = 3
POLLED = 20  # incidents whose channels are asked in one tick
POLLED_BEFORE = dt.timedelta(minutes=2)  # an escalation, for which an acknowledgement must not be missed


@dataclass(frozen=True, slots=True)
class Done:
    """What a tick did: the incidents that are open now, and the messages with their answers.

    `aside`: why it looked at the spool only, '' when the ledger answered.
    """

    open: tuple[Incident, ...] = ()
    sent: tuple[Sent, ...] = ()
    aside: str = ""

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, open=len(self.open), sent=len(self.sent), aside=self.aside)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        messages = [
            {"incident": one.delivery.key, "channel": one.delivery.channel, "kind": one.delivery.kind,
             "delivered": one.answer.delivered, "answer": one.answer.text}
            for one in self.sent
        ]  # fmt: skip
        return {"open": [spool.plain(one) for one in self.open], "messages": messages, "aside": self.aside}


def tick_alerts(config: Config, now: dt.datetime | None = None, heard: Sequence[Heard] = ()) -> Done:
    """Do all that is due at `now` (aware), by default at this moment; return what was done.

    `heard`: what the caller has seen of a run, and that may not be on record yet. Raise ConfigError when no alerts are
    set, or when the spool cannot be written to. A target that does not answer raises no error; it is a trouble to tell
    people about.
    """
    moment = now or dt.datetime.now(dt.UTC)
    aside = SpoolBook(spool.place(config), config.target_schema, policies(config))
    attempt = 1
    while True:
        reached = False
        try:
            with Postgres.of(config).connect() as connection:
                reached = True
                return _in_ledger(config, LedgerBook(connection, aside.schema, aside.policies), aside, heard, moment)
        except TargetError as error:
            # Two tickers may wait for each other, and Postgres then ends one of them.
            if not (reached and error.transient) or attempt == ATTEMPTS:
                return _aside(config, aside, heard, moment, error)
            attempt += 1


def _in_ledger(config: Config, book: LedgerBook, aside: SpoolBook, heard: Sequence[Heard], now: dt.datetime) -> Done:
    if not incidents.kept(book.connection):
        apply(aside, config, heard, now)
        return _done(config, aside, now, "the target has no ledger that keeps alerts; the next load makes one")
    take_over(book, aside, now)
    apply(book, config, heard, now)
    look(config, book, apply, now)
    hear_wishes(config, book, now)
    return _done(config, book, now)


def _aside(config: Config, aside: SpoolBook, heard: Sequence[Heard], now: dt.datetime, error: BulketlError) -> Done:
    """Do in the spool what cannot be done in the ledger, and tell why, unless somebody has told of the target already."""
    apply(aside, config, heard, now)
    if not any(one.side == "target" for one in aside.unresolved()):
        cause = Cause(aside.schema, f"{now:%Y%m%d-%H%M%S}", "target", "unreachable", type(error).__name__)
        apply(aside, config, of_the_run(config, cause, error.public, error.hint, now), now)
    return _done(config, aside, now, error.public)


def _done(config: Config, book: Book, now: dt.datetime, aside: str = "") -> Done:
    poll(config, book, now)
    book.tick(now)
    sent = book.send(sender(config), now)
    return Done(tuple(book.unresolved()), tuple(sent), aside)


def sender(config: Config) -> Send:
    """Return what sends the messages of this tick by the channels of the configuration."""
    return sending.sender(alerts_of(config))


def poll(config: Config, book: Book, now: dt.datetime) -> None:
    """Ask the channels that know of an open incident who has acknowledged it there, and tell the others of it."""
    alerts = alerts_of(config)
    told: dict[str, dict[Channel, str]] = {}
    polled = _polled([one for one in book.unresolved() if one.status == "open" and one.told], now)
    for incident in polled:
        threads = book.threads(incident.key)
        told[incident.key] = {name: threads.get(name, "") for name in alerts.channels if name in incident.told}
    asked = [(name, key, thread) for key, channels in told.items() for name, thread in channels.items()]
    people: dict[str, list[tuple[Channel, str]]] = {}
    for (name, key, _), who in zip(asked, sending.acknowledged(alerts, asked), strict=True):
        people.setdefault(key, []).extend((name, one) for one in who)
    for incident in polled:
        marks = {f"{name} {one}": (name, one) for name, one in people.get(incident.key, ())}
        if fresh := [mark for mark in marks if mark not in incident.heard]:
            channel, person = marks[fresh[0]]
            by = f"{person} ({channel})"
            book.change(incident, Acknowledged(by, marks=tuple(marks)), now)
            others = {other: thread for other, thread in told[incident.key].items() if other != channel}
            sending.spread(alerts, incident.key, others, by)


def _polled(found: Sequence[Incident], now: dt.datetime) -> list[Incident]:
    """Return the incidents that are asked for in this tick: those escalated soon, and of the others some after some."""
    soon = [one for one in found if one.escalates is not None and one.escalates <= now + POLLED_BEFORE]
    others = [one for one in found if one not in soon]
    room = max(POLLED - len(soon), 1)
    turn = int(now.timestamp() // 60) * room % len(others) if others else 0
    return [*soon, *others[turn:], *others[:turn]][:POLLED]


def hear_wishes(config: Config, book: LedgerBook, now: dt.datetime) -> None:
    """Take what people have acknowledged on the dashboard, and tell the channels of it."""
    alerts, taken = alerts_of(config), list[tuple[Incident, str]]()
    with book.connection.transaction():
        for one in acknowledgements.hear(book.connection, book.schema):
            for incident in book.search([str(one.incident)]):
                hold = dt.timedelta(seconds=one.seconds) if one.seconds is not None else None
                book.change(incident, Acknowledged(one.by, hold, (f"dashboard {one.at.isoformat()}",)), now)
                taken.append((incident, one.by))
    for incident, by in taken:
        threads = book.threads(incident.key)
        told = {channel: threads.get(channel, "") for channel in alerts.channels if channel in incident.told}
        sending.spread(alerts, incident.key, told, by)


def apply(book: Book, config: Config, found: Iterable[Heard], now: dt.datetime) -> None:
    """Have the incidents of a book hear of troubles, of what ends them, and of runs that ended."""
    many = list(found)
    for cause, members in by_cause(one for one in many if isinstance(one, Trouble)).items():
        daily = alerts_of(config).way(cause.rule) == "daily"
        book.change(cause.blank(whole_tier(config), now), Raised(members, daily), now)
    unresolved = book.unresolved() if many else []
    for one in many:
        for incident in unresolved:
            if (event := _of_incident(one, incident)) is not None:
                book.change(incident, event, now)


def _of_incident(one: Heard, incident: Incident) -> Event | None:
    """Return what an incident that is there hears of what happened elsewhere, or None."""
    if isinstance(one, Trouble):
        known = repeats(one, incident) and one.table in incident.members
        return Settled((one.table,), one.member.at, FAILED_AGAIN) if known else None
    if isinstance(one, Relief):
        tables = one.settles(incident)
        return Settled(tables, one.at) if tables else None
    return Complete() if incident.occasion == one.run else None


def take_over(book: LedgerBook, aside: SpoolBook, now: dt.datetime) -> None:
    """Put what was kept in the spool on record, and resolve that the target did not answer, for it does."""
    if aside.path.exists():
        with aside.held() as pages, book.connection.transaction():
            for incident in pages.incidents.values():
                told = [one for one in pages.deliveries if one.key == incident.key]
                if not incidents.take_over(book.connection, incident, told):
                    book.change(incident, Raised(incident.members), now)
                    for channel in incident.told:
                        book.change(incident, Delivered(channel), now)
            pages.incidents.clear()
            pages.deliveries.clear()
    for incident in book.unresolved():
        if rule_of(incident) == "unreachable":
            book.change(incident, Settled(("",), now), now)
