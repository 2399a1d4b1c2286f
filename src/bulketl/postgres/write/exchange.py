"""Tables that take the place of others in one transaction, which whoever reads them never sees half done.

What hangs on the old table and can be carried is carried to the new one: plain views over any depth, grants of the table and
of its columns, comments, owner, storage options. Afterwards it is read back and compared, and a difference fails the
transaction. The old table moves to another schema as it is. A table that cannot be moved gets the rows of the other one.

Locks are asked for in one statement that has to end before Postgres looks for a deadlock, so that a reader is never the one
that is ended: views first, from the highest to the lowest, then tables by name, as readers take them.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg

from bulketl.errors import DataError, TargetError
from bulketl.postgres.ddl import batch, columns, name, own_rows, value
from bulketl.postgres.server import Connection
from bulketl.postgres.write.publish import carried_by, created, described
from bulketl.tables.printable import count_of

LOCK_MS = 400  # for all locks together: less than deadlock_timeout, which nobody sets below a second
TRIES = 40
PAUSE = 0.25  # seconds between two of them, in which readers go on
MOST_PAUSE = 2.0
_AGAIN = (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A table that comes into a schema from another, `source`, and where the one that was there goes, `aside`.

    `named`: its name there, where it is another. `coming` and `leaving` are oids, 0 for none; `columns`: those of the table
    that comes. Where none comes, views stay on the table that leaves.
    """

    table: str
    source: str
    coming: int
    aside: str
    leaving: int
    columns: tuple[str, ...]
    named: str = ""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What an exchange came to: how long others waited, how many views were made again, how often locks were asked for."""

    seconds: float
    views: int
    tries: int


def exchange(connection: Connection, schema: str, changes: Sequence[Exchange]) -> Exchanged:
    """Carry out the exchanges inside the transaction that is open; raise TargetError, and nothing was changed by them.

    Locks are not waited for longer than LOCK_MS at a time; between two tries everybody else goes on.
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
                _changed(connection, schema, changes, before)
                _compare(before, _carried(connection, old), changes)
        except _AGAIN as error:
            if tries >= TRIES:
                raise _busy(connection, [*old, *(name(one.source, one.table) for one in changes if one.coming)]) from error
        else:
            return Exchanged(time.monotonic() - began, sum(thing["definition"] is not None for thing in before), tries)
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


def _changed(connection: Connection, schema: str, changes: Sequence[Exchange], before: Sequence[dict[str, Any]]) -> None:
    views = [thing for thing in before if thing["definition"] is not None]
    tables = {thing["name"]: thing for thing in before if thing["definition"] is None}
    done = [f"DROP VIEW {name(view['schema'], view['name'])}" for view in reversed(views)]
    for one in changes:
        if one.leaving:
            done.append(f"ALTER TABLE {name(schema, one.table)} SET SCHEMA {name(one.aside)}")
        if one.coming:
            done.append(f"ALTER TABLE {name(one.source, one.table)} SET SCHEMA {name(schema)}")
        if one.coming and one.leaving:
            done += _described(tables[one.table], {*one.columns})
    made = {created(view)[0]: view for view in views}
    done += [statement for view in views for statement in created(view)]
    try:
        connection.execute(batch(done).encode())
    except (psycopg.ProgrammingError, psycopg.errors.FeatureNotSupported) as error:
        view = made.get(error.diag.internal_query or "")
        if view is None:
            raise
        at = name(view["schema"], view["name"])
        raise TargetError(
            f"view {at} cannot be made over the table that comes: {error.diag.message_primary}",
            hint=f"nothing was changed; drop view {at}, or alter it so that it takes either table, and try again",
            said=str(error.diag.message_primary or ""),
        ) from error


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


def refill(connection: Connection, schema: str, one: Exchange, key: Sequence[str], *, partitioned: bool) -> None:
    """Give a table that stays the rows of another, inside the transaction that is open; readers see the old until its end.

    With a key that both have only what differs is written, so that foreign keys to rows that stay are not in the way. Raise
    DataError when rows of other tables would go or change with those that it loses, or when it does not take the rows.
    """
    at, new = own_rows(schema, one.table, partitioned), f"ONLY {name(one.source, one.named or one.table)}"
    names = columns(one.columns)
    connection.execute(f"LOCK TABLE {at} IN SHARE ROW EXCLUSIVE MODE".encode())
    same = " AND ".join(f"t.{name(column)} = s.{name(column)}" for column in key) or "false"
    gone = f"NOT EXISTS (SELECT FROM {new} s WHERE {same})" if key else "true"
    _unfollowed(connection, schema, one.table, at, gone)
    connection.execute(f"DELETE FROM {at} t WHERE {gone}".encode())
    rest = [column for column in one.columns if column not in key]
    if key and rest:
        sets = ", ".join(f"{name(column)} = s.{name(column)}" for column in rest)
        # As text: some types have no equality.
        old, theirs = (f"ROW({', '.join(f'{row}.{name(column)}' for column in rest)})::text" for row in "ts")
        unlike = f"{old} IS DISTINCT FROM {theirs}"
        connection.execute(f"UPDATE {at} t SET {sets} FROM {new} s WHERE {same} AND {unlike}".encode())
    missing = f"NOT EXISTS (SELECT FROM {at} t WHERE {same})" if key else "true"
    theirs = ", ".join(f"s.{name(column)}" for column in one.columns)
    connection.execute(
        f"INSERT INTO {name(schema, one.table)} ({names}) SELECT {theirs} FROM {new} s WHERE {missing}".encode()
    )
    has, given = connection.execute(
        f"SELECT (SELECT count(*) FROM {at}), (SELECT count(*) FROM {new})".encode()
    ).fetchone() or (0, 0)
    if has != given:
        raise untaken(schema, one.table, f"has {count_of(has, 'row')} after it was given {given:,}")


def untaken(schema: str, table: str, what: str) -> DataError:
    """Return the error of a table that is not what it was made."""
    return DataError(
        f"table {name(schema, table)} {what}: something alters or drops what is written to it",
        hint="nothing was changed; drop or disable the triggers and rules of the table, and give the command again",
    )


def _unfollowed(connection: Connection, schema: str, table: str, at: str, gone: str) -> None:
    """Raise DataError when foreign keys would delete or empty rows of other tables with those that a table loses."""
    following = connection.execute(
        "SELECT conname, n.nspname, c.relname, c.relkind = 'p', (SELECT array_agg(ARRAY[o.attname, t.attname]::text[])"
        "  FROM unnest(conkey, confkey) k (o, t) JOIN pg_attribute o ON (o.attrelid, o.attnum) = (conrelid, k.o)"
        "  JOIN pg_attribute t ON (t.attrelid, t.attnum) = (confrelid, k.t))"
        " FROM pg_constraint f JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE contype = 'f' AND confrelid = %s::regclass AND conrelid <> confrelid AND confdeltype IN ('c', 'n', 'd')"
        " AND conparentid = 0 ORDER BY conname",
        (name(schema, table),),
    ).fetchall()
    for constraint, where, other, partitioned, pairs in following:
        meant = " AND ".join(f"o.{name(theirs)} = t.{name(ours)}" for theirs, ours in pairs)
        rows = f"{own_rows(where, other, partitioned)} o JOIN {at} t ON {meant}"
        ((count,),) = connection.execute(f"SELECT count(*) FROM {rows} WHERE {gone}".encode()).fetchall()
        if count:
            raise DataError(
                f"table {name(where, other)} would lose {count_of(count, 'row')}, or what they refer to: its foreign key"
                f" {constraint} follows rows that {name(schema, table)} would have no longer",
                hint=f"nothing was changed; ALTER TABLE {name(where, other)} DROP CONSTRAINT {name(constraint)}, or delete"
                " these rows of it, and give the command again",
            )


class Index(NamedTuple):
    """An index as `carried_by` reads it."""

    schema: str
    name: str
    definition: str
    comment: str | None


def index_statements(index: Index, here: tuple[str, str], there: tuple[str, str]) -> list[str]:
    """Return the statements that build an index of one table on another."""
    made = []
    # Postgres quotes a name only where it has to.
    spelt = itertools.product(("", "UNIQUE "), *((part, name(part)) for part in (index.name, *here)))
    for unique, own, schema, table in spelt:
        begin = f"CREATE {unique}INDEX {own} ON {schema}.{table} "
        if index.definition.startswith(begin):
            rest = index.definition.removeprefix(begin)
            made.append(f"CREATE {unique}INDEX {name(index.name)} ON {name(*there)} {rest}")
            break
    if made and index.comment is not None:
        made.append(f"COMMENT ON INDEX {name(there[0], index.name)} IS {value(index.comment)}")
    return made


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
        f"{what} is read or written by {who}: its lock was not had in {TRIES} tries",
        hint="nothing was changed; end that session, or give the command again when it is over",
    )
