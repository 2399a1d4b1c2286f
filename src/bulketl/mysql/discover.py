"""What the source has: its catalog from information_schema, and the bounds of the tables to read.

Six queries give the catalog however many tables there are, and one more for each thing that is known and not in view.
Bounds cost one query for all small tables together, and for each large one either a MIN and MAX or a walk along its key.
Nothing is locked longer than one such query.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pymysql
from pymysql.cursors import Cursor

from bulketl.mysql.absence import absent
from bulketl.mysql.read import beyond_condition, range_condition
from bulketl.mysql.server import MySQL, code_of, is_lost, text_of
from bulketl.tables.casts import quoted, typed
from bulketl.tables.catalog import Catalog, Column, Expected, ForeignKey, Key, KeyPart, Other, Table
from bulketl.tables.cursor import NO_TIME
from bulketl.tables.measured import Profile
from bulketl.tables.partitions import (
    PARTITION_BYTES,
    Bound,
    KeyTuple,
    even_cuts,
    fits,
    is_integer_key,
    long_columns,
    rows_per_partition,
    split_key,
)
from bulketl.tables.slices import waited_for

_Row = tuple[Any, ...]
COUNTED_TOGETHER = 60  # tables per counting query, or columns per profiling query
PROFILED_ROWS = 1000
# A key value that the server shows and then refuses to compare with: 0000-00-00 under NO_ZERO_DATE. The table is streamed.
NO_LITERAL = frozenset({1292, 1525})
_SPLITTABLE_INDEXES = ("BTREE",)

# The time of the last change, from where it can be trusted. MariaDB's InnoDB tells when the last transaction began and not
# when it was committed, and keeps the time through TRUNCATE; Aria tells when its pages were written.
_TABLES = """
SELECT table_name, COALESCE(engine, ''), COALESCE(table_rows, 0), COALESCE(data_length, 0), table_comment,
       CASE WHEN (engine = 'MyISAM' OR engine = 'InnoDB' AND VERSION() NOT LIKE '%%MariaDB%%')
            AND COALESCE(create_options, '') NOT LIKE '%%partitioned%%'
            AND update_time < NOW() - INTERVAL 2 SECOND THEN CAST(update_time AS CHAR) ELSE '' END, table_type
FROM information_schema.tables WHERE table_schema = %s ORDER BY table_name"""
_COLUMNS = """
SELECT table_name, column_name, column_type, is_nullable, column_default, column_comment,
       COALESCE(character_set_name, ''), extra, privileges
FROM information_schema.columns WHERE table_schema = %s ORDER BY table_name, ordinal_position"""
_KEYS = """
SELECT table_name, index_name, non_unique, column_name, sub_part, index_type, collation
FROM information_schema.statistics WHERE table_schema = %s ORDER BY table_name, index_name, seq_in_index"""
# Of a user with SELECT alone MariaDB shows nothing in referential_constraints, and all of these.
_FOREIGN_KEYS = """
SELECT table_name, constraint_name, referenced_table_name, referenced_table_schema <> table_schema, column_name,
       referenced_column_name
FROM information_schema.key_column_usage WHERE table_schema = %s AND referenced_table_name IS NOT NULL
ORDER BY table_name, constraint_name, ordinal_position"""
# What is no table at all, as far as this user may see it.
_PROGRAMS = """
SELECT LOWER(routine_type), routine_name FROM information_schema.routines WHERE routine_schema = %s
UNION ALL SELECT 'trigger', trigger_name FROM information_schema.triggers WHERE trigger_schema = %s
UNION ALL SELECT 'event', event_name FROM information_schema.events WHERE event_schema = %s ORDER BY 1, 2"""
_TAKEN = ("BASE TABLE", "SYSTEM VERSIONED")  # of the latter the rows of now
_HISTORY_COUNTED = 1_000_000  # rows by the statistics, up to which the history of a table is counted by a scan


def read_catalog(source: MySQL, expected: Mapping[str, Expected] | None = None) -> Catalog:
    """Return every base table and view this user may see, what else there is, and what is `expected` and not in view.

    Raise SourceError when the server does not answer.
    """
    with source.connect() as cursor:
        cursor.execute(
            "SELECT VERSION(), @@session.time_zone, @@system_time_zone, TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW()),"
            " LEAST(@@max_connections, COALESCE(NULLIF(@@session.max_user_connections, 0), @@max_connections)), YEAR(NOW())"
        )
        version, zone, system_zone, ahead, connections, year = _rows(cursor)[0]
        cursor.execute(_TABLES, (source.database,))
        tables = _rows(cursor)
        cursor.execute(_COLUMNS, (source.database,))
        columns: dict[str, list[Column]] = {}
        for table, name, kind, nullable, default, comment, charset, extra, rights in _rows(cursor):
            readable = "select" in rights.lower().split(",")
            columns.setdefault(table, []).append(
                Column(
                    name,
                    typed(_string(kind), charset),
                    nullable == "YES",
                    None if default is None else _string(default),
                    comment,
                    charset,
                    extra,
                    readable,
                )
            )
        cursor.execute(_KEYS, (source.database,))
        keys = _keys(_rows(cursor))
        cursor.execute(_FOREIGN_KEYS, (source.database,))
        made, others = _made(tables, columns, keys, _foreign_keys(_rows(cursor)))
        others += _versions(cursor, tables)
        cursor.execute(_PROGRAMS, (source.database,) * 3)
        others += [Other(kind, name) for kind, name in _rows(cursor)]
        missing = absent(cursor, source.database, {table.name: table for table in made}, others, expected or {})
    return Catalog(
        identity=source.identity,
        version=version,
        connections=int(connections),
        zone=f"{zone} ({system_zone})" if zone == "SYSTEM" else zone,
        offset=int(ahead),
        year=int(year),
        tables=tuple(table for table in made if not table.view),
        views=tuple(table for table in made if table.view),
        others=tuple(others),
        absent=missing,
    )


def _made(
    rows: list[_Row],
    columns: Mapping[str, list[Column]],
    keys: Mapping[str, tuple[Key, ...]],
    foreign_keys: Mapping[str, tuple[ForeignKey, ...]],
) -> tuple[list[Table], list[Other]]:
    """Return the tables and views of the catalogue, and what is neither."""
    made, others = [], []
    for name, engine, count, size, comment, changed, kind in rows:
        if kind not in (*_TAKEN, "VIEW"):
            others.append(Other(_string(kind).lower() or "thing of no type", name))
            continue
        view = kind == "VIEW"
        broken = comment != "VIEW" if view else not engine or not columns.get(name)
        made.append(
            Table(
                name=name,
                columns=tuple(columns.get(name, ())),
                primary_key=next((key.columns for key in keys.get(name, ()) if key.name == "PRIMARY"), ()),
                keys=keys.get(name, ()),
                indexes=tuple(key for key in keys.get(name, ()) if key.name != "PRIMARY"),
                rows=int(count),  # MariaDB makes a decimal of COALESCE
                bytes=int(size),
                engine=engine,
                comment="" if view else comment,
                references=tuple(sorted({key.table for key in foreign_keys.get(name, ()) if not key.elsewhere})),
                foreign_keys=foreign_keys.get(name, ()),
                changed_at=_string(changed),
                view=view,
                problem=(comment or "it shows no columns") if broken else "",
            )
        )
    return made, others


def _versions(cursor: Cursor, rows: list[_Row]) -> list[Other]:
    """Return the system-versioned tables, each with how many rows its history has, unless counting them takes long."""
    found = []
    for name, _, count, *_, kind in rows:
        if kind == "SYSTEM VERSIONED":
            history = None
            if int(count) <= _HISTORY_COUNTED:
                one = f"SELECT COUNT(*) FROM {quoted(name)}"
                try:
                    cursor.execute(f"SELECT ({one} FOR SYSTEM_TIME ALL) - ({one})")
                    history = max(0, int(_rows(cursor)[0][0]))
                except pymysql.MySQLError as error:
                    if is_lost(error):
                        raise
            found.append(Other("history", name, history))
    return found


def column_types(source: MySQL, tables: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the types of the columns of each table as they are now, in one query. Raise SourceError."""
    among = ", ".join(["%s"] * len(tables))  # a name alike but for its case may come too, and is another table's
    query = (
        "SELECT table_name, column_name, column_type, COALESCE(character_set_name, '') FROM information_schema.columns"
        f" WHERE table_schema = %s AND table_name IN ({among})"
    )
    found: dict[str, dict[str, str]] = {}
    with source.connect() as cursor:
        cursor.execute(query, (source.database, *tables))
        for table, name, kind, charset in _rows(cursor):
            found.setdefault(table, {})[name] = typed(_string(kind), charset)
    return found


def read_bounds(
    source: MySQL, tables: Iterable[Table], by: Mapping[str, str] | None = None, size: int = PARTITION_BYTES
) -> dict[str, Bound]:
    """Measure each table: its rows, and where to cut it when it is larger than two partitions of `size` bytes.

    `by` names, per table, the column a person wants it cut along.

    A table that cannot be read gets a Bound with the reason in `error`; the others are measured all the same.
    """
    bounds: dict[str, Bound] = {}
    with source.connect() as cursor:
        wanted = list(tables)
        # One query locks all its tables until it ends: where rows are looked at for long, a table is asked of alone.
        alone = [table for table in wanted if long_columns(table) and waited_for(table, table.rows)]
        names = {table.name for table in alone}
        others = [table for table in wanted if table.name not in names]
        together = [others[n : n + COUNTED_TOGETHER] for n in range(0, len(others), COUNTED_TOGETHER)]
        for some in (*together, *([table] for table in alone)):
            bounds |= _count(cursor, some, size)
        for table in wanted:
            bound = bounds[table.name]
            if not fits(table, bound.rows, size) and not bound.error:
                try:
                    cuts = _cuts(cursor, table, bound.rows, (by or {}).get(table.name), size)
                    bounds[table.name] = dataclasses.replace(bound, cuts=cuts)
                except pymysql.MySQLError as error:
                    if is_lost(error):
                        raise
                    if code_of(error) not in NO_LITERAL:
                        bounds[table.name] = Bound(bound.rows, bound.counted, error=text_of(error))
    return bounds


def read_profiles(source: MySQL, columns: Mapping[Table, Sequence[Column]]) -> dict[tuple[str, str], Profile]:
    """Look at the newest PROFILED_ROWS rows of each table, by primary key where it has one, and profile those columns.

    A few queries for all; a table that cannot be read has no profiles. "Future" allows a day for clocks
    and zones.
    """
    looks = [(table, column) for table, found in columns.items() for column in found]
    profiles: dict[tuple[str, str], Profile] = {}
    with source.connect() as cursor:
        for some in (looks[n : n + COUNTED_TOGETHER] for n in range(0, len(looks), COUNTED_TOGETHER)):
            query = " UNION ALL ".join(_profiling(n, table, column) for n, (table, column) in enumerate(some))
            try:
                cursor.execute(query)
            except pymysql.MySQLError:
                continue
            for n, *counts, seconds in _rows(cursor):
                table, column = some[int(n)]
                looked, nulls, sentinels, future, missed = (int(count or 0) for count in counts)
                days = None if seconds is None else int(seconds) / 86400
                profiles[table.name, column.name] = Profile(looked, nulls, sentinels, future, days, missed)
    return profiles


def _profiling(n: int, table: Table, column: Column) -> str:
    order = ", ".join(f"{quoted(name)} DESC" for name in table.primary_key)
    newest = f"SELECT {quoted(column.name)} c FROM {quoted(table.origin)} {'ORDER BY ' + order if order else ''}"
    return (
        f"(SELECT {n}, COUNT(*), SUM(c IS NULL), SUM(c < '1902-01-01'), SUM(c > NOW() + INTERVAL 1 DAY),"
        f" SUM(c >= '{NO_TIME.date()}' AND c < '1902-01-01'),"
        " TIMESTAMPDIFF(SECOND, MIN(IF(c BETWEEN '1902-01-01' AND NOW() + INTERVAL 1 DAY, c, NULL)), NOW())"
        f" FROM ({newest} LIMIT {PROFILED_ROWS}) t)"
    )


def _count(cursor: Cursor, tables: list[Table], size: int, known: bool = True) -> dict[str, Bound]:
    """Count exactly up to two partitions' rows: cheap, and it unmasks tables that are larger than their statistics.

    So does the longest of these rows, where values may be long. What is `known` to be larger is asked for one row behind
    them alone, and counted when it has none.
    """
    try:
        cursor.execute(" UNION ALL ".join(f"({_counting(n, table, size, known)})" for n, table in enumerate(tables)))
    except pymysql.MySQLError as error:
        if is_lost(error):
            raise
        if len(tables) == 1:
            return {tables[0].name: Bound(0, error=text_of(error))}
        return {name: bound for table in tables for name, bound in _count(cursor, [table], size, known).items()}
    found: dict[str, Bound] = {}
    for n, count, longest in _rows(cursor):
        table, rows = tables[int(n)], int(count)
        counted = table.counts or fits(table, rows, size)
        found[table.name] = Bound(rows if counted else max(rows, table.rows), counted, longest=int(longest or 0))
    fewer = [table for table in tables if table.name not in found]
    return found | (_count(cursor, fewer, size, known=False) if fewer else {})


def _counting(n: int, table: Table, size: int, known: bool) -> str:
    length = " + ".join(f"COALESCE(OCTET_LENGTH({quoted(column)}), 0)" for column in long_columns(table)) or "0"
    if table.counts and length == "0":  # kept by the engine, exact
        return f"SELECT {n}, COUNT(*), 0 FROM {quoted(table.origin)}"
    most = 2 * rows_per_partition(table, size) + 1
    if known and table.rows >= most and length == "0":  # a count of so many would write them to a table and read that
        return f"SELECT {n}, {most}, 0 FROM {quoted(table.origin)} WHERE {table.condition} LIMIT 1 OFFSET {most - 1}"
    count = f"(SELECT COUNT(*) FROM {quoted(table.origin)})" if table.counts else "COUNT(*)"
    some = f"SELECT {length} l FROM {quoted(table.origin)} WHERE {table.condition} LIMIT {most}"
    return f"SELECT {n}, {count}, MAX(l) FROM ({some}) t"


def _cuts(cursor: Cursor, table: Table, rows: int, by: str | None, size: int) -> tuple[KeyTuple, ...]:
    key = split_key(table, by)
    if key is None:
        return ()
    most = rows_per_partition(table, size)
    if is_integer_key(table, key):
        column = quoted(key.columns[0])
        cursor.execute(f"SELECT MIN({column}), MAX({column}) FROM {quoted(table.origin)} WHERE {table.condition}")
        lo, hi = _rows(cursor)[0]
        even = None if lo is None else even_cuts(lo, hi, rows, most)
        if even is not None:
            return even
    return tuple(walk(cursor, table, key, most))


def walk(cursor: Cursor, table: Table, key: Key, size: int, only: str = "") -> Iterator[KeyTuple]:
    """Step along the key, `size` rows at a time, and yield the key of each step: exact whatever its gaps, skew or type.

    `only` is a condition on the rows that count.
    """
    names = ", ".join(map(quoted, key.columns))
    only = f" AND ({only or 'TRUE'}) AND {table.condition}"
    at: KeyTuple | None = None
    while True:
        condition = range_condition(key.columns, at, None) or " AND ".join(f"{quoted(c)} IS NOT NULL" for c in key.columns)
        cursor.execute(
            f"SELECT {names} FROM {quoted(table.origin)} FORCE INDEX ({quoted(key.name)}) "
            f"WHERE {condition}{only} ORDER BY {names} LIMIT 1 OFFSET {size}"
        )
        found = _rows(cursor)
        if found and found[0] == at:  # more equal values than a partition's rows: on to the next value
            beyond = beyond_condition(key.columns, at)
            cursor.execute(
                f"SELECT {names} FROM {quoted(table.origin)} FORCE INDEX ({quoted(key.name)}) "
                f"WHERE {beyond}{only} ORDER BY {names} LIMIT 1"
            )
            found = _rows(cursor)
        if not found:
            return
        at = tuple(found[0])
        yield at


def _foreign_keys(rows: list[_Row]) -> dict[str, tuple[ForeignKey, ...]]:
    grouped: dict[tuple[str, ...], list[_Row]] = {}
    for row in rows:
        grouped.setdefault((row[0], row[1]), []).append(row)
    found: dict[str, list[ForeignKey]] = {}
    for (table, name), parts in grouped.items():
        columns, keys = (tuple(part[n] for part in parts) for n in (4, 5))
        found.setdefault(table, []).append(ForeignKey(name, columns, parts[0][2], keys, bool(parts[0][3])))
    return {table: tuple(every) for table, every in found.items()}


def _keys(rows: list[_Row]) -> dict[str, tuple[Key, ...]]:
    grouped: dict[tuple[str, str], list[_Row]] = {}
    for row in rows:
        grouped.setdefault((row[0], row[1]), []).append(row)
    keys: dict[str, list[Key]] = {}
    for (table, name), parts in grouped.items():
        made = tuple(KeyPart(column or "", int(sub or 0), _string(order) == "D") for *_, column, sub, _, order in parts)
        kind = _string(parts[0][5])
        whole = kind in _SPLITTABLE_INDEXES and all(part.column and not part.prefix for part in made)
        columns = tuple(part.column for part in made if part.column)
        unique = not int(parts[0][2]) and len(columns) == len(parts)  # of an expression nobody knows what it tells apart
        keys.setdefault(table, []).append(Key(name, columns, unique, whole, made, kind))
    return {table: tuple(found) for table, found in keys.items()}


def _rows(cursor: Cursor) -> list[_Row]:
    return list(cursor.fetchall())


def _string(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
