"""The target's side of a comparison: rows and hashes by buckets of the key, and the keys of some."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from bulketl.postgres.ddl import name, rows_of, value
from bulketl.postgres.server import Connection, Postgres
from bulketl.rows.canonical import hash_expressions
from bulketl.rows.reconcile import Buckets, Digest, Row, batches, united
from bulketl.tables.spec import DELETED_AT, TableSpec
from bulketl.tables.types import TARGET_INTEGERS

BUCKET_KEYS = 4096
MOST_BUCKETS = 2000
_HELD = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.QueryCanceled)


def buckets(target: Postgres, spec: TableSpec) -> Buckets:
    """Return how to divide the table's keys: integers by ranges that an index finds, others by their hash."""
    if len(spec.key) != 1 or _type(spec, spec.key[0]) not in TARGET_INTEGERS:
        return Buckets()
    key = name(spec.target_key[0])
    with target.connect() as connection:
        found = connection.execute(f"SELECT min({key}), max({key}) FROM {rows_of(spec)}".encode()).fetchone()
    lo, hi = found or (None, None)
    return Buckets(BUCKET_KEYS if lo is None else max(BUCKET_KEYS, (hi - lo) // MOST_BUCKETS + 1))


def digests(target: Postgres, spec: TableSpec, buckets: Buckets, only: str = "true") -> dict[str, Digest]:
    """Return the number of rows and the sum of their hashes per bucket; one query that reads the table once.

    `only` is a condition on the rows that count. A row of a table without a key is in the bucket of its hash.
    """
    query = (
        f"SELECT b::text, count(*), {_sum('h')} FROM (SELECT {_bucket(spec, buckets)} AS b,"
        f" {row_hash(spec)} AS h FROM {rows_of(spec)} WHERE {only}{unmarked(spec, 'AND')}) t GROUP BY b"
    )
    with target.connect() as connection:
        return {bucket: (int(rows), int(total)) for bucket, rows, total in connection.execute(query.encode())}


def hashes(target: Postgres, specs: Sequence[TableSpec]) -> dict[str, Digest]:
    """Return rows and the sum of their hashes of whole tables, a query for many; what cannot be read now is left out.

    A table that is locked for a second is left out, and so are the others of its query.
    """
    selects = [
        f"count(*), COALESCE({_sum(row_hash(spec))}, 0) FROM {rows_of(spec)}{unmarked(spec, 'WHERE')}" for spec in specs
    ]
    found: dict[str, Digest] = {}
    with target.connect() as connection:
        for some in batches(selects):
            found |= {specs[n].table: digest for n, digest in _hashes(connection, selects, some).items()}
    return found


def _hashes(connection: Connection, selects: Sequence[str], which: Sequence[int]) -> dict[int, Digest]:
    try:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '1s'; SET LOCAL jit = off")  # compiling costs more than it saves
            query = united(selects, which).encode()
            return {n: (int(rows), int(total)) for n, rows, total in connection.execute(query)}
    except psycopg.Error as error:  # a value that has no hash, a right that is missing, a damaged page: the load will tell
        if connection.closed:
            raise
        if len(which) == 1 or isinstance(error, _HELD):
            return {}
        return {n: found for one in which for n, found in _hashes(connection, selects, [one]).items()}


def _sum(hashed: str) -> str:
    return f"sum(('x' || right({hashed}, 15))::bit(60)::bigint)"


def summand(hashed: str) -> int:
    """Return what a row's hash adds to the sum of its bucket."""
    return int(hashed[-15:], 16)


def rows(target: Postgres, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> dict[str, Row]:
    """Return key and hash of every row in those buckets, by the hash of the key; keys are texts as Postgres shows them."""
    query = (
        f"SELECT {key_hash(spec)}, {row_hash(spec)}, {', '.join(f'{name(key)}::text' for key in spec.target_key)}"
        f" FROM {rows_of(spec)} WHERE {within(spec, buckets, which)}{unmarked(spec, 'AND')}"
    )
    listed: dict[str, Row] = {}
    with target.connect() as connection:
        for text, found, *key in connection.execute(query.encode()):
            # Without its primary key the table may have a key twice: no row of the source has such a hash.
            before = listed.get(text)
            listed[text] = Row(tuple(key), f"{before.hash} {found}" if before else found)
    return listed


def multiset(target: Postgres, spec: TableSpec, which: Sequence[str]) -> dict[str, int]:
    """Return how often each row hash occurs in those buckets of a table without a key."""
    query = (
        f"SELECT h, count(*) FROM (SELECT {row_hash(spec)} AS h FROM {rows_of(spec)}"
        f" WHERE {within(spec, Buckets(), which)}{unmarked(spec, 'AND')}) t GROUP BY h"
    )
    with target.connect() as connection:
        return {text: int(count) for text, count in connection.execute(query.encode())}


def row_hash(spec: TableSpec) -> str:
    """Return the expression of a row's hash, in hexadecimal."""
    return hash_expressions(spec.casts, {item.column: name(item.name) for item in spec.casts}, spec.nul_bytes)[1]


def key_hash(spec: TableSpec) -> str:
    """Return the expression of the hash of a row's key, or of the whole row where the table has none."""
    casts = tuple(item for item in spec.casts if item.column in spec.key or not spec.key)
    return hash_expressions(casts, {item.column: name(item.name) for item in casts}, spec.nul_bytes)[1]


def _bucket(spec: TableSpec, buckets: Buckets) -> str:
    return f"{name(spec.target_key[0])} / {buckets.width}" if buckets.width else f"left({key_hash(spec)}, 3)"


def within(spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> str:
    """Return the condition that a row is in one of those buckets."""
    if not buckets.width:
        return f"left({key_hash(spec)}, 3) IN ({', '.join(map(value, which))})"
    column = name(spec.target_key[0])
    ranges = (buckets.range(int(bucket)) for bucket in which)
    return "(" + " OR ".join(f"{column} BETWEEN {lo} AND {hi}" for lo, hi in ranges) + ")"


def unmarked(spec: TableSpec, word: str) -> str:
    """Return the condition, after `word`, that a row is not marked as gone; nothing where none is marked."""
    return f" {word} {name(DELETED_AT)} IS NULL" if spec.deletes == "mark" else ""


def _type(spec: TableSpec, column: str) -> str:
    return next(item.target_type.base for item in spec.casts if item.column == column)
