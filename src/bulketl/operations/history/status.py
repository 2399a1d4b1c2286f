"""`status`: how every table stands now, which runs are on or died, when the next window opens."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bulketl.config.config import Config
from bulketl.config.windows import closed, closes, opens
from bulketl.connections.retrying import patient
from bulketl.errors import DONE, FAILED, PARTLY_DONE
from bulketl.operations.history.alerts import OpenAlert, open_alerts
from bulketl.operations.history.behind import Behind, ask_source
from bulketl.operations.history.runs import RunEntry, entry_of
from bulketl.operations.history.standing import FINE, WRONG, Expected, Known, Standing, Word, plain, standing_of
from bulketl.postgres.ledger import ownership, runlist, tableloads
from bulketl.postgres.ledger.findings import Anomaly, read_findings
from bulketl.postgres.ledger.looking import JUDGED, Look, looking
from bulketl.postgres.server import Postgres
from bulketl.tables.patterns import fitting
from bulketl.tables.printable import brief, count_of
from bulketl.tables.spec import TIERS, Tier

_EVER = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
HINT = "check the spelling, and the schema: `bulketl status -v` lists the tables"


@dataclass(frozen=True, slots=True)
class Window:
    """The window for loads: `open_until` while one is open, else None; `next`: when the next one opens."""

    open_until: dt.datetime | None
    next: dt.datetime


@dataclass(frozen=True, slots=True)
class Status:
    """How the tables of a schema stand at `now`, the worst first.

    `last`: the last run into the schema, of whatever kind, None when there was none. `running`: the runs that are on;
    `dead`: those that nobody carries out any more though they have not ended. `window`: None when none is set. `elsewhere`:
    other schemas in this ledger, with how many tables each has. `note`: what is to be known of the ledger's version.
    """

    schema: str
    now: dt.datetime
    tables: tuple[Standing, ...]
    last: RunEntry | None
    running: tuple[RunEntry, ...]
    dead: tuple[RunEntry, ...]
    window: Window | None
    alerts: tuple[OpenAlert, ...]
    elsewhere: tuple[tuple[str, int], ...]
    note: str

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, schema=self.schema, tables=len(self.tables), attention=len(self.attention), exit=self.exit_code)

    def _repr_html_(self) -> str:
        """Return a table for a notebook, the worst first."""
        from bulketl.tables.notebook import html_table  # notebooks only: html is slow to load

        rows = [
            (one.table, one.tier, one.word, one.at and f"{one.at:%Y-%m-%d %H:%M}", one.rows, one.why) for one in self.tables
        ]
        caption = f"{self.schema}: {', '.join(f'{count} {word}' for word, count in self.counts.items()) or 'no tables'}"
        return html_table(caption, ("table", "tier", "stands", "loaded", "rows", "why"), rows)

    @property
    def attention(self) -> list[Standing]:
        """The tables that somebody has to look at, the worst first."""
        return [item for item in self.tables if item.word not in FINE]

    @property
    def counts(self) -> dict[Word, int]:
        """How many tables stand how."""
        return dict(Counter(item.word for item in self.tables))

    @property
    def exit_code(self) -> int:
        """0 when all is well, 1 when something failed or is overdue or a run died, 3 when there are only warnings."""
        if self.dead or any(item.word in WRONG and item.blocks for item in self.tables):
            return FAILED
        return PARTLY_DONE if self.attention or self.alerts or not self.tables else DONE

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, times in ISO 8601."""
        window = None if self.window is None else plain({"open_until": self.window.open_until, "next": self.window.next})
        return {
            "schema": self.schema,
            "now": self.now.isoformat(timespec="seconds"),
            "exit_code": self.exit_code,
            "note": self.note,
            "counts": self.counts,
            "last_run": self.last.to_json() if self.last else None,
            "running": [run.to_json() for run in self.running],
            "dead": [run.to_json() for run in self.dead],
            "window": window,
            "alerts": [plain(alert._asdict()) for alert in self.alerts],
            "elsewhere": dict(self.elsewhere),
            "tables": [table.to_json() for table in self.tables],
        }


def status(
    config: Config,
    tables: Sequence[str] = (),
    tiers: Sequence[Tier] = (),
    *,
    now: dt.datetime | None = None,
    source: bool = False,
) -> Status:
    """Return how the tables of the target's schema stand, from the ledger alone; `tables`: names or patterns, empty for all.

    `now`: aware, by default the present. `source`: also ask the source how far each table is behind it.

    Raise ConfigError or TargetError when the target cannot be used, or its ledger is locked; PlanError when a pattern
    fits nothing. If the source does not answer, the status of each table says so.
    """
    moment = now or dt.datetime.now(dt.UTC)
    found = patient(_status, config, moment)
    wanted = fitting([item.table for item in found.tables], tables, config.target_schema, HINT)
    chosen = tuple(item for item in found.tables if item.table in wanted and (not tiers or item.tier in tiers))
    if source:
        chosen = _asked(config, chosen)
    return Status(
        found.schema, moment, chosen, found.last, found.running, found.dead, found.window, found.alerts, found.elsewhere,
        found.note,
    )  # fmt: skip


def _asked(config: Config, tables: Sequence[Standing]) -> tuple[Standing, ...]:
    """Return tables with how far they are behind the source, which is asked."""
    with looking(Postgres.of(config)) as look:
        known = tableloads.places(look, config.target_schema)
    behind = ask_source(config, [known[item.table] for item in tables if item.table in known])
    never = Behind(unknown="never loaded")
    return tuple(
        dataclasses.replace(item, lag=dataclasses.replace(item.lag, source=behind.get(item.table, never))) for item in tables
    )


def _status(config: Config, now: dt.datetime) -> Status:
    with looking(Postgres.of(config)) as look:
        return standing_in(look, config, now)


def standing_in(look: Look, config: Config, now: dt.datetime, *, past: bool = False) -> Status:
    """Return how the tables of the target's schema stand, in a look that is open.

    `past`: how they stood at that moment, by the loads that had begun, and without what was open then: runs, alerts.
    """
    schema = config.target_schema
    names = [] if past else runlist.open_runs(look, schema)
    open_ = [run for name in names for run in runlist.last_runs(look, schema, 1, name)]
    last = runlist.last_runs(look, schema, 1, began=(_EVER, now) if past else None)
    everything = _known(config, look, [run.run for run in open_], now if past else None)
    others = ownership.others(look.connection, schema, migrating=config.migration is not None)
    known = [one for one in everything if one.table not in others]
    left = len(everything) - len(known)
    served = f"the older pipeline serves {count_of(left, 'table')} more: `bulketl migrate status`" if left else ""
    expected = _expected(config, known, now)
    standings = sorted((standing_of(one, expected, now) for one in known), key=lambda item: item.rank)
    return Status(
        schema,
        now,
        tuple(standings),
        entry_of(last[0]) if last else None,
        tuple(entry_of(run) for run in open_ if run.alive),
        tuple(entry_of(run) for run in open_ if not run.alive),
        None if config.windows is None else Window(closes(config.windows, now), opens(config.windows, now)),
        () if past else open_alerts(look, schema),
        tuple(tableloads.elsewhere(look, schema)),
        "; ".join(filter(None, (look.note, served))),
    )


def _known(config: Config, look: Look, open_: Sequence[str], past: dt.datetime | None) -> list[Known]:
    """Return what is known of every table that was loaded, or that the rules say is to be; `past`: as of that moment."""
    schema = config.target_schema
    records = {record.table: record for record in tableloads.last_loads(look, schema, past)}
    found = {} if past else tableloads.places(look, schema)  # which says how far tables are now
    ended = {record.run for record in records.values() if record.outcome == "failed"}
    failed, told = {}, {}
    for item in runlist.failures(look, [*open_, *ended]):
        if item.run in open_:
            failed[item.table] = (item.run, item.at, item.message, item.hint)
        else:
            told[item.run, item.table] = item
    odd: dict[str, list[Anomaly]] = {}
    for one in read_findings(look.connection, schema, at=past) if look.version >= JUDGED else ():
        odd.setdefault(one.table, []).append(one)
    known = []
    for name in sorted({*records, *found, *failed, *_ruled(config)}):
        record = records.get(name)
        if config.ruled and config.rule(name).exclude:
            continue  # its rule has left it out since
        if record is not None and (public := told.get((record.run, name))):
            record = record._replace(error=public.message, hint=public.hint)  # without what a server said
        tier = config.rule(name).table_importance
        if not config.ruled and record is not None and record.tier in TIERS:
            tier = record.tier
        known.append(
            Known(
                name,
                tier,
                config.blocks(tier),
                record,
                found.get(name),
                failed.get(name),
                config.rule(name).expect.loaded_within(tier),
                tuple(odd.get(name, ())),
                record is not None and record.judged,
            )
        )
    return known


def _ruled(config: Config) -> list[str]:
    """Return the tables that a load has to bring by the rules: with an entry, or known of the source and not left out."""
    return [
        name for name in {*config.tables, *(config.known or ())} if not config.rule(name).exclude and not config.waits(name)
    ]


def _expected(config: Config, known: Sequence[Known], now: dt.datetime) -> Expected:
    if config.windows is None:
        return Expected()
    windows = closed(config.windows, now)
    begins = [begin for begin, _ in windows]
    every = max(((later - one).total_seconds() for later, one in itertools.pairwise(begins)), default=86400.0)
    last = max((item.record.began for item in known if item.record), default=None)
    return Expected(windows, every, bool(windows) and last is not None and last >= windows[0][0])
