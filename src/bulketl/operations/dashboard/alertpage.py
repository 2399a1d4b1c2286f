"""Alerts as the pages show them: what is wrong, since when, who was told, who has it; and the wish to acknowledge one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from bulketl.config.config import Config
from bulketl.errors import ConfigError, PlanError
from bulketl.operations.alerts import words
from bulketl.operations.alerts.runbooks import hints_of
from bulketl.operations.dashboard.words import State
from bulketl.postgres.ledger import acknowledgements, incidents
from bulketl.postgres.ledger.acknowledgements import Wish
from bulketl.postgres.ledger.incidents import Delivery, Incident
from bulketl.postgres.ledger.looking import Look
from bulketl.postgres.server import Postgres
from bulketl.tables.printable import count_of, lasting

MOST = 200  # alerts of a page
LATE = ("overtime", "missing_run", "lag", "not_loaded", "unusual", "silence")  # rules that a table breaks by being late


@dataclass(frozen=True, slots=True)
class Told:
    """What is said alike of some tables, or of the run as a whole, which has none."""

    tables: Sequence[str]
    text: str


@dataclass(frozen=True, slots=True)
class Listed:
    """An alert. `wish`: that somebody has it, as this page or another was told, and no tick has heard yet; or None."""

    incident: Incident
    title: str
    state: State
    told: Sequence[Told]
    hints: Sequence[str]
    messages: str
    wish: Wish | None

    @property
    def free(self) -> bool:
        """Whether it may be acknowledged: it is open, and nobody wishes it so far."""
        return self.incident.status == "open" and self.wish is None


def listed(
    look: Look, schema: str, now: dt.datetime, *, every: bool = False, table: str | None = None, first: int = MOST
) -> list[Listed]:
    """Return the alerts of a schema that are not resolved, or `every` one; the newest first, `first` at most.

    `table`: those that it is a member of, and no others.
    """
    if not look.version or not incidents.kept(look.connection):
        return []
    found = incidents.find(look.connection, schema, every=every, table=table, first=first)
    messages: dict[str, list[Delivery]] = {}
    for message in incidents.deliveries(look.connection, [one.key for one in found]):
        messages.setdefault(message.key, []).append(message)
    wishes = acknowledgements.wishes(look.connection, [one.number for one in found])
    here = f", schema {schema}"
    return [
        Listed(
            one,
            words.title(one).removesuffix(here),
            _state(one),
            [Told(tables, text) for (text, _), tables in words.by_text(one.affected).items()],
            hints_of(one),
            _messages(messages.get(one.key, ()), now),
            wishes.get(one.number),
        )
        for one in found
    ]


def _state(incident: Incident) -> State:
    if incident.status == "resolved":
        return "none"
    return "late" if incident.kind.partition("-")[0] in LATE else "failed"


def _messages(found: Sequence[Delivery], now: dt.datetime) -> str:
    """Return in words who was told of an alert, and what is not delivered."""
    done = [one for one in found if one.delivered is not None]
    parts = list(dict.fromkeys(f"{one.channel} {'in the daily mail' if one.daily else one.kind}" for one in done))
    waiting = [one for one in found if one.delivered is None and one.dropped is None]
    told = f"Told: {', '.join(parts)}." if parts else "Nobody was told yet."
    failed = [one for one in waiting if one.attempts]
    if failed:
        said = dict.fromkeys(f"{one.channel}: {one.answer}" for one in failed)
        return f"{told} Not delivered: {'; '.join(said)}."
    if waiting:
        next_one = min(one.due for one in waiting)
        ahead = (next_one - now).total_seconds()
        when = f"in {lasting(ahead)}" if ahead > 0 else "at the next tick"
        return f"{told} {count_of(len(waiting), 'message')} due {when}."
    return told


def take(config: Config, number: int, by: str, seconds: float | None) -> bool:
    """Put on record that somebody looks after an alert; tell whether it is still open.

    Raise PlanError when there is no such alert, ConfigError or TargetError when the ledger cannot be used or this role may
    not add to it.
    """
    target = Postgres.of(config)
    with target.connect() as connection:
        if not acknowledgements.there(connection):
            raise ConfigError(
                "the ledger keeps no acknowledgements of the dashboard yet",
                hint=f"the next load brings it up to date; until then `bulketl alerts ack {number}`",
            )
        found = incidents.search(connection, config.target_schema, [str(number)])
        if not found:
            raise PlanError(f"there is no alert {number} in this schema", hint="the list of alerts has all of them")
        if found[0].status == "resolved":
            return False
        if not acknowledgements.may(connection):
            raise ConfigError(
                "the role of this dashboard may not acknowledge alerts",
                hint=f"`bulketl grants --role dashboard` prints what it lacks; until then `bulketl alerts ack {number}`",
            )
        acknowledgements.wish(connection, number, by, seconds)
    return True
