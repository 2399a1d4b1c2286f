"""Making a table equal to staged rows by touching only those that differ; or adding what is new and noting the rest.

Rows are compared by their image (`*<>`), so that -0.0 and 0.0, or 1.0 and 1.00, count as different. Each statement
writes what it did into the publish's record itself, so a whole group costs one round trip. One run at a time writes a
table; a row that somebody else inserted meanwhile ends the transaction.
"""

from __future__ import annotations

from bulketl.postgres.ddl import alter_table, columns, name, rows_of, stamp, value
from bulketl.postgres.ledger import entries
from bulketl.postgres.write import written
from bulketl.postgres.write.aging import aging
from bulketl.tables.spec import DELETED_AT, TableSpec


def merge(run: str, spec: TableSpec, stage: str) -> list[str]:
    """Return the statements that bring the rows of `stage` (quoted) into the table, and count what they did.

    When the whole table is staged, rows that are gone are deleted or marked, as `spec.deletes` says.
    """
    statements = [*alter_table(spec), *aging(spec)]
    if spec.whole and spec.deletes in ("mirror", "mark"):
        statements.append(removing(run, spec, _gone(run, spec, stage), _left(run, spec, stage)))
    return [*statements, *_upsert(run, spec, stage)]


def unique(spec: TableSpec, stage: str) -> str:
    """Return the statement that fails when two rows of `stage` have the same key: only one of them could be merged."""
    twice = f"SELECT FROM {stage} GROUP BY {columns(spec.target_key)} HAVING count(*) > 1"
    words = f"rows have the same key ({', '.join(spec.key)}), which is not unique".replace("%", "%%")
    return f"IF EXISTS ({twice}) THEN RAISE EXCEPTION {value(words)} USING ERRCODE = '23505'; END IF"


def counting_gone(spec: TableSpec, stage: str) -> str:
    """Return the SELECT of how many rows of the table are not in `stage`, and how many it has."""
    table = f"{rows_of(spec)} t"
    alive = f"t.{name(DELETED_AT)} IS NULL" if spec.deletes == "mark" and DELETED_AT not in spec.added else "true"
    # A condition of an aggregate would be looked for row by row; only one of WHERE becomes a join.
    fewer = f"SELECT count(*) FROM {table} WHERE {alive} AND {_absent(spec, stage)}"
    return f"SELECT ({fewer}), (SELECT count(*) FROM {table} WHERE {alive})"


def differs(spec: TableSpec, one: str, other: str) -> str:
    """Return the condition that two rows of the table's columns differ in any of their bytes."""
    names = [item.name for item in spec.casts]
    left, right = (", ".join(f"{side}.{name(column)}" for column in names) for side in (one, other))
    return f"ROW({left})::record *<> ROW({right})::record"


def matching(spec: TableSpec, one: str, other: str) -> str:
    """Return the condition that two rows have the same key."""
    return " AND ".join(f"{one}.{name(key)} = {other}.{name(key)}" for key in spec.target_key)


def _upsert(run: str, spec: TableSpec, stage: str) -> list[str]:
    """Return the block that inserts and updates in one pass over a narrow join, and touches no row that is the same.

    MERGE says only how many rows it wrote (before Postgres 17), so those that are new are counted first, by their keys.
    """
    table, names = rows_of(spec), [item.name for item in spec.casts]
    sets = [f"{name(column)} = s.{name(column)}" for column in names if column not in spec.target_key]
    different = differs(spec, "t", "s")
    if spec.deletes == "mark":
        sets.append(f"{name(DELETED_AT)} = NULL")
        different = f"({different} OR t.{name(DELETED_AT)} IS NOT NULL)"
    sets += [f"{name(column)} = {stamp(column, run)}" for column in spec.stamps] if sets else []
    matched = f" WHEN MATCHED AND {different} THEN UPDATE SET {', '.join(sets)}" if sets else ""
    staged = f"EXISTS (SELECT FROM {stage} s WHERE {matching(spec, 's', 't')})"
    values = ", ".join((*(f"s.{name(column)}" for column in names), *(stamp(column, run) for column in spec.stamps)))
    return [
        written.block(
            written.begin(spec),
            f"SELECT count(*) INTO bulketl_new FROM {stage} s WHERE {absent(spec, table)}",
            f"MERGE INTO {table} t USING {stage} s ON {matching(spec, 't', 's')}{matched}\n"
            f"WHEN NOT MATCHED THEN INSERT ({columns((*names, *spec.stamps))}) VALUES ({values})",
            "GET DIAGNOSTICS bulketl_rows = ROW_COUNT",
            written.did(),
            written.net(spec, "bulketl_new"),
            written.nothing(spec, written.lacking(spec, stage), written.LOST),
            written.others(spec, "ARRAY[bulketl_new, bulketl_rows - bulketl_new, 0]", staged),
            entries.upserted(run, spec, "bulketl_new", "bulketl_rows - bulketl_new"),
            variables=" bulketl_new bigint;",
        )
    ]


def insert(run: str, spec: TableSpec, rows: str, new: str) -> str:
    """Return the INSERT of the rows of `rows`, a FROM item called s, for which the condition `new` holds."""
    names = columns(item.name for item in spec.casts)
    into = ", ".join((names, *map(name, spec.stamps)))
    values = ", ".join((names, *(stamp(column, run) for column in spec.stamps)))
    return f"INSERT INTO {name(spec.schema, spec.table)} ({into}) SELECT {values} FROM {rows} WHERE {new}"


def absent(spec: TableSpec, table: str) -> str:
    """Return the condition that no row of `table`, a FROM item, has the key of row `s`."""
    return f"NOT EXISTS (SELECT 1 FROM {table} o WHERE {matching(spec, 'o', 's')})"


def _gone(run: str, spec: TableSpec, stage: str) -> str:
    table, absent_ = rows_of(spec), _absent(spec, stage)
    if spec.deletes == "mark":
        at = name(DELETED_AT)
        return f"UPDATE {table} t SET {at} = now() WHERE t.{at} IS NULL AND {absent_} AND {entries.none_rejected(run, spec)}"
    return f"DELETE FROM {table} t WHERE {absent_}"


def _left(run: str, spec: TableSpec, stage: str) -> str:
    """Return the SELECT of how many rows should have gone, and are there."""
    alive = f" AND t.{name(DELETED_AT)} IS NULL AND {entries.none_rejected(run, spec)}" if spec.deletes == "mark" else ""
    return f"(SELECT count(*) FROM {rows_of(spec)} t WHERE {_absent(spec, stage)}{alive})"


def _absent(spec: TableSpec, stage: str) -> str:
    return f"NOT EXISTS (SELECT 1 FROM {stage} s WHERE {matching(spec, 's', 't')})"


def removing(run: str, spec: TableSpec, statement: str, left: str, *, record: bool = True) -> str:
    """Return the block that deletes or marks rows, checks that just these went, and counts them in the publish's record.

    `left`: the SELECT, in parentheses, of how many of those that should have gone are still there.
    """
    noted = entries.removed(run, spec, "bulketl_rows") if record else ""
    return written.checked_removal(spec, statement, left, noted, deletes=spec.deletes == "mirror")
