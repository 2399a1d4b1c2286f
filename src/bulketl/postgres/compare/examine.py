"""Rows of the source beside those of the target: which columns differ from what a load would write.

Rows of the source come here in the same way as in a load, into a temporary table, and Postgres compares them with the
table's rows byte by byte (`*<>`). So only the types that a load writes decide what is equal. Nothing that stays is
changed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bulketl.errors import DataError
from bulketl.postgres import ddl
from bulketl.postgres.compare.digests import key_hash, row_hash, unmarked
from bulketl.postgres.ddl import name, rows_of, value
from bulketl.postgres.joins import joining
from bulketl.postgres.server import Postgres
from bulketl.postgres.write import chain
from bulketl.postgres.write.copy import TEMPORARY, copy, transaction
from bulketl.postgres.write.merge import matching
from bulketl.postgres.write.refused import without_refused
from bulketl.postgres.write.stage import temporary, temporary_name
from bulketl.rows.coerce import Batch
from bulketl.rows.reject import Reject
from bulketl.tables.spec import DELETED_AT, TableSpec

_EXTRA = "bulketl_extra"


@dataclass(frozen=True, slots=True)
class Late:
    """Since when a row's stamp does not tell whether a load saw it: the column, that time, and when it was read."""

    column: str
    since: str
    read: str


@dataclass(frozen=True, slots=True)
class Examined:
    """A row of the source beside the target's: `text` is the hash of its key, `in_target` tells whether the target has it.

    `columns`: the ones that differ, `source` and `target` their values, if asked for.

    `late`: it may have been written after the last load, which read it before. `in_trail`: the audit trail has it as it is.
    """

    text: str
    key: tuple[str, ...]
    in_target: bool
    columns: tuple[str, ...]
    late: bool
    in_trail: bool
    source: tuple[str | None, ...]
    target: tuple[str | None, ...]


def examine(
    target: Postgres, run: str, spec: TableSpec, batch: Batch, late: Late | None, *, values: bool
) -> tuple[list[Examined], tuple[Reject, ...]]:
    """Compare rows of the source with the target's of the same key; return them in their order, and what is rejected."""
    query = _examining(spec, late, values)
    batch, found = _staged(target, run, spec, batch, [], query)
    examined = []
    for (text,) in found:
        hashed, key, there, columns, is_late, noted, source, target_values = json.loads(text)
        picked = [(source[n], target_values[n]) for n in columns] if values and there else []
        examined.append(
            Examined(
                hashed,
                tuple(key),
                there,
                tuple(spec.casts[n].column for n in columns) if there else (),
                is_late,
                noted,
                tuple(one for one, _ in picked),
                tuple(other for _, other in picked),
            )
        )
    return examined, batch.rejects


def _examining(spec: TableSpec, late: Late | None, values: bool) -> str:
    differing = ", ".join(f"CASE WHEN {_differs(spec, n)} THEN {n} END" for n in range(len(spec.casts)))
    is_late = "false"
    if late:
        column, since, read = name(*spec.target_names([late.column])), value(late.since), value(late.read)
        moved = f"t.ctid IS NULL OR t.{column} IS DISTINCT FROM s.{column} OR s.{column} >= {read}::timestamp"
        is_late = f"COALESCE(s.{column} >= {since}::timestamp AND ({moved}), false)"
    noted = chain.in_trail(spec, "s") if spec.audit else "false"
    parts = (
        "s.bulketl_text",
        f"ARRAY[{', '.join(f's.{name(key)}::text' for key in spec.target_key)}]",
        "t.ctid IS NOT NULL",
        f"array_remove(ARRAY[{differing}]::int[], NULL)",
        is_late,
        noted,
        _texts(spec, "s") if values else "NULL::text",
        _texts(spec, "t") if values else "NULL::text",
    )
    there = f"{rows_of(spec)} t ON {matching(spec, 't', 's')}"
    living = f" AND t.{name(DELETED_AT)} IS NULL" if spec.deletes == "mark" else ""
    return (
        f"SELECT json_build_array({', '.join(parts)})::text"
        f" FROM (SELECT *, {key_hash(spec)} AS bulketl_text FROM {name(TEMPORARY, temporary_name(0))}) s"
        f" LEFT JOIN {there}{living} ORDER BY {', '.join(f's.{name(key)}' for key in spec.target_key)}"
    )


def unlike(target: Postgres, run: str, spec: TableSpec, batch: Batch) -> list[str]:
    """Return the hashes of the keys of rows that the table has otherwise than a batch; one that it lacks is none."""
    if not batch.good.num_rows:
        return []
    differing = " OR ".join(_differs(spec, n) for n in range(len(spec.casts)))
    query = (
        f"SELECT s.bulketl_text FROM (SELECT *, {key_hash(spec)} AS bulketl_text"
        f" FROM {name(TEMPORARY, temporary_name(0))}) s JOIN {rows_of(spec)} t ON {matching(spec, 't', 's')}"
        f" WHERE {differing} ORDER BY 1"
    )
    return [str(text) for (text,) in _asked(target, run, spec, batch, [], query)]


@dataclass(frozen=True, slots=True)
class Beside:
    """A row of the source beside one of the target, both by their hashes: the columns that differ, and all values.

    `target_hash` is None, and the rest empty, where the target has none to set it beside. Values only if asked for.
    """

    source_hash: str
    target_hash: str | None
    columns: tuple[str, ...]
    source: list[str]
    target: list[str]


def cross_examine(
    target: Postgres, run: str, spec: TableSpec, batch: Batch, extra: Sequence[str], *, values: bool
) -> tuple[list[Beside], tuple[Reject, ...]]:
    """Set rows of the source beside rows of a table without a key that have one of these hashes, each beside each.

    Return the pairs, and the rows that are rejected.
    """
    hashed = f"SELECT *, {row_hash(spec)} AS bulketl_hash FROM"
    hashes = f"ARRAY[{', '.join(map(value, extra))}]::text[]"
    table = rows_of(spec)
    making = (
        f"CREATE TEMPORARY TABLE {_EXTRA} ON COMMIT DROP AS SELECT DISTINCT ON (bulketl_hash) *"
        f" FROM ({hashed} {table}{unmarked(spec, 'WHERE')}) x WHERE bulketl_hash = ANY({hashes})"
    )
    differing = ", ".join(f"CASE WHEN {_differs(spec, n)} THEN {n} END" for n in range(len(spec.casts)))
    shown = (_texts(spec, "s"), _texts(spec, "t")) if values else ("NULL::text", "NULL::text")
    query = (
        f"SELECT json_build_array(s.bulketl_hash, t.bulketl_hash, array_remove(ARRAY[{differing}]::int[], NULL),"
        f" {', '.join(shown)})::text FROM ({hashed} {name(TEMPORARY, temporary_name(0))}) s"
        f" LEFT JOIN {TEMPORARY}.{_EXTRA} t ON true"
    )
    batch, found = _staged(target, run, spec, batch, [making], query)
    result = []
    for (text,) in found:
        lost, other, columns, source, there = json.loads(text)
        named = tuple(spec.casts[n].column for n in columns) if other else ()
        result.append(Beside(lost, other, named, source or [], there or []))
    return result, batch.rejects


def _staged(
    target: Postgres, run: str, spec: TableSpec, batch: Batch, before: Sequence[str], query: str
) -> tuple[Batch, list[Any]]:
    """Copy rows into a temporary table and ask; where Postgres refuses some, without these. Nothing stays."""
    try:
        return batch, _asked(target, run, spec, batch, before, query)
    except DataError:
        fixed = without_refused(target, run, dataclasses.replace(spec, max_rejects=batch.good.num_rows), batch)
        if fixed.good.num_rows == batch.good.num_rows:
            raise
        return fixed, _asked(target, run, spec, fixed, before, query)


def _asked(target: Postgres, run: str, spec: TableSpec, batch: Batch, before: Sequence[str], query: str) -> list[Any]:
    with transaction(target, run, f"table {spec.table!r}", spec.encoder) as cursor:
        cursor.execute(temporary(0, spec))
        copy(cursor, batch.good, spec, TEMPORARY, temporary_name(0))
        for statement in (ddl.batch(joining(spec, name(TEMPORARY, temporary_name(0)))), *before):
            cursor.execute(statement)
        cursor.execute(query)
        return list(cursor.fetchall())


def _differs(spec: TableSpec, n: int) -> str:
    """Return the condition that the n-th column of `t` is not, byte for byte, that of `s`."""
    item = spec.casts[n]
    # Images of two types cannot be compared; a narrower number becomes the wider one without a loss.
    wider = f"::{item.target_type.base}" if item.name in spec.widened else ""
    return f"ROW(t.{name(item.name)}{wider})::record *<> ROW(s.{name(item.name)})::record"


def _texts(spec: TableSpec, row: str) -> str:
    return f"ARRAY[{', '.join(f'{row}.{name(item.name)}::text' for item in spec.casts)}]"
