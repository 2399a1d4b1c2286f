"""Checks on rows: which rows of a batch fail what must hold of a table's rows.

Polars computes the checks of a table on the Arrow columns that are about to be copied, all in one select that counts.
Masks are made only for checks that found something and reject or fail. Postgres computes a check on the table as a whole
(`bulketl.postgres.write.table_checks`). As in SQL, a NULL passes every check but `not_null`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from bulketl.errors import DataError
from bulketl.tables.casts import Cast
from bulketl.tables.checks import ON_TABLE, Check, CheckKind, Value
from bulketl.tables.types import TARGET_TIMES

_UNCHECKED = ("decimal256", "extension<arrow.json>")  # wire types that Polars does not take
_TYPES: dict[str, pa.DataType] = {
    "timestamp[us]": pa.timestamp("us"),
    "timestamp[us, tz=UTC]": pa.timestamp("us", "UTC"),
    "duration[us]": pa.duration("us"),
    "time64[us]": pa.time64("us"),
    "date32[day]": pa.date32(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bool": pa.bool_(),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What a check found in a batch: how many rows fail it, and which; no mask when it only warns."""

    check: Check
    rows: int
    mask: pa.Array | None = None


def failing(rows: pa.Table, checks: Sequence[Check]) -> list[Fault]:
    """Return the checks on rows that some of these rows fail, in their order; checks on the table are passed over.

    Raise DataError when an expression cannot be computed of a row; its text has no value in it.
    """
    counts: dict[int, int] = {}
    conditions: dict[int, pl.Expr] = {}
    for n, check in enumerate(checks):
        if check.kind == "not_null":
            counts[n] = rows.column(check.columns[0]).null_count
        elif check.kind == "length" and _short(rows.column(check.columns[0]), check):
            counts[n] = 0
        elif check.kind not in ON_TABLE:
            conditions[n] = _fails(check, rows.schema)
    if conditions:
        frame = _frame(rows, [checks[n] for n in conditions])
        sums = _computed(frame, {n: expression.sum() for n, expression in conditions.items()}, checks)
        counts |= {n: int(sums.item(0, str(n)) or 0) for n in conditions}
    wanted = {n: e.fill_null(False) for n, e in conditions.items() if counts[n] and checks[n].severity != "warn"}
    masks: dict[int, pa.Array] = {}
    if wanted:
        table = _computed(frame, wanted, checks).to_arrow()
        masks = {n: table.column(str(n)) for n in wanted}
    for n, check in enumerate(checks):
        if check.kind == "not_null" and counts[n] and check.severity != "warn":
            masks[n] = pc.is_null(rows.column(check.columns[0]))
    return [Fault(checks[n], counts[n], masks.get(n)) for n in sorted(counts) if counts[n]]


def _short(column: pa.ChunkedArray, check: Check) -> bool:
    """Tell whether no text is too long because none has as many bytes: a look at offsets, and no text is moved."""
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    return not check.low and (check.high is None or longest <= int(str(check.high)))


def _frame(rows: pa.Table, checks: Sequence[Check]) -> pl.DataFrame:
    names = dict.fromkeys(name for check in checks for name in check.columns)
    return pl.DataFrame(rows.select(list(names)))


def _computed(frame: pl.DataFrame, wanted: Mapping[int, pl.Expr], checks: Sequence[Check]) -> pl.DataFrame:
    try:
        return frame.lazy().select(expression.alias(str(n)) for n, expression in wanted.items()).collect()
    except pl.exceptions.PolarsError:  # its words quote values
        labels = ", ".join(checks[n].label for n in wanted if checks[n].kind == "expression")
        raise DataError(
            f"a check cannot be computed of every row: {labels}",
            hint="a value does not convert, most likely: write TRY_CAST(column AS type), which gives NULL then",
        ) from None


def _fails(check: Check, schema: pa.Schema) -> pl.Expr:
    """Return the expression that is true of a row that fails the check, and NULL or false of others."""
    if check.kind == "expression":
        return ~pl.sql_expr(check.text)
    column, kind = pl.col(check.columns[0]), schema.field(check.columns[0]).type
    if check.kind == "regex":
        return ~column.str.contains(check.text)
    if check.kind == "one_of":
        values = pl.Series([_exact(value, kind) for value in check.values], dtype=_polars(kind))
        return ~column.is_in(values.implode())
    if check.kind == "length":
        length = column.str.len_chars().cast(pl.Int64)
        low, high = check.low, check.high
        return pl.any_horizontal(
            *([length < low] if low is not None else []), *([length > high] if high is not None else [])
        )
    parts = []
    for bound, rounding in ((check.low, ROUND_CEILING), (check.high, ROUND_FLOOR)):
        if bound is None:
            continue
        value, beyond = _bound(bound, kind, rounding)
        low = rounding == ROUND_CEILING
        if beyond:  # no value of the column's type lies on one side of it
            parts.append(column.is_not_null() if low == (beyond > 0) else pl.lit(False).and_(column.is_not_null()))
        else:
            literal = pl.lit(value, dtype=_polars(kind))
            parts.append(column < literal if low else column > literal)
    return pl.any_horizontal(*parts)


def _polars(kind: pa.DataType) -> Any:
    return pl.Series(pa.array([], kind)).dtype


def _bound(value: Value, kind: pa.DataType, rounding: str) -> tuple[Any, int]:
    """Return a bound as a value of the column's type, rounded into the range; -1 or 1 when it lies beyond the type."""
    if pa.types.is_integer(kind):
        bits, signed = kind.bit_width, pa.types.is_signed_integer(kind)
        least, most = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        number = int(_decimal(value).to_integral_value(rounding))
        return number, -1 if number < least else 1 if number > most else 0
    if pa.types.is_decimal(kind):
        steps = _decimal(value).scaleb(kind.scale).to_integral_value(rounding)
        return steps.scaleb(-kind.scale), 0 if abs(steps) < Decimal(10) ** kind.precision else 1 if steps > 0 else -1
    return _exact(value, kind), 0


def _decimal(value: Value) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a number is expected")
    return Decimal(repr(value))


def _exact(value: Value, kind: pa.DataType) -> Any:
    """Return a value of the configuration as one of the column's type; raise ValueError when it is none."""
    if pa.types.is_boolean(kind) and isinstance(value, bool):
        return value
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        found, beyond = _bound(value, kind, ROUND_FLOOR)
        if beyond or Decimal(found) != _decimal(value):
            raise ValueError("it is not a value of the column's type")
        return found
    if pa.types.is_floating(kind):
        return float(_decimal(value))
    if pa.types.is_string(kind):
        if not isinstance(value, str):
            raise ValueError("a text is expected: put it in quotes")
        return value
    if pa.types.is_date32(kind) and isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if pa.types.is_timestamp(kind) and isinstance(value, dt.date):
        moment = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
        if kind.tz is None:
            return moment.replace(tzinfo=None)
        return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    raise ValueError(f"a {'date' if pa.types.is_temporal(kind) else 'value of its type'} is expected")


def mistake(check: Check, casts: Mapping[str, Cast]) -> str:
    """Return why the check cannot be made of a table with those columns, or ''."""
    names = check.columns
    missing = [name for name in names if name not in casts]
    if missing:
        return f"there is no column {missing[0]!r}; MySQL's spelling and case count, and it must not be excluded"
    if check.kind in ("unique", "foreign_key", "not_null", "row_count"):
        return ""
    for name in names:
        wire = casts[name].wire
        if wire.startswith(_UNCHECKED) and check.kind != "sum":
            return f"column {name!r} is {casts[name].target}, which only not_null, unique and foreign_key can check"
    if check.kind == "fresh":
        base = casts[names[0]].target_type.base
        return "" if base in TARGET_TIMES else f"column {names[0]!r} is {base}, and no date or time"
    schema = pa.schema([(name, arrow_type(casts[name])) for name in names])
    wanted = _WANTED.get(check.kind)
    if wanted and not any(test(schema.field(0).type) for test in wanted[0]):
        return f"column {names[0]!r} is {casts[names[0]].target}, and no {wanted[1]}"
    if check.kind == "sum":
        return ""
    return _not_computed(check, schema)


_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
_WANTED: dict[CheckKind, tuple[tuple[Any, ...], str]] = {
    "range": ((*_NUMBERS, pa.types.is_date32, pa.types.is_timestamp), "number, date or time"),
    "one_of": ((*_NUMBERS, pa.types.is_boolean, pa.types.is_string, pa.types.is_date32), "number, text, date or boolean"),
    "regex": ((pa.types.is_string,), "text"),
    "length": ((pa.types.is_string,), "text"),
    "sum": (_NUMBERS, "number"),
}


def _not_computed(check: Check, schema: pa.Schema) -> str:
    try:
        condition = _fails(check, schema)
        empty = pl.DataFrame(schema.empty_table()).lazy()
        if check.kind == "expression":
            truth = pl.sql_expr(check.text)
            kind = next(iter(empty.select(truth).collect_schema().values()))
            if kind != pl.Boolean:
                return f"it gives {kind}, and must be true or false"
        empty.select(condition.sum()).collect()
    except ValueError as error:
        return str(error)
    except pl.exceptions.PolarsError as error:
        return _first_line(error)
    return ""


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0].removesuffix("; valid columns: []")


def arrow_type(item: Cast) -> pa.DataType:
    """Return the Arrow type of a column as it is copied."""
    if item.wire.startswith("decimal"):
        precision, scale = item.target_type.sizes
        make = pa.decimal128 if item.wire.startswith("decimal128") else pa.decimal256
        return make(precision, scale)
    if item.wire == "large_binary":
        return pa.large_binary()
    return _TYPES.get(item.wire) or pa.type_for_alias(item.wire)
