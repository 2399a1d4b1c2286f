"""The target's totals for a verification: how many rows its tables have, sums over their columns, and key spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bulketl.postgres import ddl
from bulketl.postgres.compare.digests import unmarked
from bulketl.postgres.ddl import name, rows_of, value
from bulketl.postgres.joins import BY_HASH, PLANNING
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.copy import TEMPORARY
from bulketl.postgres.write.keylist import among, listing, send
from bulketl.rows.aggregates import aggregates
from bulketl.tables.partitions import KeyTuple
from bulketl.tables.spec import TableSpec

COUNTED_TOGETHER = 60  # tables in one query
FIGURES_TOGETHER = 1000  # in one query
_KEYS = "bulketl_keys"


def counts(target: Postgres, specs: Sequence[TableSpec]) -> dict[str, int]:
    """Count the rows of each table, a query for many."""
    found: dict[str, int] = {}
    with target.connect() as connection:
        for start in range(0, len(specs), COUNTED_TOGETHER):
            some = specs[start : start + COUNTED_TOGETHER]
            parts = (f"SELECT {n}, count(*) FROM {rows_of(spec)}{unmarked(spec, 'WHERE')}" for n, spec in enumerate(some))
            found |= {some[n].table: int(rows) for n, rows in connection.execute(" UNION ALL ".join(parts).encode())}
    return found


def key_span(target: Postgres, spec: TableSpec) -> tuple[Any, Any]:
    """Return the smallest and largest key of one column."""
    key = name(spec.target_key[0])
    with target.connect() as connection:
        found = connection.execute(f"SELECT min({key}), max({key}) FROM {rows_of(spec)}".encode())
        lo, hi = found.fetchone() or (None, None)
        return lo, hi


def sums(target: Postgres, spec: TableSpec, without: Sequence[KeyTuple]) -> tuple[int, list[str | None]]:
    """Return the number of rows, but for some keys, and the figures of `aggregates` over them as text, in its order."""
    names = {item.column: name(item.name) for item in spec.casts}
    wanted = [found.postgres for found in aggregates(spec.casts, names, spec.nul_bytes)]
    values: list[str | None] = []
    rows = 0
    with target.connect() as connection, connection.transaction(), connection.cursor() as cursor:
        out = f"NOT {among(spec, listing(cursor, spec, without, _KEYS))}" if without else "true"
        cursor.execute(ddl.batch([PLANNING, BY_HASH]).encode())
        for n in range(0, len(wanted), FIGURES_TOGETHER):
            query = (
                f"SELECT count(*), {', '.join(wanted[n : n + FIGURES_TOGETHER])}"
                f" FROM {rows_of(spec)} t WHERE {out}{unmarked(spec, 'AND')}"
            )
            rows, *some = cursor.execute(query.encode()).fetchone() or (0,)
            values += [None if found is None else str(found) for found in some]
    return int(rows), values


def present(target: Postgres, spec: TableSpec, keys: Sequence[str]) -> int:
    """Return how many of these keys, JSON texts as of rejects, the table has: the row was corrected and loaded since."""
    own = ", ".join(f"t.{name(column)}::text" for column in spec.target_key)
    asked = ", ".join(f"k.key::jsonb->>{value(column)}" for column in spec.key)
    query = (
        f"SELECT count(*) FROM {TEMPORARY}.{_KEYS} k WHERE EXISTS (SELECT 1 FROM {rows_of(spec)} t"
        f" WHERE ({own}) = ({asked}){unmarked(spec, 'AND')})"
    )
    with target.connect() as connection, connection.transaction(), connection.cursor() as cursor:
        send(cursor, ["key"], [(key,) for key in keys], _KEYS)
        cursor.execute(ddl.batch([PLANNING, BY_HASH]).encode())
        ((count,),) = cursor.execute(query.encode()).fetchall()
        return int(count)
