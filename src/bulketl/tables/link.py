"""A link: columns of a table whose values are a key of a table, so that a row refers to the row there that has them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """Rows of `table` refer by `columns` to the rows of `target` that have the same values in `keys`, column by column."""

    table: str
    columns: tuple[str, ...]
    target: str
    keys: tuple[str, ...]
