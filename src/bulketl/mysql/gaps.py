"""A range of a table that nobody waits for, read by one statement and proved by the keys that it does not have.

A range of integer keys that no two rows share is whole when the source has no row with any of the other keys in it. That is
asked after the read: for nothing where the keys are dense, else for as many short intervals as there are gaps. Counting the
range instead would read each row of it once more. A range with more gaps than `most` allows is counted all the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulketl.rows.quality import around, attest
from bulketl.tables.partitions import KeyTuple, Partition

if TYPE_CHECKING:
    import pyarrow as pa

FEW, MANY = 2000, 20_000  # gaps: always asked for, never; each is a look into the index and a part of the statement
EACH = 8  # rows, for which one gap is asked for: so many are counted in less time, and an eighth of them is all that is read
LIST = 999  # keys in one list: MariaDB makes a table of a longer one, and reads that for each
TRIES = 3

Gap = tuple[int | None, int | None]  # the first and the last key of it, None is open


@dataclass(frozen=True, slots=True)
class Asking:
    """How the source is asked: for the rows of a range, for their number, for the number in gaps and its greatest key."""

    rows: Callable[[Partition], pa.Table]
    count: Callable[[Partition], int]
    within: Callable[[Partition, list[Gap]], tuple[int, int | None]]


def proved(partition: Partition, ask: Asking) -> pa.Table:
    """Return the rows of a range along one integer column, with the number that the source has of them, see `attested`.

    Rows that come while it is read are read with it, or come after it.
    """
    for _ in range(TRIES):
        rows = ask.rows(partition)
        gaps = missing(rows.column(partition.columns[0]), partition)
        if gaps is None or len(gaps) > most(rows.num_rows):
            break
        there, greatest = ask.within(partition, gaps) if gaps else (0, None)
        if not there or greatest is None:
            return attest(rows, rows.num_rows)
        first, last = gaps[-1]
        if last is None and (first is None or greatest >= first):  # what comes behind it later, comes after the read
            partition = dataclasses.replace(partition, hi=(greatest + 1,))
    counts = [ask.count(partition)]
    for _ in range(TRIES):
        if min(counts) <= rows.num_rows <= max(counts):
            break
        rows = ask.rows(partition)
        counts.append(ask.count(partition))
    return attest(rows, around(counts, rows.num_rows, lambda: ask.count(partition)))


def most(rows: int) -> int:
    """Return up to how many gaps a range of so many rows is proved by them, and not counted."""
    return min(MANY, max(FEW, rows // EACH))


def missing(keys: pa.ChunkedArray, partition: Partition) -> list[Gap] | None:
    """Return the gaps between the keys of a range and at its ends; None when two keys are equal, or outside of it."""
    import polars as pl

    lo, hi = _edge(partition.lo), _edge(partition.hi)
    if not len(keys):
        return [] if lo is not None and lo == hi else [(lo, None if hi is None else hi - 1)]
    found = pl.Series(pl.from_arrow(keys)).sort()
    before, after = found[:-1], found[1:]
    first, last = found[0], found[-1]
    if (before == after).any() or (lo is not None and first < lo) or (hi is not None and last >= hi):
        return None
    wide = (before + 1) < after  # the greatest integer of all is the last of them, so that nothing overflows
    gaps: list[Gap] = [(begins + 1, ends - 1) for begins, ends in zip(before.filter(wide), after.filter(wide), strict=True)]
    if lo is None or first > lo:
        gaps.insert(0, (lo, first - 1))
    if hi is None or last < hi - 1:
        gaps.append((last + 1, None if hi is None else hi - 1))
    return gaps


def condition(column: str, intervals: list[Gap]) -> str:
    """Return the SQL that holds for the keys in some gaps; `column` is quoted."""
    single = [first for first, last in intervals if first is not None and first == last]
    lists = [",".join(map(str, single[start : start + LIST])) for start in range(0, len(single), LIST)]
    wide = [_between(column, first, last) for first, last in intervals if first is None or first != last]
    return " OR ".join([*(f"{column} IN ({keys})" for keys in lists), *wide])


def _between(column: str, first: int | None, last: int | None) -> str:
    if last is None:
        return "TRUE" if first is None else f"{column}>={first}"
    return f"{column}<={last}" if first is None else f"{column} BETWEEN {first} AND {last}"


def _edge(key: KeyTuple | None) -> int | None:
    if key is None:
        return None
    (edge,) = key
    if isinstance(edge, int):
        return edge
    raise TypeError(f"a range of integers cannot end at {edge!r}")
