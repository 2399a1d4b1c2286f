"""What a table gets beside its rows: indexes of the source, built once the rows are there, comments, and defaults.

None of it may cost a table its rows: what Postgres refuses of an index is left out, and `found_beside` tells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bulketl.postgres.ddl import KEPT, name, value
from bulketl.postgres.write.enums import untyping
from bulketl.tables.printable import in_a_line
from bulketl.tables.secondary import Index, IndexPart
from bulketl.tables.spec import TableSpec

_DEFAULTED = """pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.adrelid"""
_DEFAULTS = f"SELECT pg_get_expr(d.adbin, d.adrelid) FROM {_DEFAULTED}"
# Rows with the same values, a value too long for an index, a type without order, a name that something else has got; and a
# constraint of a person's that is looked at when the transaction ends, until when the table cannot be altered.
_REFUSED = "unique_violation OR program_limit_exceeded OR undefined_object OR duplicate_table OR object_in_use"


def freeing(spec: TableSpec) -> list[str]:
    """Return the statements after which a table that stays takes its rows: what is built anew or is gone is dropped.

    An index that something needs stays. Columns that the source has no longer are NULL from now on, and have no default.
    """
    drops = (f"DROP INDEX IF EXISTS {name(spec.schema, index)}" for index in spec.unindexed)
    dropped = [f"BEGIN {drop}; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END" for drop in drops]
    kept = {column for column, _ in spec.kept} if spec.publish not in ("create", "swap") else set()
    return [*dropped, *_defaulting(spec, [(column, text) for column, text in spec.defaults if column in kept])]


def indexing(spec: TableSpec, schema: str, table: str) -> list[str]:
    """Return the statements that build those indexes of a table that it has not: itself, or what is staged for it."""
    return [statement for index in spec.indexes for statement in _building(index, schema, table)]


def giving(spec: TableSpec) -> list[str]:
    """Return the statements that give a table whose rows are in place what it has beside them."""
    made = [*indexing(spec, spec.schema, spec.table), *_commenting(spec), *_defaulting(spec, spec.defaults)]
    return [*made, *untyping(spec)]


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


def _defaulting(spec: TableSpec, defaults: Iterable[tuple[str, str]]) -> list[str]:
    """Return the statements that give the columns their defaults where they have others; one that fails is left out."""
    at, table = value(name(spec.schema, spec.table)), name(spec.schema, spec.table)
    made = []
    for column, text in defaults:
        found = f"({_DEFAULTS} = {at}::regclass AND a.attname = {value(column)})"
        change = f"SET DEFAULT {text}" if text else "DROP DEFAULT"
        altering = f"ALTER TABLE {table} ALTER COLUMN {name(column)} {change}"
        caught = "EXCEPTION WHEN data_exception OR datatype_mismatch OR object_in_use THEN NULL"
        made.append(f"IF {found} IS DISTINCT FROM {value(text or None)} THEN\nBEGIN {altering}; {caught}; END;\nEND IF")
    return made


def found_beside(cursor: Any, spec: TableSpec) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return what a published table has beside its rows, by kind, and in words what Postgres refused of it."""
    if not (spec.indexes or spec.comments or spec.defaults):
        return {}, ()
    at = value(name(spec.schema, spec.table))
    cursor.execute(
        "SELECT x.relname, obj_description(x.oid, 'pg_class') FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid"
        f" WHERE i.indrelid = to_regclass({at}) AND {KEPT}"
    )
    there = dict(cursor.fetchall())
    cursor.execute(f"SELECT a.attname FROM {_DEFAULTED} = to_regclass({at})")
    defaulted = {column for (column,) in cursor.fetchall()}
    wanted = [column for column, text in spec.defaults if text]
    has = [index for index in spec.indexes if index.name in there]
    counts = {
        "indexes": len(has), "comments": len(spec.comments), "defaults": sum(1 for column in wanted if column in defaulted),
    }  # fmt: skip
    lacking = [f"default of {in_a_line(column)} is refused by Postgres" for column in wanted if column not in defaulted]
    return {kind: count for kind, count in counts.items() if count}, (*_refused(spec.indexes, there), *lacking)


def _refused(indexes: Iterable[Index], there: dict[str, str]) -> Iterator[str]:
    for index in indexes:
        if index.name not in there:
            yield (
                f"index {in_a_line(index.name)} could not be built: a value is too long for it, something else has got its"
                " name, or a deferred constraint keeps the table from being altered"
            )
        elif there[index.name] == index.plain_note:
            yield f"index {in_a_line(index.name)} is there without UNIQUE, because rows have the same values in it"
