"""A stand-in for the pipeline that people come from: it goes row by row, keeps its own books, and has four known faults.

It cuts microseconds, writes '' where the source has NULL, never deletes a row, and makes booleans of tinyint(1). Where it
reads and writes stands in LEGACY_SOURCE (a URI), LEGACY_TARGET and LEGACY_SCHEMA. As a program:

    python tests/support/legacy.py --tables patient payment [--pause 0.01]

It exits with 1 when a table failed, and the others are loaded all the same. `--exit 0` has it lie about that.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import time
import urllib.parse
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import psycopg
import pymysql
from psycopg import sql

BOOKS = """
CREATE TABLE IF NOT EXISTS {0}.etl_load_status (
    id serial PRIMARY KEY, table_name varchar(255) NOT NULL UNIQUE, last_primary_value varchar(255),
    primary_column_name varchar(255), rows_loaded int DEFAULT 0, load_status varchar(50) DEFAULT 'pending',
    _loaded_at timestamp);
CREATE TABLE IF NOT EXISTS {0}.etl_pipeline_metrics (
    pipeline_id varchar(64) PRIMARY KEY, start_time timestamp, end_time timestamp, total_time double precision,
    tables_processed int, total_rows_processed int, success boolean, error_count int, status varchar(50),
    metrics_json jsonb);
CREATE TABLE IF NOT EXISTS {0}.etl_table_metrics (
    id serial PRIMARY KEY, pipeline_id varchar(64), table_name varchar(255), rows_processed int,
    processing_time double precision, success boolean, error text, timestamp timestamp);
"""
TYPES = {
    "tinyint": "smallint", "smallint": "smallint", "mediumint": "integer", "int": "integer", "bigint": "bigint",
    "float": "real", "double": "double precision", "date": "date", "time": "interval", "json": "jsonb",
}  # fmt: skip
BYTES = ("blob", "tinyblob", "mediumblob", "longblob", "binary", "varbinary")


def load(source: str, target: str, schema: str, tables: Sequence[str], pause: float = 0.0) -> dict[str, str]:
    """Load tables as the old pipeline does; return why each that failed did."""
    began, failed, total = time.monotonic(), {}, 0
    started, pipeline = dt.datetime.now(), f"pipeline_{time.time_ns()}"
    parts = urllib.parse.urlsplit(source)
    with (
        closing(
            pymysql.connect(
                host=parts.hostname or "",
                port=parts.port or 3306,
                user=urllib.parse.unquote(parts.username or "root"),
                password=urllib.parse.unquote(parts.password or ""),
                database=parts.path.lstrip("/"),
                charset="utf8mb4",
                autocommit=True,
                ssl_disabled=True,
            )
        ) as mysql,
        psycopg.connect(target, autocommit=True) as postgres,
    ):
        postgres.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(_name(schema)), ())
        for statement in BOOKS.split(";\n")[:-1]:
            postgres.execute(sql.SQL(statement).format(_name(schema)), ())
        for table in tables:
            at, rows, why = time.monotonic(), 0, ""
            try:
                rows = _copied(mysql, postgres, schema, table, pause)
            except (pymysql.MySQLError, psycopg.Error) as error:
                failed[table] = why = str(error)
            total += rows
            _noted(postgres, schema, pipeline, table, rows, why, time.monotonic() - at)
        postgres.execute(
            sql.SQL("INSERT INTO {}.etl_pipeline_metrics VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)").format(
                _name(schema)
            ),
            (pipeline, started, dt.datetime.now(), time.monotonic() - began, len(tables), total, not failed, len(failed),
             "failed" if failed else "success", json.dumps({"failed": sorted(failed)})),
        )  # fmt: skip
    return failed


def _copied(mysql: Any, postgres: Any, schema: str, table: str, pause: float) -> int:
    """Write every row of a table, one after another, over the one of its key; return how many there were."""
    with mysql.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, column_type, data_type, column_key = 'PRI' FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position",
            (table,),
        )
        columns = [(name, _text(kind), _text(base), bool(key)) for name, kind, base, key in cursor.fetchall()]
        cursor.execute(f"SELECT * FROM `{table.replace('`', '``')}`")
        found = cursor.fetchall()
    place = sql.SQL("{}.{}").format(_name(schema), _name(table))
    key = [name for name, _, _, is_key in columns if is_key]
    made = [sql.SQL("{} {}").format(_name(name), sql.SQL(_type(kind, base))) for name, kind, base, _ in columns]
    if key:
        made.append(sql.SQL("PRIMARY KEY ({})").format(sql.SQL(", ").join(map(_name, key))))
    postgres.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(place, sql.SQL(", ").join(made)), ())
    if not key:
        postgres.execute(sql.SQL("TRUNCATE {}").format(place), ())
    values = sql.SQL(", ").join([sql.Placeholder()] * len(columns))
    insert = sql.SQL("INSERT INTO {} VALUES ({})").format(place, values)
    if key:
        each = [sql.SQL("{0} = EXCLUDED.{0}").format(_name(name)) for name, *_ in columns]
        insert += sql.SQL(" ON CONFLICT ({}) DO UPDATE SET {}").format(
            sql.SQL(", ").join(map(_name, key)), sql.SQL(", ").join(each)
        )
    for row in found:
        postgres.execute(insert, [_value(v, kind, base) for v, (_, kind, base, _) in zip(row, columns, strict=True)])
        time.sleep(pause) if pause else None
    return len(found)


def _value(value: Any, kind: str, base: str) -> Any:
    if value is None:
        return "" if base in ("char", "varchar", "text", "tinytext", "mediumtext", "longtext") else None
    if isinstance(value, dt.datetime):
        return value.replace(microsecond=0)
    return bool(value) if kind == "tinyint(1)" else value


def _type(kind: str, base: str) -> str:
    if kind == "tinyint(1)":
        return "boolean"
    sizes = kind[kind.find("(") : kind.find(")") + 1] if "(" in kind else ""
    if base in ("datetime", "timestamp"):
        return f"timestamp{sizes or '(0)'}"
    if base == "decimal":
        return f"numeric{sizes}"
    if base in ("char", "varchar"):
        return f"varchar{sizes}"
    return TYPES.get(base, "bytea" if base in BYTES else "text")


def _noted(postgres: Any, schema: str, pipeline: str, table: str, rows: int, why: str, seconds: float) -> None:
    """Keep the books: the time of a table is not moved on when no row was loaded."""
    now = dt.datetime.now()
    postgres.execute(
        sql.SQL(
            "INSERT INTO {}.etl_load_status AS s (table_name, rows_loaded, load_status, _loaded_at) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (table_name) DO UPDATE SET rows_loaded = EXCLUDED.rows_loaded, load_status = EXCLUDED.load_status,"
            " _loaded_at = COALESCE(EXCLUDED._loaded_at, s._loaded_at)"
        ).format(_name(schema)),
        (table, rows, "failed" if why else "success", now if rows else None),
    )
    postgres.execute(
        sql.SQL(
            "INSERT INTO {}.etl_table_metrics (pipeline_id, table_name, rows_processed, processing_time, success, error,"
            " timestamp) VALUES (%s, %s, %s, %s, %s, %s, %s)"
        ).format(_name(schema)),
        (pipeline, table, rows, seconds, not why, why or None, now),
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _name(text: str) -> sql.Identifier:
    return sql.Identifier(text.replace("%", "%%"))  # so every statement is given with parameters, if only with none


def main() -> int:
    """Load the tables that are named; return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", nargs="*", default=[])
    parser.add_argument("--pause", type=float, default=0.0, help="seconds after each row")
    parser.add_argument("--exit", type=int, default=None, help="the exit code, whatever happened")
    asked = parser.parse_args()
    source, target, schema = (os.environ[f"LEGACY_{name}"] for name in ("SOURCE", "TARGET", "SCHEMA"))
    failed = load(source, target, schema, asked.tables, asked.pause)
    for table, why in failed.items():
        print(f"{table}: {why}", file=sys.stderr)
    return asked.exit if asked.exit is not None else int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
