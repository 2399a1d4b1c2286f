"""Comparing rows of both sides in memory, column by column, where reading them costs less than hashing them.

That is so for large tables of plain types: a server makes a text of every value before it can hash it, and reading is
what it does best. Values are compared as they lie in Arrow, floats by their bits; whatever is not alike
is then looked at by hashes.
"""

from __future__ import annotations

import pyarrow as pa

from bulketl.casts import parse_target
from bulketl.coerce import Batch
from bulketl.plan import TableSpec

# Types that both drivers bring into the same Arrow type, or one that a cast makes of it without a loss.
_ALIKE = frozenset({
    "smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "text", "varchar", "bytea", "date",
    "timestamp", "timestamptz",
})  # fmt: skip


def readable(spec: TableSpec) -> bool:
    """Tell whether all columns are of types that can be compared in memory."""
    return all(parse_target(item.target)[0] in _ALIKE for item in spec.casts)


def alike(ours: Batch, theirs: pa.Table) -> bool:
    """Tell whether the rows of the source, as a load would write them, are those of the target; both in one order."""
    if ours.rejects or ours.good.num_rows != theirs.num_rows:
        return False
    return all(_same(one, other) for one, other in zip(ours.good.columns, theirs.columns, strict=True))


def _same(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    if other.type != one.type:
        try:
            other = other.cast(one.type)
        except pa.ArrowInvalid:  # it does not fit: it is another value
            return False
    if pa.types.is_floating(one.type):
        one, other = _bits(one), _bits(other)
    return bool(one.equals(other))


def _bits(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return floats as integers of the same bits, so that -0.0 is not 0.0."""
    kind = pa.int64() if column.type.bit_width == 64 else pa.int32()
    return pa.chunked_array([chunk.view(kind) for chunk in column.chunks], kind)
