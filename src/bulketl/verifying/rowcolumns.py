"""The columns of one row, side by side: what each column contributes to the row's story. Values in, values out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bulketl.config.config import Config
from bulketl.plan.masking import masked_columns
from bulketl.tables.casts import Cast
from bulketl.tables.catalog import Table, TargetTable
from bulketl.tables.spec import DELETED_AT, ROW_HASH, STAMPS
from bulketl.verifying.rowstory import ColumnState, ColumnStory

_FIRST = {"differs": 0, "source only": 1, "unknown": 2, "target only": 4}


@dataclass(frozen=True, slots=True)
class Values:
    """What was read of a row: texts of both sides, None for a side without it; what a load would write where that differs.

    `written`: by column of the source, of those that differ; None when the two were not compared. `altered`: what the way
    changes of each column. `compared`: columns that were, all but those of another type. `faulty`: columns for which a load
    would reject the row. `noted`: the audit trail has the source's row.
    """

    source: Mapping[str, str | None] | None = field(default=None, repr=False)
    target: Mapping[str, str | None] | None = field(default=None, repr=False)
    written: Mapping[str, str | None] | None = field(default=None, repr=False)
    altered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    compared: Collection[str] = ()
    faulty: Collection[str] = ()
    noted: bool = False


def hidden(config: Config, table: str) -> frozenset[str]:
    """Return the columns of a table whose values are shown to nobody: those that are masked or excluded."""
    rule = config.rule(table)
    return masked_columns(rule) | {*rule.exclude_columns}


def _hidden_there(config: Config, table: Table | None, name: str, casts: Collection[Cast]) -> frozenset[str]:
    """Return the names in the target of columns whose values are shown to nobody, or that its rule leaves out."""
    rule = config.rule(name)
    left = [column.name for column in table.columns if not rule.takes(column.name)] if table else []
    secret = {*hidden(config, name), *left}
    return frozenset({*secret, *config.target_names(name, secret), *(item.name for item in casts if item.column in secret)})


def columns_of(
    config: Config, table: Table | None, casts: Collection[Cast], existing: TargetTable | None, values: Values
) -> tuple[ColumnStory, ...]:
    """Return each column of the row: those that differ first, then those that were changed on the way, then the others."""
    name = table.name if table else existing.name if existing else ""
    there = dict(existing.columns) if existing else {}
    secret, taken = hidden(config, name), {item.column: item for item in casts if item.source}
    found = [_cast(config, table, item, there, values, secret) for item in taken.values()]
    found += [_left_out(column.name) for column in table.columns if column.name not in taken] if table else []
    known = {item.name for item in taken.values()} | {ROW_HASH, DELETED_AT, *STAMPS} | {one.column for one in found}
    secret = _hidden_there(config, table, name, casts)
    found += [_only_there(table, column, kind, values, secret) for column, kind in there.items() if column not in known]
    return tuple(sorted(found, key=lambda one: _FIRST.get(one.state, 3) - (0.5 if one.altered else 0)))


def _cast(
    config: Config, table: Table | None, item: Cast, there: Mapping[str, str], values: Values, secret: Collection[str]
) -> ColumnStory:
    shown = item.column not in secret
    source = values.source.get(item.column) if values.source and shown else None
    target = values.target.get(item.name) if values.target and shown else None
    note: str = ""
    state: ColumnState = _state(item, there, values) if shown or values.written is not None else "unknown"
    if not shown:
        compared = "compared as it is masked" if state in ("equal", "differs") else "not compared"
        note = f"its value is masked, so it is {compared} and not shown"
    elif values.target is not None and item.name not in there:
        note = "the target does not have it yet"
    elif item.name in there and there[item.name] != item.target:
        note = f"it is {there[item.name]} in the target, and a load writes {item.target}"
    return ColumnStory(
        item.column, state, source, target,
        written=(values.written or {}).get(item.column) if shown else None,
        cast=f"{item.source} -> {item.target}",
        declared=table is not None and bool(config.declared_type(table, table.column(item.column))),
        altered=values.altered.get(item.column, ()), shown=shown, note=note,
    )  # fmt: skip


def _state(item: Cast, there: Mapping[str, str], values: Values) -> ColumnState:
    if values.source is None or values.target is None:
        return "unknown" if values.source is values.target is None else "source only" if values.source else "target only"
    if item.name not in there:
        return "source only"
    if values.written is None:  # a row that no load can take is compared by its texts
        if values.source.get(item.column) == values.target.get(item.name):
            return "equal"
        return "differs" if item.column in values.faulty else "unknown"
    return "differs" if item.column in values.written or item.column not in values.compared else "equal"


def _left_out(column: str) -> ColumnStory:
    return ColumnStory(
        column, "equal", shown=False, note="a rule excludes it, so no load reads it and no value of it is shown"
    )


def _only_there(table: Table | None, column: str, kind: str, values: Values, secret: Collection[str]) -> ColumnStory:
    shown = column not in secret
    target = values.target.get(column) if values.target and shown else None
    note = "the source does not have it any more, and the target keeps it" if table else ""
    return ColumnStory(column, "target only", None, target, cast=f"-> {kind}", shown=shown, note=note)
