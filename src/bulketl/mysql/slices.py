"""A range of a table that its engine locks, read by statements of some 50 ms, one at a time, with the lock free in between.

How many rows a statement reads follows from how long the last one took. They are in the order of the key, so that each
begins after the last key of the one before. A slice that has all the rows that were asked for is proved by that number; one
that has fewer is counted, and it is asked whether there is more behind. So nobody counts the range as a whole, which would
lock the table for longer than any slice does.
"""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from bulketl.errors import SourceError
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec

SECONDS = 0.05  # of a statement
FIRST_ROWS, LEAST_ROWS, MOST_ROWS = 1000, 100, 100_000
MOST_FACTOR = 2.0  # from one statement to the next
TRIES = 5

clock = time.monotonic


@dataclass(slots=True)
class Pace:
    """How many rows the next statement on a table asks for, and whose turn it is.

    Each statement has a connection of its own. The first asks for one row, which tells how long that takes: `connecting`,
    the seconds of the quickest. Where it takes longer than SECONDS, as over a slow link, so may the reading after it.
    """

    rows: int = 1
    connecting: float = math.inf
    turn: threading.Lock = field(default_factory=threading.Lock)

    def learn(self, rows: int, seconds: float) -> None:
        """Take into account how long a statement took for so many rows."""
        self.connecting = min(self.connecting, seconds)
        if rows == 1:
            self.rows = FIRST_ROWS
            return
        reading, wanted = seconds - self.connecting, max(SECONDS, self.connecting)
        factor = wanted / reading if reading > 0 else MOST_FACTOR
        self.rows = int(min(MOST_ROWS, max(LEAST_ROWS, rows * min(MOST_FACTOR, max(1 / MOST_FACTOR, factor)))))


_paces: dict[tuple[str, str], Pace] = {}  # of this process, by source and table


@dataclass(frozen=True, slots=True)
class Asking:
    """How the source is asked: for the first rows of a range, for their number, and for the greatest key in it or None."""

    rows: Callable[[Partition, int], pa.Table]
    count: Callable[[Partition], int]
    last: Callable[[Partition], int | None]


def drained(source: str, spec: TableSpec, partition: Partition, ask: Asking) -> pa.Table:
    """Return the rows of a range along one integer column, `source` is the database's identity.

    Raise SourceError, a passing one, when rows come and go faster than they can be counted.
    """
    pace = _paces.setdefault((source, spec.table), Pace())
    found: list[pa.Table] = []
    left, end, tries = partition, None, TRIES
    while tries:
        with pace.turn:
            most, began = pace.rows, clock()
            rows = ask.rows(left, most)
            full = rows.num_rows == most
            if full:
                pace.learn(most, clock() - began)
        last = _last(rows, left)
        if not full and not _proved(ask, left, rows.num_rows, last):
            tries -= 1
            continue
        found.append(rows)
        left = left if last is None else dataclasses.replace(left, lo=(last + 1,))
        if not full and (end is None or last is None):
            more = ask.last(left)
            if more is None:
                return pa.concat_tables(found)
            end = more if end is None else end  # what comes behind it later, comes after the read
            tries -= last is None
        if end is not None and last is not None and last >= end:
            return pa.concat_tables(found)
    raise _restless(spec)


def _proved(ask: Asking, left: Partition, rows: int, last: int | None) -> bool:
    """Tell whether the server, too, counts so many rows up to the last key."""
    return last is None or ask.count(dataclasses.replace(left, hi=(last + 1,))) == rows


def _last(rows: pa.Table, left: Partition) -> int | None:
    """Return the last key, None where there are no rows."""
    if rows.num_rows == 0:
        return None
    keys = rows.column(left.columns[0])
    first, last = keys[0].as_py(), keys[-1].as_py()
    if not isinstance(last, int) or not (left.lo or (first,))[0] <= first <= last:
        raise SourceError(f"the rows of a slice are not in the order of {left.columns[0]!r}: its last key is {last!r}")
    return last


def _restless(spec: TableSpec) -> SourceError:
    return SourceError(
        f"table {spec.table!r}: rows come and go faster than they can be read and counted",
        hint="load it at another time, or ask for consistency: locked, for which writers wait",
        transient=True,
    )
