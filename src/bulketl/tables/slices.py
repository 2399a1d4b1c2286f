"""Which ranges are read along one integer column, so that the rows themselves prove that none is missing.

Engines that lock a table for as long as a statement reads it are read in slices: whoever writes to such a table waits for
that statement. So it is cut by time: each slice takes some milliseconds, and begins after the last key of the one before it.
Where nobody waits, a range is read at once, and the keys that it might have had and has not are asked for.

Both need a key whose last value can be told from the rows, and which no two rows share: one integer column of a unique key.
"""

from __future__ import annotations

from bulketl.tables.casts import quoted
from bulketl.tables.catalog import Key, Table
from bulketl.tables.partitions import Partition, is_integer_key, row_bytes
from bulketl.tables.spec import Consistency, TableSpec
from bulketl.tables.types import INTEGERS

WHOLE_ROWS, WHOLE_BYTES = 10_000, 2 << 20  # up to both, one statement reads them, in some 50 ms
_ASKS_NOTHING: tuple[Consistency | None, ...] = (None, "best effort")


def slicing(table: Table, key: Key) -> bool:
    """Tell whether ranges of the key are read in slices, unless rows of one moment are asked for."""
    return table.locks and is_integer_key(table, key)


def sliceable(table: Table, key: Key, rows: int, asked: Consistency | None) -> bool:
    """Tell whether a table that would be read at once is so rather; not where rows of one moment are asked for."""
    return slicing(table, key) and waited_for(table, rows) and asked in _ASKS_NOTHING


def waited_for(table: Table, rows: int) -> bool:
    """Tell whether writers would wait long for a statement that reads so many rows of the table."""
    return table.locks and (rows > WHOLE_ROWS or rows * row_bytes(table) > WHOLE_BYTES)


def in_slices(spec: TableSpec, partition: Partition) -> bool:
    """Tell whether the range is read in slices. Not under a lock that is held anyway, nor where few rows are looked for."""
    return spec.locks and spec.consistency in ("best effort", "re-read") and along_integers(spec, partition)


def along_integers(spec: TableSpec, partition: Partition) -> bool:
    """Tell whether the range has all rows between two values of one integer column, each value once."""
    if not partition.unique or len(partition.columns) != 1:
        return False
    if partition.nulls or partition.stream or partition.only or partition.changes:
        return False
    (column,) = partition.columns
    return any(
        item.column == column and item.read == quoted(column) and item.source_type.base in INTEGERS for item in spec.casts
    )
