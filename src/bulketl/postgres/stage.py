"""Where rows wait before they are visible: the staging table of a large table, the temporary one beside a small one.

Statements only; who executes them decides the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from bulketl.plan import TableSpec
from bulketl.postgres import LEDGER, STAGING
from bulketl.postgres.copy import TEMPORARY
from bulketl.postgres.ddl import alter_table, create_table, name, staging, staging_name, stamped, value

BESIDE = ("merge", "append")  # ways that take the rows from a table beside, small tables too


def preparing(run: str, spec: TableSpec) -> list[str]:
    """Return the statements that make an empty staging table, and forget what an earlier try has put on record."""
    stage = create_table(STAGING, staging_name(run, spec.table), spec.casts, kept=spec.kept, stamps=spec.stamps, run=run)
    at = f"(run, schema_name, table_name) = ({value(run)}, {value(spec.schema)}, {value(spec.table)})"
    forgotten = [f"DELETE FROM {LEDGER}.{table} WHERE {at}" for table in ("partition", "reject")]
    return [*forgotten, f"DROP TABLE IF EXISTS {staging(run, spec.table)}", stage]


def counting(run: str, spec: TableSpec) -> str:
    """Return the SELECT that counts the staged and the rejected rows of every partition beside its record, in one scan.

    A partition's rows and its rejects bear the transaction's number as their xmin, and its record keeps that number.
    """
    rejects = (
        f"SELECT count(*) FROM {LEDGER}.reject r WHERE r.xmin = p.written AND"
        f" (run, schema_name, table_name) = ({value(run)}, {value(spec.schema)}, {value(spec.table)})"
    )
    return (
        f"SELECT p.partition, p.rows, COALESCE(s.counted, 0), p.rejects, ({rejects}), p.expected FROM"
        f" (SELECT partition, rows, rejects, expected, written::xid FROM {LEDGER}.partition"
        f"  WHERE (run, schema_name, table_name) = ({value(run)}, {value(spec.schema)}, {value(spec.table)})) p"
        f" FULL JOIN (SELECT xmin AS written, count(*) AS counted FROM {staging(run, spec.table)} GROUP BY xmin) s"
        " ON s.written = p.written"
    )


def counting_group(specs: Sequence[TableSpec]) -> str:
    """Return the SELECT that counts the rows of small tables, by their place in `specs`."""
    counts = (f"SELECT {n}, count(*) FROM {name(*place(n, spec))}" for n, spec in enumerate(specs))
    return " UNION ALL ".join(counts)


def place(n: int, spec: TableSpec) -> tuple[str, str]:
    """Return schema and table into which the rows of a small table are copied, the n-th of its group."""
    return (TEMPORARY, temporary_name(n)) if spec.publish in BESIDE else (spec.schema, spec.table)


def emptied(run: str, n: int, spec: TableSpec) -> list[str]:
    """Return the statements after which a small table, the n-th of its group, can be copied."""
    if spec.publish in BESIDE:
        return [temporary(n, spec)]
    if spec.publish == "create":
        casts, kept = spec.casts, spec.kept
        return [create_table(spec.schema, spec.table, casts, spec.key, kept=kept, stamps=spec.stamps, run=run)]
    return [f"TRUNCATE {name(spec.schema, spec.table)}", *alter_table(spec), *stamped(spec, run)]


def temporary_name(n: int) -> str:
    """Return the name of the temporary table beside the n-th table of a group."""
    return f"bulketl_{n}"


def temporary(n: int, spec: TableSpec) -> str:
    """Return CREATE TABLE for it; it is gone with its transaction."""
    return f"{create_table(TEMPORARY, temporary_name(n), spec.casts)} ON COMMIT DROP"
