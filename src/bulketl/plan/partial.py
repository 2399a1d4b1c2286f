"""Loading a part: which tables have a limit, where a part may go, and the spec of a table that has one.

Values in, values out. `bulketl.survey.parts` chooses the rows. A part is a copy to develop with, and never the table
itself: each load reads it anew, it has no watermark, no audit and no certificate, and it never takes the place of a whole
table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from bulketl.errors import PlanError
from bulketl.plan.incremental import Choice
from bulketl.plan.selection import Selection
from bulketl.tables.catalog import Catalog, Table, TargetTable
from bulketl.tables.checks import CheckKind
from bulketl.tables.cursor import State
from bulketl.tables.measured import Known
from bulketl.tables.part import Chosen, Part
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TableSpec

NAMED = 8  # tables that a line names; beyond, they are counted
OWN_SCHEMA = "load the copy into a schema of its own with --schema"
_OF_ALL_ROWS: frozenset[CheckKind] = frozenset({"row_count", "sum", "fresh"})  # what they bound is no part's


def limited(catalog: Catalog, selection: Selection) -> Catalog:
    """Return the catalogue with the limit that each table has by its rule or the request, the lesser where both have one."""

    def one(table: Table) -> Table:
        both = [n for n in (table.limit, selection.limit) if n is not None]
        return dataclasses.replace(table, limit=min(both, default=None))

    return dataclasses.replace(catalog, tables=tuple(map(one, catalog)))


def of_part(table: str, choice: Choice, chosen: Chosen, selection: Selection) -> Choice:
    """Return what is known of a table with the rows that its limit leaves, or why none of them is loaded."""
    refusal = chosen.error
    if selection.span:
        refusal = PlanError(
            f"table {table!r} has a limit, so no range of its cursor is loaded again",
            hint="take limit out of its rule, or leave the table out with --exclude",
        )
    return dataclasses.replace(choice, chosen=chosen, refusal=refusal)


def check_schema(schema: str, known: Known, selection: Selection) -> None:
    """Raise PlanError for a request with a limit into a schema that holds whole tables, unless each of them is freed."""
    if selection.limit is None:
        return
    whole = sorted(
        name
        for name, existing in known.existing.items()
        if existing.ours and not selection.frees(name) and not is_part(known.states.get(name))
    )
    if whole:
        raise PlanError(
            f"schema {schema!r} holds {count_of(len(whole), 'whole table')} ({_some(whole)}), and --limit loads only a "
            "part of each",
            hint=f"{OWN_SCHEMA}; or, if the whole tables may go, free them under --allow-deletes, which takes patterns",
        )


def check_place(table: Table, state: State | None, existing: TargetTable | None, *, free: bool) -> None:
    """Raise PlanError where a part would take the place of a table that is whole, or keeps what a part cannot keep."""
    if existing is None:
        return
    if state and (state.audited or state.retained):
        why = "is audited" if state.audited else "has lost rows to its retention"
        raise PlanError(
            f"table {table.name!r} has a limit and {why} in the target, so a part cannot take its place", hint=OWN_SCHEMA
        )
    if not (is_part(state) or free):
        raise PlanError(
            f"table {table.name!r} is whole in the target, and a part would take its place: its limit leaves only some rows",
            hint=f"{OWN_SCHEMA}; take limit out of its rule; or, if its other rows may go, `--allow-deletes {table.name}`",
        )


def is_part(state: State | None) -> bool:
    """Tell whether a table of the target was loaded under a limit."""
    return state is not None and state.taken.part is not None


def part_of(state: State | None) -> str:
    """Return in words which rows a table of the target has that was loaded under a limit, '' for all of them."""
    return state.taken.part.words if state is not None and state.taken.part is not None else ""


def as_part(spec: TableSpec, part: Part) -> TableSpec:
    """Return the spec of a table of which a part is loaded: nothing is said of it, or follows from it, as of all rows."""
    return dataclasses.replace(
        spec, part=part, whole=True, audit=False, deletes="mirror", guard=1.0, watermark=None, certify=False, evidence="",
        checks=tuple(check for check in spec.checks if check.kind not in _OF_ALL_ROWS),
    )  # fmt: skip


def words_of(chosen: Chosen, spec: TableSpec) -> str:
    """Return which rows these are, and what is otherwise about them, in words that follow the table's name and a colon."""
    unchecked = [check.label for check in spec.checks if check.kind in _OF_ALL_ROWS]
    told = (
        chosen.part.words,
        f"what its rows refer to in {_some(chosen.beyond)} is not loaded with it" if chosen.beyond else "",
        f"not checked, as it is of all rows: {', '.join(unchecked)}" if unchecked else "",
        "not certified" if spec.certify else "",
    )
    return "; ".join(filter(None, told))


def line(schema: str, parts: Mapping[str, Part]) -> str:
    """Return in one line that tables of a load are parts."""
    rows, more = (sum(getattr(part, what) for part in parts.values()) for what in ("rows", "referred"))
    referred = f", and {more:,} that others refer to" if more else ""
    verb = "is a part" if len(parts) == 1 else "are parts"
    return (
        f"{count_of(len(parts), 'table')} of schema {schema} {verb}, not to be taken for the whole: {count_of(rows, 'row')} "
        f"under a limit{referred}"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
