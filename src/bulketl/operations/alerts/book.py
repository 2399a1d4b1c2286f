"""Where incidents are kept: in the ledger, or in files while that is out of reach. Both do the same, and each is a `Book`.

A change and the messages that it asks for are stored together. Messages are sent while the incident is held, so nobody
acknowledges or resolves it meanwhile; who dies then lets go of it, and the next one sends what is not known to be delivered.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast

from bulketl.config.channels import Channel
from bulketl.operations.alerts import words
from bulketl.operations.alerts.machine import Delivered, Event, advance
from bulketl.operations.alerts.message import Answer, Message, MessageKind
from bulketl.operations.alerts.policies import Policy
from bulketl.postgres.ledger.incidents import Delivery, Incident
from bulketl.tables.spec import Tier

Send = Callable[[Channel, Message, str], Answer]  # the thread to answer in, or ''
Policies = Mapping[Tier, Policy]
PAUSES = (
    10,
    30,
    60,
    120,
    300,
    900,
)  # seconds before a channel that did not take a message is asked again; the last for ever


class Book(Protocol):
    """What keeps incidents and the messages that are due for them."""

    def change(self, blank: Incident, event: Event, now: dt.datetime) -> None:
        """Have an incident, new or known by its key, hear of an event."""

    def unresolved(self) -> list[Incident]:
        """Return the incidents that are not resolved."""

    def all(self) -> list[Incident]:
        """Return every incident, the newest first."""

    def search(self, names: Sequence[str]) -> list[Incident]:
        """Return the incidents with these numbers or keys, in no order."""

    def deliveries(self, keys: Sequence[str]) -> list[Delivery]:
        """Return every message of these incidents, the first first."""

    def threads(self, key: str) -> dict[str, str]:
        """Return the thread of an incident at each channel that has one."""

    def tick(self, now: dt.datetime) -> None:
        """Have every incident hear of the time, for which something is due by it."""

    def send(self, send: Send, now: dt.datetime) -> Sequence[Sent]:
        """Send what is due; return what came of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sent:
    """A message that was sent, and what the other side answered."""

    delivery: Delivery
    answer: Answer

    @property
    def again(self) -> float:
        """In how many seconds it is to be sent again, unless it is delivered."""
        return max(PAUSES[min(self.delivery.attempts, len(PAUSES) - 1)], self.answer.wait_seconds)


def send_all(send: Send, found: Sequence[tuple[Delivery, Message, str]]) -> list[Sent]:
    """Send messages, each with its thread, all channels at once: one that hangs holds up no other."""
    if not found:
        return []
    answers: dict[int, Answer] = {}

    def post(n: int, delivery: Delivery, message: Message, thread: str) -> None:
        answers[n] = send(cast("Channel", delivery.channel), message, thread)

    # Daemons: the end of a load does not wait for a channel that hangs.
    posts = [threading.Thread(target=post, args=(n, *one), daemon=True) for n, one in enumerate(found)]
    for one in posts:
        one.start()
    for one in posts:
        one.join()
    failed = Answer(False, "failed")
    return [Sent(delivery, answers.get(n, failed)) for n, (delivery, _, _) in enumerate(found)]


def of_incident(
    incident: Incident, due: Sequence[Delivery], threads: Mapping[str, str]
) -> list[tuple[Delivery, Message, str]]:
    """Return the messages of an incident that are due, each with its thread."""
    return [(one, words.message(cast("MessageKind", one.kind), incident), threads.get(one.channel, "")) for one in due]


def of_day(
    schema: str, due: Sequence[tuple[Delivery, Incident]], now: dt.datetime
) -> dict[Channel, tuple[Message, list[Delivery]]]:
    """Return the daily mail of each channel, and the messages that are in it."""
    channels: dict[Channel, list[tuple[Delivery, Incident]]] = {}
    for delivery, incident in due:
        channels.setdefault(cast("Channel", delivery.channel), []).append((delivery, incident))
    return {
        channel: (
            words.digest(schema, [(cast("MessageKind", one.kind), incident) for one, incident in found], now),
            [one for one, _ in found],
        )
        for channel, found in channels.items()
    }


def after(incident: Incident, sent: Sequence[Sent], now: dt.datetime, policies: Policies) -> Incident:
    """Return the incident once channels have their messages."""
    for one in sent:
        if one.answer.delivered:
            incident, _ = advance(incident, Delivered(one.delivery.channel), now, policies)
    return incident
