"""Verifying what was loaded: comparing every table with its source, and repairing it if a person asks for that."""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
import time
from collections.abc import Sequence

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.retrying import patient
from bulketl.mysql.discover import read_bounds
from bulketl.mysql.server import MySQL
from bulketl.plan.ownership import unknown
from bulketl.plan.partial import part_of
from bulketl.plan.selection import Selection
from bulketl.postgres.kept import keeping
from bulketl.postgres.known import on_record
from bulketl.postgres.locks import new_run
from bulketl.survey.look import look
from bulketl.survey.stages import Tell, silent
from bulketl.tables.catalog import Catalog
from bulketl.tables.measured import Known
from bulketl.tables.partitions import is_integer_key, split_key
from bulketl.tables.spec import Tier
from bulketl.verifying.kept import keep
from bulketl.verifying.levels import compare_tables
from bulketl.verifying.repair import repaired
from bulketl.verifying.request import Request, check_request
from bulketl.verifying.servers import Both
from bulketl.verifying.tasks import Task, tasks, unverifiable
from bulketl.verifying.verdicts import Level, Verification


@keeping()
def verify(
    config: Config,
    *,
    tiers: Sequence[Tier] = (),
    tables: Sequence[str] = (),
    exclude: Sequence[str] = (),
    level: Level = "rows",
    sample: float = 1.0,
    seed: int | None = None,
    first: int = 10,
    show_values: bool = False,
    repair: bool = False,
    allow_deletes: Sequence[str] = (),
    tell: Tell = silent,
) -> Verification:
    """Compare loaded tables with their source and return what differs; without `repair`, change nothing.

    The ledger records what was found; if it cannot, a note says why. `tiers`, `tables`, `exclude`: as for a load.
    `sample`: the share of the rows to compare, above 0 and at most 1, chosen by `seed`. `first`: how many rows of each
    table to name. `show_values`: also return the values of these rows on both sides. `repair`: write rows that are
    missing or differ, treat surplus rows as the table's rule says, and compare again; tables that fit `allow_deletes` may
    lose any share of their rows. `tell` is called with what is being done. Raise ConfigError for options that do not fit
    together, SourceError or TargetError when a server cannot be used, PlanError when no table fits `tiers` and `tables`.
    """
    request = Request(level, sample, secrets.randbelow(1_000_000) if seed is None else seed, first, show_values)
    check_request(request, repair, bool(allow_deletes))
    check_libraries()
    began = time.monotonic()
    selection = Selection(tuple(tiers), tuple(tables), tuple(exclude), allow_deletes=tuple(allow_deletes))
    sight = look(config, selection, on_record, tell)
    if error := unknown("--allow-deletes", selection.allow_deletes, sight.everything):
        raise error
    source, target, catalog = sight.source, sight.target, sight.catalog
    catalog, limited = _without_parts(catalog, sight.known)
    asked = [*tasks(config, catalog, sight.known, selection, began), *map(unverifiable, sight.hidden)]
    if level in ("keys", "rows") and sample == 1:
        tell("looking for ranges", 0, len(asked))
        asked = _cut(config, source, catalog, asked)
    both = Both(source, target, new_run(), config.at_once)
    try:
        found = [item.without_keys() for item in compare_tables(both, request, asked, tell)]  # a repair finds them anew
        result = Verification(
            catalog.identity, config.target_schema, level, tuple(item.verdict for item in found), sample, request.seed,
            round(time.monotonic() - began, 3),
        )  # fmt: skip
        if repair and not result.equal:
            tell("repairing", 0, sum(not item.verdict.equal for item in found))
            result = repaired(config, both, request, found, result, selection)
    finally:
        both.close()
    notes = [f"{skip.table} is not verified: {skip.reason}" for skip in sight.skipped]
    notes += [f"{table} is not verified: {words}, as its rule says" for table, words in limited.items()]
    if why := keep(target, result, dt.datetime.now(dt.UTC)):
        notes.append(f"this verification is not on record: {why}")
    return dataclasses.replace(result, seconds=round(time.monotonic() - began, 3), notes=tuple(notes))


def _without_parts(catalog: Catalog, known: Known) -> tuple[Catalog, dict[str, str]]:
    """Return the catalogue without the tables that are parts as their rules say, and these with which rows they have."""
    limited = {table.name: words for table in catalog if table.limit and (words := part_of(known.states.get(table.name)))}
    return dataclasses.replace(catalog, tables=tuple(t for t in catalog if t.name not in limited)), limited


def _cut(config: Config, source: MySQL, catalog: Catalog, asked: Sequence[Task]) -> list[Task]:
    """Cut large tables as a load does: where the key is one integer, which both servers order alike."""
    keys = {task.spec.table: task.spec.key for task in asked if task.comparable}
    found = {table.name: split_key(table) for table in catalog}
    able = [t for t in catalog if (key := found[t.name]) and key.columns == keys.get(t.name) and is_integer_key(t, key)]
    bounds = patient(read_bounds, source, able, None, config.partition_bytes)
    cuts = {table: tuple((int(str(cut[0])),) for cut in bound.cuts) for table, bound in bounds.items()}
    return [dataclasses.replace(task, cuts=cuts.get(task.spec.table, ())) for task in asked]
