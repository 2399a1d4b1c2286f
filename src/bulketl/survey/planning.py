"""The plan, made from a look at both servers; and how it differs from the last one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.person import person
from bulketl.connections.retrying import patient
from bulketl.mysql import digests as source_digests
from bulketl.mysql.discover import read_bounds
from bulketl.mysql.server import MySQL
from bulketl.plan.absences import GONE_TABLE
from bulketl.plan.calling import before
from bulketl.plan.decision import decide
from bulketl.plan.incremental import choice_of, misspelt
from bulketl.plan.leftout import left_out
from bulketl.plan.ownership import left_to_others, unknown
from bulketl.plan.partial import check_schema, limited, of_part
from bulketl.plan.plan import Leftover, Plan, differences, tables_of
from bulketl.plan.referring import references
from bulketl.plan.selection import Selection
from bulketl.plan.stale import leftovers
from bulketl.postgres.compare import digests as target_digests
from bulketl.postgres.inspect import count_rows, with_rows
from bulketl.postgres.kept import keeping
from bulketl.postgres.known import Earlier, earlier
from bulketl.postgres.ledger import runs
from bulketl.postgres.server import Postgres
from bulketl.rows.reconcile import Digest
from bulketl.survey.cursors import choices
from bulketl.survey.look import Sight, look
from bulketl.survey.stages import Tell, silent
from bulketl.survey.unchanged import alike, unchanged
from bulketl.tables.catalog import Catalog, TargetTable
from bulketl.tables.part import Chosen
from bulketl.tables.partitions import Bound
from bulketl.tables.spec import TableSpec, Tier

LOOKED_BACK = 30  # runs


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
    limit: int | None = None,
) -> Plan:
    """Look at both servers and return what a load would do; change nothing on either.

    `tiers` and `tables` (names, or patterns with `*` and `?`) select tables, and `exclude` leaves tables out; empty means
    all. `full`: load tables whole that have another strategy. `since` and `until`: load the rows again whose cursor lies
    between them, including `since`. Tables that fit `allow_deletes` may lose any share of their rows. bulketl takes over
    tables of the target that fit `adopt`; it does not touch other tables that it did not make. `limit`: load at most so
    many rows of each table, by its key, and those that others refer to. Raise ConfigError, SourceError or TargetError
    when a server cannot be used. Raise PlanError when no table fits `tiers` and `tables`, when a pattern of `adopt` fits
    no table, when `full` is combined with a range, or when a part would take the place of whole tables.
    """
    selection = Selection(
        tiers=tuple(tiers), tables=tuple(tables), exclude=tuple(exclude), full=full, since=since, until=until,
        allow_deletes=tuple(allow_deletes), adopt=tuple(adopt), limit=limit,
    )  # fmt: skip
    return planned(config, selection)


@keeping()
def planned(config: Config, selection: Selection, tell: Tell = silent) -> Plan:
    """Look at both servers and return what a load of the selection would do; change nothing. Raise as `make_plan`.

    `tell` hears what is being looked at.
    """
    check_libraries()
    sight = look(config, selection, earlier, tell)
    if error := unknown("--adopt", selection.adopt, sight.everything):
        raise error
    if error := unknown("--allow-deletes", selection.allow_deletes, sight.everything):
        raise error
    return made_of(config, selection, sight, tell)


def made_of(
    config: Config, selection: Selection, sight: Sight[Earlier], tell: Tell = silent, *, sparing: bool = True
) -> Plan:
    """Return what a load of the selection would do, from a look at both servers, which are asked for what is measured.

    Without `sparing` tables are planned too that have not changed. Raise SourceError or TargetError.
    """
    source, known = sight.source, sight.known
    check_schema(config.target_schema, known, selection)
    catalog, others = left_to_others(config, sight.catalog, known, selection)
    skipped = (*sight.skipped, *others)
    catalog = limited(catalog, selection)
    chosen: dict[str, Chosen] = {}
    if some := sum(table.limit is not None for table in catalog):
        from bulketl.survey.parts import choose_rows  # which no other load needs

        tell("choosing rows, and what they refer to", 0, some)
        chosen = choose_rows(source, config, sight.everything, catalog)
    existing = patient(counted, config, sight.target, known.existing, catalog)
    paces = known.paces
    seen = {}
    for t in catalog:
        what = dataclasses.replace(choice_of(known, t.name), existing=existing.get(t.name), pace=paces.get(t.name))
        seen[t.name] = before(what, t, known, catalog)
    sparing = sparing and not (selection.full or selection.span)  # what the target has need not be read once more
    if sparing:
        tell("looking for unchanged tables", 0, len(catalog.tables))
        catalog, same = unchanged(config, catalog, seen, lambda names: patient(_count, config, sight.target, names))
        skipped += same
    tell("looking at cursors", 0, len(catalog.tables))
    unlimited = dataclasses.replace(catalog, tables=tuple(table for table in catalog if table.limit is None))
    choice = patient(choices, source, config, unlimited, seen, selection)
    choice |= {name: of_part(name, seen[name], rows, selection) for name, rows in chosen.items()}
    if error := misspelt(choice.values()):
        raise error
    whole = [t for t in catalog if not choice[t.name].refusal and choice[t.name].whole]
    tell("looking for ranges", 0, len(whole))
    by = {table.name: along for table in whole if (along := config.rule(table.name).partition_by)}
    measured = [table for table in whole if table.name not in chosen or not chosen[table.name].partitions]
    bounds = patient(read_bounds, source, measured, by, config.partition_bytes)
    bounds |= {name: Bound(rows.part.all, counted=True) for name, rows in chosen.items() if rows.partitions}
    if sparing:
        tell("hashing small tables", 0, len(catalog.tables))
        catalog, same = alike(config, catalog, seen, bounds, lambda specs: patient(_hashes, source, sight.target, specs))
        skipped += same
    asked = dataclasses.replace(selection, person=person())
    plan = decide(config, catalog, bounds, existing, choices=choice, selection=asked)
    left: tuple[Leftover, ...] = ()
    if selection.everything:
        told = {item.table for item in skipped if item.reason == GONE_TABLE}
        left = leftovers(config, sight.everything, existing, known.states, known.loaded, told)
    known_tables = tuple(sorted(table.name for table in sight.everything))
    return dataclasses.replace(
        plan, references=references(config, sight.everything, existing, {load.spec.table for load in plan.loads}),
        referring=known_tables, refused=(*sight.hidden, *plan.refused), skipped=skipped, leftovers=left,
        left_out=left_out(config, catalog, selection.tables, selection.exclude),
    )  # fmt: skip


def counted(
    config: Config, target: Postgres, existing: Mapping[str, TargetTable], catalog: Catalog
) -> Mapping[str, TargetTable]:
    """Return what the target has, with the rows of those tables of the catalogue's names that bulketl did not make."""
    strange = [table.name for table in catalog if table.name in existing and not existing[table.name].ours]
    if not strange:
        return existing
    with target.connect() as connection:
        return with_rows(connection, config.target_schema, existing, strange)


def _count(config: Config, target: Postgres, tables: Sequence[str]) -> dict[str, int]:
    if not tables:
        return {}
    with target.connect() as connection:
        return count_rows(connection, config.target_schema, tables)


def _hashes(source: MySQL, target: Postgres, specs: Sequence[TableSpec]) -> tuple[dict[str, Digest], dict[str, Digest]]:
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(target_digests.hashes, target, specs)
        return source_digests.hashes(source, specs), theirs.result()


class Compared(NamedTuple):
    """How a plan differs from that of an earlier run: its name, '' for none, lines, and how many of the tables it was of."""

    run: str
    lines: list[str]
    known: int
    tables: int


def compare_with_last(config: Config, plan: Plan) -> Compared:
    """Return how the plan differs from that of the last run into the same schema with the same tables.

    If none of the last LOOKED_BACK runs had all of these tables, compare with the one that had most of them. Ignore
    tables that are not in the plan.
    """
    return patient(_compared, Postgres.of(config), plan)


def _compared(target: Postgres, plan: Plan) -> Compared:
    asked = {*(load.spec.table for load in plan.loads), *(item.table for item in plan.refused)}
    asked |= {item.table for item in plan.skipped}
    best, known = None, -1
    with target.connect() as connection:
        for run, document in runs.last_plans(connection, plan.schema, LOOKED_BACK):
            of = len(asked & tables_of(document))
            if of > known:
                best, known = (run, document), of
            if known == len(asked):
                break
    if best is None:
        return Compared("", [], 0, len(asked))
    run, document = best
    others = tables_of(document) - asked
    lines = [line for line in differences(document, plan) if line.removeprefix("- ").partition(" (")[0] not in others]
    return Compared(run, lines, known, len(asked))
