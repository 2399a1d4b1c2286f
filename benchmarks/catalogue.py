"""Whole databases: the catalogue of a practice, built by the script beside the checkout; and tables compared by sums."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import psycopg
from psycopg import sql

from bulketl.mysql.discover import read_catalog
from bulketl.mysql.server import MySQL
from bulketl.tables.casts import quoted
from bulketl.tables.catalog import Column, Table
from bulketl.tables.types import parse_type

BUILDER = Path(__file__).resolve().parents[2] / "shared" / "opendental" / "build_source.py"
ENGINES = ("InnoDB", "MyISAM")
CLOSE = 1e-9  # sums of doubles depend on the order of the rows

_WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year", "decimal"})
_FLOATING = frozenset({"float", "double"})


def build(port: int, database: str, engine: str, scale: float, folder: Path) -> None:
    """Build the catalogue in a server on this machine; raise RuntimeError when the script fails."""
    done = subprocess.run(
        [
            sys.executable, str(BUILDER), "--port", str(port), "--database", database, "--scale", str(scale),
            "--engine", engine, "--manifest", str(folder / f"{database}.json"),
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{BUILDER} failed: {done.stderr[-1000:]}")


@dataclass(slots=True)
class Comparison:
    """What was compared of a database on both sides, and what was different."""

    tables: int = 0
    rows: int = 0
    sums: int = 0
    different: list[str] = field(default_factory=list)


def compare(source: str, target: str, schema: str, without: Collection[str] = ()) -> Comparison:
    """Compare the count of every table but those, and the sum of every column of numbers, in the source and the schema."""
    result = Comparison()
    mysql = MySQL(source)
    catalog = read_catalog(mysql)
    with mysql.connect() as cursor, psycopg.connect(target) as connection:
        present = {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,))}
        for table in (table for table in catalog if table.name not in without):
            result.tables += 1
            if table.name not in present:
                result.different.append(f"{table.name}: not in {schema}")
                continue
            columns = [column for column in table.columns if parse_type(column.type).base in _WHOLE | _FLOATING]
            sums = [f"SUM({quoted(column.name)})" for column in columns]
            cursor.execute(f"SELECT {', '.join(['COUNT(*)', *sums])} FROM {quoted(table.name)}")
            theirs = cursor.fetchone() or ()
            ours = connection.execute(_sums(schema, table, columns)).fetchone() or ()
            result.rows += int(theirs[0])
            result.sums += len(columns)
            names = ["rows", *(column.name for column in columns)]
            for name, there, here in zip(names, theirs, ours, strict=True):
                if not same(there, here):
                    result.different.append(f"{table.name}.{name}: {there} in the source, {here} in {schema}")
    return result


def same(there: object, here: object) -> bool:
    """Tell whether two sums are equal; sums of doubles may differ in the last digits."""
    if isinstance(there, float) and isinstance(here, float):
        return math.isclose(there, here, rel_tol=CLOSE, abs_tol=CLOSE)
    return (there is None) == (here is None) and Decimal(str(there or 0)) == Decimal(str(here or 0))


def _sums(schema: str, table: Table, columns: list[Column]) -> sql.Composed:
    # A float's sum is a double in MySQL, and would be a real in Postgres.
    parts = [
        sql.SQL("sum({}{})").format(
            sql.Identifier(column.name), sql.SQL("::float8" if parse_type(column.type).base in _FLOATING else "::numeric")
        )
        for column in columns
    ]
    return sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join([sql.SQL("count(*)"), *parts]), sql.Identifier(schema, table.name)
    )
