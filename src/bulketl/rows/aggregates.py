"""Figures of a column that both servers compute to the same number: counts, minima, maxima and sums, per type.

All figures are exact. A value that the source cannot have, infinity or a month among hours, is NaN in the target, and so
is every figure of its column. The sum of a float column is the sum of whole ten-thousandths, of values below 10^11: these
are integers, which add up to the same number in any order. Text and bytes have the sum of their lengths, because
collations sort differently on each server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bulketl.rows.canonical import days_ahead, microseconds, number, pair, possible
from bulketl.tables.casts import Cast
from bulketl.tables.types import TARGET_FLOATS, TARGET_INTEGERS

Figures = Mapping[str, str | None]  # "column what" -> a number as text; "rows" -> their number
ROWS = "rows"
_TEXTS = ("text", "varchar", "json", "enum")
_SINCE_1970 = {"date": "(TO_DAYS(%s)-719528)", "timestamp": "TIMESTAMPDIFF(MICROSECOND,'1970-01-01',%s)"}
_WHOLE = (*TARGET_INTEGERS, "numeric", "boolean")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One figure of one column: its name, and the expressions for both servers, which give a number as text, or NULL."""

    column: str
    what: str
    mysql: str
    postgres: str


def aggregates(casts: tuple[Cast, ...], names: dict[str, str], nul_bytes: str = "strip") -> list[Aggregate]:
    """Return the figures of these columns; `names` are their quoted names in Postgres. Of masked ones there are none."""
    return [
        found for item in casts if item.source and not item.masked for found in _figures(item, names[item.column], nul_bytes)
    ]


def same(one: str | None, other: str | None) -> bool:
    """Tell whether two texts are the same number, or both none."""
    if one is None or other is None:
        return one is other
    return Decimal(one) == Decimal(other)


def _figures(item: Cast, column: str, nul_bytes: str) -> list[Aggregate]:
    base = item.target_type.base
    here, there = _values(item, column, base, nul_bytes)
    found = [Aggregate(item.column, "count", f"COUNT({item.read})", f"count({column})")]
    if base in (*_TEXTS, "bytea"):
        return [*found, _of(item, "length", f"SUM({here})", f"sum({there})")] if here else found
    if not here:
        return found
    for what in ("min", "max"):
        mine, theirs = f"{what.upper()}({here})", f"{what}({there})"
        if base in _SINCE_1970:  # a date costs less to compare than its number, which is made once then
            mine, theirs = _SINCE_1970[base] % f"{what.upper()}({item.read})", _since_1970(base, f"{what}({column})")
        found.append(_of(item, what, mine, theirs))
    if base in TARGET_FLOATS:
        here = f"CASE WHEN ABS({here})<1e11 THEN CAST(FLOOR({here}*1e4) AS SIGNED) END"
        there = f"CASE WHEN abs({there})<1e11 THEN floor({there}*1e4)::bigint END"
    return [*found, _of(item, "sum", f"SUM({here})", f"sum({there})")]


def _of(item: Cast, what: str, here: str, there: str) -> Aggregate:
    return Aggregate(item.column, what, f"CAST({here} AS CHAR)", f"({there})::text")


def _values(item: Cast, column: str, base: str, nul_bytes: str) -> tuple[str, str]:
    """Return what is aggregated of a column on both sides, numbers all; '' where there is nothing."""
    if base in _WHOLE:  # Postgres sums integers in 128 bits, which costs less than numerics
        return number(item), f"{column}::int" if base == "boolean" else column
    if base in TARGET_FLOATS:
        return f"({item.read}*1e0)" if item.source_type.base == "float" else item.read, f"{column}::float8"
    if base in _SINCE_1970:
        return _SINCE_1970[base] % item.read, _since_1970(base, column)
    if base in ("timestamptz", "interval", "time"):
        found = pair(item, column, nul_bytes)
        return (f"CAST({found[0]} AS SIGNED)", _number(base, column, microseconds(column))) if found else ("", "")
    if base in _TEXTS:
        text = f"CONVERT({item.read} USING utf8mb4)"
        stripped = f"REPLACE({text},CHAR(0 USING utf8mb4),'')" if nul_bytes == "strip" else text
        return f"LENGTH({stripped})", f"octet_length({column}::text)"
    return (f"LENGTH({item.read})", f"octet_length({column})") if base == "bytea" else ("", "")


def _since_1970(base: str, column: str) -> str:
    """Return the days or microseconds of a date or moment in Postgres, as MySQL counts them."""
    if base == "date":
        return _number(base, column, f"({column} - date '1970-01-01' + {days_ahead(column)})")
    return _number(base, column, f"({microseconds(column)} + {days_ahead(column)} * 86400000000)")


def _number(base: str, column: str, expression: str) -> str:
    is_possible = possible(base, column)
    other = f" WHEN {column} IS NOT NULL THEN 'NaN'::numeric END"
    return f"CASE WHEN {is_possible} THEN {expression}{other}" if is_possible else expression
