"""The source's side of a comparison: rows and hashes by buckets of the key, and the keys of some buckets."""

from __future__ import annotations

from collections.abc import Sequence

import pymysql
from pymysql.cursors import Cursor

from bulketl.errors import DataError
from bulketl.mysql.read import wanted_condition
from bulketl.mysql.server import MySQL, code_of, is_lost
from bulketl.rows.canonical import hash_expressions
from bulketl.rows.reconcile import Buckets, Digest, Row, batches, united
from bulketl.tables.casts import quoted
from bulketl.tables.spec import TableSpec
from bulketl.tables.types import RAW_TEXTS

LOCK_SECONDS = 1  # for somebody else to be done with a table
_LOCKED = frozenset({1205, 1213})  # a lock not had, a deadlock


def digests(source: MySQL, spec: TableSpec, buckets: Buckets, only: str = "TRUE") -> dict[str, Digest]:
    """Return the number of rows and the sum of their hashes per bucket; one query that reads the table once.

    `only` is a condition on the rows that count. A row of a table without a key is in the bucket of its hash.
    """
    query = (
        f"SELECT CAST(b AS CHAR), COUNT(*), {_sum('h')} FROM"
        f" (SELECT {_bucket(spec, buckets)} AS b, {row_hash(spec)} AS h FROM {_all_of(spec)} AND {only}) t GROUP BY b"
    )
    with source.connect() as cursor:
        zone(cursor, spec)
        cursor.execute(query)
        return {str(bucket): (int(rows), int(total)) for bucket, rows, total in cursor.fetchall()}


def hashes(source: MySQL, specs: Sequence[TableSpec]) -> dict[str, Digest]:
    """Return rows and the sum of their hashes of whole tables, a query for many; what cannot be read now is left out.

    Tables that are locked for LOCK_SECONDS are left out with all of that query. Who alters one waits for it.
    """
    selects = [f"COUNT(*), COALESCE({_sum(row_hash(spec))},0) FROM {_all_of(spec)}" for spec in specs]
    found: dict[str, Digest] = {}
    with source.connect() as cursor:
        cursor.execute(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}")
        for spec in specs[:1]:  # all have one zone
            zone(cursor, spec)
        for some in batches(selects):
            # One query locks all its tables until it ends, and these would keep everybody from writing to them.
            alone = [[n] for n in some if specs[n].locks]
            for part in ([n for n in some if not specs[n].locks], *alone):
                found |= {specs[n].table: digest for n, digest in _hashes(cursor, selects, part).items()} if part else {}
    return found


def _hashes(cursor: Cursor, selects: Sequence[str], which: Sequence[int]) -> dict[int, Digest]:
    try:
        cursor.execute("COMMIT")  # else whoever alters a table would wait for all queries
        cursor.execute(united(selects, which))
    except pymysql.MySQLError as error:
        locked = code_of(error) in _LOCKED
        if is_lost(error) and not locked:
            raise
        if locked or len(which) == 1:
            return {}
        return {n: found for one in which for n, found in _hashes(cursor, selects, [one]).items()}
    return {int(n): (int(rows), int(total)) for n, rows, total in cursor.fetchall()}


def _sum(hashed: str) -> str:
    return f"SUM(CAST(CONV(RIGHT({hashed},15),16,10) AS UNSIGNED))"


def _all_of(spec: TableSpec) -> str:
    return f"{quoted(spec.origin)} WHERE {wanted_condition(spec)}"


def rows(source: MySQL, spec: TableSpec, buckets: Buckets, which: Sequence[str], only: str = "TRUE") -> dict[str, Row]:
    """Return key and hash of every row in those buckets, by the key's text; raise DataError when two have the same key.

    `only` is a condition on the rows that count.
    """
    query = (
        f"SELECT {_key_hash(spec)}, {row_hash(spec)}, {', '.join(_key(spec, key) for key in spec.key)}"
        f" FROM {quoted(spec.origin)} WHERE {within(spec, buckets, which)} AND {wanted_condition(spec)} AND {only}"
    )
    with source.connect() as cursor:
        zone(cursor, spec)
        cursor.execute(query)
        listed: dict[str, Row] = {}
        for text, found, *key in cursor.fetchall():
            if (other := listed.get(str(text))) and other.key != tuple(key):
                raise _made_one(spec, other.key, tuple(key))
            if other:
                shown = f"has {', '.join(map(str, key))}"
                raise DataError(
                    f"table {spec.table!r}: its key ({', '.join(spec.key)}) is not unique at the source: more than one row "
                    f"{shown}",
                    said=shown,
                    hint="correct primary_key in its rule, or take it out: without a key the table is loaded whole",
                )
            listed[str(text)] = Row(tuple(key), str(found))
        return listed


def _made_one(spec: TableSpec, one: Sequence[object], other: Sequence[object]) -> DataError:
    """Return the error of two keys of the source that are the same in the target."""
    dates = [item.column for item in spec.casts if item.column in spec.key and item.guarded]
    why, what = "as they are loaded", "name them under exclude_columns, or load by another key"
    if dates:
        why = f"because invalid dates in {', '.join(dates)} of its key, such as 0000-00-00, become one value"
        what = "write true dates there"
    elif spec.nul_bytes == "strip":
        why, what = (
            "once NUL bytes are stripped",
            "take the NUL bytes out, or set nul_bytes: reject, which names the rows",
        )
    shown = " and ".join(f"({', '.join(map(str, key))})" for key in (one, other))
    return DataError(
        f"table {spec.table!r}: its keys {shown} are two at the source and one in the target, {why}",
        said=shown,
        hint=f"correct the rows at the source: {what}; until then no comparison can tell them apart",
    )


def multiset(source: MySQL, spec: TableSpec, which: Sequence[str]) -> dict[str, int]:
    """Return how often each row hash occurs in those buckets of a table without a key."""
    query = (
        f"SELECT h, COUNT(*) FROM (SELECT {row_hash(spec)} AS h FROM {quoted(spec.origin)}"
        f" WHERE {within(spec, Buckets(), which)} AND {wanted_condition(spec)}) t GROUP BY h"
    )
    with source.connect() as cursor:
        zone(cursor, spec)
        cursor.execute(query)
        return {str(found): int(count) for found, count in cursor.fetchall()}


def zone(cursor: Cursor, spec: TableSpec) -> None:
    """Set the session's time zone to that of the load."""
    if spec.zone:
        cursor.execute("SET SESSION time_zone = %s", (spec.zone,))


def row_hash(spec: TableSpec) -> str:
    """Return the expression of a row's hash, in hexadecimal."""
    return hash_expressions(spec.casts, {item.column: "" for item in spec.casts}, spec.nul_bytes)[0]


def _key_hash(spec: TableSpec) -> str:
    casts = tuple(item for item in spec.casts if item.column in spec.key or not spec.key)
    return hash_expressions(casts, {item.column: "" for item in casts}, spec.nul_bytes)[0]


def _key(spec: TableSpec, column: str) -> str:
    """Return the key's column so that its value as a literal is equal to it: FLOAT is shown with six digits."""
    base = next(item.source_type.base for item in spec.casts if item.column == column)
    shown = {"float": "{0}*1e0", "bit": "CAST({0} AS UNSIGNED)"} | dict.fromkeys(RAW_TEXTS, "CONVERT({0} USING utf8mb4)")
    return shown.get(base, "{0}").format(quoted(column))


def _bucket(spec: TableSpec, buckets: Buckets) -> str:
    return f"{quoted(spec.key[0])} DIV {buckets.width}" if buckets.width else f"LEFT({_key_hash(spec)},3)"


def within(spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> str:
    """Return the condition that a row is in one of those buckets."""
    if not buckets.width:
        return f"LEFT({_key_hash(spec)},3) IN ({', '.join(_text(name) for name in which)})"
    column = quoted(spec.key[0])
    ranges = (buckets.range(int(name)) for name in which)
    return "(" + " OR ".join(f"{column} BETWEEN {lo} AND {hi}" for lo, hi in ranges) + ")"


def _text(bucket: str) -> str:
    return f"'{int(bucket, 16):03x}'"
