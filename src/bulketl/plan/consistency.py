"""What the rows of one table have in common when it is loaded: the label, and how bulketl cuts the table to earn it.

One statement sees the rows of one moment: on InnoDB because a transaction does, on other engines because the statement
locks the table while it reads. Several statements do not. With writers at work, sums over ranges that they read are wrong
in nearly every load (measured: 8 of 8). So a table in several ranges is `best effort`, unless its rule asks for more.
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError
from bulketl.tables.catalog import Table
from bulketl.tables.partitions import Partition, rows_per_partition
from bulketl.tables.slices import in_slices
from bulketl.tables.spec import Consistency, TableSpec

Parts = tuple[Partition, ...]


def consistent(config: Config, rule: TableRule, table: Table, parts: Parts, spec: TableSpec) -> tuple[Consistency, Parts]:
    """Return the label and the partitions to read. Raise PlanError when what the rule asks for cannot be had."""
    asked = rule.consistency
    if len(parts) <= 1 and not table.view and not any(in_slices(spec, part) for part in parts):
        return "snapshot" if table.transactional else "locked", parts
    if asked is None or asked == "best effort":
        return "best effort", parts
    if table.view and asked in ("snapshot", "locked"):
        raise _impossible(table, asked, "it is a view, and what it reads may be of several engines", "consistency: re-read")
    if any(part.mark for part in parts):
        raise _impossible(table, asked, "chunked_incremental publishes one chunk after another", "incremental")
    if asked == "snapshot":
        if not table.transactional:
            raise _impossible(table, asked, f"engine {table.engine} has no snapshots", "consistency: locked or re-read")
        return asked, _joined(config, table, parts)
    if asked == "re-read" and not (spec.key and spec.whole):
        why = "only its changes are read" if spec.key else "without a primary key rows cannot be told apart"
        raise _impossible(table, asked, why, "consistency: locked")
    return asked, parts


def _joined(config: Config, table: Table, parts: Parts) -> Parts:
    """Return as many partitions as there are readers, for a snapshot lasts as long as its connection.

    What does not fit into memory at once is streamed.
    """
    ranges = [part for part in parts if not part.nulls]
    nulls = [part for part in parts if part.nulls]
    readers = config.readers - len(nulls)
    rows = rows_per_partition(table, config.partition_bytes)
    if readers < 1 or config.readers == 1:
        return (Partition(0, stream=rows, changes=parts[0].changes),)
    edges = [len(ranges) * n // readers for n in range(readers + 1)]
    joined = []
    for first, end in pairwise(edges):
        if first < end:
            stream = rows if end - first > 2 else 0
            joined.append(dataclasses.replace(ranges[first], hi=ranges[end - 1].hi, stream=stream))
    return tuple(dataclasses.replace(part, index=n) for n, part in enumerate((*joined, *nulls)))


def _impossible(table: Table, asked: str, why: str, other: str) -> PlanError:
    return PlanError(
        f"table {table.name!r} asks for consistency: {asked}, which it cannot have: {why}",
        hint=f"write {other} in its rule, or take consistency out of it",
    )
