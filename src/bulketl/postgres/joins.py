"""How Postgres joins what is staged with a table: decided here, from what is there, so that every join is linear.

Statistics must not decide it. A staging table has none, a table that was emptied and filled again has them of the empty
one, and an ANALYZE changes them at any time: with them a nested loop over 70,000 x 70,000 rows came and went. So of the
join methods only those are left that cannot become quadratic, whatever Postgres believes:

- `BY_HASH`: no nested loops. What joins two whole tables can only be a hash or a merge join then.
- `by_index`: where few rows are staged, nothing but nested loops, and of these none over rows kept aside: each staged row is
  then looked up in the key's index. How many are few is measured in rows and pages that are there, never estimated.

Before Postgres 18 a method that is off costs 1e10, and is still taken when there is no other; JIT would compile for such a
cost, so it is off too. `FREE` gives the settings back; else they end with the transaction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from bulketl.postgres.ddl import batch, name, value
from bulketl.postgres.server import Connection
from bulketl.tables.spec import TableSpec

# With the usual 4 MB a join of large tables falls into dozens of parts, and the table's pages are written once for each of
# them; Postgres takes of this what it needs, and gives it back.
PLANNING = (
    "PERFORM set_config('work_mem', '64MB', true) WHERE pg_size_bytes(current_setting('work_mem')) < 64 << 20;\n"
    "PERFORM set_config('random_page_cost', '1.1', true) WHERE current_setting('random_page_cost')::float8 > 1.1;\n"
    "SET LOCAL jit = off"
)
BY_HASH = ";\n".join(
    f"SET LOCAL {setting}"
    for setting in ("enable_nestloop = off", "enable_hashjoin = on", "enable_mergejoin = on", "jit = off")
)
_METHODS = ("enable_nestloop", "enable_hashjoin", "enable_mergejoin", "enable_material")
FREE = ";\n".join(f"SET LOCAL {method} TO DEFAULT" for method in _METHODS)
# Staged rows come in the order of their key, so that looking each up costs no random page. 100,000 lookups in a table of a
# million rows took 0.4 s and hashing it 0.5 s; a page has 50 to 100 rows, so this is about a tenth of the table.
LOOKUPS_PER_PAGE = 8


@contextlib.contextmanager
def by_hash(connection: Connection) -> Iterator[None]:
    """Begin a transaction of a connection in autocommit mode in which whole tables are joined."""
    with connection.transaction():
        connection.execute(batch([PLANNING, BY_HASH]).encode())
        yield


def joining(spec: TableSpec, stage: str) -> list[str]:
    """Return the statements, for a batch, after which `stage` (quoted) is joined with the spec's table in linear time.

    Rows of a whole table are joined by hash; fewer by the index of the table's key, when it has one and they are few.
    """
    return [PLANNING, BY_HASH] if spec.whole or not spec.key else [PLANNING, by_index(spec, stage)]


def by_index(spec: TableSpec, stage: str) -> str:
    """Return the statement after which each row of `stage` is looked up in the table, or hashed if they are many."""
    table = value(name(spec.schema, spec.table))
    # A partitioned table has no pages of its own.
    sizes = f"SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree({table})"
    pages = f"GREATEST(pg_relation_size({table}), COALESCE(({sizes}), 0)) / current_setting('block_size')::bigint"
    key = ", ".join(value(column) for column in spec.target_key)
    # Of the key's columns in any order: only an index that finds one row makes a lookup of a nested loop.
    columns = (
        "SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_attribute a"
        " WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey[:i.indnkeyatts - 1])"
    )
    indexed = (
        f"EXISTS (SELECT FROM pg_index i WHERE i.indrelid = {table}::regclass AND i.indisunique AND i.indisvalid"
        " AND i.indpred IS NULL AND i.indexprs IS NULL"
        f" AND ({columns}) = (SELECT array_agg(k ORDER BY k) FROM unnest(ARRAY[{key}]) k))"
    )
    few = f"(SELECT count(*) FROM {stage}) <= {LOOKUPS_PER_PAGE} * {pages} AND {indexed}"
    sets = [f"set_config('enable_nestloop', {_switch('few')}, true)"]
    sets += [f"set_config('{method}', {_switch('NOT few')}, true)" for method in _METHODS[1:]]
    return f"PERFORM {', '.join(sets)} FROM (SELECT {few} AS few) f"


def _switch(condition: str) -> str:
    return f"CASE WHEN {condition} THEN 'on' ELSE 'off' END"
