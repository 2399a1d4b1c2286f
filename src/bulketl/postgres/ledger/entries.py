"""The statements that put a step on record, carried out inside the transaction that writes its rows."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bulketl.postgres.ddl import value
from bulketl.postgres.server import LEDGER
from bulketl.rows.coerce import Reject
from bulketl.rows.reconcile import Differences
from bulketl.tables.checks import Counts, stored
from bulketl.tables.spec import TableSpec


def claim(run: str, spec: TableSpec, index: int) -> str:
    """Return the INSERT that claims a partition's record: it returns a row unless an earlier try did commit."""
    return f"{partition(run, spec, index, 0, 0, 0, {})} ON CONFLICT DO NOTHING RETURNING 1"


def partition(
    run: str,
    spec: TableSpec,
    index: int,
    rows: int,
    rejects: int,
    size: int,
    changed: dict[str, dict[str, int]],
    checks: Counts | None = None,
    expected: int = 0,
) -> str:
    """Return the INSERT of a partition's record."""
    found = value(json.dumps(checks or {}))
    counts = f"{rows}, {rejects}, {size}, {value(json.dumps(changed))}, clock_timestamp(), {found}, {expected}"
    return (
        f"INSERT INTO {LEDGER}.partition (run, schema_name, table_name, partition, rows, rejects, bytes, changed, loaded_at,"
        f" checks, expected) VALUES ({_at(run, spec, index)}, {counts})"
    )


def loaded(
    run: str,
    spec: TableSpec,
    index: int,
    rows: int,
    rejects: int,
    size: int,
    changed: dict[str, dict[str, int]],
    checks: Counts,
    expected: int,
) -> str:
    """Return the UPDATE that completes a claimed record."""
    return (
        f"UPDATE {LEDGER}.partition SET rows={rows}, rejects={rejects}, bytes={size}, changed={value(json.dumps(changed))},"
        f" checks={value(json.dumps(checks))}, expected={expected}"
        f" WHERE (run, schema_name, table_name, partition) = ({_at(run, spec, index)})"
    )


def recorded(run: str, spec: TableSpec, index: int) -> str:
    """Return the SELECT of a partition's record: rows, rejects, bytes, changed and checks as text, expected."""
    return (
        f"SELECT rows, rejects, bytes, changed::text, checks::text, expected FROM {LEDGER}.partition "
        f"WHERE (run, schema_name, table_name, partition) = ({_at(run, spec, index)})"
    )


def rejected(run: str, spec: TableSpec, index: int, rejects: Sequence[Reject]) -> str:
    """Return the INSERT of rejected rows."""
    rows = ", ".join(
        f"({_at(run, spec, index)}, {value(r.column)}, {value(r.value and r.value.replace(chr(0), ''))}, "
        f"{value(r.reason)}, {value(r.key)}::jsonb, {value(r.row)}::jsonb)"
        for r in rejects
    )
    return f"INSERT INTO {LEDGER}.reject VALUES {rows}"


def checked(run: str, spec: TableSpec, found: Counts) -> str:
    """Return the UPDATE that notes, with the record of a publish, what its checks on the table have found."""
    return (
        f"UPDATE {LEDGER}.published SET checks = {value(json.dumps(stored(found)))} "
        f"WHERE (run, schema_name, table_name) = ({value(run)}, {value(spec.schema)}, {value(spec.table)})"
    )


def claim_publish(run: str, spec: TableSpec, *, returning: bool = True) -> str:
    """Return the INSERT that claims the record of a publish: it returns a row unless an earlier try did commit."""
    record = f"{value(run)}, {value(spec.schema)}, {value(spec.table)}, 0, {value(spec.publish)}"
    claim = f"INSERT INTO {LEDGER}.published VALUES ({record}) ON CONFLICT DO NOTHING"
    return f"{claim} RETURNING 1" if returning else claim


def published(run: str, spec: TableSpec, rows: int, quality: float = 1.0) -> str:
    """Return the UPDATE that completes a claimed record: so many (more) rows were read and are visible now.

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


def outcome_of(run: str, spec: TableSpec) -> str:
    """Return the SELECT of what a publish did.

    Rows; inserted, updated, unchanged, deleted, or NULL each; checks as text; the score; what was noted of it as text.
    """
    noted = f"({noted_by(run, spec)})" if spec.audit else "'{}'"
    return (
        f"SELECT rows, inserted, updated, unchanged, deleted, checks::text, quality, {noted} FROM {LEDGER}.published "
        f"WHERE (run, schema_name, table_name) = ({value(run)}, {value(spec.schema)}, {value(spec.table)})"
    )


def noted_by(run: str, spec: TableSpec) -> str:
    """Return the SELECT of what a run has put into the audit trail of a table: as text, an object of kinds and numbers."""
    at = f"({value(run)}, {value(spec.schema)}, {value(spec.table)})"
    counts = (
        f"SELECT kind, count(*) AS n FROM {LEDGER}.audit_trail WHERE (run, schema_name, table_name) = {at} GROUP BY kind"
    )
    return f"SELECT COALESCE(jsonb_object_agg(kind, n), '{{}}')::text FROM ({counts}) noted"


def _at(run: str, spec: TableSpec, index: int) -> str:
    return f"{value(run)}, {value(spec.schema)}, {value(spec.table)}, {index}"
