"""Names for what goes with tables into other schemas: their indexes and sequences, where another has the name already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bulketl.postgres.ddl import name
from bulketl.postgres.server import Connection
from bulketl.tables.spec import NAME_BYTES


class Moving(NamedTuple):
    """A table that goes from one schema into another; its oid."""

    table: str
    oid: int
    source: str
    into: str


class Renamed(NamedTuple):
    """An index or a sequence of a table that gets another name, and of what kind it is."""

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
    AND d.deptype IN ('a', 'i') ORDER BY 3"""


def renamings(connection: Connection, moves: Sequence[Moving]) -> list[Renamed]:
    """Return what gets another name when tables go into other schemas, one after the other."""
    schemas = sorted({schema for one in moves for schema in (one.source, one.into)})
    taken: dict[str, dict[str, int]] = {schema: {} for schema in schemas}
    found = connection.execute(
        "SELECT n.nspname, c.relname, c.oid::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = ANY(%s)", (schemas,),
    )  # fmt: skip
    for schema, relation, oid in found:
        taken[schema][relation] = oid
    parts: dict[int, list[tuple[int, str, str]]] = {}
    for table, oid, relation, kind in connection.execute(_PARTS.encode(), {"oids": [one.oid for one in moves]}):
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


def free(wanted: str, taken: set[str]) -> str:
    """Return a name like another one that nothing has."""
    number = 1
    while True:
        end = f"_{number}"
        begin = wanted.encode()[: NAME_BYTES - len(end)].decode(errors="ignore")
        if begin + end not in taken:
            return begin + end
        number += 1
