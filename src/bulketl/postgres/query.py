"""A SELECT that a person wrote, in the target: one statement, in a read-only transaction, its time and rows bounded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import psycopg

from bulketl.config.sqltext import MOST_ANSWERED, Answer, bound
from bulketl.errors import DataError, TargetError
from bulketl.postgres.ddl import name
from bulketl.postgres.server import Postgres


def answer(target: Postgres, schema: str, select: str, values: Mapping[str, dt.date], limit: dt.timedelta) -> Answer:
    """Return what the target answers, up to MOST_ANSWERED + 1 rows; names without a schema are looked for in `schema` first.

    Raise TargetError, also after the time `limit`, and DataError for a date that Python has none for.
    """
    with target.connect() as connection:
        try:
            with connection.transaction(), connection.cursor("bulketl_check") as cursor:
                connection.execute("SET TRANSACTION READ ONLY")
                connection.execute(
                    "SELECT set_config('search_path', %s, true), set_config('statement_timeout', %s, true),"
                    " set_config('cursor_tuple_fraction', '1', true)",  # all rows are wanted, not the first ones soon
                    (f"{name(schema)}, public", str(int(limit.total_seconds() * 1000))),
                )
                cursor.execute(bound(select, "postgres").encode(), dict(values))
                rows = cursor.fetchmany(MOST_ANSWERED + 1)
                return Answer(tuple(column.name for column in cursor.description or ()), rows)
        except psycopg.errors.QueryCanceled as error:
            raise TargetError(
                f"{target.identity}: {str(error).strip()}: it took longer than {limit.total_seconds():g} s",
                hint="raise its time_limit, or compare by a column that has an index in the target",
                said=str(error).strip(),
                code=f"SQLSTATE {error.sqlstate}",
            ) from None
        except psycopg.DataError as error:
            if error.sqlstate is not None:
                raise
            raise DataError(
                f"{target.identity}: {str(error).strip()}",
                hint="Python has dates from the year 1 to 9999: leave others out, or make them text with to_char",
                said=str(error).strip(),
            ) from None
