"""What bulketl made in the target, on record: which run made which table, from which source, or who gave it to bulketl.

`bulketl.made` is only added to, but that old entries of tables that are gone leave it; the last entry of a name counts. It
holds the table's oid, which another table never has: one that was dropped and made anew, or renamed into the name, is not
ours. An entry is written by the transaction that creates a table, swaps it in or adopts it, and every transaction that
writes to tables begins with `reserving`: under a lock that keeps the answer true it fails unless each is ours, or not there
yet where it is to be created. So what appears between plan and load is as safe as what the plan has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bulketl.errors import ConfigError
from bulketl.postgres.ddl import batch, name, rows_of, value
from bulketl.postgres.server import LEDGER, STAGING, STRANGE, Connection
from bulketl.tables.catalog import Made
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TableSpec

TITLE = "bulketl's ledger, version "  # the beginning of the schema's comment, which says whose it is
_TAKEN_OVER = "taken over"
# What an older ledger, which has no such record, knows of tables that it loaded: their state, or that they were published
# where a reset has taken the source out of it.
_BEFORE = f"""
SELECT s.schema_name, s.table_name, c.oid, COALESCE(NULLIF(s.source, ''), p.source) AS source, s.run, '{_TAKEN_OVER}' AS how,
    current_user::text AS by, s.published_at AS made_at
FROM {LEDGER}.state s JOIN pg_namespace n ON n.nspname = s.schema_name
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.table_name AND c.relkind IN ('r', 'p')
LEFT JOIN LATERAL (
    SELECT r.source FROM {LEDGER}.published p JOIN {LEDGER}.run r USING (run)
    WHERE (p.schema_name, p.table_name) = (s.schema_name, s.table_name) ORDER BY p.published_at DESC LIMIT 1) p ON true
WHERE COALESCE(NULLIF(s.source, ''), p.source) IS NOT NULL"""
TAKE_OVER = f"INSERT INTO {LEDGER}.made (schema_name, table_name, oid, source, run, how, by, made_at) {_BEFORE}"
TAKE_OVER += f" AND NOT EXISTS (SELECT FROM {LEDGER}.made)"  # where the schema's comment was lost it is there already
_INSERT = f"INSERT INTO {LEDGER}.made (schema_name, table_name, oid, source, run, how, by)"
_LAST = (
    f"SELECT oid, source FROM {LEDGER}.made m WHERE (m.schema_name, m.table_name) = (v.schema_name, v.table_name)"
    " ORDER BY seq DESC LIMIT 1"
)
# A type of the name is in the way of a table as well: each has a row type. Types of arrays make way by themselves.
OTHER_TYPE = "t.typrelid = 0 AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)"

# Whether the record is there for whoever asks.
_READS = f"""
SELECT has_schema_privilege(s.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace WHERE s.nspname = '{LEDGER}' AND c.relname = 'made'"""
_TAKEN_AWAY = f"""
SELECT c.relname FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace, pg_roles r
WHERE r.rolname = %(user)s AND s.nspname = %(schema)s AND c.relkind IN ('r', 'p')
    AND c.oid IN (SELECT oid FROM {LEDGER}.made WHERE schema_name = %(schema)s)
    AND NOT pg_has_role(r.oid, c.relowner, 'USAGE')
ORDER BY 1"""


def exists(connection: Connection, table: str) -> bool:
    """Tell whether the ledger has that table. Raise ConfigError when the schema `bulketl` is somebody else's."""
    found = connection.execute(
        "SELECT obj_description(n.oid, 'pg_namespace'), to_regclass(%s) IS NOT NULL, pg_get_userbyid(n.nspowner), ("
        "  SELECT count(*) FROM pg_depend d WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid)"
        f" FROM pg_namespace n WHERE nspname = '{LEDGER}'",
        (f"{LEDGER}.{table}",),
    ).fetchone()
    if found is None:
        return False
    comment, known, owner, things = found
    if things and not str(comment or "").startswith(TITLE):
        raise ConfigError(
            f"the target has a schema {LEDGER!r} that is somebody else's: it has {count_of(things, 'thing')} in it,"
            f" the owner {owner}, "
            "and lacks the comment with which bulketl marks its ledger",
            hint=f"rename it, ALTER SCHEMA {LEDGER} RENAME TO …, because bulketl keeps its ledger under that name; if it "
            "is the ledger and its comment was lost: "
            f"COMMENT ON SCHEMA {LEDGER} IS '{TITLE.replace(chr(39), chr(39) * 2)}4'",
        )
    return bool(known)


def read(connection: Connection, schema: str) -> dict[str, Made]:
    """Return the last entry of each table of the schema; of an older ledger what it will be taken over as."""
    at = "to_char(made_at, 'YYYY-MM-DD HH24:MI:SSOF')"
    if exists(connection, "made"):
        # By the tables that are there, for the record grows with every swap; a name has another collation than the index.
        table, schema_ = (f'{column}::text COLLATE "default"' for column in ("c.relname", "n.nspname"))
        last = f"m.schema_name = {schema_} AND m.table_name = {table} ORDER BY seq DESC LIMIT 1"
        query = (
            f"SELECT c.relname, m.oid::bigint, source, run, how, {at} FROM pg_namespace n JOIN pg_class c"
            f" ON c.relnamespace = n.oid, LATERAL (SELECT * FROM {LEDGER}.made m WHERE {last}) m"
            " WHERE n.nspname = %s AND c.relkind IN ('r', 'p')"
        )
    elif exists(connection, "state"):
        query = f"SELECT table_name, oid::bigint, source, run, how, {at} FROM ({_BEFORE}) b WHERE schema_name = %s"
    else:
        return {}
    found = connection.execute(query.encode(), (schema,))
    return {table: Made(*rest) for table, *rest in found}


def reserving(run: str, specs: Sequence[TableSpec]) -> list[str]:
    """Return the statements that let a transaction write to these tables: it fails unless each is ours and stays so.

    What is given to bulketl is adopted first. A table that is emptied or replaced is locked for it at once; of others the
    lock only keeps them from being dropped or renamed.
    """
    replaced = [rows_of(spec) for spec in specs if spec.publish in ("refill", "swap")]
    kept = [rows_of(spec) for spec in specs if spec.publish in ("merge", "append")]
    locks = [f"LOCK TABLE {', '.join(replaced)} IN ACCESS EXCLUSIVE MODE"] if replaced else []
    locks += [f"PERFORM FROM {place} LIMIT 0" for place in kept]
    adopting = [_adopting(run, spec) for spec in specs if spec.adopt]
    passed = [_passed_on(run, specs)] if replaced or kept else []
    # Asked before the lock, which some things cannot have, and again when nobody else can put another in its place.
    return [*adopting, owned(specs), *([*locks, owned(specs)] if locks else []), *passed]


def reserve(cursor: Any, run: str, specs: Sequence[TableSpec]) -> None:
    """Let the transaction of a cursor write to these tables, as `reserving` says, in one round trip."""
    cursor.execute(batch(reserving(run, specs)))


def started(run: str, spec: TableSpec) -> list[str]:
    """Return the statements that begin the publish of a staged table: `reserving` but for its locks, which come late."""
    place = value(name(STAGING, spec.table))
    words = value(
        f"{name(STAGING, spec.table)} is somebody else's, and in the way of the rows that are staged".replace("%", "%%")
    )
    free = f"IF to_regclass({place}) IS NOT NULL THEN RAISE EXCEPTION {words} USING ERRCODE = '{STRANGE}'; END IF"
    return [*([_adopting(run, spec)] if spec.adopt else []), owned([spec]), free]


def outsiders(connection: Connection) -> list[str]:
    """Return the tables and other relations in the staging schema that are of no run on record."""
    ours = f"split_part(c.relname, ' ', 1) IN (SELECT run FROM {LEDGER}.run)" if exists(connection, "run") else "false"
    found = connection.execute(
        f"SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{STAGING}'"
        f" AND c.relkind NOT IN ('i', 'I', 't') AND NOT ({ours}) ORDER BY 1".encode()
    )
    return [str(relation) for (relation,) in found]


def owned(specs: Sequence[TableSpec]) -> str:
    """Return the statement that fails unless each table is ours, or there is nothing of its name where it is created."""
    return f"""DECLARE bulketl_strange text;
BEGIN
SELECT string_agg(x.why, '; ') INTO bulketl_strange FROM (SELECT CASE
WHEN v.creates AND (c.at IS NOT NULL OR EXISTS (SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = v.schema_name AND t.typname = v.table_name AND {OTHER_TYPE}))
THEN v.place || ' has appeared in the target, where the load was to create it'
WHEN v.creates THEN NULL
WHEN c.at IS NULL THEN v.place || ' has gone from the target'
WHEN c.at IS DISTINCT FROM m.oid THEN v.place || ' is not the table that bulketl made'
WHEN v.source <> '' AND s.source NOT IN ('', v.source) THEN v.place || ' was loaded from ' || s.source || ' meanwhile'
END AS why FROM ({_values(specs)}) v CROSS JOIN LATERAL (SELECT to_regclass(v.place)::oid AS at) c
LEFT JOIN LATERAL ({_LAST}) m ON true
LEFT JOIN {LEDGER}.state s ON (s.schema_name, s.table_name) = (v.schema_name, v.table_name)) x;
IF bulketl_strange IS NOT NULL THEN RAISE EXCEPTION '%', bulketl_strange USING ERRCODE = '{STRANGE}'; END IF;
END"""


def registered(run: str, spec: TableSpec) -> list[str]:
    """Return the statement that records a table as ours which this transaction has created or swapped in; else none."""
    if spec.publish not in ("create", "swap"):
        return []
    how = "created" if spec.publish == "create" else "swapped"
    about = f"{value(_place(spec))}::regclass::oid, {value(spec.source)}, {value(run)}, '{how}', current_user"
    return [f"{_INSERT} VALUES ({_at(spec)}, {about})"]


def _adopting(run: str, spec: TableSpec) -> str:
    """Return the statement that records the table which the plan has seen as ours, once; another in its place is not."""
    how = "adopted by its rule" if spec.adopt == "rule" else "adopted by --adopt"
    last = _LAST.replace("SELECT oid, source", "SELECT oid")
    return (
        f"{_INSERT} SELECT v.schema_name, v.table_name, c.oid, v.source, {value(run)}, '{how}',"
        f" {value(spec.person + ' as ')} || current_user"
        f" FROM ({_values([spec])}) v JOIN pg_class c ON c.oid = to_regclass(v.place) AND c.oid = {spec.oid}"
        f" WHERE c.oid IS DISTINCT FROM ({last})"
    )


def _passed_on(run: str, specs: Sequence[TableSpec]) -> str:
    """Return the statement that records from which source tables come now: a reset lets another one take them over."""
    return (
        f"{_INSERT} SELECT v.schema_name, v.table_name, m.oid, v.source, {value(run)}, 'passed on to another source',"
        f" current_user FROM ({_values(specs)}) v, LATERAL ({_LAST}) m"
        " WHERE NOT v.creates AND v.source NOT IN ('', m.source)"
    )


def _values(specs: Sequence[TableSpec]) -> str:
    rows = (
        f"({_at(spec)}, {value(_place(spec))}, {value(spec.source)}, {value(spec.publish == 'create')})" for spec in specs
    )
    names = "schema_name, table_name, place, source, creates"
    return f"SELECT * FROM (VALUES {', '.join(rows)}) w({names})"


def _at(spec: TableSpec) -> str:
    return f"{value(spec.schema)}, {value(spec.table)}"


def _place(spec: TableSpec) -> str:
    return name(spec.schema, spec.table)


def taken_away(connection: Connection, schema: str, user: str) -> list[str]:
    """Return the tables of a schema that bulketl made and a user does not own; none where the record may not be read."""
    if connection.execute(_READS).fetchone() != (True,):
        return []
    return [str(table) for (table,) in connection.execute(_TAKEN_AWAY, {"user": user, "schema": schema})]
