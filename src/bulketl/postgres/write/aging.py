"""Years that `generalise` shows, in a new year: rows that are not read again get the earliest one that shows now.

Of a masked date nothing but its year is there, so what the mask would make of it this year is known without the source.
"""

from __future__ import annotations

from bulketl.postgres.ddl import name, rows_of
from bulketl.tables.masks import OLDEST
from bulketl.tables.spec import TableSpec


def aging(spec: TableSpec) -> list[str]:
    """Return the statements that make years of the table's rows that are too long ago the earliest one that shows.

    None where the rows were masked in this year. The date that stands for none stays. Before them those that empty columns
    that no load reads any more, and that are masked since: only the source could tell what a mask makes of their values.
    """
    sets, old = [], []
    for item in (*spec.casts, *spec.unread) if spec.aged else ():
        if item.masked and item.masked.mask.to == "year":
            column, base = f"t.{name(item.name)}", item.target_type.base
            earliest, none = (f"'{year:04}-01-01 00:00:00+00'::{base}" for year in (item.masked.mask.year - OLDEST, 1))
            old.append(f"({column} > {none} AND {column} < {earliest})")
            sets.append(f"{name(item.name)} = CASE WHEN {old[-1]} THEN {earliest} ELSE {column} END")
    years = [f"UPDATE {rows_of(spec)} t SET {', '.join(sets)} WHERE {' OR '.join(old)}"] if sets else []
    return [*_emptying(spec), *years]


def _emptying(spec: TableSpec) -> list[str]:
    names = [name(item.name) for item in spec.unread if item.masked and item.masked.mask.method == "null"]
    if not names:
        return []
    there = " OR ".join(f"{column} IS NOT NULL" for column in names)
    return [f"UPDATE {rows_of(spec)} SET {', '.join(f'{column} = NULL' for column in names)} WHERE {there}"]
