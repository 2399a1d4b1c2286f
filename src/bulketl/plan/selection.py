"""Which tables are asked for, and why the others are left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bulketl.config.config import Config
from bulketl.errors import PlanError
from bulketl.plan.absences import absences
from bulketl.plan.leftout import fitting
from bulketl.plan.plan import Refusal, Skip
from bulketl.tables.catalog import Catalog
from bulketl.tables.patterns import matches
from bulketl.tables.spec import Tier

NEW_TABLE = "new at the source; `bulketl discover --write` adds it to the rules, new_tables: load takes such tables at once"


def select(
    config: Config, catalog: Catalog, tiers: Sequence[Tier], patterns: Sequence[str], exclude: Sequence[str] = ()
) -> tuple[Catalog, tuple[Skip, ...], tuple[Refusal, ...]]:
    """Return the catalogue with the tables that are asked for; those that wait or are gone; those that are out of view.

    `patterns` are names or globs; a name in full also takes a table that its rule excludes. Raise PlanError when a pattern
    fits no table, nothing is left, or there are more workers than connections.
    """
    if 0 < catalog.connections < config.at_once:
        raise PlanError(
            f"{config.at_once} workers need as many connections, and {catalog.identity} gives this user "
            f"{catalog.connections}",
            hint="lower workers, or raise the user's MAX_USER_CONNECTIONS or the server's max_connections",
        )
    fitting(catalog, patterns, exclude)
    kept, skipped = [], []
    for table in catalog:
        if not _asked(config, table.name, tiers, patterns, exclude):
            continue
        if config.waits(table.name) and table.name not in patterns and not table.view:
            skipped.append(Skip(table.name, config.rule(table.name).table_importance, NEW_TABLE))
            continue
        kept.append(table)
    refused, gone = absences(config, catalog, lambda name: _asked(config, name, tiers, patterns, exclude))
    if not (kept or skipped or refused):
        which = f"of tier {', '.join(tiers)} " if tiers else ""
        raise PlanError(
            f"there is no table {which}to load in {catalog.identity}",
            hint="give tables their tier as table_importance in config/tables.yaml, or load without --tier",
        )
    return dataclasses.replace(catalog, tables=tuple(kept)), (*skipped, *gone), refused


def _asked(config: Config, table: str, tiers: Sequence[Tier], patterns: Sequence[str], exclude: Sequence[str]) -> bool:
    if matches(table, exclude):
        return False
    if table in patterns:
        return True
    rule = config.rule(table)
    wanted = not patterns or matches(table, patterns)
    return wanted and not rule.exclude and (not tiers or rule.table_importance in tiers)
