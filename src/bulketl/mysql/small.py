"""Small tables, many over one session: one of its own costs connectorx more than the rows of such a table do.

The session speaks the text protocol. Each value arrives as the server spells it, and Arrow makes of it what connectorx
would have delivered. Where a spelling does not hold the value (a FLOAT has six digits), where Arrow cannot read one, or
where a table has grown, `None` says that connectorx is to read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pymysql

from bulketl.mysql.read import names, select
from bulketl.mysql.server import MySQL, is_lost
from bulketl.tables.casts import Cast
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec

MOST_ROWS = 20_000  # ten times as many as a table is planned with that is read so
_WIRES = {"date32[day]": pa.date32(), "timestamp[us]": pa.timestamp("us"), "double": pa.float64()}


def read_small(source: MySQL, pieces: Sequence[tuple[TableSpec, Partition]]) -> Iterator[pa.Table | None]:
    """Yield the rows of each piece, of which there is one at least, with the columns of `select`, or None for connectorx.

    Raise SourceError when the session is lost.
    """
    with source.connect() as cursor:
        cursor.connection.decoders = {}  # values stay as they are spelt
        if zone := pieces[0][0].zone:  # of all tables of a load
            cursor.execute("SET SESSION time_zone = %s", (zone,))
        for spec, partition in pieces:
            kinds = delivered(spec)
            yield _table(cursor, spec, partition, kinds) if kinds else None


def delivered(spec: TableSpec) -> list[pa.DataType]:
    """Return the types that connectorx delivers, of casts and masks; nothing where a text does not hold each value."""
    kinds = [_delivered(item, item in spec.packed_casts) for item in spec.unmasked.casts]
    known = [kind for kind in kinds if kind is not None]
    if len(known) < len(kinds) or spec.stop_after is not None:
        return []
    return [*known, *[pa.uint64()] * (len(names(spec)) - len(kinds))]


def _delivered(item: Cast, packed: bool) -> pa.DataType | None:
    source = item.source_type
    if packed:
        return pa.int64()
    if source.base == "float" or (source.base == "double" and source.sizes):
        return None
    if item.clean in ("integer", "boolean"):
        return pa.uint64() if source.base == "bit" or (source.base == "bigint" and source.unsigned) else pa.int64()
    of_coercion = {
        "bit": pa.large_binary(), "text": pa.large_binary(), "decimal": pa.string(), "duration": pa.string(),
        "time": pa.string(), "json": pa.string(), "instant": pa.int64(),
    }  # fmt: skip
    return of_coercion.get(item.clean) or _WIRES.get(item.wire) or pa.type_for_alias(item.wire)


def _table(
    cursor: pymysql.cursors.Cursor, spec: TableSpec, partition: Partition, kinds: Sequence[pa.DataType]
) -> pa.Table | None:
    try:
        cursor.execute(f"{select(spec, partition)} LIMIT {MOST_ROWS}")
        rows = cursor.fetchall()
    except pymysql.MySQLError as error:
        if is_lost(error):
            raise
        return None  # whoever reads it next says what is wrong
    if len(rows) == MOST_ROWS:
        return None
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(kinds)
    try:
        arrays = [_array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
    except (pa.ArrowException, TypeError):
        return None
    return pa.Table.from_arrays(arrays, names=names(spec))


def _array(values: Sequence[str | bytes | None], kind: pa.DataType) -> pa.Array:
    """Return values as Arrow has them. Raise ArrowException or TypeError when one is not of that type."""
    if pa.types.is_large_binary(kind):
        return pa.array(values, kind)
    if any(isinstance(value, bytes) for value in values):
        raise TypeError("bytes, where a text was expected")
    return pa.array(values, pa.string()).cast(kind)
