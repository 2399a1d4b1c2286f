"""Undoing a publish: a table becomes again what it was before its last load, and this is proved."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.errors import DataError, PlanError
from bulketl.loading.events import TableDone
from bulketl.loading.record import recorded
from bulketl.plan.ownership import strange
from bulketl.plan.plan import TableLoad, in_turn
from bulketl.postgres.ddl import own_rows
from bulketl.postgres.known import known_of
from bulketl.postgres.ledger import previous
from bulketl.postgres.ledger.previous import PLACE, Previous, copy_of
from bulketl.postgres.server import Connection, Postgres
from bulketl.postgres.write.refill import Refill, refill
from bulketl.tables.catalog import TargetTable
from bulketl.tables.printable import brief, count_of
from bulketl.tables.spec import TableSpec


@dataclass(frozen=True, slots=True)
class Undone:
    """A table that is what it was before a run: its rows now and before, and when that run had replaced them."""

    run: str
    table: str
    schema: str
    undone: str
    at: dt.datetime
    rows: int
    before: int

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, undone=self.undone, rows=self.rows)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**dataclasses.asdict(self), "at": self.at.isoformat(timespec="seconds")}


def undo(config: Config, table: str) -> Undone:
    """Restore a table to what it was before the load that published it last, from the version that `keep_previous` has kept.

    Afterwards its rows are counted and hashed, and must be those that were kept. The next load goes on from where the
    earlier load was. Raise PlanError when nothing is kept or the table is not bulketl's; DataError, with figures, when
    its rows have changed since the load, or are not those that were kept. Nothing is changed then.
    """
    target = Postgres.of(config)
    here, one, source = patient(_look, target, config, table)
    spec = TableSpec(table, config.target_schema, (), (), "refill", source=source, partitioned=here.partitioned)
    why = f"undone: as before run {one.run}"
    tier = config.rule(table).table_importance
    plan = in_turn(source, config.target_schema, "", [TableLoad(spec, (), tier, why, one.rows, 0)])
    with recorded(target, "undo", plan, config) as run:
        here, one, _ = patient(_look, target, config, table)
        with target.connect() as connection, connection.transaction():
            before = _put_back(connection, config.target_schema, here, one)
        entry = run.summary.tables[table]
        entry.outcome, entry.rows = "undone", one.rows
        run.note(TableDone(run.name, table, entry.outcome, one.rows, 0, 0, 0.0))
    return Undone(run.name, table, config.target_schema, one.run, one.at, one.rows, before)


def _look(target: Postgres, config: Config, table: str) -> tuple[TargetTable, Previous, str]:
    """Return a table, the version before of it, and its source; raise PlanError when it cannot be undone."""
    with target.connect() as connection:
        known = known_of(connection, config.target_schema)
        one = previous.previous(connection, config.target_schema, table)
    here, owned, state = known.existing.get(table), known.owners.get(table), known.states.get(table)
    if here is None:
        raise PlanError(
            f"there is no table {table!r} in schema {config.target_schema!r}",
            hint="check the spelling, and the schema: `bulketl state list` shows what was loaded",
        )
    if owned is not None and owned.owner != "bulketl":
        raise PlanError(
            f"table {table!r} is served by the older pipeline, so there is no load of bulketl to undo",
            hint="`bulketl migrate status -v` shows who serves what",
        )
    if not here.ours:
        raise strange(config.target_schema, here)
    if one is None or one.gone:
        why = "somebody dropped the copy of it" if one else "no load has kept one"
        raise PlanError(
            f"there is no previous version of table {table!r}: {why}",
            hint="write keep_previous: 1 in its rule or in bulketl.yaml; later loads then keep one, except of audit tables",
        )
    return here, one, state.source if state else ""


def _put_back(connection: Connection, schema: str, here: TargetTable, one: Previous) -> int:
    """Give a table the rows of the version before, inside the transaction that is open; return how many it had."""
    table, copy = here.name, copy_of(schema, here.name)
    place = own_rows(schema, table, here.partitioned)
    connection.execute(f"LOCK TABLE {place} IN SHARE ROW EXCLUSIVE MODE".encode())
    now = previous.sums_of(connection, schema, table, partitioned=here.partitioned)
    if now != (one.now_rows, one.now_hash):
        left = "an unknown number of" if one.now_rows is None else f"{one.now_rows:,}"
        same = " of other content" if now[0] == one.now_rows else ""
        raise DataError(
            f"table {table!r} has {count_of(now[0], 'row')}{same}, and run {one.run} left {left}: rows have changed since",
            hint="nothing was changed; `bulketl runs --table` shows which runs wrote to it, `load --full` loads it anew",
        )
    columns = _columns(connection, copy)
    if lost := [column for column in columns if column not in dict(here.columns)]:
        raise PlanError(
            f"table {table!r} no longer has columns of its previous version: {', '.join(lost)}",
            hint="nothing was changed; add them to the table, of the type that they have in "
            f"schema {PLACE!r}, and give the command again",
        )
    alike = len(columns) == len(here.columns)  # else a key would keep what is in the columns that came since
    key = here.primary_key if alike and set(here.primary_key) <= {*columns} else ()
    refill(connection, schema, [Refill(table, (PLACE, copy), columns, key, here.partitioned)])
    if previous.sums_of(connection, schema, table, partitioned=here.partitioned) != (one.rows, one.hash):
        raise DataError(
            f"table {table!r} would not be what it was: its rows are not the {one.rows:,} that were kept of it",
            hint="nothing was changed; a trigger of the table may alter rows, or somebody has altered the copy of its rows",
        )
    previous.put_back(connection, schema, table, [column for column, _ in here.columns if column not in columns])
    return now[0]


def _columns(connection: Connection, copy: str) -> tuple[str, ...]:
    found = connection.execute(
        "SELECT attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE (nspname, relname) = (%s, %s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (PLACE, copy),
    )
    return tuple(column for (column,) in found)
