"""Foreign keys that bulketl keeps for those of the source: taken away before tables are written, and put back afterwards.

Meanwhile no order of tables matters, and no load fails for a row whose parent comes later. One that rows do not satisfy is
put back as NOT VALID: nothing that is there breaks it for Postgres, and how many rows point to nothing is said.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import psycopg

from bulketl.postgres.ddl import columns, name, value
from bulketl.postgres.joins import by_hash
from bulketl.postgres.server import Connection
from bulketl.tables.printable import count_of
from bulketl.tables.secondary import NOTE, Reference

_OURS = f"k.contype = 'f' AND obj_description(k.oid, 'pg_constraint') ~ '{NOTE}'"
_FOUND = f"""
SELECT n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint'), k.convalidated
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class o ON o.oid = k.confrelid JOIN pg_namespace m ON m.oid = o.relnamespace
WHERE {_OURS} AND (n.nspname = %(schema)s AND (%(all)s OR c.relname = ANY(%(tables)s))
    OR m.nspname = %(schema)s AND o.relname = ANY(%(tables)s)) ORDER BY 1, 2, 3"""
WAIT = "60s"  # for a table's lock: a query that runs longer has its foreign keys stay


class Tied(NamedTuple):
    """A foreign key that bulketl keeps, as the target has it."""

    schema: str
    table: str
    name: str
    definition: str
    note: str
    valid: bool


def found(connection: Connection, schema: str, tables: Collection[str], *, every: bool = False) -> list[Tied]:
    """Return the foreign keys that bulketl keeps of these tables and to them; with `every`, all of the schema."""
    given = {"schema": schema, "tables": list(tables), "all": every}
    return [Tied(*row) for row in connection.execute(_FOUND.encode(), given)]


def loosening(tied: Tied) -> str:
    """Return the statement that takes a foreign key away."""
    return f"ALTER TABLE IF EXISTS {name(tied.schema, tied.table)} DROP CONSTRAINT IF EXISTS {name(tied.name)}"


def tying(schema: str, reference: Reference) -> list[str]:
    """Return the statements that give a table a foreign key: added NOT VALID, which reads no row; noted; validated."""
    table, parent = name(schema, reference.table), name(schema, reference.parent)
    definition = f"FOREIGN KEY ({columns(reference.columns)}) REFERENCES {parent} ({columns(reference.keys)})"
    return [*_adding(table, reference.name, definition, reference.note), _validating(table, reference.name)]


def _adding(table: str, constraint: str, definition: str, note: str) -> list[str]:
    return [
        f"ALTER TABLE {table} ADD CONSTRAINT {name(constraint)} {definition} NOT VALID",
        f"COMMENT ON CONSTRAINT {name(constraint)} ON {table} IS {value(note)}",
    ]


def _validating(table: str, constraint: str) -> str:
    return f"ALTER TABLE {table} VALIDATE CONSTRAINT {name(constraint)}"


def loosen(connection: Connection, tied: Tied) -> str:
    """Take a foreign key away; return why it could not be, '' when it is gone. Its two tables are locked for a moment."""
    return _tried(connection, [loosening(tied)])


def tie_again(connection: Connection, tied: Tied) -> str:
    """Put a foreign key back that was taken away, if its table is there still; return why it could not be."""
    table = name(tied.schema, tied.table)
    there = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    if there != (True,):
        return ""
    why = _tried(connection, _adding(table, tied.name, tied.definition.removesuffix(" NOT VALID"), tied.note))
    if why or not tied.valid:
        return why
    return _tried(connection, [_validating(table, tied.name)])


def tie(connection: Connection, schema: str, reference: Reference) -> str:
    """Give a table a foreign key, and have Postgres look at every row; return why it is not there, or not valid.

    Adding it and validating it are a transaction each: the second lets others read and write.
    """
    *adding, validating = tying(schema, reference)
    if why := _tried(connection, adding):
        return f"not there: {why}"
    if not (why := _tried(connection, [validating])):
        return ""
    orphans = _orphans(connection, name(schema, reference.table), name(schema, reference.parent), reference)
    return f"not valid: {count_of(orphans, 'row', 'points')} to nothing" if orphans else f"not valid: {why}"


def _tried(connection: Connection, statements: Sequence[str]) -> str:
    """Carry out statements in one transaction; return why that failed, without a word of a row."""
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{WAIT}'".encode())
            for statement in statements:
                connection.execute(statement.encode())
    except psycopg.OperationalError as error:
        if connection.closed:
            raise
        return _REASONS.get(error.sqlstate or "", f"SQLSTATE {error.sqlstate}")
    except psycopg.Error as error:
        return _REASONS.get(error.sqlstate or "", f"SQLSTATE {error.sqlstate}")
    return ""


_REASONS = {
    "23503": "rows point to nothing",
    "42830": "no unique index of the parent keeps the columns that it points to",
    "42804": "its columns have other types than those that it points to",
    "42710": "the table has another constraint of that name",
    "42703": "a column of it is not there",
    "42P01": "a table of it is not there",
    "42501": "a table of it belongs to another user",
    "55P03": f"somebody's query held a lock for more than {WAIT}",
}


def _orphans(connection: Connection, table: str, parent: str, reference: Reference) -> int:
    """Return how many rows point to nothing; 0 when nobody could count them."""
    pairs = [(name(one), name(other)) for one, other in zip(reference.columns, reference.keys, strict=True)]
    full = " AND ".join(f"c.{one} IS NOT NULL" for one, _ in pairs)
    same = " AND ".join(f"p.{other} = c.{one}" for one, other in pairs)
    counting = f"SELECT count(*) FROM {table} c WHERE {full} AND NOT EXISTS (SELECT FROM {parent} p WHERE {same})"
    try:
        with by_hash(connection):
            ((count,),) = connection.execute(counting.encode()).fetchall()
    except psycopg.Error:
        if connection.closed:
            raise
        return 0
    return int(count)
