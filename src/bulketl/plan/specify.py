"""The spec of a table, from its rule, the source, the target, and how far it is loaded."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Mapping

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError
from bulketl.plan.absences import unseen
from bulketl.plan.enums import cast_of
from bulketl.plan.incremental import Choice
from bulketl.plan.keeping import kept
from bulketl.plan.masking import masked, masking_of, unread, withheld
from bulketl.plan.planned_checks import planned
from bulketl.rows.canonical import hash_expressions
from bulketl.tables.casts import Cast, encoder_of
from bulketl.tables.catalog import Catalog, Table
from bulketl.tables.cursor import State
from bulketl.tables.enums import ENUM
from bulketl.tables.partitions import split_key
from bulketl.tables.spec import GUARD, GUARDED_ROWS, NAME_BYTES, ROW_HASH, STAMPS, TableSpec

_SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


def specify(config: Config, catalog: Catalog, table: Table, choice: Choice, free: bool = False) -> TableSpec:
    """Return what a worker must know of a table, all but the way it becomes visible; `free`: any share of rows may go.

    Raise PlanError when a column cannot be loaded.
    """
    rule, state = config.rule(table.name), choice.state
    left = withheld(config, table, rule)
    read = _casts(config, catalog, table, left, choice)
    casts = masked(config, catalog, table, read, left)
    taken = [item.name for item in casts if item.name in config.added_columns]
    if taken:
        raise PlanError(
            f"table {table.name!r} has a column {taken[0]!r} of its own, which added_columns would add",
            hint="take it out of added_columns, or name it under the table's exclude_columns",
        )
    if ROW_HASH in config.added_columns:
        hashed = hash_expressions(casts, {item.column: "" for item in casts}, config.nul_bytes)[0]
        casts = (*casts, Cast(ROW_HASH, "", "text", "string", hashed, "", nullable=False, guarded=False))
    kept = {item.column for item in casts}
    only_there = unread(config, catalog, table, casts, left, choice.existing)
    whole = choice.whole
    retained = _retained(table, state)
    hold = rule.retention is not None and rule.retention.legal_hold
    policy = "ignore" if rule.table_importance == "audit" else rule.deletes.policy or ("mirror" if whole else "ignore")
    if hold and policy == "mirror":
        policy = "ignore"
    spec = TableSpec(
        table=table.name,
        schema=config.target_schema,
        origin=table.origin,
        where=table.where,
        casts=casts,
        key=rule.primary_key or (table.primary_key if kept.issuperset(table.primary_key) else ()),
        publish="create",
        encoder=encoder_of(casts),
        zone=config.session_zone,
        nul_bytes=config.nul_bytes,
        max_rejects=rule.max_rejects if rule.max_rejects is not None else config.max_rejects,
        checks=planned(config, catalog, table, read),
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
        locks=table.locks,
        masking=masking_of(config, (*casts, *only_there)),
        left=config.target_names(table.name, [c.name for c in table.columns if not rule.takes(c.name)]),
        withheld=left,
        unread=only_there,
    )
    if hold and not (spec.key or spec.audit):
        raise PlanError(
            f"table {table.name!r} has a legal hold and no primary key, so its rows can only be replaced as a whole",
            hint="declare its primary_key; without one, only its tier can keep them: table_importance: audit",
        )
    return dataclasses.replace(spec, evidence=_evidence(table, rule, spec, catalog.version))


def _retained(table: Table, state: State | None) -> tuple[tuple[str, dt.datetime], ...]:
    """Return what retention has removed, by column; raise PlanError when the source can no longer tell those rows."""
    limits = state.retained if state else ()
    there = {column.name for column in table.columns}
    for column, limit in limits:
        if column not in there:
            raise PlanError(
                f"table {table.name!r} no longer has the column {column!r}, by which retention has removed rows before "
                f"{limit} from the target: bulketl cannot tell these rows from the others, and they would come back",
                hint=f"put the column back at the source, or take {column!r} out of bulketl.state.retained in the target "
                "when they may come back; `bulketl state reset` does not forget retention",
            )
    return tuple((column, dt.datetime.fromisoformat(limit)) for column, limit in limits)


def _evidence(table: Table, rule: TableRule, spec: TableSpec, version: str) -> str:
    """Return when the table was changed last, '' if nobody knows, a blank, and a hash of all that says how it is loaded."""
    casts = tuple(dataclasses.replace(item, target=ENUM) if item.labels else item for item in spec.casts)
    how = (casts, spec.key, spec.zone, spec.nul_bytes, spec.stamps, spec.audit, spec.retained, repr(rule))
    named = tuple(item.name for item in spec.casts if item.name != item.column)  # not in the text of a cast
    beside = tuple(kept(rule, table, spec.casts, version)) if rule.keep else ()
    more = (*((named,) if named else ()), *((spec.masking,) if spec.masking else ()), *beside)
    return f"{table.changed_at} {hashlib.sha256(repr((*how, *more)).encode()).hexdigest()[:16]}"


def known_columns(table: Table, rule: TableRule, kept: set[str]) -> None:
    """Raise PlanError where a rule names a column that is not read."""
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


def _casts(config: Config, catalog: Catalog, table: Table, left: tuple[str, ...], choice: Choice) -> tuple[Cast, ...]:
    rule, hidden = config.rule(table.name), unseen(config, catalog, table)
    named = {*rule.casts, *rule.columns, *rule.exclude_columns, *rule.rename}
    unknown = sorted(named - {column.name for column in table.columns} - hidden)
    if unknown:
        raise PlanError(
            f"table {table.name!r} has no column {', '.join(map(repr, unknown))}, which the configuration names",
            hint="correct the name under casts, columns, exclude_columns or rename; MySQL's spelling and case count",
        )
    columns = [column for column in table.columns if rule.takes(column.name) and column.name not in left]
    unreadable = [column.name for column in columns if not column.readable]
    if unreadable:
        raise PlanError(
            f"no right to read column{'s' * (len(unreadable) > 1)} {', '.join(map(repr, unreadable))} of {table.name!r}",
            hint="grant SELECT on the table to the source user, or name the columns under exclude_columns",
        )
    if not columns:
        hint = "shorten its exclude_columns, or name more under columns"
        raise PlanError(f"table {table.name!r} has no column left to load", hint=hint)
    names = {column.name: config.target_name(table.name, column.name) for column in columns}
    _apart(table, names)
    for name in names.values():
        if len(name.encode()) > NAME_BYTES:
            raise name_error("column", name, (), of=table.name)
        if name in _SYSTEM_COLUMNS:
            raise PlanError(
                f"column {name!r} of {table.name!r} has the name of a system column of Postgres",
                hint="give it another name under rename in tables.yaml, or name it under exclude_columns",
            )
    made: list[Cast] = []
    wrong: list[PlanError] = []
    for column in columns:
        try:
            item = cast_of(config, catalog, table, column, choice)
            given = names[column.name]
            made.append(item if given == column.name else dataclasses.replace(item, name=given))
        except PlanError as error:
            wrong.append(error)
    if wrong:
        raise PlanError(f"table {table.name!r}: {'; '.join(error.message for error in wrong)}", hint=wrong[0].hint)
    return tuple(made)


def _apart(table: Table, names: Mapping[str, str]) -> None:
    """Raise PlanError where two columns would have the same name in the target."""
    for column, name in names.items():
        same = [other for other in names if names[other] == name]
        if len(same) > 1:
            raise PlanError(
                f"columns {' and '.join(map(repr, same))} of table {table.name!r} would both be {name!r} in the target",
                hint=f"give {column!r} another name under rename in tables.yaml, or leave one of them out",
            )


def name_error(kind: str, name: str, others: tuple[str, ...], of: str = "") -> PlanError:
    """Return the error of a table or column whose name Postgres would cut, or cut to the same as others."""
    where = f" of {of!r}" if of else ""
    same = f", where it would be the same as {', '.join(map(repr, others))}" if others else ""
    action = "give it a target_name, or set exclude: true for it"
    if kind == "column":
        action = "give it another under rename, or name it under exclude_columns"
    return PlanError(
        f"{kind} name {name!r}{where} has {len(name.encode())} bytes, and Postgres cuts names at {NAME_BYTES}{same}",
        hint=f"rename it at the source, name a view of a shorter name in tables.yaml, or {action}",
    )
