"""What the rows of a table have in common: the label it gets, the ranges it is read in for that, and what cannot be had."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError
from bulketl.plan.consistency import Parts, consistent
from bulketl.tables.catalog import Column, Key, Table
from bulketl.tables.partitions import Changes, Partition, rows_per_partition, split
from bulketl.tables.spec import Consistency, TableSpec

COLUMNS = (Column("id", "int", True), Column("n", "int", True))
KEY = Key("k", ("id",), True)
ONE = (Partition(0),)
CHANGES = Changes("n", 5)
LABELS: tuple[Consistency, ...] = ("snapshot", "locked", "re-read", "best effort")


def table(**facts: Any) -> Table:
    return Table(**{"name": "t", "columns": COLUMNS, "primary_key": ("id",), "keys": (KEY,), **facts})


def ranges(cuts: int, *, nulls: bool = False, **facts: Any) -> Parts:
    """Return the ranges between cuts at 0, 1, 2, and for NULL keys one more; each with the same facts."""
    parts = split(table(), KEY, [(n,) for n in range(cuts)])
    return tuple(
        Partition(part.index, part.key, part.columns, part.lo, part.hi, part.nulls, **facts)
        for part in (parts if nulls else parts[:-1])
    )


def agreed(
    parts: Parts,
    asked: Consistency | None = None,
    *,
    readers: int = 3,
    key: tuple[str, ...] = ("id",),
    whole: bool = True,
    **facts: Any,
) -> tuple[Consistency, Parts]:
    """Return the label and the partitions of a table whose rule asks for that."""
    spec = TableSpec("t", "raw", (), key, "create", whole=whole)
    config = Config(workers=readers)
    assert config.readers == readers
    return consistent(config, TableRule(consistency=asked), table(**facts), parts, spec)


def refusal(parts: Parts, asked: Consistency, **facts: Any) -> str:
    """Return the message and the hint with which a table is refused."""
    with pytest.raises(PlanError) as refused:
        agreed(parts, asked, **facts)
    assert f"table 't' asks for consistency: {asked}, which it cannot have: " in refused.value.message
    assert refused.value.hint.endswith("in its rule, or take consistency out of it")
    return f"{refused.value.message} -- {refused.value.hint}"


def holds(part: Partition, key: int | None) -> bool:
    """Tell whether a partition has the row of that key."""
    if not part.columns:
        return True
    if key is None or part.nulls:
        return key is None and part.nulls
    return (part.lo is None or (key,) >= part.lo) and (part.hi is None or (key,) < part.hi)


@pytest.mark.parametrize("asked", [None, *LABELS])
@pytest.mark.parametrize("parts", [(), ONE, (Partition(0, stream=9),), (Partition(0, changes=CHANGES, mark="5"),)])
@pytest.mark.parametrize(
    ("engine", "label"),
    [("InnoDB", "snapshot"), ("INNODB", "snapshot"), ("ROCKSDB", "snapshot"), ("MyISAM", "locked"), ("Aria", "locked")],
)
def test_what_one_statement_reads_is_of_one_moment(asked: Consistency | None, parts: Parts, engine: str, label: str) -> None:
    """Whatever is asked for, with a key or without one: the engine says by what."""
    assert agreed(parts, asked, engine=engine) == (label, parts)
    assert agreed(parts, asked, engine=engine, key=(), whole=False) == (label, parts)


@pytest.mark.parametrize("asked", [None, "best effort"])
@pytest.mark.parametrize("facts", [{}, {"engine": "MyISAM"}, {"key": ()}, {"whole": False}, {"view": True}])
def test_several_ranges_are_best_effort_when_nothing_more_is_asked_for(
    asked: Consistency | None, facts: dict[str, Any]
) -> None:
    """They are read as they are cut."""
    for parts in (ranges(1), ranges(9, nulls=True), ranges(2, mark="5")):
        assert agreed(parts, asked, **facts) == ("best effort", parts)


@pytest.mark.parametrize("parts", [(), ONE])
def test_one_statement_on_a_view_is_best_effort(parts: Parts) -> None:
    """What it reads may be of engines that know no common moment."""
    assert agreed(parts, view=True) == ("best effort", parts)


@pytest.mark.parametrize("parts", [ONE, ranges(2)])
@pytest.mark.parametrize("asked", ["snapshot", "locked"])
def test_a_view_has_no_snapshot_and_is_not_locked(parts: Parts, asked: Consistency) -> None:
    """It can be read again where it has a key."""
    told = refusal(parts, asked, view=True)
    assert "it is a view, and what it reads may be of several engines" in told
    assert "write consistency: re-read in its rule" in told
    assert agreed(parts, "re-read", view=True) == ("re-read", parts)


@pytest.mark.parametrize("asked", ["snapshot", "locked", "re-read"])
def test_chunks_that_are_published_one_after_another_have_nothing_in_common(asked: Consistency) -> None:
    """The last of them has no mark, and is one too."""
    parts = (Partition(0, mark="5", changes=CHANGES), Partition(1, changes=CHANGES))
    told = refusal(parts, asked)
    assert "chunked_incremental publishes one chunk after another -- write incremental in its rule" in told


def test_an_engine_without_transactions_has_no_snapshot() -> None:
    """It can be locked, or read again."""
    told = refusal(ranges(2), "snapshot", engine="MyISAM")
    assert "engine MyISAM has no snapshots -- write consistency: locked or re-read in its rule" in told
    assert agreed(ranges(2), "locked", engine="MyISAM") == ("locked", ranges(2))
    assert agreed(ranges(2), "re-read", engine="MyISAM") == ("re-read", ranges(2))


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"whole": False}, "only its changes are read"),
        ({"key": ()}, "without a primary key rows cannot be told apart"),
        ({"key": (), "whole": False}, "without a primary key rows cannot be told apart"),
    ],
)
def test_rows_are_read_again_only_where_all_are_read_and_can_be_told_apart(facts: dict[str, Any], why: str) -> None:
    """A lock needs neither."""
    assert f"{why} -- write consistency: locked in its rule" in refusal(ranges(2), "re-read", **facts)
    assert agreed(ranges(2), "locked", **facts) == ("locked", ranges(2))


@pytest.mark.parametrize("asked", ["locked", "re-read"])
def test_ranges_are_joined_for_a_snapshot_alone(asked: Consistency) -> None:
    assert agreed(ranges(20, nulls=True), asked) == (asked, ranges(20, nulls=True))


@given(st.integers(1, 40), st.booleans(), st.integers(2, 8), st.none() | st.integers(-3, 45))
def test_ranges_joined_for_a_snapshot_have_each_row_once(cuts: int, nulls: bool, readers: int, key: int | None) -> None:
    """There is one for each reader at most; every range of two or more that a reader gets is next to the one before it."""
    parts = ranges(cuts, nulls=nulls)
    label, joined = agreed(parts, "snapshot", readers=readers)
    assert label == "snapshot"
    assert [part.index for part in joined] == list(range(len(joined)))
    assert len(joined) == min(readers, len(parts))
    assert sum(holds(part, key) for part in joined) == sum(holds(part, key) for part in parts)
    assert [part.nulls for part in joined] == [False] * (len(joined) - nulls) + [True] * nulls


@given(st.integers(1, 40), st.booleans(), st.integers(2, 8))
def test_what_does_not_fit_into_memory_is_streamed(cuts: int, nulls: bool, readers: int) -> None:
    """Up to two ranges are read at once, more of them some rows after others; and readers have about the same to do."""
    parts = ranges(cuts, nulls=nulls)
    _, joined = agreed(parts, "snapshot", readers=readers, rows=1000, bytes=50_000)
    size = rows_per_partition(table(rows=1000, bytes=50_000), Config(workers=readers).partition_bytes)
    firsts = [-1, *range(cuts)]  # a key of each range
    sizes = [sum(holds(part, first) for first in firsts) for part in joined if not part.nulls]
    assert [part.stream for part in joined if not part.nulls] == [size if n > 2 else 0 for n in sizes]
    assert all(part.stream == 0 for part in joined if part.nulls)
    assert sum(sizes) == cuts + 1
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("nulls", [True, False])
def test_a_single_reader_streams_the_whole_table(nulls: bool) -> None:
    """Rows with a NULL key too; of changes the changes alone."""
    label, (part,) = agreed(ranges(5, nulls=nulls), "snapshot", readers=1)
    assert label == "snapshot"
    assert part == Partition(0, stream=rows_per_partition(table(), Config(workers=1).partition_bytes))
    _, (part,) = agreed(ranges(5, nulls=nulls, changes=CHANGES), "snapshot", readers=1, whole=False)
    assert part.changes == CHANGES


def test_joined_ranges_of_changes_are_of_the_same_changes() -> None:
    """Along the same key."""
    _, joined = agreed(ranges(9, nulls=True, changes=CHANGES), "snapshot", whole=False)
    assert [part.changes for part in joined] == [CHANGES] * 3
    assert {(part.key, part.columns) for part in joined} == {("k", ("id",))}
