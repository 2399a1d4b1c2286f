"""Resuming an interrupted run: its stored plan, what is left of it, and whether it still holds.

Pure. The stored plan is used as it was, with its partitions and watermarks: they were measured before anything was read.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping

from pydantic import TypeAdapter

from bulketl.config.tables import TableRule
from bulketl.plan.plan import Group, Plan, TableLoad
from bulketl.plan.tagged import untagged
from bulketl.tables.spec import TableSpec

# What of a table must be as it was; the rest follows from the state of the target or was an option of the run.
_KEPT = (
    "key", "zone", "nul_bytes", "stamps", "audit", "source", "retained", "max_rejects", "deletes", "threshold", "stop_after",
)  # fmt: skip


def plan_from_json(text: str) -> Plan:
    """Return the plan that `Plan.to_json` wrote; equal to it in every value."""
    return TypeAdapter(Plan).validate_python(json.loads(text, object_hook=untagged))


def remaining(
    plan: Plan, published: Collection[str], recorded: Mapping[str, Collection[int]], staged: Collection[str]
) -> Plan:
    """Return the plan without what is on record: published tables, and partitions of tables whose rows are kept.

    `staged` are the tables that have their staging table still; the others begin anew. What was refused is refused still.
    """
    groups = []
    for group in plan.groups:
        left = [
            _left(load, recorded.get(load.spec.table, ()), load.spec.table in staged)
            for load in group.loads
            if load.chunked or load.spec.table not in published
        ]
        loads = tuple(load for load in left if load.partitions or not load.chunked)
        if loads:
            groups.append(Group(group.tier, loads))
    return dataclasses.replace(plan, groups=tuple(groups), skipped=())


def _left(load: TableLoad, recorded: Collection[int], staged: bool) -> TableLoad:
    together = load.spec.consistency in ("snapshot", "locked") and len(load.partitions) > 1
    if not load.chunked and (together or not staged):  # what is left would be of another moment
        return load
    parts = tuple(part for part in load.partitions if part.index not in recorded)
    return dataclasses.replace(load, partitions=parts, prepared=staged)


def changed_since(load: TableLoad, now: TableSpec, rule: TableRule) -> list[str]:
    """Return what of a table, its columns or its rule is otherwise than when the run was planned, in a few words each."""
    then = load.spec
    before = {item.column: item for item in then.casts}
    after = {item.column: item for item in now.casts}
    lines = [f"column {name} is new" for name in after if name not in before]
    lines += [f"column {name} is gone" for name in before if name not in after]
    for name, item in after.items():
        old = before.get(name)
        # How its values are packed is no part of it: a plan of an older version packs none.
        if old is not None and dataclasses.replace(old, packed=item.packed, unpack=item.unpack) != item:
            lines.append(f"column {name} was {old.source} -> {old.target} and is {item.source} -> {item.target}")
    pairs = [(what, getattr(then, what), getattr(now, what)) for what in _KEPT]
    pairs.append(("table_importance", load.tier, rule.table_importance))
    if load.strategy is not None:  # as a plan of an older version has none
        pairs.append(("extraction_strategy", load.strategy, rule.extraction_strategy))
    if then.watermark is not None and rule.extraction_strategy != "full_table":
        pairs.append(("incremental_column", then.watermark.column, rule.incremental_column))
    if len(load.partitions) > 1:  # one range has what can be had, asked or not
        pairs.append(("consistency", then.consistency, rule.consistency or "best effort"))
    lines += [f"its {what} was {_word(one)} and is {_word(other)}" for what, one, other in pairs if one != other]
    lines += ["its checks are others"] if then.checks != now.checks else []
    lines += ["its masks, their key or their year are others"] if then.masking != now.masking else []
    return lines


def _word(value: object) -> str:
    return "none" if value is None or value in ("", ()) else str(value)
