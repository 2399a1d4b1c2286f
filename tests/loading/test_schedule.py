"""The schedule as a value machine: any order of successes and failures ends, and does each thing as often as it should."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.connections.retrying import ATTEMPTS
from bulketl.errors import DataError, SourceError, TargetError
from bulketl.loading.schedule import BATCHES, CALM, Schedule, Step
from bulketl.plan.plan import Group, TableLoad
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import Publish, TableSpec

OUTCOMES = st.sampled_from(["good", "good", "good", "passing", "final"])


def load(name: str, parts: int, publish: Publish) -> TableLoad:
    spec = TableSpec(name, "raw", (), (), publish, rows=1)
    return TableLoad(spec, tuple(Partition(n) for n in range(parts)), "reference", "", 0, 0)


def direct(*names: str) -> Group:
    return Group("reference", tuple(load(name, 1, "refill") for name in names))


def staged(name: str, parts: int) -> Group:
    return Group("reference", (load(name, parts, "swap"),))


GROUPS = st.lists(st.one_of(st.integers(1, 4), st.integers(-4, -1)), min_size=1, max_size=5).map(
    lambda sizes: [
        direct(*(f"d{n}_{i}" for i in range(size))) if size > 0 else staged(f"s{n}", -size) for n, size in enumerate(sizes)
    ]
)


@given(GROUPS, st.data(), st.integers(1, 4))
def test_any_order_of_successes_and_failures_ends_with_each_table_published_or_failed(
    groups: list[Group], data: st.DataObject, workers: int
) -> None:
    """Each partition is loaded once per success, publish comes after all of them, and nothing follows a failure but that
    what was staged is discarded, once, when nobody is at work on it."""
    schedule = Schedule(groups)
    now, running = 0.0, list[Step]()
    good: Counter[tuple[str, str, int]] = Counter()
    failed, published, tries = set[str](), set[str](), Counter[tuple[str, tuple[str, ...], Partition | None]]()
    while not schedule.done:
        while len(running) < workers and (step := schedule.next(now)):
            assert failed.isdisjoint(step.tables) or step.kind == "discard"
            if step.kind == "discard":
                assert failed.issuperset(step.tables)
                assert step.tables not in [other.tables for other in running]
            tries[step.kind, step.tables, step.partition] += 1
            assert tries[step.kind, step.tables, step.partition] <= ATTEMPTS + (step.kind == "group")
            running.append(step)
        if not running:
            now = _later(schedule, now)
            continue
        step = running.pop(data.draw(st.integers(0, len(running) - 1)))
        outcome = data.draw(OUTCOMES)
        if outcome == "good":
            if step.kind in ("publish", "group"):
                assert not published.intersection(step.tables)
                published.update(step.tables)
            if step.kind == "publish" and step.spec:
                parts = next(x.partitions for g in groups for x in g.loads if x.spec == step.spec)
                assert all(good["load", step.spec.table, part.index] == 1 for part in parts)
            for table in step.tables:
                good[step.kind, table, step.partition.index if step.partition else 0] += 1
            schedule.succeeded(step)
        else:
            error = TargetError("x", transient=True) if outcome == "passing" else DataError("x")
            if schedule.failed(step, error, now) is None:
                failed.update(step.tables)
    everything = {x.spec.table for group in groups for x in group.loads}
    assert published | failed == everything
    assert not published & failed
    assert {table for kind, (table, *_), _ in tries if kind == "discard"} == {name for name in failed if name[0] == "s"}
    assert all(count == 1 for (kind, *_), count in tries.items() if kind == "discard")
    assert max(good.values(), default=1) == 1


def _later(schedule: Schedule, now: float) -> float:
    """Return when the next step is due; what waited for a table that has failed is gone by now."""
    wakes = schedule.wakes()
    assert schedule.done if wakes is None else wakes > now
    return now if wakes is None else wakes


def test_a_failed_group_comes_back_table_by_table() -> None:
    """So that the one at fault is found, and the others are loaded."""
    schedule = Schedule([direct("a", "b", "c")])
    step = schedule.next(0)
    assert step is not None
    assert schedule.failed(step, DataError("x"), 0) == 0.0
    names = []
    while step := schedule.next(0):
        names.append(step.tables)
        schedule.succeeded(step)
    assert names == [("a",), ("b",), ("c",)]
    assert schedule.done


def test_a_passing_failure_pauses_and_a_final_one_does_not() -> None:
    """The pause is told; during it the step is not offered."""
    schedule = Schedule([direct("a")])
    step = schedule.next(0)
    assert step is not None
    pause = schedule.failed(step, TargetError("x", transient=True), 10.0)
    assert pause
    assert schedule.next(10.0) is None
    assert schedule.wakes() == 10.0 + pause
    again = schedule.next(10.0 + pause)
    assert again is not None
    assert again.attempt == 2
    assert schedule.failed(again, TargetError("x"), 20.0) is None
    assert schedule.done


def test_a_table_under_way_goes_before_the_next() -> None:
    """Tables end one after another, so that a run that stops has whole tables."""
    schedule = Schedule([staged("a", 2), staged("b", 2)])
    order = []
    while step := schedule.next(0):
        order.append((step.kind, *step.tables))
        schedule.succeeded(step)
    assert order == [(kind, name) for name in "ab" for kind in ("prepare", "load", "load", "publish")]


def chunked(name: str, parts: int, *, compare: bool = False) -> Group:
    marked = dataclasses.replace(load(name, parts, "merge"), chunked=True, compare=compare)
    return Group("reference", (marked,))


def test_chunks_run_one_after_another_and_the_comparison_comes_last() -> None:
    """Each moves the watermark, so that none may overtake another."""
    schedule = Schedule([chunked("a", 3, compare=True), direct("b")])
    seen, waiting = [], list[Step]()
    while not schedule.done:
        while step := schedule.next(0):
            assert not any(other.spec and other.tables == step.tables for other in waiting)
            waiting.append(step)
        step = waiting.pop(0)
        seen.append((step.kind, *step.tables, step.partition.index if step.partition else -1, step.last))
        schedule.succeeded(step)
    assert [item for item in seen if item[1] == "a"] == [
        ("chunk", "a", 0, False), ("chunk", "a", 1, False), ("chunk", "a", 2, True), ("compare", "a", -1, False),
    ]  # fmt: skip
    assert ("group", "b", -1, False) in seen


@pytest.mark.parametrize("at", [0, 1, 2])
def test_no_chunk_follows_one_that_failed(at: int) -> None:
    """The watermark stands before it, and the next run begins there; nothing is compared either."""
    schedule = Schedule([chunked("a", 3, compare=True)])
    kinds = []
    while step := schedule.next(0):
        kinds.append(step.kind)
        if step.partition and step.partition.index == at:
            assert schedule.failed(step, DataError("x"), 0) is None
        else:
            schedule.succeeded(step)
    assert kinds == ["chunk"] * (at + 1)
    assert schedule.done


def test_a_chunk_that_fails_for_a_passing_reason_is_tried_again_before_the_next() -> None:
    """The next one is offered only when it is done."""
    schedule = Schedule([chunked("a", 2)])
    step = schedule.next(0)
    assert step is not None
    pause = schedule.failed(step, TargetError("x", transient=True), 0)
    assert pause
    assert schedule.next(0) is None
    again = schedule.next(pause)
    assert again is not None
    assert again.partition == step.partition
    schedule.succeeded(again)
    following = schedule.next(pause)
    assert following is not None
    assert following.last


@pytest.mark.parametrize("way", ["direct", "staged"])
def test_a_table_is_compared_once_after_it_is_published(way: str) -> None:
    """Whether it was written directly or staged; a failed comparison is not followed by another."""
    group = direct("a", "b") if way == "direct" else staged("a", 2)
    loads = tuple(dataclasses.replace(item, compare=item.spec.table == "a") for item in group.loads)
    schedule = Schedule([Group("reference", loads)])
    kinds = []
    while step := schedule.next(0):
        kinds.append(step.kind)
        if step.kind == "compare":
            assert step.tables == ("a",)
            assert schedule.failed(step, DataError("too many are gone"), 0) is None
        else:
            schedule.succeeded(step)
    assert kinds.count("compare") == 1
    assert kinds[-1] == "compare"
    assert schedule.done


def running_all(schedule: Schedule, now: float = 0) -> list[Step]:
    """Return every step that may run now."""
    return list(iter(lambda: schedule.next(now), None))


def test_a_deadlock_leaves_one_step_at_a_time_until_all_has_gone_well_for_a_while() -> None:
    """Then one more after every CALM steps, up to what it was."""
    schedule = Schedule([staged("a", 200)], workers=3)
    (prepare,) = running_all(schedule)
    schedule.succeeded(prepare)
    first, *others = running_all(schedule)
    assert len(others) == 2
    assert schedule.failed(first, TargetError("deadlock", transient=True, ease="workers"), 0)
    for step in others:
        schedule.succeeded(step)
    seen = []
    for _ in range(3 * CALM):
        steps = running_all(schedule)
        seen.append(len(steps))
        for step in steps:
            schedule.succeeded(step)
    assert seen[0] == 1
    assert seen[-1] == 3
    assert sorted(seen) == seen


def test_after_want_of_memory_a_partition_is_read_in_smaller_batches() -> None:
    """Smaller with each attempt; the fourth failure is the last."""
    schedule = Schedule([staged("a", 1)])
    (prepare,) = running_all(schedule)
    schedule.succeeded(prepare)
    now, streams = 0.0, []
    while (steps := running_all(schedule, now)) and steps[0].partition:
        (step,) = steps
        assert step.partition
        streams.append(step.partition.stream)
        now += schedule.failed(step, SourceError("no memory", ease="batch"), now) or 0.0
    assert streams == [0, *BATCHES]
    assert schedule.given_up("a")
    assert [step.kind for step in steps] == ["discard"]


def test_after_want_of_memory_a_small_table_is_staged() -> None:
    """It is no longer in memory at once; the others of its group are loaded as they were."""
    schedule = Schedule([direct("a", "b")])
    (group,) = running_all(schedule)
    assert schedule.failed(group, SourceError("no memory", ease="batch"), 0) == 0.0
    one, other = running_all(schedule)
    schedule.succeeded(other)
    pause = schedule.failed(one, SourceError("no memory", ease="batch"), 0)
    assert pause
    kinds = []
    while steps := running_all(schedule, pause):
        (step,) = steps
        kinds.append((step.kind, step.tables, step.partition.stream if step.partition else 0))
        schedule.succeeded(step)
    assert kinds == [("prepare", ("a",), 0), ("load", ("a",), BATCHES[0]), ("publish", ("a",), 0)]
    assert schedule.done


def abreast(name: str, parts: int) -> Group:
    (item,) = staged(name, parts).loads
    return Group("reference", (dataclasses.replace(item, spec=dataclasses.replace(item.spec, consistency="snapshot")),))


def test_partitions_of_one_moment_are_given_out_together_when_all_have_a_worker() -> None:
    """None before there is room for all, and nothing between them."""
    schedule = Schedule([direct("x"), abreast("a", 2), direct("y")], workers=2)
    first = schedule.next(0)
    prepare = schedule.next(0)
    assert first
    assert prepare
    assert prepare.kind == "prepare"
    schedule.succeeded(prepare)
    assert schedule.next(0) is None
    schedule.succeeded(first)
    steps = running_all(schedule)
    assert [(step.tables, step.partition and step.partition.index, step.together) for step in steps] == [
        (("a",), 0, 2), (("a",), 1, 2),
    ]  # fmt: skip


@given(st.lists(st.sampled_from(["good", "passing", "final"]), max_size=40), st.integers(2, 4), st.integers(1, 4))
def test_partitions_of_one_moment_are_all_read_again_when_one_fails(outcomes: list[str], parts: int, workers: int) -> None:
    """Published is only what was read in one try; the table is prepared anew before each."""
    schedule = Schedule([abreast("a", parts)], workers=workers)
    outcome, now, good = iter(outcomes), 0.0, 0
    kinds = []
    while not schedule.done:
        steps = running_all(schedule, now)
        if not steps:
            now = _later(schedule, now)
            continue
        if steps[0].kind == "prepare":
            good = 0
        if steps[0].kind == "load":
            assert len(steps) == parts
        for step in steps:
            kinds.append(step.kind)
            assert step.kind != "publish" or good == parts
            found = next(outcome, "good")
            if found == "good":
                good += step.kind == "load"
                schedule.succeeded(step)
            else:
                schedule.failed(step, TargetError("x", transient=found == "passing"), now)
    assert kinds.count("prepare") <= ATTEMPTS * 2


def test_nothing_that_reads_is_given_out_while_the_source_is_spared() -> None:
    """What is loaded is published all the same."""
    schedule = Schedule([staged("a", 1), direct("b")])
    for first in running_all(schedule):
        schedule.succeeded(first)
    assert schedule.next(0, reading=False) is None
    (step,) = running_all(schedule)
    schedule.succeeded(step)
    publish = schedule.next(0, reading=False)
    assert publish
    assert publish.kind == "publish"


def test_a_table_that_is_given_up_begins_nothing_more() -> None:
    """Its steps under way may end in any way; then what it has staged is discarded."""
    schedule = Schedule([staged("a", 3)], workers=2)
    (prepare,) = running_all(schedule)
    schedule.succeeded(prepare)
    one, other = running_all(schedule)
    schedule.give_up("a")
    schedule.succeeded(one)
    assert schedule.next(100) is None
    assert schedule.failed(other, TargetError("x", transient=True), 0) is None
    (discard,) = running_all(schedule, 100)
    assert discard.kind == "discard"
    schedule.succeeded(discard)
    assert schedule.done
