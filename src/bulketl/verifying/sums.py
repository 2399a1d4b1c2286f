"""Level sums: figures over every column of a table, which both servers compute to the same number."""

from __future__ import annotations

import dataclasses

from bulketl.mysql import totals as source_totals
from bulketl.postgres.compare import totals as target_totals
from bulketl.rows.aggregates import aggregates, same
from bulketl.rows.figures import figure_names, together
from bulketl.tables.casts import quoted
from bulketl.tables.spec import TableSpec
from bulketl.tables.types import INTEGERS
from bulketl.verifying.counts import count_rejected
from bulketl.verifying.edge import edge
from bulketl.verifying.request import Request
from bulketl.verifying.servers import Both
from bulketl.verifying.tasks import Found, Task, surplus_of
from bulketl.verifying.verdicts import Figure, with_note

NEWER_LISTED = 20_000
HALVED_ROWS = 200_000


def compare_sums(both: Both, request: Request, task: Task) -> Found:
    """Return which figures of a table differ; rows that are newer than its last load are in neither side's."""
    spec, mark = task.spec, edge(both, task)
    fresh = both.ask_source(source_totals.newer_keys, spec, mark, NEWER_LISTED + 1) if mark and mark.value else []
    theirs = both.begin_target(target_totals.sums, spec, fresh[:NEWER_LISTED])
    ours = [both.begin_source(source_totals.sums, spec, mark, part) for part in _halves(both, task)]
    there, other = theirs.result()
    rows, mine = _together(spec, [one.result() for one in ours])
    verdict = dataclasses.replace(task.verdict, compared=rows, there=there, newer=len(fresh))
    if len(fresh) > NEWER_LISTED:
        return Found(with_note(verdict, f"more than {NEWER_LISTED:,} rows are newer: sums say nothing of it"), task)
    wanted = aggregates(spec.casts, {item.column: "" for item in spec.casts}, spec.nul_bytes)
    figures = tuple(
        Figure(one.column, one.what, *((a, b) if request.show_values else ()))
        for one, a, b in zip(wanted, mine, other, strict=True)
        if not same(a, b)
    )
    rejected = count_rejected(both, task, rows - there)
    missing, extra = max(0, rows - rejected - there), max(0, there - rows)
    extra, kept = surplus_of(task, extra)
    verdict = dataclasses.replace(verdict, rejected=rejected, missing=missing, extra=extra, kept=kept)
    if figures and not missing and (rejected or kept):
        note = "rows that were rejected, or that the rule keeps, are in the sums of one side only: --level rows tells"
        return Found(with_note(verdict, note), task)
    return Found(dataclasses.replace(verdict, figures=figures), task)


def _halves(both: Both, task: Task) -> list[str]:
    """Return conditions for parts of the source's rows that are summed at once: one core of the server sums one of them."""
    spec = task.spec
    kinds = {item.column: item.source_type.base for item in spec.casts}
    if task.rows < HALVED_ROWS or both.at_once < 2 or len(spec.key) != 1 or kinds[spec.key[0]] not in INTEGERS:
        return ["TRUE"]
    least, most = both.ask_source(source_totals.key_span, spec)
    if least is None:
        return ["TRUE"]
    key, middle = quoted(spec.key[0]), (least + most) // 2
    return [f"{key}<{middle}", f"({key}>={middle} OR {key} IS NULL)"]


def _together(spec: TableSpec, parts: list[tuple[int, list[str | None]]]) -> tuple[int, list[str | None]]:
    """Return the rows and the figures of all parts."""
    if len(parts) == 1:
        return parts[0]
    names = figure_names(spec)
    total = together(dict(zip(names, values, strict=True)) for _, values in parts)
    return sum(rows for rows, _ in parts), [total[name] for name in names]
