"""The plan, made from a look at both servers; and how it differs from the last one."""

from __future__ import annotations

import dataclasses
import getpass
import os
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.patience import patient
from bulketl.errors import PlanError
from bulketl.mysql import digests as source_digests
from bulketl.mysql.discover import read_bounds
from bulketl.mysql.server import MySQL
from bulketl.plan.absences import GONE_TABLE
from bulketl.plan.decision import decide
from bulketl.plan.incremental import Span
from bulketl.plan.leftout import left_out
from bulketl.plan.ownership import Adoption, unknown
from bulketl.plan.plan import Plan, Skip, differences
from bulketl.plan.selection import select
from bulketl.plan.stale import leftovers
from bulketl.postgres.compare import digests as target_digests
from bulketl.postgres.inspect import count_rows, read_tables, with_rows
from bulketl.postgres.ledger import runs
from bulketl.postgres.ledger.states import last_loaded, read_states
from bulketl.postgres.server import Postgres
from bulketl.rows.reconcile import Digest
from bulketl.survey.cursors import choices
from bulketl.survey.look import look
from bulketl.survey.unchanged import alike, unchanged
from bulketl.tables.catalog import Catalog, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.measured import Pace
from bulketl.tables.spec import TableSpec, Tier


def make_plan(
    config: Config,
    *,
    tiers: Sequence[Tier] = (),
    tables: Sequence[str] = (),
    exclude: Sequence[str] = (),
    full: bool = False,
    since: str = "",
    until: str = "",
    allow_deletes: Sequence[str] = (),
    adopt: Sequence[str] = (),
) -> Plan:
    """Look at both servers and return what a load would do; change nothing on either.

    `tiers` and `tables` (names, or patterns with `*` and `?`) narrow the load, `exclude` leaves tables out; empty means
    all. `full` loads tables whole that have another strategy. `since` and `until`: load again the rows whose cursor
    lies there, `since` included. Tables that fit `allow_deletes` may lose any share of their rows. Tables of the target that
    fit `adopt` are given to bulketl, which does not touch what it did not make. Raise ConfigError, SourceError or
    TargetError when a server cannot be used, PlanError when nothing fits `tiers` and `tables`, a pattern of `adopt` fits no
    table, or the load is to be both `full` and of a part.
    """
    check_libraries()
    if full and (since or until):
        raise PlanError("a load is whole or of a part, not both", hint="leave out --full, or --since and --until")
    source, target = MySQL.of(config), Postgres.of(config)
    # Asked first: nothing is read for a target that is not there.
    existing, states, history, loaded = patient(_known, target, config.target_schema)
    everything = patient(look, source, config, states, existing, tables)
    catalog, skipped, hidden = select(config, everything, tiers, tables, exclude)
    if error := unknown(adopt, everything):
        raise error
    existing = patient(counted, config, target, existing, catalog)
    left = () if tiers or tables or exclude else leftovers(config, everything, existing, states, loaded, _gone(skipped))
    span = Span(since, until) if since or until else None
    if not (full or span):
        catalog, same = unchanged(config, catalog, states, existing, lambda names: patient(_count, config, target, names))
        skipped += same
    known = patient(choices, source, config, catalog, states, existing, full=full, span=span)
    whole = [t for t in catalog if not known[t.name].refusal and known[t.name].whole]
    by = {name: rule.partition_by for name, rule in config.tables.items() if rule.partition_by}
    bounds = patient(read_bounds, source, whole, by, config.partition_bytes)
    if not (full or span):
        catalog, same = alike(
            config, catalog, states, existing, bounds, lambda specs: patient(_hashes, source, target, specs)
        )
        skipped += same
    decided = decide(
        config, catalog, bounds, existing, choices=known, skipped=skipped, hidden=hidden,
        left_out=left_out(config, catalog, tables, exclude), history=history, allowed=allow_deletes,
        adoption=Adoption(tuple(adopt), _person()),
    )  # fmt: skip
    return dataclasses.replace(decided, leftovers=left)


def counted(config: Config, target: Postgres, existing: dict[str, TargetTable], catalog: Catalog) -> dict[str, TargetTable]:
    """Return what the target has, with the rows of those tables of the catalogue's names that bulketl did not make."""
    strange = [table.name for table in catalog if table.name in existing and not existing[table.name].ours]
    if not strange:
        return existing
    with target.connect() as connection:
        return with_rows(connection, config.target_schema, existing, strange)


def _gone(skipped: Sequence[Skip]) -> set[str]:
    """Return the tables of which it is told already that they are no longer in the source."""
    return {item.table for item in skipped if item.reason == GONE_TABLE}


def _known(
    target: Postgres, schema: str
) -> tuple[dict[str, TargetTable], dict[str, State], dict[str, Pace], dict[str, str]]:
    """Return what the target has, how far it is loaded, how fast that went, and when it was."""
    with target.connect() as connection:
        states, paces = read_states(connection, schema), runs.paces(connection, schema)
        return read_tables(connection, schema), states, paces, last_loaded(connection, schema)


def _count(config: Config, target: Postgres, tables: Sequence[str]) -> dict[str, int]:
    if not tables:
        return {}
    with target.connect() as connection:
        return count_rows(connection, config.target_schema, tables)


def _hashes(source: MySQL, target: Postgres, specs: Sequence[TableSpec]) -> tuple[dict[str, Digest], dict[str, Digest]]:
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(target_digests.hashes, target, specs)
        return source_digests.hashes(source, specs), theirs.result()


def compare_with_last(config: Config, plan: Plan) -> tuple[str, list[str]]:
    """Return the name of the last run into the schema, or '', and how the plan differs from that run's."""
    last = patient(_last_plan, Postgres.of(config), plan.schema)
    return ("", []) if last is None else (last[0], differences(last[1], plan))


def _last_plan(target: Postgres, schema: str) -> tuple[str, dict[str, Any]] | None:
    with target.connect() as connection:
        return runs.last_plan(connection, schema)


def _person() -> str:
    """Return who runs this, as the operating system knows them, and on which machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"
