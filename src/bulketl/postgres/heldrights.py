"""Which of the rights that it needs a role has at the target, and which it has beyond them.

Postgres itself tells which rights are missing (`has_..._privilege`), including memberships and PUBLIC. The catalogues
tell what a role has beyond: everything, of every kind, that it owns or that was granted to it, or to a role of which it
is a member. Each such thing is in `pg_shdepend`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from bulketl.postgres.ddl import name
from bulketl.postgres.grants import Target, needed
from bulketl.postgres.ledger import made
from bulketl.postgres.ledger.schema import NEWEST, version_in
from bulketl.postgres.server import LEDGER, STAGING, Connection
from bulketl.tables.enums import SAYS
from bulketl.tables.printable import count_of
from bulketl.tables.rights import OWNER, Held, Right, Role

WRITES = ("SELECT", "INSERT", "UPDATE", "DELETE")
_GRANTABLE = " WITH GRANT OPTION"
_IN_A_SCHEMA = frozenset({"schema", "table", "column", "sequence", "type", "tables to come in schema"})


def held(connection: Connection, target: Target, role: Role, user: str) -> Held:
    """Return what a role lacks and what it has beyond; it lacks everything where it is not there."""
    ((there,),) = connection.execute("SELECT to_regrole(%s) IS NOT NULL", (name(user),)).fetchall()
    if not there:
        return Held(role, user, needed(target, role), (), there=False)
    missing = _missing(connection, target, role, user)
    return Held(role, user, tuple(missing), tuple(_excess(connection, target, role, user)))


# Of `w`, which has the right in a, b, c: whether the role has it. What is not there is nobody's to have, but a schema that a
# loader makes by itself, which then owns it.
_HAS = """
SELECT w.n, coalesce(CASE w.kind
    WHEN 'database' THEN has_database_privilege(r.oid, current_database(), w.privilege)
    WHEN 'schema' THEN coalesce((SELECT CASE w.privilege WHEN 'OWNER' THEN pg_has_role(r.oid, s.nspowner, 'USAGE')
        ELSE has_schema_privilege(r.oid, s.oid, w.privilege) END FROM pg_namespace s WHERE s.nspname = w.a),
        %(makes)s AND has_database_privilege(r.oid, current_database(), 'CREATE'))
    WHEN 'column' THEN (SELECT has_column_privilege(r.oid, c.oid, t.attnum, w.privilege)
        FROM pg_namespace s JOIN pg_class c ON c.relnamespace = s.oid JOIN pg_attribute t ON t.attrelid = c.oid
        WHERE (s.nspname, c.relname, t.attname) = (w.a, w.b, w.c) AND t.attnum > 0)
    WHEN 'tables to come in schema' THEN EXISTS (
        SELECT FROM pg_default_acl d JOIN pg_namespace s ON s.oid = d.defaclnamespace, aclexplode(d.defaclacl) x
        WHERE s.nspname = w.a AND d.defaclrole = to_regrole(quote_ident(w.b)) AND d.defaclobjtype = 'r'
            AND x.privilege_type = w.privilege AND (x.grantee = 0 OR pg_has_role(r.oid, x.grantee, 'USAGE')))
    ELSE true END, false)
FROM json_to_recordset(%(rights)s) AS w(n int, privilege text, kind text, a text, b text, c text), pg_roles r
WHERE r.rolname = %(user)s"""
_TABLES = """
SELECT c.relname, array(SELECT p FROM unnest(%(privileges)s::text[]) p WHERE NOT has_table_privilege(r.oid, c.oid, p)),
    pg_has_role(r.oid, c.relowner, 'USAGE')
FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace, pg_roles r
WHERE r.rolname = %(user)s AND s.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1"""

_OWNERS = """
SELECT pg_get_userbyid(c.relowner), count(*) FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace, pg_roles r
WHERE r.rolname = %(user)s AND s.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v')
    AND NOT pg_has_role(r.oid, c.relowner, 'USAGE') GROUP BY 1 ORDER BY 1"""


def _missing(connection: Connection, target: Target, role: Role, user: str) -> Iterator[Right]:
    rights = needed(target, role)
    asked = [
        {"n": n, "privilege": right.privilege, "kind": right.kind, **dict(zip("abc", right.on, strict=False))}
        for n, right in enumerate(rights)
    ]
    given = {"rights": json.dumps(asked), "user": user, "makes": role == "loader"}
    has: dict[Any, Any] = dict(connection.execute(_HAS, given).fetchall())
    yield from (right for n, right in enumerate(rights) if not has.get(n))
    if role == "analyst":
        for table, lacking, _ in _tables(connection, user, target.schema, ("SELECT",)):
            yield from (Right(privilege, "table", (target.schema, table), "it is read") for privilege in lacking)
    if role != "loader":
        return
    older = 0 < _version(connection) < NEWEST
    for table, lacking, owned in _tables(connection, user, LEDGER, WRITES):
        yield from (Right(privilege, "table", (LEDGER, table), "the ledger is written") for privilege in lacking)
        if older and not owned:
            yield Right(OWNER, "table", (LEDGER, table), "the ledger is brought to a later version")
    for table in made.taken_away(connection, target.schema, user):
        yield Right(OWNER, "table", (target.schema, table), "it is altered and replaced")
    if target.shadow:
        for table, lacking, owned in _tables(connection, user, target.schema, ("SELECT",)):
            why = "the older pipeline's table is compared"
            yield from (Right(privilege, "table", (target.schema, table), why) for privilege in lacking if not owned)
        for owner, count in connection.execute(_OWNERS, {"schema": target.schema, "user": user}):
            yield Right("MEMBER", "role", (str(owner),), f"{count_of(count, 'table')} of it would be promoted")


def _version(connection: Connection) -> int:
    ((comment,),) = connection.execute(f"SELECT obj_description(to_regnamespace('{LEDGER}'), 'pg_namespace')").fetchall()
    return version_in(comment)


def _tables(connection: Connection, user: str, schema: str, privileges: Iterable[str]) -> list[tuple[str, list[str], bool]]:
    """Return each table of a schema with those of the privileges that a role lacks, and whether it owns it."""
    given = {"user": user, "schema": schema, "privileges": list(privileges)}
    return [(str(table), lacking, owned) for table, lacking, owned in connection.execute(_TABLES, given)]


# The roles whose rights a role has: itself, those whose rights it inherits, and those that it can take on, of which alone it
# has the attributes too (`acts`). Who may make members of a role can be one. Before Postgres 16 each member can take it on.
_WHO = """
WITH RECURSIVE members AS (
    SELECT m.roleid, m.member, m.admin_option, coalesce((j ->> 'set_option')::bool, true) OR m.admin_option AS acts,
        coalesce((j ->> 'inherit_option')::bool, r.rolinherit) AS inherits
    FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member, LATERAL to_jsonb(m) j),
reached AS (
    SELECT oid, true AS acts FROM pg_roles WHERE rolname = %(user)s
    UNION SELECT m.roleid, w.acts AND m.acts FROM members m JOIN reached w ON w.oid = m.member
        WHERE m.inherits OR (w.acts AND m.acts)),
who AS (SELECT oid, pg_get_userbyid(oid)::text AS via, bool_or(acts) AS acts FROM reached GROUP BY oid),
"""
_ATTRIBUTES = (
    _WHO
    + """
found AS (SELECT w.via, r.* FROM who w JOIN pg_roles r USING (oid) WHERE w.acts)
SELECT 'SUPERUSER', 'server', NULL, NULL, NULL, via FROM found WHERE rolsuper
UNION ALL SELECT 'CREATEROLE', 'server', NULL, NULL, NULL, via FROM found WHERE rolcreaterole
UNION ALL SELECT 'CREATEDB', 'server', NULL, NULL, NULL, via FROM found WHERE rolcreatedb
UNION ALL SELECT 'REPLICATION', 'server', NULL, NULL, NULL, via FROM found WHERE rolreplication
UNION ALL SELECT 'BYPASSRLS', 'server', NULL, NULL, NULL, via FROM found WHERE rolbypassrls
UNION ALL SELECT 'MEMBER', 'role', via, NULL, NULL, %(user)s FROM who WHERE oid < 16384 AND via LIKE 'pg\\_%%'
UNION ALL SELECT 'ADMIN OPTION', 'role', pg_get_userbyid(m.roleid)::text, NULL, NULL, via
    FROM members m JOIN who w ON w.oid = m.member WHERE m.admin_option AND w.acts"""
)
# PUBLIC is asked too: whatever everybody may, this role may. `usual`: what everybody has unless somebody takes it away.
_GRANTED = (
    _WHO
    + """
everybody AS (SELECT oid, via FROM who UNION ALL SELECT 0, 'PUBLIC'),
places AS (SELECT oid, nspname, nspowner, nspacl, nspname ~ '^(pg_|information_schema$)' AS own FROM pg_namespace
    WHERE nspname !~ '^pg_(toast|temp)'),
things AS (
    SELECT 'database' AS kind, datname::text AS a, NULL::text AS b, NULL::text AS c, datdba AS owner, x.grantee,
        x.privilege_type, x.is_grantable,
        datname <> current_database() OR x.privilege_type IN ('CONNECT', 'TEMPORARY') AS usual
    FROM pg_database, LATERAL aclexplode(coalesce(datacl, acldefault('d', datdba))) x
    UNION ALL SELECT 'schema', nspname, NULL, NULL, nspowner, x.grantee, x.privilege_type,
        x.is_grantable, own OR nspname = 'public' AND x.privilege_type = 'USAGE'
    FROM places, LATERAL aclexplode(coalesce(nspacl, acldefault('n', nspowner))) x
    UNION ALL SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, nspname, c.relname, NULL, c.relowner,
        x.grantee, x.privilege_type, x.is_grantable, own
    FROM pg_class c JOIN places p ON p.oid = c.relnamespace, LATERAL aclexplode(
        coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner))) x
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL SELECT 'type', nspname, t.typname, NULL, t.typowner, x.grantee, x.privilege_type, x.is_grantable,
        x.grantee = 0
    FROM pg_type t JOIN places p ON p.oid = t.typnamespace,
        LATERAL aclexplode(coalesce(t.typacl, acldefault('T', t.typowner))) x
    WHERE t.typtype = 'e' AND strpos(obj_description(t.oid, 'pg_type'), %(ours)s) > 0
    UNION ALL SELECT 'column', nspname, c.relname, t.attname, c.relowner, x.grantee, x.privilege_type,
        x.is_grantable, own
    FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN places p ON p.oid = c.relnamespace,
        LATERAL aclexplode(t.attacl) x WHERE NOT t.attisdropped)
SELECT DISTINCT CASE WHEN t.owner = w.oid THEN 'OWNER'
    ELSE t.privilege_type || repeat(' WITH GRANT OPTION', t.is_grantable::int) END, t.kind, t.a, t.b, t.c, w.via
FROM things t JOIN everybody w ON w.oid = t.grantee OR w.oid = t.owner WHERE NOT (w.oid = 0 AND t.usual)"""
)
# Whatever else there is, of every kind: it stands there which role owns it or has a right on it.
_OTHERS = (
    _WHO
    + """
found AS (SELECT w.via, d.* FROM pg_shdepend d JOIN who w ON w.oid = d.refobjid
    WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype IN ('o', 'a'))
SELECT CASE deptype WHEN 'o' THEN 'OWNER' ELSE 'rights' END, 'thing',
    CASE WHEN dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        THEN pg_describe_object(classid, objid, objsubid)
        ELSE format('something in database %%s', (SELECT datname FROM pg_database WHERE oid = dbid)) END, NULL, NULL, via
FROM found WHERE classid NOT IN ('pg_class'::regclass, 'pg_namespace'::regclass, 'pg_database'::regclass,
        'pg_default_acl'::regclass)
    AND NOT (classid = 'pg_type'::regclass AND coalesce(strpos(obj_description(objid, 'pg_type'), %(ours)s), 0) > 0)
    OR dbid NOT IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
UNION ALL SELECT x.privilege_type || repeat(' WITH GRANT OPTION', x.is_grantable::int), 'tables to come in schema',
    s.nspname, pg_get_userbyid(d.defaclrole)::text,
    d.defaclobjtype::text, w.via
FROM pg_default_acl d LEFT JOIN pg_namespace s ON s.oid = d.defaclnamespace, aclexplode(d.defaclacl) x
JOIN who w ON w.oid = x.grantee
WHERE d.defaclrole <> w.oid"""
)


def _excess(connection: Connection, target: Target, role: Role, user: str) -> list[Right]:
    found, rights = set[Right](), frozenset(needed(target, role))
    superuser = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", (user,)).fetchone() == (True,)
    for query in (_ATTRIBUTES, *(() if superuser else (_GRANTED, _OTHERS))):  # such a one may do everything
        for privilege, kind, *on, via in connection.execute(query.encode(), {"user": user, "ours": SAYS}):
            by = "" if via == user else f"by way of {via}"
            right = Right(privilege, kind, tuple(str(part) for part in on if part is not None), by)
            if not _wanted(right, target, role, rights):
                found.add(right)
    owned = {right.on for right in found if right.privilege == OWNER}
    return sorted(right for right in found if right.privilege == OWNER or right.on not in owned)


def _wanted(right: Right, target: Target, role: Role, rights: Collection[Right]) -> bool:
    """Tell whether a right is one of the `rights` that are needed, or less of one."""
    on = right.on
    if right.privilege.endswith(_GRANTABLE):
        return False
    if right.kind == "database" and right.privilege in ("CONNECT", "TEMPORARY", "CREATE"):
        return on == (target.database,) and Right(right.privilege, "database", on) in rights
    if role == "loader":  # in these schemas everything is its own
        return on[:1] in ((LEDGER,), (STAGING,), (target.schema,), (target.shadow,)) and right.kind in _IN_A_SCHEMA
    if role == "analyst" and right.privilege == "SELECT" and right.kind in ("table", "column"):
        return on[:1] == (target.schema,)
    if role == "analyst" and right.kind == "tables to come in schema":
        return right.privilege == "SELECT" and on[:2] == (target.schema, target.loader)
    return right in rights
