"""How the rows of a table lie over the months, on both servers, and where the two differ.

Values in, values out. Each server counts with one GROUP BY over the month of one date column. A month is the number 202403;
None stands for rows without a date, and for those whose date is none: 0000-00-00 is NULL in the target.

Sums are exact and depend on no order. Floats are added up as whole numbers of 2^-53, from their bits: as texts they may
differ, because a server may choose among the shortest that name a float.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Literal

from bulketl.casts import VALID_DATE, Cast, held_type, parse_type, quoted
from bulketl.catalog import Table
from bulketl.classify import cursor_candidates
from bulketl.rules import TableRule

Month = int | None
_EXACT = Context(prec=200)
Expressions = tuple[str, str]  # of MySQL and of Postgres
FIRST, LAST = 190201, 209912  # a date outside stands for something else: 0001-01-01, 1900-01-01, 9999-12-31
TIMES = ("date", "datetime", "timestamp")
DATED = ("date", "timestamp", "timestamptz", "text", "varchar")  # types of the target that have months
FLOAT_UNIT = 2**53  # floats count up to here, where the next is two away, and to one part of it
_WRITTEN = re.compile(r"entry|enter|creat|insert|added", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to ask both servers about a table. `utc`: the target holds moments, and the months are those of UTC.

    `month` and `sums` are expressions; `where` the conditions on the rows that count. Each sum has its column and its unit:
    the sum is so many parts of 1.
    """

    table: str
    column: str
    month: Expressions
    sums: tuple[tuple[str, Expressions, int], ...] = ()
    where: Expressions = ("TRUE", "TRUE")
    utc: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """One month on one server. `dated` counts rows whose column is not NULL; in the month None their date is none."""

    rows: int
    dated: int = 0
    sums: tuple[Decimal | None, ...] = ()


@dataclass(frozen=True, slots=True)
class MonthPair:
    """One month on both. `invalid` counts rows of the source whose date is none; `sums` are those that differ."""

    month: Month
    source: int
    target: int
    invalid: int = 0
    sums: tuple[tuple[str, Decimal | None, Decimal | None], ...] = ()

    @property
    def differs(self) -> bool:
        """Whether rows or sums differ."""
        return self.source != self.target or bool(self.sums)


@dataclass(frozen=True, slots=True)
class TableHistory:
    """One table. `skipped` says why it has no months; `error` why it should have some and could not be compared."""

    table: str
    column: str = ""
    months: tuple[MonthPair, ...] = ()
    skipped: str = ""
    error: str = ""

    @property
    def differing(self) -> tuple[MonthPair, ...]:
        """The months that differ."""
        return tuple(month for month in self.months if month.differs)

    @property
    def outcome(self) -> Literal["equal", "differs", "error", "skipped"]:
        """How the table ended."""
        if self.error:
            return "error"
        return "skipped" if self.skipped else "differs" if self.differing else "equal"


@dataclass(frozen=True, slots=True)
class History:
    """All tables, when they were compared, and between which database and schema."""

    at: dt.datetime
    source: str
    schema: str
    tables: tuple[TableHistory, ...]

    @property
    def wrong(self) -> tuple[TableHistory, ...]:
        """The tables that differ or could not be compared."""
        return tuple(table for table in self.tables if table.outcome in ("differs", "error"))


def date_column(table: Table, rule: TableRule, loaded: Sequence[str], by: str = "") -> str:
    """Return the column by whose months a table is compared, or ''.

    `by` where the table has it, else nothing. Without `by` its own cursor, then what says when a row was written or entered,
    then the first date it has. Only columns that are `loaded` count.
    """
    dates = [c.name for c in table.columns if parse_type(c.type).base in TIMES and c.name in loaded]
    written = [column.name for column in cursor_candidates(table)]
    written += [name for name in dates if _WRITTEN.search(name)]
    wanted = [by] if by else [rule.incremental_column, *written, *dates]
    return next((name for name in wanted if name in dates), "")


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
    base, kind = parse_type(item.source).base, held_type(there)[0]
    here = item.read if base == "bit" else quoted(item.column)
    if base in ("float", "double") and kind in ("real", "double precision"):
        none = f"sum(CASE WHEN {column} IN ('NaN', 'Infinity', '-Infinity') THEN 'NaN'::numeric ELSE 0 END)"
        both = (
            _float_sum(here, "TRUNCATE({x},0)", "CAST({x} AS SIGNED)", f"{FLOAT_UNIT}e0"),
            f"{_float_sum(f'{column}::float8', 'trunc({x})', '({x})::bigint', f'{FLOAT_UNIT}::float8')} + {none}",
        )
        return both, FLOAT_UNIT
    numbers = base in ("tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit", "decimal")
    if numbers and kind in ("smallint", "integer", "bigint", "numeric"):
        return (f"SUM({here})", f"sum({column})"), 1
    return None


def _float_sum(value: str, truncate: str, integer: str, unit: str) -> str:
    """Return the sum in parts of FLOAT_UNIT: every step on a float is exact, and integers are added up as decimals."""
    whole = truncate.replace("{x}", value)
    rest = truncate.replace("{x}", f"({value}-{whole})*{unit}")
    few = f"ABS({value})<{unit}"
    parts = (f"SUM(CASE WHEN {few} THEN {integer.replace('{x}', part)} END)" for part in (whole, rest))
    return f"{next(parts)}*{FLOAT_UNIT}+{next(parts)}"


def totals(asked: Asked, values: Sequence[object]) -> tuple[Decimal | None, ...]:
    """Return the sums a driver gave as the numbers they are."""
    units = (unit for _, _, unit in asked.sums)
    return tuple(
        None if value is None else _EXACT.divide(Decimal(str(value)), Decimal(unit))
        for value, unit in zip(values, units, strict=True)
    )


def held(
    source: Mapping[Month, Counted], target: Mapping[Month, Counted], sums: Sequence[str] = ()
) -> tuple[MonthPair, ...]:
    """Return every month that either side has, in order, rows without a date first; `sums` are the columns' names."""
    none = Counted(0, 0, (None,) * len(sums))
    found = []
    for month in sorted({*source, *target}, key=lambda month: -1 if month is None else month):
        mine, other = source.get(month, none), target.get(month, none)
        pairs = zip(sums, mine.sums, other.sums, strict=True)
        differing = tuple((name, one, two) for name, one, two in pairs if one != two)
        found.append(MonthPair(month, mine.rows, other.rows, mine.dated if month is None else 0, differing))
    return tuple(found)


def is_sentinel(month: Month) -> bool:
    """Tell whether a month is one that stands for something else, like 0001-01 or 9999-12."""
    return month is not None and not FIRST <= month <= LAST


def month_text(month: Month) -> str:
    """Return a month for people: 2024-03, or `no date`."""
    return "no date" if month is None else f"{month // 100:04}-{month % 100:02}"
