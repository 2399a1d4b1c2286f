"""A table: what is wrong with it and since when, the two curves against its median, and all that is on record of it."""

from __future__ import annotations

import datetime as dt
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bulketl.config.config import Config
from bulketl.operations.anomalies import words as oddities
from bulketl.operations.dashboard.alertpage import Listed, listed
from bulketl.operations.dashboard.charts import Chart, chart
from bulketl.operations.dashboard.sight import sight
from bulketl.operations.dashboard.words import NAMES, Stand, stands
from bulketl.operations.history.status import standing_in
from bulketl.postgres.ledger import onetable, tableloads, verifications
from bulketl.postgres.ledger.looking import INDEXED
from bulketl.postgres.ledger.onetable import Change, Comparison, LoadRecord, Range, Refused
from bulketl.postgres.ledger.tableloads import Night, TablePlace
from bulketl.postgres.ledger.verifications import Verified
from bulketl.tables.printable import without_table

LOADS = 60  # that the curves show
SHOWN = 14  # that are listed, unless somebody asks for all
ALL = 400
ALERTS = 10
VERIFIED = 12  # verifications


@dataclass(frozen=True, slots=True)
class TablePage:
    """All that is known of a table. `mark`: its cursor column and watermark, '' without one.

    `old`: the ledger is older than what the records here are found by.
    """

    stand: Stand
    place: TablePlace | None
    mark: tuple[str, str]
    loads: Sequence[LoadRecord]
    nights: Sequence[Night]
    every: bool
    ranges: Sequence[Range]
    range_count: int
    rejects: Sequence[Refused]
    before: Mapping[str, int]
    comparisons: Sequence[Comparison]
    changes: Sequence[Change]
    findings: Sequence[tuple[str, dt.datetime, bool]]
    chain: Sequence[Mapping[str, Any]]
    alerts: Sequence[Listed]
    verified: Sequence[Verified]
    allowed: float | None
    old: bool

    @property
    def sentence(self) -> str:
        """How the table stands, in a sentence; its name stands before it."""
        of = self.stand.of
        said = f" {NAMES[self.stand.state]}" if self.stand.state != "none" else " not due"
        why = without_table(of.why, of.table)
        return f"is{said}: {why}." if why else f"is{said}."

    @property
    def last(self) -> LoadRecord | None:
        """Its last load."""
        return self.loads[0] if self.loads else None

    @property
    def checks(self) -> list[tuple[str, str, float, int]]:
        """What was at fault: check, severity, the figure of its last load, and in how many of the loads it was."""
        last = {(severity, check): figure for severity, found in (self.last.checks if self.last else {}).items()
                for check, figure in found.items()}  # fmt: skip
        failed = Counter(
            (severity, check) for load in self.loads for severity, found in load.checks.items()
            for check, figure in found.items() if figure
        )  # fmt: skip
        return [(check, severity, last.get((severity, check), 0), failed[severity, check])
                for severity, check in sorted({*last, *failed}, key=lambda one: (-last.get(one, 0), one))]  # fmt: skip

    @property
    def charts(self) -> Sequence[Chart]:
        """Its seconds and rows of the last loads against the median of the 14 loads before each."""
        loads = list(reversed(self.loads[:LOADS]))
        if len(loads) < 2:
            return ()
        days = [load.began for load in loads]
        bad = frozenset(n for n, load in enumerate(loads) if load.outcome == "failed")
        seconds = [load.seconds if load.outcome == "loaded" else None for load in loads]
        rows = [float(load.rows) if load.outcome == "loaded" else None for load in loads]
        return (chart("Seconds", "s", days, seconds, bad), chart("Rows read", "rows", days, rows, bad))

    @property
    def usual_rows(self) -> float | None:
        """The median of the rows that its last 14 loads read."""
        found = [load.rows for load in self.loads[:14] if load.outcome == "loaded"]
        return statistics.median(found) if found else None


def beside(config: Config, table: str, now: dt.datetime) -> tuple[Config, Stand | None]:
    """Return how a table that is loaded beside an older pipeline stands, and the configuration of the loads that have it.

    None when no load had it. Raise ConfigError or TargetError when the ledger cannot be used.
    """
    from bulketl.operations.migrate.sides import shadowed

    ours = shadowed(config)
    with sight(ours) as look:
        found = [one for one in standing_in(look, ours, now).tables if one.table == table and one.run]
    return ours, next(iter(stands(found)), None)


def table_page(config: Config, stand: Stand, now: dt.datetime, *, every: bool = False) -> TablePage:
    """Return what is known of a table that stands so at that moment; `every`: with all its loads.

    Raise ConfigError or TargetError when the ledger cannot be used.
    """
    schema, table = config.target_schema, stand.of.table
    with sight(config) as look:
        loads = onetable.loads_of(look, schema, table, ALL if every else LOADS)
        old = look.version < INDEXED
        nights = tableloads.nights_of(look, schema, table, SHOWN) if old else []
        runs = [load.run for load in loads]
        with_rows = [load.run for load in loads if load.outcome in ("loaded", "failed")]
        ranges, range_count = onetable.ranges_of(look, schema, table, with_rows[0]) if with_rows else ([], 0)
        rejects = onetable.rejects_of(look, schema, table, with_rows[:2]) if with_rows else []
        alerts = listed(look, schema, now, every=True, table=table, first=ALERTS)
        allowed = config.rule(table).expect.loaded_within(stand.of.tier)
        return TablePage(
            stand,
            tableloads.places(look, schema).get(table),
            onetable.mark_of(look, schema, table) if look.version else ("", ""),
            loads,
            nights,
            every,
            ranges,
            range_count,
            [one for one in rejects if one.run == with_rows[0]],
            {one.column: one.rows for one in rejects if one.run != with_rows[0]},
            [] if old else onetable.comparisons_of(look, schema, table, runs),
            [] if old else onetable.changes_of(look, schema, table),
            [] if old else [(oddities.told(one), one.at, open_) for one, open_ in onetable.findings_of(look, schema, table)],
            [] if old else onetable.chain_of(look, schema, table),
            alerts,
            verifications.last(look.connection, schema, table, VERIFIED),
            allowed.total_seconds() if allowed is not None else None,
            old,
        )
