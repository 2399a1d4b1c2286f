"""What is known of a source's tables before bulketl looks at it, and what follows when some of that is not in view.

Known is what an earlier load brought, what the rules name, and what `catalog.json` notes. If the source says that
something is gone, it stays in the target as it is, and bulketl says so. If something is only out of view, bulketl never
takes it for gone: it refuses the table, because a column that nobody sees would become NULL in every row. A person ends
both: `exclude: true` for a table, `exclude_columns` for a column. Values in, values out; `bulketl.mysql.absence` asks the
server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError
from bulketl.plan.plan import Refusal, Skip, refusal
from bulketl.tables.catalog import Catalog, Expected, Table, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.spec import DELETED_AT, ROW_HASH, STAMPS

GONE_TABLE = (
    "the source does not have it, and the target keeps its rows. Correct its name in the rules; or, if the table was "
    "dropped, write exclude: true for it, or take its rule out, run `bulketl discover --write` and `bulketl state reset`"
)
OUT_OF_VIEW = (
    "grant SELECT on the whole table to the source user; if it was dropped or is no longer wanted, write exclude: true for "
    "it in tables.yaml"
)
_OWN = frozenset({*STAMPS, ROW_HASH, DELETED_AT})


def expected(
    config: Config, identity: str, states: Mapping[str, State], target: Mapping[str, TargetTable]
) -> dict[str, Expected]:
    """Return what is known of each table, by its name at the source: those loaded, with a rule, or noted with the rules.

    What the target has counts, columns too that a load left there as dropped: they may be back, and out of view.
    """
    loaded = {name: state for name, state in states.items() if state.source == identity}
    found: dict[str, Expected] = {}
    for name in {*config.tables, *(config.known or ()), *loaded}:
        rule, existing = config.rule(name), target.get(name) if name in loaded else None
        own = {there: column for column, there in loaded[name].taken.names} if existing else {}
        source = (name in loaded and loaded[name].taken.table) or config.source_name(name)
        there = {own.get(column, column) for column, _ in existing.columns} if existing else set()
        noted = set() if name in loaded else {*config.known_columns.get(name, ())}
        columns = {*there, *noted, *_named(rule)}.difference(_OWN)
        key = bool(existing and existing.primary_key and not rule.primary_key)
        other = found.get(source, Expected())
        found[source] = Expected(other.columns | columns, key or other.key, name in loaded or other.loaded)
    return found


def _named(rule: TableRule) -> set[str]:
    """Return the columns that a rule names."""
    single = (rule.incremental_column, rule.partition_by, rule.retention.by if rule.retention else None)
    many = (
        *rule.primary_key,
        *rule.casts,
        *rule.columns,
        *rule.exclude_columns,
        *rule.rename,
        *(rule.reread.columns if rule.reread else ()),
    )
    return {*many, *(column for column in single if column is not None)}


def absences(config: Config, catalog: Catalog, asked: Callable[[str], bool]) -> tuple[tuple[Refusal, ...], tuple[Skip, ...]]:
    """Return the tables among those asked for that are known and not in view: refused, and those that are gone."""
    refused, skipped = [], []
    for item in catalog.absent:
        if item.column is not None or not asked(item.table):
            continue
        tier = config.rule(item.table).table_importance
        if item.gone:
            skipped.append(Skip(item.table, tier, GONE_TABLE))
        else:
            error = PlanError(
                f"table {item.table!r} is known and not in view at {catalog.identity}: {item.why}", hint=OUT_OF_VIEW
            )
            refused.append(refusal(item.table, tier, error))
    return tuple(refused), tuple(skipped)


def unseen(config: Config, catalog: Catalog, table: Table) -> frozenset[str]:
    """Return the columns that a table's rule excludes and that may be there, out of view.

    Raise PlanError when the server cannot open the table, or when it had another column or a key that is not in view.
    """
    if table.problem:
        what = "view" if table.view else "table"
        raise PlanError(
            f"{what} {table.name!r} cannot be opened at the source: {table.problem}",
            hint="repair it there, or write exclude: true for it",
        )
    rule = config.rule(table.name)
    hidden = [item for item in catalog.absent if item.table == table.name and item.column is not None and not item.gone]
    for item in hidden:
        if item.column == "":
            raise PlanError(
                f"the primary key of table {table.name!r} is not in view any more: {item.why}",
                hint="grant SELECT on the whole table to the source user, or declare its primary_key in tables.yaml",
            )
        if item.column is not None and rule.takes(item.column):
            raise PlanError(
                f"column {item.column!r} of table {table.name!r} is known and not in view at the source: {item.why}",
                hint="grant SELECT on the whole table to the source user; if the column was dropped or is no longer wanted, "
                "name it under the table's exclude_columns in tables.yaml",
            )
    return frozenset(item.column for item in hidden if item.column)
