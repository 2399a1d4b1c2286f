"""Polars: `read_database_uri` by connectorx, in partitions of a key where there is one, and `write_database` by ADBC."""

import os
import sys

import polars as pl
from adbc_driver_postgresql import dbapi


def main() -> None:
    """Load the tables named on the command line as TABLE:KEY."""
    source, target, schema = (os.environ[f"CONTENDER_{word}"] for word in ("SOURCE", "TARGET", "SCHEMA"))
    with dbapi.connect(target) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {schema}")
        connection.commit()
    for word in sys.argv[1:]:
        table, _, key = word.partition(":")
        rows = pl.read_database_uri(
            f"SELECT * FROM `{table}`", source, partition_on=key or None, partition_num=4 if key else None
        )
        rows.write_database(f"{schema}.{table}", target, engine="adbc", if_table_exists="replace")


if __name__ == "__main__":
    main()
