"""Level count: the rows of every table on both sides, many tables in one query."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bulketl.mysql import totals as source_totals
from bulketl.postgres.compare import totals as target_totals
from bulketl.verifying.edge import edge
from bulketl.verifying.servers import Both
from bulketl.verifying.tasks import Found, Task, surplus_of


def count_tables(both: Both, tasks: Sequence[Task]) -> list[Found]:
    """Return what the counts of both sides say of each table."""
    theirs = both.begin_target(target_totals.counts, [task.spec for task in tasks])
    ours = both.begin_source(source_totals.counts, [(task.spec, edge(both, task)) for task in tasks])
    found = []
    for task in tasks:
        rows, newer, problem = ours.result()[task.spec.table]
        there = theirs.result()[task.spec.table]
        rejected = count_rejected(both, task, rows - there)
        # A newer row is in the target by its older version, or not at all.
        missing, extra = max(0, rows - rejected - there), max(0, there - rows - newer)
        extra, kept = surplus_of(task, extra)
        verdict = dataclasses.replace(
            task.verdict, compared=rows, there=there, newer=newer, rejected=rejected, missing=missing, extra=extra,
            kept=kept, problem=problem or task.verdict.problem,
        )  # fmt: skip
        found.append(Found(verdict, task))
    return found


def count_rejected(both: Both, task: Task, lacking: int) -> int:
    """Return how many of the rows that the target lacks were rejected, and not corrected and loaded since."""
    known = task.rejected if lacking > 0 else ()
    back = both.ask_target(target_totals.present, task.spec, known) if known and task.spec.key else 0
    return min(len(known) - back, max(0, lacking))
