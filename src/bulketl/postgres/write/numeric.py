"""Numbers of more than 38 digits in Postgres' binary form, which no encoder makes of Arrow's in a tolerable time.

The form: how many digits of base 10,000 there are, the power of that base of the first, the sign, the decimal places shown,
and the digits, each number 16 bits, the high byte first (`numeric_send` in Postgres' source).
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

_GROUP = 4  # decimal digits of one of base 10,000
_NEGATIVE = 0x4000


def numeric_bytes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return decimals as COPY BINARY has them, with leading zeros, which Postgres drops; NULL stays NULL."""
    precision, scale = column.type.precision, column.type.scale
    whole, places = -(-(precision - scale) // _GROUP), -(-scale // _GROUP)
    digits = _digits(column)
    padded = (pl.col("d").str.strip_prefix("-").str.zfill(whole * _GROUP + scale) + "0" * (places * _GROUP - scale)).alias(
        "padded"
    )
    groups = [pl.col("padded").str.slice(n * _GROUP, _GROUP).cast(pl.UInt16) for n in range(whole + places)]
    head = [
        pl.lit(whole + places, pl.UInt16),
        pl.lit((whole - 1) % (1 << 16), pl.UInt16),
        pl.when(pl.col("d").str.starts_with("-")).then(_NEGATIVE).otherwise(0).cast(pl.UInt16),
        pl.lit(scale, pl.UInt16),
    ]
    numbers = [_high_first(one).alias(str(n)) for n, one in enumerate([*head, *groups])]
    rows = pl.DataFrame({"d": digits}).with_columns(padded).select(pl.concat_arr(*numbers)).to_series().to_arrow()
    width = 2 * len(numbers)
    chunks = [rows] if isinstance(rows, pa.Array) else rows.chunks
    made = [pa.Array.from_buffers(pa.binary(width), len(one), [None, one.flatten().buffers()[1]]) for one in chunks]
    values = pa.chunked_array(made, pa.binary(width)).cast(pa.large_binary())
    return pc.if_else(pc.is_null(column), pa.scalar(None, pa.large_binary()), values)


def _digits(column: pa.ChunkedArray) -> pl.Series:
    """Return decimals without their point, as text; 0 for NULL."""
    kind = pa.decimal256(column.type.precision, 0)  # the same bits with no places: printed without an exponent
    whole = [
        pa.Array.from_buffers(kind, len(chunk), chunk.buffers(), chunk.null_count, chunk.offset) for chunk in column.chunks
    ]
    return pl.Series("d", pa.chunked_array(whole, kind).cast(pa.string())).fill_null("0")


def _high_first(number: pl.Expr) -> pl.Expr:
    return (number // 256 + number % 256 * 256).cast(pl.UInt16)
