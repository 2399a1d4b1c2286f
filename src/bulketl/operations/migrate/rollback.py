"""The way back: the older pipeline's tables return to their places, all in one transaction, and it serves them again.

It touches nothing but the target, so it works while the source is down.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg

from bulketl.config.config import Config
from bulketl.connections.person import person
from bulketl.connections.retrying import patient
from bulketl.errors import BulketlError, PlanError, TargetError
from bulketl.loading.events import TableDone
from bulketl.loading.handovers import Told, tell
from bulketl.loading.record import recorded
from bulketl.operations.alerts.causes import Cause, of_tables
from bulketl.operations.alerts.tick import tick_alerts
from bulketl.operations.cancelling import cancel
from bulketl.operations.migrate.chosen import reasoned
from bulketl.operations.migrate.wayback import Returned, Sight, exchanges, look, refills_of
from bulketl.operations.reports.incident import incident
from bulketl.plan.plan import TableLoad, in_turn
from bulketl.plan.selection import Selection
from bulketl.postgres.ddl import name, own_rows
from bulketl.postgres.ledger import handovers, kept, moving, ownership, runlist, schema
from bulketl.postgres.ledger.kept import Kept
from bulketl.postgres.ledger.looking import looking
from bulketl.postgres.locks import alive
from bulketl.postgres.server import Connection, Postgres
from bulketl.postgres.write.exchange import Exchanged, exchange
from bulketl.postgres.write.freenames import free
from bulketl.postgres.write.refill import refill
from bulketl.postgres.write.spared import Spared
from bulketl.tables.owner import Owner
from bulketl.tables.printable import brief
from bulketl.tables.spec import TableSpec

_log = logging.getLogger("bulketl")
ENDED_SECONDS = 120.0  # that a run has to end once its driver took notice
LOOK_SECONDS = 0.5
Act = Literal["rollback", "demote"]


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a rollback did: its run, '' when it only looked or there was nothing to do, and the runs that it stopped first.

    `impossible`: tables that cannot come back, with why. `spared`: views that cannot be made over the older tables, and go
    into the schema `shadow`.
    """

    run: str
    schema: str
    act: Act
    tables: tuple[Returned, ...]
    impossible: tuple[tuple[str, str], ...]
    stopped: tuple[str, ...]
    views: int
    blocked: float
    seconds: float
    handed: Told
    report: int | None = None
    spared: tuple[Spared, ...] = ()
    shadow: str = ""

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, run=self.run, schema=self.schema, tables=len(self.tables))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        tables = [
            {"table": one.table, "tier": one.tier, "kept": one.kept.isoformat(timespec="seconds"), "rows": one.rows,
             "bytes": one.bytes, "now": one.now, "since": one.since._asdict(), "told": list(one.told)}
            for one in self.tables
        ]  # fmt: skip
        return {
            "run": self.run, "schema": self.schema, "act": self.act, "tables": tables, "impossible": dict(self.impossible),
            "stopped": list(self.stopped), "views": self.views, "blocked": round(self.blocked, 3),
            "seconds": round(self.seconds, 3), "handed": self.handed.to_json(), "report": self.report,
            "views_aside": [one._asdict() for one in self.spared],
        }  # fmt: skip


def rollback(
    config: Config, selection: Selection | None = None, *, reason: str, dry_run: bool = False, act: Act = "rollback"
) -> Rollback:
    """Let the older pipeline serve tables again, by default all that were promoted; a load under way is stopped first.

    bulketl's tables move into the shadow schema, with all that is on record of them. After a `rollback`, every load
    passes over them; after a `demote`, loads bring them beside the older tables as before. A table whose older rows no
    longer exist stays, and is named. Raise PlanError for a table that is not known, TargetError when others hold a lock;
    nothing is changed then.
    """
    began, meant = time.monotonic(), selection or Selection()
    why = reasoned(reason, f"a {act}")
    target = Postgres.of(config)
    sight = patient(look, target, config, meant, trying=dry_run)
    if dry_run or not sight.returned:
        handed = Told() if dry_run else tell(config)
        return _said(config, act, "", sight, (), Exchanged(0.0, 0, 0, spared=sight.spared), began, handed)
    stopped = _stop_runs(target, config)
    loads = (
        TableLoad(
            TableSpec(one.table, config.target_schema, (), (), "swap"), (), one.tier, f"{act}: {why}", one.rows or 0, 0
        )
        for one in sight.returned
    )
    source = next(iter(sight.sources)) if len(sight.sources) == 1 else ""
    plan = in_turn(source, config.target_schema, "", loads)
    with recorded(target, "rollback", plan, config, beside=config.shadow_schema) as run:
        sight = patient(look, target, config, meant)
        owner: Owner = "legacy" if act == "rollback" else "shadow"
        about = {"by": person(), "reason": why, "run": run.name, "owner": owner, "act": act}
        with target.connect() as connection:
            schema.create(connection, config.shadow_schema)
            done, told = _carried_out(connection, config, sight, about)
            for renamed in done.renamed:
                told.setdefault(renamed.table, []).append(renamed.words)
        for one in sight.returned:
            entry = run.summary.tables[one.table]
            entry.outcome, entry.rows = "rolled back", one.rows or 0
            run.note(TableDone(run.name, one.table, entry.outcome, entry.rows, 0, 0, 0.0))
    said = tuple(dataclasses.replace(one, told=(*one.told, *told.get(one.table, ()))) for one in sight.returned)
    found = _said(config, act, run.name, dataclasses.replace(sight, returned=said), stopped, done, began, tell(config))
    return dataclasses.replace(found, report=_reported(config, found, why))


def _reported(config: Config, found: Rollback, why: str) -> int | None:
    """Alert whoever hears of alerts, and return the number of the incident report; what fails is said and fails nothing."""
    cause = Cause(config.target_schema, found.run, "older pipeline", "rolled_back")
    text = f"{person()} gave it back: {why}; loads pass over it"
    hint = f"`bulketl report incident {found.run}` tells of it; `bulketl migrate promote` takes it over again"
    try:
        if config.alerts is not None:
            now = dt.datetime.now(dt.UTC)
            names = [one.table for one in found.tables]
            tick_alerts(config, now, list(of_tables(config, cause, names, text, hint, now)))
        return incident(config, found.run).number
    except BulketlError as error:
        _log.warning("the rollback is done, and is neither alerted nor reported: %s", error.public)
        return None


def _said(
    config: Config, act: Act, run: str, sight: Sight, stopped: tuple[str, ...], done: Exchanged, began: float, handed: Told
) -> Rollback:  # fmt: skip
    seconds = time.monotonic() - began
    return Rollback(
        run, config.target_schema, act, sight.returned, sight.impossible, stopped, done.views, done.seconds, seconds, handed,
        spared=done.spared, shadow=config.shadow_schema,
    )  # fmt: skip


def _stop_runs(target: Postgres, config: Config) -> tuple[str, ...]:
    """Stop every run into the schema that somebody carries out, and wait for its end; return which there were.

    One without its locks is over, or ends by itself: whatever it would write asks for them first.
    """
    running = [run for run in patient(_open_runs, target, config.target_schema) if patient(_goes_on, target, run)]
    for run in running:
        try:
            cancel(config, run, at_once=True)
        except PlanError:  # it has ended meanwhile
            continue
        until = time.monotonic() + ENDED_SECONDS
        while patient(_goes_on, target, run):
            if time.monotonic() > until:
                raise TargetError(
                    f"run {run} was asked to end and goes on after {ENDED_SECONDS:.0f} s; nothing is rolled back meanwhile",
                    hint="end its process where it runs, or its connections in pg_stat_activity, and give the command again",
                )
            time.sleep(LOOK_SECONDS)
    return tuple(running)


def _open_runs(target: Postgres, schema_name: str) -> list[str]:
    with looking(target) as look:
        return runlist.open_runs(look, schema_name)


def _goes_on(target: Postgres, run: str) -> bool:
    with target.connect() as connection:
        return alive(connection, run)


def _carried_out(
    connection: Connection, config: Config, sight: Sight, about: Mapping[str, Any]
) -> tuple[Exchanged, dict[str, list[str]]]:
    """Bring the older tables back, and ours into the shadow schema, in one transaction; return what else became of some."""
    into, shadow = config.target_schema, config.shadow_schema
    tables = list(sight.kept)
    with connection.transaction():
        told = {table: _made_room(connection, shadow, table) for table in tables if table in sight.beside}
        moving.move(connection, tables, into, shadow)
        ownership.own(connection, into, tables, about["owner"], about)
        kept.end(connection, into, tables, "put back", about["run"])
        document = {"owner": about["owner"], "reason": about["reason"]}
        handovers.note(connection, into, about["run"], about["act"], tables, document)
        ours = {one.table: sight.here[one.table].oid for one in sight.kept.values() if one.table in sight.here}
        staying = [one for one in sight.kept.values() if one.way == "copied" and one.table in ours]
        ours |= _rows_back(connection, config, sight, staying) if staying else {}
        moving.take(connection, shadow, list(ours.items()), about["run"], "rolled back")
        done = exchange(connection, into, exchanges(connection, config, sight), shadow, sight.definitions)
        for place in {one.place for one in sight.kept.values()}:
            kept.drop_empty(connection, place)
    return done, {table: [words] for table, words in told.items() if words}


def _made_room(connection: Connection, shadow: str, table: str) -> str:
    """Drop bulketl's older table beside, for the one that comes; one on which something hangs gets another name, said."""
    try:
        with connection.transaction():
            connection.execute(f"DROP TABLE {name(shadow, table)}".encode())
    except psycopg.errors.DependentObjectsStillExist:
        query = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
        now = free(table, {relation for (relation,) in connection.execute(query, (name(shadow),))})
        connection.execute(f"ALTER TABLE {name(shadow, table)} RENAME TO {name(now)}".encode())
        return f"the table that had its name in schema {shadow!r} is called {now} now, because something hangs on it"
    return ""


def _rows_back(connection: Connection, config: Config, sight: Sight, staying: Sequence[Kept]) -> dict[str, int]:
    """Give tables that stay the older rows again, ours tables in the shadow schema; return the oids of these."""
    into, shadow = config.target_schema, config.shadow_schema
    refills = refills_of(connection, sight, staying)
    rows = {one.table: own_rows(into, one.table, one.partitioned) for one in refills}
    places = ", ".join(rows[table] for table in sorted(rows))
    connection.execute(f"LOCK TABLE {places} IN SHARE ROW EXCLUSIVE MODE".encode())
    for table, there in rows.items():
        connection.execute(f"CREATE TABLE {name(shadow, table)} (LIKE {name(into, table)} INCLUDING INDEXES)".encode())
        connection.execute(f"INSERT INTO {name(shadow, table)} SELECT * FROM {there}".encode())
    refill(connection, into, refills)
    for one in refills:
        connection.execute(f"DROP TABLE {name(*one.source)}".encode())
    found = connection.execute(
        "SELECT c.relname, c.oid::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = ANY(%s)", (shadow, list(rows)),
    )  # fmt: skip
    return {table: int(oid) for table, oid in found}
