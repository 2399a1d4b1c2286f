"""What a notebook imports and the command line calls: make a plan, load it.

import getpass
import os
import socket
import bulketl
config = bulketl.load_config(tables=None, settings=None, environ=os.environ)
plan = bulketl.make_plan(config)
summary = bulketl.load(config, plan)
"""

from __future__ import annotations

import dataclasses
import getpass
import os
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bulketl.classify import Proposal, classify, cursor_candidates
from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.patience import patient
from bulketl.errors import PlanError
from bulketl.findings import Finding, examine, outside, stale
from bulketl.mysql import compare as here
from bulketl.mysql import rights
from bulketl.mysql.arrivals import read_arrivals
from bulketl.mysql.discover import read_bounds, read_profiles
from bulketl.mysql.read import select as select_text
from bulketl.mysql.server import MySQL
from bulketl.plan.absences import GONE_TABLE
from bulketl.plan.decision import decide
from bulketl.plan.incremental import Choice, Span
from bulketl.plan.leftout import left_out
from bulketl.plan.ownership import Adoption, unknown
from bulketl.plan.plan import Plan, Refusal, Skip, differences
from bulketl.plan.selection import select
from bulketl.plan.stale import leftovers
from bulketl.postgres import explain
from bulketl.postgres.compare import digests as there
from bulketl.postgres.inspect import count_rows, missing_rights, read_tables, with_rows
from bulketl.postgres.ledger import made, runs
from bulketl.postgres.ledger.states import last_loaded, read_states
from bulketl.postgres.server import STAGING, Postgres
from bulketl.rejects import export_rejects, list_rejects, retry_rejects, show_rejects
from bulketl.rows.reconcile import Digest
from bulketl.runs import load, resume
from bulketl.survey import alike, choices, look, unchanged
from bulketl.tables import evidence
from bulketl.tables.casts import parse_type
from bulketl.tables.catalog import Catalog, Column, Table, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.measured import Pace
from bulketl.tables.partitions import Bound
from bulketl.tables.spec import TableSpec, Tier

__all__ = [
    "compare_with_last",
    "export_rejects",
    "list_rejects",
    "load",
    "make_plan",
    "propose",
    "resume",
    "retry_rejects",
    "show_rejects",
    "statements",
    "validate",
]


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
    existing = patient(_with_rows, config, target, existing, catalog)
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


def _with_rows(
    config: Config, target: Postgres, existing: dict[str, TargetTable], catalog: Catalog
) -> dict[str, TargetTable]:
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
        theirs = pool.submit(there.hashes, target, specs)
        return here.hashes(source, specs), theirs.result()


def statements(config: Config, plan: Plan) -> dict[str, list[str]]:
    """Return, per table, every statement a load would send: the SELECTs to the source, then all to the target."""
    return patient(_statements, Postgres.of(config), plan)


def _statements(target: Postgres, plan: Plan) -> dict[str, list[str]]:
    with target.connect() as connection:
        return {
            load.spec.table: [
                *(select_text(load.spec, partition) for partition in load.partitions),
                *explain.statements(connection, load),
            ]
            for load in plan.loads
        }


def compare_with_last(config: Config, plan: Plan) -> tuple[str, list[str]]:
    """Return the name of the last run into the schema, or '', and how the plan differs from that run's."""
    last = patient(_last_plan, Postgres.of(config), plan.schema)
    return ("", []) if last is None else (last[0], differences(last[1], plan))


def _last_plan(target: Postgres, schema: str) -> tuple[str, dict[str, Any]] | None:
    with target.connect() as connection:
        return runs.last_plan(connection, schema)


def propose(config: Config) -> tuple[Catalog, tuple[Proposal, ...]]:
    """Look at the source and return its catalogue, and what tables.yaml should say of each table and why.

    A handful of queries, however many tables there are; nothing is changed. Raise ConfigError or SourceError.
    """
    check_libraries()
    source = MySQL.of(config)
    catalog = patient(look, source, config, {}, {})
    candidates = {table: found for table in catalog if table.rows and (found := cursor_candidates(table))}
    profiles = patient(read_profiles, source, candidates)
    arrivals = patient(read_arrivals, source, [table for table in catalog if evidence.looked_at(table)])
    return catalog, classify(catalog, profiles, config.classify, arrivals)


def validate(config: Config) -> tuple[Finding, ...]:
    """Hold the configuration against both live servers and return what is wrong or doubtful; change nothing.

    Without a target only the source is looked at. Raise ConfigError, SourceError or TargetError when a server that is
    set cannot be used.
    """
    check_libraries()
    source = MySQL.of(config)
    target: dict[str, TargetTable] | None = None
    loaded: dict[str, str] = {}
    states: dict[str, State] = {}
    locks = any(rule.consistency in ("snapshot", "locked") and not rule.exclude for rule in config.tables.values())
    lacking = patient(rights.missing_rights, source, config.source_limits, locks=locks)
    missing = [(source.database, *lack) for lack in lacking]
    if config.target:
        target, states, loaded, lacks_there = patient(_seen, Postgres.of(config), config.target_schema)
        missing += [(config.target_schema, *lack) for lack in lacks_there]
    foreign = outside(STAGING, patient(_outsiders, Postgres.of(config))) if config.target else ()
    catalog = patient(look, source, config, states, target or {})
    target = target and patient(_with_rows, config, Postgres.of(config), target, catalog)
    left = leftovers(config, catalog, target or {}, states, loaded)
    looked_at = {table: found for table in catalog if table.rows and (found := _cursors(config, table))}
    profiles = patient(read_profiles, source, looked_at)
    audited = {name for name, rule in config.tables.items() if rule.table_importance == "audit" and not rule.exclude}
    asked = [table for table in catalog if evidence.looked_at(table) or (table.rows and table.name in audited)]
    arrivals = patient(read_arrivals, source, asked)
    proposals = {proposal.table: proposal for proposal in classify(catalog, profiles, config.classify, arrivals)}
    lacks = (Finding(where, "error", text, "what needs it is not loaded", advice) for where, text, advice in missing)
    refused = _refused(config, catalog, target or {}, states)
    others = examine(config, catalog, proposals, profiles, target, refused, states, arrivals)
    return (*lacks, *stale(config.target_schema, left), *foreign, *others)


def _seen(
    target: Postgres, schema: str
) -> tuple[dict[str, TargetTable], dict[str, State], dict[str, str], list[tuple[str, str]]]:
    """Return what the target has, how far it is loaded and since when, and the rights that are missing there."""
    with target.connect() as connection:
        states, loaded = read_states(connection, schema), last_loaded(connection, schema)
        return read_tables(connection, schema), states, loaded, list(missing_rights(connection, schema))


def _outsiders(target: Postgres) -> list[str]:
    with target.connect() as connection:
        return made.outsiders(connection)


def _refused(
    config: Config, catalog: Catalog, target: Mapping[str, TargetTable], states: Mapping[str, State]
) -> tuple[Refusal, ...]:
    """Return what a load would refuse, as far as it can be told without measuring the tables."""
    try:
        wanted, _, hidden = select(config, catalog, (), ())
    except PlanError as error:
        return (Refusal(catalog.identity, "reference", error.message, error.hint),)
    bounds = {table.name: Bound(table.rows) for table in wanted}
    known = {table.name: Choice(state=states.get(table.name)) for table in wanted}
    return decide(config, wanted, bounds, target, choices=known, hidden=hidden).refused


def _cursors(config: Config, table: Table) -> tuple[Column, ...]:
    named = config.rule(table.name).incremental_column
    times = (c for c in table.columns if c.name == named and parse_type(c.type).base in ("date", "datetime", "timestamp"))
    return tuple(dict.fromkeys((*cursor_candidates(table), *times)))


def _person() -> str:
    """Return who runs this, as the operating system knows them, and on which machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"
