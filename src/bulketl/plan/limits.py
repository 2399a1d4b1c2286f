"""What no Postgres table can hold: too many columns, rows wider than a page, keys too long for an index."""

from __future__ import annotations

from collections.abc import Iterator

from bulketl.plan.facing import Facing
from bulketl.plan.obstacle import Said
from bulketl.tables.casts import Cast
from bulketl.tables.spec import DELETED_AT

MOST_COLUMNS = 1600  # MaxHeapAttributeNumber
MOST_ROW_BYTES = 8160  # MaxHeapTupleSize
MOST_KEY_BYTES = 2704  # BTMaxItemSize
_HEADER = 24
_POINTER = 18  # of a value that is stored out of line
_FIXED = {
    "boolean": 1, "smallint": 2, "integer": 4, "real": 4, "date": 4, "bigint": 8, "double precision": 8, "timestamp": 8,
    "timestamptz": 8, "time": 8, "interval": 16, "uuid": 16, "enum": 4,
}  # fmt: skip
_ALIGNED = {"uuid": 1, "interval": 8}


def too_many_columns(facing: Facing) -> Iterator[Said]:
    """Yield that a table would have more columns than Postgres lets it have."""
    spec, existing = facing.load.spec, facing.existing
    if facing.stays and existing:
        count = existing.demands.numbers + len(spec.added)
        more = " (dropped ones count)" if existing.demands.numbers > len(existing.columns) else ""
    else:
        own = {*(column for column, _ in spec.kept), *([DELETED_AT] if spec.deletes == "mark" else [])}
        count, more = len(facing.names | own), ""
    if count <= MOST_COLUMNS:
        return
    said = f"it would have {count:,} columns{more}, and a table of Postgres has at most {MOST_COLUMNS:,}"
    yield (
        said,
        (
            f"name {count - MOST_COLUMNS:,} or more of them under exclude_columns, or split the table into views at the "
            "source and name these in tables.yaml"
        ),
    )


def too_wide(facing: Facing) -> Iterator[Said]:
    """Yield that no page holds any of its rows."""
    least = _bytes(facing.load.spec.casts, least=True)
    if least <= MOST_ROW_BYTES or not facing.load.rows:
        return
    yield (
        f"each of its rows takes {least:,} bytes or more, and a row in Postgres {MOST_ROW_BYTES:,} at most",
        "name columns under exclude_columns, or split it by views at the source and name these in tables.yaml",
    )


def perhaps_too_wide(facing: Facing) -> Iterator[Said]:
    """Yield that no page holds a row with a value in every column."""
    most = _bytes(facing.load.spec.casts, least=False)
    if most <= MOST_ROW_BYTES or _bytes(facing.load.spec.casts, least=True) > MOST_ROW_BYTES:
        return
    yield (
        f"a row that has a value in every column takes up to {most:,} bytes, and Postgres takes {MOST_ROW_BYTES:,}",
        "name columns under exclude_columns if such rows are refused",
    )


def long_key(facing: Facing) -> Iterator[Said]:
    """Yield that a value of its key may be too long for an index."""
    spec = facing.load.spec
    sizes = {
        item.column: item.source_type.sizes for item in spec.casts if item.target_type.base in ("text", "varchar", "bytea")
    }
    length = sum(4 * sizes[column][0] if sizes[column] else 0 for column in spec.key if column in sizes)
    if length <= MOST_KEY_BYTES:
        return
    yield (
        f"a value of its key may take {length:,} bytes, and an index of Postgres {MOST_KEY_BYTES:,}",
        "declare a shorter primary_key if rows are refused",
    )


def _bytes(casts: tuple[Cast, ...], *, least: bool) -> int:
    """Return the bytes of a row in a page: of the smallest possible, or of one with a value in every column."""
    total = _HEADER + (0 if all(not item.nullable for item in casts) else -(-len(casts) // 8))
    for item in casts:
        if least and item.nullable:
            continue
        base = item.target_type.base
        size = _FIXED.get(base, 1 if least else _POINTER)
        align = _ALIGNED.get(base, size) if base in _FIXED else 1
        total = -(-total // align) * align + size
    return total
