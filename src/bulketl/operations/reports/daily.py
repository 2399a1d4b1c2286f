"""The daily report: what became of every table in a night, what the loads moved, and what needs somebody.

How tables stand, their strips of nights and what is wrong with them are as the dashboard has them; read by columns that the
role `dashboard` may read, whoever makes the report. A night that is over is told as it stood when it ended.
"""

from __future__ import annotations

import datetime as dt
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from bulketl.config.config import Config
from bulketl.config.windows import closed, zone_of_window
from bulketl.connections.retrying import patient
from bulketl.errors import DONE, PARTLY_DONE, ConfigError
from bulketl.operations.dashboard.charts import Chart
from bulketl.operations.dashboard.nights import night_of
from bulketl.operations.dashboard.overview import Night, Overview, Trouble, overview_in
from bulketl.operations.dashboard.sight import sight
from bulketl.operations.dashboard.words import NAMES, counted
from bulketl.operations.history.runs import RunEntry, entry_of
from bulketl.operations.history.standing import plain
from bulketl.operations.reports.nightlines import (
    OUTCOMES,
    Drifted,
    Group,
    NightProof,
    Rejecting,
    drifted,
    grouped,
    rejecting,
    verified,
)
from bulketl.operations.reports.trends import Figure, NightFigures, by_night, charts_of, days_before, figures_of
from bulketl.postgres.ledger import nightloads, runlist, verifications
from bulketl.postgres.ledger.looking import Look
from bulketl.tables.printable import brief, count_of, lasting

MOST_RUNS = 200  # of a night
NOON = dt.time(12)


@dataclass(frozen=True, slots=True)
class Daily:
    """The report on the night that began on `day`, from `since` until before `until`, made at `made` on `host`.

    `past`: the night is over, and it is told how tables stood then. `runs`: of every kind, the first one first. `groups`:
    each tier's tables, and each source's where there are several. `nights`: the last ones, the first one first.
    `unruled`: tables that were loaded, and that the rules have left out since. `window`: begin and end of the night's.
    """

    day: dt.date
    since: dt.datetime
    until: dt.datetime
    made: dt.datetime
    host: str
    version: str
    past: bool
    overview: Overview
    runs: tuple[RunEntry, ...]
    groups: tuple[Group, ...]
    nights: tuple[NightFigures, ...]
    rejects: tuple[Rejecting, ...]
    drift: tuple[Drifted, ...]
    verified: NightProof
    unruled: int
    window: tuple[dt.datetime, dt.datetime] | None
    zone: dt.tzinfo

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, day=self.day, runs=len(self.runs), past=self.past, made=self.made)

    @property
    def schema(self) -> str:
        """The target schema whose tables it is about."""
        return self.overview.status.schema

    @property
    def night(self) -> str:
        """The night in words: 25 to 26 November 2026."""
        ends = self.ends
        begins = f"{self.day.day}" + (f" {self.day:%B}" if self.day.month != ends.month else "")
        begins += f" {self.day:%Y}" if self.day.year != ends.year else ""
        return f"{begins} to {ends.day} {ends:%B %Y}"

    @property
    def loads(self) -> list[RunEntry]:
        """The loads of the night, the first one first."""
        return [run for run in self.runs if run.kind == "load"]

    @property
    def headline(self) -> str:
        """The state in a sentence whose numbers add up; a night without a load says so first."""
        said = self.overview.sentence
        if not self.overview.stands:
            return said
        if not self.loads:
            return f"No load began in this night. {said}"
        rejected = sum(one.rows for one in self.rejects)
        return f"{said} {count_of(rejected, 'row', 'was')} rejected." if rejected else said

    @property
    def ends(self) -> dt.date:
        """The day on which the night ended, by which it is asked for."""
        return self.day + dt.timedelta(days=1)

    @property
    def weekday(self) -> str:
        """The day of the week on which the night began."""
        return f"{self.day:%A}"

    @property
    def number(self) -> str:
        """How people call it: the schema, and the day on which the night ended."""
        return f"{self.schema}-{self.ends}"

    @property
    def subject(self) -> str:
        """The state for a title or a subject, with the night."""
        return f"{self.ends.day} {self.ends:%B}, {self.schema}: {self.short}"

    @property
    def short(self) -> str:
        """The state in a few words, without names of tables."""
        if not self.overview.stands:
            return "nothing loaded yet"
        if not self.loads:
            return "no load began"
        counts = counted(self.overview.stands)
        told = ", ".join(f"{count:,} {NAMES[state]}" for state, count in counts.items())
        return f"{count_of(len(self.overview.stands), 'table')}, {told}"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What the loads moved, beside other nights."""
        return figures_of(self.nights)

    @property
    def outcomes(self) -> list[str]:
        """What the loads did to tables, as far as it happened to one; the counts of these add up to all tables."""
        return [name for name in OUTCOMES if name == "loaded" or any(group.outcomes[name] for group in self.groups)]

    @property
    def charts(self) -> tuple[Chart, ...]:
        """The same through the last nights."""
        return charts_of(self.nights, self.zone)

    @property
    def troubles(self) -> list[Trouble]:
        """What needs somebody, the worst first; tables of which the same is to be said stand together."""
        return self.overview.troubles

    @property
    def mattering(self) -> list[Night]:
        """The tables of which the nights are shown."""
        return self.overview.mattering

    @property
    def lede(self) -> str:
        """How long the loads took, and when the last one ended."""
        return " ".join(self._lede())

    def _lede(self) -> list[str]:
        last, loads = self.nights[-1], self.loads
        if not loads:
            before = next((night for night in reversed(self.nights) if night.loads), None)
            when = f"The last one with a load was that of {before.day:%-d %B}." if before else "None of the last 30 had one."
            return [when if self.overview.stands else "`bulketl load` makes the first load."]
        told = []
        if last.took is not None and last.ended is not None:
            ended = [run for run in loads if run.ended is not None]
            many = "The load took" if len(ended) == 1 else f"{count_of(len(ended), 'load')} took"
            begin, end = self.window or (None, None)
            of = f" of the window’s {lasting((end - begin).total_seconds())}" if begin and end else ""
            told.append(f"{many} {lasting(last.took)}{of} and ended at {self.clock(last.ended)}.")
            if end and last.ended > end:
                told.append(f"That is {lasting((last.ended - end).total_seconds())} after the window closed.")
        if last.paused:
            which = "It" if len(loads) == 1 else "One of them"
            told.append(f"{which} was resumed, after it had stood still for {lasting(last.paused)}.")
        ended_early = [run for run in loads if run.outcome in ("dead", "interrupted", "stopped")]
        told += [f"The load {run.run} did not come to its end: {run.outcome}." for run in ended_early]
        return told

    def clock(self, at: dt.datetime) -> str:
        """Return a time of the night in the zone of the load window."""
        return f"{at.astimezone(self.zone):%H:%M}"

    @property
    def well(self) -> str:
        """What is well, in one line."""
        parts = [f"{count_of(self.overview.counts.get('ontime', 0), 'table')} on time"]
        parts += ["no row was rejected"] if self.loads and not self.rejects else []
        parts += ["no column changed at the source"] if self.loads and not self.drift else []
        parts += ["no alert is open"] if not self.past and not self.overview.alerts else []
        return f"{'; '.join(parts)}."

    @property
    def exit_code(self) -> int:
        """As of `bulketl status`, and 3 at least for a night without a load, or with rejects or changed columns."""
        code = self.overview.status.exit_code
        return PARTLY_DONE if code == DONE and (not self.loads or self.rejects or self.verified.wrong) else code

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, times in ISO 8601."""
        status = self.overview.status
        return {
            "report": "daily",
            "headline": self.headline,
            "lede": self.lede,
            "exit_code": self.exit_code,
            **plain({name: getattr(self, name) for name in ("schema", "since", "until", "made", "host", "version", "past")}),
            "night": self.day.isoformat(),
            "sources": list(self.overview.sources),
            "note": status.note,
            "counts": dict(self.overview.counts),
            "troubles": [
                {"word": one.state, "tables": [each.of.table for each in one.tables], "why": one.why, "hint": one.hint}
                for one in self.troubles
            ],
            "runs": [run.to_json() for run in self.runs],
            "groups": [group.to_json() for group in self.groups],
            "figures": [figure.to_json() for figure in self.figures],
            "nights": [night.to_json() for night in self.nights],
            "rejects": [one.to_json() for one in self.rejects],
            "drift": [one._asdict() for one in self.drift],
            "verified": self.verified.to_json(),
            "alerts": [{"number": one.incident.number, "said": one.title} for one in self.overview.alerts],
            "tables": [stand.of.to_json() for stand in self.overview.stands],
            "elsewhere": dict(status.elsewhere),
            **({"migration": self.overview.coming.to_json()} if self.overview.coming else {}),
        }


def daily(config: Config, until: dt.date | None = None, *, now: dt.datetime | None = None) -> Daily:
    """Return the report on the night that ends on the day `until`, by default the last one. `now`: aware, or the present.

    Raise ConfigError when that night has not begun, ConfigError or TargetError when the ledger cannot be used.
    """
    moment = now or dt.datetime.now(dt.UTC)
    return patient(_daily, config, until, moment)


def _daily(config: Config, until: dt.date | None, now: dt.datetime) -> Daily:
    zone, schema = zone_of_window(config.windows), config.target_schema
    with sight(config) as look:
        day = until - dt.timedelta(days=1) if until else _last_night(look, schema, now, zone)
        since, over = (dt.datetime.combine(day + dt.timedelta(days=n), NOON, zone) for n in (0, 1))
        if since > now:
            raise ConfigError(
                f"the night that ends on {until} has not begun", hint="--until is the day on which a night ended, or now"
            )
        past = until is not None and over <= now
        found = overview_in(look, config, over if past else now, zone, night=day, past=past)
        runs = [entry_of(one) for one in runlist.last_runs(look, schema, MOST_RUNS, began=(since, over))][::-1]
        loads = [run.run for run in runs if run.kind == "load"]
        days = days_before(day)
        totals = nightloads.load_totals(look, schema, dt.datetime.combine(days[0], NOON, zone), over)
        figures = nightloads.table_figures(look, schema, loads)
        refused = nightloads.refused_columns(look, schema, [run.run for run in runs if run.rejects])
        compared = nightloads.compared_in(look, [run.run for run in runs])
        asked = verifications.since(look.connection, schema, since, over)
    nights = by_night(totals, _failures(found), days, zone)
    return Daily(
        day, since, min(over, now), now, socket.gethostname(), version("bulketl"), past, found, tuple(runs),
        grouped(found, figures, {run.run for run in runs if run.ended is None}), tuple(nights),
        rejecting(config, figures, refused), drifted(figures), verified(figures, compared, asked),
        len(figures.keys() - {stand.of.table for stand in found.stands}),
        _window(config, since, over), zone,
    )  # fmt: skip


def _last_night(look: Look, schema: str, now: dt.datetime, zone: dt.tzinfo) -> dt.date:
    """Return the day on which the last night began: today's, from noon on, counts once a load has begun in it."""
    day = night_of(now, zone)
    if now.astimezone(zone).time() < NOON:
        return day
    began = runlist.last_runs(look, schema, MOST_RUNS, began=(dt.datetime.combine(day, NOON, zone), now))
    return day if any(run.kind == "load" for run in began) else day - dt.timedelta(days=1)


def _failures(found: Overview) -> Mapping[dt.date, int]:
    """Return how many tables failed in each night whose loads were looked at."""
    failed = Counter(
        day
        for one in found.nights(found.stands)
        for day, state in zip(found.strips.days, one.strip.states, strict=True)
        if state == "failed"
    )
    return {day: failed[day] for day in found.strips.days}


def _window(config: Config, since: dt.datetime, over: dt.datetime) -> tuple[dt.datetime, dt.datetime] | None:
    """Return the load window that began in a night, None without one."""
    if config.windows is None:
        return None
    ahead: Sequence[tuple[dt.datetime, dt.datetime]] = closed(config.windows, over + dt.timedelta(days=1))
    return next((window for window in reversed(ahead) if since <= window[0] < over), None)
