"""The record of a run: whatever writes to tables begins on record, holds its locks, and ends there however it ends."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bulketl.connections.retrying import patient
from bulketl.errors import BulketlError, TargetError
from bulketl.loading.summary import DONE, Summary, TableSummary
from bulketl.plan.footing import stand
from bulketl.plan.plan import Plan, fingerprint
from bulketl.postgres.demands import read_footing
from bulketl.postgres.ledger import runs, schema
from bulketl.postgres.ledger.runs import End, Kind, Start
from bulketl.postgres.locks import Locks, held, new_run
from bulketl.postgres.server import Connection, Postgres
from bulketl.postgres.write.copy import close
from bulketl.tables.checks import counts_to_json

Before = Callable[[Connection, str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is under way: its name, its locks, and what became of its tables so far, which its record will say.

    `reasons`: why each table is in it.
    """

    name: str
    locks: Locks
    summary: Summary
    reasons: dict[str, str]

    @contextlib.contextmanager
    def at(self, table: str) -> Iterator[TableSummary]:
        """Give a table's entry while it is worked at; it says `loaded` afterwards, or why that failed."""
        entry = self.summary.tables[table]
        began = time.monotonic()
        try:
            yield entry
            if entry.outcome == "unfinished":
                entry.outcome = "loaded"
        except BulketlError as error:
            entry.outcome, entry.error = "failed", type(error).__name__
            entry.message, entry.hint = error.message, error.hint
            raise
        finally:
            entry.seconds = round(time.monotonic() - began, 3)


@contextlib.contextmanager
def recorded(target: Postgres, kind: Kind, plan: Plan, *, before: Before | None = None, resumed: str = "") -> Iterator[Run]:
    """Hold the locks of a run, and have it on record with its plan, its outcome and what became of each table.

    `before`: what is done under the locks before it is on record; called with a connection and the run's name, perhaps
    twice. `resumed`: the run on record that goes on. Raise TargetError when another run has one of the locks, or the record
    cannot be written. A load that an error ends is interrupted, and can be resumed; another kind has failed.
    """
    name = resumed or new_run()
    # Retention reads no source, so it waits for no load from one; into a schema there is one at a time.
    source = f"retention {plan.schema}" if kind == "retention" else plan.source
    tables = {item.spec.table: item for item in plan.loads}
    with held(target, name, source, plan.schema, list(tables)) as locks:
        patient(_begin, target, name, kind, plan, before)
        run = Run(name, locks, Summary(), {table: item.reason for table, item in tables.items()})
        run.summary.tables = {table: TableSummary(table, item.tier, item.rows) for table, item in tables.items()}
        began = time.monotonic()
        outcome = "interrupted"
        try:
            yield run
            outcome = run.summary.outcome
        except Exception:
            if kind != "load":
                done = any(table.outcome in DONE for table in run.summary.tables.values())
                outcome = "partly done" if done else "failed"
            raise
        finally:
            close(name)
            run.summary.seconds = run.summary.seconds or time.monotonic() - began
            if isinstance(sys.exception(), KeyboardInterrupt):  # who ends it does not wait; it goes on without a record too
                with contextlib.suppress(TargetError):
                    _end(target, run, outcome)
            else:
                patient(_end, target, run, outcome)


def _begin(target: Postgres, run: str, kind: Kind, plan: Plan, before: Before | None) -> None:
    stored = plan.to_json()
    with target.connect() as connection:
        stand(read_footing(connection, plan.schema), plan)
        schema.create(connection, plan.schema)
        if before is not None:
            before(connection, run)
        runs.start_run(connection, run, Start(kind, plan.source, plan.schema, plan.zone, fingerprint(stored), stored))


def _end(target: Postgres, run: Run, outcome: str) -> None:
    tables = [_entry(table, run.reasons) for table in run.summary.tables.values()]
    certificates = {name: table.certificate.to_json() for name, table in run.summary.tables.items() if table.certificate}
    with target.connect() as connection:
        end = End(outcome, dict(run.summary.totals), run.summary.source_work)
        runs.end_run(connection, run.name, end, tables, certificates)


def _entry(table: TableSummary, reasons: dict[str, str]) -> dict[str, object]:
    values = dataclasses.asdict(table)
    return {
        **values,
        "reason": reasons.get(table.table, ""),
        "drift": list(table.drift),
        "checks": counts_to_json(table.checks),
        "error": table.message or None,
        "hint": table.hint or None,
    }
