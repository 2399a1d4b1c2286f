"""Views that cannot be made over the tables that come: they go aside, and read on what they did.

Nothing of theirs is lost, neither rights nor comments: a view is never dropped for it, but moved to another schema with all
views that it needs. A view that is needed and can be made is made anew in its place too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg

from bulketl.postgres.ddl import batch, name
from bulketl.postgres.server import Connection
from bulketl.postgres.write.freenames import free
from bulketl.postgres.write.publish import created


class Spared(NamedTuple):
    """A view that went aside: its place, and where it is now, both quoted; why, in Postgres' words.

    `again`: its definition of before is in its place.
    """

    view: str
    now: str
    why: str
    again: bool


def placed(view: Mapping[str, Any]) -> str:
    """Return the place of a view or table, quoted."""
    return name(view["schema"], view["name"])


def dropping(views: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the statements that drop views, which come in the order in which they can be made."""
    return [f"DROP VIEW {placed(view)}" for view in reversed(views)]


def set_aside(
    connection: Connection, views: Sequence[dict[str, Any]], moves: Sequence[str], spare: str, earlier: Mapping[str, str]
) -> list[Spared]:
    """Carry out the moves of tables, make the views over them that can be made, and have the others go into `spare`."""
    wrong, made = _tried(connection, views, moves, earlier)
    needed = _below(connection, [*wrong])
    going = [view for view in views if placed(view) in {*wrong, *needed}]
    connection.execute(batch([*dropping([view for view in views if view not in going]), *moves]).encode())
    schemas = {spare, *(view["schema"] for view in going)}
    taken = {relation for (relation,) in connection.execute(
        "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = ANY(%s)",
        (sorted(schemas),))}  # fmt: skip
    there = {relation for (relation,) in connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)", (name(spare),))}  # fmt: skip
    done, now = [], {}
    for view in going:
        called = free(view["name"], taken) if view["name"] in there else view["name"]
        if called != view["name"]:
            done.append(f"ALTER VIEW {placed(view)} RENAME TO {name(called)}")
        done.append(f"ALTER VIEW {name(view['schema'], called)} SET SCHEMA {name(spare)}")
        taken.add(called)
        there.add(called)
        now[placed(view)] = name(spare, called)
    done += [text for view in made for text in created(view)]
    connection.execute(batch(done).encode())
    again = {placed(view) for view in made}
    return [Spared(view, now[view], why, view in again) for view, why in wrong.items()]


def _tried(
    connection: Connection, views: Sequence[dict[str, Any]], moves: Sequence[str], earlier: Mapping[str, str]
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return why views cannot be made as they are, and the views to make; nothing stays of what is tried."""
    wrong: dict[str, str] = {}
    made = []
    with connection.transaction(force_rollback=True):
        connection.execute(batch([*dropping(views), *moves]).encode())
        for view in views:
            before = earlier.get(placed(view), view["definition"])
            for one in (view, *([{**view, "definition": before}] if before != view["definition"] else [])):
                try:
                    with connection.transaction():
                        connection.execute(batch(created(one)).encode())
                except psycopg.Error as error:
                    if connection.closed or isinstance(error, psycopg.errors.QueryCanceled):
                        raise
                    wrong.setdefault(placed(view), str(error.diag.message_primary or ""))
                else:
                    made.append(one)
                    break
    return wrong, made


def _below(connection: Connection, views: Sequence[str]) -> set[str]:
    """Return the views that these read, by way of others too, by their quoted places."""
    found = connection.execute(
        "WITH RECURSIVE below AS (SELECT unnest(%s::regclass[])::oid AS oid UNION"
        "  SELECT v.oid FROM below b JOIN pg_rewrite r ON r.ev_class = b.oid JOIN pg_depend d"
        "  ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass"
        "  JOIN pg_class v ON v.oid = d.refobjid AND v.relkind = 'v')"
        " SELECT n.nspname, c.relname FROM below JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace",
        (list(views),),
    )
    return {name(schema, view) for schema, view in found}
