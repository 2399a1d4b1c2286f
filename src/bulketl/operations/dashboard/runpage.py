"""A run: when it will end and what holds it up while it is on, what became of it afterwards; and the list of runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bulketl.config.config import Config
from bulketl.config.windows import closes
from bulketl.errors import PlanError
from bulketl.loading.telling import from_record
from bulketl.operations.dashboard.lines import Line, line_of
from bulketl.operations.dashboard.rendering import Render
from bulketl.operations.dashboard.sight import sight
from bulketl.operations.dashboard.words import OF_OUTCOMES, State
from bulketl.operations.following import Following, Told
from bulketl.operations.history.runs import COMMON, RunEntry, entry_of
from bulketl.operations.watching import next_due
from bulketl.postgres.ledger import runlist
from bulketl.postgres.ledger.events import Recorded
from bulketl.postgres.ledger.runlist import TableEnd
from bulketl.tables.printable import count_of, lasting, verb_of, without_table

EVENTS = 500  # of a run, in the page about it
ENDS = 1000  # tables of a run
RUNS = 60  # of a page
Clock = Callable[[dt.datetime], str]
OF_RUNS: Mapping[str, State] = {
    "done": "ontime", "running": "running", "dead": "failed", "failed": "failed", "partly done": "failed",
    "not certified": "late", "stopped": "late", "interrupted": "late",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """What is known of a run at a moment. `about`: as Following tells it in JSON; `ends`: when it is to end, or None."""

    seen: Following
    about: Mapping[str, Any]
    state: State
    now: dt.datetime
    ends: dt.datetime | None
    closes: dt.datetime | None
    next: dt.datetime | None

    @property
    def sentence(self) -> str:
        """How the run is, in a sentence."""
        sight = self.seen.sight
        if sight is None:
            return "No run is on record yet."
        done, failed, of = self.about["ended"], self.about["failed"], self.about["tables"]
        said = f"{done - failed:,} of {count_of(of, 'table', 'is')} in"
        said += f", {failed:,} failed" if failed else ""
        under_way = len(self.seen.under_way.tables)
        match self.seen.state:
            case "ended":
                return f"The last {sight.kind} ended: {sight.outcome}. {said[0].upper()}{said[1:]}."
            case "dead":
                silent = lasting(abs((sight.now - sight.last).total_seconds()))
                return f"The {sight.kind} died: nobody carries it out, and nothing was heard of it for {silent}. {said}."
        if not of:
            return f"A {sight.kind} has begun, and has not told yet which tables it comes to."
        return f"{said}, {under_way:,} {verb_of(under_way, 'is')} under way."

    @property
    def title(self) -> str:
        """The same for a tab of a browser."""
        run = f": run {self.seen.sight.run}" if self.seen.sight else ""
        of = count_of(self.about.get("tables", 0), "table")
        return f"bulketl{run}, {self.about.get('ended', 0)} of {of}, {self.seen.state}"

    @property
    def late(self) -> float | None:
        """How many seconds before the window closes it is to end, below 0 after that; None where either is not known."""
        return (self.closes - self.ends).total_seconds() if self.closes and self.ends else None

    @property
    def speed(self) -> float | None:
        """Rows a second of all tables, as they came of late; None while that says nothing."""
        return self.seen.under_way.run.rate(self.seen.now)


def frame_of(config: Config, seen: Following, now: dt.datetime) -> Frame:
    """Return what is known of the run that is followed at that moment."""
    about: Mapping[str, Any] = {
        "ended": 0,
        "failed": 0,
        "tables": 0,
        "rows": 0,
        "under_way": [],
        "failures": [],
        "waiting": [],
    }
    about = {**about, **seen.to_json()}
    left = about.get("left") if seen.state == "under way" else None
    states: Mapping[str, State] = {"none": "never", "under way": "running", "dead": "failed"}
    outcome = seen.sight.outcome if seen.sight else ""
    return Frame(
        seen,
        about,
        states.get(seen.state) or OF_RUNS.get(outcome, "failed"),
        now,
        now + dt.timedelta(seconds=float(left)) if left is not None else None,
        closes(config.windows, now) if config.windows is not None else None,
        next_due(config, now).at,
    )


def drawn(config: Config, render: Render, clock: Callable[[], dt.datetime]) -> Callable[[Following], tuple[str, str]]:
    """Return what draws the frame of a run that is followed: the page's title and its HTML."""

    def draw(seen: Following) -> tuple[str, str]:
        frame = frame_of(config, seen, clock())
        return frame.title, render("frame", f=frame)

    return draw


def told_lines(render: Render) -> Callable[[Sequence[Told]], list[tuple[int, str]]]:
    """Return what makes HTML of events, a line each, with their numbers."""

    def lines(found: Sequence[Told]) -> list[tuple[int, str]]:
        made = (line_of(one.record.seq, one.record.at, one.record.kind, one.event) for one in found)
        return [(line.seq, render("line", line=line)) for line in made]

    return lines


@dataclass(frozen=True, slots=True)
class RunPage:
    """A run that has ended, or one that is not the last: its tables as they ended, and what happened in it.

    `events`: those that are shown, of `recorded` in all; 0 where they are pruned, or no bulketl kept any then.
    """

    run: RunEntry
    state: State
    tables: Sequence[TableEnd]
    events: Sequence[Line]
    recorded: int
    every: bool
    told: Mapping[str, str]

    def why(self, one: TableEnd) -> str:
        """Return why a table failed, in words that may be shown anywhere."""
        return without_table(self.told.get(one.table) or "it failed; `bulketl runs show` says why", one.table)

    @property
    def sentence(self) -> str:
        """What became of the run, in a sentence."""
        counts = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(self.run.counts.items()))
        took = f" in {lasting(self.run.seconds)}" if self.run.seconds is not None else ""
        tables = count_of(sum(self.run.counts.values()), "table")
        return f"{self.run.kind.capitalize()} {self.run.outcome}{took}: {tables}{f', {counts}' if counts else ''}."

    def state_of(self, outcome: str) -> State:
        """Return in which state a table is that ended so."""
        return OF_OUTCOMES.get(outcome, "ontime")


def run_page(config: Config, run: str, *, every: bool = False) -> RunPage:
    """Return what became of a run. Raise PlanError when there is none; ConfigError or TargetError without a ledger.

    `every`: with the events of tables that went well.
    """
    with sight(config) as look:
        found = runlist.last_runs(look, config.target_schema, 1, run)
        if not found or found[0].schema != config.target_schema:
            raise PlanError(
                f"there is no run {run!r} into schema {config.target_schema!r} on record",
                hint="`bulketl runs list` shows the runs there were",
            )
        events, count = runlist.events_but(look, run, () if every else COMMON, EVENTS)
        entry = entry_of(found[0])
        return RunPage(
            entry, OF_RUNS.get(entry.outcome, "failed"), runlist.table_ends(look, run)[:ENDS],
            [_line(one) for one in events], count, every,
            {one.table: one.message for one in runlist.failures(look, [run])},
        )  # fmt: skip


def _line(one: Recorded) -> Line:
    return line_of(one.seq, one.at, one.kind, from_record(one.run, one.kind, one.body))


def run_list(config: Config) -> list[tuple[RunEntry, State]]:
    """Return the last runs, the last one first. Raise ConfigError or TargetError when the ledger cannot be used."""
    with sight(config) as look:
        found = [entry_of(one) for one in runlist.last_runs(look, config.target_schema, RUNS)]
    return [(one, OF_RUNS.get(one.outcome, "failed")) for one in found]
