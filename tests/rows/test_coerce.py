"""Promise 3 by computation: every row that goes in comes out good or rejected, and good values are what they were."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from bulketl.rows.coerce import coerce
from bulketl.tables.alterations import INVALID_DATE, NUL_BYTE
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column
from bulketl.tables.spec import TableSpec

INTS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-3, 3), st.integers(-(2**33), 2**33))
WORDS = st.one_of(st.none(), st.text(alphabet="ab\0é😀", max_size=4))


def spec(*columns: tuple[str, str, str], nul_bytes: str = "strip", key: tuple[str, ...] = ()) -> TableSpec:
    casts = tuple(cast(Column(name, kind, name not in key), declared) for name, kind, declared in columns)
    return TableSpec("t", "raw", casts, key, "create", nul_bytes=nul_bytes)


def table(**columns: pa.Array) -> pa.Table:
    return pa.table({"id": pa.array(range(len(next(iter(columns.values())))), pa.int32()), **columns})


@given(
    st.lists(INTS, min_size=1),
    st.sampled_from([("boolean", 0, 1), ("smallint", -(2**15), 2**15 - 1), ("integer", -(2**31), 2**31 - 1)]),
)
def test_an_integer_arrives_unchanged_or_its_row_is_rejected(values: list[int | None], target: tuple[str, int, int]) -> None:
    """good + rejects = read, the good rows keep their order, and a reject has key, value and reason."""
    to, low, high = target
    batch = coerce(table(c=pa.array(values, pa.int64())), spec(("id", "int", ""), ("c", "bigint", to), key=("id",)), [])
    fits = [n for n, value in enumerate(values) if value is None or low <= value <= high]
    assert batch.read == len(values)
    assert batch.good.column("id").to_pylist() == fits
    assert batch.good.column("c").to_pylist() == [values[n] for n in fits]
    assert [json.loads(r.key)["id"] for r in batch.rejects] == [n for n in range(len(values)) if n not in fits]
    assert all(r.column == "c" and to in r.reason and r.value == str(values[json.loads(r.key)["id"]]) for r in batch.rejects)


@given(st.lists(WORDS, min_size=1), st.sampled_from(["strip", "reject"]))
def test_nul_bytes_are_stripped_and_counted_or_rejected(values: list[str | None], policy: str) -> None:
    """As declared, and no other character is touched."""
    batch = coerce(table(c=pa.array(values, pa.string())), spec(("id", "int", ""), ("c", "text", ""), nul_bytes=policy), [])
    holding = [n for n, value in enumerate(values) if value and "\0" in value]
    kept = [n for n in range(len(values)) if policy == "strip" or n not in holding]
    assert batch.read == len(values)
    assert batch.good.column("c").to_pylist() == [values[n] and str(values[n]).replace("\0", "") for n in kept]
    assert len(batch.rejects) == len(values) - len(kept)
    assert batch.changed == ({("c", NUL_BYTE): len(holding)} if holding and policy == "strip" else {})


@given(st.lists(st.none() | st.decimals(-(10**20), 10**20, places=10), min_size=1))
def test_decimals_are_exact(values: list[Decimal | None]) -> None:
    """Text to decimal and back: every digit; both below and above Polars' 38 digits."""
    texts = [None if value is None else format(value, "f") for value in values]
    rows = table(c=pa.array(texts, pa.string()), d=pa.array(texts, pa.string()))
    made = spec(("id", "int", ""), ("c", "decimal(38,10)", ""), ("d", "decimal(65,30)", ""))
    batch = coerce(rows, made, [])
    assert not batch.rejects
    assert [None if v is None else format(v, "f") for v in batch.good.column("c").to_pylist()] == texts
    assert batch.good.column("d").to_pylist() == values
    assert batch.good.column("d").type == pa.decimal256(65, 30)


@given(st.lists(st.none() | st.integers(-3_020_399_999_999, 3_020_399_999_999), min_size=1))
def test_a_time_is_a_duration_to_the_microsecond(values: list[int | None]) -> None:
    """From -838:59:59 to 838:59:59, and as a time of day when it is one."""
    texts = [None if value is None else _time(value) for value in values]
    rows = table(c=pa.array(texts, pa.string()), d=pa.array(texts, pa.string()))
    batch = coerce(rows, spec(("id", "int", ""), ("c", "time(6)", ""), ("d", "time(6)", "time")), [])
    day = [n for n, value in enumerate(values) if value is None or 0 <= value < 86_400_000_000]
    assert batch.read == len(values)
    assert batch.good.column("id").to_pylist() == day
    assert batch.good.column("c").cast(pa.int64()).to_pylist() == [values[n] for n in day]
    assert batch.good.column("d").cast(pa.int64()).to_pylist() == [values[n] for n in day]


def _time(micros: int) -> str:
    seconds, rest = divmod(abs(micros), 1_000_000)
    return f"{'-' if micros < 0 else ''}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:06}"


@given(st.lists(st.sampled_from(["null", "invalid", "date"]), min_size=1))
def test_invalid_dates_are_told_from_nulls_by_the_mask(kinds: list[str]) -> None:
    """NULL at the source is no change; a date that is none is counted."""
    arrived = pa.array([1 if kind == "date" else None for kind in kinds], pa.int32()).cast(pa.date32())
    mask = pa.array([0 if kind == "null" else 1 for kind in kinds], pa.int64())
    rows = table(c=arrived).append_column("m", mask)
    batch = coerce(rows, spec(("id", "int", ""), ("c", "date", "")), [["c"]])
    count = kinds.count("invalid")
    assert batch.changed == ({("c", INVALID_DATE): count} if count else {})
    assert batch.read == batch.good.num_rows == len(kinds)
    assert batch.good.column_names == ["id", "c"]


def test_columns_that_need_no_hand_keep_their_buffers() -> None:
    """Nothing is copied that is not changed."""
    values = pa.array(range(1000), pa.int64())
    batch = coerce(table(c=values), spec(("id", "int", ""), ("c", "bigint", "")), [])
    assert batch.good.column("c").chunk(0).buffers()[1].address == values.buffers()[1].address


def test_a_null_in_the_key_is_a_reject() -> None:
    """An invalid date in a primary key cannot become NULL."""
    arrived = pa.array([1, None], pa.int32()).cast(pa.date32())
    batch = coerce(table(c=arrived), spec(("id", "int", ""), ("c", "date", ""), key=("c",)), [])
    assert (batch.good.num_rows, len(batch.rejects)) == (1, 1)
    assert "key" in batch.rejects[0].reason
