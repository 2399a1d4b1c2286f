"""Verifying what was loaded: every table held against its source, and repaired if that is wanted."""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Sequence

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.patience import patient
from bulketl.errors import ConfigError
from bulketl.mysql.discover import read_bounds
from bulketl.mysql.server import MySQL
from bulketl.plan.selection import Selection
from bulketl.postgres.known import recorded
from bulketl.postgres.locks import new_run
from bulketl.survey.look import look
from bulketl.tables.catalog import Catalog
from bulketl.tables.partitions import is_integer_key, split_key
from bulketl.tables.spec import Tier
from bulketl.verifying.checker import Checker
from bulketl.verifying.keyless import multiset
from bulketl.verifying.repair import mend
from bulketl.verifying.tasks import Task, tasks, unverifiable
from bulketl.verifying.verdicts import LEVELS, Level, Verification


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
) -> Verification:
    """Hold loaded tables against their source and return what differs; without `repair`, change nothing.

    `tiers`, `tables`, `exclude`: as for a load. `sample`: the share of the rows to look at, above 0 and at most 1, chosen by
    `seed`. `first`: rows that are named of each table. `show_values`: with what stands in them on both sides. `repair`:
    bring in rows that are missing or differ, treat those that are too many as the table's rule says, and look again; tables
    that fit `allow_deletes` may lose any share of their rows. Raise ConfigError for options that do not fit together,
    SourceError or TargetError when a server cannot be used, PlanError when nothing fits `tiers` and `tables`.
    """
    _check(level, sample, first, repair)
    check_libraries()
    began = time.monotonic()
    selection = Selection(tuple(tiers), tuple(tables), tuple(exclude), allow_deletes=tuple(allow_deletes))
    sight = look(config, selection, recorded)
    source, target, catalog = sight.source, sight.target, sight.catalog
    loads, rejects = sight.known.loads, sight.known.rejects
    asked = [*tasks(config, catalog, sight.known, selection), *map(unverifiable, sight.hidden)]
    cuts = _cuts(config, source, catalog, asked) if level in ("keys", "rows") and sample == 1 else {}
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    run = new_run()
    checker = Checker(
        source, target, run, level, sample, seed, first, show_values, config.at_once, loads, rejects, cuts, began, multiset
    )
    try:
        found = [item.without_keys() for item in checker.all(asked)]  # a repair finds them anew under its locks
        result = Verification(
            catalog.identity, config.target_schema, level, tuple(item.verdict for item in found), sample, seed,
            round(time.monotonic() - began, 3),
        )  # fmt: skip
        if repair and not result.equal:
            result = mend(config, checker, found, result, selection)
    finally:
        checker.close()
    notes = tuple(f"{skip.table} is not verified: {skip.reason}" for skip in sight.skipped)
    return dataclasses.replace(result, seconds=round(time.monotonic() - began, 3), notes=notes)


def _cuts(config: Config, source: MySQL, catalog: Catalog, asked: Sequence[Task]) -> dict[str, tuple[tuple[int], ...]]:
    """Return where large tables are cut, as for a load: those whose key is one integer, which both servers order alike."""
    keys = {task.spec.table: task.spec.key for task in asked if task.comparable}
    found = {table.name: split_key(table) for table in catalog}
    able = [t for t in catalog if (key := found[t.name]) and key.columns == keys.get(t.name) and is_integer_key(t, key)]
    bounds = patient(read_bounds, source, able, None, config.partition_bytes)
    return {table: tuple((int(str(cut[0])),) for cut in bound.cuts) for table, bound in bounds.items()}


def _check(level: str, sample: float, first: int, repair: bool) -> None:
    if level not in LEVELS:
        raise ConfigError(f"there is no level {level!r}", hint=f"the levels are {', '.join(LEVELS)}")
    if not 0 < sample <= 1:
        raise ConfigError(f"a sample of {sample:.0%} is none", hint="name a share above 0 % and at most 100 %, like 5%")
    if sample < 1 and level in ("count", "sums"):
        raise ConfigError(f"level {level} has no sample: it costs a scan anyway", hint="take --level keys or rows with it")
    if repair and level != "rows":
        raise ConfigError(f"level {level} does not say which rows to repair", hint="repair at level rows")
    if first < 0:
        raise ConfigError(f"{first} rows cannot be named", hint="name 0 or more with --first")
