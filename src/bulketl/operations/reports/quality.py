"""How quality moves: rejects, failures, checks, scores and drift of a period, beside as long ones before. Pure."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bulketl.operations.capacity.forecast import DAYS
from bulketl.operations.reports.period import ReportPeriod
from bulketl.postgres.ledger.weeks import Comparisons, LoadEnd, TableNights

MOST = 12  # periods that are compared
TOLD = 12  # tables by name


class Figure(NamedTuple):
    """A figure of the period, of the one before, and the median of those before; None where none had a load.

    `each`: of all of them, the first one first.
    """

    name: str
    now: float
    before: float | None
    median: float | None
    each: Sequence[float]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**self._asdict(), "each": list(self.each)}


class TableQuality(NamedTuple):
    """A table of which something was at fault in the period; `score`: the least rows here per row at the source."""

    table: str
    tier: str
    failed: int
    rejects: int
    checked: int
    score: float | None
    drift: int


def spans(loads: Sequence[LoadEnd], period: ReportPeriod) -> list[frozenset[int]]:
    """Return the numbers of the loads in each of as long periods, the last one last; none before the first."""
    long = max(period.until - period.since, dt.timedelta(hours=1))
    first = period.until - dt.timedelta(days=DAYS)
    found: list[frozenset[int]] = []
    for n in range(MOST):
        begin, end = period.since - n * long, period.until - n * long
        if n and begin < first:
            break
        found.append(frozenset(at for at, one in enumerate(loads) if begin <= one.began < end))
    while len(found) > 1 and not found[-1]:
        found.pop()
    return found[::-1]


def figures(
    tables: Sequence[TableNights], compared: Mapping[str, Comparisons], slower: Sequence[tuple[str, str]],
    runs: Sequence[str], within: Sequence[frozenset[int]],
) -> tuple[Figure, ...]:  # fmt: skip
    """Return the figures of the periods; `slower`: which table was so in which run; `within`: as of `spans`."""
    numbers = {run: n for n, run in enumerate(runs)}
    late = [numbers[run] for run, _ in slower if run in numbers]
    mended = [pair for one in compared.values() for pair in one.mended]

    def summed(value: Callable[[TableNights, int], float]) -> Callable[[frozenset[int]], float]:
        return lambda span: sum(value(one, at) for one in tables for at, n in enumerate(one.loads) if n in span)

    counted: dict[str, Callable[[frozenset[int]], float]] = {
        "rejected rows": summed(lambda one, at: one.rejects[at]),
        "table loads that failed": summed(lambda one, at: one.outcomes[at] == "failed"),
        "table loads slower than their nights allow": lambda span: sum(n in span for n in late),
        "table loads in which a check found something": summed(lambda one, at: one.checked[at]),
        "table loads with a score below 1": summed(lambda one, at: (s := one.scores[at]) is not None and s < 1),
        "table loads that found other columns": summed(lambda one, at: one.drift[at]),
        "rows that a comparison found to differ": lambda span: sum(rows for n, rows in mended if n in span),
    }
    return tuple(_figure(name, [count(span) for span in within]) for name, count in counted.items())


def _figure(name: str, each: Sequence[float]) -> Figure:
    earlier = each[:-1]
    return Figure(name, each[-1], earlier[-1] if earlier else None, statistics.median(earlier) if earlier else None, each)


def faulty(tables: Sequence[TableNights], within: Sequence[frozenset[int]]) -> tuple[TableQuality, ...]:
    """Return the tables of which something was at fault in the last period, the worst first, at most TOLD."""
    found = []
    for one in tables:
        at = [n for n, load in enumerate(one.loads) if load in within[-1]]
        scores = [score for n in at if (score := one.scores[n]) is not None]
        made = TableQuality(
            one.table, one.tier, sum(one.outcomes[n] == "failed" for n in at), sum(one.rejects[n] for n in at),
            sum(one.checked[n] for n in at), min(scores, default=None), sum(one.drift[n] for n in at),
        )  # fmt: skip
        if made.failed or made.rejects or made.checked or made.drift or (made.score is not None and made.score < 1):
            found.append(made)
    return tuple(sorted(found, key=lambda one: (-one.failed, -one.rejects, one.table))[:TOLD])
