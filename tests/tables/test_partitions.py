"""Promise 2 by computation: cuts of any kind give ranges that hold every key exactly once."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.tables.catalog import Column, Key, Table
from bulketl.tables.partitions import (
    DENSE,
    UNKNOWN_ROW_BYTES,
    Partition,
    even_cuts,
    row_bytes,
    rows_per_partition,
    split,
    split_key,
)  # fmt: skip

SMALL = st.integers(-50, 50)


def table(*columns: tuple[str, str, bool], keys: tuple[Key, ...] = (), rows: int = 0, size: int = 0) -> Table:
    return Table(
        "t",
        tuple(Column(name, kind, null) for name, kind, null in columns),
        next((key.columns for key in keys if key.name == "PRIMARY"), ()),
        keys,
        rows,
        size,
    )


def holds(part: Partition, key: tuple[int | None, ...]) -> bool:
    """Tell whether a partition has a key, by the words of its docstring: lo <= key < hi, NULLs apart."""
    if part.nulls:
        return key[0] is None
    if None in key:
        return False
    return (part.lo is None or key >= part.lo) and (part.hi is None or key < part.hi)  # type: ignore[operator]


@given(st.lists(SMALL), SMALL | st.none())
def test_any_key_is_in_exactly_one_partition_whatever_the_cuts(cuts: list[int], key: int | None) -> None:
    """Cuts in order, with repetitions, beyond the data or none at all."""
    one = Key("u", ("k",), True)
    parts = split(table(("k", "int", True), keys=(one,)), one, [(cut,) for cut in sorted(cuts)])
    assert sum(holds(part, (key,)) for part in parts) == 1
    assert [part.index for part in parts] == list(range(len(parts)))


@given(st.lists(st.tuples(SMALL, SMALL)), st.tuples(SMALL, SMALL))
def test_any_composite_key_is_in_exactly_one_partition(cuts: list[tuple[int, int]], key: tuple[int, int]) -> None:
    """Compared as tuples; keys without NULL have no partition for NULLs."""
    two = Key("PRIMARY", ("a", "b"), True)
    parts = split(table(("a", "int", False), ("b", "int", False), keys=(two,)), two, sorted(cuts))
    assert sum(holds(part, key) for part in parts) == 1
    assert not any(part.nulls for part in parts)


@given(st.integers(-(2**63), 2**64), st.integers(0, 10**6), st.integers(1, 10**6), st.integers(1, 10**5))
def test_even_cuts_are_in_order_inside_the_range_and_no_slice_is_too_large(lo: int, span: int, rows: int, size: int) -> None:
    """Dense keys only: a slice of a unique key has no more rows than its width."""
    cuts = even_cuts(lo, lo + span, rows, size)
    if cuts is None:
        assert span + 1 > rows * DENSE
        return
    edges = [lo, *(cut for (cut,) in cuts if isinstance(cut, int)), lo + span + 1]
    widths = [b - a for a, b in itertools.pairwise(edges)]
    assert min(widths) >= 1
    assert max(widths) <= DENSE * size + 1


@given(st.integers(0, 10**9), st.integers(0, 10**12))
def test_a_partition_has_a_row_at_least_and_not_too_many_bytes(rows: int, size: int) -> None:
    """Whatever the statistics say."""
    one = table(("k", "int", False), rows=rows, size=size)
    most = rows_per_partition(one, 1 << 20)
    assert most >= 1
    if rows and size >= rows * 4 and most > 1:
        assert most * (size // rows) <= 1 << 20


def test_the_key_to_cut_along_is_the_primary_key_then_one_without_nulls_then_one_nullable_column() -> None:
    """Keys that are not whole, not unique or not ordered as their values are never cut along."""
    columns = (
        ("a", "int", True),
        ("b", "int", False),
        ("c", "enum('x')", False),
        ("d", "float", False),
        ("e", "date", False),
    )
    primary, no_null = Key("PRIMARY", ("b",), True), Key("n", ("e",), True)
    nullable, pair = Key("u", ("a",), True), Key("p", ("a", "b"), True)
    prefix, plain = Key("x", ("b",), True, whole=False), Key("i", ("b",), False)
    for keys, expected in [
        ((nullable, no_null, primary), primary),
        ((nullable, no_null), no_null),
        ((pair, nullable, plain), nullable),
        ((pair,), None),
        ((prefix, plain), None),
        ((Key("PRIMARY", ("c",), True),), None),
        ((Key("PRIMARY", ("d",), True), nullable), nullable),
    ]:
        assert split_key(table(*columns, keys=keys)) == expected
    for keys, alone in [((plain,), False), ((Key("b", ("b",), True),), True), ((Key("p", ("b", "a"), True),), False)]:
        assert split_key(table(*columns, keys=keys), "b") == Key(keys[0].name, ("b",), alone), "only alone is it unique"
    assert split_key(table(*columns, keys=(prefix, pair)), "b") is None


@pytest.mark.parametrize(
    ("kind", "least"),
    [("tinyint", 1), ("smallint", 2), ("mediumint", 3), ("int", 4), ("bigint", 8), ("float", 4), ("double", 8), ("date", 3),
     ("datetime", 5), ("timestamp", 4), ("time", 3), ("year", 1), ("varchar(9)", 1), ("varbinary(9)", 1), ("text", 2),
     ("blob", 2)],
)  # fmt: skip
def test_fewer_bytes_than_the_columns_need_are_no_statistics(kind: str, least: int) -> None:
    """Just after a bulk insert a server knows the rows and not the bytes: then a row is taken to be long."""
    found = dataclasses.replace(table(("a", kind, False), ("b", "bigint", False)), rows=1000)
    told = [row_bytes(dataclasses.replace(found, bytes=size)) for size in (1000 * (least + 8) - 1, 1000 * (least + 8))]
    assert told == [UNKNOWN_ROW_BYTES, least + 8]
