"""A SELECT that a person wrote, at the source: one statement, in a read-only transaction, its time and rows bounded."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Mapping

import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.cursors import Cursor

from bulketl.config.sqltext import MOST_ANSWERED, Answer, bound
from bulketl.errors import SourceError
from bulketl.mysql.server import MySQL, code_of, numbered, text_of

_DATES: frozenset[object] = frozenset({FIELD_TYPE.DATE, FIELD_TYPE.NEWDATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP})
TOO_LONG = frozenset({1969, 3024})  # MariaDB, MySQL


def today(source: MySQL, zone: str = "") -> dt.date:
    """Return what day it is by the source's calendar, or in `zone`. Raise SourceError."""
    with source.connect() as cursor:
        _zone(cursor, zone)
        cursor.execute("SELECT CURDATE()")
        row = cursor.fetchone()
    found: dt.date = row[0] if row else dt.date.min
    return found


def answer(source: MySQL, select: str, values: Mapping[str, dt.date], limit: dt.timedelta, zone: str = "") -> Answer:
    """Return what the source answers, up to MOST_ANSWERED + 1 rows; a date that is none counts as NULL, as in a load.

    Raise SourceError, also after the time `limit`.
    """
    with source.connect() as cursor:
        _zone(cursor, zone)
        limit_statements(cursor, limit.total_seconds())
        cursor.execute("SET SESSION sql_select_limit = %s", (MOST_ANSWERED + 1,))
        cursor.execute("START TRANSACTION READ ONLY")
        try:
            cursor.execute(bound(select, "mysql"), dict(values))
            rows = cursor.fetchall()
        except pymysql.MySQLError as error:
            if code_of(error) not in TOO_LONG:
                raise
            raise SourceError(
                f"{source.identity}: {text_of(error)}: it took longer than {limit.total_seconds():g} s",
                hint="raise its time_limit, or compare by a column that an index begins with",
                said=text_of(error),
                code=numbered(code_of(error)),
            ) from None
        described = cursor.description or ()
        cursor.execute("ROLLBACK")
    dates = [n for n, column in enumerate(described) if column[1] in _DATES]
    columns = tuple(str(column[0]) for column in described)
    return Answer(columns, [_valid(row, dates) for row in rows] if dates else rows)


def limit_statements(cursor: Cursor, seconds: float) -> None:
    """Have the server end each statement of a session that takes longer, with an error of TOO_LONG."""
    cursor.execute("SELECT VERSION()")
    if "mariadb" in str(cursor.fetchone()).lower():
        cursor.execute("SET SESSION max_statement_time = %s", (seconds,))
    else:
        cursor.execute("SET SESSION max_execution_time = %s", (int(seconds * 1000),))


def _valid(row: tuple[object, ...], dates: list[int]) -> tuple[object, ...]:
    """Return the row with NULL for dates that are none; the driver gives them as text."""
    return tuple(None if n in dates and isinstance(item, str) and not _is_date(item) else item for n, item in enumerate(row))


def _is_date(text: str) -> bool:
    year, month, day = (int(part) for part in text[:10].split("-"))
    return 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year or 1, month)[1]


def _zone(cursor: Cursor, zone: str) -> None:
    if zone:
        cursor.execute("SET SESSION time_zone = %s", (zone,))
