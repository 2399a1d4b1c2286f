"""What `verify` found, told to people: tables that differ from their source, and that they are equal again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from bulketl.config.config import Config
from bulketl.operations.alerts.causes import Cause, Heard, Relief, of_tables
from bulketl.operations.alerts.tick import Done, tick_alerts
from bulketl.tables.printable import count_of
from bulketl.verifying.verdicts import TableVerdict, Verification


def alert_verification(config: Config, found: Verification, now: dt.datetime | None = None) -> Done:
    """Tell people about tables that differ after a verification, or after its repair; return what was done.

    Raise ConfigError when no alerts are set, or when the spool cannot be written to.
    """
    moment = now or dt.datetime.now(dt.UTC)
    return tick_alerts(config, moment, list(_heard(config, found, moment)))


def _heard(config: Config, found: Verification, now: dt.datetime) -> Iterator[Heard]:
    occasion = found.run or f"verify-{now:%Y%m%d-%H%M%S}"
    cause = Cause(config.target_schema, occasion, "data", "verification", "verify", found.source)
    again = {verdict.table: verdict for verdict in found.again}
    verdicts = [again.get(verdict.table, verdict) for verdict in found.tables]
    if equal := tuple(verdict.table for verdict in verdicts if verdict.equal):
        yield Relief(occasion, equal, now, ("verification",))
    for verdict in verdicts:
        if not verdict.equal:
            hint = f"`bulketl verify --tables {verdict.table} --level {verdict.level}` shows which; --repair mends them"
            yield from of_tables(config, cause, [verdict.table], _text(verdict), hint, now)


def _text(verdict: TableVerdict) -> str:
    """Return how a table differs, in numbers."""
    counts = {
        "missing": verdict.missing, "differing": verdict.differing, "extra": verdict.extra, "doubled": verdict.doubled,
    }  # fmt: skip
    words = [f"{count_of(count, 'row')} {what}" for what, count in counts.items() if count]
    words += [f"{count_of(len(verdict.figures), 'figure')} not equal"] if verdict.figures else []
    return f"differs from its source: {', '.join(words)}" if words else "could not be compared with its source"
