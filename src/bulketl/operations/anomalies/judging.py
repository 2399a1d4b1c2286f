"""What is not normal about a load, compared with its earlier nights, and what is overdue at a moment.

Pure: figures and the time are passed in. A planned difference is not an anomaly: the first load of a table, a load that
reads the whole table where others read changes, a part that a person asked for. Times are compared only if the whole load
is like the earlier ones: a table that is loaded alone, or in a run that was resumed, takes another time than among
others. Rows that came since the last load are divided by the time since then.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bulketl.config.expected import Expect
from bulketl.operations.anomalies.normal import Bound, Night, above, below, beyond, last
from bulketl.postgres.ledger.findings import Anomaly, LastWell, LoadFigures, Oddity
from bulketl.tables.spec import Tier

SECONDS_SPREADS = 2.5  # how many spreads from the median a time is still normal
SPREADS = 4.0  # rows, and a lag
ALIKE = 0.5  # of the tables that the runs before had, from which on times are compared


@dataclass(frozen=True, slots=True)
class Judged:
    """A load that is judged: which, when it is judged, and whether its times are like those of other nights."""

    run: str
    source: str
    schema: str
    at: dt.datetime
    resumed: bool = False


def judge(run: Judged, one: LoadFigures, nights: Sequence[LoadFigures], expect: Expect) -> Iterator[Anomaly]:
    """Yield what is not normal of a load of a table by the loads of its nights."""
    like = [night for night in nights if night.whole == one.whole]
    found: list[tuple[Oddity, float, Bound | None]] = []
    if not run.resumed and _alike(one, like):
        seconds = _nights(like, lambda night: night.seconds)
        least = expect.least_seconds
        if expect.slower:
            found.append(("slower", one.seconds, above(one.seconds, seconds, expect.slower, SECONDS_SPREADS, least)))
        if expect.faster:
            found.append(("faster", one.seconds, below(one.seconds, seconds, expect.faster, SECONDS_SPREADS, least)))
    if expect.rows:
        found += _rows(one, like, expect.rows, expect.least_rows)
    if expect.lag_seconds is not None and one.lag is not None:
        lags = _nights(like, lambda night: night.lag)
        found.append(("lag", one.lag, beyond(one.lag, lags, SPREADS, expect.lag_seconds)))
    for kind, value, bound in found:
        if bound is not None:
            place = (one.table, kind, run.run, run.source, run.schema, one.tier)
            yield Anomaly(*place, value, bound.expected, bound.bound, bound.nights, run.at)


def _alike(one: LoadFigures, nights: Sequence[LoadFigures]) -> bool:
    """Tell whether the run came to about as many tables as those before: alone a table is faster than among others."""
    counts = [night.tables for night in sorted(nights, key=lambda night: night.days)[:14]]
    return bool(counts) and one.tables >= ALIKE * statistics.median(counts)


def _nights(nights: Sequence[LoadFigures], figure: Callable[[LoadFigures], float | None]) -> list[Night]:
    return [Night(night.days, value) for night in nights if (value := figure(night)) is not None]


def _rows(
    one: LoadFigures, nights: Sequence[LoadFigures], times: float, least: float
) -> Iterator[tuple[Oddity, float, Bound | None]]:
    """Yield whether there are far more or far fewer rows: of what changed, for the time since the load before."""
    rows = _nights(nights, lambda night: night.rows)
    longer = 1.0 if one.whole else _longer(one, nights)
    for kind, judge_by, factor in (("more_rows", above, max(1.0, longer)), ("fewer_rows", below, min(1.0, longer))):
        bound = judge_by(one.rows / factor, rows, times, SPREADS, least)
        if bound is not None:
            bound = Bound(bound.expected * factor, bound.bound * factor, bound.nights)
        yield ("more_rows" if kind == "more_rows" else "fewer_rows"), float(one.rows), bound


def _longer(one: LoadFigures, nights: Sequence[LoadFigures]) -> float:
    """Return how many times as long as usual the time since the load before is."""
    gaps = [night.value for night in last(_nights(nights, lambda night: night.gap or None))]
    if not gaps or not one.gap:
        return 1.0
    return one.gap / statistics.median(gaps)


def not_loaded(
    schema: str, one: LastWell, tier: Tier, within: dt.timedelta | None, now: dt.datetime, closed: dt.datetime | None
) -> Anomaly | None:
    """Return that a table was not loaded for longer than it may be, or None.

    `closed`: when the last window closed, None without one: before that nobody expects a load, however long ago the last
    one was.
    """
    since = one.at or one.known
    age = now - since
    if within is None or age <= within or (closed is not None and since >= closed):
        return None
    return Anomaly(
        one.table, "not_loaded", one.run if one.at else "", one.source, schema, tier, age.total_seconds(), None,
        within.total_seconds(), 0, now,
    )  # fmt: skip
