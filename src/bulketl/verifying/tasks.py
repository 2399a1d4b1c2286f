"""What of a table can be verified: configuration, catalogue, and what the target has, in; a task per table, out.

Nothing is opened. A column that the target lacks, or has as another type, is left out, and the task says so. If a table
does not exist, or its key cannot be used, that is the task's problem.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from bulketl.config.config import Config
from bulketl.errors import PlanError
from bulketl.plan.incremental import OTHER_WHERE, Choice, choice_of
from bulketl.plan.masking import agreeing
from bulketl.plan.ownership import strange, with_article
from bulketl.plan.plan import Refusal
from bulketl.plan.publishing import differing
from bulketl.plan.selection import Selection
from bulketl.plan.specify import specify
from bulketl.postgres.known import Recorded
from bulketl.tables.catalog import Catalog, Table
from bulketl.tables.cursor import State, Watermark, cursor_type
from bulketl.tables.measured import Cursor
from bulketl.tables.partitions import Changes, KeyTuple
from bulketl.tables.spec import DELETED_AT, TableSpec, Tier
from bulketl.verifying.verdicts import TableVerdict

_NO_SPEC = TableSpec("", "", (), (), "merge")


@dataclass(frozen=True, slots=True)
class Task:
    """One table to verify: how it is compared, how it would be written, and its verdict so far.

    `spec`: with the columns that both sides have. `writing`: with all of them. `mark`: up to which value of the cursor the
    source's rows were loaded. `lookback`: of its rule. `rows`: by the source's statistics. `comparable`: it can be
    compared although the verdict has a problem. `rejected`: keys, as JSON texts, of rows that the target lacks because they
    were rejected. `loaded_at`: when the last load began, by this machine's monotonic clock. `cuts`: through the integer key
    of a large table.
    """

    verdict: TableVerdict
    tier: Tier
    spec: TableSpec = _NO_SPEC
    writing: TableSpec = _NO_SPEC
    mark: Watermark | None = None
    lookback: dt.timedelta | int | None = None
    rows: int = 0
    comparable: bool = False
    rejected: Sequence[str] = ()
    loaded_at: float | None = None
    cuts: tuple[tuple[int], ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A verdict with what a repair needs: keys as each server gave them, and the buckets they are in."""

    verdict: TableVerdict
    task: Task
    missing: tuple[KeyTuple, ...] = ()
    differing: tuple[KeyTuple, ...] = ()
    extra: tuple[KeyTuple, ...] = ()
    buckets: tuple[str, ...] = ()

    def without_keys(self) -> Found:
        """Return the verdict and the buckets alone: of a large table the keys are tens of megabytes."""
        return dataclasses.replace(self, missing=(), differing=(), extra=())


def tasks(config: Config, catalog: Catalog, known: Recorded, selection: Selection, asked_at: float) -> list[Task]:
    """Return a task per table of the catalogue, from what the target has of each.

    `asked_at`: when the ledger was asked, by this machine's monotonic clock.
    """
    found = []
    for table in catalog:
        task = _task(config, catalog, table, choice_of(known, table.name), selection.frees(table.name))
        load, rejected = known.loads.get(table.name), known.rejects.get(table.name, ())
        published = load.published if load and task.comparable else ""
        verdict = dataclasses.replace(task.verdict, published=published)
        loaded_at = None if load is None or load.age is None else asked_at - load.age
        found.append(dataclasses.replace(task, verdict=verdict, rejected=rejected, loaded_at=loaded_at))
    return found


def unverifiable(refusal: Refusal) -> Task:
    """Return the task of a table that cannot be looked at: its verdict is why."""
    return Task(TableVerdict(refusal.table, refusal.tier, "rows", problem=refusal.message), refusal.tier)


def _task(config: Config, catalog: Catalog, table: Table, choice: Choice, free: bool) -> Task:
    rule, state, existing = config.rule(table.name), choice.state, choice.existing
    verdict = TableVerdict(table.name, rule.table_importance, "rows")
    if existing is None or not existing.columns:
        what = f"{with_article(existing.kind)} has its name there" if existing else "it was never loaded"
        return Task(dataclasses.replace(verdict, problem=f"it is not in the target: {what}"), rule.table_importance)
    if state is not None and state.taken.part is not None:
        problem = f"{state.taken.part.words}, so it is not compared with the source; a load without a limit makes it whole"
        return Task(dataclasses.replace(verdict, problem=problem), rule.table_importance)
    mark = _mark(config, catalog, table, state)
    changes = mark if rule.extraction_strategy != "full_table" else None
    cursor = Cursor(changes.column, changes.type, Changes(changes.column)) if changes else None
    try:
        writing = specify(config, catalog, table, dataclasses.replace(choice, cursor=cursor), free)
        agreeing(writing, state)
    except PlanError as error:
        return Task(dataclasses.replace(verdict, problem=error.message), rule.table_importance)
    found = differing(writing, existing, state)
    if writing.deletes == "mark" and DELETED_AT not in dict(existing.columns):
        writing = dataclasses.replace(writing, deletes="mirror")  # none is marked yet, and the next load adds the column
    writing = dataclasses.replace(
        writing, publish="append" if writing.audit else "merge", whole=False, added=(), widened=found.widened,
        watermark=None, partitioned=existing.partitioned,
    )  # fmt: skip
    new_names = {new: old for old, new in found.renamed}
    notes = [] if state is None or state.source in ("", catalog.identity) else [f"it was loaded from {state.source}"]
    if state is not None and state.taken.where != table.where:
        notes.append(f"{OTHER_WHERE}; the next load takes it whole")
    left_out = (
        *(f"{new}: is {old} in the target" for new, old in new_names.items()),
        *(f"{c}: the target lacks it" for c in found.added if c not in new_names),
        *(f"{c}: has another type" for c in found.changed if c not in new_names),
    )
    seen = tuple(i for i in writing.casts if i.source and i.name not in {*found.added, *found.changed, *new_names})
    spec = dataclasses.replace(writing, casts=seen, stamps=())
    if {item.column for item in spec.masked} & {*spec.key}:  # no server knows the other one's keys: rows are a multiset
        spec = dataclasses.replace(spec, key=())
    other = f"its columns are other ones than the source's: {'; '.join(left_out)}"
    problem = f"{other}; load it, which follows them" if left_out else ""
    if not existing.ours:  # compared all the same: that may be what a person wants to know before adopting it
        problem = strange(config.target_schema, existing).message
    verdict = dataclasses.replace(
        verdict, uncompared=left_out, notes=tuple(notes), problem=problem, cursor=mark.column if mark else ""
    )
    if not seen or any(column not in {item.column for item in seen} for column in writing.key):
        return Task(verdict, rule.table_importance)
    return Task(verdict, rule.table_importance, spec, writing, mark, rule.lookback, table.rows, comparable=True)


def _mark(config: Config, catalog: Catalog, table: Table, state: State | None) -> Watermark | None:
    """Return the watermark, while it is still of the cursor that the rule names, and has a value."""
    mark = state.watermark if state else None
    column = next((c for c in table.columns if c.name == config.rule(table.name).incremental_column), None)
    if mark is None or column is None or not mark.value:
        return None
    try:
        kind = cursor_type(column, config.zone(catalog))
    except PlanError:
        return None
    return mark if (mark.column, mark.type) == (column.name, kind) else None


def surplus_of(task: Task, more: int) -> tuple[int, int]:
    """Return of the rows that only the target has how many are too many, and how many are kept by the table's rule."""
    keeps = task.spec.audit or task.spec.deletes == "ignore"
    return (0, more) if keeps else (more, 0)
