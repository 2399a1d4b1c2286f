"""What a load reads as integers, a verification does not: a mistake in taking them apart is found, whatever the type."""

from __future__ import annotations

from contextlib import closing

import polars as pl
import pytest
from lab import Lab
from matrix import CASES

import bulketl
from bulketl.rows import unpack
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column
from bulketl.verifying.verdicts import Level

# Of the type matrix, the cases that are read as integers, each with a value that the next number is a value, too.
VALUES = {
    "date": "'2024-01-15'", "moment": "'2024-01-15 10:00:00'", "instant": "'2024-01-15 10:00:00'", "span": "'10:00:00'",
    "clock": "'10:00:00'", "digits": "0.5", "flag": "b'0'",
}  # fmt: skip


def packed() -> dict[str, tuple[str, str]]:
    """Return one table for each type and target that are packed: its name, the column's type and what is declared."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for case in CASES:
        kind = case.type.replace(" NOT NULL", "")
        try:
            item = cast(Column("c", kind, True), case.to)
        except bulketl.BulketlError:
            continue
        if item.unpack:
            found.setdefault((item.unpack, kind), (kind, case.to))
    return {f"{name}_{n}": which for n, ((name, _), which) in enumerate(found.items())}


RULES = {table: {"casts": {"c": declared}} for table, (_, declared) in packed().items() if declared}


def test_every_way_to_unpack_is_tried() -> None:
    """Else a decoder could err unseen below."""
    assert {name.rpartition("_")[0] for name in packed()} == set(unpack.PACKINGS) == set(VALUES)


@pytest.fixture
def filled(lab: Lab) -> Lab:
    """A table for each packed type, with a value and a NULL."""
    with closing(lab.server.connect(lab.database)) as connection, connection.cursor() as cursor:
        for table, (kind, _) in packed().items():
            cursor.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, c {kind} NULL)")
            cursor.execute(f"INSERT INTO {table} VALUES (1, {VALUES[table.rpartition('_')[0]]}), (2, NULL)")
        connection.commit()
    return lab


def verified(lab: Lab, level: Level) -> set[str]:
    """Return the tables that differ, once all are compared."""
    told = bulketl.verify(lab.config(rules=RULES), level=level)
    assert {one.table for one in told.tables} == set(packed())
    assert [one.problem for one in told.tables if one.problem] == []
    return {one.table for one in told.tables if not one.equal}


def test_values_that_are_taken_apart_are_what_the_source_shows(filled: Lab) -> None:
    """Read as values, they are the same."""
    assert filled.load(rules=RULES).summary.outcome == "done"
    assert verified(filled, "rows") == verified(filled, "sums") == set()


def test_a_mistake_in_any_of_them_is_found(filled: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is made one off while the load lasts, and stays so while it is verified."""
    monkeypatch.setattr(unpack, "_number", lambda item: pl.col(item.column).cast(pl.Int64) + 1)
    assert filled.load(rules=RULES).summary.outcome == "done"
    assert verified(filled, "rows") == verified(filled, "sums") == set(packed())
