"""The four weeks in which tables come over, each with the tables of the weeks before it, and what has to be met in each.

The first critical tables, all that business needs, the audit tables, everything: the plan that the guide for such a move
has. How many tables that are is what the rules say.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

from bulketl.config.config import Config
from bulketl.config.windows import window_of
from bulketl.errors import RUNBOOKS, Runbook
from bulketl.operations.alerts.runbooks import of_kind
from bulketl.postgres.ledger.goals import Deliveries, Raised
from bulketl.postgres.ledger.legacyruns import LegacyRun
from bulketl.postgres.ledger.tableloads import WELL, TableRecord
from bulketl.postgres.ledger.verifications import Verified
from bulketl.postgres.ledger.weeks import LoadEnd, TableNights
from bulketl.tables.owner import Owner
from bulketl.tables.printable import count_of
from bulketl.tables.spec import Tier

FIRST = 5  # critical tables of the first week
QUALITY = 0.99
TITLES = ("the first critical tables", "critical and important tables", "with audit tables", "all tables")
ENOUGH = 7  # nights from which a trend of loads is told


class Goal(NamedTuple):
    """Something that has to be met: whether it is, None when that cannot be told yet, and by what figure."""

    name: str
    met: bool | None
    figure: str


@dataclass(frozen=True, slots=True)
class Week:
    """A week: its tables, with those of the weeks before; how many bulketl serves, and loads beside; and its goals."""

    number: int
    title: str
    tables: tuple[str, ...]
    served: int
    beside: int
    goals: tuple[Goal, ...]

    @property
    def done(self) -> bool:
        """Whether bulketl serves every table and every goal is met."""
        return self.served == len(self.tables) and all(goal.met for goal in self.goals)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        goals = [goal._asdict() for goal in self.goals]
        return {
            "number": self.number, "title": self.title, "tables": list(self.tables), "served": self.served,
            "beside": self.beside, "done": self.done, "goals": goals,
        }  # fmt: skip


class Seen(NamedTuple):
    """What rules and ledger say: tables with their tiers and owners, their last loads, the loads of the last weeks."""

    config: Config
    now: dt.datetime
    tiers: Mapping[str, Tier]
    owners: Mapping[str, Owner]
    last: Mapping[str, TableRecord]
    loads: Sequence[LoadEnd]  # whole, the first one first
    nights: Mapping[str, TableNights]
    again: set[tuple[str, str]]
    slower: Sequence[tuple[str, str]]
    incremental: set[str]
    chained: set[str]
    delivered: Deliveries
    raised: Sequence[Raised]
    verified: Mapping[str, Verified]
    older: Sequence[LegacyRun]  # the last one first


def weeks(seen: Seen) -> tuple[Week, ...]:
    """Return the four weeks as they stand."""
    critical, important, audit = (_of(seen, tier) for tier in ("critical", "important", "audit"))
    first = sorted(critical, key=lambda table: (seen.owners[table] != "bulketl", table))[:FIRST]
    groups = (first, [*critical, *important], [*critical, *important, *audit], sorted(seen.tiers))
    goals = (_first, _second, _third, _fourth)
    return tuple(
        Week(
            n + 1, TITLES[n], tuple(sorted(tables)), _owned(seen, tables, "bulketl"), _owned(seen, tables, "shadow"),
            tuple(goals[n](seen, tables)),
        )
        for n, tables in enumerate(groups)
    )  # fmt: skip


def _of(seen: Seen, tier: str) -> list[str]:
    return sorted(table for table, its in seen.tiers.items() if its == tier)


def _owned(seen: Seen, tables: Sequence[str], owner: Owner) -> int:
    return sum(seen.owners[table] == owner for table in tables)


def _first(seen: Seen, tables: Sequence[str]) -> list[Goal]:
    return [_loaded(seen, tables), _alerts(seen), _in_time(seen, tables), _quality(seen, _of(seen, "critical"))]


def _second(seen: Seen, tables: Sequence[str]) -> list[Goal]:
    return [_loaded(seen, tables), _incremental(seen, tables), _recovery(seen, tables), _faster(seen)]


def _third(seen: Seen, tables: Sequence[str]) -> list[Goal]:
    return [_loaded(seen, tables), _compliance(seen), _off_peak(seen), _history(seen, tables)]


def _fourth(seen: Seen, tables: Sequence[str]) -> list[Goal]:
    return [_loaded(seen, tables), _populated(seen, tables), _stable(seen), _documented(seen)]


def _share(name: str, met: int, of: int, what: str, none: str) -> Goal:
    """Return a goal that is met when all are; `none`: what is said where there are none."""
    return Goal(name, met == of if of else None, f"{met:,} of {of:,} {what}" if of else none)


def _loaded(seen: Seen, tables: Sequence[str]) -> Goal:
    well = sum(table in seen.last and seen.last[table].outcome in WELL for table in tables)
    return _share("tables load well", well, len(tables), "were well in their last load", "the rules name no such table")


def _alerts(seen: Seen) -> Goal:
    name, channels = "alerts work", seen.config.alerts.channels if seen.config.alerts else ()
    if not channels:
        return Goal(name, False, "no channel is configured")
    count, last = seen.delivered.messages, seen.delivered.last
    if not count:
        return Goal(name, False, "no channel has taken a message in 30 days; `bulketl alerts test` sends one")
    return Goal(name, True, f"{count_of(count, 'message')} taken in 30 days, the last on {last:%Y-%m-%d %H:%M}")


def _in_time(seen: Seen, tables: Sequence[str]) -> Goal:
    met = loads = 0
    for table in tables:
        limit = seen.config.rule(table).monitoring.max_extraction_time_minutes * 60
        seconds = seen.nights[table].seconds if table in seen.nights else ()
        met, loads = met + sum(took <= limit for took in seconds), loads + len(seconds)
    return _share("loads within their SLA", met, loads, "loads within their minutes", "none of them was loaded yet")


def _quality(seen: Seen, tables: Sequence[str]) -> Goal:
    name = f"data quality above {QUALITY:.0%}"
    scores = {t: s for t in tables if t in seen.nights and (s := seen.nights[t].scores[-1]) is not None}
    if not scores:
        return Goal(name, None, "no critical table was loaded yet")
    worst = min(scores, key=lambda table: scores[table])
    return Goal(name, scores[worst] > QUALITY, f"the lowest is {scores[worst]:.2%}, of {worst}")


def _incremental(seen: Seen, tables: Sequence[str]) -> Goal:
    ruled = [table for table in tables if seen.config.rule(table).extraction_strategy == "incremental"]
    works = sum(table in seen.incremental for table in ruled)
    none = "the rules name no incremental table"
    return _share("incremental loads work", works, len(ruled), "incremental tables read their changes alone", none)


def _recovery(seen: Seen, tables: Sequence[str]) -> Goal:
    """Tell what went on by itself: a step that was tried again, or a table that failed and was well in a later load."""
    failed = recovered = 0
    for table in set(tables) & seen.nights.keys():
        outcomes = seen.nights[table].outcomes
        at = [n for n, outcome in enumerate(outcomes) if outcome == "failed"]
        failed, recovered = failed + len(at), recovered + sum(any(o in WELL for o in outcomes[n + 1 :]) for n in at)
    tried = sum(table in seen.nights for _, table in seen.again)
    more = f"; {tried:,} were tried again within a load" if tried else ""
    name, none = "failures recover by themselves", f"nothing has failed in 30 days{more}"
    goal = _share(name, recovered, failed, f"failed loads were made good by a later one{more}", none)
    return goal._replace(met=True) if not failed and tried else goal


def _faster(seen: Seen) -> Goal:
    """Compare the last week's loads with those before, and with the older pipeline where bulketl started that."""
    name, seconds = "time is optimised", [(one.ended - one.began).total_seconds() for one in seen.loads]
    if len(seconds) < 2 * ENOUGH:
        return Goal(name, None, f"{count_of(len(seconds), 'load')} in 30 days; {2 * ENOUGH} tell a trend")
    now, before = statistics.median(seconds[-ENOUGH:]), statistics.median(seconds[:-ENOUGH])
    older = [run.seconds for run in seen.older if run.code == 0]
    beside = f", the older pipeline {statistics.median(older):,.0f} s" if older else ""
    return Goal(name, now <= 1.1 * before, f"a load takes {now:,.0f} s, {before:,.0f} s before{beside}")


def _compliance(seen: Seen) -> Goal:
    audited = _of(seen, "audit")
    works = sum(table in seen.chained for table in audited)
    return _share("compliance is reported", works, len(audited), "audit tables are in a chain", "no table is of tier audit")


def _off_peak(seen: Seen) -> Goal:
    name, windows = "loads are off-peak", seen.config.windows
    if windows is None:
        return Goal(name, False, "no window is configured")
    inside = sum(window_of(windows, one.began) is not None for one in seen.loads)
    return _share(name, inside, len(seen.loads), "loads of 30 days began in the window", "no load in 30 days")


def _history(seen: Seen, tables: Sequence[str]) -> Goal:
    equal = sum(table in seen.verified and seen.verified[table].outcome == "equal" for table in tables)
    none = "there is no such table"
    return _share("history is validated", equal, len(tables), "were found equal by `bulketl verify`", none)


def _populated(seen: Seen, tables: Sequence[str]) -> Goal:
    there = sum(table in seen.last and seen.last[table].well_at is not None for table in tables)
    return _share("the warehouse is full", there, len(tables), "were loaded at least once", "the rules name no table")


def _documented(seen: Seen) -> Goal:
    """Tell which runbooks the last alerts called for, and whether these are over; a house's own cannot be known here."""
    brought = f"bulketl brings {len(get_args(Runbook))} in {RUNBOOKS}; whether the house has its own is not known here"
    called = ", ".join(dict.fromkeys(of_kind(one.kind) for one in seen.raised))
    if not called:
        return Goal("documentation and runbooks", True, f"no alert of 30 days called for one; {brought}")
    count, left = sum(one.alerts for one in seen.raised), sum(one.left for one in seen.raised)
    figure = f"{count - left:,} of {count_of(count, 'alert')} of 30 days over; they called for {called}; {brought}"
    return Goal("documentation and runbooks", not left, figure)


def _stable(seen: Seen) -> Goal:
    loads = {one.run for one in seen.loads[-ENOUGH:]}
    late = sorted({table for run, table in seen.slower if run in loads})
    if len(loads) < ENOUGH:
        return Goal("performance is stable", None, f"{count_of(len(loads), 'load')} in 30 days; {ENOUGH} tell")
    figure = f"{count_of(len(late), 'table')} slower than usual in the last {ENOUGH} loads"
    return Goal("performance is stable", not late, figure)
