"""Incidents on record, and the messages that are due for them: `bulketl.incident` and `bulketl.delivery`.

A message is stored in the transaction that decides on it, and sent afterwards, so neither a crash nor a channel that is down
loses it. Whoever changes an incident or sends its messages holds its row: of two tickers one passes it by.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

from bulketl.postgres.ledger.made import exists
from bulketl.postgres.server import LEDGER, Connection
from bulketl.tables.printable import brief
from bulketl.tables.spec import Tier

Status = Literal["new", "open", "acknowledged", "resolved"]
TABLES = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.incident (
    incident bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL UNIQUE, source text NOT NULL,
    schema_name text NOT NULL, occasion text NOT NULL, side text NOT NULL, kind text NOT NULL, tier text NOT NULL,
    status text NOT NULL, opened_at timestamptz NOT NULL, round integer NOT NULL, escalates_at timestamptz,
    told jsonb NOT NULL, heard jsonb NOT NULL, acknowledged_by text NOT NULL, acknowledged_until timestamptz,
    resolved_by text NOT NULL, resolved_at timestamptz, members jsonb NOT NULL, daily boolean NOT NULL);
CREATE INDEX IF NOT EXISTS incident_open ON {LEDGER}.incident (schema_name) WHERE status <> 'resolved';
CREATE TABLE IF NOT EXISTS {LEDGER}.delivery (
    delivery bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL REFERENCES {LEDGER}.incident (key),
    channel text NOT NULL, kind text NOT NULL, round integer NOT NULL, daily boolean NOT NULL, due_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0, delivered_at timestamptz, dropped_at timestamptz, answer text NOT NULL DEFAULT '',
    thread text NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS delivery_of ON {LEDGER}.delivery (key);
CREATE INDEX IF NOT EXISTS delivery_due ON {LEDGER}.delivery (due_at) WHERE delivered_at IS NULL AND dropped_at IS NULL;
CREATE TABLE IF NOT EXISTS {LEDGER}.alerted (
    run text PRIMARY KEY, schema_name text NOT NULL, seq bigint NOT NULL DEFAULT 0, done boolean NOT NULL DEFAULT false);
"""


@dataclass(frozen=True, slots=True)
class Member:
    """A table of an incident, or the run as a whole: what is wrong with it, without a value of any row, and since when.

    `over`: when it was well again, None while it is not.
    """

    tier: Tier
    text: str
    hint: str
    at: dt.datetime
    over: dt.datetime | None = None

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, tier=self.tier, at=self.at, over=self.over)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        over = self.over.isoformat() if self.over else None
        return {"tier": self.tier, "text": self.text, "hint": self.hint, "at": self.at.isoformat(), "over": over}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Member:
        """Return the member that was written so."""
        over = dt.datetime.fromisoformat(found["over"]) if found["over"] else None
        return cls(found["tier"], found["text"], found["hint"], dt.datetime.fromisoformat(found["at"]), over)


@dataclass(frozen=True, slots=True)
class Incident:
    """One cause of trouble, with the tables that it hit: what somebody acknowledges and what is resolved.

    `key` is its name at every channel, of at most 255 characters. `occasion`: the run, or what else it is of. `side`: who is
    at fault, `kind`: the rule that it breaks. `members`: by table, '' for the run as a whole. `opened`: when the latest
    `round` began; one begins when it is opened, opened anew, or an acknowledgement expires. `told`: the channels that know
    of it. `heard`: the acknowledgements of channels that have counted. `daily`: it goes by the daily mail. `number`: how
    people call it, 0 in a spool.
    """

    key: str
    source: str
    schema: str
    occasion: str
    side: str
    kind: str
    tier: Tier
    opened: dt.datetime
    status: Status = "new"
    round: int = 0
    escalates: dt.datetime | None = None
    told: tuple[str, ...] = ()
    heard: tuple[str, ...] = ()
    acknowledged_by: str = ""
    acknowledged_until: dt.datetime | None = None
    resolved_by: str = ""
    resolved: dt.datetime | None = None
    members: Mapping[str, Member] = field(default_factory=dict)
    daily: bool = False
    number: int = 0

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, key=self.key, tier=self.tier, status=self.status, members=len(self.members))

    @property
    def affected(self) -> dict[str, Member]:
        """The members that are not well again, or all of them when it is resolved."""
        return {name: one for name, one in self.members.items() if one.over is None} or dict(self.members)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that a channel is to have, or has: `due`, and `thread` to answer in; `daily` ones go together."""

    number: int
    key: str
    channel: str
    kind: Literal["open", "escalated", "resolved", "digest"]
    due: dt.datetime
    daily: bool = False
    attempts: int = 0
    delivered: dt.datetime | None = None
    dropped: dt.datetime | None = None
    answer: str = ""
    thread: str = ""


class Order(NamedTuple):
    """A message to store: for which channels, of which kind, due when, and whether it goes into the daily mail."""

    kind: Literal["open", "escalated", "resolved", "digest"]
    channels: tuple[str, ...]
    due: dt.datetime
    daily: bool = False


_COLUMNS = (
    "key", "source", "schema_name", "occasion", "side", "kind", "tier", "opened_at", "status", "round", "escalates_at",
    "told", "heard", "acknowledged_by", "acknowledged_until", "resolved_by", "resolved_at", "members", "daily",
)  # fmt: skip
_SELECT = f"SELECT {', '.join(f'i.{column}' for column in _COLUMNS)}, i.incident FROM {LEDGER}.incident i"
_DELIVERY = (
    "SELECT d.delivery, d.key, d.channel, d.kind, d.due_at, d.daily, d.attempts, d.delivered_at, d.dropped_at, d.answer,"
    f" d.thread FROM {LEDGER}.delivery d"
)
_WAITING = "d.delivered_at IS NULL AND d.dropped_at IS NULL"


def _incident(row: Sequence[Any]) -> Incident:
    values = dict(zip((each.name for each in fields(Incident)), row, strict=True))
    members = {name: Member.from_json(one) for name, one in values.pop("members").items()}
    told, heard = tuple(values.pop("told")), tuple(values.pop("heard"))
    return Incident(**values, told=told, heard=heard, members=members)


def kept(connection: Connection) -> bool:
    """Tell whether the ledger is there and keeps incidents."""
    return exists(connection, "incident")


def lock(connection: Connection, blank: Incident) -> Incident:
    """Return the incident of that key, its row held to the end of the transaction; put it on record where it is new."""
    connection.execute(
        f"INSERT INTO {LEDGER}.incident ({', '.join(_COLUMNS)}) VALUES ({', '.join(['%s'] * len(_COLUMNS))})"
        " ON CONFLICT (key) DO NOTHING".encode(),
        _values(blank),
    )
    row = connection.execute(f"{_SELECT} WHERE i.key = %s FOR UPDATE".encode(), (blank.key,)).fetchone()
    if row is None:  # the INSERT has made it
        raise AssertionError(blank.key)
    return _incident(row)


def find(
    connection: Connection, schema: str, *, every: bool = False, table: str | None = None, first: int | None = None
) -> list[Incident]:
    """Return the incidents of a schema that are not resolved, or `every` one, the newest first; `first` at most.

    `table`: those that it is a member of, and no others.
    """
    which = "" if every else " AND i.status NOT IN ('resolved', 'new')"
    which += "" if table is None else " AND i.members ? %(table)s"
    found = connection.execute(
        f"{_SELECT} WHERE i.schema_name = %(schema)s{which} ORDER BY i.incident DESC LIMIT %(first)s".encode(),
        {"schema": schema, "table": table, "first": first},
    )
    return [_incident(row) for row in found]


def take(connection: Connection, schema: str, now: dt.datetime) -> list[Incident]:
    """Return the incidents for which something is due by the clock, held; those that another ticker holds are left out."""
    found = connection.execute(
        f"{_SELECT} WHERE i.schema_name = %s AND (i.status = 'open' AND i.escalates_at <= %s"
        " OR i.status = 'acknowledged' AND i.acknowledged_until <= %s) ORDER BY i.incident FOR UPDATE SKIP LOCKED".encode(),
        (schema, now, now),
    )
    return [_incident(row) for row in found]


def save(
    connection: Connection, incident: Incident, orders: Sequence[Order], *, hush: bool, hasten: dt.datetime | None,
    now: dt.datetime,
) -> None:  # fmt: skip
    """Record an incident that this transaction holds: drop its waiting messages, or `hasten` them; then store new ones."""
    columns = ", ".join(f"{column} = %s" for column in _COLUMNS)
    connection.execute(f"UPDATE {LEDGER}.incident SET {columns} WHERE key = %s".encode(), (*_values(incident), incident.key))
    if hush:
        connection.execute(
            f"UPDATE {LEDGER}.delivery d SET dropped_at = %s WHERE key = %s AND {_WAITING}".encode(), (now, incident.key)
        )
    if hasten is not None:
        connection.execute(
            f"UPDATE {LEDGER}.delivery d SET due_at = %s WHERE key = %s AND {_WAITING} AND NOT daily AND attempts = 0"
            " AND due_at > %s".encode(),
            (hasten, incident.key, hasten),
        )
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {LEDGER}.delivery (key, channel, kind, round, daily, due_at) VALUES (%s, %s, %s, %s, %s, %s)",
            [
                (incident.key, channel, order.kind, incident.round, order.daily, order.due)
                for order in orders
                for channel in order.channels
            ],
        )


def _values(incident: Incident) -> tuple[object, ...]:
    return (
        incident.key, incident.source, incident.schema, incident.occasion, incident.side, incident.kind, incident.tier,
        incident.opened, incident.status, incident.round, incident.escalates, json.dumps(incident.told),
        json.dumps(incident.heard), incident.acknowledged_by, incident.acknowledged_until, incident.resolved_by,
        incident.resolved, json.dumps({name: one.to_json() for name, one in incident.members.items()}), incident.daily,
    )  # fmt: skip


def due_keys(connection: Connection, schema: str, now: dt.datetime, *, daily: bool) -> list[str]:
    """Return the keys of incidents with messages that are due: those never tried first, and the longest due first."""
    found = connection.execute(
        f"SELECT d.key FROM {LEDGER}.delivery d JOIN {LEDGER}.incident i USING (key) WHERE {_WAITING} AND d.due_at <= %s"
        " AND i.schema_name = %s AND d.daily = %s GROUP BY d.key ORDER BY min(d.attempts) > 0, min(d.due_at)".encode(),
        (now, schema, daily),
    )
    return [key for (key,) in found]


def search(connection: Connection, schema: str, names: Sequence[str]) -> list[Incident]:
    """Return the incidents of a schema with these numbers or keys."""
    found = connection.execute(
        f"{_SELECT} WHERE i.schema_name = %s AND (i.key = ANY(%s) OR i.incident::text = ANY(%s))".encode(),
        (schema, list(names), list(names)),
    )
    return [_incident(row) for row in found]


def of_occasion(connection: Connection, schema: str, occasion: str) -> list[Incident]:
    """Return the incidents of a run, or of what else they are of, the first first."""
    found = connection.execute(
        f"{_SELECT} WHERE (i.schema_name, i.occasion) = (%s, %s) ORDER BY i.incident".encode(), (schema, occasion)
    )
    return [_incident(row) for row in found]


def hold(connection: Connection, key: str) -> Incident | None:
    """Return an incident, its row held to the end of the transaction, or None while another holds it."""
    row = connection.execute(f"{_SELECT} WHERE i.key = %s FOR UPDATE SKIP LOCKED".encode(), (key,)).fetchone()
    return None if row is None else _incident(row)


def due(connection: Connection, key: str, now: dt.datetime, *, daily: bool) -> list[Delivery]:
    """Return the messages of an incident that are due."""
    found = connection.execute(
        f"{_DELIVERY} WHERE d.key = %s AND {_WAITING} AND d.due_at <= %s AND d.daily = %s ORDER BY d.delivery".encode(),
        (key, now, daily),
    )
    return [Delivery(*row) for row in found]


def threads(connection: Connection, key: str) -> dict[str, str]:
    """Return the thread of an incident at each channel that has made one, the first of each."""
    found = connection.execute(
        f"SELECT DISTINCT ON (channel) channel, thread FROM {LEDGER}.delivery WHERE key = %s AND thread <> ''"
        " ORDER BY channel, delivery".encode(),
        (key,),
    )
    return {str(channel): str(thread) for channel, thread in found}


def answered(
    connection: Connection, number: int, answer: str, delivered: dt.datetime | None, again: dt.datetime | None, thread: str
) -> None:
    """Record what the other side answered: delivered at that moment, or to be sent again."""
    connection.execute(
        f"UPDATE {LEDGER}.delivery SET attempts = attempts + 1, answer = %s, delivered_at = %s,"
        " due_at = COALESCE(%s, due_at), thread = %s WHERE delivery = %s",
        (answer, delivered, again, thread, number),
    )


def deliveries(connection: Connection, keys: Sequence[str]) -> list[Delivery]:
    """Return every message of these incidents, the first first."""
    found = connection.execute(f"{_DELIVERY} WHERE d.key = ANY(%s) ORDER BY d.delivery".encode(), (list(keys),))
    return [Delivery(*row) for row in found]


class Unread(NamedTuple):
    """A run whose events are not all looked at: its kind, when it began, and its outcome, None while it has not ended."""

    run: str
    kind: str
    started: dt.datetime
    outcome: str | None


def unread(connection: Connection, schema: str, since: dt.datetime) -> list[Unread]:
    """Return the runs into a schema whose events are not all looked at, the first first; none that began before `since`.

    One that is looked at and has not ended may be dead, or go on again.
    """
    found = connection.execute(
        f"SELECT r.run, r.kind, r.started_at, r.outcome FROM {LEDGER}.run r LEFT JOIN {LEDGER}.alerted a USING (run)"
        " WHERE r.schema_name = %s AND r.started_at > %s AND (r.finished_at IS NULL OR NOT COALESCE(a.done, false))"
        " ORDER BY r.started_at, r.run",
        (schema, since),
    )
    return [Unread(*row) for row in found]


def cancelled(connection: Connection, run: str) -> bool:
    """Tell whether somebody asked for the end of a run, and so knows of it."""
    found = connection.execute(f"SELECT 1 FROM {LEDGER}.event WHERE run = %s AND kind = 'run_cancelled' LIMIT 1", (run,))
    return found.fetchone() is not None


def uncertified(connection: Connection, run: str) -> list[str]:
    """Return the tables of a run that were loaded and not certified."""
    found = connection.execute(
        f"SELECT c.table_name FROM {LEDGER}.certificate c JOIN {LEDGER}.table_load t USING (run, table_name)"
        " WHERE c.run = %s AND NOT c.certified AND t.outcome = 'loaded' ORDER BY 1",
        (run,),
    )
    return [str(table) for (table,) in found]


def claim(connection: Connection, run: str, schema: str) -> int | None:
    """Return the last event of a run that was looked at, held to the end of the transaction; None while another holds it."""
    connection.execute(
        f"INSERT INTO {LEDGER}.alerted (run, schema_name) VALUES (%s, %s) ON CONFLICT DO NOTHING", (run, schema)
    )
    row = connection.execute(f"SELECT seq FROM {LEDGER}.alerted WHERE run = %s FOR UPDATE SKIP LOCKED", (run,)).fetchone()
    return None if row is None else int(row[0])


def read_to(connection: Connection, run: str, seq: int, *, done: bool) -> None:
    """Record that the events of a run are looked at up to this one, and whether no more will come."""
    connection.execute(f"UPDATE {LEDGER}.alerted SET seq = %s, done = %s WHERE run = %s", (seq, done, run))


def take_over(connection: Connection, incident: Incident, told: Sequence[Delivery]) -> bool:
    """Put an incident and its messages on record as a spool has them; return False, and do nothing, where it is there."""
    done = connection.execute(
        f"INSERT INTO {LEDGER}.incident ({', '.join(_COLUMNS)}) VALUES ({', '.join(['%s'] * len(_COLUMNS))})"
        " ON CONFLICT (key) DO NOTHING".encode(),
        _values(incident),
    )
    if not done.rowcount:
        return False
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {LEDGER}.delivery (key, channel, kind, round, daily, due_at, attempts, delivered_at, dropped_at,"
            " answer, thread) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (one.key, one.channel, one.kind, incident.round, one.daily, one.due, one.attempts, one.delivered,
                 one.dropped, one.answer, one.thread)
                for one in told
            ],
        )  # fmt: skip
    return True
