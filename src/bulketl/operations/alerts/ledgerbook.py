"""Incidents in the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from bulketl.operations.alerts.book import Policies, Send, Sent, after, of_day, of_incident, send_all
from bulketl.operations.alerts.machine import NOTHING, Event, Ticked, advance
from bulketl.postgres.ledger import incidents
from bulketl.postgres.ledger.incidents import Delivery, Incident
from bulketl.postgres.server import Connection


@dataclass(frozen=True, slots=True)
class LedgerBook:
    """The incidents of a schema, over a connection. Every method raises what psycopg raises when it is lost."""

    connection: Connection
    schema: str
    policies: Policies

    def change(self, blank: Incident, event: Event, now: dt.datetime) -> None:
        """Have an incident, new or known by its key, hear of an event; wait for whoever holds it."""
        with self.connection.transaction():
            self._changed(incidents.lock(self.connection, blank), event, now)

    def unresolved(self) -> list[Incident]:
        """Return the incidents that are not resolved."""
        return incidents.find(self.connection, self.schema)

    def tick(self, now: dt.datetime) -> None:
        """Have every incident hear of the time, for which something is due by it and which nobody else holds."""
        with self.connection.transaction():
            for incident in incidents.take(self.connection, self.schema, now):
                self._changed(incident, Ticked(), now)

    def all(self) -> list[Incident]:
        """Return every incident, the newest first."""
        return incidents.find(self.connection, self.schema, every=True)

    def search(self, names: Sequence[str]) -> list[Incident]:
        """Return the incidents with these numbers or keys."""
        return incidents.search(self.connection, self.schema, names)

    def deliveries(self, keys: Sequence[str]) -> list[Delivery]:
        """Return every message of these incidents, the first first."""
        return incidents.deliveries(self.connection, keys)

    def threads(self, key: str) -> dict[str, str]:
        """Return the thread of an incident at each channel that has one."""
        return incidents.threads(self.connection, key)

    def _changed(self, incident: Incident, event: Event, now: dt.datetime) -> None:
        changed, effects = advance(incident, event, now, self.policies)
        if changed != incident or effects is not NOTHING:
            incidents.save(self.connection, changed, effects.orders, hush=effects.hush, hasten=effects.hasten, now=now)

    def send(self, send: Send, now: dt.datetime) -> Sequence[Sent]:
        """Send what is due; return what came of it. What another sends at this moment is left to it."""
        sent: list[Sent] = []
        for key in incidents.due_keys(self.connection, self.schema, now, daily=False):
            with self.connection.transaction():
                incident = incidents.hold(self.connection, key)
                if incident is None:
                    continue
                due = incidents.due(self.connection, key, now, daily=False)
                found = send_all(send, of_incident(incident, due, incidents.threads(self.connection, key)))
                self._record(incident, found, now)
                sent += found
        return sent + self._send_daily(send, now)

    def _send_daily(self, send: Send, now: dt.datetime) -> list[Sent]:
        with self.connection.transaction():
            due: list[tuple[Delivery, Incident]] = []
            for key in incidents.due_keys(self.connection, self.schema, now, daily=True):
                if (incident := incidents.hold(self.connection, key)) is not None:
                    due += [(one, incident) for one in incidents.due(self.connection, key, now, daily=True)]
            mails = of_day(self.schema, due, now)
            answers = send_all(send, [(parts[0], message, "") for message, parts in mails.values()])
            sent = [
                Sent(part, one.answer) for one, (_, parts) in zip(answers, mails.values(), strict=True) for part in parts
            ]
            for incident in {one.key: one for _, one in due}.values():
                self._record(incident, [one for one in sent if one.delivery.key == incident.key], now)
        return sent

    def _record(self, incident: Incident, sent: Sequence[Sent], now: dt.datetime) -> None:
        for one in sent:
            delivered, again = (now, None) if one.answer.delivered else (None, now + dt.timedelta(seconds=one.again))
            thread = "" if one.delivery.daily else one.answer.thread
            incidents.answered(self.connection, one.delivery.number, one.answer.text, delivered, again, thread)
        told = after(incident, sent, now, self.policies)
        if told is not incident:
            incidents.save(self.connection, told, (), hush=False, hasten=None, now=now)
