"""Views that stand on tables of an older pipeline, over these tables and over bulketl's: the same definition twice.

A definition is never rewritten as text. Postgres prints it with the names of the tables, and of the views below, without
their schema; it is made again as a temporary view where temporary views have these names, each over the table of one side.
What the new view depends on, by Postgres' own record, proves that every name was taken so. All of it is rolled back.
"""

from __future__ import annotations

import graphlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import psycopg

from bulketl.postgres.ddl import columns, name
from bulketl.postgres.server import LEDGER, STAGING, Connection

LIMIT_SECONDS = 600  # for a query of a view, which is somebody else's
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")

# Views with the tables and views that each reads; only those above one of the tables are asked for.
_STANDING = f"""
WITH RECURSIVE edges AS (
    SELECT DISTINCT v.oid AS view, d.refobjid AS below FROM pg_class v JOIN pg_rewrite r ON r.ev_class = v.oid
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
        AND d.refobjid <> v.oid
    WHERE v.relkind IN ('v', 'm') AND r.rulename = '_RETURN'
), above AS (
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = ANY(%(tables)s) AND c.relkind IN ('r', 'p')
  UNION SELECT e.view FROM edges e JOIN above a ON a.oid = e.below
)
SELECT v.oid::bigint, n.nspname, v.relname, array_agg(e.below::bigint),
    array_agg(b.relname::text) FILTER (WHERE b.relkind IN ('r', 'p') AND m.nspname = %(schema)s
        AND b.relname = ANY(%(tables)s))
FROM above a JOIN pg_class v ON v.oid = a.oid AND v.relkind IN ('v', 'm') JOIN pg_namespace n ON n.oid = v.relnamespace
JOIN edges e ON e.view = v.oid JOIN pg_class b ON b.oid = e.below JOIN pg_namespace m ON m.oid = b.relnamespace
WHERE n.nspname NOT IN (%(shadow)s, '{LEDGER}', '{STAGING}') AND n.nspname !~ '^pg_(toast_)?temp' GROUP BY 1, 2, 3"""
# What a view that was made reads that it should not: the old tables, and views above them, under their own names.
_LEFT = """
SELECT format('%%I.%%I', n.nspname, b.relname) FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass
    AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
JOIN pg_class b ON b.oid = d.refobjid JOIN pg_namespace n ON n.oid = b.relnamespace
WHERE r.ev_class = %s::regclass AND b.oid = ANY(%s::oid[]) ORDER BY 1 LIMIT 1"""


class View(NamedTuple):
    """A view, and the tables of the older pipeline, and other views above such, that it reads itself."""

    oid: int
    schema: str
    view: str
    tables: tuple[str, ...]
    below: tuple[int, ...]

    @property
    def place(self) -> str:
        """Its name with its schema, quoted."""
        return name(self.schema, self.view)


def reading(views: Sequence[View]) -> dict[str, list[str]]:
    """Return the tables that each view reads, by way of others too; the views come after those that they read."""
    found: dict[int, dict[str, None]] = {}
    for view in views:
        below = (table for oid in view.below for table in found.get(oid, ()))
        found[view.oid] = dict.fromkeys((*view.tables, *below))
    return {view.place: list(found[view.oid]) for view in views}


class Figures(NamedTuple):
    """A view's rows, and the sum of each column of numbers; or why there are none. `refused`: Postgres does not make it."""

    rows: int | None = None
    sums: Mapping[str, str | None] = MappingProxyType({})
    problem: str = ""
    public: str = ""
    refused: bool = False


def standing(connection: Connection, schema: str, shadow: str, tables: Sequence[str]) -> list[View]:
    """Return the views that stand on these tables of a schema, also by way of others; each after those it reads."""
    asked = {"schema": schema, "shadow": shadow, "tables": list(tables)}
    found = {row[0]: View(row[0], row[1], row[2], tuple(row[4] or ()), tuple(row[3])) for row in
             connection.execute(_STANDING.encode(), asked)}  # fmt: skip
    order = graphlib.TopologicalSorter({oid: [b for b in view.below if b in found] for oid, view in sorted(found.items())})
    return [found[oid] for oid in order.static_order()]


def both(
    connection: Connection, schema: str, views: Sequence[View], sides: Sequence[Mapping[str, str]]
) -> list[tuple[Figures, ...]]:
    """Return the figures of each view over each side, of one moment; `schema`: of the tables that the views read.

    `sides`: by table, the SELECT that stands for it.
    """
    with connection.transaction(force_rollback=True):
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute(f"SET LOCAL statement_timeout = '{LIMIT_SECONDS}s'")
        connection.execute("SET LOCAL lock_timeout = '10s'")
        return list(zip(*(_over(connection, schema, views, side) for side in sides), strict=True))


def unmade(connection: Connection, schema: str, views: Sequence[View], places: Mapping[str, str]) -> dict[str, str] | None:
    """Return why views cannot be made over other tables, by their quoted names; nothing is locked, and nothing stays.

    `places`: by table of the schema that the views read, the quoted name of the one in its place. What cannot be tried so
    is left out: only an exchange tells. None where this user may make no temporary tables, or a lock is not had.
    """
    try:
        return _unmade(connection, schema, views, places)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.LockNotAvailable):
        return None


def _unmade(connection: Connection, schema: str, views: Sequence[View], places: Mapping[str, str]) -> dict[str, str]:
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL lock_timeout = '10s'")
        making = {table: f"TABLE {name(table)} (LIKE {place} INCLUDING INDEXES)" for table, place in places.items()}
        found: dict[int, str] = {}
        for view, one in zip(views, _all_made(connection, schema, views, making), strict=True):
            if one.refused:
                found[view.oid] = one.problem
            elif below := [other.place for other in views if other.oid in view.below and other.oid in found]:
                found[view.oid] = f"it reads {below[0]}, which cannot be made"
        return {view.place: found[view.oid] for view in views if view.oid in found}


def _over(connection: Connection, schema: str, views: Sequence[View], side: Mapping[str, str]) -> list[Figures]:
    with connection.transaction(force_rollback=True):
        making = {table: f"VIEW {name(table)} AS {select_}" for table, select_ in side.items()}
        made = _all_made(connection, schema, views, making)
        connection.execute("SET TRANSACTION READ ONLY")
        return [one if one.problem else _figures(connection, view) for view, one in zip(views, made, strict=True)]


def _all_made(connection: Connection, schema: str, views: Sequence[View], making: Mapping[str, str]) -> list[Figures]:
    """Make views as temporary ones; `making`: what is made, temporary too, for the tables that they read."""
    path = columns(dict.fromkeys((schema, *(view.schema for view in views))))
    connection.execute(f"SET LOCAL search_path = {path}".encode())
    texts = [connection.execute("SELECT pg_get_viewdef(%s::oid)", (view.oid,)).fetchall()[0][0] for view in views]
    oids = [view.oid for view in views]
    for table in sorted({table for view in views for table in view.tables}):
        connection.execute(f"CREATE TEMPORARY {making[table]}".encode())
        oids += [oid for (oid,) in connection.execute(
            "SELECT to_regclass(%s)::oid::bigint", (name(schema, table),))]  # fmt: skip
    return [_made(connection, view, text, oids) for view, text in zip(views, texts, strict=True)]


def _made(connection: Connection, view: View, text: str, oids: Sequence[int]) -> Figures:
    """Make a view as a temporary one; return why it cannot be, no problem when it is."""
    place = name("pg_temp", view.view)
    try:
        with connection.transaction():
            if connection.execute("SELECT to_regclass(%s) IS NOT NULL", (place,)).fetchone() == (True,):
                return _cannot("another one of these views or tables has its name")
            connection.execute(f"CREATE TEMPORARY VIEW {name(view.view)} AS {text.rstrip().rstrip(';')}".encode())
            if left := connection.execute(_LEFT.encode(), (place, list(oids))).fetchall():
                connection.execute(f"DROP VIEW {place}".encode())
                return _cannot(f"it still reads {left[0][0]}, under a name that no other table can have here")
    except psycopg.Error as error:
        found = _cannot(_said(error), "Postgres refuses its definition over these tables")
        return found._replace(refused=not isinstance(error, psycopg.OperationalError))
    return Figures()


def _figures(connection: Connection, view: View) -> Figures:
    place = name("pg_temp", view.view)
    kinds = connection.execute(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " ORDER BY attnum", (place,),
    ).fetchall()  # fmt: skip
    numbers = [column for column, kind in kinds if kind in _NUMBERS][:1_000]
    sums = [f"round(sum({name(column)}::numeric), 6)::text" for column in numbers]
    try:
        with connection.transaction():
            found = connection.execute(f"SELECT {', '.join(['count(*)', *sums])} FROM {place}".encode()).fetchall()
    except psycopg.errors.QueryCanceled:
        return _cannot(f"its query took longer than {LIMIT_SECONDS // 60} minutes")
    except psycopg.Error as error:
        return _cannot(_said(error), "its query fails")
    rows, *totals = found[0]
    return Figures(rows, dict(zip(numbers, totals, strict=True)))


def _cannot(why: str, public: str = "") -> Figures:
    return Figures(problem=why, public=public or why)


def _said(error: psycopg.Error) -> str:
    return str(error.diag.message_primary or error).strip()


def select(place: str, names: Sequence[str], condition: str) -> str:
    """Return the SELECT that stands for a table: these columns, of rows for which a condition holds."""
    return f"SELECT {columns(names)} FROM {place} WHERE {condition}"
