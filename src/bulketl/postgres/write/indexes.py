"""Indexes that are built on another table than theirs."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from bulketl.postgres.ddl import name, value


class Index(NamedTuple):
    """An index as `carried_by` reads it."""

    schema: str
    name: str
    definition: str
    comment: str | None


def index_statements(index: Index, here: tuple[str, str], there: tuple[str, str], named: str = "") -> list[str]:
    """Return the statements that build an index of one table on another; `named`: its name there, where it is another."""
    made, called = [], named or index.name
    # Postgres quotes a name only where it has to, and says of a partitioned table that its partitions have their own.
    spelt = itertools.product(("", "UNIQUE "), ("", "ONLY "), *((part, name(part)) for part in (index.name, *here)))
    for unique, only, own, schema, table in spelt:
        begin = f"CREATE {unique}INDEX {own} ON {only}{schema}.{table} "
        if index.definition.startswith(begin):
            rest = index.definition.removeprefix(begin)
            made.append(f"CREATE {unique}INDEX {name(called)} ON {name(*there)} {rest}")
            break
    if made and index.comment is not None:
        made.append(f"COMMENT ON INDEX {name(there[0], called)} IS {value(index.comment)}")
    return made
