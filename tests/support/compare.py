"""Compare loaded tables with their source cell by cell, on a road of its own: pymysql and psycopg, text against text.

Nothing of bulketl is imported, so that a fault there cannot hide here. Both servers print every value as text; per pair of
types one function each makes the two texts equal when, and only when, the values are. Rows are matched by primary key, or as
a multiset without one. Only hashes are kept of the rows, at most MOST_ROWS at a time; larger tables take several passes.

    python tests/compare.py mysql://root@host/database postgresql://host/database raw [--workers 2] [--zone +00:00]
"""

from __future__ import annotations

import argparse
import calendar
import functools
import json
import re
import struct
import sys
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
import pymysql
import pymysql.converters
import pymysql.cursors
from psycopg import sql

MOST_ROWS = 1_500_000  # hashed rows in memory, some 150 bytes each
SHOWN = 40  # differing rows whose cells are looked at
SPATIAL = ("point", "string", "polygon", "collection", "geometry")  # how the names of those types end
TEXTS = ("text", "character varying")
Text = str | None
Canonical = Callable[[str], Text]


@dataclass(slots=True)
class Comparison:
    """One table compared: the counts, and what differs in words. `differing` counts rows; those of both sides once."""

    table: str
    rows: int = 0
    cells: int = 0
    differing: int = 0
    seconds: float = 0.0
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pair:
    """A column on both sides: the expressions to select, and what makes their texts comparable (None: nothing to do)."""

    name: str
    mysql: str
    postgres: sql.Composable
    from_mysql: Canonical | None = None
    from_postgres: Canonical | None = None


def differences(mysql_uri: str, pg_conninfo: str, schema: str, table: str, *, zone: str = "") -> list[str]:
    """Return what differs between a source table and the loaded one in words; an empty list says they are equal."""
    return compare(mysql_uri, pg_conninfo, schema, table, zone=zone).messages


def compare(mysql_uri: str, pg_conninfo: str, schema: str, table: str, *, zone: str = "") -> Comparison:
    """Compare one table. `zone` is the time zone TIMESTAMPs were loaded in, empty for the source's own."""
    began = time.monotonic()
    done = Comparison(table)
    with closing(connect(mysql_uri)) as source, psycopg.connect(pg_conninfo) as target:
        if zone:
            with source.cursor() as cursor:
                cursor.execute("SET time_zone = %s", (zone,))
        target.execute("SET timezone = 'UTC'")
        pairs, key = _pairs(source, target, schema, table, done)
        if pairs:
            _compare(source, target, schema, table, pairs, key, done)
    done.seconds = time.monotonic() - began
    return done


def connect(uri: str) -> pymysql.Connection[Any]:
    """Open a MySQL URI with every value coming back as the text the server sent."""
    parts = urllib.parse.urlsplit(uri)
    return pymysql.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=urllib.parse.unquote(parts.username or "root"),
        password=urllib.parse.unquote(parts.password or ""),
        database=urllib.parse.unquote(parts.path.strip("/")),
        charset="utf8mb4",
        ssl_disabled=parts.hostname in ("127.0.0.1", "localhost"),  # else PyMySQL reads the system's authorities, for 16 ms
        conv=dict(pymysql.converters.encoders.items()),  # and no decoders
    )


def tables(uri: str) -> list[str]:
    """Return the base tables of the database, the largest first."""
    with closing(connect(uri)) as source, source.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
            " AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY data_length DESC, table_name"
        )
        return [name for (name,) in cursor.fetchall()]


def _pairs(
    source: pymysql.Connection[Any],
    target: psycopg.Connection[Any],
    schema: str,
    table: str,
    done: Comparison,
) -> tuple[list[Pair], list[int]]:
    with source.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, column_type, column_key FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position",
            (table,),
        )
        columns = cursor.fetchall()
    there = dict(
        target.execute(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = to_regclass(%s)"
            " AND attnum > 0 AND NOT attisdropped",
            (sql.Identifier(schema, table).as_string(target),),
        ).fetchall()
    )
    names = {name for name, _, _ in columns}
    missing = [name for name in names if name not in there]
    surplus = [name for name in there if name not in names]
    if missing or surplus:
        done.messages.append(f"{table}: columns missing in the target: {missing}, surplus there: {surplus}")
        done.differing += 1
        return [], []
    pairs = [pair(name, _text(kind).lower(), there[name]) for name, kind, _ in columns]
    return pairs, [n for n, (_, _, role) in enumerate(columns) if role == "PRI"]


def pair(name: str, kind: str, target: str) -> Pair:
    """Return how a column of the MySQL type `kind` is compared with one of the Postgres type `target`."""
    base = re.split(r"[ (]", kind, maxsplit=1)[0]
    mine, theirs = "`" + name.replace("`", "``") + "`", sql.Identifier(name)
    selected = _expressions(base, target, mine, theirs)
    from_mysql, from_postgres = _functions(base, kind, target)
    return Pair(name, *selected, from_mysql, from_postgres)


def _expressions(base: str, target: str, mine: str, theirs: sql.Composable) -> tuple[str, sql.Composable]:
    if base == "bit":
        mine = f"CAST({mine} AS UNSIGNED)"
    elif base.endswith(SPATIAL) or (target in ("bytea", "uuid") and base != "uuid"):
        mine = f"HEX({mine})"
    elif target == "timestamp with time zone":
        mine = f"IF(DAYOFMONTH({mine}) > 0, UNIX_TIMESTAMP({mine}), NULL)"
    if target == "bytea":
        theirs = sql.SQL("upper(encode({}, 'hex'))").format(theirs)
    elif target == "uuid" and base != "uuid":
        theirs = sql.SQL("upper(replace({}::text, '-', ''))").format(theirs)
    elif target == "timestamp with time zone" or (base == "time" and target not in TEXTS):
        theirs = sql.SQL("(extract(epoch FROM {}) * 1000000)::bigint").format(theirs)
    return mine, theirs


def _functions(base: str, kind: str, target: str) -> tuple[Canonical | None, Canonical | None]:
    if base in ("float", "double"):
        shown = re.search(r"\(\d+,(\d+)\)", kind)
        return _floats(base, int(shown[1]) if shown else None)
    if base == "bit" and target == "bytea":
        return None, lambda text: str(int(text, 16))
    if base == "year" or "zerofill" in kind:
        return (lambda text: format(Decimal(text), "f")), None
    if base.endswith(SPATIAL):
        return _ewkb, None
    by_target: dict[str, tuple[Canonical, Canonical | None]] = {
        "boolean": (lambda text: {"0": "f", "1": "t"}.get(text, text), None),
        "json": (_json, _json),
        "jsonb": (_json, _json),
        "text": (_without_nul, None),
        "character varying": (_without_nul, None),
        "timestamp with time zone": (lambda text: str(int(Decimal(text) * 1_000_000)), None),
    }
    by_base: dict[str, tuple[Canonical, Canonical | None]] = {
        "date": (lambda text: text if _valid(text) else None, _before_christ),
        "datetime": (_moment, _before_christ),
        "timestamp": (_moment, _before_christ),
        "time": (_duration, None),
    }
    return by_target.get(target) or by_base.get(base) or (None, None)


def _floats(base: str, places: int | None) -> tuple[Canonical, Canonical]:
    """FLOAT is shown with six digits, DOUBLE with all it has, and both with fixed decimals when the type names some."""

    def exact(text: str) -> float:
        value = float(text)
        return struct.unpack("f", struct.pack("f", value))[0] if base == "float" else value

    if places is not None:
        return lambda text: f"{float(text):.{places}f}", lambda text: f"{exact(text):.{places}f}"
    if base == "float":
        return lambda text: f"{float(text):.6g}", lambda text: f"{exact(text):.6g}"
    return lambda text: repr(float(text)), lambda text: repr(float(text))


def _json(text: str) -> str:
    def number(digits: str) -> str:
        return f"number {Decimal(digits).normalize() + 0}"

    return json.dumps(json.loads(text.replace("\0", ""), parse_int=number, parse_float=number), sort_keys=True)


def _ewkb(text: str) -> str:
    """MySQL keeps four bytes of SRID and then WKB; EWKB has the SRID after the type, and a flag in the type."""
    srid, order_and_type, rest = text[:8], text[8:18], text[18:]
    if srid == "00000000":
        return order_and_type + rest
    return f"{order_and_type[:8]}{int(order_and_type[8:], 16) | 0x20:02X}{srid}{rest}"


def _without_nul(text: str | bytes) -> str:
    text = _text(text)  # an ENUM of character set binary is shown as bytes
    return text.replace("\0", "") if "\0" in text else text


@functools.lru_cache(maxsize=100_000)
def _valid(date: str) -> bool:
    year, month, day = map(int, date.split("-"))
    return 1 <= month <= 12 and 1 <= day <= (28 if (year, month) == (0, 2) else calendar.monthrange(year or 4, month)[1])


def _moment(text: str) -> Text:
    if not _valid(text[:10]):
        return None
    return text.rstrip("0").rstrip(".") if "." in text else text


def _before_christ(text: str) -> str:
    return f"{int(text[:4]) - 1:04}{text[4:-3]}" if text.endswith(" BC") else text


def _duration(text: str) -> str:
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text)
    hours, minutes, seconds = rest.split(":")
    return str(sign * ((int(hours) * 60 + int(minutes)) * 60_000_000 + int(Decimal(seconds) * 1_000_000)))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


Row = tuple[Text, ...]


def _source_rows(source: pymysql.Connection[Any], table: str, pairs: list[Pair]) -> Iterator[Row]:
    query = f"SELECT {', '.join(item.mysql for item in pairs)} FROM `{table.replace('`', '``')}`"
    with source.cursor(pymysql.cursors.SSCursor) as cursor:
        cursor.execute(query.replace("%", "%%"), ())
        yield from _canonical(iter(cursor.fetchone, None), [item.from_mysql for item in pairs])


def _target_rows(target: psycopg.Connection[Any], schema: str, table: str, pairs: list[Pair]) -> Iterator[Row]:
    query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
        sql.SQL(", ").join(item.postgres for item in pairs), sql.Identifier(schema, table)
    )
    with target.cursor() as cursor, cursor.copy(query) as copy:
        yield from _canonical(copy.rows(), [item.from_postgres for item in pairs])


def _canonical(rows: Iterator[Any], functions: list[Canonical | None]) -> Iterator[Row]:
    busy = [(n, function) for n, function in enumerate(functions) if function]
    if not busy:
        yield from rows
        return
    for row in rows:
        values = list(row)
        for n, function in busy:
            if values[n] is not None:
                values[n] = function(values[n])
        yield tuple(values)


def _compare(
    source: pymysql.Connection[Any],
    target: psycopg.Connection[Any],
    schema: str,
    table: str,
    pairs: list[Pair],
    key: list[int],
    done: Comparison,
) -> None:
    with source.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM `{table.replace('`', '``')}`")
        passes = int(cursor.fetchone()[0]) // MOST_ROWS + 1

    def hashed(row: Row) -> int:
        return hash(tuple([row[n] for n in key]) if key else row)

    def of(rows: Iterator[Row], turn: int) -> Iterator[tuple[int, Row]]:
        for row in rows:
            at = hashed(row)
            if at % passes == turn:
                yield at, row

    wrong: set[int] = set()
    for turn in range(passes):
        mine, theirs = _source_rows(source, table, pairs), _target_rows(target, schema, table, pairs)
        count, found = (_by_key if key else _by_row)(of(mine, turn), of(theirs, turn))
        done.rows += count
        wrong |= found
    done.cells = done.rows * len(pairs)
    done.differing += len(wrong)
    if wrong:
        some = set(sorted(wrong)[:SHOWN])
        ours = [(hashed(row), row) for row in _source_rows(source, table, pairs) if hashed(row) in some]
        there = [(hashed(row), row) for row in _target_rows(target, schema, table, pairs) if hashed(row) in some]
        done.messages += _described(table, pairs, key, ours, there)
        if len(wrong) > SHOWN:
            done.messages.append(f"{table}: {len(wrong)} rows differ; {SHOWN} of them are above")


def _by_key(mine: Iterator[tuple[int, Row]], theirs: Iterator[tuple[int, Row]]) -> tuple[int, set[int]]:
    """Return the number of source rows and the hashes of the keys whose rows differ."""
    seen = {at: hash(row) for at, row in mine}
    count = len(seen)
    wrong = {at for at, row in theirs if seen.pop(at, None) != hash(row)}
    return count, wrong | seen.keys()


def _by_row(mine: Iterator[tuple[int, Row]], theirs: Iterator[tuple[int, Row]]) -> tuple[int, set[int]]:
    """Return the number of source rows and the hashes of those that are not there as many times."""
    many = Counter(at for at, _ in mine)
    count = many.total()
    many.subtract(at for at, _ in theirs)
    return count, {at for at, number in many.items() if number}


def _described(
    table: str, pairs: list[Pair], key: list[int], mine: list[tuple[int, Row]], theirs: list[tuple[int, Row]]
) -> Iterator[str]:
    if not key:
        ours, other = Counter(row for _, row in mine), Counter(row for _, row in theirs)
        for row in ours.keys() | other.keys():
            if ours[row] != other[row]:
                yield f"{table}: {ours[row]} times in the source and {other[row]} in the target: {row!r}"
        return
    there: dict[int, list[Row]] = {}
    for at, row in theirs:
        there.setdefault(at, []).append(row)
    for at, row in mine:
        named = ", ".join(f"{pairs[n].name}={row[n]!r}" for n in key)
        found = there.pop(at, [])
        if len(found) != 1:
            yield f"{table}: {named}: {len(found)} times in the target"
            continue
        for item, a, b in zip(pairs, row, found[0], strict=True):
            if a != b:
                yield f"{table}.{item.name}: {named}: {a!r} in the source, {b!r} in the target"
    for rows in there.values():
        named = ", ".join(f"{pairs[n].name}={rows[0][n]!r}" for n in key)
        yield f"{table}: {named}: {len(rows)} times in the target, not in the source"


def main() -> int:
    """Compare every base table of a database; return 1 when any differs."""
    parser = argparse.ArgumentParser(description="Compare every table of a MySQL database with a Postgres schema.")
    parser.add_argument("mysql")
    parser.add_argument("postgres")
    parser.add_argument("schema")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--zone", default="", help="the time zone TIMESTAMPs were loaded in")
    given = parser.parse_args()
    began = time.monotonic()
    one = functools.partial(compare, given.mysql, given.postgres, given.schema, zone=given.zone)
    rows = cells = differing = wrong = count = 0
    with ProcessPoolExecutor(given.workers) as pool:
        for done in pool.map(one, tables(given.mysql)):
            print(f"{done.table}: {done.rows:,} rows, {done.cells:,} cells,", end=" ")
            print(f"{done.differing} rows differ ({done.seconds:.1f} s)")
            for message in done.messages[:SHOWN]:
                print(f"    {message[:500]}")
            count, rows, cells = count + 1, rows + done.rows, cells + done.cells
            differing, wrong = differing + done.differing, wrong + bool(done.differing)
    print(f"{count} tables, {rows:,} rows, {cells:,} cells compared in {time.monotonic() - began:.1f} s;", end=" ")
    print(f"{differing} rows differ, in {wrong} tables")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
