"""The target's side of a history: rows and sums per month of a date column, one query per table."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from bulketl.postgres.ddl import own_rows
from bulketl.postgres.inspect import partitioned
from bulketl.postgres.server import Postgres
from bulketl.rows.months import Month, MonthCount, MonthsAsked, totals


def months(target: Postgres, schema: str, asked: Iterable[MonthsAsked]) -> dict[str, dict[Month, MonthCount] | str]:
    """Return the months of each table, or why they cannot be counted; one table after another over one connection.

    Raise TargetError when the server cannot be used.
    """
    found: dict[str, dict[Month, MonthCount] | str] = {}
    with target.connect() as connection:
        whole = partitioned(connection, schema)
        for item in asked:
            try:
                rows = connection.execute(
                    select(item, own_rows(schema, item.table, item.table in whole)).encode()
                ).fetchall()
            except psycopg.Error as error:
                if connection.closed:
                    raise
                found[item.table] = f"the target: {' '.join(str(error).split())}"
                continue
            found[item.table] = {month: MonthCount(count, dated, totals(item, sums)) for month, count, dated, *sums in rows}
    return found


def select(item: MonthsAsked, rows: str) -> str:
    """Return the query, of the FROM item `rows`: month, rows, rows whose column is not NULL, then the sums."""
    sums = "".join(f", {there}" for _, (_, there), _ in item.sums)
    return f"SELECT {item.month[1]}, count(*), count({item.dated[1]}){sums} FROM {rows} WHERE {item.where[1]} GROUP BY 1"
