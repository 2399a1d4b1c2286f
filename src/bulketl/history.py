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
from decimal import Decimal
from typing import Literal

from bulketl.classify import cursor_candidates
from bulketl.config.rules import TableRule
from bulketl.rows.months import Counted, Month
from bulketl.tables.casts import parse_type
from bulketl.tables.catalog import Table

FIRST, LAST = 190201, 209912  # a date outside stands for something else: 0001-01-01, 1900-01-01, 9999-12-31
TIMES = ("date", "datetime", "timestamp")
_WRITTEN = re.compile(r"entry|enter|creat|insert|added", re.IGNORECASE)


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
