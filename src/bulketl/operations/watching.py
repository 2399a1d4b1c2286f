"""Watching a run from anywhere: what its record shows, look after look, and between runs which one comes next.

Everything comes from the ledger, in one statement per look, whichever process carries the run out on whichever machine.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import statistics
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

from bulketl.config.config import Config
from bulketl.config.windows import closes, opens
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError, TargetError
from bulketl.loading.events import RunStarted
from bulketl.loading.telling import kind_of
from bulketl.postgres.ledger.looking import LockedError, asking
from bulketl.postgres.ledger.schema import readable
from bulketl.postgres.ledger.watched import MOST, Sight, find, seconds_of_nights, see
from bulketl.postgres.server import Connection, Postgres

BEGIN = kind_of(RunStarted)
LOOK_SECONDS = 1.0  # between two looks, each of which is one statement


@dataclass(frozen=True, slots=True)
class Look:
    """What a look has shown: the run, None while none is on record; or why the target did not answer, '' when it did.

    `usual`: how many seconds each of its tables took in earlier nights, the run itself by ''; known from its first look on.
    """

    sight: Sight | None
    usual: Mapping[str, float] = dataclasses.field(default_factory=dict)
    trouble: str = ""


def _pause() -> None:
    time.sleep(LOOK_SECONDS)


def looks(config: Config, run: str = "", pause: Callable[[], None] = _pause) -> Generator[Look]:
    """Yield look after look at a run, at the last one into the schema when none is named, and at the next one after it.

    Each has the events since the one before; that many at once are all there were. `pause` is called between two looks.
    A target that goes away is asked again with every look. Raise PlanError when there is no such run, or no ledger;
    ConfigError or TargetError when the ledger cannot be used.
    """
    target = Postgres.of(config)
    patient(_check, target, config.target_schema, run)
    name, usual, after = run, dict[str, float](), 0
    sight: Sight | None = None
    while True:
        try:
            with asking(target) as connection:
                while True:
                    name = name or find(connection, config.target_schema)
                    if name and (sight is None or sight.run != name):
                        after, usual = 0, _usual(connection, name)
                    sight = see(connection, name, after) if name else None
                    if sight and "" not in usual and any(event.kind == BEGIN for event in sight.events):
                        usual = _usual(connection, name)  # of whoever may not read its plan
                    after = sight.events[-1].seq if sight and sight.events else after
                    yield Look(sight, usual)
                    if sight is None or len(sight.events) < MOST:
                        pause()
                    if not run and sight and (sight.ended or sight.dead):
                        name = sight.newest
        except TargetError as error:
            if not (error.transient or isinstance(error, LockedError)):
                raise
            trouble = error.public
        yield Look(dataclasses.replace(sight, events=()) if sight else None, usual, trouble)
        pause()


def _check(target: Postgres, schema: str, run: str) -> None:
    """Raise PlanError unless there is a ledger, and in it the run that is named."""
    with asking(target) as connection:
        if not readable(connection):
            raise PlanError(
                f"target {target.identity} has no ledger: no load has begun there yet",
                hint="check BULKETL_TARGET; the first `bulketl load` makes it",
            )
        if run and not find(connection, schema, run):
            raise PlanError(
                f"there is no run {run!r} on record",
                hint="without a name the last one is watched; a load is on record once it has its plan",
            )


def _usual(connection: Connection, run: str) -> dict[str, float]:
    return {table: statistics.median(seconds) for table, seconds in seconds_of_nights(connection, run).items()}


@dataclass(frozen=True, slots=True)
class Due:
    """When the next load is due by the window: it may begin now and until `until`, or opens at `at`; None without one."""

    window: str = ""
    at: dt.datetime | None = None
    until: dt.datetime | None = None


def next_due(config: Config, now: dt.datetime) -> Due:
    """Return when the next load is due; of a time zone of its own where a window is configured."""
    if config.windows is None:
        return Due()
    return Due(config.windows.load, opens(config.windows, now), closes(config.windows, now))
