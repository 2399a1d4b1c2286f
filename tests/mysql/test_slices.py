"""Slices of a range: each row once whatever the keys, proved by the server's numbers, as many rows as the clock allows."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulketl.errors import SourceError
from bulketl.mysql import slices
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec

SPEC = TableSpec("t", "raw", (), ("id",), "create")
names = (str(n) for n in itertools.count())  # of sources: each has paces of its own


class Server:
    """Keys in a table; `meanwhile` is called before each statement, `lost` may take rows out of what it sends."""

    def __init__(self, keys: list[int]) -> None:
        self.keys = set(keys)
        self.asked: list[int] = []
        self.now = 0.0
        self.seconds: Callable[[int], float] = lambda rows: 0.01 + rows / 10_000
        self.meanwhile: Callable[[], None] = lambda: None
        self.lost: Callable[[list[int]], list[int]] = lambda keys: keys

    def within(self, part: Partition) -> list[int]:
        self.meanwhile()
        low, high = (part.lo or (-(1 << 70),))[0], (part.hi or (1 << 70,))[0]
        assert isinstance(low, int)
        assert isinstance(high, int)
        return sorted(key for key in self.keys if low <= key < high)

    def rows(self, part: Partition, most: int) -> pa.Table:
        found = self.within(part)[:most]
        self.asked.append(most)
        self.now += self.seconds(len(found))
        return pa.table({"id": pa.array(self.lost(found), pa.int64())})

    def last(self, part: Partition) -> int | None:
        return max(self.within(part), default=None)

    def drained(self, lo: int | None = None, hi: int | None = None) -> list[int]:
        part = Partition(0, "PRIMARY", ("id",), None if lo is None else (lo,), None if hi is None else (hi,))
        ask = slices.Asking(self.rows, lambda some, rest: (len(self.within(some)) if some else 0, self.last(rest)))
        found: list[int] = slices.drained(next(names), SPEC, part, ask).column("id").to_pylist()
        return found


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server of 20,000 keys with gaps, and a clock that its statements move."""
    server = Server([n * 3 for n in range(20_000)])
    monkeypatch.setattr(slices, "clock", lambda: server.now)
    return server


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.integers(-50, 400)), st.none() | st.integers(-60, 410), st.none() | st.integers(-60, 410), st.integers(1, 9)
)
def test_every_row_of_a_range_is_read_once(
    monkeypatch: pytest.MonkeyPatch, keys: list[int], lo: int | None, hi: int | None, first: int
) -> None:
    """Whatever the gaps, also where a slice ends exactly with the range, and where there is nothing."""
    monkeypatch.setattr(slices, "FIRST_ROWS", first)
    monkeypatch.setattr(slices, "LEAST_ROWS", 1)
    server = Server(keys)
    wanted = sorted(key for key in set(keys) if (lo is None or key >= lo) and (hi is None or key < hi))
    assert server.drained(lo, hi) == wanted


@pytest.mark.parametrize("per_second", [10_000, 100_000, 1_000_000])
@pytest.mark.parametrize("connecting", [0.001, 0.013])
def test_statements_take_as_long_as_they_may_and_no_longer(server: Server, per_second: int, connecting: float) -> None:
    """Beside what their connection takes; the first one asks for a single row, the next for few."""
    server.seconds = lambda rows: connecting + rows / per_second
    assert len(server.drained()) == 20_000
    assert server.asked[:2] == [1, slices.FIRST_ROWS]
    fitting = [rows / per_second for rows in server.asked[2:]]
    assert all(seconds <= slices.SECONDS * 1.01 for seconds in fitting)
    assert max(fitting) >= min(slices.SECONDS * 0.99, max(server.asked) / per_second)


def test_over_a_slow_link_a_statement_reads_for_as_long_as_it_connects(server: Server) -> None:
    """Else the load would do little but connect."""
    server.seconds = lambda rows: 0.2 + rows / 10_000
    server.drained()
    assert all(rows == pytest.approx(2000, rel=0.02) for rows in server.asked[3:])


def test_a_source_that_gets_slower_is_asked_for_less_and_for_more_when_it_is_quick_again(server: Server) -> None:
    """For a quarter at least and four times as much at most, from one statement to the next; and never for none."""
    server.seconds = lambda rows: 0.01 + rows / (10_000 if 4 < len(server.asked) < 12 else 50_000)
    server.drained()
    assert all(0.24 < after / before < 4.01 for before, after in itertools.pairwise(server.asked[1:]))
    assert max(server.asked[:5]) > 2000
    assert min(server.asked[5:12]) < 600
    assert max(server.asked[12:]) > 2000
    server.seconds = lambda rows: 60.0 if rows > 1 else 0.01
    server.asked.clear()
    server.drained()
    assert server.asked[-1] == slices.LEAST_ROWS


def test_rows_that_come_at_the_end_while_it_is_read_do_not_keep_it_from_ending(server: Server) -> None:
    def grow() -> None:
        server.keys.add(max(server.keys) + 1)

    server.meanwhile = grow
    found = server.drained()
    assert found == sorted(set(found))
    assert set(found) >= {n * 3 for n in range(20_000)}


def test_a_row_that_goes_from_the_last_slice_is_read_again_without_it(server: Server) -> None:
    """The server counts one less than was read: so that slice is read once more."""
    gone = iter([59_997, 59_994])
    server.meanwhile = lambda: server.keys.discard(next(gone, 1)) if server.asked else None
    found = server.drained()
    assert set(found) <= {n * 3 for n in range(20_000)}
    assert len(found) >= 19_998


@pytest.mark.parametrize("lost", [
    lambda keys: keys[:-1] if keys[-1:] == [59_997] else keys,
    lambda keys: [key for key in keys if key != 59_991],
    lambda keys: keys[:3] if 30_000 in keys else keys,
])  # fmt: skip
def test_a_row_that_gets_lost_on_its_way_is_never_passed_over(
    server: Server, lost: Callable[[list[int]], list[int]]
) -> None:
    """At the end, in the middle of the last slice, or with all that follow it: it is read again, or the read fails."""
    server.lost = lost
    told = ""
    try:
        assert len(server.drained()) == 20_000
    except SourceError as error:
        told = error.message
    assert not told or "faster than they can be read" in told


def test_rows_out_of_order_are_refused(server: Server) -> None:
    """The next slice would begin anywhere."""
    server.lost = lambda keys: keys[::-1]
    with pytest.raises(SourceError) as refused:
        server.drained()
    assert "not in the order of 'id'" in refused.value.message
