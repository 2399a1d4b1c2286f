"""Deciding: configuration, catalogue, bounds and what the target has, in; the plan, out.

Nothing is opened and no clock is read, so the same inputs give the same plan. What cannot be loaded is a refusal in the
plan, with its reason, and does not disturb the others.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError
from bulketl.plan import enums
from bulketl.plan.consistency import consistent
from bulketl.plan.facing import Facing
from bulketl.plan.grouping import grouped
from bulketl.plan.incremental import OTHER_WHERE, WAS_PART, Choice, partitions
from bulketl.plan.keeping import kept, permitted, placed, reserved, told_of, unkept
from bulketl.plan.masking import aged, forgotten, hold_masks, remasked, unclassified, unspooled
from bulketl.plan.obstacles import hold
from bulketl.plan.ownership import check, with_ownership
from bulketl.plan.partial import as_part, check_place, is_part, words_of
from bulketl.plan.plan import Plan, Refusal, TableLoad, refusal
from bulketl.plan.planned_checks import needed, pointing
from bulketl.plan.previous import with_previous
from bulketl.plan.publishing import differing, publishing
from bulketl.plan.selection import Selection
from bulketl.plan.specify import known_columns, name_error, specify
from bulketl.plan.spelling import check_spelling
from bulketl.tables.catalog import Catalog, Key, Table, TargetTable, enum_types
from bulketl.tables.cursor import State
from bulketl.tables.enums import split_name
from bulketl.tables.partitions import Bound, Partition, fits, long_columns, row_bytes, rows_per_partition, split, split_key
from bulketl.tables.printable import count_of
from bulketl.tables.slices import sliceable, slicing, waited_for
from bulketl.tables.spec import NAME_BYTES, TableSpec
from bulketl.tables.types import TARGET_FLOATS

READ_HINT = "grant SELECT on it to the source user, or repair it; exclude: true leaves it out"
NEW = "+ table, new at the source"
EVERYTHING = Selection()
COMPARED = "then compared with the source"
AGED = "its oldest years are moved to the new year's limit"
COMPARED_EVERY = dt.timedelta(days=1)  # where rows that are gone are to be found at all


def decide(
    config: Config,
    catalog: Catalog,
    bounds: Mapping[str, Bound],
    target: Mapping[str, TargetTable],
    *,
    choices: Mapping[str, Choice] | None = None,
    selection: Selection = EVERYTHING,
) -> Plan:
    """Decide how each table of `catalog` is loaded. The catalog holds the wanted tables only.

    `bounds` has an entry for every table that is loaded whole, `target` for those that exist in the target schema; `choices`
    says what else is known of a table, and whether only its changes are read; `selection` what a person asks for. Raise
    nothing: what cannot be loaded is in `refused`.
    """
    loads: list[TableLoad] = []
    refused: list[Refusal] = []
    collisions = _collisions(catalog)
    taken, types = reserved(catalog, target), enum_types(target)
    for table in catalog:
        rule = config.rule(table.name)
        try:
            if table.name in collisions:
                raise name_error("table", table.name, collisions[table.name])
            choice = dataclasses.replace(
                (choices or {}).get(table.name, Choice()), existing=target.get(table.name), types=types, taken=taken
            )
            check(config, catalog, table, choice, selection)
            if choice.refusal:
                raise choice.refusal
            if choice.chosen:
                check_place(table, choice.state, choice.existing, free=selection.frees(table.name))
            load = _load(config, catalog, table, bounds.get(table.name), choice, taken, selection.frees(table.name))
            hold_masks(load.spec, choice.state, choice.existing, full=selection.full)
            unspooled(load)
            load = with_ownership(load, config, target, selection)
            load = with_previous(load, config, target.get(load.spec.table), choice.state)
            pointing(config, catalog, table, load.spec.casts, target)
            hold(Facing(load, choice.existing))
            loads.append(load)
        except PlanError as error:
            refused.append(refusal(table.name, rule.table_importance, error))
    zone = config.timestamp_zone if config.timestamp_zone != "server" else f"the server's, {catalog.zone}"
    needs = needed(config, [table.name for table in catalog])
    groups = tuple(grouped(loads, needs, config.partition_bytes))
    return Plan(catalog.identity, config.target_schema, zone, groups, tuple(refused))


def _load(
    config: Config, catalog: Catalog, table: Table, bound: Bound | None, choice: Choice, taken: set[str], free: bool
) -> TableLoad:
    rule, state, existing = config.rule(table.name), choice.state, choice.existing
    spec = specify(config, catalog, table, choice, free)
    known_columns(table, rule, {item.column for item in spec.casts})
    partial = words_of(choice.chosen, spec) if choice.chosen else ""
    if choice.chosen:
        spec = as_part(spec, choice.chosen.part)
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
            said = bound.error if bound else ""
            hint = f"correct its where, which the source has to understand; or {READ_HINT}" if table.where else READ_HINT
            raise PlanError(f"table {table.name!r} cannot be read: {said or 'gone'}", hint=hint, said=said)
        parts, how = _parts(table, rule, bound, config.partition_bytes)
        if choice.chosen and choice.chosen.partitions:
            parts = choice.chosen.partitions
            lists = sum(bool(part.only) for part in parts)
            how = f"{count_of(len(parts) - lists, 'range')} of {', '.join(parts[0].columns)}"
            how += f" and {count_of(lists, 'list')} of keys" if lists else ""
        again = remasked(spec, state)
        why = choice.why or (f", because {again}" if again else "")
        how, rows, size = f"full load{why}: {how}", bound.rows, max(_size(table, bound.rows), bound.longest)
    else:
        parts, how = partitions(table, choice.cursor, choice.measured)
        how, rows = f"incremental: {how}", choice.measured.rows
        size = rows * row_bytes(table)
    found = differing(spec, existing, state)
    asked = rule.model_copy(update={"consistency": None}) if choice.chosen else rule  # lists of keys are of no one moment
    agreed, parts = consistent(config, asked, table, parts, spec)
    spec = dataclasses.replace(spec, consistency=agreed, packed=True, aged=aged(spec, state), unread=forgotten(spec, state))
    stream = bool(parts and parts[0].stream)
    spec, why = publishing(config, rule, spec, 2 if stream else len(parts), existing, found)
    check_spelling(spec, choice.encoding)
    beside = permitted(kept(rule, table, spec.casts, catalog.version, choice.encoding), spec, existing)
    spec, indexes = placed(spec, beside, existing, taken)
    spec = dataclasses.replace(spec, untyped=enums.left_behind(spec, choice))
    taken.update(split_name(item.target)[1] for item in spec.casts if item.labels)
    compare = not spec.whole and due(rule, spec, state)
    stays = spec.publish in ("merge", "append")
    emptied = [item.name for item in spec.unread if item.masked and item.masked.mask.method == "null"]
    null = f"{', '.join(emptied)}, masked now and only in the target, becomes NULL" if emptied else ""
    ages = AGED if stays and spec.aged else ""
    condition = "only the rows for which its rule's where holds" if table.where else ""
    other = choice.state is not None and existing is not None and choice.state.taken.where != table.where
    whole_again = WAS_PART if is_part(state) and existing is not None and not choice.chosen and not choice.why else ""
    other_where = OTHER_WHERE if other and not choice.why else ""
    condition = "; ".join(filter(None, (partial, condition, other_where, whole_again)))
    named = "" if table.name == table.origin else f"{table.origin} at the source"
    told = (how, named, condition, some_columns(table, spec), why, ages, null, told_of(beside), enums.told(spec, choice),
            COMPARED if compare else "")  # fmt: skip
    unmet = choice.unmet or keyless(rule, table), unkept(beside), enums.unmade(config, table, choice.encoding)
    load = TableLoad(
        spec=spec,
        partitions=parts,
        tier=rule.table_importance,
        reason="; ".join(filter(None, told)),
        rows=rows,
        bytes=size,
        seconds=round(choice.pace.seconds(rows), 3) if choice.pace else None,
        long=bool(long_columns(table)),
        drift=(
            *([NEW] if existing is None and config.is_new(table.name) else []),
            *([f"~ it was {choice.former} until now, which stays as it is"] if choice.former else []),
            *found.texts,
            *indexes,
            *enums.added(spec.casts, choice),
            *unclassified(spec.withheld),
            *_unasked(config, table),
        ),
        declared=tuple(
            f"{item.column} {item.source} -> {item.target}"
            for item in spec.casts
            if item.source and config.declared_type(table, table.column(item.column))
        ),
        hanging=(*existing.views, *existing.hanging, *existing.grants) if existing else (),
        chunked=bool(parts and any(part.mark for part in parts)),
        compare=compare,
        due=rule.monitoring.max_extraction_time_minutes * 60,
        once_more=config.loads_again(rule.table_importance),
        strategy=rule.extraction_strategy,
        unmet="; ".join(filter(None, unmet)),
        part=partial,
    )
    # What is staged is compared with the record of its ranges, so an empty table has one too.
    return load if parts or load.direct else dataclasses.replace(load, partitions=(Partition(0),))


def some_columns(table: Table, spec: TableSpec) -> str:
    """Say how many of the source's columns are loaded, where a rule leaves some out."""
    return f"{len(table.columns) - len(spec.left)} of its {count_of(len(table.columns), 'column')}" if spec.left else ""


def _unasked(config: Config, table: Table) -> list[str]:
    """Return a line for each column that came to the source after the rules named the only ones that are loaded."""
    rule, known = config.rule(table.name), config.known_columns.get(table.name)
    new = [column.name for column in table.columns if known is not None and column.name not in known]
    named = [name for name in new if rule.columns and not rule.takes(name) and name not in rule.exclude_columns]
    return [f"? {name}: new at the source, and not among the columns of its rule" for name in named]


def keyless(rule: TableRule, table: Table) -> str:
    """Return that a table with a key is loaded without one, and why, or ''."""
    lost = [column for column in table.primary_key if not rule.takes(column)]
    return "" if rule.key_of(table.primary_key) or not lost else f"loaded without a key: its rule excludes {', '.join(lost)}"


def due(rule: TableRule, spec: TableSpec, state: State | None) -> bool:
    """Tell whether a table that is loaded by its changes is to be compared with its source after this load.

    A little early is due, for runs are not punctual. So is one whose years are raised: how the source differs is on record
    with the years of before, and no longer tells what is explained.
    """
    looked_for = spec.audit or rule.deletes.policy not in (None, "ignore")
    every = rule.deletes.every if rule.deletes.every is not None else COMPARED_EVERY if looked_for else None
    targets = {item.column: item.target for item in spec.casts}
    # Both servers write the same float in other words at times: a row would be missing and gone at once.
    floats = any(targets.get(column) in TARGET_FLOATS for column in spec.key)
    if every is None or not spec.key or floats:
        return False
    return spec.aged or state is None or state.compared is None or state.compared >= 0.9 * every.total_seconds()


def _parts(table: Table, rule: TableRule, bound: Bound, size: int) -> tuple[tuple[Partition, ...], str]:
    """Return the partitions that hold every row of the table once, and in words how they are read."""
    along = split_key(table, rule.partition_by)
    if bound.counted and bound.rows == 0:
        return (), "empty at the source, counted"
    if bound.cuts and along:
        parts = split(table, along, bound.cuts)
        return parts, f"{count_of(len(parts), 'range')} of {', '.join(along.columns)}{_sparing(table, along)}"
    if not fits(table, bound.rows, size):
        return (
            Partition(0, stream=rows_per_partition(table, size)),
        ), "one streamed read, because no key can be cut into ranges"
    if along and sliceable(table, along, bound.rows, rule.consistency):
        return split(table, along, ()), f"all of {along.columns[0]}{_sparing(table, along)}"
    waited = waited_for(table, bound.rows) and not (along and slicing(table, along))
    return (
        Partition(0),
    ), f"one read{', which writers wait for: no unique key to cut it by is one integer column' if waited else ''}"


def _sparing(table: Table, along: Key) -> str:
    """Say what writers to a table meet whose engine locks it while a range is read."""
    if slicing(table, along):
        return ", a slice of some 50 ms at a time, so that writers get in between"
    return ", and writers wait for each: it is not one integer column of a unique key" if table.locks else ""


def _size(table: Table, rows: int) -> int:
    return max(table.bytes, rows * row_bytes(table)) if rows else table.bytes


def _collisions(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Return the table names that Postgres would cut, each with the others that would then be the same."""
    names = [table.name for table in catalog]
    long = [name for name in names if len(name.encode()) > NAME_BYTES]
    cut = {name: name.encode()[:NAME_BYTES] for name in names}
    return {name: tuple(n for n in names if n != name and cut[n] == cut[name]) for name in long}
