"""The record of a run: whatever writes to tables begins on record, holds its locks, and ends there, however it ends."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.errors import BugError, BulketlError, RunCancelledError, TargetError
from bulketl.loading.events import Event, HookRan, RunCancelled, RunEnded, RunStarted, TableDone, TableFailed, TableStarted
from bulketl.loading.hooks import About, Caller
from bulketl.loading.journal import Journal
from bulketl.loading.logs import log
from bulketl.loading.referring import kept, untied
from bulketl.loading.summary import DONE, Summary, TableSummary
from bulketl.plan.footing import stand
from bulketl.plan.plan import Plan, fingerprint
from bulketl.postgres.demands import read_footing
from bulketl.postgres.ledger import runs, schema
from bulketl.postgres.ledger.runs import READING_NOTHING, End, Kind, Start
from bulketl.postgres.locks import Locks, held, new_run
from bulketl.postgres.server import Connection, Postgres
from bulketl.postgres.write.copy import close
from bulketl.postgres.write.referring import Tied
from bulketl.tables.checks import counts_to_json

_log = logging.getLogger("bulketl")
Before = Callable[[Connection, str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is under way: its name, its locks, and what became of its tables so far, which its record will say.

    `reasons`: why each table is in it. `journal`: what puts its events on record. `hooks`: what a person has run at these;
    what came of it is in `told`, for whoever tells observers.
    """

    name: str
    locks: Locks
    summary: Summary
    reasons: dict[str, str]
    journal: Journal
    hooks: Caller
    told: deque[HookRan]

    def note(self, event: Event) -> None:
        """Have an event logged and put on record, and what a person wants at it run; this waits for nothing."""
        self.journal.note(event)
        log(event)
        self.hooks.note(event)

    @contextlib.contextmanager
    def at(self, table: str) -> Iterator[TableSummary]:
        """Give a table's entry while it is worked at; it says `loaded` afterwards, or why that failed.

        Raise RunCancelledError, before it is begun, when somebody has asked for the end of the run.
        """
        self._go_on(table)
        entry = self.summary.tables[table]
        began = time.monotonic()
        self.note(TableStarted(self.name, table))
        try:
            yield entry
            if entry.outcome == "unfinished":
                entry.outcome = "loaded"
        except Exception as raised:
            error = raised if isinstance(raised, BulketlError) else BugError.of(raised, table)
            entry.outcome, entry.error = "failed", type(error).__name__
            entry.message, entry.hint, entry.public = error.message, error.hint, error.public
            entry.reference = error.reference
            raise
        finally:
            entry.seconds = round(time.monotonic() - began, 3)
            if entry.outcome != "unfinished":  # as an interruption leaves it, which the end of the run tells
                self.note(_ended(self.name, entry))

    def _go_on(self, table: str) -> None:
        if (asked := self.journal.cancel) is not None:
            self.note(RunCancelled(self.name, asked.by, asked.at_once))
            raise RunCancelledError(
                f"run {self.name} was cancelled by {asked.by} before it came to table {table!r}",
                hint="the tables before it are done and stay so; give the command again for the others",
            )


@contextlib.contextmanager
def recorded(
    target: Postgres,
    kind: Kind,
    plan: Plan,
    config: Config,
    *,
    before: Before | None = None,
    resumed: str = "",
    beside: str = "",
) -> Iterator[Run]:
    """Hold the locks of a run, and have it on record with its plan, its outcome and what became of each table.

    `before`: what is done under the locks before it is on record; called with a connection and the run's name, perhaps
    twice. `resumed`: the run on record that goes on. `beside`: another schema, of which the tables with the same names are
    locked too. Raise TargetError when another run has one of the locks, or the record cannot be written. A load that an
    error ends is interrupted, and can be resumed; another kind has failed. What hooks do at its end they do when that is on
    record and its locks are free.
    """
    name = resumed or new_run()
    # What reads no source waits for no load from one; into a schema there is one of each kind at a time.
    source = f"{kind} {plan.schema}" if kind in READING_NOTHING else plan.source
    tables = {item.spec.table: item for item in plan.loads}
    document = plan.to_json()
    with contextlib.ExitStack() as afterwards, held(target, name, source, plan.schema, list(tables), beside) as locks:
        start = Start(kind, plan.source, plan.schema, plan.zone, fingerprint(document), document, config.fingerprint)
        tied = patient(_begin, target, name, start, plan, before, again=bool(resumed))
        journal = Journal(target, name, resumed=bool(resumed))
        summary, told = Summary(), deque[HookRan]()
        caller = Caller(config.hooks, About(name, kind, plan.source, plan.schema), partial(_tell, summary, journal, told))
        run = Run(name, locks, summary, {table: item.reason for table, item in tables.items()}, journal, caller, told)
        afterwards.callback(_end_hooks, target, kind, run)
        if kind != "load":  # of which the engine tells more
            run.note(_started(name, kind, plan))
        run.summary.tables = {table: TableSummary(table, item.tier, item.rows) for table, item in tables.items()}
        began = time.monotonic()
        outcome = "interrupted"
        try:
            with untied(target, plan, tied, run.summary, load=kind == "load"):
                yield run
            outcome = run.summary.outcome
        except RunCancelledError:
            outcome = "stopped"
            raise
        except Exception:
            if kind != "load":
                done = any(table.outcome in DONE for table in run.summary.tables.values())
                outcome = "partly done" if done else "failed"
            raise
        finally:
            close(name)
            run.summary.seconds = run.summary.seconds or time.monotonic() - began
            run.note(RunEnded(name, outcome, run.summary.seconds))
            journal.stop()
            if isinstance(sys.exception(), KeyboardInterrupt):  # who ends it does not wait; it goes on without a record too
                with contextlib.suppress(TargetError):
                    _end(target, run, outcome)
            else:
                patient(_end, target, run, outcome)


def _begin(target: Postgres, run: str, start: Start, plan: Plan, before: Before | None, *, again: bool) -> list[Tied]:
    """Have the run on record; return the foreign keys that are in its way."""
    with target.connect() as connection:
        stand(read_footing(connection, plan.schema), plan)
        schema.create(connection, plan.schema)
        runs.end_dead(connection, plan.schema)
        if before is not None:
            before(connection, run)
        if not runs.start_run(connection, run, start) and not again:
            raise TargetError(
                f"run {run} is on record already: another one of the same second has this name by chance",
                hint="give the command again",
            )
        return kept(connection, plan)


def _end(target: Postgres, run: Run, outcome: str) -> None:
    tables = [_entry(table, run.reasons) for table in run.summary.tables.values()]
    certificates = {name: table.certificate.to_json() for name, table in run.summary.tables.items() if table.certificate}
    with target.connect() as connection:
        run.journal.write(connection)
        end = End(outcome, dict(run.summary.totals), run.summary.source_work)
        runs.end_run(connection, run.name, end, tables, certificates)


def _tell(summary: Summary, journal: Journal, told: deque[HookRan], ran: HookRan) -> None:
    for take in (summary.add, journal.note, told.append):
        take(ran)


def _end_hooks(target: Postgres, kind: Kind, run: Run) -> None:
    """Carry out what hooks have left to do, and put on record what came of it; a target that is gone takes no more.

    An interruption ends the hooks, and not the run, which is over.
    """
    over = sys.exception() is None
    try:
        run.hooks.end()
    except KeyboardInterrupt:
        if not over:
            raise
    finally:
        for name, hook in run.summary.hooks.items() if kind != "load" else ():  # of a load its summary tells
            if hook.failed:
                _log.warning("hook %s: %s", name, hook.public)
        if run.journal.waits and (over or run.summary.hooks):  # an interrupted run waits for no target once more
            with contextlib.suppress(TargetError):
                patient(_write_journal, target, run)


def _write_journal(target: Postgres, run: Run) -> None:
    with target.connect() as connection:
        run.journal.write(connection)


def _started(run: str, kind: Kind, plan: Plan) -> RunStarted:
    tables = {item.spec.table: (item.rows, str(item.tier)) for item in plan.loads}
    return RunStarted(run, plan.source, plan.schema, plan.zone, tables, kind=kind)


def _ended(run: str, entry: TableSummary) -> TableDone | TableFailed:
    """Return the event of a table that a run which is no load has worked at."""
    if entry.outcome in (*DONE, "unchanged"):
        return TableDone(run, entry.table, entry.outcome, entry.rows, entry.deleted or 0, entry.rejects, entry.seconds)
    told = (entry.error, entry.message, entry.hint)
    return TableFailed(run, entry.table, *told, entry.seconds, entry.rejects, public=entry.public, reference=entry.reference)


def _entry(table: TableSummary, reasons: dict[str, str]) -> dict[str, object]:
    values = dataclasses.asdict(table)
    return {
        **values,
        "reason": reasons.get(table.table, ""),
        "drift": list(table.drift),
        "checks": counts_to_json(table.checks),
        "error": table.public or table.message or None,  # people read the ledger for years: no row is quoted there
        "hint": table.hint or None,
    }
