"""Making a staged table visible, in one transaction: swap, refill, merge or append.

A swap carries over everything the new table can take from the old one: owner, grants, comments, storage options, and
its indexes and the plain views on it, saved and recreated with theirs. Nothing is ever dropped with CASCADE: what could
not be carried made the plan choose refill, and what appeared since makes the transaction fail and the old table stay.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bulketl.errors import TargetError
from bulketl.postgres.ddl import REBUILT, SEEN, alter_table, batch, columns, name, rows_of, staging, value
from bulketl.postgres.joins import BY_HASH, FREE, PLANNING, joining
from bulketl.postgres.ledger.made import reserving
from bulketl.postgres.ledger.previous import keeping
from bulketl.postgres.server import STAGING
from bulketl.postgres.write import written
from bulketl.postgres.write.chain import append
from bulketl.postgres.write.merge import insert, merge, unique
from bulketl.postgres.write.secondary import freeing
from bulketl.tables.secondary import is_note
from bulketl.tables.spec import TableSpec

# Tables and every plain view on them, in the order they can be created, with what has to be said of them again.
_CARRIED = """
WITH RECURSIVE closure AS (
    SELECT unnest(ARRAY[{tables}]::regclass[])::oid AS oid, 0 AS depth
  UNION
    SELECT r.ev_class, t.depth + 1 FROM closure t
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> t.oid
), ordered AS (SELECT oid, max(depth) AS depth FROM closure GROUP BY oid)
SELECT json_build_object(
    'schema', n.nspname, 'name', c.relname, 'owner', pg_get_userbyid(c.relowner), 'me', current_user,
    'options', c.reloptions, 'comment', obj_description(c.oid, 'pg_class'),
    'definition', CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END,
    'grants', (SELECT json_agg(json_build_array(NULLIF(a.grantee, 0)::regrole::text, a.privilege_type, a.is_grantable, NULL))
               FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner),
    'indexes', (SELECT json_agg(json_build_array(s.nspname, x.relname, pg_get_indexdef(x.oid),
                                                 obj_description(x.oid, 'pg_class')) ORDER BY x.relname)
                FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace s ON s.oid = x.relnamespace
                WHERE i.indrelid = c.oid AND {rebuilt}),
    'column_grants', (SELECT json_agg(json_build_array(NULLIF(x.grantee, 0)::regrole::text, x.privilege_type, x.is_grantable,
                      a.attname)) FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = c.oid),
    'column_comments', (SELECT json_agg(json_build_array(a.attname, col_description(c.oid, a.attnum)))
                        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                        AND col_description(c.oid, a.attnum) IS NOT NULL))::text
FROM ordered t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v') ORDER BY t.depth"""

_REVOKED = """EXECUTE COALESCE((
    SELECT string_agg(format('REVOKE ALL ON %s FROM %s', c.oid::regclass,
                             COALESCE(NULLIF(a.grantee, 0)::regrole::text, 'PUBLIC')), ';')
    FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = {at}::regclass AND a.grantee <> c.relowner), 'SELECT 1')"""


def publish(cursor: Any, run: str, spec: TableSpec) -> None:
    """Make the keyed staging table's rows the table's rows, as `spec.publish` says; the caller commits.

    Any error leaves the target as it was, by the rollback that follows.
    """
    cursor.execute(batch([*keeping(run, spec), *arriving(run, spec)]))  # a copy is made before anything is locked
    things = []
    if spec.publish == "swap":
        table = value(name(spec.schema, spec.table))
        cursor.execute(f"SELECT {SEEN} FROM pg_class c WHERE c.oid = {table}::regclass")
        if cursor.fetchall()[0][0] != spec.seen:
            raise TargetError(
                f"table {spec.table!r} was changed in the target since the load was planned, and a swap would undo that",
                hint="load it again: the new plan takes the change into account",
            )
        cursor.execute(carrying(spec))
        things = [json.loads(text) for (text,) in cursor.fetchall()]
    cursor.execute(batch(replacing(run, spec, things)))


def arriving(run: str, spec: TableSpec) -> list[str]:
    """Return the statements that give the staging table its final name and lock the old table, which has to be ours."""
    renaming = f"ALTER TABLE {staging(run, spec.table)} RENAME TO {name(spec.table)}"
    statements = [renaming, *reserving(run, [spec]), *freeing(spec)]
    if spec.publish == "swap":
        statements.append("SET LOCAL search_path = pg_catalog")  # makes view definitions name their schemas
    return statements


def carrying(spec: TableSpec) -> str:
    """Return the SELECT of what a swap carries over: JSON texts, the table and then its plain views in order."""
    return carried_by([name(spec.schema, spec.table)])


def carried_by(places: Sequence[str]) -> str:
    """Return the same SELECT of several tables, by their quoted names; a view on several of them comes once."""
    return _CARRIED.format(tables=", ".join(map(value, places)), rebuilt=REBUILT)


def replacing(run: str, spec: TableSpec, things: list[dict[str, Any]]) -> list[str]:
    """Return the statements that make the ready staging table the table; `things` are what a swap carries over."""
    if spec.publish == "create":
        return _move(spec)
    if spec.publish == "swap":
        return swap(spec, things)
    if spec.publish == "refill":
        return refill(spec)
    return [*into(run, spec, _stage(spec)), f"DROP TABLE {_stage(spec)}"]


def into(run: str, spec: TableSpec, stage: str) -> list[str]:
    """Return the statements that merge the rows of `stage` (quoted) into the table, append them, or fill it with them."""
    if spec.publish == "refill":
        filling = [*_emptied(spec), insert(run, spec, f"{stage} s", "true")]
        return [*filling, PLANNING, BY_HASH, written.filled(spec, stage), FREE]
    work = append(run, spec, stage) if spec.publish == "append" else merge(run, spec, stage)
    return [*joining(spec, stage), *([unique(spec, stage)] if spec.key else []), *work, FREE]


def swap(spec: TableSpec, carried: list[dict[str, Any]]) -> list[str]:
    """Return the statements that put the staging table in the old one's place.

    `carried`: the old table first, then its plain views in the order they can be created.
    """
    old, *views = carried
    kept = {item.name for item in spec.casts} | {column for column, _ in spec.kept} | set(spec.stamps)
    statements = [f"DROP VIEW {name(view['schema'], view['name'])}" for view in reversed(views)]
    statements.append(f"DROP TABLE {name(spec.schema, spec.table)}")
    statements += _move(spec)
    statements += described(old, "TABLE", kept)
    if old["options"]:
        statements.append(f"ALTER TABLE {name(spec.schema, spec.table)} SET ({', '.join(old['options'])})")
    for schema, index, definition, comment in old["indexes"] or []:
        if is_note(comment):  # of one of the source, which is built already, or is no more
            continue
        statements.append(definition)
        if comment is not None:
            statements.append(f"COMMENT ON INDEX {name(schema, index)} IS {value(comment)}")
    return statements + [statement for view in views for statement in created(view)]


def created(view: dict[str, Any]) -> list[str]:
    """Return the statements that make a view again that was dropped, with all that was said of it."""
    options = f" WITH ({', '.join(view['options'])})" if view["options"] else ""
    making = f"CREATE VIEW {name(view['schema'], view['name'])}{options} AS {view['definition'].rstrip(';')}"
    return [making, *described(view, "VIEW", None)]


def refill(spec: TableSpec) -> list[str]:
    """Return the statements that empty the table and fill it from the staging table."""
    names = columns((*(item.name for item in spec.casts), *spec.stamps))
    table, stage = name(spec.schema, spec.table), _stage(spec)
    filling = f"INSERT INTO {table} ({names}) SELECT {names} FROM {stage}"
    return [*_emptied(spec), filling, PLANNING, BY_HASH, written.filled(spec, stage), FREE, f"DROP TABLE {stage}"]


def _emptied(spec: TableSpec) -> list[str]:
    return [f"TRUNCATE {rows_of(spec)}", *alter_table(spec)]


def _move(spec: TableSpec) -> list[str]:
    return [f"ALTER TABLE {_stage(spec)} SET SCHEMA {name(spec.schema)}"]


def _stage(spec: TableSpec) -> str:
    return name(STAGING, spec.table)


def described(thing: dict[str, Any], kind: str, kept: set[str] | None) -> list[str]:
    """Return comments, grants and owner of a table or view; `kept` limits what is said of columns to those."""
    at = name(thing["schema"], thing["name"])
    # What default privileges gave the new one is taken back first: the old one's owner may have revoked it.
    statements = [_REVOKED.format(at=value(at))]
    if thing["comment"] is not None:
        statements.append(f"COMMENT ON {kind} {at} IS {value(thing['comment'])}")
    for column, comment in thing["column_comments"] or []:
        if kept is None or column in kept:
            statements.append(f"COMMENT ON COLUMN {at}.{name(column)} IS {value(comment)}")
    for grantee, right, grantable, column in [*(thing["grants"] or []), *(thing["column_grants"] or [])]:
        if column is None or kept is None or column in kept:
            where = f" ({name(column)})" if column else ""
            option = " WITH GRANT OPTION" if grantable else ""
            statements.append(f"GRANT {right}{where} ON {at} TO {grantee or 'PUBLIC'}{option}")
    if thing["owner"] != thing["me"]:
        statements.append(f"ALTER {kind} {at} OWNER TO {name(thing['owner'])}")
    return statements
