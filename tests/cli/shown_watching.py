"""Runs that are watched and cancelled, as golden screens show them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal

from shown_base import LONG, MANY, ODD, RUN, SCHEMA, SOURCE, Made, tier_of

from bulketl.cli.screens import runs, watching
from bulketl.loading.events import (
    Event,
    PartitionLoaded,
    RunEnded,
    RunStarted,
    SourceSpared,
    StepRetried,
    TableDone,
    TableFailed,
    TablePublished,
    TableStarted,
)
from bulketl.loading.telling import to_record
from bulketl.operations.cancelling import Cancelled
from bulketl.operations.following import Following
from bulketl.operations.watching import Due, Look
from bulketl.postgres.ledger.events import Recorded
from bulketl.postgres.ledger.watched import Sight

BEGAN = dt.datetime(2026, 11, 27, 1, 12, tzinfo=dt.UTC)
WINDOW = "21:00-06:00 America/Chicago"
DUE = Due(WINDOW, dt.datetime(2026, 11, 28, 3, tzinfo=dt.UTC))
OPEN = Due(WINDOW, dt.datetime(2026, 11, 28, 3, tzinfo=dt.UTC), dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC))
USUAL = {"procedurelog": 340.0, "securitylog": 15.0, "": 900.0}


def cancelled(state: Literal["heard", "ended", "dead", "silent"], *, kind: str = "load", at_once: bool = False) -> Made:
    return lambda v: runs.cancelled(Cancelled(RUN, kind, state, "etl-1", "nurse on desk-4", at_once))


CANCELLED: dict[str, Made] = {
    "heard": cancelled("heard"),
    "at-once": cancelled("heard", at_once=True),
    "ended": cancelled("ended"),
    "dead": cancelled("dead"),
    "dead-repair": cancelled("dead", kind="repair"),
    "retention": cancelled("heard", kind="retention"),
    "silent": cancelled("silent"),
}


def started(tables: dict[str, tuple[int, str]], kind: str = "load") -> RunStarted:
    return RunStarted(RUN, SOURCE, SCHEMA, "UTC", tables, kind=kind)


def failed(table: str, message: str) -> TableFailed:
    return TableFailed(RUN, table, "SourceError", message, "load it again", 1.0, public=message)


def seen(
    events: Sequence[tuple[float, Event]],
    now: float,
    *,
    usual: dict[str, float] = USUAL,
    tiers: Sequence[str] = (),
    **more: Any,
) -> Following:
    """What is known after events, each with its second, of a run that is looked at so many seconds after its beginning."""
    records = [
        Recorded(RUN, n, BEGAN + dt.timedelta(seconds=at), *told)
        for n, (at, event) in enumerate(events, 1)
        if (told := to_record(event))
    ]
    last = records[-1].at if records else BEGAN
    given = {"finished": None, "outcome": "", "alive": True, "kind": "load", "held_up": None, **more}
    sight = Sight(
        run=RUN, host="etl-1", source=SOURCE, schema=SCHEMA, began=BEGAN, now=BEGAN + dt.timedelta(seconds=now), last=last,
        newest=RUN, events=records, **given,
    )  # fmt: skip
    found = Following(tiers)
    found.add(Look(sight, usual))
    return found


TABLES = {
    "procedurelog": (745_000, "critical"),
    "paysplit": (1_400_000, "critical"),
    LONG: (571_000, "important"),
    ODD: (30_000, "important"),
    "securitylog": (3_700_000, "audit"),
    **{f"def{n}": (12, "reference") for n in range(40)},
}
NIGHT: list[tuple[float, Event]] = [
    (0.5, started(TABLES)),
    *((1.0 + n, TableStarted(RUN, table)) for n, table in enumerate(("procedurelog", "paysplit", LONG, ODD))),
    *((3.0 * n, PartitionLoaded(RUN, "procedurelog", n, 18_000, 0, 1_700_000, 3.0)) for n in range(2, 20)),
    *((4.0 * n, PartitionLoaded(RUN, "paysplit", n, 90_000, 0, 9_000_000, 3.0)) for n in range(1, 15)),
    (30.0, failed(ODD, f"table {ODD!r}: 10 rows rejected, and max_rejects is 0")),
    (
        58.0,
        StepRetried(
            RUN, (LONG,), "load", 2, "source mysql://clinic went away", 5.0, public="source mysql://clinic went away"
        ),
    ),
    (59.0, SourceSpared(RUN, "40 statements are at work at the source, and 24 are allowed")),
]
ENDED: list[tuple[float, Event]] = [
    *NIGHT,
    (700.0, TablePublished(RUN, "paysplit", 1_400_000, "swap", 700.0)),
    (905.0, RunEnded(RUN, "partly done", 905.0)),
]
END = BEGAN + dt.timedelta(seconds=905)


def many() -> Following:
    tables = {name: (n * 1000, tier_of(n)) for n, name in enumerate(MANY)}
    events: list[tuple[float, Event]] = [(0.5, started(tables))]
    events += [(1.0 + n / 10, TableStarted(RUN, name)) for n, name in enumerate(MANY[:120])]
    events += [(20.0, failed(name, f"table {name!r}: the source went away")) for name in MANY[:30]]
    return seen(events, 60.0)


FRAMES: dict[str, Made] = {
    "night": lambda v: watching.frame(seen(NIGHT, 61.0), OPEN),
    "critical": lambda v: watching.frame(seen(NIGHT, 61.0, tiers=["critical"]), OPEN),
    "locked": lambda v: watching.frame(
        seen(NIGHT, 61.0, tiers=["critical"], held_up=[
            {"table": "paysplit", "seconds": 17.3, "pid": 4711, "user": "metabase", "application": "Metabase v0.50"}]), OPEN,
    ),
    "many": lambda v: watching.frame(many(), OPEN),
    "dead": lambda v: watching.frame(seen(NIGHT, 130.0, alive=False), OPEN),
    "dead-repair": lambda v: watching.frame(
        seen([(0.5, started({"patient": (9, "critical")}, "repair"))], 50.0, alive=False, kind="repair"), Due()
    ),
    "ended": lambda v: watching.frame(seen(ENDED, 40_000, finished=END, outcome="partly done"), DUE),
    "retention": lambda v: watching.frame(
        seen([(0.5, started({"sheetfield": (1_600_000, "important"), "recall": (40, "important")}, "retention")),
              (1.0, TableStarted(RUN, "recall")), (2.0, TableDone(RUN, "recall", "shortened", 40, 40, 0, 1.0)),
              (3.0, TableStarted(RUN, "sheetfield"))], 9.0, kind="retention", usual={}), DUE,
    ),
    "begun": lambda v: watching.frame(seen([], 3.0), OPEN),
    "none": lambda v: watching.frame(Following(), DUE),
    "no-window": lambda v: watching.frame(Following(), Due()),
}  # fmt: skip
STANDINGS: dict[str, Made] = {
    "under-way": lambda v: watching.standing(seen(NIGHT, 61.0), OPEN),
    "dead": lambda v: watching.standing(seen(NIGHT, 130.0, alive=False), OPEN),
    "ended": lambda v: watching.standing(seen(NIGHT, 40_000, finished=END, outcome="done"), DUE),
    "none": lambda v: watching.standing(Following(), DUE),
}
