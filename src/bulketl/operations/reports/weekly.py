"""The weekly report: what slows down and what to change first, how quality moves, what was used, when something is full.

Trends are taken from the nights of the last 90 days before its end, by Theil and Sen's line. The ledger is read, and the
source is asked where a slow table might be loaded in a cheaper way; what could not be asked is told.
"""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple

from markupsafe import Markup

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.errors import SourceError
from bulketl.operations.capacity.fit import Trend, fit
from bulketl.operations.capacity.forecast import DAYS, Capacity, capacity_in
from bulketl.operations.dashboard.sight import sight
from bulketl.operations.history.standing import plain
from bulketl.operations.migrate.coming import Coming, coming_in
from bulketl.operations.reports import advice, quality, utilisation
from bulketl.operations.reports.advice import Advice, Shown
from bulketl.operations.reports.period import ReportPeriod
from bulketl.operations.reports.quality import Figure, TableQuality
from bulketl.operations.reports.utilisation import Use
from bulketl.postgres.ledger import weeks
from bulketl.postgres.ledger.weeks import LoadEnd, Skew, TableNights
from bulketl.survey.cheaper import Cheaper, cheaper
from bulketl.tables.printable import brief, count_of, lasting

WEEK = dt.timedelta(days=7)
ENOUGH = 7  # loads of a table before which it has no trend
LOOKED_AT = 12  # tables of which the source is asked, at most
SLOW = 1.0  # second a table takes; of quicker ones no trend is told
TOLD = 12  # tables that slow down, by name
CLEARLY = 1.0  # second a week; less is no matter


class Slowing(NamedTuple):
    """A table that takes longer and longer, or the loads as a whole as ''. Seconds; those of `line` in a day."""

    table: str
    tier: str
    line: Trend
    points: Sequence[tuple[dt.date, float]]
    reading: str

    @property
    def growth(self) -> str:
        """How much longer it takes each week."""
        return f"+{_spell(7 * self.line.slope)}"

    @property
    def interval(self) -> str:
        """Between which two that is."""
        return f"{_spell(7 * self.line.low)} to {_spell(7 * self.line.high)}"

    @property
    def now(self) -> str:
        """How long it takes now."""
        return _spell(self.line.level)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, seconds a week."""
        line = self.line
        weekly = {"a_week": 7 * line.slope, "a_week_from": 7 * line.low, "a_week_to": 7 * line.high, "now": line.level}
        return {"table": self.table, "tier": self.tier, **weekly, "nights": len(self.points), "reading": self.reading}


@dataclass(frozen=True, slots=True)
class Weekly:
    """The report on the loads into a schema from `since` until before `until`, made at `made` on `host`.

    `loads`: the loads of the period; `nights`: how many nights the trends are from. `total`: how long the loads of a night
    take, '' as its table, None without a trend. `unasked`: why the source was not asked, '' when it was or need not be.
    """

    schema: str
    sources: tuple[str, ...]
    since: dt.datetime
    until: dt.datetime
    made: dt.datetime
    host: str
    version: str
    loads: tuple[LoadEnd, ...]
    nights: int
    advice: tuple[Advice, ...]
    slowing: tuple[Slowing, ...]
    total: Slowing | None
    figures: tuple[Figure, ...]
    faulty: tuple[TableQuality, ...]
    uses: tuple[Use, ...]
    capacity: Capacity
    unasked: str = ""
    coming: Coming | None = None  # of the migration that is configured

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, schema=self.schema, loads=len(self.loads), advice=len(self.advice))

    @property
    def number(self) -> str:
        """How people call it: the schema, and its last day."""
        return f"{self.schema}-{self.until:%Y%m%d}"

    @property
    def subject(self) -> str:
        """The state for a title or a subject, with the last day."""
        return f"week to {self.until.day} {self.until:%B}, {self.schema}: {self.short}"

    @property
    def short(self) -> str:
        """The state in a few words, without names of tables."""
        if not self.loads:
            return "no load ended"
        well = sum(one.outcome == "done" for one in self.loads)
        said = [f"{well:,} of {count_of(len(self.loads), 'load')} went well"]
        said += [count_of(len(self.advice), "change") + " to make"] if self.advice else []
        return ", ".join(said)

    @property
    def headline(self) -> str:
        """The state in a sentence or two: how the loads' time moves, what is full first, what can be given back."""
        if not self.loads:
            return "No load ended in this period."
        said = [self._pace(), self.capacity.headline if self.capacity.limits[0].state in ("full", "filling") else ""]
        if self.advice:
            count = len(self.advice)
            back = _spell(sum(one.seconds for one in self.advice))
            said.append(f"{count_of(count, 'change')} would give back up to {back} a night.")
        return " ".join(one for one in said if one)

    def _pace(self) -> str:
        if self.nights < ENOUGH:
            return f"Trends are not known: {self.nights} of {ENOUGH} nights."
        if self.total is None:
            return "The loads take no longer than before: no trend."
        return f"The loads of a night take {_spell(7 * self.total.line.slope)} more each week."

    @property
    def lede(self) -> str:
        """How the loads of the period ended."""
        if not self.loads:
            return "No load ended."
        well = sum(one.outcome == "done" for one in self.loads)
        return f"{well:,} of {count_of(len(self.loads), 'load')} went well."

    @property
    def charts(self) -> tuple[Markup, ...] | None:
        """Its charts as SVG, each in two widths, None where matplotlib is not installed."""
        from bulketl.operations.reports.weekcharts import drawn

        return drawn(self.capacity, self.total, self.slowing)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, times in ISO 8601."""
        return {
            "report": "weekly",
            "number": self.number,
            "headline": self.headline,
            **plain({key: getattr(self, key) for key in ("schema", "since", "until", "made", "host", "version")}),
            "sources": list(self.sources),
            "loads": [plain(one._asdict()) for one in self.loads],
            "nights": self.nights,
            "advice": [one.to_json() for one in self.advice],
            "slowing": [one.to_json() for one in self.slowing],
            "total": self.total.to_json() if self.total else None,
            "quality": [one.to_json() for one in self.figures],
            "faulty": [one._asdict() for one in self.faulty],
            "utilisation": [one._asdict() for one in self.uses],
            "capacity": self.capacity.to_json(),
            "unasked": self.unasked,
            **({"migration": self.coming.to_json()} if self.coming else {}),
        }


def weekly(config: Config, period: ReportPeriod | None = None, *, asking: bool = True) -> Weekly:
    """Return the report on a period, by default the last seven days. `asking`: whether the source may be asked.

    If the source does not answer, the report says so and has everything else. Raise ConfigError or TargetError when the
    ledger cannot be used.
    """
    now = dt.datetime.now(dt.UTC)
    return patient(_report, config, period or ReportPeriod(now - WEEK, now, now), asking)


def _report(config: Config, period: ReportPeriod, asking: bool) -> Weekly:
    with sight(config) as look:
        schema, first = config.target_schema, period.until - dt.timedelta(days=DAYS)
        loads = weeks.load_ends(look, schema, first, period.until)
        # With those that went into another schema and had a table that has moved here since: it has its nights before.
        history = weeks.load_ends(look, schema, first, period.until, moved=True)
        runs, before = [one.run for one in loads], [one.run for one in history]
        tables = weeks.table_nights(look, [schema], before)
        compared = weeks.comparisons(look, schema, before)
        sizes = weeks.sizes(look, schema)
        mine = [one for one in loads if one.began >= period.since]
        seconds = weeks.compared_seconds(look, [one.run for one in mine])
        slower = weeks.slower(look, schema, before)
        filled = capacity_in(look, config, period.until, loads)
        coming = coming_in(look, config)
        busy = weeks.busy_seconds(look, [one.run for one in mine])
        skews = weeks.skews(look, schema, runs[-advice.WATCHED :])
        keys = weeks.integer_keys(look, schema, before[-advice.LONG :])
    looked_at = advice.worth_a_look(config, tables, sizes, LOOKED_AT)
    found, unasked = _asked(config, looked_at, asking)
    skewed = _skewed([one for one in skews if one.run == runs[-1]])
    tabled = {
        one.table: reading for one in tables
        if (reading := skewed.get(one.table) or ("reads again what did not change" if advice.again(one, sizes) else ""))
    }  # fmt: skip
    spans = quality.spans(history, period)
    advised = advice.advise(
        config, tables, Shown([] if unasked else looked_at, found, compared, seconds, sizes, keys, skews)
    )
    return Weekly(
        config.target_schema, tuple(sorted({one.source for one in loads if one.source})), period.since, period.until,
        period.now, socket.gethostname(), version("bulketl"), tuple(mine), len({one.began.date() for one in loads}),
        advised, _slowing(tables, history, tabled), _total(loads),
        quality.figures(tables, compared, slower, before, spans), quality.faulty(tables, spans),
        utilisation.uses(config, mine, busy, filled), filled, unasked, coming,
    )  # fmt: skip


def _asked(config: Config, tables: Sequence[str], asking: bool) -> tuple[dict[str, Cheaper], str]:
    """Return what the source says of some tables, and why it was not asked."""
    if not tables:
        return {}, ""
    if not asking or not config.source:
        return {}, "nobody asked it" if config.source else "no source is configured"
    try:
        return cheaper(config, tables), ""
    except SourceError as error:
        return {}, error.public


def _skewed(found: Sequence[Skew]) -> dict[str, str]:
    """Return what is to be said of tables whose ranges were unlike each other in the last load."""
    return {
        one.table: f"skew: the largest of {one.ranges:,} ranges has {one.largest / one.median:.1f} times the median's bytes"
        for one in found
        if one.median and one.largest >= 4 * one.median
    }


def _slowing(tables: Sequence[TableNights], loads: Sequence[LoadEnd], tabled: dict[str, str]) -> tuple[Slowing, ...]:
    found = []
    for one in tables:
        points = [
            (loads[n].began.date(), seconds)
            for n, seconds, outcome in zip(one.loads, one.seconds, one.outcomes, strict=True)
            if outcome == "loaded"
        ]
        if len({day for day, _ in points}) < ENOUGH or max(seconds for _, seconds in points) < SLOW:
            continue
        line = fit((day.toordinal(), seconds) for day, seconds in points)
        if line is not None and line.rises and 7 * line.slope >= CLEARLY:
            found.append(Slowing(one.table, one.tier, line, points, tabled.get(one.table, "") or _as_rows(one, loads, line)))
    return tuple(sorted(found, key=lambda one: (-one.line.slope, one.table))[:TOLD])


def _as_rows(one: TableNights, loads: Sequence[LoadEnd], line: Trend) -> str:
    """Return whether a table takes longer as its rows become more, or faster than these."""
    rows = fit(
        (loads[n].began.date().toordinal(), count)
        for n, count, outcome in zip(one.loads, one.rows, one.outcomes, strict=True)
        if outcome == "loaded"
    )
    if rows is None or not rows.rises or rows.level <= 0 or line.level <= 0:
        return "its rows show no trend"
    return "as its rows" if line.slope / line.level <= 2 * rows.slope / rows.level else "faster than its rows"


def _total(loads: Sequence[LoadEnd]) -> Slowing | None:
    """Return how the loads of a night take longer, by their seconds together; None without a trend."""
    nights: dict[dt.date, float] = {}
    for one in loads:
        if one.outcome in ("done", "partly done", "not certified"):
            day = one.began.date()
            nights[day] = nights.get(day, 0.0) + (one.ended - one.began).total_seconds()
    points = sorted(nights.items())
    line = fit((day.toordinal(), seconds) for day, seconds in points) if len(points) >= ENOUGH else None
    return Slowing("", "", line, points, "") if line is not None and line.rises else None


def _spell(seconds: float) -> str:
    """Return seconds for people, small ones with a place."""
    return f"{seconds:.1f} s" if abs(seconds) < 10 else lasting(abs(seconds))
