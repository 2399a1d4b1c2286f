"""Tables that take the place of others in one transaction, which whoever reads them never sees half done.

What hangs on the old table and can be carried is carried to the new one: plain views over any depth, grants of the table and
of its columns, comments, owner, storage options. Afterwards it is read back and compared, and a difference fails the
transaction. The old table moves to another schema as it is. A table that cannot be moved gets the rows of the other one.

Locks are asked for in one statement that has to end before Postgres looks for a deadlock, so that a reader is never the one
that is ended: views first, from the highest to the lowest, then tables by name, as readers take them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from bulketl.errors import TargetError
from bulketl.postgres.ddl import batch, name
from bulketl.postgres.server import Connection
from bulketl.postgres.write.freenames import Moving, Renamed, renamings, types_moved
from bulketl.postgres.write.publish import carried_by, created, described
from bulketl.postgres.write.spared import Spared, dropping, placed, set_aside

LOCK_MS = 400  # for all locks together: less than deadlock_timeout, which nobody sets below a second
TRIES = 40
PAUSE = 0.25  # seconds between two of them, in which readers go on
MOST_PAUSE = 2.0
_AGAIN = (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A table that comes into a schema from another, `source`, and where the one that was there goes, `aside`.

    `coming` and `leaving` are oids, 0 for none; `columns`: those of the table that comes. Where none comes, views stay on
    the table that leaves.
    """

    table: str
    source: str
    coming: int
    aside: str
    leaving: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What an exchange came to: how long others waited, how many views were made again, how often locks were asked for.

    `renamed`: what got another name with its table. `spared`: views that could not be made over the tables that came.
    `definitions`: of the views that there were before, by their quoted names.
    """

    seconds: float
    views: int
    tries: int
    renamed: tuple[Renamed, ...] = ()
    spared: tuple[Spared, ...] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)


def exchange(
    connection: Connection,
    schema: str,
    changes: Sequence[Exchange],
    spare: str = "",
    earlier: Mapping[str, str] | None = None,
) -> Exchanged:
    """Carry out the exchanges inside the transaction that is open; raise TargetError, and nothing was changed by them.

    Locks are not waited for longer than LOCK_MS at a time; between two tries everybody else goes on. A view that cannot be
    made over the tables that come is an error, unless there is a schema `spare` for it: it goes there then, reads what it
    did, and its definition of `earlier`, by its quoted name, takes its place where that can be made.
    """
    if not changes:
        return Exchanged(0.0, 0, 0)
    connection.execute("SET LOCAL search_path = pg_catalog")  # makes view definitions name their schemas
    old = [name(schema, one.table) for one in changes if one.leaving and one.coming]
    tries, pause = 1, PAUSE
    while True:
        before = _carried(connection, old)
        began = time.monotonic()
        try:
            with connection.transaction():
                _lock(connection, schema, changes, before)
                if _carried(connection, old) != before:
                    raise psycopg.errors.LockNotAvailable  # a view was altered in between: look again
                renamed, spared = _changed(connection, schema, changes, before, (spare, earlier or {}))
                gone = {one.view for one in spared if not one.again}
                kept = [thing for thing in before if thing["definition"] is None or placed(thing) not in gone]
                _compare(kept, _carried(connection, old), changes)
        except _AGAIN as error:
            if tries >= TRIES:
                raise _busy(connection, [*old, *(name(one.source, one.table) for one in changes if one.coming)]) from error
        else:
            seconds, views = time.monotonic() - began, [thing for thing in kept if thing["definition"] is not None]
            definitions = {placed(view): view["definition"] for view in views}
            return Exchanged(seconds, len(views), tries, tuple(renamed), tuple(spared), definitions)
        tries += 1
        time.sleep(pause)
        pause = min(2 * pause, MOST_PAUSE)


def _carried(connection: Connection, places: Sequence[str]) -> list[dict[str, Any]]:
    if not places:
        return []
    return [json.loads(text) for (text,) in connection.execute(carried_by(places).encode())]


def _lock(connection: Connection, schema: str, changes: Sequence[Exchange], before: Sequence[dict[str, Any]]) -> None:
    """Lock every view and table, and see that each is the one that was looked at."""
    views = [thing for thing in reversed(before) if thing["definition"] is not None]
    # That the owner stays the same changes nothing, and locks a view without what is below it.
    asked = [f"ALTER VIEW {name(view['schema'], view['name'])} OWNER TO {name(view['owner'])}" for view in views]
    places = [(schema, one.table, one.leaving) for one in changes if one.leaving]
    places += [(one.source, one.table, one.coming) for one in changes if one.coming]
    tables = sorted(name(place, table) for place, table, _ in places)
    asked.append(f"LOCK TABLE {', '.join(f'ONLY {table}' for table in tables)} IN ACCESS EXCLUSIVE MODE")
    connection.execute(f"SET LOCAL statement_timeout = '{LOCK_MS}ms'")
    try:
        connection.execute(batch(asked).encode())
    except psycopg.errors.UndefinedTable as error:
        raise _altered("a table or a view", error) from error
    connection.execute("SET LOCAL statement_timeout TO DEFAULT")
    wanted = json.dumps([[name(place, table), oid] for place, table, oid in places])
    moved = connection.execute(
        "SELECT x->>0 FROM json_array_elements(%s::json) x WHERE to_regclass(x->>0)::oid IS DISTINCT FROM (x->>1)::oid",
        (wanted,),
    ).fetchone()
    if moved:
        raise _altered(f"table {moved[0]}")


def _altered(what: str, error: Exception | None = None) -> TargetError:
    said = f": {error}" if error else ""
    return TargetError(
        f"{what} was replaced in the target while its exchange was prepared{said}",
        hint="nothing was changed; give the command again",
        said=str(error or ""),
    )


def _changed(
    connection: Connection, schema: str, changes: Sequence[Exchange], before: Sequence[dict[str, Any]],
    sparing: tuple[str, Mapping[str, str]],
) -> tuple[list[Renamed], list[Spared]]:  # fmt: skip
    """Have tables and views change places; return what got another name, and which views could not come along."""
    views = [thing for thing in before if thing["definition"] is not None]
    tables = {thing["name"]: thing for thing in before if thing["definition"] is None}
    going = moves_of(schema, changes)
    renamed = renamings(connection, going)
    moves = [one.statement for one in renamed]
    moves += [f"ALTER TABLE {name(one.source, one.table)} SET SCHEMA {name(one.into)}" for one in going]
    moves += types_moved(connection, going, renamed)
    for change in changes:
        if change.coming and change.leaving:
            moves += _described(tables[change.table], {*change.columns})
    spare, earlier = sparing
    try:
        with connection.transaction():
            connection.execute(
                batch([*dropping(views), *moves, *(text for view in views for text in created(view))]).encode()
            )
    except (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject) as error:
        raise _named_twice(error) from error
    except (psycopg.ProgrammingError, psycopg.errors.FeatureNotSupported) as error:
        view = {created(view)[0]: view for view in views}.get(error.diag.internal_query or "")
        if view is None:
            raise
        if not spare:
            raise _unmade(placed(view), str(error.diag.message_primary or "")) from error
        return renamed, set_aside(connection, views, moves, spare, earlier)
    return renamed, []


def moves_of(schema: str, changes: Sequence[Exchange]) -> list[Moving]:
    """Return which tables go from where to where: all that leave first, for those that come may need their names."""
    leaving = [Moving(one.table, one.leaving, schema, one.aside) for one in changes if one.leaving]
    return leaving + [Moving(one.table, one.coming, one.source, schema) for one in changes if one.coming]


def _unmade(view: str, why: str) -> TargetError:
    return TargetError(
        f"view {view} cannot be made over the table that comes: {why}",
        hint=f"nothing was changed; {unfit(view)}",
        said=why,
    )


def unfit(view: str) -> str:
    """Return what to do about a view that cannot be made over the table that comes."""
    return f"drop view {view}, or alter it so that it takes either table, and try again"


def _named_twice(error: psycopg.Error) -> TargetError:
    return TargetError(
        f"a name that goes with a table is taken where the table goes: {error.diag.message_primary}",
        hint="nothing was changed; rename what has that name there, and give the command again",
        said=str(error.diag.message_primary or ""),
    )


def _described(old: dict[str, Any], kept: set[str]) -> list[str]:
    """Return the statements that say of the table that came what was said of the old one."""
    at = name(old["schema"], old["name"])
    done = [] if old["comment"] is not None else [f"COMMENT ON TABLE {at} IS NULL"]
    done += described(old, "TABLE", kept)
    if old["options"]:
        done.append(f"ALTER TABLE {at} SET ({', '.join(old['options'])})")
    return done


def _compare(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]], changes: Sequence[Exchange]) -> None:
    """Raise TargetError when something that was said of a table or a view is not said of what has its name now."""
    there = {(thing["schema"], thing["name"]): thing for thing in after}
    kept = {one.table: {*one.columns} for one in changes}
    for thing in before:
        at, is_view = (thing["schema"], thing["name"]), thing["definition"] is not None
        columns_ = None if is_view else kept[thing["name"]]
        now = there.get(at)
        wrong = ["it is not there"] if now is None else _unlike(thing, now, columns_)
        if wrong:
            raise TargetError(
                f"{'view' if is_view else 'table'} {name(*at)} would not be as it was: {', '.join(wrong)}",
                hint="nothing was changed; this is a mistake in bulketl, report it",
            )


def _unlike(was: dict[str, Any], now: dict[str, Any], kept: set[str] | None) -> list[str]:
    def of(thing: dict[str, Any], what: str) -> set[str]:
        found = thing[what] or []
        at = {"column_grants": 3, "column_comments": 0}.get(what)
        return {json.dumps(one) for one in found if at is None or kept is None or one[at] in kept}

    wrong = [what for what in ("owner", "comment") if was[what] != now[what]]
    wrong += [what for what in ("grants", "column_grants") if of(was, what) != of(now, what)]
    wrong += [what for what in ("column_comments", "options") if not of(was, what) <= of(now, what)]
    return [what.replace("_", " of ") for what in wrong]


def _busy(connection: Connection, places: Sequence[str]) -> TargetError:
    """Return the error of locks that were not had, with who holds them."""
    found = connection.execute(
        "SELECT c.oid::regclass::text, l.pid, a.usename, a.application_name,"
        " extract(epoch FROM clock_timestamp() - a.xact_start)::bigint FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
        " JOIN pg_stat_activity a USING (pid) WHERE l.granted AND l.pid <> pg_backend_pid() AND c.oid = ANY(%s::regclass[])"
        " ORDER BY a.xact_start LIMIT 1",
        (list(places),),
    ).fetchone()
    who = (
        "others" if not found else f"{found[2]} ({found[3] or 'no application name'}, pid {found[1]}), since {found[4]:,} s"
    )
    what = f"table {found[0]}" if found else "the tables"
    return TargetError(
        f"{what} is read or written by {who}: bulketl did not get its lock in {TRIES} tries",
        hint="nothing was changed; end that session, or give the command again when it is over",
    )
