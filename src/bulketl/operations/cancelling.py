"""The end of a run, asked for from anywhere: on record in the target, where its driver sees it within seconds."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bulketl.config.config import Config
from bulketl.connections.person import person
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError
from bulketl.postgres.ledger import cancels
from bulketl.postgres.ledger.cancels import Cancel
from bulketl.postgres.ledger.looking import asking
from bulketl.postgres.ledger.schema import readable
from bulketl.postgres.ledger.watched import Sight, find, see
from bulketl.postgres.server import Connection, Postgres
from bulketl.tables.printable import brief

HEARD_SECONDS = 20.0  # that we wait for the driver; it looks every second
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What came of asking: the driver has `heard`, the run has `ended` meanwhile, it is `dead`, or its driver is `silent`.

    `host`: where its driver is, or was.
    """

    run: str
    kind: str
    state: Literal["heard", "ended", "dead", "silent"]
    host: str
    by: str
    at_once: bool

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, run=self.run, state=self.state, by=self.by)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def cancel(
    config: Config, run: str = "", *, at_once: bool = False, by: str = "", seconds: float = HEARD_SECONDS
) -> Cancelled:
    """Ask for the end of a run, or of the run under way if none is named, and wait until its driver takes notice.

    The steps under way are finished, or ended if `at_once`; complete tables are published. `by`: who asks, by default
    this user on this host. `seconds`: how long to wait. A run that no process carries out gets no request. Raise
    PlanError when there is no such run, or when it has ended; TargetError or ConfigError when the ledger cannot be used.
    """
    who = by or person()
    target = Postgres.of(config)
    sight = patient(_ask, target, config.target_schema, run, Cancel(who, at_once))
    until = time.monotonic() + seconds
    state: Literal["heard", "ended", "dead", "silent"] = "silent"
    while not sight.dead and (state := patient(_state, target, sight.run)) == "silent" and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    return Cancelled(sight.run, sight.kind, "dead" if sight.dead else state, sight.host, who, at_once)


def _ask(target: Postgres, schema: str, run: str, asked: Cancel) -> Sight:
    with asking(target) as connection:
        readable(connection)
        sight = _found(connection, schema, run)
        if not sight.dead:
            cancels.ask(connection, sight.run, asked)
        return sight


def _found(connection: Connection, schema: str, run: str) -> Sight:
    """Return a run that has not ended; raise PlanError when there is none."""
    name = find(connection, schema, run)
    sight = see(connection, name) if name else None
    if sight is None:
        raise PlanError(
            f"there is no run {run!r} on record" if run else f"there is no run into schema {schema!r} on record",
            hint="`bulketl watch` shows the last one; a load is on record once it has its plan",
        )
    if sight.ended:
        which = f"run {sight.run}" if run else f"no run is under way; the last one, {sight.run},"
        raise PlanError(f"{which} has ended: {sight.outcome}", hint="there is nothing to cancel")
    return sight


def _state(target: Postgres, run: str) -> Literal["heard", "ended", "dead", "silent"]:
    with asking(target) as connection:
        if cancels.is_heard(connection, run):
            return "heard"
        sight = see(connection, run)
        if sight is None or sight.ended:
            return "ended"
        return "dead" if sight.dead else "silent"
