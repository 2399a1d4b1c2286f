"""A look at both sides for the sake of one row: its table on each, and how that is loaded, compared and keyed.

A side that does not answer is a problem on record here, and no error while the other one does.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bulketl.config.config import Config
from bulketl.errors import BulketlError, PlanError, SourceError, TargetError
from bulketl.mysql.server import MySQL
from bulketl.plan.incremental import choice_of
from bulketl.plan.ownership import with_article
from bulketl.plan.selection import Selection
from bulketl.plan.specify import specify
from bulketl.postgres.known import Recorded, known
from bulketl.postgres.server import Postgres
from bulketl.survey.look import in_view
from bulketl.survey.nextload import NextLoad, next_load
from bulketl.tables.casts import held_type
from bulketl.tables.catalog import Catalog, Column, Table, TargetTable
from bulketl.tables.measured import Known
from bulketl.tables.spec import TableSpec
from bulketl.verifying.tasks import Task, tasks

# Types of the source whose values are spelt as those of a type of the target, where only the target is known.
_LIKE = {
    **dict.fromkeys(("smallint", "integer", "bigint"), "bigint"), "numeric": "decimal(65,30)", "real": "double",
    "double precision": "double", "date": "date", "timestamp": "datetime(6)", "bytea": "blob", "uuid": "uuid",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RowSight:
    """Both sides as far as they answered: the table on each, and how it would be loaded and compared."""

    config: Config
    name: str
    known: Known
    catalog: Catalog | None = None
    table: Table | None = None
    existing: TargetTable | None = None
    problems: Mapping[str, str] = field(default_factory=dict)  # of "source" and "target"
    task: Task | None = None
    spec: TableSpec | None = None  # by which the source's row is read
    next: NextLoad | None = None


def look_at(config: Config, name: str) -> RowSight:
    """Look at both servers; raise when neither answers, and PlanError when nobody knows the table.

    Each is asked once: that a side is away is an answer here, and whoever asks does not want to wait for it.
    """
    source, target = MySQL.of(config), Postgres.of(config)
    problems: dict[str, str] = {}
    failed: list[BulketlError] = []
    there, catalog = Known({}, {}), None
    try:
        there = known(target, config.target_schema)
    except TargetError as error:
        problems["target"] = as_problem(error)
        failed.append(error)
    try:
        catalog = in_view(source, config, there, [name])
    except SourceError as error:
        problems["source"] = as_problem(error)
        if failed:
            first = failed[0]
            more = f"{first.hint}. The source does not answer either: {' '.join(error.public.split()).rstrip('.?')}"
            raise TargetError(first.message, hint=more, said=first.said, code=first.code) from None
    table = next((one for one in catalog if one.name == name), None) if catalog else None
    hidden = (
        [item.why for item in catalog.absent if (item.table, item.column, item.gone) == (name, None, False)]
        if catalog
        else []
    )
    if hidden:
        problems["source"] = f"the table is not in view: {hidden[0]}"
    existing = there.existing.get(name)
    if existing is not None and not existing.columns:
        problems["target"], existing = f"{with_article(existing.kind)} has the table's name there", None
    if table is None and existing is None and name not in there.states and not hidden:
        raise _no_table(name, [*(one.name for one in catalog or ()), *there.existing], problems)
    sight = RowSight(config, name, there, catalog, table, existing, problems)
    return _planned(sight, catalog, table) if catalog and table else sight


def _no_table(name: str, others: Sequence[str], problems: Collection[str]) -> PlanError:
    where = "on either side" if not problems else "on the side that answers"
    alike = difflib.get_close_matches(name, others, 1, 0.6)
    hint = f"{alike[0]} is there; case counts" if alike else "check the spelling: case counts"
    return PlanError(f"there is no table {name!r} {where}", hint=hint)


def as_problem(error: BulketlError) -> str:
    """Return an error as the end of a sentence."""
    return " ".join(error.message.split()).rstrip(".?")


def _planned(sight: RowSight, catalog: Catalog, table: Table) -> RowSight:
    """Return the sight with how the table is loaded and compared."""
    config = sight.config
    recorded = Recorded(sight.known.existing, sight.known.states, {}, {})
    one = dataclasses.replace(catalog, tables=(table,))
    task = tasks(config, one, recorded, Selection(), 0.0)[0]
    following = None if "target" in sight.problems else next_load(config, catalog, table, sight.known)
    try:
        spec = specify(config, one, table, choice_of(sight.known, table.name))
    except PlanError as error:
        problems = {**sight.problems, "source": as_problem(error)}
        return dataclasses.replace(sight, task=task, next=following, problems=problems)
    return dataclasses.replace(sight, task=task, spec=spec, next=following)


def key_columns(sight: RowSight) -> tuple[Column, ...]:
    """Return the columns of the table's key, as the source has them or as the target tells; raise PlanError without one."""
    if sight.table:
        names = sight.config.rule(sight.name).primary_key or sight.table.primary_key
        found = tuple(column for name in names for column in sight.table.columns if column.name == name)
        if names and len(found) == len(names):
            return found
    elif sight.existing and sight.existing.primary_key:
        state = sight.known.states.get(sight.name)
        own = {there: column for column, there in state.taken.names} if state else {}
        kinds = {column: held_type(kind)[0] for column, kind in sight.existing.columns}
        return tuple(
            Column(own.get(name, name), _LIKE.get(kinds[name], "text"), False) for name in sight.existing.primary_key
        )
    elif not sight.existing:
        raise PlanError(
            f"table {sight.name!r} is on record, but no server that answers has it",
            hint=f"`bulketl state show {sight.name}` tells of it",
        )
    raise PlanError(
        f"table {sight.name!r} has no primary key, so none of its rows can be told from the others",
        hint=f"declare its primary_key in tables.yaml when a unique index keeps one; `bulketl verify --tables {sight.name}` "
        "compares it without",
    )
