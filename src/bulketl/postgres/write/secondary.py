"""What a table gets beside its rows: indexes of the source, built once the rows are there, and comments.

None of it may cost a table its rows: what Postgres refuses of an index is left out, and `found_beside` tells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bulketl.postgres.ddl import KEPT, name, value
from bulketl.tables.printable import in_a_line
from bulketl.tables.secondary import Index, IndexPart
from bulketl.tables.spec import TableSpec

# Rows with the same values, a value too long for an index, a type without order, and a name that something else has got.
_REFUSED = "unique_violation OR program_limit_exceeded OR undefined_object OR duplicate_table OR duplicate_object"


def unindexing(spec: TableSpec) -> list[str]:
    """Return the statements that drop the indexes which are built anew, or are gone; one that something needs stays."""
    drops = (f"DROP INDEX IF EXISTS {name(spec.schema, index)}" for index in spec.unindexed)
    return [f"BEGIN {drop}; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END" for drop in drops]


def indexing(spec: TableSpec, schema: str, table: str) -> list[str]:
    """Return the statements that build those indexes of a table that it has not: itself, or what is staged for it."""
    return [statement for index in spec.indexes for statement in _building(index, schema, table)]


def giving(spec: TableSpec) -> list[str]:
    """Return the statements that give a table whose rows are in place what it has beside them."""
    return [*indexing(spec, spec.schema, spec.table), *_commenting(spec)]


def _building(index: Index, schema: str, table: str) -> Iterator[str]:
    at = name(schema, index.name)
    columns = ", ".join(map(_part, index.parts))
    ways = [("UNIQUE ", index.note), ("", index.plain_note)] if index.unique else [("", index.note)]
    for unique, note in ways:
        making = f"CREATE {unique}INDEX {name(index.name)} ON {name(schema, table)} ({columns})"
        made = f"{making};\nCOMMENT ON INDEX {at} IS {value(note)}"
        yield (f"IF to_regclass({value(at)}) IS NULL THEN\nBEGIN {made}; EXCEPTION WHEN {_REFUSED} THEN NULL; END;\nEND IF")


def _part(part: IndexPart) -> str:
    column = name(part.column)
    if part.prefix and part.binary:
        column = f"pg_catalog.substr({column}, 1, {part.prefix})"
    elif part.prefix:
        column = f'pg_catalog."left"({column}, {part.prefix})'
    return f"{column} DESC" if part.descending else column


def _commenting(spec: TableSpec) -> list[str]:
    """Return the statements that give the table the source's comments where it has others."""
    at = value(name(spec.schema, spec.table))
    made = []
    for column, text in spec.comments:
        said, place = f"obj_description({at}::regclass, 'pg_class')", f"TABLE {name(spec.schema, spec.table)}"
        if column:
            found = f"SELECT attnum FROM pg_attribute WHERE attrelid = {at}::regclass AND attname = {value(column)}"
            said, place = f"col_description({at}::regclass, ({found}))", f"COLUMN {name(spec.schema, spec.table, column)}"
        made.append(f"IF {said} IS DISTINCT FROM {value(text)} THEN COMMENT ON {place} IS {value(text)}; END IF")
    return made


def found_beside(cursor: Any, spec: TableSpec) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return what a published table has beside its rows, by kind, and in words what Postgres refused of it."""
    if not (spec.indexes or spec.comments):
        return {}, ()
    cursor.execute(
        "SELECT x.relname, obj_description(x.oid, 'pg_class') FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid"
        f" WHERE i.indrelid = to_regclass({value(name(spec.schema, spec.table))}) AND {KEPT}"
    )
    there = dict(cursor.fetchall())
    has = [index for index in spec.indexes if index.name in there]
    counts = {"indexes": len(has), "comments": len(spec.comments)}
    return {kind: count for kind, count in counts.items() if count}, tuple(_refused(spec.indexes, there))


def _refused(indexes: Iterable[Index], there: dict[str, str]) -> Iterator[str]:
    for index in indexes:
        if index.name not in there:
            yield (
                f"index {in_a_line(index.name)} could not be built: a value is too long for it, or something else has"
                " got its name"
            )
        elif there[index.name] == index.plain_note:
            yield f"index {in_a_line(index.name)} is there without UNIQUE, because rows have the same values in it"
