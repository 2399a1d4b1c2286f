"""Masking a batch: after its checks and figures, before anything of it is sent on.

Every method works on the distinct values of a column, and what comes out is put in the places of what was there: a column
of few values costs next to nothing. The key comes as an argument, from whoever holds the connection to the source, and each
use of it has a key of its own, so that a fake name tells nothing of a pseudonym. Where the key is missing nothing is masked
and nothing goes on: the batch ends in an error.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Sequence

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from bulketl.errors import ConfigError
from bulketl.rows.reject import Reject
from bulketl.tables.alterations import NO_OFFSET
from bulketl.tables.casts import Cast
from bulketl.tables.fakes import fake
from bulketl.tables.maskkey import HOW, derived
from bulketl.tables.masks import HMAC_DIGITS, NO_ZIP, OLDEST, SPARSE_ZIPS, Mask
from bulketl.tables.spec import TableSpec

HIDDEN = "(masked)"  # what stands for a masked value in the record of a rejected row
_BLOCK = 64  # bytes of SHA-256
_SIXTY_THREE = (1 << 63) - 1
# Dates that stand for none, as Open Dental's 0001-01-01: they are nobody's, and the same for all.
_NO_DAYS = frozenset({-719_162, 2_932_896})
_ZIP_DIGITS = 5
_DAY = 86_400_000_000  # microseconds


def need_key(spec: TableSpec, key: str) -> None:
    """Raise ConfigError when a mask of the table needs the key and there is none."""
    if not key and (column := next((item.column for item in spec.masked if item.masked and item.masked.mask.keyed), "")):
        raise ConfigError(f"table {spec.table!r} masks {column!r} by a key, and there is no mask key", hint=HOW)


def masked(rows: pa.Table, spec: TableSpec, key: str) -> tuple[pa.Table, dict[tuple[str, str], int]]:
    """Return rows in the wire types of the source as those of the target, and per (column, kind) what was withheld.

    `rows` has a column per cast, before masking. A value that cannot be masked, a date whose owner is unknown, is NULL.
    """
    need_key(spec, key)
    changed: dict[tuple[str, str], int] = {}
    columns = []
    for item in spec.casts:
        column = rows.column(item.column)
        if item.masked:
            made = _column(column, item, item.masked.mask, rows, key)
            if item.masked.mask.method == "shift" and (lost := made.null_count - column.null_count):
                changed[item.column, NO_OFFSET] = lost
            column = made
        columns.append(column)
    return pa.Table.from_arrays(columns, names=rows.column_names), changed


def pseudonyms(spec: TableSpec, values: Sequence[object], key: str) -> tuple[object, ...]:
    """Return the values of the table's key as the target has them: masked, where their columns are."""
    need_key(spec, key)
    casts = {item.column: item for item in spec.casts}
    return tuple(_pseudonym(casts[name], value, key) for name, value in zip(spec.key, values, strict=True))


def _pseudonym(item: Cast, value: object, key: str) -> object:
    if item.masked is None:
        return value
    plain = uuid.UUID(value).bytes if item.masked.target == "uuid" and isinstance(value, str) else value
    wide = isinstance(plain, int) and plain > _SIXTY_THREE
    return _made(pa.array([plain], pa.uint64() if wide else None), item.masked.mask, key)[0].as_py()


def hidden(rejects: Iterable[Reject], spec: TableSpec) -> tuple[Reject, ...]:
    """Return records of rejected rows in which a masked value is a word in its place."""
    secret = frozenset(item.column for item in spec.masked)
    return tuple(_hidden(one, secret) for one in rejects)


def _hidden(one: Reject, secret: frozenset[str]) -> Reject:
    value = one.value if secret.isdisjoint(one.column.split(", ")) else HIDDEN
    key, row = (_without(text, secret) for text in (one.key, one.row))
    return dataclasses.replace(one, value=value, key=key, row=row)


def _without(text: str, secret: frozenset[str]) -> str:
    values = json.loads(text)
    return json.dumps({name: HIDDEN if name in secret and value is not None else value for name, value in values.items()})


def _column(column: pa.ChunkedArray, item: Cast, mask: Mask, rows: pa.Table, key: str) -> pa.ChunkedArray:
    kind = _arrow(item, column.type)
    if mask.method == "null":
        return pa.chunked_array([pa.nulls(len(column), kind)])
    if mask.method == "constant":
        value = pa.scalar(mask.value).cast(kind)
        return pc.if_else(pc.is_valid(column), value, pa.scalar(None, kind))
    if mask.method == "shift":
        return _shifted(column, rows.column(mask.by), item, key)
    if mask.method == "generalise" and mask.to == "age":
        return pc.min_element_wise(column, pa.scalar(OLDEST, column.type), skip_nulls=False)
    if mask.method == "generalise" and mask.to == "year":
        return _years(column, mask)
    return _distinct(column, lambda values: _made(values, mask, key)).cast(kind)


def _arrow(item: Cast, before: pa.DataType) -> pa.DataType:
    """Return the Arrow type of a column once it is masked."""
    if item.masked and item.wire == item.masked.wire:
        return before
    return pa.string() if item.wire == "string" else pa.int64()


def _distinct(column: pa.ChunkedArray, make: Callable[[pa.Array], pa.Array]) -> pa.ChunkedArray:
    """Return the column with what is made of its distinct values in their places."""
    coded = column.dictionary_encode().unify_dictionaries()
    if not coded.num_chunks:
        return pa.chunked_array([make(pa.array([], column.type))])
    made = make(coded.chunk(0).dictionary)
    return pa.chunked_array([made.take(chunk.indices) for chunk in coded.chunks])


def _texts(values: pa.Array) -> list[bytes]:
    """Return values as the bytes that are hashed: text in UTF-8, numbers in decimal digits, whatever their width."""
    plain = values
    if not (pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)):
        plain = values.cast(pa.string()).cast(pa.binary())
    found: list[bytes] = plain.to_pylist()
    return found


def hashes(key: str, use: str, values: Iterable[bytes]) -> list[bytes]:
    """Return the HMAC-SHA-256 of each value under the key for one use.

    The two halves of the key are hashed once and copied for each value, which costs a third of a call of `hmac`.
    """
    padded = derived(key, use).ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded)).copy
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded)).copy
    found = []
    for value in values:
        first, second = inner(), outer()
        first.update(value)
        second.update(first.digest())
        found.append(second.digest())
    return found


def _made(values: pa.Array, mask: Mask, key: str) -> pa.Array:
    """Return what is made of distinct values; an empty text stays, for it is no value and the same for all."""
    texts = _texts(values)
    match mask.method:
        case "hmac" if pa.types.is_integer(values.type):
            made = hashes(key, "hmac integer", texts)
            return pa.array([int.from_bytes(one[:8]) & _SIXTY_THREE or 1 for one in made], pa.int64())
        case "hmac":
            half = HMAC_DIGITS // 2
            found = [one[:half].hex() for one in hashes(key, "hmac text", texts)]
        case "partial":
            found = [_end(text.decode(), mask.last) for text in texts]
        case "fake":
            found = [fake(mask.of, int.from_bytes(one[:8])) for one in hashes(key, f"fake {mask.of}", texts)]
        case _:
            sparse = SPARSE_ZIPS.union(mask.sparse)
            found = [_area(text.decode().strip(), sparse) for text in texts]
    if b"" in texts:
        found = [one if text else "" for one, text in zip(found, texts, strict=True)]
    return pa.array(found, pa.string())


def _end(text: str, last: int) -> str:
    # Of what is hardly longer than its end, the end would tell nearly all.
    return f"****{text[-last:]}" if len(text) >= 2 * last else "****"


def _area(text: str, sparse: frozenset[str]) -> str:
    area = text[:3]
    whole = len(text) >= _ZIP_DIGITS and text[:_ZIP_DIGITS].isascii() and text[:_ZIP_DIGITS].isdigit()
    return area if whole and area not in sparse else NO_ZIP


def offsets(texts: Iterable[bytes], days: int, key: str) -> list[int]:
    """Return for each owner by how many days its dates move: never 0, up to `days` to either side."""
    steps = (int.from_bytes(one[:8]) % (2 * days) - days for one in hashes(key, "shift", texts))
    return [step if step < 0 else step + 1 for step in steps]


def _shifted(column: pa.ChunkedArray, by: pa.ChunkedArray, item: Cast, key: str) -> pa.ChunkedArray:
    """Return dates moved by the offsets of their owners, NULL where there is no owner; what stands for no date stays.

    A date that would leave the range of its type at the source is moved to the other side.
    """
    most = item.masked.mask.days if item.masked else 0
    days = _distinct(by, lambda values: pa.array(offsets(_texts(values), most, key), pa.int32()))
    if _far_inside(column, most):  # as nearly all columns are; to look at each date costs more than to move it
        if pa.types.is_date32(column.type):
            return pc.add(column.cast(pa.int32()), days).cast(column.type)
        return pc.add(column, pc.multiply(days.cast(pa.int64()), _DAY).cast(pa.duration("us"))).cast(column.type)
    frame = pl.DataFrame({"date": pl.from_arrow(column), "days": pl.from_arrow(days)})
    date, step = pl.col("date"), pl.duration(days=pl.col("days"))
    inside = (date + step).cast(pl.Date).is_between(*_range(date.cast(pl.Date), item.source_type.base))
    moved = pl.when(inside).then(date + step).otherwise(date - step)
    done = frame.select(pl.when(_stands_for_none(date)).then(date).otherwise(moved).alias("date"))
    return done.to_arrow().column(0).cast(column.type)


def _far_inside(column: pa.ChunkedArray, days: int) -> bool:
    """Tell whether no date of a column can leave the range of any type."""
    margin = dt.timedelta(days=days)
    ends = (dt.date(1970, 1, 2) + margin, dt.date(2038, 1, 18) - margin)
    first, last = (pa.scalar(end).cast(column.type) for end in ends)
    found = pc.min_max(column)
    inside = pc.and_(pc.less_equal(first, found["min"]), pc.less_equal(found["max"], last))
    return bool(inside.as_py())  # NULL where there is no date


def _range(day: pl.Expr, base: str) -> tuple[pl.Expr, pl.Expr]:
    """Return the first and the last day that a date of a type of the source may be moved to.

    MySQL promises dates from the year 1000 on and keeps earlier ones too; a timestamp ends in 2038, in MariaDB now in 2106.
    In whatever zone: the days at the ends of the range of a timestamp are not in it. Nor are days that stand for no date.
    """
    if base == "timestamp":
        in_any = day <= dt.date(2038, 1, 19)
        return pl.lit(dt.date(1970, 1, 2)), pl.when(in_any).then(dt.date(2038, 1, 18)).otherwise(dt.date(2106, 2, 6))
    early = day < dt.date(1000, 1, 1)
    return pl.when(early).then(dt.date(1, 1, 2)).otherwise(dt.date(1000, 1, 1)), pl.lit(dt.date(9999, 12, 30))


def _years(column: pa.ChunkedArray, mask: Mask) -> pa.ChunkedArray:
    """Return the first day of each date's year, at most OLDEST years back; what stands for no date stays."""
    date = pl.col("date")
    oldest = pl.lit(mask.year - OLDEST)
    year = pl.max_horizontal(date.dt.year(), oldest)
    first = pl.datetime(year, 1, 1).cast(pl.Date)
    made = pl.when(_stands_for_none(date)).then(date.cast(pl.Date)).otherwise(first)
    done = pl.DataFrame({"date": pl.from_arrow(column)}).select(pl.when(date.is_not_null()).then(made).alias("date"))
    return done.to_arrow().column(0).cast(column.type)


def _stands_for_none(date: pl.Expr) -> pl.Expr:
    return date.cast(pl.Date).to_physical().is_in(list(_NO_DAYS))
