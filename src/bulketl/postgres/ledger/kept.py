"""Tables that are kept for a rollback: `bulketl.kept`, an entry for each table whose place another one took.

An entry is open until its table came back or was dropped; how it ended stays on record.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

from bulketl.postgres.ddl import name
from bulketl.postgres.ledger.documents import as_json
from bulketl.postgres.ledger.made import exists
from bulketl.postgres.server import LEDGER, Connection

# Whether the table itself was moved away, its rows were copied because it had to stay, or there was none.
Way = Literal["moved", "copied", "none"]
TABLE = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.kept (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, schema_name text NOT NULL, table_name text NOT NULL,
    way text NOT NULL CHECK (way IN ('moved', 'copied', 'none')), place text NOT NULL, oid oid NOT NULL,
    run text NOT NULL, kept_at timestamptz NOT NULL DEFAULT clock_timestamp(), keep_until timestamptz NOT NULL,
    ended_at timestamptz, ended text, ended_by text);
CREATE UNIQUE INDEX IF NOT EXISTS kept_open ON {LEDGER}.kept (schema_name, table_name) WHERE ended_at IS NULL;
"""
VIEWS = f"ALTER TABLE {LEDGER}.kept ADD COLUMN IF NOT EXISTS views jsonb;"


class Kept(NamedTuple):
    """What is kept of a table: its way, the schema where it is, its oid, the run that put it there, and until when.

    `gone`: somebody dropped or replaced it there. `rows`: as the server estimates them, None when it does not know.
    `views`: the definitions that views over it had then, by their quoted names.
    """

    table: str
    way: Way
    place: str
    oid: int
    run: str
    at: dt.datetime
    until: dt.datetime
    gone: bool
    rows: int | None
    bytes: int
    views: dict[str, str]


def keep(connection: Connection, schema: str, kept: Collection[tuple[str, Way, int]], about: Mapping[str, object]) -> None:
    """Put on record that tables are kept; `kept`: name, way and oid of each; `about`: place, run and keep, an interval.

    The caller commits.
    """
    tables, ways, oids = zip(*kept, strict=True) if kept else ((), (), ())
    connection.execute(
        f"INSERT INTO {LEDGER}.kept (schema_name, table_name, way, place, oid, run, keep_until)"
        " SELECT %s, k.*, %s, clock_timestamp() + %s FROM ("
        "  SELECT t, w, CASE WHEN w = 'none' THEN '' ELSE %s END, o"
        "  FROM unnest(%s::text[], %s::text[], %s::oid[]) x (t, w, o) ORDER BY t) k",
        (schema, about["run"], about["keep"], about["place"], list(tables), list(ways), list(oids)),
    )


def note_views(connection: Connection, schema: str, views: Mapping[str, Mapping[str, str]]) -> None:
    """Put on record the definitions that views over kept tables had, by table and quoted name; the caller commits."""
    connection.execute(
        f"UPDATE {LEDGER}.kept k SET views = x.value FROM jsonb_each(%s::jsonb) x"
        " WHERE k.schema_name = %s AND k.table_name = x.key AND k.ended_at IS NULL",
        (as_json(connection, views), schema),
    )


def kept(connection: Connection, schema: str) -> dict[str, Kept]:
    """Return what is kept of each table of a schema for which there is a way back."""
    if not exists(connection, "kept"):
        return {}
    found = connection.execute(
        "SELECT k.table_name, k.way, k.place, k.oid::bigint, k.run, k.kept_at, k.keep_until,"
        " k.way <> 'none' AND c.oid IS NULL, NULLIF(c.reltuples, -1)::bigint, COALESCE(pg_total_relation_size(c.oid), 0),"
        " COALESCE(k.views, '{}')"
        f" FROM {LEDGER}.kept k LEFT JOIN pg_namespace n ON n.nspname = k.place"
        " LEFT JOIN pg_class c ON c.oid = k.oid AND c.relnamespace = n.oid AND c.relname = k.table_name"
        " WHERE k.schema_name = %s AND k.ended_at IS NULL ORDER BY k.table_name",
        (schema,),
    )
    return {row[0]: Kept(*row) for row in found}


def end(connection: Connection, schema: str, tables: Sequence[str], how: str, by: str) -> None:
    """Put on record how the keeping of tables ended, and by which run or person; the caller commits."""
    connection.execute(
        f"UPDATE {LEDGER}.kept SET ended_at = clock_timestamp(), ended = %s, ended_by = %s"
        " WHERE schema_name = %s AND table_name = ANY(%s) AND ended_at IS NULL",
        (how, by, schema, list(tables)),
    )


def ended(connection: Connection, schema: str) -> dict[str, tuple[str, dt.datetime]]:
    """Return how and when the last keeping of each table ended, of those that are not kept now."""
    if not exists(connection, "kept"):
        return {}
    found = connection.execute(
        f"SELECT DISTINCT ON (table_name) table_name, ended, ended_at FROM {LEDGER}.kept"
        " WHERE schema_name = %s ORDER BY table_name, seq DESC",
        (schema,),
    )
    return {table: (how, at) for table, how, at in found if at is not None}


def expired(connection: Connection, schema: str) -> list[Kept]:
    """Return the kept tables whose time is over."""
    now = dt.datetime.now(dt.UTC)
    return [one for one in kept(connection, schema).values() if one.until <= now]


def drop(connection: Connection, schema: str, one: Kept, run: str) -> None:
    """Drop a kept table, and its schema with the last of them, in one transaction.

    What the table is not any more is left alone: only its entry ends.
    """
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '1s'")
        if one.way != "none" and not one.gone:
            connection.execute(f"DROP TABLE {name(one.place, one.table)}".encode())
        end(connection, schema, [one.table], "was gone" if one.gone else "dropped", run)
    drop_empty(connection, one.place)


def drop_empty(connection: Connection, place: str) -> None:
    """Drop a schema of kept tables when nothing is left in it."""
    empty = (
        "SELECT FROM pg_namespace n WHERE nspname = %s AND pg_has_role(nspowner, 'USAGE') AND NOT EXISTS ("
        "SELECT FROM pg_depend d WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid)"
    )
    if place and connection.execute(empty, (place,)).rowcount:
        connection.execute(f"DROP SCHEMA {name(place)}".encode())


class Since(NamedTuple):
    """What loads did to a table since a moment: how many they were, and the rows that they brought, changed, removed.

    Of `unknown` loads, which replaced the table as a whole, nobody knows how many these were.
    """

    loads: int
    added: int
    edited: int
    removed: int
    unknown: int = 0


def since(connection: Connection, schema: str, tables: Sequence[str]) -> dict[str, Since]:
    """Return for each of these tables, of those that are kept, what loads have done since then to the one in its place."""
    found = connection.execute(
        "SELECT k.table_name, count(p.run), COALESCE(sum(p.inserted), 0)::bigint, COALESCE(sum(p.updated), 0)::bigint,"
        " COALESCE(sum(p.deleted), 0)::bigint, count(p.run) FILTER (WHERE p.inserted IS NULL)"
        f" FROM {LEDGER}.kept k LEFT JOIN {LEDGER}.published p"
        " ON (p.schema_name, p.table_name) = (k.schema_name, k.table_name) AND p.published_at > k.kept_at"
        " WHERE k.schema_name = %s AND k.table_name = ANY(%s) AND k.ended_at IS NULL GROUP BY 1",
        (schema, list(tables)),
    )
    return {table: Since(*rest) for table, *rest in found}
