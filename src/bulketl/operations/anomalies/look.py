"""Looking for what is not normal: in loads that nobody has judged yet, and for what is overdue now; the ledger keeps it.

The first one to look records it: the load that has just ended, a tick, or a person. `open_anomalies` only reads.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from bulketl.config.config import Config
from bulketl.config.windows import last_window
from bulketl.connections.retrying import patient
from bulketl.operations.anomalies.judging import Judged, judge, not_loaded
from bulketl.postgres.ledger import findings
from bulketl.postgres.ledger.findings import STANDING, Anomaly, Unjudged
from bulketl.postgres.ledger.schema import readable
from bulketl.postgres.server import Connection, Postgres

LOOKS_BACK = dt.timedelta(days=2)  # loads that ended earlier are no news to anybody


def find_anomalies(config: Config, now: dt.datetime | None = None) -> list[Anomaly]:
    """Look for what is not normal at `now` (aware), by default at this moment; record it, and return all open findings.

    Raise ConfigError or TargetError when the ledger cannot be used.
    """
    return patient(_find, config, now or dt.datetime.now(dt.UTC))


def _find(config: Config, now: dt.datetime) -> list[Anomaly]:
    with Postgres.of(config).connect() as connection:
        if not readable(connection):
            return []
        look(config, connection, now)
        return findings.read_findings(connection, config.target_schema)


def open_anomalies(config: Config, connection: Connection, now: dt.datetime) -> list[Anomaly]:
    """Return what is not normal at that moment (aware), and record nothing: for whoever may only read the ledger.

    Of loads that nobody has judged yet nothing is known here.
    """
    kept = findings.read_findings(connection, config.target_schema)
    return [one for one in kept if one.kind not in STANDING] + overdue(config, connection, now)


def look(config: Config, connection: Connection, now: dt.datetime) -> None:
    """Judge the loads that nobody has judged, and what is overdue at that moment; put both on record."""
    for run in findings.unjudged(connection, config.target_schema, now - LOOKS_BACK):
        findings.note_lags(connection, run.run)
        findings.record(connection, config.target_schema, run.run, list(_of_run(config, connection, run, now)))
    findings.record_standing(connection, config.target_schema, overdue(config, connection, now))


def _of_run(config: Config, connection: Connection, run: Unjudged, now: dt.datetime) -> Iterator[Anomaly]:
    """Yield what is not normal of the tables that a run loaded."""
    judged = Judged(run.run, run.source, config.target_schema, now, run.resumed)
    otherwise = findings.planned_otherwise(connection, run.run)
    by_table: dict[str, list[findings.LoadFigures]] = {}
    for one in findings.figures(connection, run.run):
        by_table.setdefault(one.table, []).append(one)
    for table, (one, *nights) in by_table.items():
        if table not in otherwise and one.days == 0:
            yield from judge(judged, one, nights, config.rule(table).expect)


def overdue(config: Config, connection: Connection, now: dt.datetime) -> list[Anomaly]:
    """Return what is overdue at that moment, and record nothing: tables not loaded for too long, a window without a run."""
    window = last_window(config.windows, now) if config.windows else None
    schema, found = config.target_schema, list[Anomaly]()
    for one in findings.last_well(connection, schema):
        rule = config.rule(one.table)
        if not rule.exclude:
            tier = rule.table_importance
            late = not_loaded(schema, one, tier, rule.expect.loaded_within(tier), now, window[1] if window else None)
            found += [late] if late else []
    return found + ([missed] if window and (missed := _no_run(config, connection, window, now)) else [])


def _no_run(
    config: Config, connection: Connection, window: tuple[dt.datetime, dt.datetime], now: dt.datetime
) -> Anomaly | None:
    """Return that no load was on in the window that closed last; before the first load of all nobody expects one."""
    begin, end = window
    run, source, began, since = findings.last_runs(connection, config.target_schema, begin)
    if since or began is None:
        return None
    value, bound = (now - began).total_seconds(), (end - began).total_seconds()
    return Anomaly("", STANDING[1], run, source, config.target_schema, "critical", value, None, bound, 0, now)
