"""One row in the target, by its key: its values as texts, its stamps, and the transaction that wrote it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from bulketl.postgres.ddl import name, own_rows, value
from bulketl.postgres.server import Connection
from bulketl.tables.catalog import TargetTable
from bulketl.tables.spec import DELETED_AT, STAMPS

KeyTexts = tuple[tuple[str, str], ...]  # columns of the key with their values, by the names of the target
_LENGTH = re.compile(r"\(.*?\)")


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A row of the target: its values as texts, by column.

    `xid`: the transaction that wrote it. `loaded_at`, `run`, `deleted_at`: what its stamps say, '' without them.
    """

    texts: Mapping[str, str | None] = field(repr=False)
    xid: str = ""
    loaded_at: str = ""
    run: str = ""
    deleted_at: str = ""


def find_row(connection: Connection, schema: str, table: TargetTable, key: KeyTexts) -> TargetRow | None:
    """Return the row with that key, None when there is none, or a part of the key is no value of its column's type."""
    columns = [column for column, _ in table.columns]
    shown = _plain(", ".join(f"t.{name(column)}::text" for column in columns))
    where = " AND ".join(f"t.{_plain(name(column))} = {typed(table, column)}" for column, _ in key)
    rows = _plain(own_rows(schema, table.name, table.partitioned))
    query = f"SELECT t.xmin::text, ARRAY[{shown}]::text[] FROM {rows} t"
    try:
        found = connection.execute(f"{query} WHERE {where} LIMIT 1".encode(), [text for _, text in key]).fetchone()
    except psycopg.DataError:
        return None
    if found is None:
        return None
    texts = dict(zip(columns, found[1], strict=True))
    own = {*STAMPS, DELETED_AT}
    loaded_at, run, deleted_at = (texts.get(column) or "" for column in (*STAMPS, DELETED_AT))
    return TargetRow({c: v for c, v in texts.items() if c not in own}, found[0], loaded_at, run, deleted_at)


def typed(table: TargetTable, column: str) -> str:
    """Return a parameter as a value of a column's type, whose length is left out: a cast to it would cut the value."""
    kind = _LENGTH.sub("", dict(table.columns)[column])
    kind = {"varchar": "text", "character varying": "text", "character": "bpchar"}.get(kind, kind)
    return f"CAST(%s AS {_plain(kind)})"


def key_text(part: object, kind: str) -> str:
    """Return a value of a key, as it is known at the source, as Postgres reads it for a column of that type."""
    if isinstance(part, bytes):
        return part.hex() if kind == "uuid" else "\\x" + part.hex()
    if isinstance(part, dt.timedelta):
        return f"{part.days} days {part.seconds}.{part.microseconds:06} seconds"
    return "true" if part is True else "false" if part is False else str(part)


def key_texts(parts: Sequence[object], columns: Sequence[str], table: TargetTable) -> KeyTexts:
    """Return a key by the names of the target, its values as Postgres reads them."""
    kinds = dict(table.columns)
    return tuple((column, key_text(part, kinds.get(column, "text"))) for column, part in zip(columns, parts, strict=True))


def json_key(table: TargetTable, columns: Sequence[str], key: KeyTexts) -> str:
    """Return the expression of the key as the audit trail has it, by the columns' names at the source."""
    pairs = (f"{_plain(value(column))}, {typed(table, there)}" for column, (there, _) in zip(columns, key, strict=True))
    return f"jsonb_build_object({', '.join(pairs)})"


def _plain(text: str) -> str:
    """Return a part of a query that has no parameter in it."""
    return text.replace("%", "%%")
