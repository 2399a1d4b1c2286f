"""How the tables stand, and the runs there were, as golden screens show it."""

from __future__ import annotations

import dataclasses
import datetime as dt

from shown_base import LONG, MANY, ODD, RUN, SCHEMA, SOURCE, Made, tier_of

from bulketl.cli.screens import history, status
from bulketl.mysql.newest import NO_INDEX
from bulketl.operations.history.alerts import OpenAlert
from bulketl.operations.history.behind import NO_CURSOR, Behind
from bulketl.operations.history.runs import Happened, RunEntry, TableNights, Timeline
from bulketl.operations.history.standing import Expected, Known, Standing, standing_of
from bulketl.operations.history.status import Status, Window
from bulketl.postgres.ledger.runlist import TableEnd
from bulketl.postgres.ledger.tableloads import Night, TablePlace, TableRecord
from bulketl.tables.spec import TIERS, Tier

NOW = dt.datetime(2026, 11, 27, 7, 0, tzinfo=dt.UTC)
BEGAN = dt.datetime(2026, 11, 27, 1, 12, tzinfo=dt.UTC)
ENDED = BEGAN + dt.timedelta(minutes=25)
NIGHT = dt.timedelta(days=1)
FAILED = "10 rows rejected, and max_rejects is 0"
HINT = "correct them at the source, change the column's cast, or raise max_rejects"


def record(table: str, n: int, outcome: str = "loaded", **more: object) -> TableRecord:
    values = {
        "seconds": 40.0,
        "rejects": 0,
        "error": f"table {table!r}: {FAILED}" if outcome == "failed" else "",
        "hint": HINT if outcome == "failed" else "",
        "began": BEGAN,
        "read_at": BEGAN if outcome == "loaded" else BEGAN - NIGHT,
        "nights": 14,
        "judged": False,
        **more,
    }
    began = values["began"]
    assert isinstance(began, dt.datetime)
    return TableRecord(
        table=table,
        tier=tier_of(n),
        source=SOURCE,
        run=RUN,
        outcome=outcome,
        rows=1000 * (n + 1),
        ended=began + (ENDED - BEGAN),
        median=38.0,
        median_rows=1000.0 * n,
        gap=86400.0,
        longest=86400.0,
        well_at=ENDED if outcome == "loaded" else ENDED - NIGHT,
        **values,  # type: ignore[arg-type]
    )


def place(table: str, n: int, read: dt.datetime) -> TablePlace:
    cursor = {1: ("DateTStamp", "datetime", "2026-11-27 01:10:00"), 2: ("LogNum", "bigint", "4711")}.get(n % 3, ("", "", ""))
    return TablePlace(table, SOURCE, "+00:00", RUN, 1000 * (n + 1), read, read, *cursor)


def known(table: str, n: int, outcome: str = "loaded", **more: object) -> Known:
    had = record(table, n, outcome, **more)
    return Known(table, tier(n), n < 60, had, place(table, n, had.read_at or BEGAN))


def tier(n: int) -> Tier:
    return next(one for one in TIERS if one == tier_of(n))


def standings(*tables: Known) -> tuple[Standing, ...]:
    return tuple(sorted((standing_of(one, Expected(), NOW) for one in tables), key=lambda item: item.rank))


def behind(*items: Standing, unknown: str = "") -> list[Standing]:
    """Return tables with what the source said of each: by its cursor, or why it is not known."""
    found = []
    for n, item in enumerate(items):
        asked = (Behind("2026-11-27 06:30:00", seconds=n * 700.0), Behind("4711", values=n * 12), Behind(unknown=NO_INDEX))[
            n % 3
        ]
        asked = Behind(unknown=unknown) if unknown else asked
        asked = asked if item.lag.newest else Behind(unknown=NO_CURSOR)
        found.append(dataclasses.replace(item, lag=dataclasses.replace(item.lag, source=asked)))
    return found


def entry(run: str = RUN, outcome: str = "done", **more: object) -> RunEntry:
    base = RunEntry(
        run,
        "load",
        outcome,
        "etl",
        "0.1.0",
        SOURCE,
        SCHEMA,
        BEGAN,
        ENDED,
        1500.0,
        43_823_665,
        0,
        {"loaded": 432},
        (),
        "",
        False,
    )
    return dataclasses.replace(base, **more)  # type: ignore[arg-type]


def of(*tables: Standing, **more: object) -> Status:
    last = entry(outcome="partly done", counts={"failed": 1, "loaded": 431})
    base = Status(SCHEMA, NOW, tables, last, (), (), Window(None, NOW + dt.timedelta(hours=14)), (), (), "")
    return dataclasses.replace(base, **more)  # type: ignore[arg-type]


def in_part(one: Standing) -> Standing:
    """Return a table as it stands where a limit left out some of its rows."""
    return dataclasses.replace(one, word="in part", why="a part of its rows: 1,000 by its key")


PLAIN = tuple(known(table, n) for n, table in enumerate(MANY) if n > 5)
NEVER = dt.datetime(2026, 11, 17, 1, 12, tzinfo=dt.UTC)
ATTENTION = (
    known("claimproc", 0, "failed"),
    known(LONG, 1, began=NEVER, read_at=NEVER),
    Known(ODD, "reference", False),
    known("payment", 3, seconds=92.5),
    known("patient", 4, rejects=3),
    known("securitylog", 5, "unfinished"),
)
CLAIM = known("claim", 1, began=NEVER, read_at=NEVER)
LATE = tuple(known(table, n, began=NEVER, read_at=NEVER) for n, table in enumerate(MANY))
DEAD = entry(
    "20261127-051200-e5f6", "dead", ended=None, seconds=None, rows=1200, counts={"published": 3}, resumable=True,
    began=NOW - dt.timedelta(minutes=12),
)  # fmt: skip
RUNNING = dataclasses.replace(DEAD, run="20261127-065500-aa01", outcome="running", resumable=False)
ALERTS = (
    OpenAlert(12, "a load was killed", NOW - dt.timedelta(minutes=11), ""),
    OpenAlert(9, f"table {LONG} failed", ENDED, "ann@clinic"),
)
STATUSES: dict[str, Made] = {
    "docs": lambda v: status.status(of(*standings(ATTENTION[0], CLAIM, *ATTENTION[3:5], *PLAIN)), v),
    "attention": lambda v: status.status(of(*standings(*ATTENTION, *PLAIN)), v),
    "each": lambda v: status.status(of(*standings(*ATTENTION, *PLAIN[:3])), True),
    "well": lambda v: status.status(of(*standings(*PLAIN), last=entry()), v),
    "parts": lambda v: status.status(of(*map(in_part, standings(*PLAIN[:9])), last=entry()), v),
    "one": lambda v: status.status(of(*standings(PLAIN[0]), last=entry(), window=None), v),
    "many-late": lambda v: status.status(
        of(
            *standings(*LATE),
            dead=(DEAD,),
            alerts=ALERTS,
            elsewhere=(("staging", 12), ("test", 1)),
            note="it is of version 4",
        ),
        v,
    ),
    "running": lambda v: status.status(
        of(*standings(*PLAIN), running=(RUNNING,), last=RUNNING, window=Window(NOW + dt.timedelta(hours=2), NOW)), v
    ),
    "asked": lambda v: status.status(of(*behind(*standings(CLAIM, *PLAIN)), last=entry()), v),
    "asked-each": lambda v: status.status(of(*behind(*standings(CLAIM, *PLAIN[:4])), last=entry()), True),
    "not-reached": lambda v: status.status(
        of(*behind(*standings(CLAIM, *PLAIN), unknown="source not reached"), last=entry()), v
    ),
    "nothing-loaded": lambda v: status.status(of(last=None, window=None), v),
}
RUNS: dict[str, Made] = {
    "some": lambda v: history.runs(
        [
            DEAD,
            entry(
                outcome="partly done",
                counts={"failed": 5, "loaded": 427},
                failed=("claimproc", LONG, ODD),
                rejects=10,
                error=f"table 'claimproc': {FAILED}",
            ),
            entry("20261126-093000-0a1b", kind="repair", counts={"loaded": 1}, rows=12, seconds=4.2),
            entry("20261126-011200-c3d4", began=BEGAN - NIGHT, seconds=5130.0),
        ]
    ),
    "docs": lambda v: history.runs(
        [
            entry(
                outcome="partly done",
                counts={"failed": 1, "loaded": 431},
                failed=("claimproc",),
                rejects=10,
                error=f"table 'claimproc': {FAILED}",
            ),
            entry("20261126-011200-9a0c", began=BEGAN - NIGHT, seconds=1482.0, rows=43_790_412),
        ]
    ),
    "one": lambda v: history.runs([entry()]),
    "none": lambda v: history.runs([]),
}
EVENTS = (
    Happened(0.4, "run_started", {"source": SOURCE, "tables": {table: [1, "reference"] for table in MANY}}),
    Happened(12.0, "source_spared", {"why": "41 statements are at work there, and 30 are the limit"}),
    Happened(31.5, "source_read_again", {"seconds": 19.5}),
    Happened(64.0, "step_retried", {"tables": ["payment"], "attempt": 2, "message": "connection lost", "wait_seconds": 1}),
    Happened(64.1, "workers_changed", {"workers": 2, "why": "a deadlock in the target"}),
    Happened(90.0, "columns_changed", {"table": "patient", "changes": ["+ column Pronoun varchar(20)"]}),
    Happened(97.0, "table_failed", {"table": "claimproc", "message": f"table 'claimproc': {FAILED}", "seconds": 4.1}),
    Happened(1500.0, "run_ended", {"outcome": "partly done", "seconds": 1500.0}),
)
ENDS = (
    TableEnd("procedurelog", "critical", "loaded", 6_825_000, 0, 62.4, "", ""),
    TableEnd(LONG, "important", "loaded", 12, 0, 30.0, "", ""),
    TableEnd("claimproc", "critical", "failed", 0, 10, 4.1, f"table 'claimproc': {FAILED}", HINT),
    TableEnd(ODD, "reference", "skipped", 0, 0, 0.0, "it is new at the source, and the rules do not name it", ""),
)
SHOWN = entry(outcome="partly done", counts={"failed": 1, "loaded": 430, "skipped": 1}, failed=("claimproc",), rejects=10)
ALIKE = entry(outcome="partly done", counts={"failed": len(MANY), "loaded": 1}, failed=tuple(MANY[:3]))
FAILED_ALIKE = (
    ENDS[0],
    *(
        TableEnd(table, "critical", "failed", 0, 0, 1.0, f"table {table!r}: SQLSTATE 42501", f"grant it on table {table!r}")
        for table in MANY
    ),
)
TIMELINES: dict[str, Made] = {
    "docs": lambda v: history.timeline(Timeline(SHOWN, (ENDS[0], ENDS[2]), EVENTS, 1304), v),
    "odd": lambda v: history.timeline(Timeline(SHOWN, ENDS, EVENTS[-2:], 1304), v),
    "without-events": lambda v: history.timeline(Timeline(entry(), ENDS[:1], (), 0), v),
    "alike": lambda v: history.timeline(Timeline(ALIKE, FAILED_ALIKE, EVENTS[:1], 1304), v),
    "dead": lambda v: history.timeline(Timeline(DEAD, (), EVENTS[:1], 1), v),
}


def night(n: int, outcome: str = "loaded", kind: str = "load", error: str = "") -> Night:
    began = BEGAN - n * NIGHT
    seconds = 30.0 + (n * 7 % 5) * 2 + (20 if n == 0 else 0)
    return Night(f"{began:%Y%m%d-%H%M%S}-c3d4", kind, outcome, began, 850_000 - 620 * n, 0, seconds, 12, error)


WEEKS = tuple(night(n, "failed", error=f"table 'payment': {FAILED}") if n in (3, 9) else night(n) for n in range(14))
NIGHTS: dict[str, Made] = {
    "docs": lambda v: history.nights(TableNights("payment", SCHEMA, WEEKS)),
    "failed": lambda v: history.nights(TableNights(ODD, SCHEMA, WEEKS[3:4])),
    "one": lambda v: history.nights(TableNights(LONG, SCHEMA, (night(0, kind="repair"),))),
}
