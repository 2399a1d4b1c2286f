"""Whether values of a column are keys of another table: a sample of its newest rows, looked up by key."""

from __future__ import annotations

from collections.abc import Iterable

import pymysql

from bulketl.mysql.server import MySQL, is_lost
from bulketl.tables.casts import quoted
from bulketl.tables.catalog import Table
from bulketl.tables.measured import Match

LOOKED_AT = 300  # of the newest rows
LOOKS_TOGETHER = 60  # per statement


def read_matches(source: MySQL, looks: Iterable[tuple[Table, str, Table]]) -> list[Match | None]:
    """Return for each (table, column, other table) how many sampled values the other's key has, None where that fails.

    NULL, nothing and numbers below 1 are taken for "none" and not counted. A statement for many; a lookup is by key, so the
    work is bounded by the sample.
    """
    wanted = list(looks)
    found: list[Match | None] = []
    with source.connect() as cursor:
        for n in range(0, len(wanted), LOOKS_TOGETHER):
            some = wanted[n : n + LOOKS_TOGETHER]
            try:
                found += _looked_up(cursor, some)
            except pymysql.MySQLError as error:
                if is_lost(error):
                    raise
                found += [_alone(cursor, look) for look in some]
    return found


def _alone(cursor: pymysql.cursors.Cursor, look: tuple[Table, str, Table]) -> Match | None:
    try:
        return _looked_up(cursor, [look])[0]
    except pymysql.MySQLError as error:
        if is_lost(error):
            raise
        return None


def _looked_up(cursor: pymysql.cursors.Cursor, looks: list[tuple[Table, str, Table]]) -> list[Match | None]:
    cursor.execute(" UNION ALL ".join(_lookup(n, *look) for n, look in enumerate(looks)))
    by_number = {int(n): Match(int(values), int(there)) for n, values, there in cursor.fetchall()}
    return [by_number.get(n) for n in range(len(looks))]


def _lookup(n: int, table: Table, column: str, other: Table) -> str:
    order = ", ".join(f"{quoted(name)} DESC" for name in table.primary_key)
    newest = (
        f"SELECT {quoted(column)} v FROM {quoted(table.origin)}{f' ORDER BY {order}' if order else ''} LIMIT {LOOKED_AT}"
    )
    number = "int" in table.column(column).parsed.base
    some = "v > 0" if number else "v <> ''"
    return (
        f"(SELECT {n}, COUNT(*), COUNT(k.{quoted(other.primary_key[0])}) FROM"
        f" (SELECT DISTINCT v FROM ({newest}) r WHERE {some}) s"
        f" LEFT JOIN {quoted(other.name)} k ON k.{quoted(other.primary_key[0])} = s.v)"
    )
