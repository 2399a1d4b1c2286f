"""Keys that somebody named, as a temporary table: of rows that are gone, that differ, that were rejected.

As literals a million keys would be 12 MB of SQL, and half a gigabyte of syntax tree in the server. They come by COPY as
texts, as Postgres shows them, and become the key's types in one statement; a join with them is a join of two tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from bulketl.postgres.ddl import name
from bulketl.postgres.write.copy import TEMPORARY, copy_texts
from bulketl.tables.partitions import KeyTuple, key_texts
from bulketl.tables.spec import TableSpec

SENT = 50_000  # keys in one COPY


def listing(cursor: Any, spec: TableSpec, keys: Sequence[KeyTuple], table: str) -> str:
    """Put keys, values as either server gave them, into a new temporary table of that name; return its quoted name."""
    places = [f"k{n}" for n in range(len(spec.key))]
    send(cursor, places, [key_texts(key) for key in keys], f"{table}_texts")
    types = {item.name: item.target for item in spec.casts}
    typed = ", ".join(f"{place}::{types[key]} AS {name(key)}" for place, key in zip(places, spec.target_key, strict=True))
    made = f"CREATE TEMPORARY TABLE {name(table)} ON COMMIT DROP AS SELECT {typed}"
    cursor.execute(f"{made} FROM {name(TEMPORARY, f'{table}_texts')}")
    return name(TEMPORARY, table)


def send(cursor: Any, places: Sequence[str], rows: Sequence[Sequence[str]], table: str) -> None:
    """Put rows of texts into a new temporary table of that name with these columns."""
    texts = ", ".join(f"{name(place)} text" for place in places)
    cursor.execute(f"CREATE TEMPORARY TABLE {name(table)} ({texts}) ON COMMIT DROP")
    for start in range(0, len(rows), SENT):
        some = rows[start : start + SENT]
        arrays = [pa.array([row[n] for row in some], pa.string()) for n in range(len(places))]
        copy_texts(cursor, pa.Table.from_arrays(arrays, names=list(places)), table)


def among(spec: TableSpec, listed: str, row: str = "t") -> str:
    """Return the condition that a row has one of the keys of that table, quoted; a join, whatever stands before it."""
    same = " AND ".join(f"{row}.{name(key)} = k.{name(key)}" for key in spec.target_key)
    return f"EXISTS (SELECT FROM {listed} k WHERE {same})"
