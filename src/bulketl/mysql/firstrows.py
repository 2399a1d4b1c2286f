"""The first rows of a table by its key, what rows refer to, and which rows have given keys: for choosing a part of a source.

Each statement walks an index or looks keys up in one. A list of keys has at most KEYS_ASKED members, because MariaDB no
longer looks them up when there are more than a thousand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import pymysql
from pymysql.cursors import Cursor

from bulketl.mysql.discover import walk
from bulketl.mysql.read import keyed, range_condition
from bulketl.mysql.server import MySQL
from bulketl.tables.casts import quoted
from bulketl.tables.catalog import Key, Table
from bulketl.tables.link import Link
from bulketl.tables.partitions import KeyTuple
from bulketl.tables.types import INTEGERS, TIMES

KEYS_ASKED = 500


@contextmanager
def session(source: MySQL, zone: str) -> Iterator[Cursor]:
    """Open a session in the zone in which the tables are read, so that a stamp in a key has one value in both."""
    with source.connect() as cursor:
        if zone:
            cursor.execute("SET SESSION time_zone = %s", (zone,))
        yield cursor


def counted(cursor: Cursor, table: Table, most: int) -> int:
    """Return how many rows are wanted of the table, at most one more than `most`."""
    cursor.execute(f"SELECT COUNT(*) FROM (SELECT 1 FROM {quoted(table.origin)} WHERE {table.condition} LIMIT {most + 1}) t")
    ((rows,),) = cursor.fetchall()
    return int(rows)


def edge(cursor: Cursor, table: Table, key: Key, rows: int) -> KeyTuple | None:
    """Return the key of the row behind the first `rows` ones, None when there is none."""
    names = ", ".join(map(quoted, key.columns))
    cursor.execute(
        f"SELECT {names} FROM {quoted(table.origin)} FORCE INDEX ({quoted(key.name)}) WHERE {table.condition}"
        f" ORDER BY {names} LIMIT 1 OFFSET {rows}"
    )
    found = cursor.fetchall()
    return tuple(found[0]) if found else None


def cuts(cursor: Cursor, table: Table, key: Key, beyond: KeyTuple, size: int) -> tuple[KeyTuple, ...]:
    """Return the keys at which the rows before `beyond` are cut into ranges of `size` rows."""
    return tuple(walk(cursor, table, key, size, range_condition(key.columns, None, beyond)))


def within(key: Key, beyond: KeyTuple | None) -> str:
    """Return the condition that a row comes before `beyond`; that of any row for None."""
    return range_condition(key.columns, None, beyond) or "TRUE"


def having(table: Table, columns: Sequence[str], keys: Sequence[KeyTuple]) -> str:
    """Return the condition that a row has one of these keys."""
    return keyed(tuple(columns), tuple(keys), {c.name for c in table.columns if c.parsed.base in TIMES})


def referred(cursor: Cursor, table: Table, link: Link, pieces: Collection[str], least: KeyTuple | None) -> set[KeyTuple]:
    """Return the values by which the rows of the pieces, conditions, refer to others, without those that have a NULL.

    `least`: smaller ones may be left out, where the server can tell.
    """
    names = ", ".join(map(quoted, link.columns))
    wanted = [f"{quoted(column)} IS NOT NULL" for column in link.columns]
    if least is not None and len(least) == 1 and table.column(link.columns[0]).parsed.base in INTEGERS:
        wanted.append(range_condition(link.columns, least, None))
    found: set[KeyTuple] = set()
    for piece in pieces:
        conditions = " AND ".join((f"({piece})", table.condition, *wanted))
        cursor.execute(f"SELECT DISTINCT {names} FROM {quoted(table.origin)} WHERE {conditions}")
        found.update(cursor.fetchall())
    return found


def beyond_with(
    cursor: Cursor, table: Table, key: Key, beyond: KeyTuple, columns: Sequence[str], values: Sequence[KeyTuple]
) -> set[KeyTuple]:
    """Return the keys of the wanted rows from `beyond` on that have one of these values in the columns."""
    names = ", ".join(map(quoted, key.columns))
    after = range_condition(key.columns, beyond, None)
    found: set[KeyTuple] = set()
    for n in range(0, len(values), KEYS_ASKED):
        among = having(table, columns, values[n : n + KEYS_ASKED])
        cursor.execute(f"SELECT {names} FROM {quoted(table.origin)} WHERE {among} AND {after} AND {table.condition}")
        found.update(map(tuple, cursor.fetchall()))
    return found


Unreadable = pymysql.MySQLError  # what a statement here raises where the table itself is at fault
