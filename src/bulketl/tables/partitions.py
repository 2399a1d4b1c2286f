"""Cutting a table into ranges of its key, so that each fits in memory and can be read, copied and retried alone.

A partition is a half-open range `lo <= key < hi`, ordered as the source orders the key; the first has no `lo`, the
last no `hi`, and the rows whose key is NULL have a partition of their own. So every row is in exactly one partition
whatever the cuts are, and cuts need to be good only for balance. Where the cuts lie is measured on the source
(`bulketl.mysql.discover`); what is here only decides which key to cut along and how many rows a piece should have.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bulketl.tables.catalog import Key, Table
from bulketl.tables.types import INTEGERS, TIMES

KeyValue = int | str | bytes | float | Decimal | dt.date | dt.datetime | dt.timedelta
KeyTuple = tuple[KeyValue, ...]

PARTITION_BYTES = 16 << 20  # of source data; Arrow needs about the same, and a worker holds two copies at most
MOST_ROWS = 250_000  # keeps many narrow rows from costing more in Arrow than they weigh in MySQL
UNKNOWN_ROW_BYTES = 800  # when the server has no idea how long a row is
DENSE = 1.25  # integer keys this close to gapless are cut evenly, without walking the index

# _ORDERED: types whose order in an index is that of `<` against a literal. ENUM sorts by number and compares as text.
_FIXED_BYTES = {
    "tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8, "float": 4, "double": 8, "date": 3, "datetime": 5,
    "timestamp": 4, "time": 3, "year": 1, "varchar": 1, "varbinary": 1, "text": 2, "blob": 2,
}  # fmt: skip
_LONG = frozenset({"mediumtext", "longtext", "mediumblob", "longblob", "json"})
_TIMES = frozenset({"year", *TIMES})
_ORDERED = frozenset(INTEGERS) | _TIMES | {"decimal", "char", "varchar", "binary", "varbinary", "uuid"}


@dataclass(frozen=True, slots=True)
class Changes:
    """The rows that may have changed: those with `lo <= column < hi`, None is open; and more that the column cannot tell.

    `nulls`: also rows where it is NULL. `below`: also rows where it is less than this, a sentinel for no date. `last`: also
    rows with a date in one of these columns within the last days of that number, by the source's calendar.
    """

    column: str
    lo: KeyValue | None = None
    hi: KeyValue | None = None
    nulls: bool = False
    below: KeyValue | None = None
    last: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Partition:
    """The rows of a table with `lo <= (columns) < hi`, compared as tuples; None is open.

    `key` is the name of the index they are read along. `nulls`: the rows whose key is NULL and nothing else. Without
    columns: the whole table. `stream`: the rows per batch of a table that is too large for memory and has no key to cut
    it by, so that it is read in one pass. `changes`: of all those, only these. `only`: the rows with one of these keys
    and no other. `mark`: the text of the watermark that the table has reached when this partition and all before it are
    published. `unique`: no two rows have the same key, where it is not NULL.
    """

    index: int
    key: str = ""
    columns: tuple[str, ...] = ()
    lo: KeyTuple | None = None
    hi: KeyTuple | None = None
    nulls: bool = False
    stream: int = 0
    changes: Changes | None = None
    only: tuple[KeyTuple, ...] = ()
    mark: str = ""
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """What was measured of a table before reading it: rows, whether that was counted, and the cuts through its key.

    `longest`: the bytes of the longest row seen, where a column may hold long values. `error` says why nothing could be
    measured.
    """

    rows: int
    counted: bool = False
    cuts: tuple[KeyTuple, ...] = ()
    error: str = ""
    longest: int = 0


def long_columns(table: Table) -> tuple[str, ...]:
    """Return the columns whose values may be so long that one row does not fit into memory."""
    return tuple(column.name for column in table.columns if column.readable and column.parsed.base in _LONG)


def split_key(table: Table, by: str | None = None) -> Key | None:
    """Return the key to cut the table along, or None when it has none that can be; `by` asks for an index on that column.

    The primary key first, then unique keys without NULLs, then a unique key of one nullable column.
    """
    nullable = {column.name: column.nullable for column in table.columns}
    base = {column.name: column.parsed.base for column in table.columns}
    if by is not None:
        found = (key for key in table.keys if key.whole and key.columns[:1] == (by,) and base[by] in _ORDERED)
        return next((Key(key.name, (by,), key.unique and len(key.columns) == 1) for key in found), None)
    unique = [key for key in table.keys if key.unique and key.whole]
    unique.sort(key=lambda key: (key.columns != table.primary_key, any(nullable[c] for c in key.columns)))
    for key in unique:
        may_be_null = any(nullable[c] for c in key.columns)
        if all(base[c] in _ORDERED for c in key.columns) and (not may_be_null or len(key.columns) == 1):
            return key
    return None


def is_integer_key(table: Table, key: Key) -> bool:
    """Tell whether the key is one integer column that no two rows share, so that rows can be counted by subtraction."""
    return key.unique and len(key.columns) == 1 and table.column(key.columns[0]).parsed.base in INTEGERS


def rows_per_partition(table: Table, partition_bytes: int = PARTITION_BYTES) -> int:
    """Return how many rows of this table make about `partition_bytes`."""
    return max(1, min(MOST_ROWS, partition_bytes // row_bytes(table)))


def fits(table: Table, rows: int, partition_bytes: int = PARTITION_BYTES) -> bool:
    """Tell whether the rows are read at once: up to two partitions, since a cut costs more queries than it saves."""
    return rows <= 2 * rows_per_partition(table, partition_bytes)


def row_bytes(table: Table) -> int:
    """Return how many bytes a row of this table has, by the server's statistics where they can be true.

    Just after a bulk insert InnoDB knows the rows and not yet the bytes: less than the fixed-size columns need is no
    answer, and an unknown row is taken to be long, so that a partition is too small rather than too large.
    """
    least = sum(_FIXED_BYTES.get(column.parsed.base, 0) for column in table.columns if not column.nullable)
    if table.rows <= 0 or table.bytes < table.rows * max(1, least):
        return UNKNOWN_ROW_BYTES
    return max(1, table.bytes // table.rows)


def even_cuts(lo: int, hi: int, rows: int, size: int) -> tuple[KeyTuple, ...] | None:
    """Cut the integers lo..hi evenly, or return None when they have too many gaps for that.

    A slice of w integers holds at most w rows of a unique key, so no slice exceeds `DENSE * size` rows, even when
    `rows` is only an estimate.
    """
    span = hi - lo + 1
    if span > rows * DENSE:
        return None
    count = max(1, -(-min(rows, span) // size))
    return tuple((lo + span * n // count,) for n in range(1, count))


def split(table: Table, key: Key, cuts: Sequence[KeyTuple]) -> tuple[Partition, ...]:
    """Return partitions between the cuts that hold every row of the table exactly once.

    Cuts must be in the key's order; equal neighbours are dropped.
    """
    edges = [cut for n, cut in enumerate(cuts) if n == 0 or cut != cuts[n - 1]]
    ranges = list(zip([None, *edges], [*edges, None], strict=True))
    parts = [Partition(n, key.name, key.columns, lo, hi, unique=key.unique) for n, (lo, hi) in enumerate(ranges)]
    if any(table.column(name).nullable for name in key.columns):
        parts.append(Partition(len(parts), key.name, key.columns, nulls=True))
    return tuple(parts)


def key_texts(key: KeyTuple) -> tuple[str, ...]:
    """Return a key's values as people read them."""
    return tuple("\\x" + part.hex() if isinstance(part, bytes) else str(part) for part in key)


def json_key(text: str) -> str:
    """Return the key of a reject so that equal keys are equal texts."""
    return json.dumps(json.loads(text), sort_keys=True)
