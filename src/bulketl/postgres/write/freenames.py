"""What goes with tables into other schemas, and its names where another has them: indexes, sequences, enum types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bulketl.postgres.ddl import name
from bulketl.postgres.server import Connection
from bulketl.tables.enums import SAYS
from bulketl.tables.spec import NAME_BYTES


class Moving(NamedTuple):
    """A table that goes from one schema into another; its oid."""

    table: str
    oid: int
    source: str
    into: str


class Renamed(NamedTuple):
    """An index, a sequence or an enum type of a table that gets another name, and of what kind it is."""

    table: str
    kind: str
    source: str
    was: str
    now: str

    @property
    def statement(self) -> str:
        """The statement that renames it before its table goes."""
        return f"ALTER {self.kind.upper()} {name(self.source, self.was)} RENAME TO {name(self.now)}"

    @property
    def words(self) -> str:
        """What is told of it."""
        return f"its {self.kind} {self.was} is called {self.now}, for something else has that name"


_PARTS = """
SELECT i.indrelid::bigint, c.oid::bigint, c.relname, 'index' FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY(%(oids)s::oid[])
UNION ALL
SELECT d.refobjid::bigint, c.oid::bigint, c.relname, 'sequence' FROM pg_depend d
JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY(%(oids)s::oid[])
    AND d.deptype IN ('a', 'i')
UNION ALL
SELECT DISTINCT c.oid::bigint, t.oid::bigint, t.typname, 'type' FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
JOIN pg_type t ON t.oid = a.atttypid AND t.typnamespace = c.relnamespace AND t.typtype = 'e'
WHERE c.oid = ANY(%(oids)s::oid[]) AND NOT a.attisdropped AND obj_description(t.oid, 'pg_type') LIKE %(note)s ORDER BY 3"""
_TAKEN = """
SELECT n.nspname, c.relname, c.oid::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%(schemas)s)
UNION ALL
SELECT n.nspname, t.typname, t.oid::bigint FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = ANY(%(schemas)s) AND t.typrelid = 0"""


def renamings(connection: Connection, moves: Sequence[Moving]) -> list[Renamed]:
    """Return what gets another name when tables go into other schemas, one after the other."""
    schemas = sorted({schema for one in moves for schema in (one.source, one.into)})
    taken: dict[str, dict[str, int]] = {schema: {} for schema in schemas}
    for schema, relation, oid in connection.execute(_TAKEN.encode(), {"schemas": schemas}):
        taken[schema][relation] = oid
    parts: dict[int, list[tuple[int, str, str]]] = {}
    for table, oid, relation, kind in _parts(connection, moves):
        parts.setdefault(table, []).append((oid, relation, kind))
    made = []
    for one in moves:
        here, there = taken[one.source], taken[one.into]
        here.pop(one.table, None)
        there[one.table] = one.oid
        for oid, relation, kind in parts.get(one.oid, ()):
            now = relation
            if there.get(relation, oid) != oid:
                now = free(relation, {*here, *there})
                made.append(Renamed(one.table, kind, one.source, relation, now))
            here.pop(relation, None)
            there[now] = oid
    return made


def _parts(connection: Connection, moves: Sequence[Moving]) -> list[tuple[int, int, str, str]]:
    """Return the indexes, sequences and enum types of tables: the table, their own oid and name, the kind."""
    about = {"oids": [one.oid for one in moves], "note": f"%{SAYS}%"}
    return connection.execute(_PARTS.encode(), about).fetchall()


def types_moved(connection: Connection, moves: Sequence[Moving], renamed: Sequence[Renamed]) -> list[str]:
    """Return the statements that have the enum types that bulketl made for tables go with these, once they are renamed."""
    now = {(one.source, one.was): one.now for one in renamed if one.kind == "type"}
    of = {one.oid: one for one in moves}
    types = ((of[table], called) for table, _, called, kind in _parts(connection, moves) if kind == "type")
    return [
        f"ALTER TYPE {name(one.source, now.get((one.source, called), called))} SET SCHEMA {name(one.into)}"
        for one, called in types
    ]


def free(wanted: str, taken: set[str]) -> str:
    """Return a name like another one that nothing has."""
    number = 1
    while True:
        end = f"_{number}"
        begin = wanted.encode()[: NAME_BYTES - len(end)].decode(errors="ignore")
        if begin + end not in taken:
            return begin + end
        number += 1
