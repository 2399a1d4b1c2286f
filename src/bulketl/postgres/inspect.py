"""What the target already has: its tables, and everything that depends on them.

A swap drops the old table, so everything that depends on it would go too. bulketl carries over what it can carry over
exactly: owner, grants, comments, options, plain views. Anything else that it finds in pg_depend makes it refill the table
in place. The list says what may be carried over, so nothing unknown is lost.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence

import psycopg

from bulketl.postgres import ddl
from bulketl.postgres.ddl import KEPT, REBUILT, SEEN, TIED, own_rows
from bulketl.postgres.demands import read_demands
from bulketl.postgres.ledger import made
from bulketl.postgres.ledger.made import OTHER_TYPE
from bulketl.postgres.server import Connection
from bulketl.tables.casts import TARGETS, held_type
from bulketl.tables.catalog import TargetTable, not_null
from bulketl.tables.demands import Demands
from bulketl.tables.enums import ENUM_TYPE, is_note, type_name

# Everything that depends on a table or its row type, but its own parts: toast, row type, primary key, NOT NULL of it. Of a
# view only its query is carried: a rule that takes writes to it would be lost. Last, the columns that it needs of the table.
_HANGING = f"""
SELECT d.refrel, d.kind, COALESCE(
        (SELECT format('%%sview %%I.%%I', CASE c.relkind WHEN 'm' THEN 'materialized ' END, n.nspname, c.relname)
         FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.rulename = '_RETURN'),
        pg_describe_object(d.classid, d.objid, 0)),
    (SELECT json_agg(DISTINCT a.attname)::text FROM pg_depend p JOIN pg_attribute a ON a.attrelid = p.refobjid
        AND a.attnum = p.refobjsubid WHERE p.classid = d.classid AND p.objid = d.objid
        AND p.refclassid = 'pg_class'::regclass AND p.refobjid = d.refrel AND p.refobjsubid > 0)
FROM (
    SELECT DISTINCT t.oid AS refrel, d.classid, d.objid,
        CASE
            WHEN d.classid = 'pg_rewrite'::regclass THEN (
                SELECT CASE WHEN c.relkind = 'm' THEN 'materialized' WHEN c.relkind = 'v' AND r.rulename = '_RETURN'
                    AND pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relnamespace, 'CREATE')
                    THEN 'view' ELSE 'other' END
                FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.oid = d.objid)
            WHEN {TIED} THEN 'own'
            WHEN d.classid = 'pg_constraint'::regclass THEN (
                SELECT CASE WHEN contype = 'p' AND conrelid = t.oid THEN 'own' WHEN contype = 'n' THEN 'own'
                            WHEN contype = 'f' AND confrelid = t.oid THEN 'referencing'
                            WHEN contype IN ('c', 'u', 'x') AND conrelid = t.oid THEN 'part' ELSE 'other' END
                FROM pg_constraint WHERE oid = d.objid)
            WHEN d.classid = 'pg_class'::regclass THEN (
                SELECT CASE WHEN relkind = 't' OR {KEPT} THEN 'own' WHEN {REBUILT} THEN 'index'
                            WHEN relkind IN ('i', 'S') THEN 'part' ELSE 'other' END
                FROM pg_class x WHERE oid = d.objid)
            WHEN d.classid = 'pg_attrdef'::regclass AND t.oid = t.reloid THEN (
                SELECT CASE a.attgenerated WHEN '' THEN 'default' ELSE 'part' END FROM pg_attrdef f
                JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum WHERE f.oid = d.objid)
            WHEN d.classid = 'pg_type'::regclass THEN 'own'
            ELSE 'other'
        END AS kind
    FROM closure t
    JOIN pg_depend d ON (d.refclassid = 'pg_class'::regclass AND d.refobjid = t.reloid)
                     OR (d.refclassid = 'pg_type'::regclass AND d.refobjid = t.reltype)
    WHERE NOT (d.classid = 'pg_rewrite'::regclass
               AND d.objid IN (SELECT oid FROM pg_rewrite WHERE ev_class = t.reloid AND rulename = '_RETURN'))
) d WHERE d.kind <> 'own'
"""
# The tables of the schema, and every view that reads them, however far up: what hangs on such a view hangs on the table.
_CLOSURE = """
WITH RECURSIVE closure AS (
    SELECT c.oid, c.oid AS reloid, c.reltype FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
  UNION
    SELECT t.oid, v.oid, v.reltype FROM closure t
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.reloid AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = 'v' AND v.oid <> t.reloid
)"""
_TABLES = f"""
SELECT c.oid, c.relname, c.relkind,
    (SELECT json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum)
     FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)::text,
    (SELECT json_agg(a.attname ORDER BY k.n) FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(attnum, n), pg_attribute a
     WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.attnum)::text,
    concat_ws(', ',
        CASE WHEN c.relrowsecurity THEN 'row level security' END,
        CASE WHEN c.relkind = 'p' OR c.relispartition THEN 'its partitioning' END,
        (SELECT 'its inheriting from ' || string_agg(inhparent::regclass::text, ', ') FROM pg_inherits
         WHERE inhrelid = c.oid AND NOT c.relispartition)),
    (SELECT json_agg(a.attname) FROM pg_attribute a
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped AND NOT EXISTS (
        SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY(i.indkey)))::text,
    {SEEN},
    c.relrowsecurity OR EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = ANY(parts.oids) AND NOT g.tgisinternal
            AND g.tgenabled <> 'D') OR EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = ANY(parts.oids)
            AND w.rulename <> '_RETURN' AND w.ev_enabled <> 'D'),
    (SELECT json_agg(format('grant %%s to %%s', rights, grantee) || option ORDER BY grantee, rights) FROM (
        SELECT string_agg(g.what, ', ' ORDER BY g.what) AS rights, COALESCE(NULLIF(g.grantee, 0)::regrole::text, 'PUBLIC')
            AS grantee, CASE WHEN g.is_grantable THEN ' with grant option' ELSE '' END AS option
        FROM (
            SELECT a.grantee, a.is_grantable, a.privilege_type AS what FROM aclexplode(c.relacl) a
          UNION ALL
            SELECT x.grantee, x.is_grantable,
                format('%%s (%%s)', x.privilege_type, string_agg(a.attname, ', ' ORDER BY a.attnum))
            FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            GROUP BY x.grantee, x.is_grantable, x.privilege_type
        ) g WHERE g.grantee <> c.relowner GROUP BY g.grantee, g.is_grantable
    ) said)::text,
    (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND y.typreceive = 0)::text,
    pg_get_userbyid(c.relowner),
    (SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisprimary),
    (c.relpages + COALESCE((SELECT x.relpages FROM pg_class x WHERE x.oid = c.reltoastrelid), 0))::bigint
        * current_setting('block_size')::bigint,
    (SELECT json_agg(json_build_array(x.relname, obj_description(x.oid, 'pg_class')) ORDER BY x.relname)
     FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND {KEPT})::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
    LATERAL (SELECT ARRAY[c.oid] || ARRAY(SELECT relid::oid FROM pg_partition_tree(c.oid)) AS oids) parts
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p')"""
# What else has a name that a table might get: any other relation, and types, for each table has a row type.
_OTHERS = f"""
SELECT c.oid::bigint, c.relname, c.relkind::text, pg_get_userbyid(c.relowner), NULL, NULL, NULL, true
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relkind NOT IN ('r', 'p')
UNION ALL
SELECT t.oid::bigint, t.typname, t.typtype::text || ' type', pg_get_userbyid(t.typowner), format_type(t.oid, NULL),
    (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)::text,
    obj_description(t.oid, 'pg_type'), pg_has_role(t.typowner, 'USAGE')
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = %(schema)s AND {OTHER_TYPE}"""
_KINDS = {
    "v": "view", "m": "materialized view", "f": "foreign table", "S": "sequence", "i": "index", "I": "partitioned index",
    "c": "composite type", "e type": "enum type", "d type": "domain", "r type": "range type", "m type": "multirange type",
    "b type": "base type", "p type": "pseudo-type",
}  # fmt: skip
COUNTED_PAGES = 1000  # 8 MB: a table so small is counted to say what would be lost
COUNTED_TABLES = 50

CARRIED = ("view", "index")  # which a swap makes again
LOST = ("other", "referencing", "materialized")  # which would be lost even if the old table were kept elsewhere
HANGING = ("index", "part", "default", *LOST)  # which a person is told of where a table is kept for it
KINDS = ("view", *HANGING)


def read_tables(connection: Connection, schema: str) -> dict[str, TargetTable]:
    """Return every table of the schema by name, with what depends on it; a few queries, whatever their number.

    Whatever else has a name that a table would get, a view, a sequence, a type, is returned too, without columns and
    hanging on itself, so that it is refused and never dropped. Raise ConfigError when the ledger's schema is not ours.
    """
    record = made.read(connection, schema)
    hanging: dict[int, dict[str, set[str]]] = {}
    needed: dict[int, dict[str, tuple[str, ...]]] = {}
    for oid, kind, what, columns in connection.execute(_CLOSURE + _HANGING, {"schema": schema}):
        hanging.setdefault(oid, {kind: set() for kind in KINDS})[kind].add(what)
        if kind in CARRIED:
            needed.setdefault(oid, {})[what] = tuple(json.loads(columns or "[]"))
    tables, demands = {}, read_demands(connection, schema)
    with connection.transaction():
        # So that each type outside pg_catalog is printed with its schema: a person may have called one `text`, or may
        # connect with another search_path tomorrow.
        connection.execute("SET LOCAL search_path = pg_catalog")
        found = connection.execute(_TABLES, {"schema": schema}).fetchall()
        others = connection.execute(_OTHERS, {"schema": schema}).fetchall()
    own_types: dict[str, str] = {}  # the enum types that bulketl made, by how Postgres prints them
    for oid, name, relkind, owner, printed, labels, note, owned in others:
        kind = _KINDS.get(relkind, "relation")
        tables[name] = TargetTable(
            name, (), hanging=(f"its being a {kind}",), kind=kind, oid=oid, owner=owner, demands=Demands(owned=owned),
            labels=tuple(json.loads(labels or "[]")), note=note or "",
        )  # fmt: skip
        if kind == ENUM_TYPE and is_note(note or ""):
            own_types[printed] = type_name(schema, name)
    for (
        oid,
        name,
        relkind,
        columns,
        key,
        own,
        required,
        seen,
        acting,
        grants,
        uncopied,
        owner,
        key_name,
        size,
        notes,
    ) in found:
        kinds = hanging.get(oid) or {kind: set() for kind in KINDS}
        strict = {not_null(column) for column in json.loads(required or "[]")}
        tables[name] = TargetTable(
            name=name,
            columns=tuple((column, own_types.get(kind) or spelt(kind)) for column, kind in json.loads(columns or "[]")),
            primary_key=tuple(json.loads(key or "[]")),
            views=tuple(sorted(kinds["view"])),
            carried=tuple(sorted(needed.get(oid, {}).items())),
            hanging=tuple(sorted(set[str]().union(strict, *(kinds[kind] for kind in HANGING), {own} if own else ()))),
            staying=tuple(sorted(set[str]().union(*(kinds[kind] for kind in LOST), {own} if own else ()))),
            materialized=bool(kinds["materialized"]),
            referenced=bool(kinds["referencing"]),
            seen=seen,
            grants=tuple(json.loads(grants or "[]")),
            uncopied=tuple(json.loads(uncopied or "[]")),
            kind="partitioned table" if relkind == "p" else "table",
            oid=oid,
            owner=owner,
            bytes=size,
            key_name=key_name or "",
            made=record.get(name),
            partitioned=relkind == "p",
            acting=acting,
            demands=demands.get(oid, Demands()),
            defaults=tuple(sorted(kinds["default"])),
            indexes=tuple((index, note) for index, note in json.loads(notes or "[]")),
        )
    return tables


def with_rows(
    connection: Connection, schema: str, tables: Mapping[str, TargetTable], wanted: Sequence[str]
) -> dict[str, TargetTable]:
    """Return the tables, the wanted ones that are not ours with their rows: counted if small, else estimated."""
    strange = [table for table in wanted if table in tables and tables[table].columns and not tables[table].ours]
    found = dict(tables)
    for table in strange[:COUNTED_TABLES]:
        place = ddl.name(schema, table)
        try:
            with connection.transaction():
                connection.execute("SET LOCAL lock_timeout = '1s'")
                pages, estimate = connection.execute(
                    "SELECT pg_relation_size(oid) / 8192, reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)",
                    (place,),
                ).fetchone() or (0, -1)
                rows = None if estimate < 0 else estimate
                if pages <= COUNTED_PAGES:
                    ((rows,),) = connection.execute(f"SELECT count(*) FROM {place}".encode())
            found[table] = dataclasses.replace(tables[table], rows=rows)
        except psycopg.Error:  # no right to read it, or locked: then it is said without its rows
            if connection.closed:
                raise
    return found


def partitioned(connection: Connection, schema: str) -> set[str]:
    """Return the partitioned tables of the schema: their rows are in their partitions."""
    query = (
        "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relkind = 'p'"
    )
    return {table for (table,) in connection.execute(query, (schema,))}


def spelt(kind: str) -> str:
    """Return a type as `format_type` prints it in the spelling of the cast rules; one that no rule makes as it is."""
    short = re.sub(r"\((\d+)\) (with(?:out)? time zone)$", r" \2(\1)", kind)
    base, numbers = held_type(short)
    if base not in TARGETS:
        return kind
    return f"{base}({','.join(map(str, numbers))})" if numbers else base


def heirs(connection: Connection, schema: str, tables: Sequence[str]) -> dict[str, list[str]]:
    """Return of each of these tables those that inherit from it, however far down, by their quoted names; none for most.

    A query that reads the table reads their rows too.
    """
    found: dict[str, list[str]] = {}
    query = (
        "WITH RECURSIVE t AS (SELECT c.relname AS of, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        "  WHERE n.nspname = %s AND c.relname = ANY(%s) AND c.relkind <> 'p'"
        " UNION SELECT t.of, h.inhrelid FROM t JOIN pg_inherits h ON h.inhparent = t.oid)"
        " SELECT t.of, n.nspname, c.relname FROM t JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p', 'f') AND (n.nspname, c.relname) <> (%s, t.of) ORDER BY 1, 2, 3"
    )
    for table, where, heir in connection.execute(query, (schema, list(tables), schema)):
        found.setdefault(table, []).append(ddl.name(where, heir))
    return found


COUNTED_TOGETHER = 60


def count_rows(connection: Connection, schema: str, tables: Sequence[str]) -> dict[str, int]:
    """Return how many rows each of these tables of the schema has, a query for many; one that is locked is left out."""
    found: dict[str, int] = {}
    whole = partitioned(connection, schema)
    for some in (tables[n : n + COUNTED_TOGETHER] for n in range(0, len(tables), COUNTED_TOGETHER)):
        counts = (f"SELECT {n}, count(*) FROM {own_rows(schema, table, table in whole)}" for n, table in enumerate(some))
        try:
            with connection.transaction():
                connection.execute("SET LOCAL lock_timeout = '1s'")
                found |= {some[n]: rows for n, rows in connection.execute(" UNION ALL ".join(counts).encode())}
        except psycopg.errors.LockNotAvailable:
            continue
    return found
