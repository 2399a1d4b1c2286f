"""Which foreign keys of the source the tables of the target are to have, if rules keep them, and why not the others.

Values in, values out. This covers all tables that the target has, whether this run loads them or not: a run that loads a
table drops the foreign keys of other tables that refer to it, and adds them again when all tables are done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bulketl.config.config import Config
from bulketl.tables.catalog import Catalog, ForeignKey, Table, TargetTable
from bulketl.tables.secondary import Reference
from bulketl.tables.spec import cut


def references(
    config: Config, catalog: Catalog, existing: Mapping[str, TargetTable], loads: Collection[str]
) -> tuple[Reference, ...]:
    """Return the foreign keys that rules keep, of tables that the target has or gets by these `loads`."""
    there = {name for name, table in existing.items() if table.ours}.union(loads)
    tables = {table.name: table for table in catalog if table.name in there and not config.rule(table.name).exclude}
    return tuple(
        _reference(config, tables, table, key)
        for table in tables.values()
        if "foreign_keys" in config.rule(table.name).keep
        for key in table.foreign_keys
    )


def _reference(config: Config, tables: Mapping[str, Table], table: Table, key: ForeignKey) -> Reference:
    rule, why = config.rule(table.name), ""
    if key.elsewhere:
        why = "it points into another database"
    elif key.table not in tables:
        why = f"table {key.table} is not loaded"
    else:
        left = [column for column in key.columns if not rule.takes(column)]
        left += [f"{key.table}.{column}" for column in key.keys if not config.rule(key.table).takes(column)]
        why = f"{', '.join(left)} is not loaded" if left else ""
    return Reference(
        cut(key.name), table.name, config.target_names(table.name, key.columns), key.table,
        () if key.elsewhere else config.target_names(key.table, key.keys), why,
    )  # fmt: skip


def missing(found: Collection[Reference]) -> str:
    """Say which of the foreign keys that rules keep there will not be, and why; '' for none."""
    lost = [item for item in found if item.why]
    if not lost:
        return ""
    told = "; ".join(f"{item.name} of {item.table}: {item.why}" for item in lost)
    return f"{len(lost)} foreign key{' is' if len(lost) == 1 else 's are'} not kept: {told}"
