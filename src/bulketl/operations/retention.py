"""Removing rows from the target by the retention of their tables, table after table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bulketl.config.config import Config
from bulketl.config.tables import Retention
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError
from bulketl.loading.handovers import look_after
from bulketl.loading.record import recorded
from bulketl.mysql.server import MySQL
from bulketl.operations.records import HINT
from bulketl.plan.incremental import another_source
from bulketl.plan.ownership import strange
from bulketl.plan.partial import is_part
from bulketl.plan.plan import Plan, TableLoad, in_turn
from bulketl.postgres.known import known_of
from bulketl.postgres.ledger import schema
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.retention import Expired, retain
from bulketl.tables.casts import Cast
from bulketl.tables.catalog import TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.measured import Known
from bulketl.tables.patterns import fitting
from bulketl.tables.spec import TableSpec


def retain_tables(config: Config, tables: Sequence[str] = (), folder: Path | None = None) -> list[Expired]:
    """Remove rows from the target that are older than their table's `retention` allows; return what left, per table.

    Without `folder`, remove nothing and return what would be removed; with one, write archives below it. It is then a run
    on record, which holds the locks of its tables. Each table is a transaction of its own: if one fails, the tables
    before it stay shortened. Raise as `states` does; PlanError, before anything is removed, for a table that is not
    bulketl's or came from another source; TargetError when a load has one of the tables, or for the first table that
    cannot be archived or shortened.
    """
    target = Postgres.of(config)
    known = patient(_known, target, config.target_schema, create=folder is not None)
    existing, states = known.existing, known.states
    source = MySQL.of(config).identity if config.source else ""
    ruled = {name: kept for name in existing if (kept := config.rule(name).retention)}
    wanted = sorted(fitting(ruled, tables, config.target_schema, HINT))
    specs = [_spec(config, existing[name], states.get(name), source) for name in wanted]
    if folder is None or not specs:
        return [retain(target, "", spec, ruled[spec.table], existing[spec.table], None) for spec in specs]
    sources = {source} if source else {state.source for name in wanted if (state := states.get(name))}
    origin = sources.pop() if len(sources) == 1 else ""
    found = []
    with recorded(target, "retention", _plan(config, origin, specs, ruled), config) as run:
        for spec in specs:
            rule = ruled[spec.table]
            with run.at(spec.table) as entry:
                one = retain(target, run.name, spec, rule, existing[spec.table], folder)
                entry.rows = entry.deleted = 0 if rule.legal_hold else one.rows
                entry.outcome = "shortened" if entry.rows else "unchanged"
            found.append(one)
    look_after(config, run.name)
    return found


def _spec(config: Config, there: TargetTable, state: State | None, source: str) -> TableSpec:
    """Return what must be known of a table to shorten it; raise PlanError when it is not ours to."""
    if not there.ours:
        raise strange(config.target_schema, there)
    if source and state and state.source not in ("", source):
        raise another_source(there.name, state, source)
    if is_part(state):
        raise PlanError(
            f"table {there.name!r} was loaded under a limit and is a part, and retention removes nothing from a part",
            hint="load it whole first, take retention out of its rule, or name the other tables",
        )
    types = dict(there.columns)
    own = {stored: column for column, stored in state.taken.names if stored in types} if state else {}
    return TableSpec(
        table=there.name,
        schema=config.target_schema,
        casts=tuple(_stored(column, types[stored], stored) for stored, column in own.items()),
        key=tuple(own.get(column, column) for column in there.primary_key),
        publish="merge",
        kept=tuple(item for item in there.columns if item[0] not in own),
        source=source or (state.source if state else ""),
        audit=config.rule(there.name).table_importance == "audit",
        partitioned=there.partitioned,
    )


def _stored(column: str, kind: str, name: str) -> Cast:
    """Return what is known of a column with another name in the target than at the source, which is not asked."""
    return Cast(column, "", kind, "", "", "", nullable=True, guarded=False, name=name)


def _plan(config: Config, source: str, specs: Sequence[TableSpec], ruled: Mapping[str, Retention]) -> Plan:
    """Return the plan of a retention: each table with its rule, in their order. `source`: '' when they came from several."""
    loads = (
        TableLoad(spec, (), config.rule(spec.table).table_importance, _reason(ruled[spec.table]), 0, 0) for spec in specs
    )
    return in_turn(source, config.target_schema, "", loads)


def _reason(rule: Retention) -> str:
    held = ", but a legal hold keeps them" if rule.legal_hold else ""
    return f"retention: {rule.action} rows whose {rule.by} is older than {rule.keep}{held}"


def _known(target: Postgres, into: str, *, create: bool) -> Known:
    with target.connect() as connection:
        if create:
            schema.create(connection, into)
        return known_of(connection, into)
