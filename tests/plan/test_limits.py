"""What no table of Postgres holds: each type counts with its bytes, and what is said at the limit and beyond it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ways import wanted

from bulketl.plan.facing import Facing
from bulketl.plan.limits import MOST_COLUMNS, long_key, perhaps_too_wide, too_many_columns, too_wide
from bulketl.plan.obstacle import Said
from bulketl.plan.plan import TableLoad
from bulketl.tables.casts import Cast, cast
from bulketl.tables.catalog import Column, TargetTable
from bulketl.tables.demands import Demands
from bulketl.tables.partitions import Partition

HEADER = 24
# Per type of the source and of the target: its bytes in a row, and where it begins, in multiples of what.
BYTES = {
    ("tinyint", "boolean"): (1, 1), ("tinyint", ""): (2, 2), ("int", ""): (4, 4), ("float", ""): (4, 4),
    ("date", ""): (4, 4),
    ("bigint", ""): (8, 8), ("double", ""): (8, 8), ("datetime", ""): (8, 8), ("timestamp", "timestamptz"): (8, 8),
    ("time", "time"): (8, 8), ("time", ""): (16, 8), ("uuid", ""): (16, 1), ("varchar(9)", ""): (1, 1), ("text", ""): (1, 1),
    ("decimal(9,2)", ""): (1, 1), ("blob", ""): (1, 1),
}  # fmt: skip
MANY = 9000


def columns(kind: str, count: int, declared: str = "", *, nullable: bool = False) -> tuple[Cast, ...]:
    one = cast(Column("c", kind, nullable), declared)
    return tuple(dataclasses.replace(one, column=f"c{n}", name=f"c{n}") for n in range(count))


def facing(casts: tuple[Cast, ...], rows: int = 1, existing: TargetTable | None = None, **facts: Any) -> Facing:
    spec = wanted(**{"casts": casts, "key": (), **facts})
    return Facing(TableLoad(spec, (Partition(0), Partition(1)), "reference", "", rows, 0), existing)


def wide(*casts: Cast) -> list[Said]:
    return list(too_wide(facing(casts)))


@pytest.mark.parametrize(("kind", "declared"), BYTES)
def test_a_row_takes_the_bytes_of_its_types_each_where_it_may_begin(kind: str, declared: str) -> None:
    size, align = BYTES[kind, declared]
    many = columns(kind, MANY, declared)
    for first, before in (((), HEADER), (columns("tinyint", 1, "boolean"), -(-(HEADER + 1) // align) * align)):
        least = before + MANY * size
        assert wide(*first, *many) == [
            (
                f"each of its rows takes {least:,} bytes or more, and a row in Postgres 8,160 at most",
                "name columns under exclude_columns, or split it by views at the source and name these in tables.yaml",
            )
        ]


def test_a_row_may_be_as_wide_as_a_page_and_no_wider() -> None:
    most = (8160 - HEADER) // 8
    assert wide(*columns("bigint", most)) == []
    assert len(wide(*columns("bigint", most + 1))) == 1
    assert list(too_wide(facing(columns("bigint", most + 1), rows=0))) == [], "there are no rows"
    assert wide(*columns("bigint", MANY, nullable=True)) == [], "each of them may be NULL"


def test_a_row_with_a_value_in_every_column_may_be_wider_than_a_page() -> None:
    """A long value is a pointer then; a bit for each column says whether it is NULL."""
    texts = columns("text", 500, nullable=True)
    assert list(perhaps_too_wide(facing(texts))) == [
        (
            f"a row that has a value in every column takes up to {HEADER + 63 + 500 * 18:,} bytes, and Postgres takes 8,160",
            "name columns under exclude_columns if such rows are refused",
        )
    ]
    fitting = (8160 - HEADER) // 18
    assert list(perhaps_too_wide(facing(columns("text", fitting)))) == []
    assert len(list(perhaps_too_wide(facing(columns("text", fitting + 1))))) == 1
    assert list(perhaps_too_wide(facing(columns("bigint", MANY)))) == [], "it is certain, and told as such"


def keyed(*kinds: str) -> list[Said]:
    casts = tuple(cast(Column(f"k{n}", kind, False)) for n, kind in enumerate(kinds))
    return list(long_key(facing(casts, key=tuple(item.column for item in casts))))


def test_a_value_of_a_key_may_be_too_long_for_an_index() -> None:
    """Four bytes for each character; of a type without a size nobody knows."""
    assert keyed("varchar(676)") == keyed("varchar(338)", "varchar(338)") == keyed("varbinary(676)") == []
    assert keyed("text", "int", "bigint", "decimal(65,2)", "datetime(6)") == []
    for kinds in (
        ("varchar(677)",),
        ("varchar(600)", "int", "varchar(77)"),
        ("varbinary(677)",),
        ("binary(600)", "char(77)"),
    ):
        assert keyed(*kinds) == [
            (
                "a value of its key may take 2,708 bytes, and an index of Postgres 2,704",
                "declare a shorter primary_key if rows are refused",
            )
        ]
    assert list(long_key(facing((cast(Column("v", "varchar(999)", True)),)))) == [], "it is no part of the key"


ADVICE = "or more of them under exclude_columns, or split the table into views at the source and name these in tables.yaml"


def test_a_table_that_stays_has_the_columns_that_it_ever_had() -> None:
    """Postgres counts those that were dropped; a new table begins anew."""
    casts = columns("int", 9)

    def told(numbers: int, there: int, publish: str = "merge", added: int = 1) -> list[Said]:
        existing = TargetTable("t", (("c", "integer"),) * there, demands=Demands(numbers=numbers))
        more = tuple(f"n{n}" for n in range(added))
        return list(too_many_columns(facing(casts, existing=existing, publish=publish, added=more)))

    assert told(MOST_COLUMNS - 1, 9) == told(MOST_COLUMNS, 9, "swap") == []
    assert told(MOST_COLUMNS, 9) == [
        (
            "it would have 1,601 columns (dropped ones count), and a table of Postgres has at most 1,600",
            f"name 1 {ADVICE}",
        )
    ]
    assert told(MOST_COLUMNS, MOST_COLUMNS, added=1200) == [
        ("it would have 2,800 columns, and a table of Postgres has at most 1,600", f"name 1,200 {ADVICE}")
    ]
