"""Comparing the older pipeline's tables with bulketl's in the shadow schema, and the views above them; put on record."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.person import person
from bulketl.connections.retrying import patient
from bulketl.errors import BulketlError, PlanError
from bulketl.operations.migrate.comparison import Comparison, TableCompared, ViewCompared
from bulketl.operations.migrate.onetable import Setting, compare_sides, setting
from bulketl.operations.migrate.sides import shadowed
from bulketl.plan.ownership import with_article
from bulketl.plan.selection import Selection
from bulketl.postgres.compare import views
from bulketl.postgres.known import Recorded, known_of, on_record
from bulketl.postgres.ledger import lastloads, sidebyside
from bulketl.postgres.ledger.sidebyside import Compared
from bulketl.postgres.locks import new_run
from bulketl.postgres.oldbooks import seconds_of
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.copy import close
from bulketl.survey.look import Sight, look
from bulketl.survey.stages import Tell, silent
from bulketl.tables.catalog import Table, TargetTable
from bulketl.tables.measured import Known
from bulketl.tables.printable import count_of
from bulketl.tables.spec import Tier
from bulketl.verifying.request import Request, check_request
from bulketl.verifying.tasks import Task, tasks
from bulketl.verifying.verdicts import Level

TABLES = ("table", "partitioned table")


def compare_pipelines(
    config: Config,
    *,
    tiers: Sequence[Tier] = (),
    tables: Sequence[str] = (),
    exclude: Sequence[str] = (),
    level: Level = "rows",
    tell: Tell = silent,
) -> Comparison:
    """Compare tables of the older pipeline with bulketl's in the shadow schema, and put the result on record.

    Without `tables`, compare every table that both pipelines have loaded and bulketl does not serve yet. Change nothing
    but the record. Raise ConfigError when no migration is configured or `level` is unknown, SourceError or TargetError
    when a server cannot be used, PlanError when no table fits.
    """
    check_request(Request(level, 1.0, 0, 0, False), False, False)
    check_libraries()
    began, now = time.monotonic(), dt.datetime.now(dt.UTC)
    ours = shadowed(config)
    selection = Selection(tuple(tiers), tuple(tables), tuple(exclude))
    sight = look(ours, selection, on_record, tell)
    theirs, took, waived = patient(_asked, sight.target, config)
    found, settings, notes = _chosen(
        config, sight, theirs, tasks(ours, sight.catalog, sight.known, selection, began), bool(tables)
    )
    found = [dataclasses.replace(one, level=level) for one in found]
    found += _compared(config, sight, settings, level, tell)
    found = [took.of(one).with_waivers(waived) for one in sorted(found, key=lambda one: one.table)]
    tell("comparing views", 0, 0)
    hanging = level == "rows" and any(one.old.views or one.old.hanging for one in settings)
    seen = _views(config, sight.target, settings) if hanging else ()
    result = Comparison(
        sight.catalog.identity, config.target_schema, ours.target_schema, level, tuple(found), seen, notes=tuple(notes)
    )
    if why := _kept(sight.target, result, now):
        result = dataclasses.replace(result, notes=(*notes, f"this comparison is not on record: {why}"))
    return dataclasses.replace(result, seconds=round(time.monotonic() - began, 3))


def _chosen(
    config: Config, sight: Sight[Recorded], theirs: Known, asked: Sequence[Task], named: bool
) -> tuple[list[TableCompared], list[Setting], list[str]]:
    """Return the tables that cannot be compared, those that can, and how many are left out for which reason."""
    found: list[TableCompared] = []
    settings: list[Setting] = []
    without: dict[str, list[str]] = {}
    by_name = {table.name: table for table in sight.catalog}
    for task in asked:
        table = task.verdict.table
        owned = theirs.owners.get(table)
        old, new = theirs.existing.get(table), sight.known.existing.get(table)
        try:
            if owned and owned.owner == "bulketl":
                raise PlanError("bulketl serves it already", hint="")
            if old is None or old.kind not in TABLES:
                what = f": {with_article(old.kind)} has its name" if old else ""
                raise PlanError(f"the older pipeline has no table of that name in schema {config.target_schema!r}{what}")
            if old.ours:
                raise PlanError("bulketl made the table that the older pipeline would serve")
            if new is None or not new.columns:
                raise PlanError(f"it is not in schema {config.shadow_schema!r} yet, where bulketl would load it beside")
        except PlanError as error:
            without.setdefault(error.message, []).append(table)
            continue
        settings += _setting(config, task, (old, new), by_name[table], found)
    if named or not (settings or found):
        found += [
            TableCompared(t, _tier(config, t), "rows", problem=why, public=why)
            for why, some in without.items()
            for t in some
        ]
        return found, settings, []
    notes = [f"{count_of(len(some), 'table')} not compared: {why}" for why, some in without.items()]
    return found, settings, [*notes, *(f"{skip.table} is not compared: {skip.reason}" for skip in sight.skipped)]


def _setting(
    config: Config, task: Task, both: tuple[TargetTable, TargetTable], table: Table, found: list[TableCompared]
) -> list[Setting]:
    """Return how a table is compared; why it cannot be is found."""
    problem = task.verdict.problem if not task.comparable else ""
    if not problem:
        try:
            return [setting(task, *both, config.target_schema, table.columns)]
        except PlanError as error:
            problem = error.message
    found.append(TableCompared(table.name, task.tier, "rows", problem=problem, public=problem))
    return []


def _tier(config: Config, table: str) -> Tier:
    return config.rule(table).table_importance


def _compared(
    config: Config, sight: Sight[Recorded], settings: Sequence[Setting], level: Level, tell: Tell
) -> list[TableCompared]:
    """Compare tables, some at once: each is one statement after another of one connection."""
    run, ended = new_run(), itertools.count(1)

    def one(each: Setting) -> TableCompared:
        verdict = compare_sides(sight.source, sight.target, run, each, level)
        tell("comparing", next(ended), len(settings))
        return verdict

    tell("comparing", 0, len(settings))
    try:
        with ThreadPoolExecutor(config.at_once, thread_name_prefix="bulketl-compare") as threads:
            return list(threads.map(one, settings))
    finally:
        close(run)


@dataclasses.dataclass(frozen=True, slots=True)
class _Seconds:
    """What each pipeline took last for each table."""

    shadow: dict[str, float]
    legacy: dict[str, float]

    def of(self, one: TableCompared) -> TableCompared:
        """Return a table with both."""
        return dataclasses.replace(one, legacy_seconds=self.legacy.get(one.table), shadow_seconds=self.shadow.get(one.table))


def _asked(target: Postgres, config: Config) -> tuple[Known, _Seconds, list[sidebyside.Waiver]]:
    """Return what the older pipeline's schema has, what each pipeline took, and what is waived, asked in one session."""
    with target.connect() as connection:
        loads = lastloads.last_loads(connection, config.shadow_schema)
        took = _Seconds({one.table: round(one.seconds, 3) for one in loads}, seconds_of(connection, config.target_schema))
        waived = sidebyside.waivers(connection, config.target_schema)
        return known_of(connection, config.target_schema), took, waived


def _views(config: Config, target: Postgres, settings: Sequence[Setting]) -> tuple[ViewCompared, ...]:
    """Compare the views that stand on tables of which both sides are there."""
    tables = {one.old.name: one for one in settings}
    began = time.monotonic()
    try:
        found = patient(_viewed, config, target, tables)
    except BulketlError as error:
        return (ViewCompared("*", problem=error.message, public=error.public),)
    took = round(time.monotonic() - began, 3)
    compared = []
    for view, (old, new) in found:
        shown = view.view if view.schema == config.target_schema else f"{view.schema}.{view.view}"
        wrong = old if old.problem else new
        both = old.sums.keys() & new.sums.keys()
        columns = tuple(column for column in old.sums if column in both and old.sums[column] != new.sums[column])
        columns += tuple(f"{column}: no number on both sides" for column in sorted(old.sums.keys() ^ new.sums.keys()))
        compared.append(
            ViewCompared(
                shown, old.rows, new.rows, () if wrong.problem else columns, wrong.problem, wrong.public,
                round(took / len(found), 3),
            )
        )  # fmt: skip
    return tuple(compared)


def _viewed(
    config: Config, target: Postgres, tables: dict[str, Setting]
) -> list[tuple[views.View, tuple[views.Figures, views.Figures]]]:
    sides: tuple[dict[str, str], dict[str, str]] = {}, {}
    for table, one in tables.items():
        # Columns in the order of the older table, so that a view with a * in it is the same over both.
        names = [column for column, _ in one.old.columns]
        sides[0][table] = views.select(one.sides.old, names, "true")
        there = [column for column in names if column in one.ours]
        sides[1][table] = views.select(one.sides.new, there, one.sides.living)
    with target.connect() as connection:
        standing = views.standing(connection, config.target_schema, config.shadow_schema, sorted(tables))
        if not standing:
            return []
        found = views.both(connection, config.target_schema, standing, sides)
        return [(view, (old, new)) for view, (old, new) in zip(standing, found, strict=True)]


def _kept(target: Postgres, found: Comparison, now: dt.datetime) -> str:
    """Put what was found on record; return why it is not, '' when it is."""
    try:
        return patient(_keep, target, found, now)
    except BulketlError as error:
        return error.public


def _keep(target: Postgres, found: Comparison, now: dt.datetime) -> str:
    with target.connect() as connection:
        if why := sidebyside.may_keep(connection):
            return why
        by = person()
        kept = [
            Compared(
                one.table, "table", one.level, one.outcome, one.legacy_rows, one.shadow_rows,
                [{"column": d.column, "class": d.name, "rows": d.rows, "waived": bool(d.waived)} for d in one.differences],
                one.public, one.seconds, by, now,
            )
            for one in found.tables
        ]  # fmt: skip
        kept += [
            Compared(
                one.view, "view", found.level, one.outcome, one.legacy_rows, one.shadow_rows,
                [{"column": column, "class": "figure", "rows": 0, "waived": False} for column in one.columns],
                one.public, one.seconds, by, now,
            )
            for one in found.views
        ]  # fmt: skip
        sidebyside.keep(connection, (found.schema, found.shadow), kept)
    return ""
