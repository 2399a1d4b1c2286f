"""What the target demands of programs that write to it, from its catalogs: one query for all tables, one for the rest."""

from __future__ import annotations

import json
from typing import Any

from bulketl.postgres.ddl import KEPT
from bulketl.postgres.ledger import schema as ledger
from bulketl.postgres.server import LEDGER, STAGING, Connection
from bulketl.tables.demands import Demands, Footing, Place
from bulketl.tables.secondary import NOTE

# Of a partitioned table what its partitions demand counts too. An index holds what 600 characters take, whichever they are.
_TABLES = (
    """
SELECT c.oid::bigint, json_strip_nulls(json_build_object(
    'generated', (SELECT json_agg(attname) FILTER (WHERE attgenerated <> '') FROM pg_attribute a WHERE {own}),
    'identity', (SELECT json_agg(attname) FILTER (WHERE attidentity = 'a') FROM pg_attribute a WHERE {own}),
    'required', (SELECT json_agg(attname) FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
        WHERE {own} AND (attnotnull OR y.typnotnull) AND attgenerated = '' AND attidentity = '' AND NOT atthasdef
            AND y.typdefault IS NULL),
    'constraints', (SELECT json_agg(w.what ORDER BY w.what) FROM (
        SELECT format('%%I %%s', conname, pg_get_constraintdef(k.oid)) AS what FROM pg_constraint k
        WHERE k.conrelid = ANY(parts.oids) AND contype IN ('c', 'u', 'x', 'f') AND k.conparentid = 0
            AND NOT COALESCE(obj_description(k.oid, 'pg_constraint') ~ '{note}', false)
      UNION
        SELECT format('%%I %%s of domain %%s', k.conname, pg_get_constraintdef(k.oid), k.contypid::regtype)
        FROM pg_attribute a JOIN pg_constraint k ON k.contypid = a.atttypid AND k.contype = 'c' WHERE {own}) w),
    'indexes', (SELECT json_agg(concat_ws(' ', x.relname, CASE WHEN i.indisunique THEN '(unique)' END,
            'of ' || pg_get_expr(i.indexprs, i.indrelid), 'where ' || pg_get_expr(i.indpred, i.indrelid),
            'of long values in ' || long.names) ORDER BY x.relname)
        FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid, LATERAL (
            SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) AS names FROM pg_attribute a
            WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) AND a.atttypid IN {long}
                AND a.atttypmod NOT BETWEEN 4 AND {most} AND x.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')) long
        WHERE i.indrelid = ANY(parts.oids) AND NOT i.indisprimary AND NOT {kept}
            AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
            AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
            AND (i.indisunique OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL OR long.names IS NOT NULL)),
    'acting', (SELECT json_agg(DISTINCT w.what) FROM (
        SELECT format('trigger %%I', tgname) AS what FROM pg_trigger WHERE tgrelid = ANY(parts.oids) AND NOT tgisinternal
            AND tgenabled <> 'D'
      UNION SELECT format('rule %%I', rulename) FROM pg_rewrite WHERE ev_class = ANY(parts.oids) AND ev_enabled <> 'D'
      UNION SELECT 'row level security' WHERE c.relrowsecurity
      UNION SELECT format('foreign key %%I', conname) FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY(parts.oids)
            AND confdeltype NOT IN ('a', 'r')) w),
    'rules', (SELECT json_agg(DISTINCT rulename) FROM pg_rewrite WHERE ev_class = ANY(parts.oids) AND ev_enabled <> 'D'),
    'insert_rules', (SELECT json_agg(DISTINCT rulename) FROM pg_rewrite
        WHERE ev_class = ANY(parts.oids) AND ev_enabled <> 'D' AND ev_type = '3'),
    'secured', c.relrowsecurity AND row_security_active(c.oid),
    'partitions', (SELECT count(*) FROM pg_inherits WHERE inhparent = c.oid AND c.relkind = 'p' HAVING c.relkind = 'p'),
    'uncovered', EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = c.oid AND partdefid = 0),
    'uncounted', NOT current_setting('track_counts')::boolean,
    'unidentified', (c.relreplident = 'n' OR (c.relreplident = 'd' AND NOT EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)))
        AND EXISTS (SELECT FROM pg_publication p WHERE (pubupdate OR pubdelete) AND (puballtables
            OR EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = c.oid)
            OR EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = p.oid AND s.pnnspid = c.relnamespace))),
    'numbers', (SELECT max(attnum) FROM pg_attribute WHERE attrelid = c.oid),
    'lacking', (SELECT json_agg(r) FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) r
        WHERE NOT has_table_privilege(c.oid, r)),
    'owned', pg_has_role(c.relowner, 'USAGE')))::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
    LATERAL (SELECT CASE WHEN c.relkind = 'p' THEN ARRAY(SELECT relid::oid FROM pg_partition_tree(c.oid))
             ELSE ARRAY[c.oid] END AS oids) parts
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p')""".replace(
        "{own}", "a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    )
    .replace("{long}", "('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'bytea'::regtype)")
    .replace("{most}", "600")
    .replace("{kept}", KEPT)
    .replace("{note}", NOTE)
)
_FOOTING = f"""
SELECT current_user::text, current_database()::text, current_setting('transaction_read_only')::boolean, pg_is_in_recovery(),
    has_database_privilege(current_database(), 'CREATE'), has_database_privilege(current_database(), 'TEMP'),
    (SELECT json_object_agg(nspname,
        json_build_array(has_schema_privilege(oid, 'USAGE'), has_schema_privilege(oid, 'CREATE')))
     FROM pg_namespace WHERE nspname = ANY(%(places)s))::text,
    obj_description(to_regnamespace('{LEDGER}'), 'pg_namespace'),
    (SELECT json_agg(relname ORDER BY relname) FROM pg_class
     WHERE relnamespace = to_regnamespace('{LEDGER}') AND relkind = 'r' AND NOT (
         has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
         AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')))::text,
    (SELECT json_agg(relname ORDER BY relname) FROM pg_class
     WHERE relnamespace = to_regnamespace('{LEDGER}') AND relkind = 'r' AND NOT pg_has_role(relowner, 'USAGE'))::text,
    (SELECT spcname FROM pg_tablespace WHERE spcname = current_setting('default_tablespace')
     AND NOT has_tablespace_privilege(oid, 'CREATE'))::text"""


def read_demands(connection: Connection, schema: str) -> dict[int, Demands]:
    """Return what each table of a schema demands, by its oid; one query, whatever their number."""
    found = {}
    for oid, text in connection.execute(_TABLES.encode(), {"schema": schema}):
        said: dict[str, Any] = json.loads(text)
        said |= {key: tuple(value) for key, value in said.items() if isinstance(value, list)}
        found[oid] = Demands(**said)
    return found


def read_footing(connection: Connection, schema: str) -> Footing:
    """Return what a load into a schema stands on in this database, as this user finds it."""
    names = (LEDGER, STAGING, schema)
    user, database, read_only, recovery, creatable, temporary, places, comment, unwritable, foreign, tablespace = (
        connection.execute(_FOOTING.encode(), {"places": list(names)}).fetchone() or ()
    )
    there = json.loads(places or "{}")
    return Footing(
        user=user,
        database=database,
        places=tuple(Place(name, True, *there[name]) if name in there else Place(name, there=False) for name in names),
        read_only=read_only,
        recovery=recovery,
        creatable=creatable,
        temporary=temporary,
        version=ledger.version_in(comment),
        newest=ledger.NEWEST,
        unwritable=tuple(json.loads(unwritable or "[]")),
        foreign=tuple(json.loads(foreign or "[]")),
        tablespace=tablespace or "",
    )
