"""The way back: the older pipeline's tables in their places again, all of them in one transaction, and served by it.

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
from bulketl.operations.migrate.chosen import chosen, reasoned
from bulketl.operations.reports.incident import incident
from bulketl.plan.plan import TableLoad, in_turn
from bulketl.plan.selection import Selection
from bulketl.postgres.ddl import name, own_rows
from bulketl.postgres.inspect import count_rows
from bulketl.postgres.known import known_of
from bulketl.postgres.ledger import handovers, kept, moving, ownership, runlist, schema
from bulketl.postgres.ledger.kept import Kept, Since
from bulketl.postgres.ledger.looking import looking
from bulketl.postgres.locks import alive
from bulketl.postgres.server import Connection, Postgres
from bulketl.postgres.write.exchange import Exchange, exchange, refill
from bulketl.tables.catalog import TargetTable
from bulketl.tables.owner import Owner
from bulketl.tables.printable import brief
from bulketl.tables.spec import TableSpec, Tier

_log = logging.getLogger("bulketl")
ENDED_SECONDS = 120.0  # that a run has to end once its driver took notice
LOOK_SECONDS = 0.5
Act = Literal["rollback", "demote"]


@dataclass(frozen=True, slots=True)
class Returned:
    """A table that the older pipeline serves again, or would: since when its rows are kept, how many and of what size.

    `since`: what loads did to the table in its place meanwhile, which is missing from it. `rows` and `now`: of the older
    table and of bulketl's, None when unknown. `told`: what else is to be known.
    """

    table: str
    tier: Tier
    kept: dt.datetime
    rows: int | None
    bytes: int
    now: int | None
    since: Since
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a rollback did: its run, '' when it only looked or there was nothing to do, and the runs that it stopped first.

    `impossible`: tables that cannot come back, with why. `owner`: who serves the tables from then on.
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
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Sight:
    """What there is to bring back: what is kept, what is in its place, and what stands in the shadow schema."""

    kept: dict[str, Kept]
    here: Mapping[str, TargetTable]
    beside: Mapping[str, TargetTable]
    returned: tuple[Returned, ...]
    impossible: tuple[tuple[str, str], ...]
    sources: frozenset[str]


def rollback(
    config: Config, selection: Selection | None = None, *, reason: str, dry_run: bool = False, act: Act = "rollback"
) -> Rollback:
    """Have the older pipeline serve tables again, all that were promoted by default; a load under way is stopped first.

    Bulketl's tables go into the shadow schema with all that is on record of them. After a `rollback` every load passes over
    them; after a `demote` they are loaded beside the older ones as before. Tables whose older rows are not there any more
    are left and named. Raise PlanError for a table that is not known, TargetError when others hold a lock; nothing was
    changed then.
    """
    began, meant = time.monotonic(), selection or Selection()
    why = reasoned(reason, f"a {act}")
    target = Postgres.of(config)
    sight = patient(_look, target, config, meant)
    if dry_run or not sight.returned:
        handed = Told() if dry_run else tell(config)
        return _said(config, act, "", sight, (), (0, 0.0), began, handed)
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
        sight = patient(_look, target, config, meant)
        owner: Owner = "legacy" if act == "rollback" else "shadow"
        about = {"by": person(), "reason": why, "run": run.name, "owner": owner, "act": act}
        with target.connect() as connection:
            schema.create(connection, config.shadow_schema)
            done = _carried_out(connection, config, sight, about)
        for one in sight.returned:
            entry = run.summary.tables[one.table]
            entry.outcome, entry.rows = "rolled back", one.rows or 0
            run.note(TableDone(run.name, one.table, entry.outcome, entry.rows, 0, 0, 0.0))
    found = _said(config, act, run.name, sight, stopped, done, began, tell(config))
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
    config: Config, act: Act, run: str, sight: _Sight, stopped: tuple[str, ...], done: tuple[int, float], began: float,
    handed: Told,
) -> Rollback:  # fmt: skip
    return Rollback(
        run, config.target_schema, act, sight.returned, sight.impossible, stopped, *done, time.monotonic() - began, handed
    )


def _look(target: Postgres, config: Config, selection: Selection) -> _Sight:
    with target.connect() as connection:
        into = config.target_schema
        there, gone = kept.kept(connection, into), kept.ended(connection, into)
        owners = {table for table, one in ownership.owners(connection, into).items() if one.owner == "bulketl"}
        asked = chosen(config, selection, {*there, *owners, *gone} if selection.tables else {*there, *owners})
        known = known_of(connection, into)
        beside = known_of(connection, config.shadow_schema)
        possible, impossible = [], []
        for table in asked:
            places = known.existing.get(table), beside.existing.get(table)
            if why := _against(config, there.get(table), gone.get(table), table in owners, *places):
                impossible.append((table, why))
            elif table in there:
                possible.append(table)
        counted = count_rows(connection, into, [table for table in possible if table in known.existing])
        after = kept.since(connection, into, possible)
        returned = tuple(
            _returned(connection, config, there[table], counted.get(table), after[table], known.existing.get(table))
            for table in possible
        )
        sources = frozenset(state.source for table in possible if (state := known.states.get(table)) and state.source)
        there = {table: there[table] for table in possible}
        return _Sight(there, known.existing, beside.existing, returned, tuple(impossible), sources)


def _against(
    config: Config,
    one: Kept | None,
    gone: tuple[str, dt.datetime] | None,
    owned: bool,
    here: TargetTable | None,
    beside: TargetTable | None,
) -> str:
    """Return why a table cannot come back, '' when it can, or need not."""
    if one is None:
        if not owned:
            return ""
        if gone is None:
            return "it was never promoted, so no older table is kept"
        return f"its older table is kept no more: {gone[0]} {gone[1]:%Y-%m-%d %H:%M}"
    if one.gone:
        return f"its older table is not in schema {one.place!r} any more: somebody dropped or replaced it"
    if here is not None and not here.ours:
        return "the one in its place is not bulketl's: somebody made it anew or renamed it; rename or drop that one first"
    if beside is not None and not beside.ours:
        return f"a table that is not bulketl's is in the way in schema {config.shadow_schema!r}: rename or drop it"
    return ""


def _returned(
    connection: Connection, config: Config, one: Kept, now: int | None, after: Since, here: TargetTable | None
) -> Returned:
    tier = config.rule(one.table).table_importance
    rows = count_rows(connection, one.place, [one.table]).get(one.table, one.rows) if one.place else 0
    told = []
    if one.way == "none":
        told.append("there was no older table, so none is in its place afterwards")
        if here is not None and here.views:
            told.append(f"{', '.join(here.views)} go on reading bulketl's, in schema {config.shadow_schema!r}")
    elif one.way == "moved" and here is not None:
        lacking = {column for column, _ in here.columns} - {*_columns(connection, one)}
        told += [
            f"{what} needs {', '.join(columns)}, which the older table lacks: drop or alter it first, or nothing comes back"
            for what, columns in here.needing(lacking)
            if not what.startswith("index ")
        ]
    if one.way == "copied":
        told.append("stays in its place and gets the older rows again")
    return Returned(one.table, tier, one.at, rows, one.bytes, now, after, tuple(told))


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


def _carried_out(connection: Connection, config: Config, sight: _Sight, about: Mapping[str, Any]) -> tuple[int, float]:
    """Bring the older tables back, and ours into the shadow schema, in one transaction; return views and seconds."""
    into, shadow = config.target_schema, config.shadow_schema
    tables = list(sight.kept)
    with connection.transaction():
        for table in tables:
            if table in sight.beside:  # of bulketl's own, and older than the one that comes
                try:
                    connection.execute(f"DROP TABLE {name(shadow, table)}".encode())
                except psycopg.errors.DependentObjectsStillExist as error:
                    raise TargetError(
                        f"table {name(shadow, table)} makes room for the one that comes from schema {into!r}, and"
                        f" something hangs on it: {error.diag.message_detail}",
                        hint="nothing was changed; drop what hangs on it, and give the command again",
                        said=str(error.diag.message_detail or ""),
                    ) from error
        moving.move(connection, tables, into, shadow)
        ownership.own(connection, into, tables, about["owner"], about)
        kept.end(connection, into, tables, "put back", about["run"])
        document = {"owner": about["owner"], "reason": about["reason"]}
        handovers.note(connection, into, about["run"], about["act"], tables, document)
        ours = {one.table: sight.here[one.table].oid for one in sight.kept.values() if one.table in sight.here}
        for one in sight.kept.values():
            if one.way == "copied" and one.table in ours:
                ours[one.table] = _rows_back(connection, into, shadow, one, sight.here[one.table])
        moving.take(connection, shadow, list(ours.items()), about["run"], "rolled back")
        changes = [_exchange(connection, shadow, one, sight) for one in sight.kept.values() if one.way != "copied"]
        done = exchange(connection, into, changes)
        for place in {one.place for one in sight.kept.values()}:
            kept.drop_empty(connection, place)
    return done.views, done.seconds


def _exchange(connection: Connection, shadow: str, one: Kept, sight: _Sight) -> Exchange:
    leaving = sight.here[one.table].oid if one.table in sight.here else 0
    return Exchange(one.table, one.place, one.oid, shadow, leaving, _columns(connection, one) if one.oid else ())


def _columns(connection: Connection, one: Kept) -> tuple[str, ...]:
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (one.oid,),
    )
    return tuple(column for (column,) in found)


def _rows_back(connection: Connection, into: str, shadow: str, one: Kept, here: TargetTable) -> int:
    """Give a table that stays the older rows again, ours a table in the shadow schema; return the oid of that one."""
    there, beside = name(into, one.table), name(shadow, one.table)
    rows = own_rows(into, one.table, here.partitioned)
    connection.execute(f"LOCK TABLE {rows} IN SHARE ROW EXCLUSIVE MODE".encode())
    connection.execute(f"CREATE TABLE {beside} (LIKE {there} INCLUDING INDEXES)".encode())
    connection.execute(f"INSERT INTO {beside} SELECT * FROM {rows}".encode())
    columns = [column for column in _columns(connection, one) if column in dict(here.columns)]
    key: Sequence[str] = here.primary_key if set(here.primary_key) <= set(columns) else ()
    change = Exchange(one.table, one.place, one.oid, "", here.oid, tuple(columns))
    refill(connection, into, change, key, partitioned=here.partitioned)
    connection.execute(f"DROP TABLE {name(one.place, one.table)}".encode())
    ((oid,),) = connection.execute("SELECT %s::regclass::oid::bigint", (beside,)).fetchall()
    return int(oid)
