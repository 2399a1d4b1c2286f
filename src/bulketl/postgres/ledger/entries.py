"""The statements that put a step on record, carried out inside the transaction that writes its rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bulketl.postgres.ddl import value
from bulketl.postgres.ledger.escapes import escape, holds, holds_all, throughout
from bulketl.postgres.server import LEDGER
from bulketl.rows.aggregates import Figures
from bulketl.rows.reconcile import Differences
from bulketl.rows.reject import Reject
from bulketl.tables.checks import Counts, counts_to_json
from bulketl.tables.spec import TableSpec


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a step copied of one partition, as its record has it; `bytes` are of Arrow.

    `changed` counts per column and kind of change, `checks` per severity and check the rows that fail it; `expected` rows
    were at the source. `figures`: of a certificate, where rows were written into place; no record has them.
    """

    rows: int = 0
    rejects: int = 0
    bytes: int = 0
    changed: dict[str, dict[str, int]] = field(default_factory=dict)
    checks: Counts = field(default_factory=dict)
    expected: int = 0
    figures: Figures | None = None


def claim(run: str, spec: TableSpec, index: int) -> str:
    """Return the INSERT that claims a partition's record: it returns a row unless an earlier try did commit."""
    return f"{partition(run, spec, index, CopyResult())} ON CONFLICT DO NOTHING RETURNING 1"


def partition(run: str, spec: TableSpec, index: int, copied: CopyResult) -> str:
    """Return the INSERT of a partition's record."""
    counts = f"{copied.rows}, {copied.rejects}, {copied.bytes}, {_json(copied.changed)}, clock_timestamp()"
    return (
        f"INSERT INTO {LEDGER}.partition (run, schema_name, table_name, partition, rows, rejects, bytes, changed, loaded_at,"
        f" checks, expected) VALUES ({_at(run, spec, index)}, {counts}, {_json(copied.checks)}, {copied.expected})"
    )


def completed(run: str, spec: TableSpec, index: int, copied: CopyResult) -> str:
    """Return the UPDATE that completes a claimed record."""
    return (
        f"UPDATE {LEDGER}.partition SET rows={copied.rows}, rejects={copied.rejects}, bytes={copied.bytes},"
        f" changed={_json(copied.changed)}, checks={_json(copied.checks)}, expected={copied.expected}"
        f" WHERE (run, schema_name, table_name, partition) = ({_at(run, spec, index)})"
    )


def earlier(run: str, spec: TableSpec, index: int) -> str:
    """Return the SELECT of a partition's record, which an earlier try did commit.

    Rows, rejects, bytes, changed and checks as text, expected.
    """
    return (
        f"SELECT rows, rejects, bytes, changed::text, checks::text, expected FROM {LEDGER}.partition "
        f"WHERE (run, schema_name, table_name, partition) = ({_at(run, spec, index)})"
    )


def rejected(run: str, spec: TableSpec, index: int, rejects: Sequence[Reject], encoding: str) -> list[str]:
    """Return the INSERTs of rejected rows into a database of an encoding, each of some megabytes at most."""
    into = (
        f"INSERT INTO {LEDGER}.reject (run, schema_name, table_name, partition, column_name, value, reason, key, row,"
        " escaped) VALUES "
    )
    statements: list[str] = []
    some: list[str] = []
    size = 0
    for item in rejects:
        row = f"({_at(run, spec, index)}, {', '.join(_written(item, encoding))})"
        if some and size + len(row) > _STATEMENT:
            statements.append(into + ", ".join(some))
            some, size = [], 0
        some.append(row)
        size += len(row)
    return [*statements, into + ", ".join(some)] if some else statements


_STATEMENT = 4_000_000  # characters, unless one row has more


def _written(item: Reject, encoding: str) -> tuple[str, ...]:
    """Return what follows the place of a rejected row in its record, as SQL."""
    texts = (item.column, item.value or "", item.reason)
    objects = (item.key, item.row)
    escaped = not all(holds(text, encoding) for text in texts)
    # What is beyond ASCII in these is an escape of JSON, which they are searched for.
    escaped = escaped or (
        any("\\u" in text for text in objects) and not all(holds_all(json.loads(text), encoding) for text in objects)
    )
    column, found, reason = (escape(text, encoding) for text in texts) if escaped else texts
    key, row = (json.dumps(throughout(json.loads(text), lambda one: escape(one, encoding))) if escaped else text
                for text in objects)  # fmt: skip
    shown = value(None if item.value is None else found)
    return value(column), shown, value(reason), f"{value(key)}::jsonb", f"{value(row)}::jsonb", value(escaped)


def checked(run: str, spec: TableSpec, found: Counts) -> str:
    """Return the UPDATE that notes, with the record of a publish, what its checks on the table have found."""
    return (
        f"UPDATE {LEDGER}.published SET checks = {_json(counts_to_json(found))} "
        f"WHERE (run, schema_name, table_name) = ({value(run)}, {value(spec.schema)}, {value(spec.table)})"
    )


def claim_publish(run: str, spec: TableSpec, *, returning: bool = True) -> str:
    """Return the INSERT that claims the record of a publish: it returns a row unless an earlier try did commit."""
    record = f"{value(run)}, {value(spec.schema)}, {value(spec.table)}, 0, {value(spec.publish)}"
    claim = f"INSERT INTO {LEDGER}.published VALUES ({record}) ON CONFLICT DO NOTHING"
    return f"{claim} RETURNING 1" if returning else claim


def published(run: str, spec: TableSpec, rows: int, quality: float = 1.0) -> str:
    """Return the UPDATE that completes a claimed record: these (more) rows were read and are visible now.

    `quality` is their score; of a table in chunks the worst one stays.
    """
    return (
        f"UPDATE {LEDGER}.published SET rows = rows + {rows}, quality = least(quality, {quality}),"
        " published_at = clock_timestamp(),"
        f" unchanged = rows + {rows} - inserted - COALESCE(updated, 0) "
        f"WHERE (run, schema_name, table_name) = ({value(run)}, {value(spec.schema)}, {value(spec.table)})"
    )


def compared(run: str, spec: TableSpec, found: Differences) -> str:
    """Return the INSERT of what a comparison found."""
    counts = f"{len(found.missing)}, {len(found.differing)}, {len(found.gone)}, {value(spec.deletes)}"
    at = f"{value(run)}, {value(spec.schema)}, {value(spec.table)}"
    return f"INSERT INTO {LEDGER}.compared VALUES ({at}, {counts}) ON CONFLICT DO NOTHING"


def outcomes_of(run: str, specs: Sequence[TableSpec]) -> str:
    """Return the SELECT of what the publishes of tables did, a row for each that was published, in any order.

    Table; rows; inserted, updated, unchanged, deleted, or NULL each; checks as text; the score; what was noted, as text.
    """
    audited, every = (", ".join(value(spec.table) for spec in some) for some in ([s for s in specs if s.audit], specs))
    noted = f"CASE WHEN p.table_name IN ({audited}) THEN ({_NOTED.format(at='p.run, p.schema_name, p.table_name')})"
    return (
        "SELECT p.table_name, p.rows, p.inserted, p.updated, p.unchanged, p.deleted, p.checks::text, p.quality, "
        + (f"{noted} ELSE '{{}}' END" if audited else "'{}'")
        + f" FROM {LEDGER}.published p WHERE (p.run, p.schema_name) = ({value(run)}, {value(specs[0].schema)})"
        f" AND p.table_name IN ({every})"
    )


def noted_by(run: str, spec: TableSpec) -> str:
    """Return the SELECT of what a run has put into the audit trail of a table: as text, an object of kinds and numbers."""
    return _NOTED.format(at=f"{value(run)}, {value(spec.schema)}, {value(spec.table)}")


_NOTED = (
    "SELECT COALESCE(jsonb_object_agg(kind, n), '{{}}')::text FROM (SELECT kind, count(*) AS n"
    f" FROM {LEDGER}.audit_trail t WHERE (t.run, t.schema_name, t.table_name) = ({{at}}) GROUP BY kind) noted"
)


def forgotten(run: str, spec: TableSpec) -> list[str]:
    """Return the statements that take an earlier try's records of partitions and rejects out of the ledger."""
    return [f"DELETE FROM {LEDGER}.{table} WHERE {_of(run, spec)}" for table in ("partition", "reject")]


def counting(run: str, spec: TableSpec, stage: str) -> str:
    """Return the SELECT of every partition's record, beside the rejects that bear its transaction's number as their xmin.

    A row each: rows of the whole staging table `stage`, partition, rows, rejects, kept rejects, expected rows.
    """
    rejects = f"SELECT xmin AS written, count(*) AS kept FROM {LEDGER}.reject WHERE {_of(run, spec)} GROUP BY xmin"
    return (
        f"SELECT (SELECT count(*) FROM {stage}), partition, rows, rejects, COALESCE(kept, 0), expected"
        f" FROM {LEDGER}.partition p LEFT JOIN ({rejects}) r ON r.written = p.written::xid WHERE {_of(run, spec)}"
    )


def placing(run: str, spec: TableSpec, stage: str) -> str:
    """Return the SELECT of partitions of which not as many rows are staged as on record, with both numbers; NULL is none.

    A partition's rows bear the transaction's number as their xmin, and its record keeps that number.
    """
    return (
        f"SELECT p.partition, COALESCE(p.rows, 0), COALESCE(s.counted, 0) FROM"
        f" (SELECT partition, rows, written::xid FROM {LEDGER}.partition WHERE {_of(run, spec)}) p"
        f" FULL JOIN (SELECT xmin AS written, count(*) AS counted FROM {stage} GROUP BY xmin) s"
        " ON s.written = p.written WHERE COALESCE(p.rows, 0) <> COALESCE(s.counted, 0)"
    )


def taken_out(run: str, spec: TableSpec, stage: str, which: str) -> str:
    """Return the statement that deletes rows of the staging table, `t`, and takes each out of its partition's record."""
    return (
        f"WITH d AS (DELETE FROM {stage} t WHERE {which} RETURNING t.xmin AS x),"
        f" n AS (SELECT x, count(*) AS rows FROM d GROUP BY x) UPDATE {LEDGER}.partition p"
        " SET rows = p.rows - n.rows, expected = p.expected - n.rows FROM n"
        f" WHERE {_of(run, spec)} AND p.written::xid = n.x"
    )


def one_more(run: str, spec: TableSpec, rows: int, rejects: int, size: int) -> str:
    """Return the INSERT of the record of one more partition, after the last one; it returns its number."""
    return (
        f"INSERT INTO {LEDGER}.partition (run, schema_name, table_name, partition, rows, rejects, expected, bytes, changed)"
        f" SELECT {value(run)}, {value(spec.schema)}, {value(spec.table)}, COALESCE(max(partition), -1) + 1,"
        f" {rows}, {rejects}, {rows + rejects}, {size}, '{{}}' FROM {LEDGER}.partition WHERE {_of(run, spec)}"
        " RETURNING partition"
    )


def read_so_far(run: str, spec: TableSpec) -> str:
    """Return the SELECT of how many rows of a table were read, and how many of them rejected, by its partitions' records."""
    sums = "COALESCE(sum(rows + rejects), 0)::bigint, COALESCE(sum(rejects), 0)::bigint"
    return f"SELECT {sums} FROM {LEDGER}.partition WHERE {_of(run, spec)}"


def rejected_keys(run: str, spec: TableSpec) -> str:
    """Return the SELECT of the keys, as JSON texts, of the rows that a run has rejected, and whether they are escaped."""
    return f"SELECT key::text, escaped FROM {LEDGER}.reject WHERE {_of(run, spec)}"


def none_rejected(run: str, spec: TableSpec) -> str:
    """Return the condition that a run has rejected no row of a table."""
    return f"NOT EXISTS (SELECT 1 FROM {LEDGER}.reject WHERE {_of(run, spec)})"


def settled(run: str, spec: TableSpec, keys: str) -> str:
    """Return the UPDATE that settles the open rejects of a table whose keys, JSON texts, are in column `key` of `keys`.

    Its column `escaped` says of which records.
    """
    return (
        f"UPDATE {LEDGER}.reject SET settled_at = clock_timestamp(), settled = {value(run)}"
        f" WHERE (schema_name, table_name) = ({value(spec.schema)}, {value(spec.table)})"
        f" AND settled_at IS NULL AND (key, escaped) IN (SELECT key::jsonb, escaped::boolean FROM {keys})"
    )


def upserted(run: str, spec: TableSpec, new: str, changed: str) -> str:
    """Return the UPDATE that adds rows to those inserted and updated in the record of a publish; both are expressions."""
    return (
        f"UPDATE {LEDGER}.published SET inserted = COALESCE(inserted, 0) + {new},"
        f" updated = COALESCE(updated, 0) + {changed} WHERE {_of(run, spec)}"
    )


def appended(run: str, spec: TableSpec, new: str) -> str:
    """Return the UPDATE that adds rows, an expression, to those inserted in the record of a publish that updates none."""
    return f"UPDATE {LEDGER}.published SET updated = 0, inserted = COALESCE(inserted, 0) + ({new}) WHERE {_of(run, spec)}"


def removed(run: str, spec: TableSpec, gone: str) -> str:
    """Return the UPDATE that adds rows, an expression, to those deleted or marked in the record of a publish."""
    return f"UPDATE {LEDGER}.published SET deleted = COALESCE(deleted, 0) + {gone} WHERE {_of(run, spec)}"


RETAINED = f"{LEDGER}.retained"


class Left(NamedTuple):
    """Rows that left a table by its retention: those whose `column` was before the `limit`; their archive, if any."""

    column: str
    limit: str
    rows: int
    action: str
    file: str | None
    sha256: str | None


def retained(run: str, spec: TableSpec, left: Left) -> str:
    """Return the INSERT of the rows that left a table by its retention."""
    return f"INSERT INTO {RETAINED} VALUES ({', '.join(map(value, (run, spec.schema, spec.table, *left)))})"


def _json(found: object) -> str:
    return value(json.dumps(found, ensure_ascii=False))  # jsonb takes escapes only of what the encoding has


def _at(run: str, spec: TableSpec, index: int) -> str:
    return f"{value(run)}, {value(spec.schema)}, {value(spec.table)}, {index}"


def _of(run: str, spec: TableSpec) -> str:
    return f"(run, schema_name, table_name) = ({value(run)}, {value(spec.schema)}, {value(spec.table)})"
