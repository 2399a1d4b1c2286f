"""Where rows wait before they are visible: the staging table of a large table, the temporary one beside a small one.

Statements; who executes them decides the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from bulketl.postgres.ddl import (
    alter_table,
    create_table,
    name,
    primary_key,
    rows_of,
    staging,
    staging_name,
    stamp_columns,
    stamped,
)
from bulketl.postgres.ledger import entries
from bulketl.postgres.server import STAGING, Connection
from bulketl.postgres.write import written
from bulketl.postgres.write.copy import TEMPORARY
from bulketl.postgres.write.secondary import indexing
from bulketl.tables.spec import TableSpec, cut

BESIDE = ("merge", "append")  # ways that take the rows from a table beside, small tables too


def beside(spec: TableSpec) -> bool:
    """Tell whether a small table's rows are staged: to be merged or appended, or compared once something acted on them."""
    return spec.publish in BESIDE or (spec.publish == "refill" and spec.watched)


def preparing(run: str, spec: TableSpec) -> list[str]:
    """Return the statements that make an empty staging table, and forget what an earlier try has put on record.

    Columns of the key that `keyed` builds are NOT NULL from the start, since the key would need a scan to find that they
    are; Postgres would call these constraints after the staging table, and here they are called after the table.
    """
    required = {column: cut(f"{spec.table}_{column}_not_null") for column in _own_key(spec)}
    place = staging_name(run, spec.table)
    stage = create_table(STAGING, place, spec.casts, more=stamp_columns(spec.stamps, run), required=required)
    return [*entries.forgotten(run, spec), f"DROP TABLE IF EXISTS {staging(run, spec.table)}", stage]


def keyed(run: str, spec: TableSpec) -> list[str]:
    """Return the statements that give a staging table that takes the table's place its key, indexes and kept columns.

    These come now, because rows cannot be copied beside a column whose type has no binary form. The key comes before the
    count: whoever first reads rows of other transactions notes on them that these did commit.
    """
    own = [f"ADD COLUMN {name(column)} {kind}" for column, kind in spec.kept] if spec.publish in ("create", "swap") else []
    if key := _own_key(spec):
        own.append(f"ADD {primary_key(spec.table, key, spec.key_name)}")
    altered = [f"ALTER TABLE {staging(run, spec.table)} {', '.join(own)}"] if own else []
    return altered + (indexing(spec, STAGING, staging_name(run, spec.table)) if spec.publish in ("create", "swap") else [])


def _own_key(spec: TableSpec) -> tuple[str, ...]:
    return spec.target_key if spec.publish in ("create", "swap") else ()


def drop_staged(connection: Connection, run: str) -> None:
    """Drop the staging tables of a run, each by itself."""
    left = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s AND starts_with(tablename, %s)", (STAGING, f"{run} ")
    ).fetchall()
    for (table,) in left:
        connection.execute(f"DROP TABLE IF EXISTS {name(STAGING, str(table))}".encode())


def counting_group(specs: Sequence[TableSpec]) -> str:
    """Return the SELECT that counts the rows of small tables, by their place in `specs`."""
    counts = (f"SELECT {n}, count(*) FROM {placed(n, spec)}" for n, spec in enumerate(specs))
    return " UNION ALL ".join(counts)


def place(n: int, spec: TableSpec) -> tuple[str, str]:
    """Return schema and table into which the rows of a small table are copied, the n-th of its group."""
    return (TEMPORARY, temporary_name(n)) if beside(spec) else (spec.schema, spec.table)


def placed(n: int, spec: TableSpec) -> str:
    """Return what a statement names to read them there."""
    return name(*place(n, spec)) if beside(spec) else rows_of(spec)


def emptied(run: str, n: int, spec: TableSpec) -> list[str]:
    """Return the statements after which a small table, the n-th of its group, can be copied."""
    if beside(spec):
        return [temporary(n, spec)]
    if spec.publish == "create":
        more = [f"{name(column)} {kind}" for column, kind in spec.kept] + stamp_columns(spec.stamps, run)
        if spec.key:
            more.append(primary_key(spec.table, spec.target_key, spec.key_name))
        return [create_table(spec.schema, spec.table, spec.casts, more=more)]
    return [written.unplanned(spec), f"TRUNCATE {rows_of(spec)}", *alter_table(spec), *stamped(spec, run)]


def temporary_name(n: int) -> str:
    """Return the name of the temporary table beside the n-th table of a group."""
    return f"bulketl_{n}"


def temporary(n: int, spec: TableSpec) -> str:
    """Return CREATE TABLE for it; it is gone with its transaction."""
    return f"{create_table(TEMPORARY, temporary_name(n), spec.casts)} ON COMMIT DROP"
