"""The delete guard: a load never removes more of a table than it is allowed to.

A mass delete at the source is an event that somebody has to look at: a purge that was meant, or an accident that the target
can still heal.
"""

from __future__ import annotations

from typing import Any

from bulketl.errors import MassDeleteError, runbook
from bulketl.postgres.ddl import batch
from bulketl.postgres.joins import BY_HASH, PLANNING
from bulketl.postgres.write.merge import counting_gone
from bulketl.postgres.write.unrecorded import lost
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TableSpec


def guard(cursor: Any, spec: TableSpec, rows: int, stage: str) -> None:
    """Raise MassDeleteError when a publish would remove more of the table's rows than it may; `stage` has the new ones."""
    if not spec.whole or spec.publish in ("create", "append") or spec.deletes == "ignore":
        return
    if spec.publish == "merge":
        cursor.execute(batch([PLANNING, BY_HASH]))
        cursor.execute(counting_gone(spec, stage))
        fewer, there = cursor.fetchall()[0]
    elif spec.rows is None:
        fewer, there = lost(cursor, spec, rows, stage)
    else:
        fewer, there = spec.rows - rows, spec.rows
    check_gone(spec, fewer, there)


def check_gone(spec: TableSpec, fewer: int, there: int) -> None:
    """Raise MassDeleteError when `fewer` of the `there` rows of the target are gone at the source, and that is too many."""
    verb = "is" if fewer == 1 else "are"
    if spec.deletes == "fail" and fewer > 0:
        raise MassDeleteError(
            f"table {spec.table!r}: {fewer:,} of its {count_of(there, 'row')} {verb} gone at the source, "
            "and deletes: fail allows none",
            hint="put them back at the source, or choose deletes: mirror, mark or ignore; " + runbook("source-restored"),
        )
    # Of a table that was somebody else's so few may go too, but not all: then it is another table.
    free = 0 if spec.adopt and fewer == there else spec.free
    if fewer > free and fewer > spec.guard * there:
        raise MassDeleteError(
            f"table {spec.table!r}: {fewer:,} of its {count_of(there, 'row')} {verb} gone at the source, "
            f"{fewer / there:.1%}, and {spec.guard:.0%} may go",
            hint=f"if they were meant to go, load it once with --allow-deletes {spec.table}; "
            "for a table that loses many rows in a usual night name the share under deletes: {guard: ...}; "
            + runbook("source-restored"),
        )
