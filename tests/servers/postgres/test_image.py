"""Rows that a load has copied come back as the very bytes it sent, and another value as others."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lab import execute

from bulketl.postgres.compare.image import imageable, imaged, unlike_buckets
from bulketl.postgres.ddl import create_table
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.copy import close, copy, transaction
from bulketl.rows.reconcile import Buckets
from bulketl.tables.casts import Cast, cast, encoder_of, parse_target
from bulketl.tables.catalog import Column
from bulketl.tables.spec import TableSpec

RUN = "20260101-000000-0000"
BUCKETS = Buckets(4)
COLUMNS = [
    ("tinyint(4)", ""), ("tinyint(3) unsigned", ""), ("smallint(5) unsigned", ""), ("mediumint(8) unsigned", ""),
    ("int(10) unsigned", ""), ("bigint(20)", ""), ("bigint(20) unsigned", ""), ("tinyint(1)", "boolean"),
    ("int(11)", "numeric(20,0)"), ("decimal(12,2)", ""), ("decimal(38,10)", ""), ("decimal(50,6)", ""), ("float", ""),
    ("double", ""), ("date", ""), ("datetime(6)", ""), ("timestamp(6)", "timestamptz"), ("time(6)", ""), ("time(6)", "time"),
    ("varchar(50)", ""), ("longtext", ""), ("longtext", "json"), ("varbinary(40)", ""), ("binary(16)", "uuid"),
]  # fmt: skip
CASTS = tuple(cast(Column(f"c{n}", kind, nullable=True), to) for n, (kind, to) in enumerate(COLUMNS))
KEY = cast(Column("id", "int(11)", nullable=False))


def arrow(item: Cast) -> pa.DataType:
    base, sizes = parse_target(item.target)
    if base == "numeric" and item.wire.startswith("decimal"):
        return (pa.decimal128 if item.wire.startswith("decimal128") else pa.decimal256)(*sizes)
    known: dict[str, Any] = {
        "bool": pa.bool_(), "float": pa.float32(), "double": pa.float64(), "date32[day]": pa.date32(), "string": pa.string(),
        "timestamp[us]": pa.timestamp("us"), "timestamp[us, tz=UTC]": pa.timestamp("us", "UTC"),
        "duration[us]": pa.duration("us"), "time64[us]": pa.time64("us"), "large_binary": pa.large_binary(),
    }  # fmt: skip
    return known.get(item.wire) or getattr(pa, item.wire)()


def values(item: Cast) -> st.SearchStrategy[Any]:
    base, sizes = parse_target(item.target)
    kind = arrow(item)
    if pa.types.is_integer(kind):
        bits = min(kind.bit_width, {"smallint": 16, "integer": 32}.get(base, 64))
        low = 0 if pa.types.is_unsigned_integer(kind) else -(1 << (bits - 1))
        return st.integers(low, low + (1 << kind.bit_width) - 1)
    if pa.types.is_decimal(kind):
        most = 10 ** (sizes[0] - sizes[1]) - 1
        round_ = st.sampled_from([0, 10_000, 10**8]).map(lambda n: Decimal(f"{min(n, most)}.{'0' * sizes[1]}"))
        return round_ | st.decimals(-most, most, places=sizes[1], allow_nan=False)
    if base == "uuid":
        return st.binary(min_size=16, max_size=16)
    if base == "json":
        plain = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text("ab\u20ac")
        return st.recursive(plain, st.lists, max_leaves=5).map(json.dumps)
    known: dict[str, st.SearchStrategy[Any]] = {
        "boolean": st.booleans(),
        "real": st.floats(width=32, allow_nan=False, allow_infinity=False),
        "double precision": st.floats(allow_nan=False, allow_infinity=False),
        "date": st.dates(),
        "timestamp": st.datetimes(),
        "timestamptz": st.datetimes(timezones=st.just(dt.UTC)),
        "interval": st.timedeltas(-dt.timedelta(hours=838), dt.timedelta(hours=838)),
        "time": st.times(),
        "bytea": st.binary(max_size=40),
    }
    return known.get(base, st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=50))


@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_copied_comes_back_as_it_was_sent(postgres: str, data: st.DataObject) -> None:
    """Every kind of column, both encoders; and one other value is told, in its bucket and nowhere else."""
    casts = (*data.draw(st.lists(st.sampled_from(CASTS), min_size=1, max_size=6, unique=True)), KEY)
    spec = TableSpec(f"t{secrets.token_hex(5)}", "public", casts, ("id",), "create", encoder_of(casts))
    assert imageable(spec)
    ids = sorted(data.draw(st.sets(st.integers(-20, 20), min_size=1, max_size=12)))
    rows = [[data.draw(st.none() | values(item)) for item in casts[:-1]] + [key] for key in ids]

    def table() -> pa.Table:
        return pa.table({i.column: pa.array([row[n] for row in rows], arrow(i)) for n, i in enumerate(casts)})

    execute(postgres, create_table("public", spec.table, casts, ("id",)))
    target = Postgres(postgres)
    try:
        with transaction(target, RUN, spec.table, spec.encoder) as cursor:
            copy(cursor, table(), spec, "public", spec.table)
        image = imaged(target, RUN, spec, "true")
        assert image.rows == len(ids)
        assert unlike_buckets(table(), spec, BUCKETS, image) == set()
        row, column = data.draw(st.integers(0, len(ids) - 1)), data.draw(st.integers(0, len(casts) - 2))
        other = data.draw(st.none() | values(casts[column]))
        assume(repr(other) != repr(rows[row][column]))
        rows[row][column] = other
        bucket = {str(BUCKETS.of(ids[row]))}
        assert unlike_buckets(table(), spec, BUCKETS, image) == bucket
        del rows[row]
        assert unlike_buckets(table(), spec, BUCKETS, image) == bucket
    finally:
        close(RUN)
        execute(postgres, f"DROP TABLE public.{spec.table}")


@pytest.mark.parametrize(
    ("casts", "key"),
    [
        ((KEY, cast(Column("d", "longtext", nullable=True), "jsonb")), ("id",)),
        ((KEY, cast(Column("d", "decimal(60,30)", nullable=True))), ("id",)),
        ((KEY, CASTS[0]), ("id", "c0")),
        ((KEY, cast(Column("k", "varchar(9)", nullable=False))), ("k",)),
        ((KEY,), ()),
    ],
)
def test_no_image_is_made_where_equal_values_may_be_other_bytes_or_the_key_is_no_integer(
    casts: tuple[Cast, ...], key: tuple[str, ...]
) -> None:
    assert not imageable(TableSpec("t", "public", casts, key, "create"))
