"""What the source has: its catalog from information_schema, and the bounds of the tables to read.

Three queries give the catalog however many tables there are. Bounds cost one query for all small tables together, and
for each large one either a MIN and MAX or a walk along its key. Nothing is locked longer than one such query.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pymysql.cursors import Cursor

from bulketl.casts import quoted
from bulketl.catalog import Catalog, Column, Key, Table
from bulketl.mysql import MySQL
from bulketl.mysql.read import range_condition
from bulketl.partitions import Bound, KeyTuple, even_cuts, is_integer_key, rows_per_partition, split_key

COUNTED_TOGETHER = 60  # tables per counting query
_SPLITTABLE_INDEXES = ("BTREE",)

_TABLES = """
SELECT table_name, COALESCE(engine, ''), COALESCE(table_rows, 0), COALESCE(data_length, 0), table_comment
FROM information_schema.tables
WHERE table_schema = %s AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name"""
_COLUMNS = """
SELECT table_name, column_name, column_type, is_nullable, column_default, column_comment,
       COALESCE(character_set_name, ''), extra, privileges
FROM information_schema.columns WHERE table_schema = %s ORDER BY table_name, ordinal_position"""
_KEYS = """
SELECT table_name, index_name, non_unique, column_name, sub_part, index_type
FROM information_schema.statistics WHERE table_schema = %s ORDER BY table_name, index_name, seq_in_index"""


def read_catalog(source: MySQL) -> Catalog:
    """Return every base table this user may see. Raise SourceError when the server does not answer."""
    with source.connect() as cursor:
        cursor.execute("SELECT VERSION(), @@session.time_zone, @@system_time_zone")
        version, zone, system_zone = _rows(cursor)[0]
        if "mariadb" not in version.lower():
            # MySQL caches row counts for a day. A variable of this session; the server is left as it is.
            cursor.execute("SET SESSION information_schema_stats_expiry = 0")
        cursor.execute(_TABLES, (source.database,))
        tables = _rows(cursor)
        cursor.execute(_COLUMNS, (source.database,))
        columns: dict[str, list[Column]] = {}
        for table, name, kind, nullable, default, comment, charset, extra, rights in _rows(cursor):
            readable = "select" in rights.lower().split(",")
            columns.setdefault(table, []).append(
                Column(name, _string(kind), nullable == "YES", _string(default), comment, charset, extra, readable)
            )
        cursor.execute(_KEYS, (source.database,))
        keys = _keys(_rows(cursor))
    return Catalog(
        identity=source.identity,
        version=version,
        zone=f"{zone} ({system_zone})" if zone == "SYSTEM" else zone,
        tables=tuple(
            Table(
                name=name,
                columns=tuple(columns.get(name, ())),
                primary_key=next((key.columns for key in keys.get(name, ()) if key.name == "PRIMARY"), ()),
                keys=keys.get(name, ()),
                rows=int(rows),  # MariaDB makes a decimal of COALESCE
                bytes=int(size),
                engine=engine,
                comment=comment,
            )
            for name, engine, rows, size, comment in tables
        ),
    )


def read_bounds(source: MySQL, tables: Iterable[Table]) -> dict[str, Bound]:
    """Measure each table: its rows, and where to cut it when it is larger than a partition.

    A table that cannot be read gets a Bound with the reason in `error`; the others are measured all the same.
    """
    bounds: dict[str, Bound] = {}
    with source.connect() as cursor:
        wanted = list(tables)
        for some in (wanted[n : n + COUNTED_TOGETHER] for n in range(0, len(wanted), COUNTED_TOGETHER)):
            bounds |= _count(cursor, some)
        for table in wanted:
            bound = bounds[table.name]
            if bound.rows > rows_per_partition(table) and not bound.error:
                bounds[table.name] = Bound(bound.rows, bound.counted, _cuts(cursor, table, bound.rows))
    return bounds


def _count(cursor: Cursor, tables: list[Table]) -> dict[str, Bound]:
    """Count exactly up to one partition's rows: cheap, and it unmasks tables that are larger than their statistics."""
    try:
        cursor.execute(" UNION ALL ".join(f"SELECT {n},({_counting(table)})" for n, table in enumerate(tables)))
    except Exception as error:
        if len(tables) == 1:
            return {tables[0].name: Bound(0, error=str(error.args[-1]))}
        return {name: bound for table in tables for name, bound in _count(cursor, [table]).items()}
    found = {}
    for n, count in _rows(cursor):
        table, rows = tables[int(n)], int(count)
        counted = table.engine == "MyISAM" or rows <= rows_per_partition(table)
        found[table.name] = Bound(rows if counted else max(rows, table.rows), counted)
    return found


def _counting(table: Table) -> str:
    if table.engine == "MyISAM":  # kept by the engine, exact
        return f"SELECT COUNT(*) FROM {quoted(table.name)}"
    most = rows_per_partition(table) + 1
    return f"SELECT COUNT(*) FROM (SELECT 1 FROM {quoted(table.name)} LIMIT {most}) t"


def _cuts(cursor: Cursor, table: Table, rows: int) -> tuple[KeyTuple, ...]:
    key = split_key(table)
    if key is None:
        return ()
    size = rows_per_partition(table)
    if is_integer_key(table, key):
        column = quoted(key.columns[0])
        cursor.execute(f"SELECT MIN({column}), MAX({column}) FROM {quoted(table.name)}")
        lo, hi = _rows(cursor)[0]
        even = None if lo is None else even_cuts(lo, hi, rows, size)
        if even is not None:
            return even
    return tuple(_walk(cursor, table, key, size))


def _walk(cursor: Cursor, table: Table, key: Key, size: int) -> Iterator[KeyTuple]:
    """Step along the key, `size` rows at a time: exact whatever its gaps, skew or type."""
    names = ", ".join(map(quoted, key.columns))
    at: KeyTuple | None = None
    while True:
        condition = range_condition(key.columns, at, None) or " AND ".join(f"{quoted(c)} IS NOT NULL" for c in key.columns)
        cursor.execute(
            f"SELECT {names} FROM {quoted(table.name)} FORCE INDEX ({quoted(key.name)}) "
            f"WHERE {condition} ORDER BY {names} LIMIT 1 OFFSET {size}"
        )
        found = _rows(cursor)
        if not found or found[0] == at:
            return
        at = tuple(found[0])
        yield at


def _keys(rows: list[tuple]) -> dict[str, tuple[Key, ...]]:  # type: ignore[type-arg]
    grouped: dict[tuple[str, str], list[tuple]] = {}  # type: ignore[type-arg]
    for row in rows:
        grouped.setdefault((row[0], row[1]), []).append(row)
    keys: dict[str, list[Key]] = {}
    for (table, name), parts in grouped.items():
        whole = all(column is not None and sub is None and kind in _SPLITTABLE_INDEXES for *_, column, sub, kind in parts)
        columns = tuple(column for *_, column, _, _ in parts if column is not None)
        keys.setdefault(table, []).append(Key(name, columns, not int(parts[0][2]), whole))
    return {table: tuple(found) for table, found in keys.items()}


def _rows(cursor: Cursor) -> list[tuple]:  # type: ignore[type-arg]
    return list(cursor.fetchall())


def _string(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
