"""Integers taken apart into the values that the source packed into them.

A cast rule says in `packed` how MySQL makes one integer of a value, and in `unpack` which of these makes it whole again.
Nothing guards the value at the source: a date that is none is seen here, where its parts are. A number that no value is
packed into is never guessed at: `unreadable` names its rows, which are rejects.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import polars as pl
import pyarrow as pa

from bulketl.tables.casts import Cast

_ZERO = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LAST_INSTANT = 2**32  # exclusive, in seconds: MariaDB's TIMESTAMP ends in 2106, MySQL's in 2038
_MOST_HOURS = 838  # of a TIME
_DATE = (10_000, 100)  # YYYYMMDD: what one year and one month count for
_SECONDS = 86_400
# Days from the start of the Gregorian calendar's year -4800 to 1970-01-01, with March as the first month.
_EPOCH = 2_472_633


@dataclass(frozen=True, slots=True)
class Packing:
    """One way to pack: `value` makes the value, NULL for none; `understood`: any is packed so; `spelt` prints it."""

    value: Callable[[Cast], pl.Expr]
    understood: Callable[[Cast], pl.Expr]
    spelt: Callable[[Cast, int], str | int]


def unpacked(rows: pa.Table, items: Sequence[Cast]) -> dict[str, pa.ChunkedArray]:
    """Return the values of packed columns in their wire types, by column; NULL is what is no value there."""
    values = (PACKINGS[item.unpack].value(item).alias(item.column) for item in items)
    frame = pl.LazyFrame(rows.select([item.column for item in items]))  # lazy: common parts of a date are computed once
    table = frame.select(values).collect().to_arrow()
    return {item.column: _wire(table.column(item.column), item) for item in items}


def unreadable(column: pa.ChunkedArray, item: Cast) -> pa.ChunkedArray:
    """Return a mask of the numbers that no value is packed into; NULL is none of them."""
    frame = pl.DataFrame({item.column: pl.Series(column)})
    return pa.chunked_array([frame.select(~PACKINGS[item.unpack].understood(item).fill_null(True)).to_series().to_arrow()])


def spelt(column: pa.ChunkedArray, item: Cast) -> list[str | int | None]:
    """Return packed values as MySQL prints them, valid or not; a bit is a number, and so is what no value is packed into."""
    print_one = PACKINGS[item.unpack].spelt
    return [
        number if number is None or unknown else print_one(item, number)
        for number, unknown in zip(column.to_pylist(), unreadable(column, item).to_pylist(), strict=True)
    ]


def _wire(column: pa.ChunkedArray, item: Cast) -> pa.ChunkedArray:
    if item.unpack == "digits":
        precision, scale = item.source_type.sizes
        wide = column.cast(pa.decimal128(19, 0))
        chunks = [
            pa.Array.from_buffers(
                pa.decimal128(precision, scale), len(chunk), chunk.buffers(), chunk.null_count, chunk.offset
            )
            for chunk in wide.chunks
        ]
        made = pa.chunked_array(chunks, pa.decimal128(precision, scale))
        kind = pa.decimal256 if item.wire.startswith("decimal256") else pa.decimal128
        return made.cast(kind(*item.target_type.sizes))
    # Polars keeps a time of day in nanoseconds only; these have microseconds, so nothing is cut.
    return column.cast(pa.time64("us")) if item.unpack == "clock" else column


def _scale(item: Cast) -> int:
    """Return how many units of the number are one second."""
    return int(10 ** item.source_type.sizes[0])


def _number(item: Cast) -> pl.Expr:
    return pl.col(item.column).cast(pl.Int64)  # what MariaDB casts to SIGNED has 32 bits where its digits fit


def _parts(day: pl.Expr) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Return year, month and day of a YYYYMMDD, as 32-bit integers."""
    whole = day.cast(pl.Int32, strict=False)
    year, month = _DATE
    return whole // year, whole // month % month, whole % month


def _days(day: pl.Expr) -> pl.Expr:
    """Return the days since 1970-01-01 of a YYYYMMDD, NULL where there is no such day.

    The arithmetic of the Julian day number, with March as the first month so that the leap day ends a year.
    """
    year, month, date = _parts(day)
    leap = ((year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0)) & (year > 0)).cast(
        pl.Int32
    )  # year 0 has none in MySQL
    last = pl.when(month == 2).then(28 + leap).otherwise(30 + (month + month // 8) % 2)
    exists = month.is_between(1, 12) & (date >= 1) & (date <= last) & year.is_between(0, 9999)
    early = (month < 3).cast(pl.Int32)
    since, of_march = year + 4800 - early, month + 12 * early - 3
    days = date + (153 * of_march + 2) // 5 + 365 * since + since // 4 - since // 100 + since // 400
    return pl.when(exists).then(days - _EPOCH)


def _day_understood(day: pl.Expr) -> pl.Expr:
    _, month, date = _parts(day)
    return day.is_between(0, 99_991_231) & (month <= 12) & (date <= 31)


def _clock(number: pl.Expr, scale: int) -> tuple[pl.Expr, pl.Expr]:
    """Return the microseconds of an hhmmss with its fraction, not negative, and whether its minutes and seconds are such."""
    whole = number // scale
    hours, minutes, seconds = whole // 10_000, whole // 100 % 100, whole % 100
    micros = (hours * 3600 + minutes * 60 + seconds) * 1_000_000 + number % scale * (1_000_000 // scale)
    return micros, (minutes < 60) & (seconds < 60)


def _moment(item: Cast) -> pl.Expr:
    scale = _scale(item)
    day, clock = _number(item) // (scale * 1_000_000), _number(item) % (scale * 1_000_000)
    micros, fine = _clock(clock, scale)
    made = _days(day).cast(pl.Int64) * (_SECONDS * 1_000_000) + micros
    return pl.when(fine & (clock < 240_000 * scale)).then(made).cast(pl.Datetime("us"))


def _moment_understood(item: Cast) -> pl.Expr:
    scale = _scale(item)
    clock = _number(item) % (scale * 1_000_000)
    return (
        (_number(item) >= 0)
        & _day_understood(_number(item) // (scale * 1_000_000))
        & _clock(clock, scale)[1]
        & (clock < 240_000 * scale)
    )


def _instant(item: Cast) -> pl.Expr:
    number, scale = _number(item), _scale(item)
    within = (number > 0) & (number < _LAST_INSTANT * scale)  # the zero TIMESTAMP is packed as 0, which no other is
    return pl.when(within).then(number * (1_000_000 // scale)).cast(pl.Datetime("us", "UTC"))


def _span(item: Cast) -> pl.Expr:
    micros, _ = _clock(_number(item).abs(), _scale(item))
    signed = pl.when(_number(item) < 0).then(-micros).otherwise(micros)
    return pl.when(_span_understood(item)).then(signed)


def _span_understood(item: Cast) -> pl.Expr:
    beyond = (_MOST_HOURS + 1) * 10_000 * _scale(item)
    _, fine = _clock(_number(item).abs(), _scale(item))
    return fine & _number(item).is_between(-beyond, beyond, closed="none")  # of larger ones the microseconds overflow


def _time_of_day(item: Cast) -> pl.Expr:
    micros = _span(item)
    return pl.when(micros.is_between(0, _SECONDS * 1_000_000 - 1)).then(micros * 1000).cast(pl.Time)


def _digits(item: Cast) -> pl.Expr:
    return pl.when(_digits_understood(item)).then(_number(item))


def _digits_understood(item: Cast) -> pl.Expr:
    most = 10 ** item.source_type.sizes[0] - 1
    return _number(item).is_between(-most, most)


def _date_spelt(_: Cast, number: int) -> str:
    return f"{number // 10_000:04}-{number // 100 % 100:02}-{number % 100:02}"


def _time_spelt(number: int, scale: int) -> str:
    whole, rest = divmod(abs(number), scale)
    fraction = f".{rest:0{len(str(scale)) - 1}}" if scale > 1 else ""
    return f"{'-' if number < 0 else ''}{whole // 10_000:02}:{whole // 100 % 100:02}:{whole % 100:02}{fraction}"


def _moment_spelt(item: Cast, number: int) -> str:
    day, clock = divmod(number, _scale(item) * 1_000_000)
    return f"{_date_spelt(item, day)} {_time_spelt(clock, _scale(item))}"


def _instant_spelt(item: Cast, number: int) -> str:
    if not number:
        return "0000-00-00 00:00:00"
    return (_ZERO + dt.timedelta(microseconds=number * (1_000_000 // _scale(item)))).isoformat(" ")


PACKINGS: dict[str, Packing] = {
    "date": Packing(
        lambda item: _days(_number(item)).cast(pl.Date), lambda item: _day_understood(_number(item)), _date_spelt
    ),
    "moment": Packing(_moment, _moment_understood, _moment_spelt),
    "instant": Packing(_instant, lambda item: _number(item).is_between(0, _LAST_INSTANT * _scale(item) - 1), _instant_spelt),
    "span": Packing(
        lambda item: _span(item).cast(pl.Duration("us")),
        _span_understood,
        lambda item, number: _time_spelt(number, _scale(item)),
    ),
    "clock": Packing(_time_of_day, _span_understood, lambda item, number: _time_spelt(number, _scale(item))),
    "digits": Packing(
        _digits,
        _digits_understood,
        lambda item, number: format(Decimal(number).scaleb(-item.source_type.sizes[1]), "f"),
    ),
    "flag": Packing(
        lambda item: pl.when(_number(item).is_in([0, 1])).then(_number(item) == 1),
        lambda item: _number(item).is_in([0, 1]),
        lambda _, number: number,
    ),
}
