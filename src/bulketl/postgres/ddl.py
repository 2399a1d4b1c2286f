"""The text of SQL: names, literals, statements; a list of statements is meant for one transaction.

Nothing here opens anything. psycopg does the quoting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from psycopg import sql

from bulketl.postgres.server import STAGING
from bulketl.tables.casts import Cast
from bulketl.tables.secondary import NOTE
from bulketl.tables.spec import STAMPS, TableSpec, cut


def name(*parts: str) -> str:
    """Return a quoted, dotted identifier."""
    return sql.Identifier(*parts).as_string(None)


def rows_of(spec: TableSpec) -> str:
    """Return the table as a statement names it that reads, changes or removes its rows: its own ones only.

    Tables may inherit from it, and their rows are somebody else's. The rows of a partitioned table are its partitions'.
    """
    return own_rows(spec.schema, spec.table, spec.partitioned)


def own_rows(schema: str, table: str, partitioned: bool) -> str:
    """Return the same for a table of a schema."""
    return name(schema, table) if partitioned else f"ONLY {name(schema, table)}"


def value(thing: str | int | float | bool | None) -> str:
    """Return a literal."""
    return sql.Literal(thing).as_string(None).strip()


def columns(names: Iterable[str]) -> str:
    """Return quoted names with commas."""
    return ", ".join(map(name, names))


def batch(statements: list[str]) -> str:
    """Return the statements as one, so that they cost one round trip. None of them may return rows."""
    return block(";\n".join(statements) + ";")


def block(body: str, variables: str = "") -> str:
    """Return a body of PL/pgSQL as one statement; `variables`: the declarations of its variables, as ` one bigint;`."""
    tag = f"$bulketl_{hashlib.sha256(body.encode()).hexdigest()[:8]}$"
    while tag in body:  # as whoever has searched for a name that hashes to itself would have it
        tag = f"$bulketl_{hashlib.sha256(tag.encode()).hexdigest()[:8]}$"
    # A column may be called `found`, which is also a variable of every block.
    declared = f"DECLARE{variables}\n" if variables else ""
    return f"DO {tag} #variable_conflict use_column\n{declared}BEGIN\n{body}\nEND {tag}"


def create_table(
    schema: str,
    table: str,
    casts: tuple[Cast, ...],
    key: tuple[str, ...] = (),
    *,
    more: Iterable[str] = (),
    required: Mapping[str, str] | None = None,
) -> str:
    """Return CREATE TABLE; only the key is NOT NULL, as in a raw schema that takes what the source has.

    `more` are further columns and constraints, in SQL. `required`: columns that are NOT NULL too, with the names of these
    constraints.
    """
    parts = [f"{name(item.name)} {item.target}{_not_null(item.name, required or {})}" for item in casts]
    parts += more
    if key:
        parts.append(primary_key(table, key))
    return f"CREATE TABLE {name(schema, table)} ({', '.join(parts)})"


def _not_null(column: str, required: Mapping[str, str]) -> str:
    return f" CONSTRAINT {name(required[column])} NOT NULL" if column in required else ""


def stamp_columns(stamps: Iterable[str], run: str) -> list[str]:
    """Return the definitions of stamp columns that get their value for this run by default."""
    return [f"{name(column)} {STAMPS[column]} DEFAULT {stamp(column, run)}" for column in stamps]


def stamp(column: str, run: str) -> str:
    """Return what a stamp column holds of rows that are written now by this run."""
    return "now()" if column == "_loaded_at" else value(run)


def stamped(spec: TableSpec, run: str) -> list[str]:
    """Return the statements after which rows copied into the table get their stamps by default."""
    table = name(spec.schema, spec.table)
    return [f"ALTER TABLE {table} ALTER COLUMN {name(column)} SET DEFAULT {stamp(column, run)}" for column in spec.stamps]


def primary_key(table: str, key: tuple[str, ...], key_name: str = "") -> str:
    """Return the constraint of a primary key, called as Postgres would call it if nothing else is said."""
    return f"CONSTRAINT {name(key_name or cut(table + '_pkey'))} PRIMARY KEY ({columns(key)})"


# An index `x` that a swap can build again from its definition alone: somebody's own, of no constraint.
REBUILT = """(x.relkind = 'i' AND x.reltablespace = 0 AND (
    SELECT i.indisvalid AND NOT (i.indisprimary OR i.indisexclusion OR i.indisclustered OR i.indisreplident)
    FROM pg_index i WHERE i.indexrelid = x.oid)
    AND (SELECT count(*) FROM pg_depend o WHERE o.classid = 'pg_class'::regclass AND o.objid = x.oid
         AND o.refclassid = 'pg_constraint'::regclass) = 0
    AND (SELECT count(*) FROM pg_inherits h WHERE h.inhrelid = x.oid) = 0)"""
# An index `x` that bulketl keeps for one of the source: no swap makes it again, for each load says which there are.
KEPT = f"COALESCE(obj_description(x.oid, 'pg_class') ~ '{NOTE}', false)"
# A foreign key, by its entry `d` in pg_depend, that bulketl keeps for one of the source: no run has it while it writes.
TIED = f"""(d.classid = 'pg_constraint'::regclass
    AND COALESCE(obj_description(d.objid, 'pg_constraint') ~ '{NOTE}', false))"""
# What a swap would drop with a table if it had appeared unseen: columns, defaults, indexes, triggers, policies, keys,
# publications. `c` is the table in pg_class. Views are not in it: they are carried, or make the DROP fail.
SEEN = f"""md5(concat(c.relrowsecurity,
    (SELECT string_agg(concat_ws(',', a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.atthasdef), ';' ORDER BY a.attnum)
     FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    (SELECT string_agg(concat_ws(',', d.classid::oid, d.objid), ';' ORDER BY d.classid, d.objid)
     FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                        AND d.classid <> 'pg_rewrite'::regclass AND NOT {TIED})))"""


def alter_table(spec: TableSpec) -> list[str]:
    """Return the statements that make the target table able to take the rows: columns added, and widened."""
    table, targets = name(spec.schema, spec.table), {item.name: item.target for item in spec.casts}
    targets |= {**dict(spec.kept), **STAMPS}
    added = [f"ALTER TABLE {table} ADD COLUMN {name(column)} {targets[column]}" for column in spec.added]
    return added + [f"ALTER TABLE {table} ALTER COLUMN {name(column)} TYPE {targets[column]}" for column in spec.widened]


def staging_name(run: str, table: str) -> str:
    """Return the staging table's name: the run first, so that its tables can be told from another run's."""
    return cut(f"{run} {table}")


def staging(run: str, table: str) -> str:
    """Return the staging table, quoted, with its schema."""
    return name(STAGING, staging_name(run, table))
