"""Comparing by buckets against a plain model: two dicts, and what differs between them, whatever the buckets are."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.errors import DataError
from bulketl.rows.coerce import Batch
from bulketl.rows.reconcile import (
    BUCKETS_LISTED,
    HASHED_TOGETHER,
    KEYS_LISTED,
    KEYS_READ,
    QUERY_BYTES,
    Buckets,
    Differences,
    Digest,
    Row,
    batches,
    compare_rows,
    reconcile,
    reread,
    united,
)
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec

SPEC = TableSpec("t", "raw", (cast(Column("id", "bigint", False), ""),), ("id",), "merge")
# Some so near each other that they share buckets, some so far apart that they fill many.
KEYS = st.integers(-12, 12) | st.integers(-(10**5), 10**5) | st.integers(-(2**63), 2**63 - 1)
ROWS = st.dictionaries(KEYS, st.integers(0, 2), max_size=30)
WIDTHS = st.sampled_from([0, 1, 2, 7, 4096, 9000, 2 * KEYS_LISTED])


def div(key: int, width: int) -> int:
    """Return what DIV gives on MySQL and / of integers on Postgres."""
    return abs(key) // width * (1 if key >= 0 else -1)


def hashed(*parts: int) -> int:
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:15], 16)


@dataclass
class Side:
    """A server as far as comparing needs one. `said`: what it was asked, in the order of both sides together."""

    rows_: Mapping[int, int]
    width: int = 0
    name: str = "source"
    said: list[tuple[str, str, int]] = field(default_factory=list)
    read_: list[Partition] = field(default_factory=list)
    most_gone: int = 10**6
    mended: list[int] = field(default_factory=list)

    def bucket(self, key: int) -> str:
        return str(div(key, self.width)) if self.width else f"{hashed(key) % 4096:03x}"

    def buckets(self, spec: TableSpec) -> Buckets:
        return Buckets(self.width)

    def digests(self, spec: TableSpec, buckets: Buckets) -> Mapping[str, Digest]:
        self.said.append((self.name, "digests", 0))
        found: dict[str, Digest] = {}
        for key, value in self.rows_.items():
            count, total = found.get(self.bucket(key), (0, 0))
            found[self.bucket(key)] = (count + 1, total + hashed(key, value))
        return found

    def rows(self, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> Mapping[str, Row]:
        """Find them as the servers do: by the range of a bucket, not by the bucket of a key."""
        self.said.append((self.name, "rows", len(which)))
        if buckets.width:
            ranges = [buckets.range(int(name)) for name in which]
            keys = [key for key in self.rows_ if any(lo <= key <= hi for lo, hi in ranges)]
        else:
            keys = [key for key in self.rows_ if self.bucket(key) in which]
        return {f"k{key}": Row((key,), str(self.rows_[key])) for key in keys}

    def read(self, spec: TableSpec, partition: Partition) -> Iterator[pa.Table]:
        self.read_.append(partition)
        yield pa.table({"id": pa.array([key for (key,) in partition.only], pa.int64())})

    def null_bits(self, spec: TableSpec) -> list[list[str]]:
        return []

    mask_key = ""

    def read_within(self, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> pa.Table:
        raise NotImplementedError

    def unlike(self, spec: TableSpec, batch: Batch) -> Sequence[str]:
        raise NotImplementedError

    def mend(
        self, spec: TableSpec, found: Differences, read: Callable[[], Iterable[Batch]]
    ) -> tuple[Mapping[str, int], int]:
        if len(found.gone) > self.most_gone:
            raise DataError("more rows are gone than may go")
        self.mended = [key for batch in read() for key in batch.good["id"].to_pylist()]
        return {"delete": len(found.gone)}, 0


def sides(source: Mapping[int, int], target: Mapping[int, int], width: int) -> tuple[Side, Side]:
    here = Side(source, width)
    return here, Side(target, width, "target", here.said)


def keys(found: tuple[tuple[object, ...], ...]) -> set[object]:
    """Return them; each is there once."""
    assert len(set(found)) == len(found)
    return {key for (key,) in found}


@given(ROWS, ROWS, WIDTHS)
def test_what_is_found_is_the_difference_of_both_sides(source: dict[int, int], target: dict[int, int], width: int) -> None:
    """Whatever the width of the buckets, and for negative keys too."""
    found = compare_rows(*sides(source, target, width), SPEC)
    assert keys(found.missing) == source.keys() - target.keys()
    assert keys(found.gone) == target.keys() - source.keys()
    assert keys(found.differing) == {key for key in source.keys() & target.keys() if source[key] != target[key]}
    assert found.rows == len(target)


@given(ROWS, st.dictionaries(KEYS, st.integers(0, 2), max_size=3), st.sets(KEYS, max_size=3), WIDTHS)
def test_few_rows_that_differ_in_a_large_table_are_found(
    source: dict[int, int], edits: dict[int, int], lost: set[int], width: int
) -> None:
    """Only buckets with a difference are listed, no more at once than may be, and the target is always asked first."""
    target = {key: value for key, value in (source | edits).items() if key not in lost}
    here, there = sides(source, target, width)
    found = compare_rows(here, there, SPEC)
    wrong = {key for key in source.keys() | target.keys() if source.get(key) != target.get(key)}
    assert keys((*found.missing, *found.differing, *found.gone)) == wrong
    assert [name for name, _, _ in here.said] == ["target", "source"] * (len(here.said) // 2)
    listed = [count for name, what, count in here.said if what == "rows" and name == "source"]
    assert sum(listed) == len({here.bucket(key) for key in wrong})
    assert all(0 < count <= Buckets(width).at_once for count in listed)


def test_a_table_of_which_all_differs_is_listed_in_pieces() -> None:
    """By hash some buckets at once, by ranges as many as have no more keys than may be in memory."""
    source = dict.fromkeys(range(-300, 300), 1)
    here, there = sides(source, {}, 0)
    assert keys(compare_rows(here, there, SPEC).missing) == source.keys()
    assert max(count for _, _, count in here.said) == BUCKETS_LISTED
    wide = {key * KEYS_LISTED: 1 for key in range(-5, 6)}
    here, there = sides({}, wide, KEYS_LISTED // 2)
    assert keys(compare_rows(here, there, SPEC).gone) == wide.keys()
    assert max(count for _, _, count in here.said) == 2


@given(st.integers(1, 10**6), KEYS)
def test_a_range_has_all_keys_of_its_bucket_and_no_other(width: int, key: int) -> None:
    """As both servers divide, towards zero: bucket 0 lies on both sides of it."""
    buckets = Buckets(width)
    bucket = buckets.of(key)
    assert bucket == div(key, width)
    lo, hi = buckets.range(bucket)
    assert lo <= key <= hi
    assert buckets.of(lo) == bucket == buckets.of(hi)
    assert (buckets.of(lo - 1), buckets.of(hi + 1)) == (bucket - 1, bucket + 1)


@given(st.integers(1, 10**9))
def test_no_more_keys_are_listed_at_once_than_one_bucket_or_the_limit(width: int) -> None:
    at_once = Buckets(width).at_once
    assert at_once >= 1
    assert at_once == 1 or at_once * width <= KEYS_LISTED < (at_once + 1) * width
    assert Buckets().at_once == BUCKETS_LISTED


@pytest.mark.parametrize("count", [0, 1, KEYS_READ, KEYS_READ + 1, 3 * KEYS_READ])
def test_rows_are_read_again_some_keys_at_a_time_each_once_and_in_order(count: int) -> None:
    here = Side({})
    wanted = [(key,) for key in range(count)]
    got = [key for batch in reread(here, SPEC, wanted) for key in batch.good["id"].to_pylist()]
    assert got == list(range(count))
    assert [key for part in here.read_ for key in part.only] == wanted
    assert all(0 < len(part.only) <= KEYS_READ for part in here.read_)
    assert [(part.index, part.columns) for part in here.read_] == [(n, ("id",)) for n in range(-(-count // KEYS_READ))]


@given(ROWS, ROWS, WIDTHS)
def test_mending_gets_every_row_that_is_missing_or_differs(
    source: dict[int, int], target: dict[int, int], width: int
) -> None:
    """And none that is gone; what mending has noted is told with what was found."""
    here, there = sides(source, target, width)
    found = reconcile(here, there, SPEC)
    assert sorted(there.mended) == sorted(key for key in source if target.get(key) != source[key])
    assert found.noted == {"delete": len(target.keys() - source.keys())}
    assert compare_rows(*sides(source, target, width), SPEC).missing == found.missing


def test_no_row_is_read_again_when_more_are_gone_than_may_go() -> None:
    here, there = sides({1: 1}, {2: 1, 3: 1}, 0)
    there.most_gone = 1
    with pytest.raises(DataError):
        reconcile(here, there, SPEC)
    assert here.read_ == []


SELECTS = {size: "x" * size for size in (0, 1, 100, 5_000, 100_000, QUERY_BYTES - 1, QUERY_BYTES, QUERY_BYTES + 1)}


@given(st.lists(st.sampled_from(sorted(SELECTS)), max_size=40) | st.lists(st.sampled_from([0, 1, 100, 5_000]), max_size=200))
def test_queries_for_many_tables_keep_order_and_limits_and_are_as_few_as_can_be(sizes: list[int]) -> None:
    """One SELECT that is longer than a query may be goes alone: it has to be asked."""
    found = list(batches([SELECTS[size] for size in sizes]))
    assert [n for some in found for n in some] == list(range(len(sizes)))
    for some in found:
        assert 1 <= len(some) <= HASHED_TOGETHER
        assert len(some) == 1 or sum(sizes[n] for n in some) <= QUERY_BYTES
    for some, following in itertools.pairwise(found):
        assert len(some) == HASHED_TOGETHER or sum(sizes[n] for n in [*some, following[0]]) > QUERY_BYTES


def test_rows_of_a_query_for_many_tables_begin_with_their_positions() -> None:
    """By which they are told apart, also where only some of the SELECTs are asked."""
    selects = ["count(*) FROM a", "count(*) FROM b", "count(*) FROM c"]
    assert united(selects, [0, 2]) == "SELECT 0, count(*) FROM a UNION ALL SELECT 2, count(*) FROM c"
    assert united(selects, [1]) == "SELECT 1, count(*) FROM b"
