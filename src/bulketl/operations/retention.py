"""Rows that leave the target by their retention, table after table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bulketl.config.config import Config
from bulketl.connections.patience import patient
from bulketl.mysql.server import MySQL
from bulketl.operations.records import HINT
from bulketl.plan.incremental import another_source
from bulketl.plan.ownership import strange
from bulketl.postgres.inspect import read_tables
from bulketl.postgres.ledger import schema as ledger
from bulketl.postgres.ledger.states import read_states
from bulketl.postgres.locks import new_run
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.retention import Expired, retain
from bulketl.tables.catalog import TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.patterns import fitting
from bulketl.tables.spec import TableSpec


def retain_tables(config: Config, tables: Sequence[str] = (), folder: Path | None = None) -> list[Expired]:
    """Let rows leave the target that are older than their table's `retention` keeps; return what left, per table.

    Without `folder` nothing leaves, and what would is returned; with one, archives are written below it. Each table is a
    transaction of its own. Raise as `states` does, PlanError for the first table that is not bulketl's or came from another
    source, and TargetError for the first that cannot be archived or shortened, or that a load has.
    """
    target, run = Postgres.of(config), new_run()
    existing, known = patient(_there, target, config.target_schema, create=folder is not None)
    source = MySQL.of(config).identity if config.source else ""
    ruled = [name for name, rule in config.tables.items() if rule.retention and name in existing]
    wanted = fitting(ruled, tables, config.target_schema, HINT)
    found = []
    for name in sorted(wanted):
        rule, state = config.rule(name), known.get(name)
        if not existing[name].ours:
            raise strange(config.target_schema, existing[name])
        if source and state and state.source not in ("", source):
            raise another_source(name, state, source)
        spec = TableSpec(
            table=name,
            schema=config.target_schema,
            casts=(),
            key=existing[name].primary_key,
            publish="merge",
            kept=existing[name].columns,
            source=source,
            audit=rule.table_importance == "audit",
            partitioned=existing[name].partitioned,
        )
        if rule.retention:
            found.append(retain(target, run, spec, rule.retention, existing[name], folder))
    return found


def _there(target: Postgres, schema: str, *, create: bool) -> tuple[dict[str, TargetTable], dict[str, State]]:
    with target.connect() as connection:
        ledger.create(connection, schema) if create else None
        return read_tables(connection, schema), read_states(connection, schema)
