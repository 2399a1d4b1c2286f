"""Deciding: configuration, catalogue, bounds and what the target has, in; the plan, out.

Nothing is opened and no clock is read, so the same inputs give the same plan. What cannot be loaded is a refusal in the
plan, with its reason, and does not disturb the others.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import fnmatch
import hashlib
from collections.abc import Mapping, Sequence

from bulketl.checkplan import needed, planned, pointing
from bulketl.config import Config
from bulketl.consistency import consistent
from bulketl.errors import PlanError
from bulketl.grouping import grouped
from bulketl.incremental import Choice, partitions
from bulketl.known import absences, unseen
from bulketl.leftout import fitting
from bulketl.ownership import Adoption, check, taken
from bulketl.plan import Plan, Refusal, Skip, TableLoad
from bulketl.publishing import differing, publishing
from bulketl.rows.canonical import digests
from bulketl.rules import TableRule
from bulketl.tables.casts import Cast, cast, encoder_of
from bulketl.tables.catalog import Catalog, Other, Table, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.measured import Pace
from bulketl.tables.partitions import Bound, Partition, fits, long_columns, row_bytes, rows_per_partition, split, split_key
from bulketl.tables.spec import GUARD, GUARDED_ROWS, NAME_BYTES, ROW_HASH, STAMPS, TableSpec, Tier

READ_HINT = "grant SELECT on it to the source user, or repair it; exclude: true leaves it out"
NEW_TABLE = "new at the source; `bulketl discover --write` adds it to the rules, new_tables: load takes such tables at once"
NEW = "+ table, new at the source"
NOTHING = Adoption()
COMPARED_EVERY = dt.timedelta(days=1)  # where rows that are gone are to be found at all
_SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


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
    if any(fnmatch.fnmatchcase(table, pattern) for pattern in exclude):
        return False
    if table in patterns:
        return True
    rule = config.rule(table)
    wanted = not patterns or any(fnmatch.fnmatchcase(table, pattern) for pattern in patterns)
    return wanted and not rule.exclude and (not tiers or rule.table_importance in tiers)


def decide(
    config: Config,
    catalog: Catalog,
    bounds: Mapping[str, Bound],
    target: Mapping[str, TargetTable],
    *,
    choices: Mapping[str, Choice] | None = None,
    skipped: tuple[Skip, ...] = (),
    hidden: tuple[Refusal, ...] = (),
    left_out: tuple[Other, ...] = (),
    history: Mapping[str, Pace] | None = None,
    allowed: Sequence[str] = (),
    adoption: Adoption = NOTHING,
) -> Plan:
    """Decide how each table of `catalog` is loaded. The catalog holds the wanted tables only.

    `bounds` has an entry for every table that is loaded whole, `target` for those that exist in the target schema; `choices`
    says what else is known of a table, and whether only its changes are read; `skipped`, `hidden` and `left_out` are not
    loaded, as was decided before; `history` has the pace of earlier loads; `allowed` are patterns of tables that may lose
    any share of their rows; `adoption` what a person gives to bulketl. Raise nothing: what cannot be loaded is in `refused`.
    """
    loads: list[TableLoad] = []
    refused = list(hidden)
    collisions = _collisions(catalog)
    for table in catalog:
        rule = config.rule(table.name)
        try:
            if table.name in collisions:
                raise _name_error("table", table.name, collisions[table.name])
            choice, existing = (choices or {}).get(table.name, Choice()), target.get(table.name)
            check(config, catalog, table, existing, choice.state, adoption)
            if choice.refusal:
                raise choice.refusal
            load = _load(config, catalog, table, bounds.get(table.name), existing, choice, allowed)
            load = taken(load, config, target, adoption)
            pointing(config, catalog, table, load.spec.casts, target)
            loads.append(load)
        except PlanError as error:
            refused.append(Refusal(table.name, rule.table_importance, error.message, error.hint))
    if history:
        loads = [_paced(load, history.get(load.spec.table)) for load in loads]
    zone = config.timestamp_zone if config.timestamp_zone != "server" else f"the server's, {catalog.zone}"
    needs = needed(config)
    groups = tuple(grouped(loads, needs, config.partition_bytes))
    return Plan(catalog.identity, config.target_schema, zone, groups, tuple(refused), skipped, left_out)


def _paced(load: TableLoad, pace: Pace | None) -> TableLoad:
    return dataclasses.replace(load, seconds=round(pace.seconds(load.rows), 3)) if pace else load


def _load(
    config: Config,
    catalog: Catalog,
    table: Table,
    bound: Bound | None,
    existing: TargetTable | None,
    choice: Choice,
    allowed: Sequence[str],
) -> TableLoad:
    rule, state = config.rule(table.name), choice.state
    spec = specify(config, catalog, table, choice, any(fnmatch.fnmatchcase(table.name, pattern) for pattern in allowed))
    _known_columns(table, rule, {item.column for item in spec.casts})
    if state and state.audited and not spec.audit:
        raise PlanError(
            f"table {table.name!r} is audited in the target, and its rule says tier {rule.table_importance} now",
            hint=f"write table_importance: audit again; or, if its audit is to end, `bulketl state reset {table.name}`",
        )
    if state and state.audited and existing is None:
        raise PlanError(
            f"table {table.name!r} is audited, and it is gone in the target: somebody dropped or renamed it there",
            hint=f"put it back; or `bulketl state reset {table.name}`, and its audit begins anew with what the source has",
        )
    if choice.whole or choice.cursor is None or choice.measured is None:
        if bound is None or bound.error:
            raise PlanError(f"table {table.name!r} cannot be read: {bound.error if bound else 'gone'}", hint=READ_HINT)
        parts, how = _parts(table, rule, bound, config.partition_bytes)
        how, rows, size = f"full load{choice.why}: {how}", bound.rows, max(_size(table, bound.rows), bound.longest)
    else:
        parts, how = partitions(table, choice.cursor, choice.measured)
        how, rows = f"incremental: {how}", choice.measured.rows
        size = rows * row_bytes(table)
    found = differing(spec, existing, state)
    agreed, parts = consistent(config, rule, table, parts, spec)
    spec = dataclasses.replace(spec, consistency=agreed)
    stream = bool(parts and parts[0].stream)
    spec, why = publishing(config, rule, spec, 2 if stream else len(parts), existing, found)
    compare = not spec.whole and due(rule, spec, state)
    return TableLoad(
        spec=spec,
        partitions=parts,
        tier=rule.table_importance,
        reason=f"{how}; {why}" + ("; then compared with the source" if compare else ""),
        rows=rows,
        bytes=size,
        long=bool(long_columns(table)),
        drift=(*([NEW] if existing is None and config.is_new(table.name) else []), *found.texts),
        declared=tuple(
            f"{item.column} {item.source} -> {item.target}"
            for item in spec.casts
            if item.source and config.declared_type(table, table.column(item.column))
        ),
        hanging=(*(f"view {v}" for v in existing.views), *existing.hanging, *existing.grants) if existing else (),
        chunked=bool(parts and any(part.mark for part in parts)),
        compare=compare,
        due=rule.monitoring.max_extraction_time_minutes * 60,
        strategy=rule.extraction_strategy,
    )


def specify(config: Config, catalog: Catalog, table: Table, choice: Choice, free: bool = False) -> TableSpec:
    """Return what a worker must know of a table, all but the way it becomes visible; `free`: any share of rows may go.

    Raise PlanError when a column cannot be loaded.
    """
    rule, state = config.rule(table.name), choice.state
    casts = _casts(config, rule, table, unseen(config, catalog, table))
    taken = [item.column for item in casts if item.column in config.added_columns]
    if taken:
        raise PlanError(
            f"table {table.name!r} has a column {taken[0]!r} of its own, which added_columns would add",
            hint="take it out of added_columns, or name it under the table's exclude_columns",
        )
    if ROW_HASH in config.added_columns:
        hashed = digests(casts, {item.column: "" for item in casts}, config.nul_bytes)[0]
        casts = (*casts, Cast(ROW_HASH, "", "text", "string", hashed, "", nullable=False, guarded=False))
    kept = {item.column for item in casts}
    whole = choice.whole
    retained = _retained(table, state)
    hold = rule.retention is not None and rule.retention.legal_hold
    policy = "ignore" if rule.table_importance == "audit" else rule.deletes.policy or ("mirror" if whole else "ignore")
    if hold and policy == "mirror":
        policy = "ignore"
    spec = TableSpec(
        table=table.name,
        schema=config.target_schema,
        casts=casts,
        key=rule.primary_key or (table.primary_key if kept.issuperset(table.primary_key) else ()),
        publish="create",
        encoder=encoder_of(casts),
        zone="" if config.timestamp_zone == "server" else config.timestamp_zone,
        nul_bytes=config.nul_bytes,
        max_rejects=rule.max_rejects if rule.max_rejects is not None else config.max_rejects,
        checks=planned(config, catalog, table, casts),
        source=catalog.identity,
        audit=rule.table_importance == "audit",
        whole=whole,
        watermark=choice.watermark,
        deletes=policy,
        guard=1.0 if free else GUARD if rule.deletes.guard is None else rule.deletes.guard,
        free=GUARDED_ROWS if rule.deletes.guard is None else 0,
        rows=state.rows if state else None,
        stamps=tuple(column for column in STAMPS if column in config.added_columns),
        retained=retained,
        stop_after=rule.stop_after_minutes and rule.stop_after_minutes * 60,
        threshold=rule.monitoring.data_quality_threshold,
        certify=config.certify,
    )
    if hold and not (spec.key or spec.audit):
        raise PlanError(
            f"table {table.name!r} has a legal hold and no primary key, so its rows can only be replaced as a whole",
            hint="declare its primary_key; without one, only its tier can keep them: table_importance: audit",
        )
    return dataclasses.replace(spec, evidence=_evidence(table, rule, spec))


def _retained(table: Table, state: State | None) -> tuple[tuple[str, dt.datetime], ...]:
    """Return what retention has removed, by column; raise PlanError when the source can no longer tell those rows."""
    limits = state.retained if state else ()
    there = {column.name for column in table.columns}
    for column, limit in limits:
        if column not in there:
            raise PlanError(
                f"table {table.name!r} has no column {column!r} any more, and rows before {limit} in it have left the "
                "target by its retention: they cannot be told from the others, and would come back",
                hint=f"put the column back at the source, or take {column!r} out of bulketl.state.retained in the target "
                "when they may come back; `bulketl state reset` does not forget retention",
            )
    return tuple((column, dt.datetime.fromisoformat(limit)) for column, limit in limits)


def _evidence(table: Table, rule: TableRule, spec: TableSpec) -> str:
    """Return when the table was changed last, '' if nobody knows, a blank, and a hash of all that says how it is loaded."""
    how = (spec.casts, spec.key, spec.zone, spec.nul_bytes, spec.stamps, spec.audit, spec.retained, repr(rule))
    return f"{table.changed_at} {hashlib.sha256(repr(how).encode()).hexdigest()[:16]}"


def due(rule: TableRule, spec: TableSpec, state: State | None) -> bool:
    """Tell whether a table that is loaded by its changes is to be compared with its source after this load.

    A little early is due, for runs are not punctual.
    """
    looked_for = spec.audit or rule.deletes.policy not in (None, "ignore")
    every = rule.deletes.every if rule.deletes.every is not None else COMPARED_EVERY if looked_for else None
    targets = {item.column: item.target for item in spec.casts}
    # Both servers write the same float in other words at times: a row would be missing and gone at once.
    floats = any(targets.get(column) in ("real", "double precision") for column in spec.key)
    if every is None or not spec.key or floats:
        return False
    return state is None or state.compared is None or state.compared >= 0.9 * every.total_seconds()


def _parts(table: Table, rule: TableRule, bound: Bound, size: int) -> tuple[tuple[Partition, ...], str]:
    """Return the partitions that hold every row of the table once, and in words how they are read."""
    along = split_key(table, rule.partition_by)
    if bound.counted and bound.rows == 0:
        return (), "empty at the source, counted"
    if bound.cuts and along:
        parts = split(table, along, bound.cuts)
        return parts, f"{len(parts)} ranges of {', '.join(along.columns)}"
    if not fits(table, bound.rows, size):
        return (
            Partition(0, stream=rows_per_partition(table, size)),
        ), "one streamed read, because no key can be cut into ranges"
    return (Partition(0),), "one read"


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
    for what, columns in (
        ("retention", [rule.retention.by] if rule.retention else []),
        ("reread", rule.reread.columns if rule.reread else ()),
    ):
        for column in columns:
            if column not in kept:
                raise PlanError(
                    f"table {table.name!r} has no column {column!r}, which its {what} names",
                    hint="correct the name; MySQL's spelling and case count, and the column must not be excluded",
                )
    if rule.partition_by is not None and split_key(table, rule.partition_by) is None:
        raise PlanError(
            f"table {table.name!r} cannot be cut along {rule.partition_by!r}: no index begins with it, or it has no order",
            hint="name a number, date or text column that an index begins with, or leave partition_by out",
        )


def _size(table: Table, rows: int) -> int:
    return max(table.bytes, rows * row_bytes(table)) if rows else table.bytes


def _casts(config: Config, rule: TableRule, table: Table, hidden: frozenset[str]) -> tuple[Cast, ...]:
    unknown = sorted({*rule.casts, *rule.exclude_columns} - {column.name for column in table.columns} - hidden)
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
                hint="name it under exclude_columns, or rename it in a view at the source and name that in tables.yaml",
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
        hint=f"rename it at the source, name a view of a shorter name in tables.yaml, or {action}",
    )
