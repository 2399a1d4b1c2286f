"""How a table becomes visible: the way, the reason for it, and what prevents it.

Values in, values out. A whole table is created, refilled, swapped or merged; changes are merged. A table of tier audit is
only ever appended to. A table whose deleted rows must stay is only ever merged into.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError, runbook
from bulketl.plan.drift import Drift, drift
from bulketl.tables.casts import unhashed
from bulketl.tables.catalog import TargetTable, not_null
from bulketl.tables.cursor import State
from bulketl.tables.spec import DELETED_AT, TableSpec

Way = tuple[TableSpec, str]


def differing(spec: TableSpec, existing: TargetTable | None, state: State | None) -> Drift:
    """Return how the target's columns differ from those needed; a column kept since an earlier load is no news."""
    if existing is None:
        return Drift()
    found = drift(spec.casts, existing, state.taken.names if state else (), spec.left)
    own = {*spec.stamps, *([DELETED_AT] if spec.deletes == "mark" else [])}
    known = own.union(state.kept if state else ())
    return dataclasses.replace(
        found,
        dropped=tuple(name for name in found.dropped if name not in own),
        texts=tuple(line for line in found.texts if _gone(line, found.dropped) not in known),
    )


def _gone(line: str, dropped: tuple[str, ...]) -> str:
    """Return the column that a line says is gone, '' for another line. A name may have blanks, and begin another."""
    return max((name for name in dropped if line.startswith(f"- {name} ")), key=len, default="")


def publishing(
    config: Config, rule: TableRule, spec: TableSpec, parts: int, existing: TargetTable | None, found: Drift
) -> Way:
    """Return the spec with the way it becomes visible, and the reason for it.

    `parts`: partitions, or more than one for a stream. Raise PlanError when it cannot become visible.
    """
    _possible(spec)
    _keyed(rule, spec)
    if existing is None:
        marks = ((DELETED_AT, "timestamptz"),) if spec.deletes == "mark" else ()
        return dataclasses.replace(spec, kept=marks), "new in the target"
    own = {
        not_null(column) for column in (*spec.target_key, *(existing.primary_key if found.renamed else ()))
    }  # which a primary key brings: what Postgres 18 leaves of a dropped one
    own |= {*existing.defaults} if "defaults" in rule.keep else set()  # each load says which there are
    existing = dataclasses.replace(existing, hanging=tuple(what for what in existing.hanging if what not in own))
    if rule.publish == "swap" and not existing.replaceable:
        raise PlanError(
            f"table {existing.name!r} cannot be swapped, as its rule asks, because of {', '.join(existing.hanging)}",
            hint="remove publish: swap from its rule, or drop what depends on the table",
        )
    _refuse(config, rule, spec, existing, found)
    spec = dataclasses.replace(spec, partitioned=existing.partitioned, watched=existing.acting)
    spec = _kept(config, rule, spec, existing, found)
    if spec.audit:
        _only_added_to(spec, existing, found, "is of tier audit")
        if found.added and not spec.key:
            raise PlanError(
                f"table {spec.table!r} is of tier audit and has no primary key, so bulketl cannot fill its new columns "
                f"{', '.join(found.added)} in the rows that are there",
                hint="declare its primary_key, name the columns under exclude_columns, or give it another tier",
            )
        return dataclasses.replace(spec, publish="append"), "appended to, because it is of tier audit"
    if not spec.whole:
        return dataclasses.replace(spec, publish="merge"), "merged in"
    if spec.deletes != "mirror":
        _only_added_to(spec, existing, found, f"has deletes: {spec.deletes}")
        return dataclasses.replace(spec, publish="merge"), f"differences merged in, because of deletes: {spec.deletes}"
    return _replaced(rule, spec, parts, existing, found)


def _replaced(rule: TableRule, spec: TableSpec, parts: int, existing: TargetTable, found: Drift) -> Way:
    """Return the way in which a whole table takes the place of what is there."""
    hanging = ", ".join(existing.hanging)
    if existing.referenced:
        return dataclasses.replace(spec, publish="merge"), f"differences merged in, because of {hanging}"
    uncopied = [f"{column} {kind}" for column, kind in spec.kept if column in existing.uncopied]
    in_place = existing.primary_key == spec.target_key and _in_place(existing, found, spec.kept)
    swaps = rule.publish == "swap" or not in_place
    if not existing.replaceable and uncopied and parts <= 1:
        raise PlanError(
            f"table {spec.table!r} has columns in the target whose type has no binary form, so no row can be copied: "
            f"{', '.join(uncopied)}; and it cannot be replaced because of {hanging}",
            hint="drop that column, give it another type, or drop what depends on the table",
        )
    if existing.hanging and not (existing.replaceable and (swaps or uncopied)):
        way = f"emptied and refilled in one transaction, because of {hanging}"
        return dataclasses.replace(spec, publish="refill"), way
    if uncopied:
        why = f"built beside and swapped in, because rows cannot be copied beside {', '.join(uncopied)}"
        return dataclasses.replace(spec, publish="swap", seen=existing.seen), why
    if in_place and (parts <= 1 or rule.publish == "refill") and rule.publish != "swap":
        why = "small, so" if parts <= 1 else "as its rule asks,"
        return dataclasses.replace(spec, publish="refill"), f"{why} emptied and refilled in one transaction"
    again = f", and {hanging} built again" if hanging else ""
    return dataclasses.replace(spec, publish="swap", seen=existing.seen), f"built beside and swapped in{again}"


def _possible(spec: TableSpec) -> None:
    if spec.deletes == "mark" and any(item.name == DELETED_AT for item in spec.casts):
        raise PlanError(
            f"table {spec.table!r} has a column {DELETED_AT!r} of its own, and deletes: mark needs that name",
            hint="choose another policy for its deletes, or name the column under exclude_columns",
        )
    if alike := [column for column in unhashed(spec.written.casts) if column in spec.key]:
        raise PlanError(
            f"table {spec.table!r}: column {alike[0]!r} of its key is text and declared jsonb, and as jsonb two "
            "different keys of the source may be equal",
            hint="declare it text",
        )


def _keyed(rule: TableRule, spec: TableSpec) -> None:
    """Raise PlanError for a policy by which a table is never replaced, where no key lets rows be merged: from the start."""
    if rule.deletes.policy in ("ignore", "mark", "fail") and not (spec.key or spec.audit):
        raise PlanError(
            f"table {spec.table!r} has deletes: {rule.deletes.policy} and no key, so bulketl can neither replace nor "
            "merge its rows",
            hint="declare its primary_key, or write deletes: mirror, which replaces it whole",
        )


def _kept(config: Config, rule: TableRule, spec: TableSpec, existing: TargetTable, found: Drift) -> TableSpec:
    """Return the spec with the columns that stay although the source has them no longer, and those that change."""
    there = dict(existing.columns)
    kept = [(name, there[name]) for name in _staying(config, rule, spec, found)]
    if spec.deletes == "mark":
        kept.append((DELETED_AT, "timestamptz"))
    own = (*spec.stamps, *([DELETED_AT] if spec.deletes == "mark" else []))
    new = tuple(column for column in own if column not in there)
    added = (*found.added, *new)
    return dataclasses.replace(spec, kept=tuple(kept), added=added, widened=found.widened)


def _staying(config: Config, rule: TableRule, spec: TableSpec, found: Drift) -> list[str]:
    """Return the columns that the source has no longer and the target keeps: never one that a person excludes."""
    excluded = {*config.target_names(spec.table, rule.exclude_columns), *found.unwanted}
    return [name for name in found.dropped if config.dropped_columns == "keep" and name not in excluded]


def _only_added_to(spec: TableSpec, existing: TargetTable, found: Drift, why: str) -> None:
    """Raise PlanError when the table, which must stay, cannot take the rows with columns added or widened."""
    if not (spec.key or spec.audit) or existing.primary_key != spec.target_key or not _in_place(existing, found, spec.kept):
        texts = f": {'; '.join(found.texts)}" if found.texts else ""
        by_hand = "alter it in the target so that it fits, with the same primary key; bulketl itself adds and widens columns"
        raise PlanError(
            f"table {spec.table!r} {why}, so bulketl never replaces it, and in its present form it cannot take the "
            f"source's rows{texts}",
            hint=_by_hand(spec, found) if found.renamed else by_hand,
        )


def _by_hand(spec: TableSpec, found: Drift) -> str:
    names = ", ".join(f"{old} TO {new}" for old, new in found.renamed)
    then = f", `bulketl state reset {spec.table}`" if found.exchanged else ""
    return f"give the columns their names there by hand (ALTER TABLE … RENAME COLUMN {names}){then}, and load again"


def _in_place(existing: TargetTable, found: Drift, kept: tuple[tuple[str, str], ...]) -> bool:
    """Tell whether the target table itself can follow: a column can be added always, widened when no view shows it."""
    shown = existing.views or existing.materialized
    names = {name for name, _ in kept}
    return not (found.changed or found.exchanged or not names.issuperset(found.dropped) or (found.widened and shown))


def _refuse(config: Config, rule: TableRule, spec: TableSpec, existing: TargetTable, found: Drift) -> None:
    name = existing.name
    now = dict(found.renamed)
    there = tuple(now.get(column, column) for column in existing.primary_key)
    if existing.columns and existing.primary_key and there != spec.target_key:
        raise PlanError(
            f"table {name!r} has the key {', '.join(spec.key) or 'none'} at the source "
            f"and {', '.join(existing.primary_key)} in the target",
            hint="a table with another key is another table: drop the target's table when you are sure; "
            + runbook("schema-changed"),
        )
    if found.changed and config.narrowed_columns == "refuse":
        raise PlanError(
            f"table {name!r} has columns of a narrower or other type than the target: {'; '.join(found.texts)}",
            hint="alter the target table by hand, or set narrowed_columns: swap, and bulketl builds it anew; "
            + runbook("schema-changed"),
        )
    kept = tuple((name, "") for name in _staying(config, rule, spec, found))
    excluded = config.target_names(spec.table, rule.exclude_columns)
    if not (existing.columns and existing.primary_key == spec.target_key and _in_place(existing, found, kept)):
        _replaceable(existing, spec, found, {*found.dropped} - {name for name, _ in kept}, excluded)
    if existing.referenced and not spec.key:
        raise PlanError(
            f"table {name!r} has no primary key, and foreign keys point to it in the target",
            hint="drop those foreign keys: without a key the rows can only be replaced as a whole",
        )


def _replaceable(existing: TargetTable, spec: TableSpec, found: Drift, lost: set[str], excluded: Collection[str]) -> None:
    """Raise PlanError when no new table can take its place: `lost` are the columns that it would be without."""
    name, hanging = existing.name, ", ".join(existing.hanging)
    if existing.columns and existing.replaceable:
        if needing := existing.needing(lost):
            columns = {column for _, needed in needing for column in needed}
            keeping = "write dropped_columns: keep"
            if columns.intersection(dict(found.renamed)):
                keeping = "leave the column the name that it has there"
            elif columns.intersection(excluded):
                keeping = "take it out of exclude_columns"
            elif columns.intersection(found.left):
                keeping = "name it under columns"
            raise PlanError(
                f"table {name!r} cannot be replaced by a table without {', '.join(sorted(columns))}: "
                + "; ".join(f"{what} needs {', '.join(needed)}" for what, needed in needing),
                hint=f"drop {', '.join(what for what, _ in needing)} in the target, or alter it so that it needs them no "
                f"longer, and load again; or {keeping}",
            )
        return
    texts = list(found.texts)
    if existing.primary_key != spec.target_key:
        theirs = ", ".join(existing.primary_key) or "none"
        texts.append(f"its key is {', '.join(spec.target_key) or 'none'} at the source and {theirs} in the target")
    raise PlanError(
        f"table {name!r} no longer has the columns or the key of the source, "
        f"and cannot be replaced because of {hanging}" + (f": {'; '.join(texts)}" if existing.columns else ""),
        hint=f"alter the target table by hand so that it has what the source has, or drop there what is in the way "
        f"({hanging}), and load again",
    )
