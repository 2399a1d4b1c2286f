"""Tables that stay where they are and get the rows of others: what differs is written, and nothing else.

Tables that foreign keys join are written by one statement, for Postgres looks at those when the statement ends. In it each
table loses rows before any row is changed, and they are changed before any comes: a value that is unique may so go from one
row to another. A row that takes such a value of a row that stays is not changed but removed, and comes again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psycopg

from bulketl.errors import DataError
from bulketl.postgres.ddl import batch, columns, name, own_rows
from bulketl.postgres.joins import BY_HASH, FREE, PLANNING
from bulketl.postgres.refusals import about
from bulketl.postgres.server import Connection
from bulketl.tables.printable import count_of


@dataclass(frozen=True, slots=True)
class Refill:
    """A table that gets the rows of `source`, a schema and a table. `key`: what both have as their key, () for none."""

    table: str
    source: tuple[str, str]
    columns: tuple[str, ...]
    key: tuple[str, ...] = ()
    partitioned: bool = False

    @property
    def rows(self) -> str:
        """Its new rows, after FROM."""
        return f"ONLY {name(*self.source)}"


class Pointing(NamedTuple):
    """A foreign key that points to a table: whose it is, what it does there when a row goes, and the pairs of columns."""

    name: str
    schema: str
    table: str
    partitioned: bool
    action: str
    pairs: tuple[tuple[str, str], ...]
    to: str

    @property
    def follows(self) -> bool:
        """Whether it deletes or empties rows of its own table with those that it points to."""
        return self.action in ("c", "n", "d")


def refill(connection: Connection, schema: str, ones: Sequence[Refill]) -> None:
    """Give tables of a schema the rows of others, inside the transaction that is open; readers see the old until its end.

    Raise DataError, naming what is in the way and no value, when rows of other tables would go or change with those that
    they lose, or when a table does not take the rows.
    """
    if not ones:
        return
    places = ", ".join(own_rows(schema, one.table, one.partitioned) for one in sorted(ones, key=lambda one: one.table))
    connection.execute(f"LOCK TABLE {places} IN SHARE ROW EXCLUSIVE MODE".encode())
    pointing = pointing_to(connection, schema, [one.table for one in ones])
    taken = {one.table: one for one in ones}
    for table, words, hint in obstructed(connection, schema, taken):
        raise DataError(f"table {name(schema, table)} cannot get its new rows: {words}", hint=f"nothing was changed; {hint}")
    for group in joined(taken, schema, pointing):
        some = [taken[table] for table in group]
        parts: list[str] = []
        for n, one in enumerate(some):
            free = one.key and all(key.action == "a" for key in pointing[one.table])  # to remove rows that come again
            parts += _parts(schema, one, str(n), _uniques(connection, schema, one.table) if free else ())
        statement = f"WITH {', '.join(parts)} SELECT 1"
        try:
            with connection.transaction():
                connection.execute(batch([PLANNING, BY_HASH]).encode())
                connection.execute("SET CONSTRAINTS ALL DEFERRED")
                connection.execute(statement.encode())
                connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
                connection.execute(batch([FREE]).encode())
        except psycopg.Error as error:
            if about(error.sqlstate or "", str(error)) != "row":
                raise
            raise _refused(connection, schema, group, error) from None
        for one in some:
            _same_number(connection, schema, one)


def _same_number(connection: Connection, schema: str, one: Refill) -> None:
    at = own_rows(schema, one.table, one.partitioned)
    query = f"SELECT (SELECT count(*) FROM {at}), (SELECT count(*) FROM {one.rows})"
    has, given = connection.execute(query.encode()).fetchone() or (0, 0)
    if has != given:
        raise untaken(schema, one.table, f"has {count_of(has, 'row')} after it was given {given:,}")


def untaken(schema: str, table: str, what: str) -> DataError:
    """Return the error of a table that is not what it was made."""
    return DataError(
        f"table {name(schema, table)} {what}: something alters or drops what is written to it",
        hint="nothing was changed; drop or disable the triggers and rules of the table, and give the command again",
    )


def joined(tables: Mapping[str, object], schema: str, pointing: Mapping[str, Sequence[Pointing]]) -> list[list[str]]:
    """Return the tables in groups: foreign keys join those of a group, and none joins two groups."""
    groups = {table: {table} for table in tables}
    for table, key in ((table, key) for table, keys in pointing.items() for key in keys):
        if key.schema == schema and key.table in groups and groups[key.table] is not groups[table]:
            groups[table] |= groups[key.table]
            for one in groups[table]:
                groups[one] = groups[table]
    return sorted({frozenset(group): sorted(group) for group in groups.values()}.values())


def _among(key: Pointing, schema: str, group: Sequence[str]) -> bool:
    return key.schema == schema and key.table in group


def pointing_to(connection: Connection, schema: str, tables: Sequence[str]) -> dict[str, list[Pointing]]:
    """Return the foreign keys that point to each of these tables, those of the table itself too."""
    found = connection.execute(
        "SELECT conname, n.nspname, c.relname, c.relkind = 'p', confdeltype::text,"
        " (SELECT array_agg(ARRAY[o.attname, t.attname]::text[])"
        "  FROM unnest(conkey, confkey) k (o, t) JOIN pg_attribute o ON (o.attrelid, o.attnum) = (conrelid, k.o)"
        "  JOIN pg_attribute t ON (t.attrelid, t.attnum) = (confrelid, k.t)), x.relname"
        " FROM pg_constraint f JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_class x ON x.oid = confrelid JOIN pg_namespace xn ON xn.oid = x.relnamespace"
        " WHERE contype = 'f' AND xn.nspname = %s AND x.relname = ANY(%s) AND conparentid = 0 ORDER BY conname",
        (schema, list(tables)),
    )
    keys = [
        Pointing(key, where, table, whole, action, tuple((one, two) for one, two in pairs), to)
        for key, where, table, whole, action, pairs, to in found
    ]
    return {table: [key for key in keys if key.to == table] for table in tables}


def obstructed(connection: Connection, schema: str, refills: Mapping[str, Refill]) -> Iterator[tuple[str, str, str]]:
    """Yield the tables that foreign keys to them keep from losing or changing rows, with why and what to do."""
    pointing = pointing_to(connection, schema, list(refills))
    for group in joined(refills, schema, pointing):
        for one in (refills[table] for table in group):
            for key in pointing[one.table]:
                count = 0 if _among(key, schema, group) else _pointing(connection, schema, one, key)
                if count:
                    at = name(key.schema, key.table)
                    lost = f"table {at} would lose {count_of(count, 'row')}, or what they refer to"
                    kept = f"{count_of(count, 'row')} of table {at} would refer to nothing"
                    what = f"{lost if key.follows else kept}: its foreign key {key.name} points to rows that go"
                    way = f"ALTER TABLE {at} DROP CONSTRAINT {name(key.name)}, or delete these rows of it"
                    yield one.table, what, f"{way}, and give the command again"
            if one.key and any(key.action != "a" for key in pointing[one.table]):
                for unique in _uniques(connection, schema, one.table):
                    query = f"SELECT count(*) FROM ({_taking(schema, one, unique)}) x"
                    ((count,),) = connection.execute(query.encode()).fetchall()
                    if unique.excludes or not count:
                        continue
                    keys = ", ".join(key.name for key in pointing[one.table] if key.action != "a")
                    rows = f"{count_of(count, 'row')} would take values of others that index {unique.name} keeps unique"
                    what = f"{rows}, and rows cannot be removed for that, because of foreign keys to them: {keys}"
                    yield one.table, what, "make it a DEFERRABLE constraint, or these foreign keys ON DELETE NO ACTION"


def _pointing(connection: Connection, schema: str, one: Refill, key: Pointing) -> int:
    """Return how many rows point by a foreign key to rows that a table would lose.

    0 too where this user may not read them and the key forbids that they go: then Postgres itself refuses it.
    """
    at = own_rows(schema, one.table, one.partitioned)
    meant = " AND ".join(f"o.{name(theirs)} = t.{name(ours)}" for theirs, ours in key.pairs)
    rows = f"{own_rows(key.schema, key.table, key.partitioned)} o JOIN {at} t ON {meant}"
    try:
        with connection.transaction():
            ((count,),) = connection.execute(f"SELECT count(*) FROM {rows} WHERE {_gone(one)}".encode()).fetchall()
    except psycopg.errors.InsufficientPrivilege:
        if key.follows:
            raise
        return 0
    return int(count)


class _Unique(NamedTuple):
    """What keeps rows of a table from having the same beside its key, at every moment; `parts`: its columns, as SQL."""

    name: str
    excludes: bool
    parts: tuple[str, ...]
    where: str
    plain: bool


def _uniques(connection: Connection, schema: str, table: str) -> list[_Unique]:
    found = connection.execute(
        "SELECT x.relname, indisexclusion, ARRAY(SELECT pg_get_indexdef(x.oid, n, false)"
        "  FROM generate_series(1, indnkeyatts) n), COALESCE(pg_get_expr(indpred, indrelid), 'true'),"
        " NOT indnullsnotdistinct"
        " FROM pg_index JOIN pg_class x ON x.oid = indexrelid WHERE (indisunique OR indisexclusion) AND indimmediate"
        " AND NOT indisprimary AND (indrelid = %(at)s::regclass OR indrelid IN ("
        "  SELECT relid FROM pg_partition_tree(%(at)s::regclass) WHERE relid <> %(at)s::regclass)"
        "  AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = indexrelid)) ORDER BY 1",
        {"at": name(schema, table)},
    ).fetchall()
    return [_Unique(index, excludes, tuple(parts), where, plain) for index, excludes, parts, where, plain in found]


def _taking(schema: str, one: Refill, unique: _Unique) -> str:
    """Return the SELECT of the keys of rows that stay and get what is unique of others that stay; linear in the rows."""
    at, keys = own_rows(schema, one.table, one.partitioned), ", ".join(f"s.{name(column)}" for column in one.key)
    if unique.excludes:  # nobody knows of whom: all that change
        unlike = _unlike(one) or "false"
        return f"SELECT {keys} FROM {at} t JOIN {one.rows} s ON {_matching(one)} WHERE {unlike}"
    values = [f"({part}) AS bulketl_{n}" for n, part in enumerate(unique.parts)]
    if not unique.plain:
        values = [f"ROW({', '.join(unique.parts)})::text AS bulketl_0"]
    old, new = (
        f"(SELECT {columns(one.key)}, {', '.join(values)} FROM {rows} AS {name(one.table)} WHERE {unique.where}) {side}"
        for rows, side in ((at, "t"), (one.rows, "s"))
    )
    equal = " AND ".join(f"t.bulketl_{n} = s.bulketl_{n}" for n in range(len(values)))
    there = f"EXISTS (SELECT FROM {at} t WHERE {_matching(one)})"
    both = f"SELECT {keys} FROM {old} JOIN {new} ON {equal}"
    stays = (
        f"EXISTS (SELECT FROM {one.rows} s WHERE {_matching(one)})"  # not as NOT NOT EXISTS, which is no join to Postgres
    )
    return f"{both} WHERE NOT ({_matching(one)}) AND {stays} AND {there}"


def _parts(schema: str, one: Refill, n: str, uniques: Sequence[_Unique]) -> Iterator[str]:
    """Yield what becomes of the rows of a table: those that go, those that change, those that come, in this order."""
    at, new, unlike, last = own_rows(schema, one.table, one.partitioned), one.rows, _unlike(one), f"gone{n}"
    theirs = ", ".join(f"s.{name(column)}" for column in one.columns)
    taking = " AND ".join(f"k.{name(column)} = s.{name(column)}" for column in one.key)
    if uniques:
        yield f"taking{n} AS MATERIALIZED ({' UNION '.join(_taking(schema, one, unique) for unique in uniques)})"
    yield f"{last} AS (DELETE FROM {at} t WHERE {_gone(one)} RETURNING 1)"
    if uniques:
        # Whoever waits counts what was done before: so Postgres does all of that first.
        after, last = f"(SELECT count(*) FROM {last}) >= 0", f"left{n}"
        yield f"{last} AS (DELETE FROM {at} t USING taking{n} s WHERE {after} AND {_matching(one)} RETURNING 1)"
    if one.key and unlike:
        sets = ", ".join(f"{name(column)} = s.{name(column)}" for column in one.columns if column not in one.key)
        after, last = f"(SELECT count(*) FROM {last}) >= 0", f"changed{n}"
        stays = f" AND NOT EXISTS (SELECT FROM taking{n} k WHERE {taking})" if uniques else ""
        change = f"UPDATE {at} t SET {sets} FROM {new} s WHERE {after} AND {_matching(one)} AND {unlike}{stays}"
        yield f"{last} AS ({change} RETURNING 1)"
    after = f"(SELECT count(*) FROM {last}) >= 0"
    into = f"INSERT INTO {name(schema, one.table)} ({columns(one.columns)}) SELECT {theirs} FROM {new} s"
    missing = f"NOT EXISTS (SELECT FROM {at} t WHERE {_matching(one)})" if one.key else "true"
    yield f"come{n} AS ({into} WHERE {after} AND {missing})"
    if uniques:
        yield f"again{n} AS ({into} JOIN taking{n} k ON {taking} WHERE {after})"


def _matching(one: Refill) -> str:
    return " AND ".join(f"t.{name(column)} = s.{name(column)}" for column in one.key) or "false"


def _gone(one: Refill) -> str:
    return f"NOT EXISTS (SELECT FROM {one.rows} s WHERE {_matching(one)})" if one.key else "true"


def _unlike(one: Refill) -> str:
    """Return the condition of two rows of a key that differ, '' when they cannot. As text: some types have no equality."""
    rest = [column for column in one.columns if column not in one.key]
    old, new = (f"ROW({', '.join(f'{row}.{name(column)}' for column in rest)})::text" for row in "ts")
    return f"{old} IS DISTINCT FROM {new}" if rest else ""


def _refused(connection: Connection, schema: str, tables: Sequence[str], error: psycopg.Error) -> DataError:
    """Return the error of tables that do not take their rows, without a word of Postgres', which quotes rows.

    A trigger may give any text as the name of a constraint, so only what the catalogs have is named.
    """
    said, state = error.diag, error.sqlstate or ""
    found = connection.execute(
        "WITH RECURSIVE t AS (SELECT c.oid, c.oid AS top, c.relname AS of FROM pg_class c"
        "  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %(schema)s AND c.relname = ANY(%(tables)s)"
        "  UNION SELECT inhrelid, top, of FROM t JOIN pg_inherits ON inhparent = t.oid JOIN pg_class c ON c.oid = inhrelid"
        "  WHERE c.relispartition)"
        " SELECT of, 'constraint', conname FROM t JOIN pg_constraint ON conrelid = t.oid WHERE conname = %(constraint)s"
        " UNION ALL SELECT of, 'index', x.relname FROM t JOIN pg_index i ON indrelid = t.oid"
        "  JOIN pg_class x ON x.oid = indexrelid WHERE x.relname = %(constraint)s"
        " UNION ALL SELECT of, 'NOT NULL of column', attname FROM t JOIN pg_attribute ON attrelid = t.oid"
        "  WHERE attname = %(column)s AND attnotnull"
        " UNION ALL SELECT of, 'one of its triggers', string_agg(DISTINCT tgname, ', ') FROM t JOIN pg_trigger"
        "  ON tgrelid = t.oid WHERE NOT tgisinternal AND tgenabled <> 'D' GROUP BY of LIMIT 1",
        {"schema": schema, "tables": list(tables), "constraint": said.constraint_name or "",
         "column": said.column_name or ""},
    ).fetchone()  # fmt: skip
    table, kind, what = found or (tables[0], "something", "that acts on it")
    named = what if kind in ("something", "one of its triggers") else name(what)
    refused = DataError(
        f"table {name(schema, table)} does not take its new rows: {kind} {named} refuses one (SQLSTATE {state})",
        hint="nothing was changed; drop or disable it, or correct the rows at the source, and give the command again",
        code=f"SQLSTATE {state}",
    )
    refused.state = state
    return refused
