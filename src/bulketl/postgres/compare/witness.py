"""Rows of the source as witnesses between two tables of the target: which of the two has each value as the source has it.

The rows come by the way of a load into a temporary table, so the source's values are what bulketl would write now. Nothing
that stays is changed, and no value comes back: of each row and column only which sides differ.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from bulketl.postgres import ddl
from bulketl.postgres.compare.beside import Sides
from bulketl.postgres.ddl import name
from bulketl.postgres.joins import BY_HASH, PLANNING, by_index
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.copy import TEMPORARY, copy, transaction
from bulketl.postgres.write.stage import temporary, temporary_name
from bulketl.rows.coerce import Batch
from bulketl.tables.differences import spelt
from bulketl.tables.spec import TableSpec
from bulketl.tables.types import TARGET_INTEGERS


class Heard(NamedTuple):
    """What the source says of a row that both tables have.

    `old`, `new`: columns in which the older table, and ours, differ from the source; `apart`: in which the two differ.
    """

    key: tuple[str, ...]
    old: frozenset[str]
    new: frozenset[str]
    apart: frozenset[str]


def heard(
    target: Postgres, run: str, spec: TableSpec, sides: Sides, batch: Batch, columns: Sequence[str], place: TableSpec
) -> list[Heard]:
    """Return what rows of the source say of these columns, by their names in the target; `place`: where the old table is."""
    pairs = [pair for pair in sides.pairs if pair.column in columns]
    old: list[str] = []
    new: list[str] = []
    apart: list[str] = []
    for n, pair in enumerate(pairs):
        column, kinds, ours = name(pair.column), (pair.old, pair.new), (pair.new, pair.new)
        forms = (spelt(f"l.{column}", f"w.{column}", kinds), spelt(f"s.{column}", f"w.{column}", ours))
        for cases, (one, other) in zip((old, new, apart), (*forms, spelt(f"l.{column}", f"s.{column}", kinds)), strict=True):
            cases.append(f"CASE WHEN {one} IS DISTINCT FROM {other} THEN {n} END")
    matching = []
    for pair in sides.keys:
        column = name(pair.column)
        one, other = spelt(f"l.{column}", f"w.{column}", (pair.old, pair.new))
        mine, its = spelt(f"s.{column}", f"w.{column}", (pair.new, pair.new))
        matching.append((f"{one} = {other}", f"{mine} = {its}"))
    lists = (f"array_remove(ARRAY[{', '.join(cases)}]::int[], NULL)" for cases in (old, new, apart))
    key = f"json_build_array({', '.join(f's.{name(column)}::text' for column in sides.key)})"
    stage = name(TEMPORARY, temporary_name(0))
    query = (
        f"SELECT json_build_array(l.ctid IS NOT NULL AND s.bulketl_place IS NOT NULL, {key}, {', '.join(lists)})::text"
        f" FROM {stage} w"
        f" LEFT JOIN {sides.old} l ON {' AND '.join(one for one, _ in matching)}"
        f" LEFT JOIN (SELECT *, ctid AS bulketl_place FROM {sides.new} WHERE {sides.living}) s"
        f" ON {' AND '.join(other for _, other in matching)}"
    )
    # Few rows are looked up by the key of the older table, if it has one that can be; ours has one in any case. The joins
    # are outer ones so that the few rows are never the inner side, which would be read again for each row of a table.
    plain = all(pair.old in TARGET_INTEGERS and pair.new in TARGET_INTEGERS for pair in sides.keys)
    linear = by_index(place, stage) if plain else BY_HASH
    with transaction(target, run, f"table {spec.table!r}", spec.encoder) as cursor:
        cursor.execute(temporary(0, spec))
        copy(cursor, batch.good, spec, TEMPORARY, temporary_name(0))
        cursor.execute(ddl.batch([PLANNING, linear]))
        cursor.execute(query)
        found = list(cursor.fetchall())
    told = []
    for (text,) in found:
        there, key_texts, *numbers = json.loads(text)
        if not there:
            continue
        sets = (frozenset(pairs[n].column for n in some) for some in numbers)
        told.append(Heard(tuple(key_texts), *sets))
    return told
