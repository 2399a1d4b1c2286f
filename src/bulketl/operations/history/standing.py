"""How a table stands at a moment, from what is on record of it and from what is expected. Pure: the time is passed in.

A table is expected in every window when windows are set and its own loads show no other habit; without windows, about as
often as it was loaded so far. A table without a load in which all was well was never loaded, and so never on time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from bulketl.errors import Runbook, with_runbook
from bulketl.operations.anomalies import words
from bulketl.operations.history.behind import Behind
from bulketl.postgres.ledger.findings import STANDING, Anomaly
from bulketl.postgres.ledger.tableloads import TablePlace, TableRecord
from bulketl.tables.cursor import is_time, parse_value
from bulketl.tables.printable import brief, count_of, lasting
from bulketl.tables.spec import Tier

# Worst first.
Word = Literal[
    "failed", "overdue", "never loaded", "unfinished", "slow", "rejected", "not normal", "in part", "not loaded", "well"
]
WORDS: tuple[Word, ...] = get_args(Word)
WRONG: tuple[Word, ...] = ("failed", "overdue")  # where the tier blocks, these are failures
FINE: tuple[Word, ...] = ("in part", "not loaded", "well")  # nobody has to look
RUNBOOKS: Mapping[Word, Runbook] = {  # where nothing of the table's own names one
    "failed": "critical-table-failed", "overdue": "nightly", "never loaded": "first-load", "unfinished": "nightly",
    "slow": "window-too-short", "rejected": "quality-below-threshold", "not normal": "nightly",
}  # fmt: skip
ENOUGH = 7  # nights before which nothing is compared with what is usual
SLOWER, SLOWER_SECONDS = 2.0, 10.0  # times its median, and seconds above it, from which a table is slow
LATER = 2.0  # times the usual time between two loads, after which a table is overdue if it is the longest of late
HABIT = 1.5  # times the time between two windows, above which a table is not loaded in each


Judged = tuple[Word, str, str]  # the word, why, and what to do


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of all tables: the `windows` that closed last, as (begin, end), the last one first; none without.

    `every`: seconds from one window to the next, None without windows. `run`: whether any load began in the last one.
    """

    windows: tuple[tuple[dt.datetime, dt.datetime], ...] = ()
    every: float | None = None
    run: bool = False


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a table is behind its source: it is as the source was at `read_at`, `behind` seconds ago, or newer.

    `newest`: the highest value of its cursor that it has, and `newest_age` the seconds since then, None where `unknown` says
    why. `source`: how far it is behind what the source has by now, None where nobody asked.
    """

    read_at: dt.datetime | None = None
    behind: float | None = None
    newest: str = ""
    newest_age: float | None = None
    unknown: str = ""
    source: Behind | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a table stands: `word`, and `why` when all is not well; `blocks`: whether its tier makes it a failure.

    `run`, `outcome`, `at`, `rows`, `rejects` and `seconds` are of its last load, '' or None without one; `times` is how many
    times its median these seconds are, None with fewer than ENOUGH nights. `hint`: what to do.
    """

    table: str
    tier: Tier
    word: Word
    why: str = ""
    hint: str = ""
    blocks: bool = True
    source: str = ""
    run: str = ""
    outcome: str = ""
    at: dt.datetime | None = None
    rows: int | None = None
    rejects: int = 0
    seconds: float | None = None
    median: float | None = None
    nights: int = 0
    times: float | None = None
    loaded_at: dt.datetime | None = None
    lag: Lag = field(default_factory=Lag)

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, tier=self.tier, word=self.word, at=self.at)

    @property
    def rank(self) -> tuple[int, int, str]:
        """Where it stands in a list with the worst first."""
        return (WORDS.index(self.word), not self.blocks, self.table)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, times in ISO 8601."""
        return plain(dataclasses.asdict(self))


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with times as text in ISO 8601, tuples as lists."""

    def one(value: Any) -> Any:
        if isinstance(value, dt.datetime):
            return value.isoformat(timespec="seconds")
        if isinstance(value, Mapping):
            return plain(value)
        return [one(item) for item in value] if isinstance(value, (list, tuple)) else value

    return {name: one(value) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a table: its last load, how far it is loaded, a failure in a run that has not ended; its tier.

    `within`: for how long it may not be loaded, None when nobody says. `odd`: what is not normal of its last load, by its
    nights, and `judged` whether that was looked for.
    """

    table: str
    tier: Tier
    blocks: bool = True
    record: TableRecord | None = None
    place: TablePlace | None = None
    failed: tuple[str, dt.datetime, str, str] | None = None  # run, when, message, hint
    within: dt.timedelta | None = None
    odd: tuple[Anomaly, ...] = ()
    judged: bool = False


def standing_of(known: Known, expected: Expected, now: dt.datetime) -> Standing:
    """Return how a table stands at `now`, an aware time."""
    record, place = known.record, known.place
    loaded_at = _latest(record.well_at if record else None, place.published_at if place else None)
    base = Standing(
        known.table,
        known.tier,
        "well",
        blocks=known.blocks,
        source=(place.source if place else "") or (record.source if record else ""),
        loaded_at=loaded_at,
        lag=_lag(known, now),
    )
    if record is not None:
        enough = record.nights >= ENOUGH and record.outcome == "loaded" and bool(record.median)
        base = dataclasses.replace(
            base,
            run=record.run,
            outcome=record.outcome,
            at=record.ended or record.began,
            rows=record.rows,
            rejects=record.rejects,
            seconds=record.seconds,
            median=record.median,
            nights=record.nights,
            times=record.seconds / record.median if enough and record.median else None,
        )
    if place is not None and (base.at is None or place.published_at > base.at):  # by a run whose end is not on record
        base = dataclasses.replace(
            base,
            run=place.run,
            outcome="loaded",
            at=place.published_at,
            rows=place.rows,
            rejects=0,
            seconds=None,
            times=None,
        )
    word, why, hint = _judged(base, known, expected, now)
    if word in RUNBOOKS and not (word == "never loaded" and base.outcome == "skipped"):  # `why` says who left it out
        hint = with_runbook(hint, RUNBOOKS[word])
    return dataclasses.replace(base, word=word, why=why, hint=hint)


def _judged(base: Standing, known: Known, expected: Expected, now: dt.datetime) -> Judged:
    """Return the word for how a table stands, why, and what to do."""
    return _failing(base, known) or _missing(base, known, expected, now) or _warning(base, known)


def _failing(base: Standing, known: Known) -> Judged | None:
    record = known.record
    never = "; it was never loaded" if base.loaded_at is None else ""
    if known.failed is not None and (base.loaded_at is None or known.failed[1] > base.loaded_at):
        _, _, message, hint = known.failed
        return "failed", f"{message or 'it failed'}{never}", hint
    if record is not None and base.outcome == "failed":
        return "failed", f"{record.error or 'it failed'}{never}", record.hint
    return None


def _missing(base: Standing, known: Known, expected: Expected, now: dt.datetime) -> Judged | None:
    record = known.record
    if base.loaded_at is None:
        if _missed(None, None, expected):
            return "overdue", "it was never loaded, and nothing was in the last window", ""
        if base.outcome == "unfinished":
            return "never loaded", "the only run that had it ended before it", "bulketl load --resume last"
        return "never loaded", record.error if record and record.error else "no load on record had it", ""
    if late := _late(base, known, expected, now):
        return "overdue", late, ""
    return None


def _warning(base: Standing, known: Known) -> Judged:
    if base.outcome == "unfinished":
        return "unfinished", "the last run ended before it", "bulketl load --resume last"
    slower = [one for one in known.odd if one.kind == "slower"]
    if slower or (not known.judged and _is_slow(base)):
        hint = words.what_to_do(slower[0]) if slower else ""
        return (
            "slow",
            f"took {base.seconds or 0:,.1f} s, {base.times or 0:.1f} × its median of {count_of(base.nights, 'night')}",
            hint,
        )
    if base.rejects:
        return "rejected", f"{count_of(base.rejects, 'row')} rejected; `bulketl rejects list` says why", ""
    if odd := [one for one in known.odd if one.kind not in ("slower", *STANDING)]:
        return "not normal", "; ".join(map(words.told, odd)), words.what_to_do(odd[0])
    if known.place is not None and known.place.part:
        return "in part", known.place.part, ""
    if base.outcome == "skipped":
        return "not loaded", known.record.error if known.record else "", ""
    return "well", "", ""


def _is_slow(base: Standing) -> bool:
    seconds, median = base.seconds or 0.0, base.median or 0.0
    return base.times is not None and seconds > SLOWER * median and seconds - median > SLOWER_SECONDS


def _late(base: Standing, known: Known, expected: Expected, now: dt.datetime) -> str:
    """Return why a table that was loaded before is overdue, '' when it is not or nothing is expected of it."""
    gap = known.record.gap if known.record else None
    last = base.lag.read_at or base.loaded_at
    if last is None:
        return ""
    age = (now - last).total_seconds()
    missed_one = not expected.windows or last < expected.windows[0][0]
    if known.within is not None and now - last > known.within and missed_one:
        allowed = lasting(known.within.total_seconds())
        return f"it was read last {lasting(age)} ago, and {allowed} are allowed"
    if expected.every is not None and (gap is None or gap <= HABIT * expected.every):
        missed = _missed(last, base.loaded_at, expected)
        which = "the last window" if missed == 1 else f"the last {missed} windows" if missed < len(expected.windows) else (
            f"the last {missed} windows, at least,"
        )  # fmt: skip
        return f"{which} closed without a load of it; it was read last {lasting(age)} ago" if missed else ""
    if gap is not None and known.record is not None and age > max(LATER * gap, known.record.longest or 0):
        return f"it was read last {lasting(age)} ago, and is loaded every {lasting(gap)} otherwise"
    return ""


def _missed(read: dt.datetime | None, loaded: dt.datetime | None, expected: Expected) -> int:
    """Return how many of the last windows closed without a load of a table; a load outside of them counts as well."""
    if read is None:
        return 0 if expected.run else len(expected.windows[:1])
    return sum(begin > max(read, loaded or read) for begin, _ in expected.windows)


def _latest(*times: dt.datetime | None) -> dt.datetime | None:
    return max((time for time in times if time is not None), default=None)


def _lag(known: Known, now: dt.datetime) -> Lag:
    place, record = known.place, known.record
    read = _latest(record.read_at if record else None, place.read_at if place else None)
    behind = (now - read).total_seconds() if read else None
    if place is None:
        return Lag(read, behind, unknown="it was never loaded")
    if not place.cursor:
        return Lag(read, behind, unknown="it has no cursor, so how old its newest row is cannot be told")
    if not is_time(place.kind):
        return Lag(read, behind, place.watermark, unknown=f"its cursor {place.cursor} counts, and tells no time")
    if not place.watermark:
        return Lag(read, behind, unknown="its watermark is not on record, or not for this role to read")
    zone = zone_of(place.kind.partition(" in ")[2] or place.zone)
    try:
        newest = parse_value(place.kind, place.watermark)
    except ValueError:
        newest = 0
    if not isinstance(newest, dt.date) or zone is None:
        which = f"this machine does not know its zone {place.zone!r}" if isinstance(newest, dt.date) else "it is not a time"
        return Lag(read, behind, place.watermark, unknown=which)
    moment = newest if isinstance(newest, dt.datetime) else dt.datetime.combine(newest, dt.time())
    age = (now - moment.replace(tzinfo=zone)).total_seconds()
    if age < 0:
        return Lag(read, behind, place.watermark, unknown="it is yet to come by our clock")
    return Lag(read, behind, place.watermark, age)


def zone_of(name: str) -> dt.tzinfo | None:
    """Return a zone by its name, as an offset, or as `SYSTEM (CET)`; None for one that this machine does not know."""
    found = re.fullmatch(r"SYSTEM \((.*)\)", name)
    name = found[1] if found else name
    if offset := re.fullmatch(r"([+-])(\d\d):(\d\d)", name):
        span = dt.timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return dt.timezone(-span if offset[1] == "-" else span)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
