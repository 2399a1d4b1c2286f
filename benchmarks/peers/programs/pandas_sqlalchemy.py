"""pandas with SQLAlchemy: `read_sql` in chunks and `to_sql` with the COPY that its documentation shows."""

import csv
import io
import os
import sys
from collections.abc import Iterable
from typing import Any

import pandas as pd
import sqlalchemy

ROWS = 50_000


def copied(table: Any, connection: Any, keys: list[str], rows: Iterable[tuple[object, ...]]) -> None:
    """Insert rows by COPY; the signature is that of `method` of `to_sql`."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    text.seek(0)
    columns = ", ".join(f'"{key}"' for key in keys)
    with connection.connection.cursor() as cursor:
        cursor.copy_expert(f'COPY {table.schema}."{table.name}" ({columns}) FROM STDIN WITH CSV', text)


def main() -> None:
    """Load the tables named on the command line as TABLE:KEY."""
    source, target, schema = (os.environ[f"CONTENDER_{word}"] for word in ("SOURCE", "TARGET", "SCHEMA"))
    reading = sqlalchemy.create_engine(source.replace("mysql:", "mysql+pymysql:", 1) + "?charset=utf8mb4")
    writing = sqlalchemy.create_engine(target.replace("postgresql:", "postgresql+psycopg2:", 1))
    with writing.begin() as connection:
        connection.execute(sqlalchemy.text(f"CREATE SCHEMA {schema}"))
    with reading.connect().execution_options(stream_results=True) as connection:
        for table in (word.partition(":")[0] for word in sys.argv[1:]):
            for rows in pd.read_sql(f"SELECT * FROM `{table}`", connection, chunksize=ROWS):
                rows.to_sql(table, writing, schema=schema, if_exists="append", index=False, method=copied)


if __name__ == "__main__":
    main()
