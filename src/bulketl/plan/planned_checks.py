"""The checks that a load will make of a table: the entries of its rule, compared with the columns as they are now."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from bulketl.config.config import Config
from bulketl.config.tables import TableRule, circle
from bulketl.errors import PlanError
from bulketl.plan.enums import declared
from bulketl.tables.casts import Cast, cast, held_type
from bulketl.tables.catalog import Catalog, Table, TargetTable
from bulketl.tables.checks import Check
from bulketl.tables.enums import is_type_name
from bulketl.tables.types import TARGET_FLOATS, TARGET_INTEGERS, TARGET_TIMES

_FAMILIES = {
    "number": {*TARGET_INTEGERS, "numeric", *TARGET_FLOATS},
    "text": {"text", "varchar", "enum"},
    "time": {*TARGET_TIMES},
}


def planned(config: Config, catalog: Catalog, table: Table, casts: Sequence[Cast]) -> tuple[Check, ...]:
    """Return the checks of a table whose columns are loaded with `casts`.

    Raise PlanError that names every one that cannot be made, by its place in tables.yaml.
    """
    rule = config.rule(table.name)
    if not rule.checks:
        return ()
    from bulketl.rows.row_checks import mistake  # Polars tries them: slow to load, and few tables have checks

    by_name = {item.column: item for item in casts}
    wrong = [f"checks.{n} ({check.label}): {why}" for n, check in _placed(rule) if (why := mistake(check, by_name))]
    _refuse(table.name, wrong)
    return tuple(_pointed(config, _clocked(config, catalog, table, by_name, check)) for check in rule.all_checks)


def pointing(
    config: Config, catalog: Catalog, table: Table, casts: Sequence[Cast], target: Mapping[str, TargetTable]
) -> None:
    """Raise PlanError when a foreign key points to a table or column that is neither loaded nor in the target."""
    rule = config.rule(table.name)
    tables = {other.name: other for other in catalog}
    by_name = {item.column: item.target for item in casts}
    wrong = []
    for n, check in _placed(rule):
        if check.kind != "foreign_key":
            continue
        other = config.table_name(check.table)
        there = _types(config, other, tables.get(other), target.get(other))
        at = f"checks.{n} ({check.label})"
        if not there:
            wrong.append(f"{at}: table {check.table!r} is not loaded now and not in the target")
            continue
        for column, key in zip(check.columns, check.keys, strict=True):
            kind = there.get(config.target_name(other, key))
            if kind is None:
                wrong.append(f"{at}: table {check.table!r} has no column {key!r}")
            elif _family(by_name[column]) != _family(kind):
                wrong.append(f"{at}: {column!r} is {by_name[column]} and {key!r} is {kind}, which cannot be compared")
    _refuse(table.name, wrong)


def needed(config: Config, tables: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the tables that each is loaded after: its dependencies, and those its foreign keys point to.

    A foreign key that would close a circle gives no order: the table it points to may be checked as it was before.
    """
    rules = {name: config.rule(name) for name in tables}
    own = {name: rule.dependencies for name, rule in rules.items()}
    more = [
        (name, config.table_name(check.table)) for name, rule in rules.items() for _, check in _placed(rule) if check.table
    ]
    every = _with(own, more)
    if not circle(every):
        return every
    for edge in more:
        if not circle(tried := _with(own, [edge])):
            own = tried
    return own


def _with(needs: Mapping[str, tuple[str, ...]], edges: Sequence[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found = dict(needs)
    for name, other in edges:
        if other not in found.get(name, ()):
            found[name] = (*found.get(name, ()), other)
    return found


def looks_elsewhere(rule: TableRule) -> bool:
    """Tell whether a check can fail although no row of the table has changed: by the clock, or by another table."""
    return any(
        check.kind in ("fresh", "foreign_key") or (check.kind == "expression" and "current_date" in check.text.lower())
        for _, check in _placed(rule)
    )


def _placed(rule: TableRule) -> list[tuple[int, Check]]:
    return [(n, check) for n, entry in enumerate(rule.checks) for check in entry.checks()]


def _types(config: Config, name: str, table: Table | None, existing: TargetTable | None) -> dict[str, str]:
    """Return the columns that a table has in the target, or will have, by their names there, with their types there.

    It is empty when there is no such table.
    """
    found = dict(existing.columns) if existing else {}
    if table is not None:
        rule = config.rule(name)
        for column in table.columns:
            if rule.takes(column.name) and column.readable:
                try:
                    found[config.target_name(name, column.name)] = cast(column, declared(config, table, column)).target
                except PlanError:  # that table's own refusal says so
                    continue
    return found


def _family(target: str) -> str:
    base = "enum" if is_type_name(target) else held_type(target)[0]
    return next((family for family, members in _FAMILIES.items() if base in members), base)


def _clocked(config: Config, catalog: Catalog, table: Table, casts: Mapping[str, Cast], check: Check) -> Check:
    """Return a check of freshness with the clock that its column is written by; others as they are."""
    if check.kind != "fresh" or casts[check.columns[0]].target_type.base == "timestamptz":
        return check
    stamp = table.column(check.columns[0]).parsed.base == "timestamp"
    declared = stamp and config.timestamp_zone != "server"
    return dataclasses.replace(check, zone=config.timestamp_zone if declared else str(catalog.offset))


def _pointed(config: Config, check: Check) -> Check:
    """Return a foreign key with the names that the columns it points to have in the target; others as they are."""
    if not check.keys:
        return check
    table = config.table_name(check.table)
    return dataclasses.replace(check, table=table, places=config.target_names(table, check.keys))


def _refuse(table: str, wrong: list[str]) -> None:
    if wrong:
        raise PlanError(
            f"table {table!r} has checks that cannot be made: {'; '.join(wrong)}",
            hint="correct them in tables.yaml, or take them out: docs/checks.md lists what each needs",
        )
