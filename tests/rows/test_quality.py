"""The quality score: what arrived per row at the source, whatever happens there meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.errors import DataQualityError
from bulketl.rows.quality import COUNTS, Arrived, around, hold, score
from bulketl.tables.spec import TableSpec

COUNT = st.integers(0, 1000)
PARTS = st.lists(st.tuples(COUNT, COUNT), min_size=1, max_size=5)


def spec(threshold: float = 1.0) -> TableSpec:
    return TableSpec("t", "raw", (), (), "swap", threshold=threshold)


@given(COUNT, COUNT, st.lists(COUNT, min_size=COUNTS, max_size=COUNTS))
def test_any_number_between_the_counts_is_explained(before: int, read: int, later: list[int]) -> None:
    """By rows that came or went; what lies outside of all counts is compared with the nearest one."""
    asked = iter(later)
    found = around([before], read, lambda: next(asked))
    every = [before, *later]
    assert min(every) <= found <= max(every)
    assert (found == read) == (min(every) <= read <= max(every))


def test_a_number_that_is_explained_is_not_counted_again() -> None:
    assert around([7, 3], 5, lambda: pytest.fail("counted again")) == 5


@given(PARTS)
def test_a_table_that_is_all_there_scores_one_whatever_was_rejected(parts: list[tuple[int, int]]) -> None:
    """Rejects have a limit of their own."""
    assert hold(spec(), [Arrived(n, rows, rejects, rows + rejects) for n, (rows, rejects) in enumerate(parts)]) == 1


@given(PARTS, st.integers(1, 50), st.floats(0, 1))
def test_a_loss_fails_the_table_below_its_threshold(parts: list[tuple[int, int]], lost: int, threshold: float) -> None:
    """And names the partition it is in."""
    arrived = [Arrived(n, rows, rejects, rows + rejects) for n, (rows, rejects) in enumerate(parts)]
    first = arrived[0]
    arrived[0] = Arrived(0, first.rows, first.rejects, first.expected + lost)
    rows = sum(item.rows for item in arrived)
    assert score(arrived) == rows / (rows + lost)
    if rows / (rows + lost) >= threshold:
        assert hold(spec(threshold), arrived) < 1
        return
    with pytest.raises(DataQualityError) as told:
        hold(spec(threshold), arrived)
    assert f"partition 0: {first.expected:,} of {first.expected + lost:,}" in told.value.message


@given(PARTS, st.integers(1, 50))
def test_more_rows_than_the_source_has_are_never_right(parts: list[tuple[int, int]], more: int) -> None:
    """Whatever the threshold; also where the source has none."""
    arrived = [Arrived(n, rows, rejects, rows + rejects) for n, (rows, rejects) in enumerate(parts)]
    arrived.append(Arrived(len(parts), more, 0, 0))
    with pytest.raises(DataQualityError, match="never right"):
        hold(spec(0.0), arrived)
