"""Two tables of one server side by side: the older pipeline's and bulketl's, joined by their key and never sent anywhere.

A table is joined once, in one snapshot, and Postgres itself puts each difference into its class. Whatever the number of
rows, no more comes here than a line for each column and class, with the keys of a few rows. Joins are by hash or by order,
so every statement is linear in the rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bulketl.postgres.ddl import batch, name, value
from bulketl.postgres.joins import BY_HASH, PLANNING
from bulketl.postgres.server import Connection
from bulketl.tables.differences import BY_NAME, CLASSES, UNEXPLAINED, claiming, family, spelt

COLUMNS_TOGETHER = 400  # a SELECT has 1,664 columns at most
KEYS_TOGETHER = 2_000
LOCK_SECONDS = 10
# Rows that differ alike are few kinds, and Postgres, which cannot know it, would sort a million rows by what differs. Its
# workers would take half the processor's time again, for every row goes through a queue; tables are compared some at once.
_PLAINLY = ("SET LOCAL enable_sort = off", "SET LOCAL max_parallel_workers_per_gather = 0")
# A column and a class in the upper bits, and the number of its words in the lower ones.
_BITS, _ZERO, _CLASSES = 32, 1 << 31, 64
_LOW = (1 << _BITS) - 1
# Of a class the first row, the last, and as a rule two others.
_PLACES = {
    f"{which}_{part}": f"{which}(x.place){others}"
    for part, others in (("all", ""), ("half", " FILTER (WHERE hashtid(x.place) < 0)"))
    for which in ("min", "max")
}
_OLD, _NEW = COLUMNS_TOGETHER * _CLASSES, COLUMNS_TOGETHER * _CLASSES + 1  # of no column: a row that one side has alone


@dataclass(frozen=True, slots=True)
class Pair:
    """A column that both tables have, and its type in each."""

    column: str
    old: str
    new: str

    @property
    def differs(self) -> str:
        """The condition that its values differ, of rows `l` and `s`."""
        old, new = spelt(f"l.{name(self.column)}", f"s.{name(self.column)}", (self.old, self.new))
        return f"{old} IS DISTINCT FROM {new}"

    @property
    def equal(self) -> str:
        """The condition that its values are there and equal."""
        old, new = spelt(f"l.{name(self.column)}", f"s.{name(self.column)}", (self.old, self.new))
        return f"{old} = {new}"


@dataclass(frozen=True, slots=True)
class Sides:
    """Two tables to be set side by side: what each is after FROM, the columns that both have, and the key among them.

    `living`: the condition that a row of ours is of the source, not one marked as deleted there.
    """

    old: str
    new: str
    pairs: tuple[Pair, ...]
    key: tuple[str, ...] = ()
    living: str = "true"

    @property
    def keys(self) -> tuple[Pair, ...]:
        """The columns of the key."""
        pairs = {pair.column: pair for pair in self.pairs}
        return tuple(pairs[column] for column in self.key)

    @property
    def values(self) -> tuple[Pair, ...]:
        """The other columns."""
        return tuple(pair for pair in self.pairs if pair.column not in self.key)


class Claimed(NamedTuple):
    """What a class claims of a column: how many rows, the least and the greatest of its number, and keys of some rows."""

    column: str
    name: str
    rows: int
    least: float
    most: float
    keys: tuple[tuple[str, ...], ...]


class Joined(NamedTuple):
    """How many rows either table has that the other one lacks, and what each class claims of the others."""

    old_only: int
    new_only: int
    claims: list[Claimed]


def begin(connection: Connection) -> None:
    """Have a transaction see one moment, change nothing, and join linearly. It waits for no lock longer than a person."""
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    connection.execute(batch([PLANNING, BY_HASH, *_PLAINLY]).encode())


def counted(connection: Connection, sides: Sides) -> tuple[int, int]:
    """Return the rows of both tables."""
    query = f"SELECT (SELECT count(*) FROM {sides.old}), (SELECT count(*) FROM {sides.new} WHERE {sides.living})"
    ((old, new),) = connection.execute(query.encode()).fetchall()
    return int(old), int(new)


def summed(connection: Connection, sides: Sides) -> list[str]:
    """Return the columns of which a figure differs: how many values there are, or their sum where both are numbers."""
    found: list[str] = []
    for some in _some(sides.pairs):
        figures = [_figures(sides.old, "true", [pair.column for pair in some], [pair.old for pair in some], some)]
        figures += [_figures(sides.new, sides.living, [p.column for p in some], [p.new for p in some], some)]
        old, new = (connection.execute(query.encode()).fetchall()[0] for query in figures)
        n = len(some)
        found += [p.column for at, p in enumerate(some) if (old[at], old[n + at]) != (new[at], new[n + at])]
    return found


def _figures(place: str, condition: str, columns: list[str], kinds: list[str], pairs: Sequence[Pair]) -> str:
    counts = [f"count({name(column)})" for column in columns]
    sums = []
    for pair, kind in zip(pairs, kinds, strict=True):
        column, both = name(pair.column), {family(pair.old), family(pair.new)}
        if both <= {"number", "boolean"}:
            number = f"{column}::int" if family(kind) == "boolean" else column
            sums.append(f"round(sum({number}::numeric), 6)::float8::text")
        else:
            sums.append("NULL")
    return f"SELECT {', '.join(counts + sums)} FROM {place} WHERE {condition}"


def joined(connection: Connection, sides: Sides, *, values: bool) -> Joined:
    """Return what the join of both tables says; of the columns only where `values` are asked for.

    A row that is equal is in no group. Any other has a number for each column that differs, which packs the column, the
    class and the number in the words of the class. Rows that have all of them in common are counted as one, for most rows
    of a table differ in the same way; and by their place the keys of a few rows are read afterwards.
    """
    counts = {_OLD: 0, _NEW: 0}
    claims: list[Claimed] = []
    for some in _some(sides.values if values else ()):
        query = (
            f"SELECT y.packed >> {_BITS}, sum(y.n)::bigint, min(y.packed & {_LOW}), max(y.packed & {_LOW}),"
            f" {', '.join(f'{one[:3]}(y.{one})' for one in _PLACES)} FROM (SELECT unnest(g.packed) AS packed, g.n,"
            f" {', '.join(f'g.{one}' for one in _PLACES)} FROM (SELECT x.packed, count(*) AS n,"
            f" {', '.join(f'{what} AS {one}' for one, what in _PLACES.items())} FROM ("
            f"SELECT {_packed(some, connection.info.server_version)} AS packed, s.bulketl_place AS place"
            f" FROM {_joining(sides, some, 'FULL JOIN')} WHERE {' OR '.join(_unlike(some))}) x GROUP BY 1) g) y"
            " GROUP BY 1"
        )
        found = sorted(connection.execute(query.encode()).fetchall())
        keys = _keys(connection, sides, {place for row in found if row[0] not in counts for place in row[4:] if place})
        for at, rows, least, most, *places in found:
            if at in counts:
                counts[at] = rows
                continue
            pair, one = some[at // _CLASSES], _class(at % _CLASSES)
            per = BY_NAME[one].per if one in BY_NAME else 1
            named = tuple(dict.fromkeys(key for place in places if (key := keys.get(place))))
            claims.append(Claimed(pair.column, one, rows, (least - _ZERO) / per, (most - _ZERO) / per, named))
    return Joined(counts[_OLD], counts[_NEW], claims)


def _packed(pairs: Sequence[Pair], version: int) -> str:
    """Return what a row that is not equal has: a number for each column that differs, or one for a row of one side."""
    columns = [_case(n, pair, version) for n, pair in enumerate(pairs)]
    found = f"array_remove(ARRAY[{', '.join(columns)}]::bigint[], NULL)"
    return (
        f"CASE WHEN s.bulketl_there IS NULL THEN ARRAY[{_OLD << _BITS}]::bigint[]"
        f" WHEN l.bulketl_there IS NULL THEN ARRAY[{_NEW << _BITS}]::bigint[] ELSE {found} END"
    )


def _unlike(pairs: Sequence[Pair]) -> list[str]:
    return ["l.bulketl_there IS NULL", "s.bulketl_there IS NULL", *(f"({pair.differs})" for pair in pairs)]


def _case(n: int, pair: Pair, version: int) -> str:
    """Return the number of a column in which a row differs, by the first class that claims it."""
    old, new, kinds, cases = f"l.{name(pair.column)}", f"s.{name(pair.column)}", (pair.old, pair.new), []
    for one in CLASSES:
        if one.fits(pair.old, pair.new, version):
            condition, number = claiming(one, old, new, kinds)
            cases.append(f"WHEN {condition} THEN {_place(n, CLASSES.index(one))} + {number}")
    return f"CASE WHEN NOT ({pair.differs}) THEN NULL {' '.join(cases)} ELSE {_place(n, len(CLASSES))} END"


def _place(n: int, kind: int) -> int:
    return ((n * _CLASSES + kind) << _BITS) + _ZERO


def _class(kind: int) -> str:
    return CLASSES[kind].name if kind < len(CLASSES) else UNEXPLAINED


def _keys(connection: Connection, sides: Sides, places: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the keys of rows of ours at some places, in the same moment."""
    if not places:
        return {}
    key = ", ".join(f"{name(column)}::text" for column in sides.key)
    among = f"ARRAY[{', '.join(map(value, sorted(places)))}]::tid[]"
    found = connection.execute(f"SELECT ctid::text, {key} FROM {sides.new} WHERE ctid = ANY({among})".encode())
    return {place: tuple(parts) for place, *parts in found}


def equals(connection: Connection, sides: Sides, column: str) -> int:
    """Return how many values of a column are there and equal."""
    some = [pair for pair in sides.pairs if pair.column == column]
    query = f"SELECT count(*) FROM {_joining(sides, some, 'JOIN')} WHERE {some[0].equal}"
    ((rows,),) = connection.execute(query.encode()).fetchall()
    return int(rows)


def longest(connection: Connection, sides: Sides, column: str) -> int:
    """Return how many characters the longest text of a column of the older table has."""
    ((most,),) = connection.execute(f"SELECT max(char_length({name(column)}::text)) FROM {sides.old}".encode()).fetchall()
    return int(most or 0)


def alone(connection: Connection, sides: Sides, side: str) -> Iterator[list[tuple[str, ...]]]:
    """Yield the keys of the rows that only one side has, 'old' or 'new', some at a time."""
    here, there = ("l", "s") if side == "old" else ("s", "l")
    columns = ", ".join(f"{here}.{name(column)}::text" for column in sides.key)
    kind = "LEFT JOIN" if side == "old" else "RIGHT JOIN"
    with connection.cursor("bulketl_alone") as cursor:
        cursor.execute(f"SELECT {columns} FROM {_joining(sides, (), kind)} WHERE {there}.bulketl_there IS NULL".encode())
        while keys := cursor.fetchmany(KEYS_TOGETHER):
            yield [tuple(key) for key in keys]


def unmatched(connection: Connection, sides: Sides) -> tuple[int, int, int, int]:
    """Return the rows of two tables without a key, and how many of each the other one does not have, or not so often."""
    texts = [_row_text(sides, side) for side in ("old", "new")]
    query = (
        "SELECT COALESCE(sum(x.old), 0), COALESCE(sum(x.new), 0), COALESCE(sum(GREATEST(x.old - x.new, 0)), 0),"
        " COALESCE(sum(GREATEST(x.new - x.old, 0)), 0) FROM (SELECT sum(r.old) AS old, sum(r.new) AS new FROM ("
        f"SELECT {texts[0]} AS hash, 1 AS old, 0 AS new FROM {sides.old} l UNION ALL"
        f" SELECT {texts[1]}, 0, 1 FROM {sides.new} s WHERE {sides.living}) r GROUP BY r.hash) x"
    )
    ((old, new, old_only, new_only),) = connection.execute(query.encode()).fetchall()
    return int(old), int(new), int(old_only), int(new_only)


def _row_text(sides: Sides, side: str) -> str:
    """Return the hash of a row in a form that both tables have."""
    row, parts = "l" if side == "old" else "s", []
    for pair in sides.pairs:
        column = f"{row}.{name(pair.column)}"
        text = spelt(column, column, (pair.old, pair.new))[0 if side == "old" else 1]
        if {family(pair.old), family(pair.new)} <= {"number", "boolean"}:
            number = f"{column}::int" if family(pair.old if side == "old" else pair.new) == "boolean" else column
            text = f"trim_scale({number}::numeric)"
        parts.append(f"quote_nullable({text}::text)")
    return f"md5(array_to_string(ARRAY[{', '.join(parts)}]::text[], ','))"


def _joining(sides: Sides, pairs: Sequence[Pair], how: str) -> str:
    """Return both tables joined by their key, for a FROM, with these columns beside the key."""
    columns = ", ".join(name(column) for column in (*sides.key, *(p.column for p in pairs if p.column not in sides.key)))
    spellings = (spelt(f"l.{name(p.column)}", f"s.{name(p.column)}", (p.old, p.new)) for p in sides.keys)
    equal = " AND ".join(f"{old} = {new}" for old, new in spellings)
    old = f"(SELECT true AS bulketl_there, {columns} FROM {sides.old}) l"
    new = f"(SELECT true AS bulketl_there, ctid AS bulketl_place, {columns} FROM {sides.new} WHERE {sides.living}) s"
    return f"{old} {how} {new} ON {equal}"


def _some(pairs: Sequence[Pair]) -> list[Sequence[Pair]]:
    """Return the columns in parts that a statement can ask for; at least one part, of no column."""
    return [pairs[n : n + COLUMNS_TOGETHER] for n in range(0, len(pairs), COLUMNS_TOGETHER)] or [()]


class Mark(NamedTuple):
    """A moment of a table: how many transactions are writing to it, and which comes next."""

    writers: int
    next: str


def mark(connection: Connection, place: str) -> Mark:
    """Return the moment of a table, whose name is quoted, by which `written_since` tells whether it was written."""
    query = (
        "SELECT (SELECT count(*) FROM pg_locks k, pg_database d WHERE d.datname = current_database() AND k.database = d.oid"
        f" AND k.relation = {value(place)}::regclass AND k.granted AND k.pid <> pg_backend_pid() AND k.mode IN"
        " ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')),"
        " pg_snapshot_xmax(pg_current_snapshot())::text"
    )
    (found,) = connection.execute(query.encode()).fetchall()
    return Mark(*found)


def written_since(connection: Connection, place: str, rows: str, before: Mark) -> bool:
    """Tell whether a table was being written at a moment, or has got rows since; `rows` is what it is after FROM."""
    if before.writers or mark(connection, place).writers:
        return True
    query = f"SELECT EXISTS (SELECT FROM {rows} WHERE age(xmin) <= age({value(before.next)}::xid8::xid))"
    ((found,),) = connection.execute(query.encode()).fetchall()
    return bool(found)
