"""The types of a table's columns, queried once its rows are read: they must be those that the plan saw.

What a load reads depends on them, and no value tells: 123 means 1.23 in a decimal(10,2) and 12.3 in a decimal(10,1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bulketl.errors import altered_meanwhile
from bulketl.tables.spec import TableSpec
from bulketl.tables.types import parse_type


class Typed(Protocol):
    """What knows the types of columns as they are now."""

    def types(self, tables: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return the types of the columns of each table, in one query."""
        ...


def check_unaltered(source: Typed, specs: Sequence[TableSpec]) -> None:
    """Raise DataError when a column has another type now than its cast says; what no value depends on may have changed."""
    now = source.types([spec.origin for spec in specs]) if specs else {}
    for spec in specs:
        columns = now.get(spec.origin, {})
        for item in spec.casts:
            found = columns.get(item.column)
            if item.source and (found is None or parse_type(found) != item.source_type):
                raise altered_meanwhile(spec.table, item.column, item.source, found)
