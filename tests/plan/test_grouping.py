"""The order of a plan's tables: tiers, size, and before all what they depend on."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl import PlanError
from bulketl.config.tables import circle
from bulketl.loading.schedule import Schedule, Step
from bulketl.plan.grouping import GROUP_TABLES, grouped
from bulketl.plan.plan import Group, TableLoad
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TIERS, TableSpec, Tier

MOST = 1 << 30


def load(name: str, tier: Tier = "reference", size: int = 1, *, small: bool = True) -> TableLoad:
    spec = TableSpec(name, "raw", (), (), "refill" if small else "swap", rows=1)
    return TableLoad(spec, (Partition(0),), tier, "", 0, size)


NAMES = [f"t{n}" for n in range(8)]
LOADS = st.tuples(
    *(st.builds(load, st.just(name), st.sampled_from(TIERS), st.integers(0, 5), small=st.booleans()) for name in NAMES)
)
# A table needs only tables with a smaller number, so there is no circle.
NEEDS = st.tuples(*(st.sets(st.sampled_from(NAMES[:n])) if n else st.just(set[str]()) for n in range(8))).map(
    lambda sets: {name: tuple(sorted(found)) for name, found in zip(NAMES, sets, strict=True)}
)


@given(LOADS, NEEDS)
def test_a_group_comes_after_all_that_its_tables_depend_on(
    loads: tuple[TableLoad, ...], needs: dict[str, tuple[str, ...]]
) -> None:
    """Every table is in one group, of its own tier; what it needs is in an earlier group or in its own."""
    groups = list(grouped(loads, needs, MOST))
    assert sorted(x.spec.table for g in groups for x in g.loads) == NAMES
    done = set[str]()
    for group in groups:
        own = {x.spec.table for x in group.loads}
        assert {x.tier for x in group.loads} == {group.tier}
        assert group.after == {other for name in own for other in needs[name]} - own
        assert done.issuperset(group.after)
        assert len(own) == 1 or all(x.direct for x in group.loads)
        done |= own


@given(LOADS, NEEDS, st.integers(1, 4), st.data())
def test_no_table_begins_before_those_it_depends_on_have_ended(
    loads: tuple[TableLoad, ...], needs: dict[str, tuple[str, ...]], workers: int, data: st.DataObject
) -> None:
    """Well or not: a failure of one does not keep the others from their turn."""
    schedule = Schedule(list(grouped(loads, needs, MOST)), dict.fromkeys(TIERS, 2), workers=workers)
    ended, running = set[str](), list[Step]()
    while not schedule.done:
        while step := schedule.next(0):
            outside = {other for name in step.tables for other in needs[name]} - set(step.tables)
            assert ended.issuperset(outside)
            running.append(step)
        step = running.pop(data.draw(st.integers(0, len(running) - 1)))
        if data.draw(st.booleans()):
            schedule.succeeded(step)
            if step.kind in ("publish", "group"):
                ended.update(step.tables)
        elif schedule.failed(step, ValueError(), 0) is None:
            ended.update(step.tables)
    assert ended == set(NAMES)


def test_without_dependencies_tiers_come_in_order_and_the_largest_first() -> None:
    """A table that others need is moved before the first of them, and brings nothing else with it."""
    loads = [load("small", "critical", 1, small=False), load("large", "critical", 9, small=False)]
    loads += [load("codes", "reference", 1, small=False), load("other", "reference", 5, small=False)]
    order = [g.loads[0].spec.table for g in grouped(loads, {}, MOST)]
    assert order == ["large", "small", "other", "codes"]
    order = [g.loads[0].spec.table for g in grouped(loads, {"small": ("codes",)}, MOST)]
    assert order == ["large", "codes", "small", "other"]


def test_a_group_is_bounded_in_tables_and_bytes() -> None:
    """All of it is in memory at once."""
    many = [load(f"n{n:03}") for n in range(GROUP_TABLES + 1)]
    assert [len(g.loads) for g in grouped(many, {}, MOST)] == [GROUP_TABLES, 1]
    assert [len(g.loads) for g in grouped([load(f"b{n}", size=60) for n in range(4)], {}, 100)] == [1, 1, 1, 1]


def test_tables_that_depend_on_each_other_in_a_circle_are_named() -> None:
    """In the order in which one needs the next; a table that needs itself is no circle."""
    assert circle({"a": ("b",), "b": ("c", "x"), "c": ("a",)}) in (
        ("a", "b", "c", "a"), ("b", "c", "a", "b"), ("c", "a", "b", "c"),
    )  # fmt: skip
    assert circle({"a": ("a",), "b": ("a",)}) == ()
    with pytest.raises(PlanError, match="in a circle: "):
        list(grouped([load("a"), load("b")], {"a": ("b",), "b": ("a",)}, MOST))


def test_a_dependency_that_is_not_loaded_is_not_waited_for() -> None:
    """Whether it is excluded, of another tier, or published by the run that is resumed."""
    (group,) = grouped([load("a")], {"a": ("gone",)}, MOST)
    assert group.after == set()
    resumed = dataclasses.replace(load("a"), after=("published",))
    assert Schedule([Group("audit", (resumed,))]).next(0) is not None


def test_a_table_that_no_key_cuts_begins_before_larger_ones_of_its_tier() -> None:
    """Nobody can help with one of these while it is read; equal ones go by their names."""
    streamed = dataclasses.replace(load("z", size=1, small=False), partitions=(Partition(0, stream=5),))
    found = grouped([load("b", size=9), load("a", size=9), load("c", size=10), streamed, load("k", "critical")], {}, MOST)
    assert [one.spec.table for group in found for one in group.loads] == ["k", "z", "c", "a", "b"]


def test_tables_of_another_encoder_are_in_another_group() -> None:
    json = load("c", size=1)
    json = dataclasses.replace(json, spec=dataclasses.replace(json.spec, encoder="adbc"))
    found = grouped([load("a", size=3), load("b", size=2), json, load("d", size=0)], {}, MOST)
    assert [[one.spec.table for one in group.loads] for group in found] == [["a", "b"], ["c"], ["d"]]


def test_a_circle_is_told_with_its_tables() -> None:
    with pytest.raises(PlanError) as caught:
        list(grouped([load("a"), load("b")], {"a": ("b",), "b": ("a",)}, MOST))
    assert caught.value.message in (
        "tables depend on each other in a circle: a -> b -> a", "tables depend on each other in a circle: b -> a -> b",
    )  # fmt: skip
    assert caught.value.hint == "take one of them out"
