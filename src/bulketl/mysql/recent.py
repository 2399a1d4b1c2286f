"""How many rows came or changed lately, by a stamp with which an index begins: counted along the index, up to a limit.

A person asks for it beside the night's work, so a table that takes long is left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

import pymysql

from bulketl.mysql.query import limit_statements
from bulketl.mysql.server import MySQL, is_lost
from bulketl.tables.casts import quoted

DAYS = 7
SECONDS = 1.0  # for a table
ALL_SECONDS = 4.0  # for all of them together


class Stamped(NamedTuple):
    """A stamp to count by, and how many rows are enough to stop at."""

    table: str
    column: str
    most: int


def count_recent(source: MySQL, looks: Iterable[Stamped]) -> dict[str, int]:
    """Return how many rows of each table have a stamp of the last DAYS days; nothing of one that takes long.

    A stamp in the future, by more than a day, is not counted. Raise SourceError when the source is not reached.
    """
    found: dict[str, int] = {}
    end = time.monotonic() + ALL_SECONDS
    with source.asking() as session:
        limit_statements(session, SECONDS)
        for look in looks:
            if time.monotonic() > end:
                break
            column = quoted(look.column)
            try:
                session.execute(
                    f"SELECT COUNT(*) FROM (SELECT 1 FROM {quoted(look.table)} WHERE {column} >= NOW() - INTERVAL {DAYS} DAY"
                    f" AND {column} <= NOW() + INTERVAL 1 DAY LIMIT {look.most:d}) r"
                )
            except pymysql.MySQLError as error:
                if is_lost(error):
                    raise
                continue
            ((count,),) = session.fetchall()
            found[look.table] = int(count)
    return found
