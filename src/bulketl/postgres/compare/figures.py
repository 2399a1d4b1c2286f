"""The target's side of a certificate: figures of every column over rows that are about to become visible."""

from __future__ import annotations

from typing import Any

from bulketl.postgres.ddl import name
from bulketl.rows.aggregates import ROWS, Figures, aggregates
from bulketl.tables.spec import TableSpec

FIGURES_TOGETHER = 500  # a SELECT has 1,664 columns at most


def figures(cursor: Any, spec: TableSpec, table: str) -> Figures | None:
    """Return the figures of a table's rows, None when they are not asked for; `table` is a FROM item."""
    if not spec.certify:
        return None
    spec = spec.written
    wanted = aggregates(spec.casts, {item.column: name(item.name) for item in spec.casts}, spec.nul_bytes)
    found: dict[str, str | None] = {}
    for n in range(0, max(1, len(wanted)), FIGURES_TOGETHER):
        some = wanted[n : n + FIGURES_TOGETHER]
        cursor.execute(f"SELECT {', '.join(['count(*)', *(one.postgres for one in some)])} FROM {table}")
        rows, *values = cursor.fetchall()[0]
        found[ROWS] = str(rows)
        named = zip(some, values, strict=True)
        found |= {f"{one.column} {one.what}": None if value is None else str(value) for one, value in named}
    return found
