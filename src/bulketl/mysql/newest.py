"""The newest values of cursors at the source, if an index gives them without reading a row.

People ask for them beside the night's work, so each must cost the server nothing, and all of them together have little
time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pymysql
from pymysql.cursors import Cursor as Session

from bulketl.mysql.discover import COUNTED_TOGETHER
from bulketl.mysql.query import TOO_LONG, limit_statements
from bulketl.mysql.server import MySQL, code_of, is_lost, number_of
from bulketl.tables.casts import quoted
from bulketl.tables.cursor import is_time
from bulketl.tables.measured import Cursor

SECONDS = 2.0  # for all tables together
NO_INDEX = "no index there begins with the cursor, and no table is read for that"
TOO_SLOW = f"the source did not answer within {SECONDS:g} s"
_FIRST = """
SELECT table_name, column_name FROM information_schema.statistics
WHERE table_schema = DATABASE() AND seq_in_index = 1 AND sub_part IS NULL AND index_type = 'BTREE'"""


class Newest(NamedTuple):
    """The newest value of a cursor as the server writes it, None when there is none; or why it is `unknown`."""

    value: str | None = None
    unknown: str = ""


def read_newest(source: MySQL, cursors: Mapping[str, Cursor], zone: str = "") -> dict[str, Newest]:
    """Return the newest value of each table's cursor that does not lie in the future, within SECONDS.

    `zone` is set as the session's time zone first, unless empty. Raise SourceError when the source is not reached.
    """
    end = time.monotonic() + SECONDS
    with source.asking() as session:
        if zone:
            session.execute("SET SESSION time_zone = %s", (zone,))
        limit_statements(session, SECONDS)
        session.execute(_FIRST)
        indexed = {(str(table), str(column)) for table, column in session.fetchall()}
        wanted = [(table, cursor) for table, cursor in cursors.items() if (table, cursor.column) in indexed]
        found = dict.fromkeys(cursors, Newest(unknown=NO_INDEX)) | dict.fromkeys(dict(wanted), Newest(unknown=TOO_SLOW))
        for n in range(0, len(wanted), COUNTED_TOGETHER):
            found |= _asked(session, wanted[n : n + COUNTED_TOGETHER], end)
    return found


def _asked(session: Session, some: Sequence[tuple[str, Cursor]], end: float) -> dict[str, Newest]:
    """Return what one statement tells of some tables; where it fails, what one of each tells, until the time is over."""
    if time.monotonic() > end:
        return {}
    try:
        session.execute(" UNION ALL ".join(_asking(n, table, cursor) for n, (table, cursor) in enumerate(some)))
    except pymysql.MySQLError as error:
        if is_lost(error):
            raise
        if code_of(error) in TOO_LONG:
            return {}
        if len(some) == 1:
            return {some[0][0]: Newest(unknown=f"the source refused to say: {number_of(error)}")}
        return {table: newest for one in some for table, newest in _asked(session, [one], end).items()}
    return {some[int(n)][0]: Newest(None if value is None else str(value)) for n, value in session.fetchall()}


def _asking(n: int, table: str, cursor: Cursor) -> str:
    column = quoted(cursor.column)
    past = f" WHERE {column} <= NOW(6)" if is_time(cursor.type) else ""
    return f"SELECT {n}, CAST((SELECT MAX({column}) FROM {quoted(table)}{past}) AS CHAR)"
