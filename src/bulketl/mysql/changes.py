"""How far the source has come, and how much has changed since a watermark, measured before anything is read.

One query for up to sixty tables. A cursor without an index is read through once, for all that is asked of it. Only a
table with more changes than a partition holds costs further queries, to cut them along its key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pymysql
from pymysql.cursors import Cursor as Session

from bulketl.mysql.discover import COUNTED_TOGETHER, NO_LITERAL, walk
from bulketl.mysql.read import changes_condition
from bulketl.mysql.server import MySQL, code_of, is_lost, number_of
from bulketl.tables.casts import quoted
from bulketl.tables.catalog import Table
from bulketl.tables.cursor import is_time, parse_value
from bulketl.tables.measured import Cursor, Measured
from bulketl.tables.partitions import PARTITION_BYTES, Changes, KeyTuple, KeyValue, rows_per_partition, split_key

Asked = tuple[Table, Cursor]


def read_changes(
    source: MySQL, asked: Mapping[Table, Cursor], zone: str = "", size: int = PARTITION_BYTES
) -> dict[str, Measured]:
    """Measure the cursor of each table. `zone` is set as the session's time zone first, unless empty.

    Changes of more than `size` bytes are cut into pieces of that size.

    A table that cannot be read gets a Measured with the reason in `error`; the others are measured all the same.
    """
    found: dict[str, Measured] = {}
    if not asked:
        return found
    wanted = list(asked.items())
    with source.connect() as session:
        if zone:
            session.execute("SET SESSION time_zone = %s", (zone,))
        for some in (wanted[n : n + COUNTED_TOGETHER] for n in range(0, len(wanted), COUNTED_TOGETHER)):
            found |= _measured(session, some, size)
        for table, cursor in wanted:
            measured = found[table.name]
            if measured.rows > rows_per_partition(table, size) and cursor.changes:
                try:
                    found[table.name] = _cut(session, table, cursor, cursor.changes, measured, size)
                except pymysql.MySQLError as error:
                    if is_lost(error):
                        raise
                    words = "a value of its key cannot be compared" if code_of(error) in NO_LITERAL else number_of(error)
                    found[table.name] = Measured(None, error=words)
    return found


def _measured(session: Session, some: Sequence[Asked], size: int) -> dict[str, Measured]:
    query = " UNION ALL ".join(_asking(n, table, cursor, size) for n, (table, cursor) in enumerate(some))
    try:
        session.execute(query)
    except pymysql.MySQLError as error:
        if is_lost(error):
            raise
        if len(some) == 1:
            return {some[0][0].name: Measured(None, error=number_of(error))}
        return {name: measured for one in some for name, measured in _measured(session, [one], size).items()}
    found = {}
    for n, top, newest, rows in session.fetchall():
        table, cursor = some[int(n)]
        found[table.name] = Measured(_value(cursor.type, top), _value(cursor.type, newest), int(rows or 0))
    return found


def _asking(n: int, table: Table, cursor: Cursor, size: int) -> str:
    column, name = quoted(cursor.column), quoted(table.origin)
    condition = changes_condition(cursor.changes) if cursor.changes else "FALSE"
    past = f"{column}<=NOW(6)" if is_time(cursor.type) else "TRUE"
    wanted = table.condition
    if any(key.columns[:1] == (cursor.column,) and key.whole for key in table.keys):
        most = rows_per_partition(table, size) + 1
        return (
            f"SELECT {n}, CAST((SELECT MAX({column}) FROM {name} WHERE {past} AND {wanted}) AS CHAR),"
            f" CAST((SELECT MAX({column}) FROM {name} WHERE {wanted}) AS CHAR),"
            f" (SELECT COUNT(*) FROM (SELECT 1 FROM {name} WHERE ({condition}) AND {wanted} LIMIT {most}) t)"
        )
    return (
        f"SELECT {n}, CAST(MAX(CASE WHEN {past} THEN {column} END) AS CHAR), CAST(MAX({column}) AS CHAR),"
        f" SUM(CASE WHEN {condition} THEN 1 ELSE 0 END) FROM {name} WHERE {wanted}"
    )


def _value(kind: str, text: str | None) -> KeyValue | None:
    if text is None or text.startswith("0000-00"):
        return None
    try:
        return parse_value(kind, text)
    except ValueError:  # 2024-02-31 where the server allows it: no value to compare with
        return None


def _cut(session: Session, table: Table, cursor: Cursor, changes: Changes, measured: Measured, most_bytes: int) -> Measured:
    """Cut the changes into pieces of a partition's rows: along the cursor first when it is chunked, along the key else."""
    key, size = split_key(table), rows_per_partition(table, most_bytes)
    if key is None:
        return Measured(None, error="it has no key along which this many changes could be cut")
    counted = _counted(session, table, cursor, changes, size) if cursor.chunked else []
    if len(counted) < 2:  # also for chunks: ties, or rows without a value of the cursor, can be too many for one piece
        cuts = tuple(walk(session, table, key, size, changes_condition(changes)))
        return Measured(measured.top, measured.newest, max(measured.rows, len(cuts) * size), cuts)
    chunks: list[tuple[KeyValue | None, tuple[KeyTuple, ...]]] = []
    rows = 0
    for n, (start, count) in enumerate(counted):
        rows += count
        hi = counted[n + 1][0] if n + 1 < len(counted) else None
        more = (changes.nulls, changes.below, changes.last) if n == 0 else ()
        within = changes_condition(Changes(changes.column, start, hi, *more))
        chunks.append((start, tuple(walk(session, table, key, size, within)) if count > size or n == 0 else ()))
    return Measured(measured.top, measured.newest, max(rows, measured.rows), (), tuple(chunks))


def _counted(
    session: Session, table: Table, cursor: Cursor, changes: Changes, size: int
) -> list[tuple[KeyValue | None, int]]:
    """Return the starts of chunks of about `size` rows along the cursor, each with its rows, in one query.

    Rows are counted by the hour, the day, or blocks of `size` numbers; one of those with more rows is a chunk of its own.
    """
    column = quoted(changes.column)
    if cursor.type.split()[0] == "date":
        block = column
    elif is_time(cursor.type):
        block = f"DATE_FORMAT({column},'%Y-%m-%d %H:00:00')"
    else:
        block = f"FLOOR({column}/{size})*{size}"
    condition = changes_condition(Changes(changes.column, changes.lo, changes.hi))
    session.execute(
        f"SELECT CAST({block} AS CHAR), COUNT(*) FROM {quoted(table.origin)} WHERE ({condition}) AND {table.condition}"
        f" GROUP BY 1 ORDER BY MIN({column})"
    )
    chunks: list[tuple[KeyValue | None, int]] = []
    for start, count in session.fetchall():
        if chunks and chunks[-1][1] + count <= size:
            chunks[-1] = (chunks[-1][0], chunks[-1][1] + count)
        else:
            chunks.append((changes.lo if not chunks else _block(cursor.type, start), int(count)))
    return chunks


def _block(kind: str, start: Any) -> KeyValue:
    return parse_value(kind, str(start).split(".")[0] if not is_time(kind) else str(start))
