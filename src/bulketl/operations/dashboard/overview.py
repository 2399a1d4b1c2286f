"""The overview: is the data in, and must somebody do something? All tables by tier, what is wrong, their last nights."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bulketl.config.config import Config
from bulketl.operations.dashboard.alertpage import Listed, listed
from bulketl.operations.dashboard.live import Moment
from bulketl.operations.dashboard.nights import Strip, Strips, first_night, night_of, strips
from bulketl.operations.dashboard.sight import sight
from bulketl.operations.dashboard.words import NAMES, STATES, Stand, State, counted, sentence, stands
from bulketl.operations.history.runs import RunEntry
from bulketl.operations.history.standing import FINE, Word
from bulketl.operations.history.status import Status, standing_in
from bulketl.operations.migrate.coming import Coming, coming_in
from bulketl.postgres.ledger.looking import Look
from bulketl.postgres.ledger.manynights import last_nights
from bulketl.tables.alike import for_many, of_tables
from bulketl.tables.printable import count_of, without_table
from bulketl.tables.spec import TIERS, Tier

NAMED = 12  # tables of which the same is said, by name
PAGE = 60  # tables of a page
_CLOSER: tuple[Word, ...] = ("rejected", "not normal", "slow", "overdue", "unfinished")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with some tables of which the same is to be said, and what to do about it."""

    state: State
    tables: Sequence[Stand]
    why: str
    hint: str

    @property
    def count(self) -> int:
        """How many tables they are."""
        return len(self.tables)

    @property
    def word(self) -> str:
        """The word for how they stand, the one of `bulketl status` where that says more."""
        word = self.tables[0].of.word
        return word if word in _CLOSER else NAMES[self.state]

    @property
    def tiers(self) -> str:
        """The tiers of the tables."""
        return ", ".join(tier for tier in TIERS if any(one.of.tier == tier for one in self.tables))


@dataclass(frozen=True, slots=True)
class TierLine:
    """A tier, or all of them as '': how its tables stand, how far behind the last of them is, and how far it may be."""

    tier: str
    state: State
    tables: int
    counts: Mapping[State, int]
    behind: float | None
    allowed: float | None


@dataclass(frozen=True, slots=True)
class Night:
    """A table with its last nights."""

    stand: Stand
    strip: Strip


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the pages about many tables show, of one moment."""

    status: Status
    stands: Sequence[Stand]
    strips: Strips
    alerts: Sequence[Listed]
    running: RunEntry | None
    sources: Sequence[str]
    coming: Coming | None = None  # of the migration that is configured

    @property
    def sentence(self) -> str:
        """How it stands, in a sentence; while a load is under way this comes first."""
        said = sentence(self.stands)
        if self.running is None:
            return said
        done = self.running.counts.get("published", 0)
        return f"A {self.running.kind} is under way, with {count_of(done, 'table')} in so far. {said}"

    @property
    def counts(self) -> Mapping[State, int]:
        """How many tables stand how."""
        return counted(self.stands)

    @property
    def troubles(self) -> list[Trouble]:
        """What needs somebody, the worst first; tables of which the same is to be said stand together."""
        found: dict[tuple[State, str, str], list[Stand]] = {}
        for one in self.stands:
            if one.of.why and one.of.word not in FINE:
                why, hint = without_table(one.of.why, one.of.table), for_many(one.of.hint, one.of.table)
                found.setdefault((one.state, why, hint), []).append(one)
        return [
            Trouble(state, tables, why, of_tables(hint, [one.of.table for one in tables]))
            for (state, why, hint), tables in found.items()
        ]

    def tiers(self, config: Config) -> list[TierLine]:
        """Return a line for each tier that has a table, and one for all of them where there are several."""
        groups: list[tuple[str, list[Stand]]] = [(tier, [s for s in self.stands if s.of.tier == tier]) for tier in TIERS]
        groups = [group for group in groups if group[1]]
        return [_tier_line(config, *group) for group in [*groups, *([("", list(self.stands))] if len(groups) > 1 else [])]]

    def nights(self, found: Sequence[Stand]) -> list[Night]:
        """Return tables with their last nights."""
        open_ = {run.run for run in self.status.running}
        run = self.status.last
        last = run.run if run and night_of(run.began, self.strips.zone) == self.strips.days[-1] else None
        return [
            Night(
                one,
                self.strips.of(
                    one.of.table,
                    never=one.state == "never",
                    last=one.state if one.state == "running" or one.of.run in open_ or one.of.run == last else None,
                ),
            )
            for one in found
        ]

    @property
    def mattering(self) -> list[Night]:
        """The tables that matter: critical ones, those not on time, and those with a night that was late or failed."""
        found = self.nights(self.stands)
        return [
            one for one in found
            if one.stand.of.tier == "critical" or one.stand.state not in ("ontime", "none") or one.strip.bad
        ]  # fmt: skip


def _tier_line(config: Config, tier: str, found: Sequence[Stand]) -> TierLine:
    behind = [one.of.lag.behind for one in found]
    known = [seconds for seconds in behind if seconds is not None]
    limits: set[dt.timedelta | None] = (
        {config.rule(one.of.table).expect.loaded_within(one.of.tier) for one in found} if tier else set()
    )
    allowed = max((limit for limit in limits if limit is not None), default=None)
    return TierLine(
        tier,
        min((one.state for one in found), key=STATES.index),
        len(found),
        counted(found),
        max(known) if known and len(known) == len(behind) else None,
        allowed.total_seconds() if allowed is not None else None,
    )


def overview(config: Config, now: dt.datetime, zone: dt.tzinfo, moment: Moment | None = None) -> Overview:
    """Return the overview of that moment, read in one look; `moment`: what is known of the run that is under way.

    Raise ConfigError or TargetError when the ledger cannot be used.
    """
    with sight(config) as look:
        return overview_in(look, config, now, zone, moment)


def overview_in(
    look: Look,
    config: Config,
    now: dt.datetime,
    zone: dt.tzinfo,
    moment: Moment | None = None,
    *,
    night: dt.date | None = None,
    past: bool = False,
) -> Overview:
    """Return the same in a look that is open, its strips up to a `night`.

    `past`: as it was at that moment, by the loads that had begun.
    """
    status = standing_in(look, config, now, past=past)
    nights = last_nights(look, config.target_schema, first_night(now, zone), now if past else None)
    alerts = [] if past else listed(look, config.target_schema, now)
    running = status.running[0] if status.running else None
    under_way = moment.tables if moment and running and moment.run == running.run else frozenset()
    return Overview(
        status,
        stands(status.tables, under_way),
        strips(nights, now, zone, night),
        alerts,
        running,
        sorted({one.source for one in status.tables if one.source}),
        None if past else coming_in(look, config),
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tables somebody wants to see: of a tier, in a state, with a name or pattern, from a source; and which page."""

    tier: Tier | None = None
    state: State | None = None
    table: str = ""
    source: str = ""
    page: int = 1

    def of(self, found: Sequence[Stand]) -> list[Stand]:
        """Return the tables that are chosen, of all pages."""
        pattern = self.table if any(char in self.table for char in "*?[") else f"*{self.table}*"
        return [
            one for one in found
            if self.tier in (None, one.of.tier) and self.state in (None, one.state)
            and (not self.source or one.of.source == self.source)
            and (not self.table or fnmatchcase(one.of.table.lower(), pattern.lower()))
        ]  # fmt: skip

    def part(self, found: Sequence[Stand]) -> tuple[Sequence[Stand], int]:
        """Return the tables of the page, and how many pages there are."""
        pages = max(1, -(-len(found) // PAGE))
        begin = (min(max(self.page, 1), pages) - 1) * PAGE
        return found[begin : begin + PAGE], pages


def choice(query: Mapping[str, str]) -> Choice:
    """Return what the query of an address asks for; what it misspells is left out."""
    tier, state, page = query.get("tier", ""), query.get("state", ""), query.get("page", "1")
    return Choice(
        next((one for one in TIERS if one == tier), None),
        next((one for one in STATES if one == state), None),
        query.get("table", "")[:200],
        query.get("source", "")[:500],
        int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
    )
