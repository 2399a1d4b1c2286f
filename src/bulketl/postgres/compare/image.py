"""Rows as COPY BINARY has them: as a load would send them, and as Postgres sends them back.

Postgres keeps each value in one form only, and the encoder of a load writes that very form, so equal rows are equal bytes
and nothing has to be taken apart to see it. It costs Postgres less to send a row than to hash it. What the encoder does
not know is compared as text.
"""

from __future__ import annotations

import bisect
import selectors
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn

from bulketl.postgres.compare.digests import unmarked
from bulketl.postgres.ddl import batch, name, rows_of
from bulketl.postgres.joins import PLANNING
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.copy import encode, transaction
from bulketl.rows.reconcile import Buckets
from bulketl.tables.casts import Cast, only_adbc
from bulketl.tables.spec import TableSpec

_BYTES = {"smallint": 2, "integer": 4, "bigint": 8}  # of a key
_HEAD, _TAIL = 19, 2  # bytes before the first row and after the last
_FIELD = 2 + 4  # of a row before its first value: the number of its fields, the length of that one
# A range goes along the key's index where the rows lie in its order, which Postgres takes for dearer than it is: it would
# start workers and sort them on disk. Ranges are read some at once.
_ALONG = batch([PLANNING, "SET LOCAL max_parallel_workers_per_gather = 0"]).encode()
_SPELT_SCALE = 6  # Arrow writes decimals with more places with an exponent


@dataclass(frozen=True, slots=True)
class Image:
    """Rows of the target in the order of their key: their bytes, and where in these each begins, and the last one ends."""

    data: bytearray
    starts: list[int]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.starts) - 1


def imageable(spec: TableSpec) -> bool:
    """Tell whether rows of the table can be compared so: one integer is its key, and each value has one form only.

    Nor where some are masked: what differs there is found by reading them once more, and by no hash.
    """
    if len(spec.key) != 1 or spec.target_key[0] in spec.widened or spec.masked:
        return False
    kinds = {item.column: item.target_type for item in spec.casts}
    wide = [kinds[item.column].sizes[1] for item in spec.casts if item.wire.startswith("decimal256")]
    plain = all(kind.base != "jsonb" for kind in kinds.values()) and all(scale <= _SPELT_SCALE for scale in wide)
    return plain and kinds[spec.key[0]].base in _BYTES


def unlike_buckets(rows: pa.Table, spec: TableSpec, buckets: Buckets, image: Image) -> set[str]:
    """Return the buckets in which rows in their wire types, ordered by the key, differ from the rows of the image."""
    casts = _ordered(spec)
    columns = [rows.column(i.column).cast(pa.string()) if _spelt(i, spec) else rows.column(i.column) for i in casts]
    table = pa.Table.from_arrays(columns, names=[item.column for item in casts])
    if b"".join(encode(table)) == image.data:
        return set()
    keys = table.column(0)
    found, left = set(), _places(image, casts[0], buckets)
    for bucket, first, end in _cut(table.num_rows, lambda n: int(keys[n].as_py()), buckets):
        at, beyond = left.pop(bucket, (0, 0))
        data = b"".join(encode(table.slice(first, end - first)))
        # As bytes of one length, and without a copy of either side's.
        if len(data) - _HEAD - _TAIL != beyond - at or not image.data.startswith(memoryview(data)[_HEAD:-_TAIL], at):
            found.add(bucket)
    return found | left.keys()


def _places(image: Image, key: Cast, buckets: Buckets) -> dict[str, tuple[int, int]]:
    """Return where the bytes of each bucket begin and end."""
    width = _BYTES[key.target_type.base]

    def value(n: int) -> int:
        at = image.starts[n] + _FIELD
        return int.from_bytes(image.data[at : at + width], "big", signed=True)

    cuts = _cut(image.rows, value, buckets)
    return {bucket: (image.starts[first], image.starts[end]) for bucket, first, end in cuts}


def imaged(target: Postgres, run: str, spec: TableSpec, condition: str) -> Image:
    """Return the image of the target's rows for which a condition holds."""
    casts = _ordered(spec)
    columns = ", ".join(f"{name(item.name)}{'::text' if _spelt(item, spec) else ''}" for item in casts)
    query = (
        f"COPY (SELECT {columns} FROM {rows_of(spec)} WHERE ({condition}){unmarked(spec, 'AND')}"
        f" ORDER BY {name(spec.target_key[0])}) TO STDOUT (FORMAT binary)"
    )
    with transaction(target, run, f"table {spec.table!r}", "pgpq") as cursor:
        cursor.execute(_ALONG)
        data, ends = _copied(cursor.connection.pgconn, query)
    return Image(data, [_HEAD, *ends[:-1]])  # the last message is the end


def _copied(connection: PGconn, query: str) -> tuple[bytearray, list[int]]:
    """Return what a COPY gives, and where each of its messages ends.

    By libpq's own functions, because there is a message per row, and psycopg's cost twice as much for each.
    """
    data, ends, empty = bytearray(), list[int](), False
    result = connection.exec_(query.encode())
    if result.status == ExecStatus.COPY_OUT:
        with selectors.DefaultSelector() as arrival:
            arrival.register(connection.socket, selectors.EVENT_READ)
            while (found := connection.get_copy_data(1))[0] >= 0:
                if found[0]:
                    data += found[1]
                    ends.append(len(data))
                    empty = False
                    continue
                if empty:  # what has arrived is taken first: to wait costs more
                    arrival.select()
                connection.consume_input()
                empty = not empty
    last: Any = result
    while following := connection.get_result():
        last = following
    if last.status != ExecStatus.COMMAND_OK:
        error = psycopg.errors.error_from_result(last)
        raise error if error.sqlstate else psycopg.OperationalError(str(error))  # the connection was lost
    return data, ends


def _cut(rows: int, key: Callable[[int], int], buckets: Buckets) -> Iterator[tuple[str, int, int]]:
    """Yield the buckets of rows in the order of their key, each with its first row and the one after its last."""
    first = 0
    while first < rows:
        bucket = buckets.of(key(first))
        end = bisect.bisect_right(range(rows), buckets.range(bucket)[1], lo=first, key=key)
        yield str(bucket), first, end
        first = end


def _ordered(spec: TableSpec) -> list[Cast]:
    return sorted(spec.casts, key=lambda item: item.column not in spec.key)


def _spelt(item: Cast, spec: TableSpec) -> bool:
    """Tell whether a column is compared as text: the load writes another form of it, or the target has a shorter integer."""
    return (
        only_adbc(item)
        or item.wire.startswith("decimal256")
        or (item.name in spec.widened and item.target_type.base in _BYTES)
    )
