"""Rows and sums per calendar month, computed in the same way by both servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal

from bulketl.rows.canonical import Expressions
from bulketl.tables.casts import VALID_DATE, Cast, held_type, quoted
from bulketl.tables.types import FLOATS, INTEGERS, TARGET_FLOATS, TARGET_INTEGERS, TARGET_TIMES

Month = int | None
_EXACT = Context(prec=200)
DATED = (*TARGET_TIMES, "text", "varchar")  # types of the target that have months
FLOAT_UNIT = 2**53  # floats count up to here, where the next is two away, and to one part of it


@dataclass(frozen=True, slots=True)
class MonthsAsked:
    """What to ask both servers about a table. `utc`: the target holds moments, and the months are in UTC.

    `dated`, `month` and `sums` are expressions: the date column, its month, and a sum with its column and its unit, which
    counts parts of 1 of that size. `where` has the conditions on the rows that count.
    """

    table: str
    origin: str  # its name at the source
    column: str  # as the source calls it
    dated: Expressions
    month: Expressions
    sums: tuple[tuple[str, Expressions, int], ...] = ()
    where: Expressions = ("TRUE", "TRUE")
    utc: bool = False


@dataclass(frozen=True, slots=True)
class MonthCount:
    """One month on one server. `dated` counts rows whose column is not NULL; in the month None their date is none."""

    rows: int
    dated: int = 0
    sums: tuple[Decimal | None, ...] = ()


def month_of(item: Cast, column: str, there: str) -> Expressions:
    """Return the expressions of a row's month; `column` is the quoted name in Postgres and `there` its type there."""
    here = quoted(item.column)
    if held_type(there)[0] in ("text", "varchar"):  # declared so: every date is what the source shows
        text = f"LEFT(CAST({here} AS CHAR),7)"
        return (
            f"REPLACE({text},'-','')+0",
            f"CASE WHEN {column} ~ '^[0-9]{{4}}-[0-9]{{2}}' THEN replace(left({column}, 7), '-', '')::int END",
        )
    # Postgres has no year 0: what MySQL calls 0000 is 1 BC there, and its number -1.
    year = f"extract(year FROM {column})"
    month = f"(({year} + ({year} < 0)::int) * 100 + extract(month FROM {column}))::int"
    valid = (VALID_DATE % "YEAR({c})*100+MONTH({c})").replace("{c}", here)
    return valid, f"CASE WHEN isfinite({column}) THEN {month} END"


def sum_of(item: Cast, column: str, there: str) -> tuple[Expressions, int] | None:
    """Return the expressions of a column's sum and their unit; None for a column that is no number in both.

    A float of FLOAT_UNIT or more counts on neither side; one that is no number, which only the target can hold, makes the
    sum none either.
    """
    base, kind = item.source_type.base, held_type(there)[0]
    here = item.read if base == "bit" else quoted(item.column)
    if base in FLOATS and kind in TARGET_FLOATS:
        none = f"sum(CASE WHEN {column} IN ('NaN', 'Infinity', '-Infinity') THEN 'NaN'::numeric ELSE 0 END)"
        both = (
            _float_sum(here, "TRUNCATE({x},0)", "CAST({x} AS SIGNED)", f"{FLOAT_UNIT}e0"),
            f"{_float_sum(f'{column}::float8', 'trunc({x})', '({x})::bigint', f'{FLOAT_UNIT}::float8')} + {none}",
        )
        return both, FLOAT_UNIT
    numbers = base in (*INTEGERS, "year", "bit", "decimal")
    if numbers and kind in (*TARGET_INTEGERS, "numeric"):
        return (f"SUM({here})", f"sum({column})"), 1
    return None


def _float_sum(value: str, truncate: str, integer: str, unit: str) -> str:
    """Return the sum in parts of FLOAT_UNIT: every step on a float is exact, and integers are added up as decimals."""
    whole = truncate.replace("{x}", value)
    rest = truncate.replace("{x}", f"({value}-{whole})*{unit}")
    few = f"ABS({value})<{unit}"
    parts = (f"SUM(CASE WHEN {few} THEN {integer.replace('{x}', part)} END)" for part in (whole, rest))
    return f"{next(parts)}*{FLOAT_UNIT}+{next(parts)}"


def totals(asked: MonthsAsked, values: Sequence[object]) -> tuple[Decimal | None, ...]:
    """Return the sums a driver gave as the numbers they are."""
    units = (unit for _, _, unit in asked.sums)
    return tuple(
        None if value is None else _EXACT.divide(Decimal(str(value)), Decimal(unit))
        for value, unit in zip(values, units, strict=True)
    )
