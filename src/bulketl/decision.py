"""Deciding: configuration, catalogue, bounds and what the target has, in; the plan, out.

Nothing is opened and no clock is read, so the same inputs give the same plan. What cannot be loaded is a refusal in the
plan, with its reason, and does not disturb the others.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterator, Mapping, Sequence

from bulketl.casts import Cast, cast, encoder_of
from bulketl.catalog import Catalog, Table, TargetTable
from bulketl.config import Config
from bulketl.drift import Drift, drift
from bulketl.errors import PlanError
from bulketl.partitions import Bound, Partition, row_bytes, rows_per_partition, split, split_key
from bulketl.plan import NAME_BYTES, Group, Plan, Refusal, Skip, TableLoad, TableSpec
from bulketl.rules import TIERS, TableRule, Tier

GROUP_BYTES = 4 << 20  # tables of a group are in memory together, before their transaction begins
GROUP_TABLES = 40
READ_HINT = "grant SELECT on it to the source user, or repair it; exclude: true leaves it out"
NEW_TABLE = "new at the source; `bulketl discover --write` adds it to the rules, new_tables: load takes such tables at once"
FULL_FOR_NOW = "full load, since incremental loading is not part of this version"
_SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


def select(
    config: Config, catalog: Catalog, tiers: Sequence[Tier], patterns: Sequence[str]
) -> tuple[Catalog, tuple[Skip, ...]]:
    """Return the catalogue with the tables that are asked for, and the new ones that nobody has decided about.

    `patterns` are names or globs; a name in full also takes a table that its rule excludes. Raise PlanError when a pattern
    fits no table, or nothing is left.
    """
    names = [table.name for table in catalog]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise PlanError(
                f"no table {pattern!r} in {catalog.identity} that this user may read",
                hint="check the spelling (case counts), and the user's SELECT right on it",
            )
    kept, skipped = [], []
    for table in catalog:
        rule = config.rule(table.name)
        if table.name not in patterns:
            asked = not patterns or any(fnmatch.fnmatchcase(table.name, pattern) for pattern in patterns)
            if not asked or rule.exclude or (tiers and rule.table_importance not in tiers):
                continue
            if config.waits(table.name):
                skipped.append(Skip(table.name, rule.table_importance, NEW_TABLE))
                continue
        kept.append(table)
    if not kept and not skipped:
        which = f"of tier {', '.join(tiers)} " if tiers else ""
        raise PlanError(
            f"there is no table {which}to load in {catalog.identity}",
            hint="give tables their tier as table_importance in config/tables.yaml, or load without --tier",
        )
    return dataclasses.replace(catalog, tables=tuple(kept)), tuple(skipped)


def decide(
    config: Config,
    catalog: Catalog,
    bounds: Mapping[str, Bound],
    target: Mapping[str, TargetTable],
    *,
    full: bool = False,
    skipped: tuple[Skip, ...] = (),
    history: Mapping[str, float] | None = None,
) -> Plan:
    """Decide how each table of `catalog` is loaded. The catalog holds the wanted tables only.

    `full` asks for whole tables whatever their strategy. `bounds` has an entry for every table, `target` for those that
    exist in the target schema; `history` has the seconds per row of earlier loads. Raise nothing: what cannot be loaded is
    in `refused`.
    """
    loads: list[TableLoad] = []
    refused: list[Refusal] = []
    collisions = _collisions(catalog)
    for table in catalog:
        rule = config.rule(table.name)
        try:
            if bounds[table.name].error:
                raise PlanError(f"table {table.name!r} cannot be read: {bounds[table.name].error}", hint=READ_HINT)
            if table.name in collisions:
                raise _name_error("table", table.name, collisions[table.name])
            loads.append(_load(config, rule, table, bounds[table.name], target.get(table.name), full))
        except PlanError as error:
            refused.append(Refusal(table.name, rule.table_importance, error.message, error.hint))
    if history:
        loads = [dataclasses.replace(load, seconds=_expected(load, history)) for load in loads]
    loads.sort(key=lambda load: (TIERS.index(load.tier), -load.bytes, load.spec.table))
    zone = config.timestamp_zone if config.timestamp_zone != "server" else f"the server's, {catalog.zone}"
    return Plan(catalog.identity, config.target_schema, zone, tuple(_groups(loads)), tuple(refused), skipped)


def _expected(load: TableLoad, history: Mapping[str, float]) -> float | None:
    per_row = history.get(load.spec.table)
    return None if per_row is None else round(per_row * max(load.rows, 1), 1)


def _load(
    config: Config, rule: TableRule, table: Table, bound: Bound, existing: TargetTable | None, full: bool
) -> TableLoad:
    spec_casts = _casts(config, rule, table)
    kept = {item.column for item in spec_casts}
    key = rule.primary_key or (table.primary_key if kept.issuperset(table.primary_key) else ())
    along = split_key(table, rule.partition_by)
    _known_columns(table, rule, kept)
    if bound.counted and bound.rows == 0:
        partitions: tuple[Partition, ...] = ()
        how = "empty at the source, counted"
    elif bound.cuts and along:
        partitions = split(table, along, bound.cuts)
        how = f"{len(partitions)} ranges of {', '.join(along.columns)}"
    elif bound.rows > rows_per_partition(table):
        partitions = (Partition(0, stream=rows_per_partition(table)),)
        how = "one streamed read, because no key can be cut into ranges"
    else:
        partitions = (Partition(0),)
        how = "one read"
    load = "full load" if full or rule.extraction_strategy == "full_table" else FULL_FOR_NOW
    spec = TableSpec(
        table=table.name,
        schema=config.target_schema,
        casts=spec_casts,
        key=key,
        publish="create",
        encoder=encoder_of(spec_casts),
        zone="" if config.timestamp_zone == "server" else config.timestamp_zone,
        nul_bytes=config.nul_bytes,
        max_rejects=rule.max_rejects if rule.max_rejects is not None else config.max_rejects,
    )
    spec, why, found = _publish(config, rule, spec, 2 if partitions and partitions[0].stream else len(partitions), existing)
    return TableLoad(
        spec=spec,
        partitions=partitions,
        tier=rule.table_importance,
        reason=f"{load}: {how}; {why}",
        rows=bound.rows,
        bytes=_size(table, bound),
        drift=found.texts,
        declared=tuple(
            f"{item.column} {item.source} -> {item.target}"
            for item in spec_casts
            if config.declared_type(table, table.column(item.column))
        ),
        hanging=(*(f"view {v}" for v in existing.views), *existing.hanging, *existing.grants) if existing else (),
    )


def _known_columns(table: Table, rule: TableRule, kept: set[str]) -> None:
    if rule.mask:
        raise PlanError(
            f"table {table.name!r} has a mask for {', '.join(rule.mask)}, and masking is not part of this version",
            hint="nothing is loaded unmasked: name the columns under exclude_columns instead",
        )
    for column in rule.primary_key:
        if column not in kept:
            raise PlanError(
                f"table {table.name!r} has no column {column!r}, which its primary_key names",
                hint="correct primary_key; MySQL's spelling and case count",
            )
    if rule.partition_by is not None and split_key(table, rule.partition_by) is None:
        raise PlanError(
            f"table {table.name!r} cannot be cut along {rule.partition_by!r}: no index begins with it, or it has no order",
            hint="name a number, date or text column that an index begins with, or leave partition_by out",
        )


def _size(table: Table, bound: Bound) -> int:
    return max(table.bytes, bound.rows * row_bytes(table)) if bound.rows else table.bytes


def _casts(config: Config, rule: TableRule, table: Table) -> tuple[Cast, ...]:
    unknown = sorted({*rule.casts, *rule.exclude_columns} - {column.name for column in table.columns})
    if unknown:
        raise PlanError(
            f"table {table.name!r} has no column {', '.join(map(repr, unknown))}, which the configuration names",
            hint="correct the name under casts or exclude_columns; MySQL's spelling and case count",
        )
    columns = [column for column in table.columns if column.name not in rule.exclude_columns]
    unreadable = [column.name for column in columns if not column.readable]
    if unreadable:
        raise PlanError(
            f"no right to read column{'s' * (len(unreadable) > 1)} {', '.join(map(repr, unreadable))} of {table.name!r}",
            hint="grant SELECT on the table to the source user, or name the columns under exclude_columns",
        )
    if not columns:
        raise PlanError(f"table {table.name!r} has no column left to load", hint="shorten its exclude_columns")
    for column in columns:
        if len(column.name.encode()) > NAME_BYTES:
            raise _name_error("column", column.name, (), of=table.name)
        if column.name in _SYSTEM_COLUMNS:
            raise PlanError(
                f"column {column.name!r} of {table.name!r} has the name of a system column of Postgres",
                hint="name it under exclude_columns, or rename it in a view at the source",
            )
    made: list[Cast] = []
    wrong: list[PlanError] = []
    for column in columns:
        try:
            made.append(cast(column, config.declared_type(table, column)))
        except PlanError as error:
            wrong.append(error)
    if wrong:
        raise PlanError(f"table {table.name!r}: {'; '.join(error.message for error in wrong)}", hint=wrong[0].hint)
    return tuple(made)


def _publish(
    config: Config, rule: TableRule, spec: TableSpec, parts: int, existing: TargetTable | None
) -> tuple[TableSpec, str, Drift]:
    """Return the spec with the way it becomes visible, the reason for it, and what changed in the columns."""
    if existing is None:
        return spec, "new in the target", Drift()
    found = drift(spec.casts, existing)
    if rule.publish == "swap" and existing.hanging:
        raise PlanError(
            f"table {existing.name!r} cannot be swapped, as its rule asks, because of {', '.join(existing.hanging)}",
            hint="take publish: swap out of its rule, or drop what hangs on it",
        )
    _refuse(config, spec, existing, found)
    gone = [name for name in found.dropped if config.dropped_columns == "keep" and name not in rule.exclude_columns]
    kept = tuple((name, dict(existing.columns)[name]) for name in gone)
    spec = dataclasses.replace(spec, kept=kept, added=found.added, widened=found.widened)
    hanging = ", ".join(existing.hanging)
    if existing.referenced:
        return dataclasses.replace(spec, publish="merge"), f"differences merged in, because of {hanging}", found
    if existing.hanging:
        way = f"emptied and refilled in one transaction, because of {hanging}"
        return dataclasses.replace(spec, publish="refill"), way, found
    in_place = existing.primary_key == spec.key and _in_place(existing, found, kept)
    if in_place and (parts <= 1 or rule.publish == "refill") and rule.publish != "swap":
        why = "small, so" if parts <= 1 else "as its rule asks,"
        return dataclasses.replace(spec, publish="refill"), f"{why} emptied and refilled in one transaction", found
    return dataclasses.replace(spec, publish="swap", seen=existing.seen), "built beside and swapped in", found


def _in_place(existing: TargetTable, found: Drift, kept: tuple[tuple[str, str], ...]) -> bool:
    """Tell whether the target table itself can follow: a column can be added always, widened when no view shows it."""
    shown = existing.views or existing.materialized
    return not (found.changed or len(kept) < len(found.dropped) or (found.widened and shown))


def _refuse(config: Config, spec: TableSpec, existing: TargetTable, found: Drift) -> None:
    name = existing.name
    if existing.columns and existing.primary_key and existing.primary_key != spec.key:
        raise PlanError(
            f"table {name!r} has the key {', '.join(spec.key) or 'none'} at the source "
            f"and {', '.join(existing.primary_key)} in the target",
            hint="a key of another name or other columns makes another table: drop the target's when you are sure",
        )
    if found.changed and config.narrowed_columns == "refuse":
        raise PlanError(
            f"table {name!r} has columns of a narrower or other type than the target: {'; '.join(found.texts)}",
            hint="alter the target table by hand, or set narrowed_columns: swap to have it built anew",
        )
    if not existing.hanging:
        return
    hanging = ", ".join(existing.hanging)
    kept = tuple((column, "") for column in found.dropped if config.dropped_columns == "keep")
    if not existing.columns or existing.primary_key != spec.key or not _in_place(existing, found, kept):
        raise PlanError(
            f"table {name!r} has other columns or another key than the source now, "
            f"and cannot be replaced because of {hanging}" + (f": {'; '.join(found.texts)}" if existing.columns else ""),
            hint="alter the target table by hand, or drop what hangs on it, and load again",
        )
    if existing.referenced and not spec.key:
        raise PlanError(
            f"table {name!r} has no primary key, and foreign keys point to it in the target",
            hint="drop those foreign keys: without a key the rows can only be replaced as a whole",
        )


def _groups(loads: list[TableLoad]) -> Iterator[Group]:
    """Put direct loads of a tier together up to GROUP_BYTES; every staged table stays alone, in the order given."""
    waiting: list[TableLoad] = []
    for load in loads:
        full = len(waiting) >= GROUP_TABLES or sum(w.bytes for w in waiting) + load.bytes > GROUP_BYTES
        other = waiting and (waiting[0].tier, waiting[0].spec.encoder) != (load.tier, load.spec.encoder)
        if waiting and (waiting[0].tier != load.tier or (load.direct and (full or other))):
            yield Group(waiting[0].tier, tuple(waiting))
            waiting = []
        if not load.direct:
            yield Group(load.tier, (load,))
            continue
        waiting.append(load)
    if waiting:
        yield Group(waiting[0].tier, tuple(waiting))


def _collisions(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Return the table names that Postgres would cut, each with the others that would then be the same."""
    names = [table.name for table in catalog]
    long = [name for name in names if len(name.encode()) > NAME_BYTES]
    cut = {name: name.encode()[:NAME_BYTES] for name in names}
    return {name: tuple(n for n in names if n != name and cut[n] == cut[name]) for name in long}


def _name_error(kind: str, name: str, others: tuple[str, ...], of: str = "") -> PlanError:
    where = f" of {of!r}" if of else ""
    same = f", where it would be the same as {', '.join(map(repr, others))}" if others else ""
    action = "name it under exclude_columns" if kind == "column" else "set exclude: true for it"
    return PlanError(
        f"{kind} name {name!r}{where} has {len(name.encode())} bytes, and Postgres cuts names at {NAME_BYTES}{same}",
        hint=f"rename it at the source, load it from there through a shorter name, or {action}",
    )
