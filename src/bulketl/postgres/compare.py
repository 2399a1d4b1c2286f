"""The target's side of a comparison: rows and hashes by buckets of the key, the keys of some, and mending what differs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence

import psycopg

from bulketl.errors import DataError
from bulketl.plan.plan import DELETED_AT
from bulketl.postgres import Connection, Postgres, audit, checks, ledger, state
from bulketl.postgres.copy import TEMPORARY, copy, transaction, without_refused
from bulketl.postgres.ddl import batch, name, rows_of, value
from bulketl.postgres.guard import check_gone
from bulketl.postgres.joins import BY_HASH, PLANNING
from bulketl.postgres.keylist import among, listing
from bulketl.postgres.made import hold
from bulketl.postgres.merge import absent, removing
from bulketl.postgres.publish import into
from bulketl.postgres.stage import temporary, temporary_name
from bulketl.rows.canonical import digests as digest_pair
from bulketl.rows.coerce import Batch, Reject
from bulketl.rows.reconcile import Buckets, Differences, Digest, Row, batches, united
from bulketl.tables.casts import parse_target
from bulketl.tables.spec import TableSpec

BUCKET_KEYS = 4096
MOST_BUCKETS = 2000
GONE = "bulketl_gone"
_HELD = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.QueryCanceled)
_COUNTING = ("smallint", "integer", "bigint")


def buckets(target: Postgres, spec: TableSpec) -> Buckets:
    """Return how to divide the table's keys: integers by ranges that an index finds, others by their hash."""
    if len(spec.key) != 1 or _type(spec, spec.key[0]) not in _COUNTING:
        return Buckets()
    key = name(spec.key[0])
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
        f" {row_hash(spec)} AS h FROM {rows_of(spec)} WHERE {only}{alive(spec, 'AND')}) t GROUP BY b"
    )
    with target.connect() as connection:
        return {bucket: (int(rows), int(total)) for bucket, rows, total in connection.execute(query.encode())}


def hashes(target: Postgres, specs: Sequence[TableSpec]) -> dict[str, Digest]:
    """Return rows and the sum of their hashes of whole tables, a query for many; what cannot be read now is left out.

    Tables that are locked for a second are left out with those of the same query.
    """
    selects = [f"count(*), COALESCE({_sum(row_hash(spec))}, 0) FROM {rows_of(spec)}{alive(spec, 'WHERE')}" for spec in specs]
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


def rows(target: Postgres, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> dict[str, Row]:
    """Return key and hash of every row in those buckets, by the hash of the key; keys are texts as Postgres shows them."""
    query = (
        f"SELECT {key_hash(spec)}, {row_hash(spec)}, {', '.join(f'{name(key)}::text' for key in spec.key)}"
        f" FROM {rows_of(spec)} WHERE {within(spec, buckets, which)}{alive(spec, 'AND')}"
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
        f" WHERE {within(spec, Buckets(), which)}{alive(spec, 'AND')}) t GROUP BY h"
    )
    with target.connect() as connection:
        return {text: int(count) for text, count in connection.execute(query.encode())}


def mend(target: Postgres, run: str, spec: TableSpec, found: Differences, batches: Iterator[Batch]) -> dict[str, int]:
    """Bring rows into the table and treat those that are gone as `spec.deletes` says, with a record; one transaction.

    Return what the run has put into the audit trail of the table, by kind.

    Raise DataError when more rows are gone than may go, or a row cannot be loaded.
    """
    if spec.deletes in ("mirror", "mark", "fail"):
        check_gone(spec, len(found.gone), found.rows)
    stage = name(TEMPORARY, temporary_name(0))
    spec = dataclasses.replace(spec, added=(), widened=())  # the load before has altered the table
    if spec.max_rejects:  # what Postgres refuses is found by trials over a connection of their own
        batches = (without_refused(target, run, spec, piece) for piece in batches)
    with transaction(target, run, f"table {spec.table!r}", spec.encoder) as cursor:
        hold(cursor, run, [spec])
        cursor.execute(temporary(0, spec))
        rejects: list[Reject] = []
        read = 0
        for piece in checks.passing(spec, batches):
            rejects += piece.rejects
            read += piece.read
            if len(rejects) > spec.rejectable(read):
                raise DataError(
                    f"table {spec.table!r}: {len(rejects)} rows that differ from the source cannot be loaded: "
                    f"{rejects[-1].column} {rejects[-1].reason}",
                    hint="load the table whole with --full: its rejects are listed then",
                )
            copy(cursor, piece.good, spec, TEMPORARY, temporary_name(0))
        new = f"(SELECT count(*) FROM {stage} s WHERE {absent(spec, rows_of(spec))})"
        removed = len(found.gone) if spec.deletes in ("mirror", "mark") else 0
        listed = listing(cursor, spec, found.gone, GONE)
        # Gone ones first: where the servers show a key differently the same row is both gone and missing.
        statements = [PLANNING, BY_HASH, *gone(run, spec, listed)] if found.gone else [PLANNING, BY_HASH]
        statements.append(state.compared(run, spec, f"{new} - {removed}"))
        if rejects:
            statements.append(ledger.rejected(run, spec, 0, rejects))
        if found.missing or found.differing:
            statements += into(run, spec, stage)
        if spec.audit:
            statements += [BY_HASH, audit.reverted(run, spec, stage, among(spec, listed))]
        cursor.execute(batch([*statements, ledger.compared(run, spec, found)]))
        if not spec.audit:
            return {}
        cursor.execute(ledger.noted_by(run, spec))
        noted: dict[str, int] = json.loads(cursor.fetchall()[0][0])
        return noted


def gone(run: str, spec: TableSpec, listed: str, *, record: bool = False) -> list[str]:
    """Return the statements for the rows that are gone at the source; `listed`: the table of their keys, quoted.

    With a `record` of the publish they are counted there.
    """
    table, which = rows_of(spec), among(spec, listed)
    if spec.audit:
        return [audit.deleted(run, spec, f"{table} t WHERE {which}")]
    if spec.deletes == "mirror":
        left = f"(SELECT count(*) FROM {table} t WHERE {which})"
        return [removing(run, spec, f"DELETE FROM {table} t WHERE {which}", left, record=record)]
    if spec.deletes == "mark":
        left = f"(SELECT count(*) FROM {table} t WHERE {which} AND t.{name(DELETED_AT)} IS NULL)"
        mark = f"UPDATE {table} t SET {name(DELETED_AT)} = now() WHERE {which}"
        return [removing(run, spec, mark, left, record=record)]
    return []


def row_hash(spec: TableSpec) -> str:
    """Return the expression of a row's hash, in hexadecimal."""
    return digest_pair(spec.casts, {item.column: name(item.column) for item in spec.casts}, spec.nul_bytes)[1]


def key_hash(spec: TableSpec) -> str:
    """Return the expression of the hash of a row's key, or of the whole row where the table has none."""
    casts = tuple(item for item in spec.casts if item.column in spec.key or not spec.key)
    return digest_pair(casts, {item.column: name(item.column) for item in casts}, spec.nul_bytes)[1]


def _bucket(spec: TableSpec, buckets: Buckets) -> str:
    return f"{name(spec.key[0])} / {buckets.width}" if buckets.width else f"left({key_hash(spec)}, 3)"


def within(spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> str:
    """Return the condition that a row is in one of those buckets."""
    if not buckets.width:
        return f"left({key_hash(spec)}, 3) IN ({', '.join(map(value, which))})"
    column = name(spec.key[0])
    ranges = (buckets.range(int(bucket)) for bucket in which)
    return "(" + " OR ".join(f"{column} BETWEEN {lo} AND {hi}" for lo, hi in ranges) + ")"


def alive(spec: TableSpec, word: str) -> str:
    """Return the condition, after `word`, that a row is not marked as gone; nothing where none is marked."""
    return f" {word} {name(DELETED_AT)} IS NULL" if spec.deletes == "mark" else ""


def _type(spec: TableSpec, column: str) -> str:
    return parse_target(next(item.target for item in spec.casts if item.column == column))[0]
