"""One row at the source, by its key: its values as the source prints them, and which conditions it satisfies."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bulketl.errors import PlanError
from bulketl.mysql.digests import zone
from bulketl.mysql.read import among, changes_condition, retained_condition
from bulketl.mysql.server import MySQL
from bulketl.mysql.totals import newer
from bulketl.tables.casts import Cast, quoted
from bulketl.tables.cursor import Watermark
from bulketl.tables.partitions import Changes, KeyTuple
from bulketl.tables.spec import TableSpec
from bulketl.tables.types import RAW_TEXTS

_HEX = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector", *RAW_TEXTS})


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row of the source: its values as texts, by column, bytes in hexadecimal.

    `newer`: it was stamped after the watermark. `within`: the changes that the next load reads have it. `stays`: it is not
    one of those that the target's retention has removed.
    """

    texts: Mapping[str, str | None] = field(repr=False)
    newer: bool = False
    within: bool = False
    stays: bool = True


def find_row(
    source: MySQL, spec: TableSpec, key: KeyTuple, columns: Sequence[Cast], mark: Watermark | None, changes: Changes | None
) -> SourceRow | None:
    """Return the row with that key, None when there is none; `columns` are the ones whose values are read.

    Raise SourceError, and PlanError when more than one row has the key.
    """
    within = changes_condition(changes) if changes else "FALSE"
    asked = [f"({newer(mark)})", f"({within})", f"({retained_condition(spec)})", *(_text(item) for item in columns)]
    within = among(spec, spec.key, (key,)) + (f" AND ({spec.where}\n)" if spec.where else "")
    with source.connect() as cursor:
        zone(cursor, spec)
        cursor.execute(f"SELECT {', '.join(asked)} FROM {quoted(spec.origin)} WHERE {within} LIMIT 2")
        rows = cursor.fetchall()
    if len(rows) > 1:
        raise PlanError(
            f"more than one row of table {spec.table!r} has this key: ({', '.join(spec.key)}) is not unique at the source",
            hint="correct primary_key in its rule, or take it out: without a key the table is loaded whole",
        )
    if not rows:
        return None
    late, inside, stays, *values = rows[0]
    texts = {item.column: _printed(item, found) for item, found in zip(columns, values, strict=True)}
    return SourceRow(texts, bool(late), bool(inside), bool(stays))


def _text(item: Cast) -> str:
    column, base = quoted(item.column), item.source_type.base
    if base in _HEX:
        return f"HEX({column})"
    if item.read.startswith(("IF(ST_SRID", "HEX(")):  # geometries
        return f"HEX(CAST({column} AS BINARY))"
    shown = {"float": "{}*1e0", "bit": "CAST({} AS UNSIGNED)"}.get(base, "{}").format(column)
    return f"CAST({shown} AS CHAR)"


def _printed(item: Cast, found: object) -> str | None:
    if found is None:
        return None
    text = found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
    if item.source_type.base == "float":
        return _shortest(float(text))
    return f"\\x{text.lower()}" if _text(item).startswith("HEX(") else text


def _shortest(number: float) -> str:
    """Return the shortest text of a number of 32 bits that is no other one; the server itself shows six digits."""
    texts = (f"{number:.{digits}g}" for digits in range(6, 10))
    return next((text for text in texts if struct.pack("f", float(text)) == struct.pack("f", number)), repr(number))
