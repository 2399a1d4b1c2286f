"""Watermarks: how far a table is loaded, as a typed value, and the state of a table in the target.

A watermark is the highest value of the cursor column that was published. It has the column and the type of that value, so
that nobody compares the number 42 with the date 2024-01-01. The ledger keeps it as text; parsing the text gives an equal
value.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from bulketl.errors import PlanError
from bulketl.tables.catalog import Column
from bulketl.tables.partitions import KeyValue
from bulketl.tables.taken import AS_IT_IS, Taken
from bulketl.tables.types import INTEGERS, TIMES

# Rows that commit late bear an older stamp, and the clock goes back an hour when summer time ends.
LOOKBACK = dt.timedelta(hours=2)
LOOKBACK_KEYS = 1000  # the same for counting columns: a number is drawn before its row is committed
NO_TIME = dt.datetime(1000, 1, 1)


@dataclass(frozen=True, slots=True)
class Watermark:
    """A value of a cursor column. `type` is the column's MySQL type, with the zone it is shown in for TIMESTAMP."""

    column: str
    type: str
    value: str

    @property
    def typed(self) -> KeyValue:
        """The value in Python: int, date or datetime."""
        return parse_value(self.type, self.value)


@dataclass(frozen=True, slots=True)
class State:
    """What the target knows of a table it was loaded with.

    `source`: the database it came from. `watermark`: None when it has no cursor. `rows`: in the target afterwards, None
    when unknown. `kept`: columns that the source has dropped and the target keeps. `compared`: seconds since its rows
    were last compared with the source's, None if never. `retained`: rows before these values of columns have been
    removed by its retention, as (column, value) by column. `zone`: the session's, '' for the server's own. `audited`:
    it has a chain, and was not reset since. `evidence`: what the plan showed then, as in TableSpec; '' where a part
    was loaded, which proves nothing. `masking`: the key and the masks of its rows, as in TableSpec. `taken`: what of the
    source they are, and by which names.
    """

    source: str
    watermark: Watermark | None = None
    rows: int | None = None
    kept: tuple[str, ...] = ()
    compared: float | None = None
    retained: tuple[tuple[str, str], ...] = ()
    zone: str = ""
    evidence: str = ""
    audited: bool = False
    masking: str = ""
    taken: Taken = AS_IT_IS


def cursor_type(column: Column, zone: str) -> str:
    """Return the type a watermark of that column has; raise PlanError when its values have no order to go by."""
    base = column.parsed.base
    if base == "timestamp":
        return f"timestamp in {zone}"  # another zone shows other values
    if base not in INTEGERS + TIMES:
        raise PlanError(
            f"incremental_column {column.name!r} is {column.type}, and only numbers, dates and times say how new a row is",
            hint="name a stamp of changes or a counting key, or set extraction_strategy: full_table; "
            "`bulketl discover` proposes one",
        )
    return base


def is_time(kind: str) -> bool:
    """Tell whether a watermark's type is a date or time."""
    return kind.split()[0] in TIMES


def parse_value(kind: str, text: str) -> KeyValue:
    """Return the value of a text in a watermark's type; raise ValueError when it is none."""
    base = kind.split()[0]
    if base == "date":
        return dt.date.fromisoformat(text[:10])
    return dt.datetime.fromisoformat(text) if base in TIMES else int(text)


def text_of(value: KeyValue) -> str:
    """Return a value as text that `parse_value` reads back."""
    return value.isoformat(" ") if isinstance(value, dt.datetime) else str(value)


def before(value: KeyValue, lookback: dt.timedelta | int | None) -> KeyValue:
    """Return the value from which a load reads again: `lookback` before the watermark, LOOKBACK when None is declared.

    A date goes back whole days. Nothing goes below the type's smallest value.
    """
    if isinstance(value, dt.datetime):
        span = lookback if isinstance(lookback, dt.timedelta) else LOOKBACK
        return value - span if value - dt.datetime.min > span else dt.datetime.min
    if isinstance(value, dt.date):
        span = lookback if isinstance(lookback, dt.timedelta) else LOOKBACK
        whole, rest = divmod(span, dt.timedelta(days=1))
        days = whole + bool(rest)  # a number, for the longest spans have no next whole day
        return value - dt.timedelta(days=days) if (value - dt.date.min).days > days else dt.date.min
    if isinstance(value, int):
        return value - (lookback if isinstance(lookback, int) else LOOKBACK_KEYS)
    raise TypeError(f"{type(value).__name__} is no cursor value")
