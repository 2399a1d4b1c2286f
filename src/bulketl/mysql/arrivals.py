"""How the newest rows of a table came, for what is told from values of several columns at once.

The rows are counted here and not by the server, because what is asked (how often does a time go back where the key goes on)
needs window functions, which servers that are still in use do not have. Only keys and times leave the server.
"""

from __future__ import annotations

from collections.abc import Sequence

import pymysql

from bulketl.mysql.server import MySQL, is_lost
from bulketl.tables.casts import quoted
from bulketl.tables.catalog import Table
from bulketl.tables.evidence import Arrival, arrival, counting_key, times

LOOKED_AT = 1000  # of the newest rows
TABLES_TOGETHER = 30
_TIMES = 5  # columns of time, as many as `times` gives


def read_arrivals(source: MySQL, tables: Sequence[Table]) -> dict[str, Arrival]:
    """Look at the newest LOOKED_AT rows of each table with a counting key, a query for many tables.

    A table that cannot be read is left out, with the others of the same query.
    """
    able = [table for table in tables if counting_key(table)]
    if not able:
        return {}
    found: dict[str, Arrival] = {}
    with source.connect() as cursor:
        for some in (able[n : n + TABLES_TOGETHER] for n in range(0, len(able), TABLES_TOGETHER)):
            rows: dict[int, list[tuple[object, ...]]] = {}
            try:
                cursor.execute(" UNION ALL ".join(_newest(n, table) for n, table in enumerate(some)))
            except pymysql.MySQLError as error:
                if is_lost(error):
                    raise
                continue
            for n, key, *moments in cursor.fetchall():
                rows.setdefault(int(n), []).append((int(key), *moments))
            for n, newest in rows.items():
                came, edits = times(some[n])
                newest.sort(key=lambda row: -int(str(row[0])))
                found[some[n].name] = arrival([c.name for c in came], [c.name for c in edits], newest)
    return found


def _newest(n: int, table: Table) -> str:
    key = quoted(table.primary_key[0])
    came, edits = times(table)
    columns = [quoted(column.name) for column in (*came, *edits)]
    columns += ["NULL"] * (_TIMES - len(columns))
    return f"(SELECT {n}, {key}, {', '.join(columns)} FROM {quoted(table.name)} ORDER BY {key} DESC LIMIT {LOOKED_AT})"
