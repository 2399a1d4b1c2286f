"""The keys that a range does not have prove that none of its rows is missing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.mysql.gaps import FEW, MANY, Asking, Gap, missing, most, proved
from bulketl.rows.quality import attested
from bulketl.tables.partitions import Partition

Ends = tuple[int | None, int | None]
ENDS = {
    pa.int8(): (-(2**7), 2**7 - 1), pa.uint8(): (0, 2**8 - 1), pa.int32(): (-(2**31), 2**31 - 1),
    pa.int64(): (-(2**63), 2**63 - 1), pa.uint64(): (0, 2**64 - 1),
}  # fmt: skip


def ranged(lo: int | None, hi: int | None) -> Partition:
    return Partition(0, "PRIMARY", ("id",), None if lo is None else (lo,), None if hi is None else (hi,), unique=True)


def edges(partition: Partition) -> Ends:
    lo, hi = (None if edge is None else int(str(edge[0])) for edge in (partition.lo, partition.hi))
    return lo, hi


def inside(key: int, gaps: list[Gap]) -> bool:
    return any((first is None or first <= key) and (last is None or key <= last) for first, last in gaps)


@given(st.data(), st.sampled_from(sorted(ENDS, key=str)), st.sampled_from(["low", "high", "both", "any"]))
def test_a_key_of_the_range_was_read_or_is_in_a_gap(data: st.DataObject, kind: pa.DataType, where: str) -> None:
    """Of each width, at both ends of it, in any order."""
    least, most = ENDS[kind]
    near = {"low": st.integers(least, least + 20), "high": st.integers(most - 20, most), "any": st.integers(least, most)}
    some = near.get(where, near["low"] | near["high"])
    lo, hi = sorted((data.draw(some), data.draw(some)))
    keys = data.draw(st.lists(some.filter(lambda key: lo <= key < hi), unique=True, max_size=12)) if lo < hi else []
    partition = ranged(*data.draw(st.sampled_from([(lo, hi), (None, hi), (lo, None), (None, None)])))
    gaps = missing(pa.chunked_array([pa.array(keys, kind)]), partition)
    assert gaps is not None
    begin, end = edges(partition)
    begin, end = least if begin is None else begin, most + 1 if end is None else end
    for key in {least, most, lo, hi, hi - 1, *keys, *(key + step for key in keys for step in (-1, 1))}:
        if begin <= key < end:
            assert (key in keys) != inside(key, gaps)
        elif least <= key <= most and partition.lo and partition.hi:
            assert not inside(key, gaps)


@pytest.mark.parametrize("keys", [[1, 2, 2], [0, 1], [1, 9]])
def test_keys_that_no_range_can_have_prove_nothing(keys: list[int]) -> None:
    """Twice the same, and one outside of it."""
    assert missing(pa.chunked_array([keys]), ranged(1, 9)) is None


@dataclass
class Server:
    """A table that somebody writes to before each read, and a driver that loses rows of each."""

    keys: set[int]
    writes: list[tuple[set[int], set[int]]] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)
    did: list[str] = field(default_factory=list)

    def within(self, partition: Partition, gaps: list[Gap]) -> tuple[int, int | None]:
        self.did.append("within")
        keys, found = self.of(partition), set[int]()
        for first, last in gaps:
            begins = 0 if first is None else bisect_left(keys, first)
            found.update(keys[begins : None if last is None else bisect_right(keys, last)])
        return len(found), max(found, default=None)

    def of(self, partition: Partition) -> list[int]:
        lo, hi = edges(partition)
        return sorted(key for key in self.keys if (lo is None or key >= lo) and (hi is None or key < hi))

    def rows(self, partition: Partition) -> pa.Table:
        self.did.append("rows")
        rows = pa.table({"id": pa.array([key for key in self.of(partition) if key not in self.lost], pa.int64())})
        come, gone = self.writes.pop(0) if self.writes else (set(), set())
        self.keys = (self.keys | come) - gone
        return rows

    def count(self, partition: Partition) -> int:
        self.did.append("count")
        return len(self.of(partition))

    def read(self, partition: Partition) -> tuple[list[int], int]:
        rows = proved(partition, Asking(self.rows, self.count, self.within))
        return rows.column("id").to_pylist(), attested(rows)


few = st.sets(st.integers(0, 60), max_size=20)
many = few.map(lambda without: set(range(61)) - without)
ends = st.sampled_from([(None, None), (10, 40), (None, 30), (30, None)])


@given(few | many, st.lists(st.tuples(few, few), max_size=6), ends)
def test_rows_that_come_and_go_meanwhile_are_no_loss(
    keys: set[int], writes: list[tuple[set[int], set[int]]], reach: Ends
) -> None:
    """Each row that was there all the time is read."""
    always = keys - {key for _, gone in writes for key in gone}
    server, partition = Server(set(keys), list(writes)), ranged(*reach)
    expected = [key for key in always if key in server.of(partition)]
    read, of = server.read(partition)
    assert of == len(read)
    assert set(expected) <= set(read)


@given((few | many).filter(bool), st.data(), ends)
def test_rows_that_the_driver_loses_are_told(keys: set[int], data: st.DataObject, reach: Ends) -> None:
    """Whichever they are, all of them too."""
    server, partition = Server(set(keys), [], data.draw(st.sets(st.sampled_from(sorted(keys))))), ranged(*reach)
    read, of = server.read(partition)
    assert of == len(server.of(partition))
    assert of - len(read) == len(server.lost & set(server.of(partition)))


@pytest.mark.parametrize(("step", "rows", "did"), [
    (1, 1000, ["rows"]),
    (1, 0, ["rows", "within"]),
    (2, FEW, ["rows", "within"]),
    (2, FEW + 2, ["rows", "count"]),
])  # fmt: skip
def test_dense_keys_are_proved_for_nothing_and_only_sparse_ones_counted(step: int, rows: int, did: list[str]) -> None:
    """A range from its first key to its last one."""
    server = Server(set(range(0, rows * step, step)))
    read, of = server.read(ranged(0, max(1, rows * step - step + 1)))
    assert len(read) == of == rows
    assert server.did == did


def test_a_large_range_is_asked_for_a_gap_in_eight_rows_and_no_statement_becomes_huge() -> None:
    assert [most(rows) for rows in (0, 16_000, 16_008, 80_000, 10**6)] == [FEW, FEW, 2001, 10_000, MANY]
    keys = set(range(88_000)) - set(range(0, 88_000, 11))
    server = Server(keys)
    assert server.read(ranged(0, 88_000))[1] == len(keys)
    assert server.did == ["rows", "within"]
