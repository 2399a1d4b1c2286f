"""The source's side of a history: rows and sums per month of a date column, one query per table."""

from __future__ import annotations

from collections.abc import Iterable

import pymysql

from bulketl.mysql.server import MySQL, is_lost, text_of
from bulketl.rows.months import Month, MonthCount, MonthsAsked, totals
from bulketl.tables.casts import quoted


def months(source: MySQL, asked: Iterable[MonthsAsked], zone: str = "") -> dict[str, dict[Month, MonthCount] | str]:
    """Return the months of each table, or why they cannot be counted; one table after another over one connection.

    `zone`: in which TIMESTAMPs were loaded, '' for the server's. Raise SourceError when the server cannot be used.
    """
    found: dict[str, dict[Month, MonthCount] | str] = {}
    with source.connect() as cursor:
        at = ""  # the zone of the session; '' is the server's
        for item in asked:
            wanted = "+00:00" if item.utc else zone
            if wanted != at:
                cursor.execute(
                    "SET SESSION time_zone = %s" if wanted else "SET SESSION time_zone = DEFAULT", [wanted] * bool(wanted)
                )
                at = wanted
            try:
                cursor.execute(select(item))
            except pymysql.MySQLError as error:
                if is_lost(error):
                    raise
                found[item.table] = f"the source: {text_of(error)}"
                continue
            found[item.table] = {
                None if month is None else int(month): MonthCount(int(rows), int(dated), totals(item, sums))
                for month, rows, dated, *sums in cursor.fetchall()
            }
    return found


def select(item: MonthsAsked) -> str:
    """Return the query: month, rows, rows whose column is not NULL, then the sums."""
    sums = "".join(f", {here}" for _, (here, _), _ in item.sums)
    return (
        f"SELECT {item.month[0]}, COUNT(*), COUNT({item.dated[0]}){sums}"
        f" FROM {quoted(item.origin)} WHERE {item.where[0]} GROUP BY 1"
    )
