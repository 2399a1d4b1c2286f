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
from typing import TYPE_CHECKING

from bulketl.errors import SourceError
from bulketl.rows.quality import attest
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec

if TYPE_CHECKING:  # who plans has the conditions of ranges from the module above, and no rows
    import pyarrow as pa

SECONDS = 0.05  # of a statement
FIRST_ROWS, LEAST_ROWS, MOST_ROWS = 1000, 100, 100_000
MOST_FACTOR = 4.0  # from one statement to the next
TRIES = 5

clock = time.monotonic


@dataclass(slots=True)
class Line:
    """A source, as far as reading it goes: the least seconds that a statement with its connection took, of any table.

    Each statement has a connection of its own; the very first one asks for one row, which tells what that costs.
    """

    connecting: float = math.inf


@dataclass(slots=True)
class Pace:
    """How many rows the next statement on a table asks for, and whose turn it is."""

    line: Line
    rows: int
    turn: threading.Lock = field(default_factory=threading.Lock)

    def learn(self, rows: int, seconds: float) -> None:
        """Take into account how long a statement took for so many rows.

        Where connecting takes longer than SECONDS, as over a slow link, so may the reading after it.
        """
        self.line.connecting = min(self.line.connecting, seconds)
        reading, wanted = seconds - self.line.connecting, max(SECONDS, self.line.connecting)
        factor = wanted / reading if reading > 0 else MOST_FACTOR
        most = min(MOST_ROWS, max(LEAST_ROWS, rows * min(MOST_FACTOR, max(1 / MOST_FACTOR, factor))))
        self.rows = FIRST_ROWS if rows == 1 else int(most)


_lines: dict[str, Line] = {}  # of this process, by source
_paces: dict[tuple[str, str], Pace] = {}  # and by table


@dataclass(frozen=True, slots=True)
class Asking:
    """How the source is asked: for the first rows of a range; for the rows in a range and the greatest key in another.

    None stands for no key, and for a range that is not asked for.
    """

    rows: Callable[[Partition, int], pa.Table]
    after: Callable[[Partition | None, Partition], tuple[int, int | None]]


def drained(source: str, spec: TableSpec, partition: Partition, ask: Asking) -> pa.Table:
    """Return the rows of a range along one integer column, `source` is the database's identity.

    Raise SourceError, a passing one, when rows come and go faster than they can be counted.
    """
    pace = _pace(source, spec.table)
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
        behind = left if last is None else dataclasses.replace(left, lo=(last + 1,))
        if not full:
            read = None if last is None else dataclasses.replace(left, hi=(last + 1,))
            counted, more = ask.after(read, behind)
            if counted != rows.num_rows:
                tries -= 1
                continue
            if more is None:
                return _joined([*found, rows])
            end = more if end is None else end  # what comes behind it later, comes after the read
            tries -= last is None
        found.append(rows)
        left = behind
        if end is not None and last is not None and last >= end:
            return _joined(found)
    raise SourceError(
        f"table {spec.table!r}: rows come and go faster than they can be read and counted",
        hint="load it at another time, or ask for consistency: locked, for which writers wait",
        transient=True,
    )


def _joined(some: list[pa.Table]) -> pa.Table:
    import pyarrow as pa

    rows = pa.concat_tables(some)
    return attest(rows, rows.num_rows)


def _pace(source: str, table: str) -> Pace:
    line = _lines.setdefault(source, Line())
    first = 1 if math.isinf(line.connecting) else FIRST_ROWS
    return _paces.setdefault((source, table), Pace(line, first))


def _last(rows: pa.Table, left: Partition) -> int | None:
    """Return the last key, None where there are no rows. Raise SourceError when it cannot be the last."""
    if rows.num_rows == 0:
        return None
    keys = rows.column(left.columns[0])
    first, last = keys[0].as_py(), keys[-1].as_py()
    if not isinstance(last, int) or not (left.lo or (first,))[0] <= first <= last:
        raise SourceError(
            f"the rows of a slice are not in the order of {left.columns[0]!r}: its last key is {last!r}",
            said=f"its last key is {last!r}",
        )
    return last
