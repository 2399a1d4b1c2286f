"""Promise 2 by computation: cuts of any kind give ranges that hold every key exactly once."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.tables.catalog import Column, Key, Table
from bulketl.tables.partitions import (
    DENSE,
    MOST_ROWS,
    PARTITION_BYTES,
    UNKNOWN_ROW_BYTES,
    Partition,
    even_cuts,
    fits,
    is_integer_key,
    json_key,
    key_texts,
    long_columns,
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


def test_what_is_read_at_once_and_how_many_rows_a_piece_has() -> None:
    """Up to two partitions: a cut costs more queries than it saves."""
    one = table(("k", "int", False), rows=1000, size=100_000)
    assert (row_bytes(one), rows_per_partition(one, 1000), rows_per_partition(one, 99)) == (100, 10, 1)
    assert rows_per_partition(one, 1 << 40) == MOST_ROWS == 250_000
    assert rows_per_partition(one) == PARTITION_BYTES // 100 == (16 << 20) // 100
    assert fits(one, 20, 1000)
    assert not fits(one, 21, 1000)
    assert fits(one, 2 * (PARTITION_BYTES // 100))
    assert not fits(one, 2 * (PARTITION_BYTES // 100) + 1)
    assert row_bytes(dataclasses.replace(one, rows=0)) == row_bytes(dataclasses.replace(one, bytes=0)) == UNKNOWN_ROW_BYTES
    assert row_bytes(table(rows=10, size=10)) == 1
    assert row_bytes(table(rows=10, size=9)) == UNKNOWN_ROW_BYTES
    nullable = table(("k", "bigint", True), rows=10, size=30)
    assert row_bytes(nullable) == 3, "a column that may be NULL needs no bytes"


def test_keys_with_few_gaps_are_cut_evenly() -> None:
    assert even_cuts(1, 100, 100, 50) == ((51,),)
    assert even_cuts(1, 100, 100, 100) == ()
    assert even_cuts(1, 100, 80, 40) == ((51,),)
    assert even_cuts(1, 101, 80, 40) is None
    assert even_cuts(5, 5, 1, 1) == ()
    assert even_cuts(0, 9, 100, 3) == ((2,), (5,), (7,))
    assert even_cuts(1, 100, 0, 5) is None


def test_columns_that_hold_values_of_any_length_are_those_that_may_be_read() -> None:
    kinds = ("mediumtext", "longtext", "mediumblob", "longblob", "json", "text", "blob", "varchar(9)", "int")
    one = table(*((kind, kind, True) for kind in kinds))
    assert long_columns(one) == kinds[:5]
    hidden = dataclasses.replace(one, columns=tuple(dataclasses.replace(c, readable=False) for c in one.columns))
    assert long_columns(hidden) == ()


def test_a_key_of_one_integer_that_is_unique_counts_rows_by_subtraction() -> None:
    one = table(("a", "int", False), ("b", "date", False))
    for key, counts in (
        (Key("k", ("a",), True), True), (Key("k", ("a",), False), False), (Key("k", ("b",), True), False),
        (Key("k", ("a", "b"), True), False),
    ):  # fmt: skip
        assert is_integer_key(one, key) == counts


ORDERED = (
    "tinyint smallint mediumint int bigint year date datetime timestamp decimal(9,2) char(9) varchar(9) binary(9)"
    " varbinary(9) uuid"
)
UNORDERED = "enum('a') set('a') float double time text blob json bit(3)"


@pytest.mark.parametrize(
    ("kind", "ordered"), [*((kind, True) for kind in ORDERED.split()), *((kind, False) for kind in UNORDERED.split())]
)
def test_a_table_is_cut_along_what_an_index_orders_as_a_comparison_does(kind: str, ordered: bool) -> None:
    key = Key("PRIMARY", ("k",), True)
    assert split_key(table(("k", kind, False), keys=(key,))) == (key if ordered else None)
    assert split_key(table(("k", kind, False), keys=(key,)), "k") == (key if ordered else None)


def test_equal_neighbours_make_one_edge() -> None:
    key = Key("u", ("k",), False)
    parts = split(table(("k", "int", True), keys=(key,)), key, [(1,), (1,), (2,), (1,)])
    assert [(part.lo, part.hi, part.nulls) for part in parts] == [
        (None, (1,), False), ((1,), (2,), False), ((2,), (1,), False), ((1,), None, False), (None, None, True),
    ]  # fmt: skip
    assert {(part.key, part.columns, part.unique) for part in parts[:-1]} == {("u", ("k",), False)}
    assert (parts[-1].key, parts[-1].columns, parts[-1].index) == ("u", ("k",), 4)


def test_a_key_is_told_to_people_and_kept_with_rejects_so_that_equal_ones_are_equal_texts() -> None:
    assert key_texts((1, b"\x0a\xff", "x", dt.date(2024, 1, 31))) == ("1", "\\x0aff", "x", "2024-01-31")
    assert json_key('{"b": 1,  "a": "x"}') == json_key('{"a":"x","b":1}') == '{"a": "x", "b": 1}'
