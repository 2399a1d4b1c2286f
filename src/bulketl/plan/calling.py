"""The tables of a source by the names that they have in the target, and back."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping

from bulketl.config.config import Config
from bulketl.errors import PlanError
from bulketl.plan.incremental import Choice
from bulketl.tables.catalog import Catalog, ForeignKey, Table
from bulketl.tables.measured import Known


def called(config: Config, catalog: Catalog) -> Catalog:
    """Return the catalogue with the names that its tables have in the target.

    Those that would have the name of another one keep their own, and know which others these are.
    """
    names = {table.name: config.table_name(table.name) for table in (*catalog.tables, *catalog.views)}
    if all(name == there for name, there in names.items()):
        return catalog
    having = defaultdict(list)
    for name, there in names.items():
        having[there].append(name)

    def by_name(table: Table) -> Table:
        same = having[names[table.name]]
        there = names[table.name] if len(same) == 1 else table.name
        references = tuple(sorted(names.get(other, other) for other in table.references))
        others = tuple(name for name in same if name != table.name)
        keys = _pointing(table, names)
        return dataclasses.replace(
            table, name=there, origin=table.name, alike=others, references=references, foreign_keys=keys
        )

    return dataclasses.replace(
        catalog,
        tables=tuple(sorted(map(by_name, catalog.tables), key=lambda table: table.name)),
        views=tuple(sorted(map(by_name, catalog.views), key=lambda table: table.name)),
        absent=tuple(dataclasses.replace(item, table=config.table_name(item.table)) for item in catalog.absent),
    )


def _pointing(table: Table, names: Mapping[str, str]) -> tuple[ForeignKey, ...]:
    """Return the foreign keys of a table with other names for the tables that they point to in this database."""
    return tuple(
        key if key.elsewhere else dataclasses.replace(key, table=names.get(key.table, key.table))
        for key in table.foreign_keys
    )


def as_at_source(config: Config, catalog: Catalog) -> Catalog:
    """Return the catalogue with the source's own names: what `called` was given, but for its order."""
    origins = {table.name: table.origin for table in (*catalog.tables, *catalog.views)}

    def own(table: Table) -> Table:
        references = tuple(sorted(origins.get(other, other) for other in table.references))
        keys = _pointing(table, origins)
        return dataclasses.replace(table, name=table.origin, alike=(), references=references, foreign_keys=keys)

    return dataclasses.replace(
        catalog,
        tables=tuple(sorted(map(own, catalog.tables), key=lambda table: table.name)),
        views=tuple(sorted(map(own, catalog.views), key=lambda table: table.name)),
        absent=tuple(dataclasses.replace(item, table=config.source_name(item.table)) for item in catalog.absent),
    )


def before(choice: Choice, table: Table, known: Known, catalog: Catalog) -> Choice:
    """Return the choice of a table with the name by which it was loaded until now, where it gets another one."""
    if table.name in known.existing:
        return choice
    for name, state in known.states.items():
        existing, origin = known.existing.get(name), state.taken.table or name
        if name != table.name and origin == table.origin and state.source == catalog.identity and existing and existing.ours:
            return dataclasses.replace(choice, former=name, former_state=state)
    return choice


def check_apart(config: Config, table: Table) -> None:
    """Raise PlanError for a table whose name in the target another one would have, too."""
    if table.alike:
        raise PlanError(
            f"tables {' and '.join(map(repr, sorted((table.origin, *table.alike))))} would both be "
            f"{config.table_name(table.origin)!r} in the target",
            hint="give one of them another target_name in tables.yaml, or write exclude: true for one",
        )
