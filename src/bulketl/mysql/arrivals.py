"""How the newest rows of a table came: what only values of several columns together can tell.

Python looks at the rows and not the server, because the question (how often does a time go back where the key goes on)
needs window functions, which some servers in use lack. Only keys, times, and whether a value is NULL leave the server.
"""

from __future__ import annotations

from collections.abc import Sequence

import pymysql

from bulketl.mysql.server import MySQL, is_lost
from bulketl.tables.casts import quoted
from bulketl.tables.catalog import Table
from bulketl.tables.evidence import TIMES, Arrival, arrival, counting_key, nullable, times

LOOKED_AT = 1000  # of the newest rows
TABLES_TOGETHER = 30


def read_arrivals(source: MySQL, tables: Sequence[Table]) -> dict[str, Arrival]:
    """Look at the newest LOOKED_AT rows of each table with a counting key, a query for many tables.

    A table that cannot be read is left out, with the others of the same query.
    """
    able = [table for table in tables if counting_key(table)]
    if not able:
        return {}
    found: dict[str, Arrival] = {}
    with source.connect() as cursor:
        cursor.execute("SELECT NOW()")
        now = cursor.fetchall()[0][0]
        for some in (able[n : n + TABLES_TOGETHER] for n in range(0, len(able), TABLES_TOGETHER)):
            rows: dict[int, list[tuple[object, ...]]] = {}
            try:
                cursor.execute(" UNION ALL ".join(_newest(n, table) for n, table in enumerate(some)))
            except pymysql.MySQLError as error:
                if is_lost(error):
                    raise
                continue
            for n, key, *values in cursor.fetchall():
                rows.setdefault(int(n), []).append((int(key), *values))
            for n, newest in rows.items():
                came, edits = times(some[n])
                newest.sort(key=lambda row: -int(str(row[0])))
                empty = {c.name: [str(row[-1])[at] == "1" for row in newest] for at, c in enumerate(nullable(some[n]))}
                found[some[n].name] = arrival([c.name for c in came], [c.name for c in edits], newest, empty, now)
    return found


def _newest(n: int, table: Table) -> str:
    key = quoted(table.primary_key[0])
    came, edits = times(table)
    columns = [quoted(column.name) for column in (*came, *edits)]
    columns += ["NULL"] * (sum(TIMES) - len(columns))
    empty = [f"{quoted(column.name)} IS NULL" for column in nullable(table)]
    columns.append(f"CONCAT({', '.join(empty)})" if empty else "''")
    return f"(SELECT {n}, {key}, {', '.join(columns)} FROM {quoted(table.origin)} ORDER BY {key} DESC LIMIT {LOOKED_AT})"
