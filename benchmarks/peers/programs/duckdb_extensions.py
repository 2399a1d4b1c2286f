"""DuckDB with its extensions for MySQL and Postgres: one CREATE TABLE AS per table, as its documentation shows."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import duckdb


def extension(name: str) -> str:
    """Return the file of an extension, which is in a wheel of its own."""
    spec = find_spec(f"duckdb_extension_{name}_scanner")
    assert spec
    return str(
        next(file for place in spec.submodule_search_locations or () for file in Path(place).rglob("*.duckdb_extension"))
    )


def main() -> None:
    """Load the tables named on the command line as TABLE:KEY."""
    source, target, schema = (os.environ[f"CONTENDER_{word}"] for word in ("SOURCE", "TARGET", "SCHEMA"))
    parts = urlsplit(source)
    login = f"host={parts.hostname} port={parts.port} user={parts.username} database={parts.path.strip('/')}"
    login += " compression=disabled"  # it would have it, and this is no slow link
    if parts.password:
        login += f" password={parts.password}"
    with duckdb.connect() as connection:
        for name in ("mysql", "postgres"):
            connection.execute(f"LOAD '{extension(name)}'")
        connection.execute(f"ATTACH '{login}' AS source (TYPE mysql, READ_ONLY)")
        connection.execute(f"ATTACH '{target}' AS target (TYPE postgres)")
        connection.execute(f"CREATE SCHEMA target.{schema}")
        for table in (word.partition(":")[0] for word in sys.argv[1:]):
            connection.execute(f'CREATE TABLE target.{schema}."{table}" AS FROM source."{table}"')


if __name__ == "__main__":
    main()
