"""Runs as a list, one of them as a timeline, and one table through all of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError
from bulketl.operations.history.standing import plain
from bulketl.postgres.ledger import runlist, tableloads
from bulketl.postgres.ledger.looking import looking
from bulketl.postgres.ledger.runlist import RunRecord, TableEnd
from bulketl.postgres.ledger.tableloads import Night
from bulketl.postgres.server import Postgres
from bulketl.tables.printable import brief

FIRST = 20  # runs, nights or events that are shown when nobody says how many
COMMON = ("table_started", "partition_loaded", "table_published", "table_done")  # kinds of events of a run that goes well


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run on record. `outcome`: `running` while it is on, `dead` when nobody carries it out though it has not ended.

    `counts`: how many tables had which outcome, `published` while it has not ended. `failed`: the first tables that failed,
    and `error` why the first did. `seconds`: from begin to end, None for one that has not ended.
    """

    run: str
    kind: str
    outcome: str
    host: str
    version: str
    source: str
    schema: str
    began: dt.datetime
    ended: dt.datetime | None
    seconds: float | None
    rows: int
    rejects: int
    counts: dict[str, int]
    failed: tuple[str, ...]
    error: str
    resumable: bool

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, run=self.run, outcome=self.outcome, rows=self.rows)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, times in ISO 8601."""
        return plain(dataclasses.asdict(self))


def entry_of(record: RunRecord) -> RunEntry:
    """Return a run as people see it."""
    values = record._asdict()
    alive = values.pop("alive")
    outcome = record.outcome if record.ended is not None else "running" if alive else "dead"
    seconds = (record.ended - record.began).total_seconds() if record.ended else None
    return RunEntry(**{**values, "outcome": outcome}, seconds=seconds, resumable=runlist.resumable(record))


def runs(config: Config, first: int = FIRST) -> list[RunEntry]:
    """Return the last runs into the target's schema, the last one first: loads, repairs, retries, retentions.

    Raise ConfigError or TargetError when the target cannot be used, or its ledger is locked.
    """
    return patient(_runs, config, first)


def _runs(config: Config, first: int) -> list[RunEntry]:
    with looking(Postgres.of(config)) as look:
        return [entry_of(record) for record in runlist.last_runs(look, config.target_schema, first)]


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that happened in a run: `seconds` after its begin, the kind of event, and its values."""

    seconds: float
    kind: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened in a run: the `events` shown, in order, of `recorded` in all; `tables` as they ended, the slowest first.

    `recorded` is 0 for a run before events were kept, or whose events are pruned.
    """

    run: RunEntry
    tables: tuple[TableEnd, ...]
    events: tuple[Happened, ...]
    recorded: int

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, run=self.run, tables=len(self.tables), events=self.recorded)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, times in ISO 8601."""
        return {
            **self.run.to_json(),
            "tables": [table._asdict() for table in self.tables],
            "recorded": self.recorded,
            "events": [dataclasses.asdict(event) for event in self.events],
        }


def timeline(config: Config, run: str = "", first: int = FIRST, *, every: bool = False) -> Timeline:
    """Return what happened in a run, by default the last one into the schema; at most `first` events.

    `every`: also the events of tables that go well. Raise PlanError when there is no such run; also raise as `runs` does.
    """
    return patient(_timeline, config, "" if run == "last" else run, first, every)


def _timeline(config: Config, run: str, first: int, every: bool) -> Timeline:
    with looking(Postgres.of(config)) as look:
        name = run or runlist.last_run(look, config.target_schema)
        found = runlist.last_runs(look, config.target_schema, 1, name) if name else []
        if not found:
            which = f"no run {run!r}" if run else f"no run into schema {config.target_schema!r}"
            raise PlanError(f"there is {which} on record", hint="`bulketl runs list` shows the runs there were")
        events, count = runlist.events_but(look, name, () if every else COMMON, first)
        began = found[0].began
        happened = tuple(Happened((event.at - began).total_seconds(), event.kind, event.body) for event in events)
        return Timeline(entry_of(found[0]), tuple(runlist.table_ends(look, name)), happened, count)


@dataclass(frozen=True, slots=True)
class TableNights:
    """One table through its last runs, the last one first."""

    table: str
    schema: str
    nights: tuple[Night, ...]

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, schema=self.schema, nights=len(self.nights))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, times in ISO 8601."""
        return {"table": self.table, "schema": self.schema, "nights": [plain(night._asdict()) for night in self.nights]}


def nights(config: Config, table: str, first: int = FIRST) -> TableNights:
    """Return what became of a table in its last runs. Raise PlanError when no run had it, and raise as `runs` does."""
    return patient(_nights, config, table, first)


def _nights(config: Config, table: str, first: int) -> TableNights:
    with looking(Postgres.of(config)) as look:
        found: Sequence[Night] = tableloads.nights_of(look, config.target_schema, table, first)
    if not found:
        raise PlanError(
            f"no run on record had a table {table!r} into schema {config.target_schema!r}",
            hint="check the spelling, and the schema; `bulketl status -v` lists the tables",
        )
    return TableNights(table, config.target_schema, tuple(found))
