"""Promoting tables: bulketl's own take the place of the older pipeline's, all of them in one transaction."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from bulketl.config.config import Config
from bulketl.config.migration import Migration
from bulketl.connections.person import person
from bulketl.connections.retrying import patient
from bulketl.errors import BulketlError, PlanError
from bulketl.loading.events import TableDone
from bulketl.loading.handovers import Told, tell
from bulketl.loading.record import Run, recorded
from bulketl.operations.alerts.causes import Relief
from bulketl.operations.alerts.tick import tick_alerts
from bulketl.operations.migrate.chosen import chosen, reasoned
from bulketl.operations.migrate.prospects import How, Prospect, prospects
from bulketl.operations.migrate.ready import ready
from bulketl.operations.migrate.trials import refill_of, tried
from bulketl.plan.plan import Plan, TableLoad, in_turn
from bulketl.plan.selection import Selection
from bulketl.postgres.compare import views
from bulketl.postgres.ddl import columns, name, own_rows
from bulketl.postgres.ledger import handovers, kept, moving, ownership, schema
from bulketl.postgres.ledger.chains import summed
from bulketl.postgres.ledger.kept import Way
from bulketl.postgres.server import Connection, Postgres
from bulketl.postgres.write.exchange import Exchange, Exchanged, exchange
from bulketl.postgres.write.freenames import free
from bulketl.postgres.write.indexes import Index, index_statements
from bulketl.postgres.write.publish import carried_by
from bulketl.postgres.write.refill import refill, untaken
from bulketl.tables.patterns import exactly
from bulketl.tables.printable import brief
from bulketl.tables.spec import TableSpec, Tier

_log = logging.getLogger("bulketl")
# How Postgres refuses an index of the older table that does not fit ours: its types, its values, its columns.
_NOT_BUILT = (
    psycopg.ProgrammingError, psycopg.DataError, psycopg.errors.UniqueViolation, psycopg.errors.ExclusionViolation,
    psycopg.errors.ProgramLimitExceeded,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Promoted:
    """What became of a table, or would: how, with how many rows, what is otherwise now. `kept`: where the older one is."""

    table: str
    tier: Tier
    how: How
    rows: int | None
    told: tuple[str, ...]
    kept: str


@dataclass(frozen=True, slots=True)
class Promotion:
    """What a promotion did: its run, '' when it only looked, its tables, and those that bulketl served `already`.

    `blocked`: for how many seconds readers may have waited. `until`: when the older tables are dropped. `handed`: how the
    older pipeline was told.
    """

    run: str
    schema: str
    tables: tuple[Promoted, ...]
    already: tuple[str, ...]
    views: int
    blocked: float
    seconds: float
    until: dt.datetime | None
    handed: Told

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, run=self.run, schema=self.schema, tables=len(self.tables))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        tables = [{**dataclasses.asdict(one), "told": list(one.told)} for one in self.tables]
        return {
            "run": self.run, "schema": self.schema, "tables": tables, "already": list(self.already), "views": self.views,
            "blocked": round(self.blocked, 3), "seconds": round(self.seconds, 3),
            "until": self.until.isoformat(timespec="seconds") if self.until else None, "handed": self.handed.to_json(),
        }  # fmt: skip


def promote(
    config: Config, selection: Selection | None = None, *, reason: str, force: bool = False, dry_run: bool = False
) -> Promotion:
    """Let bulketl serve tables that it loads beside the older pipeline; by default all of these.

    All of the tables change hands in one transaction, or none. The older tables are kept for `migration.keep_legacy`.
    Raise PlanError with every table and what is against it, unless each can be promoted; `force` ignores what a person
    may ignore. Raise TargetError when a load has one of the tables, or when others have locked them; nothing is changed
    then.
    """
    began = time.monotonic()
    why = reasoned(reason, "a promotion")
    target = Postgres.of(config)
    found, already = patient(_look, target, config, selection or Selection(), trying=True)
    _refuse(found, force=force)
    if dry_run or not found:
        handed = Told() if dry_run else tell(config)
        return Promotion(
            "", config.target_schema, tuple(_said(one, "") for one in found), already, 0, 0.0, 0.0, None, handed
        )
    keep = (config.migration or Migration()).keep_legacy
    with recorded(target, "promote", _plan(config, found, why), config, beside=config.shadow_schema) as run:
        # Under the locks nobody loads them any more: what was seen before may be otherwise now.
        again, _ = patient(_look, target, config, Selection(tables=tuple(map(exactly, (one.table for one in found)))))
        _refuse(again, force=force)
        place = f"bulketl_legacy_{run.name.replace('-', '_')}"
        about = {"by": person(), "reason": why, "run": run.name, "place": place, "keep": keep}
        with target.connect() as connection:
            lost = _indexes(connection, config, again)
            done = _carried_out(connection, config, again, about)
        _noted(run, again, "promoted")
    _relieved(config, run.name, [one.table for one in again])
    until = dt.datetime.now(dt.UTC) + keep
    more = {one.table: (*lost.get(one.table, ()), *_renamed(done, one.table)) for one in again}
    said = tuple(_said(one, place, more[one.table]) for one in again)
    return Promotion(
        run.name,
        config.target_schema,
        said,
        already,
        done.views,
        done.seconds,
        time.monotonic() - began,
        until,
        tell(config),
    )


def _relieved(config: Config, run: str, tables: Sequence[str]) -> None:
    """End alerts of an earlier rollback of these tables; what fails is said and fails nothing."""
    if config.alerts is None:
        return
    now = dt.datetime.now(dt.UTC)
    try:
        tick_alerts(config, now, [Relief(run, tuple(tables), now, ("rolled_back",))])
    except BulketlError as error:
        _log.warning("the tables are promoted, and alerts of their rollback stay open: %s", error.public)


def _look(
    target: Postgres, config: Config, selection: Selection, *, trying: bool = False
) -> tuple[tuple[Prospect, ...], tuple[str, ...]]:
    """Return what would become of the tables that are meant, and which of them bulketl serves already.

    `trying`: what rows and definitions tell is tried too.
    """
    with target.connect() as connection:
        schema.create(connection, config.target_schema)
        owners = ownership.owners(connection, config.target_schema)
        names = owners if selection.tables else [table for table, owned in owners.items() if owned.owner == "shadow"]
        meant = chosen(config, selection, names)
        already = tuple(table for table in meant if owners[table].owner == "bulketl")
        asked = [table for table in meant if table not in already]
        unready = {table: one.words for table, one in ready(connection, config, asked).items() if not one.ready}
        found = prospects(connection, config, asked, unready)
        return tried(connection, config, found) if trying else found, already


def _refuse(found: Sequence[Prospect], *, force: bool) -> None:
    wrong = {one.table: [item for item in one.against if not (force and item.forced)] for one in found}
    wrong = {table: items for table, items in wrong.items() if items}
    if wrong:
        said = "; ".join(f"table {table!r} {' and '.join(item.why for item in items)}" for table, items in wrong.items())
        hints = dict.fromkeys(item.hint for items in wrong.values() for item in items)
        raise PlanError(f"no table is promoted: {said}", hint="; ".join([*hints][:3]) + "; or leave them out with --exclude")


def _plan(config: Config, found: Sequence[Prospect], reason: str) -> Plan:
    sources = {one.source for one in found}
    loads = (
        TableLoad(TableSpec(one.table, config.target_schema, (), (), "swap", source=one.source), (), one.tier,
                  f"promoted: {reason}", one.rows or 0, 0)
        for one in found
    )  # fmt: skip
    return in_turn(sources.pop() if len(sources) == 1 else "", config.target_schema, "", loads)


def _indexes(connection: Connection, config: Config, found: Sequence[Prospect]) -> dict[str, tuple[str, ...]]:
    """Build what indexes the older tables have beyond ours, before anything is locked; return what is told of some."""
    lost: dict[str, tuple[str, ...]] = {}
    query = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
    taken = {relation for (relation,) in connection.execute(query, (name(config.shadow_schema),))}
    for one in found:
        if one.how != "swapped" or one.old is None or not any(what.startswith("index ") for what, _ in one.old.carried):
            continue
        with connection.transaction():
            connection.execute("SET LOCAL search_path = pg_catalog")
            places = [name(config.target_schema, one.table), name(config.shadow_schema, one.table)]
            old, new = (_own(connection, place) for place in places)
        there = {index.name for index in new}
        wanted = [index for index in old if index.name not in there]
        at = (config.target_schema, one.table), (config.shadow_schema, one.table)
        for index in wanted:
            named = free(index.name, taken) if index.name in taken else index.name
            words = f"index {index.name} is built as {named}, for something else has that name"
            try:
                with connection.transaction():
                    for statement in index_statements(index, *at, named):
                        connection.execute(statement.encode())
                taken.add(named)
            except _NOT_BUILT as no:
                words = f"index {index.name} is not carried over (SQLSTATE {no.sqlstate})"
            else:
                if named == index.name:
                    continue
            lost[one.table] = (*lost.get(one.table, ()), words)
    return lost


def _own(connection: Connection, place: str) -> list[Index]:
    """Return the indexes of a table that can be built again."""
    rows = [json.loads(text) for (text,) in connection.execute(carried_by([place]).encode())]
    return [Index(*item) for row in rows if row["definition"] is None for item in row["indexes"] or []]


def _carried_out(connection: Connection, config: Config, found: Sequence[Prospect], about: Mapping[str, Any]) -> Exchanged:
    """Have the tables change hands, with all that is on record of them, in one transaction."""
    into, shadow, place = config.target_schema, config.shadow_schema, about["place"]
    tables = [one.table for one in found]
    with connection.transaction():
        moving.move(connection, tables, shadow, into)
        moving.take(connection, into, [(one.table, _oid(one)) for one in found], about["run"], "promoted")
        ownership.own(connection, into, tables, "bulketl", about)
        if any(one.old for one in found):
            connection.execute(f"CREATE SCHEMA {name(place)}".encode())
        staying = [one for one in found if one.how == "refilled"]
        oids = _refilled(connection, config, staying, place) if staying else {}
        ways: list[tuple[str, Way, int]] = [(one.table, _WAYS[one.how], oids.get(one.table, _old(one))) for one in found]
        kept.keep(connection, into, ways, about)
        handovers.note(connection, into, about["run"], "promote", tables, {"owner": "bulketl", "reason": about["reason"]})
        reading = _reading(connection, config, found)
        done = exchange(connection, into, [_exchange(shadow, one, place) for one in found if one.how != "refilled"])
        texts = {table: {view: done.definitions[view] for view in these if view in done.definitions}
                 for table, these in reading.items()}  # fmt: skip
        kept.note_views(connection, into, texts)
        return done


def _reading(connection: Connection, config: Config, found: Sequence[Prospect]) -> dict[str, list[str]]:
    """Return which views read each of the tables that are swapped, by way of others too."""
    tables = [one.table for one in found if one.how == "swapped" and one.old and one.old.views]
    standing = views.standing(connection, config.target_schema, config.shadow_schema, tables) if tables else []
    read = views.reading(standing)
    return {table: [view for view, these in read.items() if table in these] for table in tables}


_WAYS: Mapping[How, Way] = {"swapped": "moved", "refilled": "copied", "moved": "none"}


def _old(one: Prospect) -> int:
    return one.old.oid if one.old else 0


def _oid(one: Prospect) -> int:
    """Return the oid of the table that has the name afterwards."""
    stays = one.old if one.how == "refilled" else one.new
    return stays.oid if stays else 0


def _exchange(shadow: str, one: Prospect, place: str) -> Exchange:
    oid, having = (one.new.oid, one.new.columns) if one.new else (0, ())  # without one it was refused
    return Exchange(one.table, shadow, oid, place, _old(one), tuple(column for column, _ in having))


def _refilled(connection: Connection, config: Config, staying: Sequence[Prospect], place: str) -> dict[str, int]:
    """Copy the rows of tables that have to stay aside, and give them ours; return the oids of the copies."""
    into, shadow = config.target_schema, config.shadow_schema
    refills = [refill_of(config, one) for one in staying]
    rows = {one.table: own_rows(into, one.table, one.partitioned) for one in refills}
    places = ", ".join(rows[table] for table in sorted(rows))
    connection.execute(f"LOCK TABLE {places} IN SHARE ROW EXCLUSIVE MODE".encode())
    for table, there in rows.items():
        connection.execute(f"CREATE TABLE {name(place, table)} (LIKE {name(into, table)})".encode())
        connection.execute(f"INSERT INTO {name(place, table)} SELECT * FROM {there}".encode())
    refill(connection, into, refills)
    for one in refills:
        names = columns(one.columns)
        both = (f"SELECT {names} FROM {there}" for there in (rows[one.table], one.rows))
        if len({_sums(connection, select) for select in both}) > 1:
            raise untaken(into, one.table, "would have other values than those that it was given")
        connection.execute(f"DROP TABLE {name(shadow, one.table)}".encode())
    found = connection.execute(
        "SELECT c.relname, c.oid::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = ANY(%s)", (place, list(rows)),
    )  # fmt: skip
    return {table: int(oid) for table, oid in found}


def _renamed(done: Exchanged, table: str) -> tuple[str, ...]:
    return tuple(renamed.words for renamed in done.renamed if renamed.table == table)


def _sums(connection: Connection, select: str) -> str:
    return str(connection.execute(summed(select, ()).encode()).fetchone())


def _noted(run: Run, found: Sequence[Prospect], outcome: str) -> None:
    for one in found:
        entry = run.summary.tables[one.table]
        entry.outcome, entry.rows = outcome, one.rows or 0
        run.note(TableDone(run.name, one.table, outcome, entry.rows, 0, 0, 0.0))


def _said(one: Prospect, place: str, lost: tuple[str, ...] = ()) -> Promoted:
    return Promoted(one.table, one.tier, one.how, one.rows, (*one.told, *lost), place if one.old else "")
