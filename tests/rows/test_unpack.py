"""Integers taken apart: every value comes back as it was packed, and no number becomes a value that it is not."""

from __future__ import annotations

import contextlib
import datetime as dt
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulketl.rows.coerce import Batch, coerce
from bulketl.rows.unpack import spelt, unpacked
from bulketl.tables.alterations import INVALID_DATE
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column
from bulketl.tables.spec import TableSpec

DAYS = st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31))
NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(-(10**8), 10**8), st.integers(19_700_101, 20_301_399),
    st.integers(0, 10**14), st.integers(-(10**7), 10**7),
)  # fmt: skip
KINDS = [
    ("date", ""), ("datetime", ""), ("datetime(4)", ""), ("timestamp", ""), ("timestamp", "timestamptz"),
    ("timestamp(6)", "timestamptz"), ("time(6)", ""), ("time", "time"), ("decimal(18,4)", ""), ("bit(1)", ""),
]  # fmt: skip


def taken_apart(numbers: list[int | None], kind: str, declared: str = "", key: tuple[str, ...] = ()) -> Batch:
    casts = tuple(cast(Column(name, type_, True), to) for name, type_, to in (("id", "int", ""), ("c", kind, declared)))
    rows = pa.table({"id": pa.array(range(len(numbers)), pa.int32()), "c": pa.array(numbers, pa.int64())})
    return coerce(rows, TableSpec("t", "raw", casts, key, "create", packed=True), [])


def digits(moment: dt.date | dt.time) -> int:
    """Return a date, a time or both as MySQL prints them in a number."""
    if isinstance(moment, dt.datetime):
        return digits(moment.date()) * 1_000_000 + digits(moment.time())
    if isinstance(moment, dt.date):
        return moment.year * 10_000 + moment.month * 100 + moment.day
    return moment.hour * 10_000 + moment.minute * 100 + moment.second


def test_every_day_there_is_comes_back() -> None:
    """From the first of the year 1 to the last of 9999: 3.65 million days, each itself."""
    days = pl.date_range(dt.date(1, 1, 1), dt.date(9999, 12, 31), eager=True)
    numbers = days.dt.year().cast(pl.Int64) * 10_000 + days.dt.month().cast(pl.Int64) * 100 + days.dt.day()
    item = cast(Column("c", "date", True))
    assert pl.Series(unpacked(pa.table({"c": numbers.to_arrow()}), [item])["c"]).to_list() == days.to_list()


def test_every_day_that_is_none_is_null_and_counted() -> None:
    """All months from 0 to 12 and days from 0 to 31 of years of each kind: a date exactly where Python knows one."""
    numbers = [y * 10_000 + m * 100 + d for y in (1, 4, 1900, 2000, 2023, 2024, 9999) for m in range(13) for d in range(32)]
    batch = taken_apart(list(numbers), "date")
    found = []
    for number in numbers:
        made = None
        with contextlib.suppress(ValueError):
            made = dt.date(number // 10_000, number // 100 % 100, number % 100)
        found.append(made)
    assert batch.good.column("c").to_pylist() == found
    assert batch.changed == {("c", INVALID_DATE): found.count(None)}


@given(st.lists(st.datetimes(dt.datetime(1, 1, 1)), min_size=1), st.integers(0, 4))
def test_a_moment_comes_back_to_its_last_place(moments: list[dt.datetime], places: int) -> None:
    """As a DATETIME of that precision holds it, up to the four places that an integer has room for."""
    unit = 10 ** (6 - places)
    cut = [one.replace(microsecond=one.microsecond // unit * unit) for one in moments]
    numbers: list[int | None] = [digits(one) * 10**places + one.microsecond // unit for one in cut]
    batch = taken_apart([*numbers, None], f"datetime({places})")
    assert batch.good.column("c").to_pylist() == [*cut, None]
    assert not batch.changed
    item = cast(Column("c", f"datetime({places})", True))
    shown = spelt(pa.chunked_array([pa.array(numbers, pa.int64())]), item)
    assert [dt.datetime.fromisoformat(str(text)) for text in shown] == cut


@given(st.lists(st.datetimes(dt.datetime(1970, 1, 1, 0, 0, 1), dt.datetime(2106, 2, 7)), min_size=1), st.integers(0, 6))
def test_an_instant_comes_back_in_utc(moments: list[dt.datetime], places: int) -> None:
    """From its seconds since 1970; 0 is the zero date, which is counted."""
    unit = 10 ** (6 - places)
    cut = [one.replace(microsecond=one.microsecond // unit * unit, tzinfo=dt.UTC) for one in moments]
    since = [(one - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=unit) for one in cut]
    batch = taken_apart([*since, 0, None], f"timestamp({places})", "timestamptz")
    assert batch.good.column("c").to_pylist() == [*cut, None, None]
    assert batch.changed == {("c", INVALID_DATE): 1}


@given(st.lists(st.integers(-3_020_399_999_999, 3_020_399_999_999), min_size=1), st.integers(0, 6))
def test_a_time_comes_back_with_its_sign(micros: list[int], places: int) -> None:
    """From -838:59:59 to 838:59:59 with any fraction; as a time of day where it is one, and else its row is a reject."""
    unit = 10 ** (6 - places)
    cut = [(abs(one) // unit * unit) * (-1 if one < 0 else 1) for one in micros]
    numbers: list[int | None] = []
    for one in cut:
        seconds, rest = divmod(abs(one), 1_000_000)
        packed = (seconds // 3600 * 10_000 + seconds // 60 % 60 * 100 + seconds % 60) * 10**places + rest // unit
        numbers.append(-packed if one < 0 else packed)
    assert taken_apart(numbers, f"time({places})").good.column("c").cast(pa.int64()).to_pylist() == cut
    batch = taken_apart(numbers, f"time({places})", "time")
    of_day = [one for one in cut if 0 <= one < 86_400_000_000]
    assert batch.good.column("c").cast(pa.int64()).to_pylist() == of_day
    assert len(batch.rejects) == len(cut) - len(of_day)
    assert all(one.reason == "does not fit time(%d)" % places for one in batch.rejects)  # noqa: UP031


@given(st.lists(st.integers(1 - 10**18, 10**18 - 1), min_size=1), st.integers(0, 18))
def test_a_decimal_comes_back_with_every_digit(numbers: list[int], scale: int) -> None:
    """Of up to 18 digits, and as a wider one where that is declared."""
    values = [Decimal(one).scaleb(-scale) for one in numbers]
    assert taken_apart([*numbers, None], f"decimal(18,{scale})").good.column("c").to_pylist() == [*values, None]
    for wider in (f"numeric(30,{scale + 2})", f"numeric(45,{scale})"):
        assert taken_apart(list(numbers), f"decimal(18,{scale})", wider).good.column("c").to_pylist() == values


@given(st.lists(NUMBERS, min_size=1), st.sampled_from(KINDS))
@example([9_223_372_036_854_775_800, -(2**63), 2**63 - 1], ("time", "time"))
@example([9_223_372_036_854_775_800, -(2**63), 2**63 - 1], ("time(6)", ""))
@example([9_223_372_036_854_775_800, -(2**63), 2**63 - 1], ("datetime(4)", ""))
def test_a_number_is_a_value_or_an_invalid_date_or_its_row_a_reject(numbers: list[int], kind: tuple[str, str]) -> None:
    """No number is guessed at: what came out is what MySQL would print of it, and every other row says why it is none."""
    batch = taken_apart(list(numbers), *kind)
    item = cast(Column("c", kind[0], True), kind[1])
    shown = spelt(pa.chunked_array([pa.array(numbers, pa.int64())]), item)
    at, values = batch.good.column("id").to_pylist(), _python(batch.good.column("c"))
    assert len(at) + len(batch.rejects) == len(numbers)
    assert batch.good.column("c").null_count == sum(batch.changed.values())
    assert all("no " in one.reason or "does not fit" in one.reason for one in batch.rejects)
    for place, value in zip(at, values, strict=True):
        if value is not None:
            assert printed(value, item.source_type.sizes, item.unpack) == str(shown[place])


@pytest.mark.parametrize(
    ("kind", "declared", "last", "value"),
    [
        ("timestamp", "timestamptz", 2**32 - 1, dt.datetime(2106, 2, 7, 6, 28, 15, tzinfo=dt.UTC)),
        ("time", "time", 235_959, dt.time(23, 59, 59)),
        ("time(6)", "time", 235_959_999_999, dt.time(23, 59, 59, 999_999)),
    ],
)
def test_the_last_value_of_a_type_is_one_and_the_number_after_it_is_none(
    kind: str, declared: str, last: int, value: object
) -> None:
    after = 240_000 * (10**6 if "6" in kind else 1) if declared == "time" else last + 1
    batch = taken_apart([last, after], kind, declared)
    assert batch.good.column("c").drop_null().to_pylist() == [value]
    assert len(batch.rejects) + sum(batch.changed.values()) == 1


def test_a_number_without_fraction_is_spelt_without_one() -> None:
    for kind, number, text in (("time", -11_205, "-01:12:05"), ("time(2)", 1_120_507, "01:12:05.07")):
        shown = spelt(pa.chunked_array([pa.array([number], pa.int64())]), cast(Column("c", kind, True)))
        assert [str(one) for one in shown] == [text]


def _python(column: pa.ChunkedArray) -> list[object]:
    """Return values for Python, NULL for those of the year 0, which Python has not."""
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        early = pc.less(column.cast(pa.timestamp("us")).cast(pa.int64()), -62_135_596_800_000_000)
        column = pc.if_else(early, pa.scalar(None, column.type), column)
    values: list[object] = column.to_pylist()
    return values


def printed(value: object, sizes: tuple[int, ...], packing: str) -> str:
    """Return a value as MySQL prints it, from nothing but the value."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.timedelta):
        sign, micros = "-" if value < dt.timedelta() else "", abs(value) // dt.timedelta(microseconds=1)
        clock = f"{micros // 3_600_000_000:02}:{micros // 60_000_000 % 60:02}:{micros // 1_000_000 % 60:02}"
        return f"{sign}{clock}.{micros % 1_000_000:06}" if sizes[0] else sign + clock
    if packing == "instant" and isinstance(value, dt.datetime):
        return value.isoformat(" ")
    fraction = sizes[0] if sizes else 0
    text = f"{value}"
    return text if not fraction else f"{text[:19]}.{text[20:].ljust(6, '0')[:fraction]}"


@pytest.mark.parametrize("number", [-1, 20_241_301, 20_240_132, 100_000_101, 99_999_999])
def test_a_number_that_no_date_is_packed_into_is_a_reject_that_says_so(number: int) -> None:
    """With the number as it came."""
    batch = taken_apart([20_240_115, number], "date")
    assert batch.good.column("c").to_pylist() == [dt.date(2024, 1, 15)]
    (reject,) = batch.rejects
    assert (reject.column, reject.reason) == ("c", "arrived as a number that no date is read as")
    assert reject.value == str(number)


def test_an_invalid_date_in_a_key_is_a_reject_with_the_date_in_it() -> None:
    """The person who corrects it sees which it is."""
    (reject,) = taken_apart([20_240_231], "date", key=("c",)).rejects
    assert (reject.value, reject.key) == ("2024-02-31", '{"c": "2024-02-31"}')


def test_an_invalid_date_in_a_key_is_a_reject_beside_a_number_that_is_none() -> None:
    """One fault of a column does not hide another: no row without a key goes on."""
    batch = taken_apart([20_240_115, 20_240_231, -1], "date", key=("c",))
    assert batch.good.column("c").to_pylist() == [dt.date(2024, 1, 15)]
    assert [one.value for one in batch.rejects] == ["2024-02-31", "-1"]
