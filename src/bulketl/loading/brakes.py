"""How many steps a run carries out at once, and what slows it down or ends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bulketl.loading.throttle import Sparing
from bulketl.loading.waits import Held
from bulketl.postgres.ledger.cancels import Cancel
from bulketl.tables.spec import Tier


@dataclass(frozen=True, slots=True)
class AtOnce:
    """How much is done at once: steps, and tables, or groups of small ones, of each tier."""

    workers: int
    tables: Mapping[Tier, int] | None = None


@dataclass(frozen=True, slots=True)
class Brakes:
    """What slows a run down or ends it; the driver asks each of them whenever it looks around.

    Once `closed` says so, steps under way are finished, tables that are complete are published, and nothing else begins.
    The same once somebody asks for the end of the run (`cancelled`); where it is to end at once, steps under way are ended
    at both servers, and their tables are not finished. Nothing is read while `sparing` forbids it, nor more at once while
    `full` says that memory is used up. `held` says which tables wait for a lock at the source, and what the server calls
    that. What `tend` raises ends the run.
    """

    closed: Callable[[], bool] = lambda: False
    cancelled: Callable[[], Cancel | None] = lambda: None
    full: Callable[[], bool] = lambda: False
    tend: Callable[[], None] = lambda: None
    held: Held = lambda _tables: {}
    sparing: Sparing = field(default_factory=Sparing)
