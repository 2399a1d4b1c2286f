"""The bar: the shortest program with the same three libraries, as one would write it in an afternoon.

One thread, one connection to Postgres. Each table in turn is read whole by connectorx with the same SELECT expressions,
cast in Arrow, copied into a typed table created just before, given its primary key, committed. Nothing is staged, counted,
recorded, retried or bounded in memory, and a table that exists already is an error.

`python -m benchmarks.prototype SCHEMA`, with the URIs in BULKETL_SOURCE and BULKETL_TARGET; without a schema it reads
everything and writes nothing.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import connectorx
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi

from bulketl.mysql.discover import read_catalog
from bulketl.mysql.server import MySQL
from bulketl.tables.casts import Cast, cast, parse_target, quoted
from bulketl.tables.catalog import Table

_TIME = r"^(-?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?$"


def main() -> int:
    """Load every table of the source into the schema named on the command line."""
    source = MySQL(os.environ["BULKETL_SOURCE"])
    catalog = read_catalog(source)
    if len(sys.argv) < 2:
        for table in catalog:
            read(source.connectorx_uri, table, casts_of(table))
        return 0
    schema = sys.argv[1]
    with dbapi.connect(os.environ["BULKETL_TARGET"]) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {name(schema)}")
        connection.commit()
        for table in catalog:
            load(source.connectorx_uri, connection, schema, table)
    return 0


def load(uri: str, connection: Any, schema: str, table: Table) -> None:
    """Read one table and write it; text with NUL bytes is written again without them."""
    casts = casts_of(table)
    rows = read(uri, table, casts)
    rows = pa.table({item.column: converted(rows.column(n), item) for n, item in enumerate(casts)})
    try:
        write(connection, schema, table, casts, rows)
    except dbapi.DataError as error:
        connection.rollback()
        if error.sqlstate != "22021":
            raise
        write(connection, schema, table, casts, without_nul(rows))


def casts_of(table: Table) -> list[Cast]:
    """Return the default casts of a table's columns."""
    return [cast(column) for column in table.columns]


def read(uri: str, table: Table, casts: list[Cast]) -> pa.Table:
    """Read a whole table at once."""
    reads = ", ".join(f"{item.read} AS {quoted(item.column)}" for item in casts)
    return connectorx.read_sql(uri, f"SELECT {reads} FROM {quoted(table.name)}", return_type="arrow", protocol="binary")


def write(connection: Any, schema: str, table: Table, casts: list[Cast], rows: pa.Table) -> None:
    """Create the table, copy the rows, add the key, commit."""
    target = f"{name(schema)}.{name(table.name)}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {target} ({', '.join(f'{name(item.column)} {item.target}' for item in casts)})")
        if rows.num_rows:
            cursor.adbc_ingest(table.name, rows, mode="append", db_schema_name=schema)
        if table.primary_key:
            cursor.execute(f"ALTER TABLE {target} ADD PRIMARY KEY ({', '.join(map(name, table.primary_key))})")
    connection.commit()


def converted(column: pa.ChunkedArray, item: Cast) -> pa.ChunkedArray:
    """Return a column in the Arrow type its Postgres type takes; raise for a value that does not fit."""
    kind = parse_target(item.target)
    match item.clean:
        case "":
            return column
        case "decimal":
            precision, scale = kind[1]
            decimal = pa.decimal128 if precision <= 38 else pa.decimal256
            return column.cast(decimal(precision, scale))
        case "integer":
            return column.cast(item.wire)
        case "boolean":
            return column.cast(pa.bool_())
        case "double":
            return column.cast(pa.float64())
        case "bit":
            return pc.equal(column, pa.scalar(b"\x01", pa.large_binary()))
        case "instant":
            return column.cast(pa.timestamp("us", "UTC"))
        case "duration":
            return durations(column)
        case "json":
            return pa.chunked_array([pa.ExtensionArray.from_storage(pa.json_(c.type), c) for c in column.chunks])
    raise ValueError(f"{item.column}: no conversion called {item.clean}")


def durations(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return MySQL's TIME, arrived as text, as a length of time."""
    parts = pl.col("c").str.extract_groups(_TIME).struct
    seconds = parts["2"].cast(pl.Int64) * 3600 + parts["3"].cast(pl.Int64) * 60 + parts["4"].cast(pl.Int64)
    micros = seconds * 1_000_000 + parts["5"].fill_null("0").str.pad_end(6, "0").cast(pl.Int64)
    signed = pl.when(parts["1"] == "-").then(-micros).otherwise(micros).cast(pl.Duration("us"))
    return pl.DataFrame({"c": pl.Series(values=column)}).select(c=signed).to_arrow().column(0)


def without_nul(rows: pa.Table) -> pa.Table:
    """Return the rows with NUL bytes cut out of their text."""
    for n, column in enumerate(rows.columns):
        if pa.types.is_string(column.type):
            rows = rows.set_column(n, rows.column_names[n], pc.replace_substring(column, "\0", ""))
    return rows


def name(text: str) -> str:
    """Return a Postgres identifier in quotes."""
    return '"' + text.replace('"', '""') + '"'


if __name__ == "__main__":
    sys.exit(main())
