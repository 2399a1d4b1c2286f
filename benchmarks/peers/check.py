"""What a contender loaded, beside what was there: per table the rows, per column how many values and one sum of them all.

Numbers are summed as they are, dates as days, points in time as microseconds; of texts and bytes, 32 bits of each value's
SHA-256 are. So a value that was rounded, cut or lost shows. A date that is none counts as NULL, and of texts NUL bytes do
not count, as Postgres has neither. The contender's names may be cased otherwise, and its types are its own: what differs is
told, and judged by nobody here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.catalogue import same
from bulketl.mysql.discover import read_catalog
from bulketl.mysql.server import MySQL
from bulketl.tables.casts import GUARDED, cast, quoted
from bulketl.tables.catalog import Column, Table
from bulketl.tables.types import parse_type

SHOWN = 6
_WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year", "decimal"})
_FLOATING = frozenset({"float", "double"})
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})


@dataclass(slots=True)
class Sums:
    """The source's side: per table the columns that are summed, the rows, and per column values and sum."""

    tables: dict[str, tuple[list[Column], list[Any]]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(int(values[0]) for _, values in self.tables.values())


@dataclass(slots=True)
class Check:
    """What was compared, and what is otherwise: values in `different`, types that are not ours in `types`.

    `keyed`: tables that have a primary key.
    """

    tables: int = 0
    rows: int = 0
    sums: int = 0
    keyed: int = 0
    different: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """The outcome in a few words."""
        if not self.different:
            return "equal"
        more = f" and {len(self.different) - 1} more" if len(self.different) > 1 else ""
        return f"differs: {self.different[0]}{more}"


def summed(source: str) -> Sums:
    """Sum every table of a database at the source."""
    mysql = MySQL(source)
    found = Sums()
    with mysql.connect() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        for table in read_catalog(mysql):
            columns = [column for column in table.columns if _there(column)]
            parts = [text for column in columns for text in (f"COUNT({_value(column)})", _there(column))]
            cursor.execute(f"SELECT {', '.join(['COUNT(*)', *parts])} FROM {quoted(table.name)}")
            found.tables[table.name] = (columns, list(cursor.fetchone() or ()))
    return found


def checked(sums: Sums, target: str, schema: str) -> Check:
    """Compare what is in the schema with the sums of the source."""
    result = Check()
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        present = _tables(connection, schema)
        for name, (columns, values) in sums.tables.items():
            result.tables += 1
            if (there := present.get(_bare(name))) is None:
                result.different.append(f"{name}: not there")
                continue
            table, types, keyed = there
            result.keyed += keyed
            chosen = [(column, *types[_bare(column.name)]) for column in columns if _bare(column.name) in types]
            result.different += [f"{name}.{column.name}: not there" for column in columns if _bare(column.name) not in types]
            found = _row(connection, schema, table, chosen, result.different)
            result.rows += int(found[0])
            wanted = {column.name: values[n * 2 + 1 : n * 2 + 3] for n, column in enumerate(columns)}
            if int(found[0]) != int(values[0]):
                result.different.append(f"{name}: {int(found[0]):,} of {int(values[0]):,} rows")
            for n, (column, _, kind) in enumerate(chosen):
                ours = cast(column).target
                if not _alike(kind, ours):
                    result.types.append(f"{name}.{column.name} {kind}")
                count, total = found[n * 2 + 1 : n * 2 + 3]
                result.sums += 1
                if count is None:
                    continue  # told already
                if int(count) != int(wanted[column.name][0]):
                    text = f"{int(count):,} values, at the source {int(wanted[column.name][0]):,}"
                    result.different.append(f"{name}.{column.name}: {text}")
                elif not same(_plain(wanted[column.name][1]), _plain(total)):
                    result.different.append(f"{name}.{column.name}: other values")
    return result


def _plain(value: Any) -> Any:
    return Decimal(value) if isinstance(value, int) else value


def _alike(kind: str, ours: str) -> bool:
    """Tell whether a type holds what ours does: the precision of a time and the length of a text are no matter here."""
    plain = [re.sub(r"character varying|varchar", "text", re.sub(r" without time zone", "", text)) for text in (kind, ours)]
    left, right = (re.sub(r"\((\d+)\)", "", text) for text in plain)
    return left == right


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _tables(connection: psycopg.Connection[Any], schema: str) -> dict[str, tuple[str, dict[str, tuple[str, str]], bool]]:
    """Return, by bare name, each table with its columns' names and types, and whether it has a primary key."""
    rows = connection.execute(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod),"
        " EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind = 'r'",
        (schema,),
    ).fetchall()
    found: dict[str, tuple[str, dict[str, tuple[str, str]], bool]] = {}
    for table, column, kind, keyed in rows:
        found.setdefault(_bare(table), (table, {}, keyed))[1][_bare(column)] = (column, kind)
    return found


def _row(
    connection: psycopg.Connection[Any],
    schema: str,
    table: str,
    chosen: Sequence[tuple[Column, str, str]],
    different: list[str],
) -> list[Any]:
    """Return the count, then each column's count and sum; a column whose type cannot be summed is told, and has none."""
    source = sql.Identifier(schema, table)

    def ask(columns: Sequence[tuple[Column, str, str]]) -> list[Any]:
        parts = [part for column, name, kind in columns for part in _here(column, name, kind)]
        query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join([sql.SQL("count(*)"), *parts]), source)
        return list(connection.execute(query).fetchone() or ())

    try:
        return ask(chosen)
    except psycopg.Error:
        found = ask(())
        for one in chosen:
            try:
                found += ask([one])[1:]
            except psycopg.Error as error:
                reason = error.diag.message_primary or str(error)
                different.append(f"{table}.{one[1]}: {one[2]} cannot be compared with {one[0].type}: {reason}")
                found += [None, None]
        return found


def _value(column: Column) -> str:
    """Return the value of a column as Postgres can have it, as SQL for the source."""
    name, base = quoted(column.name), parse_type(column.type).base
    if base in ("date", "datetime", "timestamp"):
        return GUARDED.format(c=name)
    return f"REPLACE(CAST(CONVERT({name} USING utf8mb4) AS BINARY), X'00', '')" if base in _TEXTS else name


def _there(column: Column) -> str:
    """Return the source's sum of a column, or '' for a type that is not compared."""
    name, base = _value(column), parse_type(column.type).base
    if base in _WHOLE | _FLOATING:
        return f"SUM({name})"
    if base in ("date", "datetime", "timestamp"):
        days = f"SUM(TO_DAYS({name}))"
        return days if base == "date" else f"SUM(TIMESTAMPDIFF(MICROSECOND, '2000-01-01', {name}))"
    if base == "time":
        return f"SUM(TIME_TO_SEC({name}))"
    if base in _TEXTS | _BYTES:
        return f"SUM(CAST(CONV(LEFT(SHA2({name}, 256), 8), 16, 10) AS UNSIGNED))"
    return ""


def _here(column: Column, name: str, kind: str) -> tuple[sql.Composable, sql.Composable]:
    base = parse_type(column.type).base
    if base in _FLOATING:
        form = "sum({}::float8)"
    elif base in _WHOLE:
        form = "sum({}::int)" if kind == "boolean" else "sum({}::numeric)"
    elif base == "date":
        form = "sum(({}::date - date '0001-01-01') + 366)"
    elif base in ("datetime", "timestamp"):
        form = "sum(extract(epoch FROM {}::timestamp - timestamp '2000-01-01') * 1000000)"
    elif base == "time":
        form = "sum(extract(epoch FROM {}))" if kind != "text" else "sum(extract(epoch FROM {}::interval))"
    else:
        value = "{}" if kind == "bytea" else "convert_to({}::text, 'UTF8')"
        form = f"sum(('x' || left(encode(sha256({value}), 'hex'), 8))::bit(32)::bigint)"
    column_name = sql.Identifier(name)
    return sql.SQL("count({})").format(column_name), sql.SQL(form).format(column_name)


def keying(source: str, target: str, schema: str) -> list[str]:
    """Return the statements that give each table of the schema the primary key of its source, where it has none."""
    with psycopg.connect(target, autocommit=True) as connection:
        present = _tables(connection, schema)
    found = []
    for table in read_catalog(MySQL(source)):
        name, types, keyed = present.get(_bare(table.name), ("", {}, True))
        if table.primary_key and not keyed and all(_bare(column) in types for column in table.primary_key):
            columns = ", ".join(f'"{types[_bare(column)][0]}"' for column in table.primary_key)
            found.append(f'ALTER TABLE {schema}."{name}" ADD PRIMARY KEY ({columns});')
    return found


def created(source: str, schema: str) -> list[str]:
    """Return statements that create the schema and the tables of a database, as our casts make them, without keys."""
    tables: list[Table] = list(read_catalog(MySQL(source)))
    return [f"CREATE SCHEMA {schema}"] + [
        f'CREATE TABLE {schema}."{table.name}" ('
        + ", ".join(f'"{item.column}" {item.target}' for item in map(cast, table.columns))
        + ")"
        for table in tables
    ]
