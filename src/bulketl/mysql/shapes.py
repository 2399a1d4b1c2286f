"""How many values of text columns have the shape of something personal, in a sample of each table's newest rows.

The server counts: no value leaves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pymysql

from bulketl.mysql.server import MySQL, is_lost
from bulketl.tables.casts import quoted
from bulketl.tables.catalog import Table
from bulketl.tables.personal import SHAPES, Shapes

LOOKED_AT = 300  # of the newest rows
LOOKS_TOGETHER = 40  # tables per statement


def read_shapes(source: MySQL, looks: Iterable[tuple[Table, Sequence[str]]]) -> dict[str, dict[str, Shapes]]:
    """Return by table and column what its sampled values look like; nothing of a table that cannot be read.

    A statement for many tables; each reads LOOKED_AT rows at most, by the key. Raise SourceError when the line is lost.
    """
    wanted = [(table, columns) for table, columns in looks if columns]
    found: dict[str, dict[str, Shapes]] = {}
    with source.connect() as cursor:
        for n in range(0, len(wanted), LOOKS_TOGETHER):
            some = wanted[n : n + LOOKS_TOGETHER]
            try:
                found |= _looked(cursor, some)
            except pymysql.MySQLError as error:
                if is_lost(error):
                    raise
                for one in some:
                    found |= _alone(cursor, one)
    return found


def _alone(cursor: pymysql.cursors.Cursor, one: tuple[Table, Sequence[str]]) -> dict[str, dict[str, Shapes]]:
    try:
        return _looked(cursor, [one])
    except pymysql.MySQLError as error:
        if is_lost(error):
            raise
        return {}


def _looked(cursor: pymysql.cursors.Cursor, some: Sequence[tuple[Table, Sequence[str]]]) -> dict[str, dict[str, Shapes]]:
    cursor.execute(" UNION ALL ".join(_look(n, *one) for n, one in enumerate(some)))
    counts = {int(n): str(text).split(",") for n, text in cursor.fetchall()}
    found: dict[str, dict[str, Shapes]] = {}
    for n, (table, columns) in enumerate(some):
        numbers = [int(number) for number in counts[n]]
        width = 1 + len(SHAPES)
        found[table.name] = {column: Shapes(*numbers[width * at : width * (at + 1)]) for at, column in enumerate(columns)}
    return found


def _look(n: int, table: Table, columns: Sequence[str]) -> str:
    order = ", ".join(f"{quoted(name)} DESC" for name in table.primary_key)
    newest = (
        f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(table.origin)}{f' ORDER BY {order}' if order else ''}"
        f" LIMIT {LOOKED_AT}"
    )
    counts = []
    for column in columns:
        value = f"CONVERT({quoted(column)} USING utf8mb4)"
        counts.append(f"COALESCE(SUM({value}<>''),0)")
        counts += [f"COALESCE(SUM({value} REGEXP '{shape}'),0)" for shape in SHAPES]
    return f"(SELECT {n}, CONCAT_WS(',',{','.join(counts)}) FROM ({newest}) r)"
