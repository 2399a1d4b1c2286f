"""What a step says of itself, and what becomes of one that must be done again, one order at a time."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.connections.retrying import ATTEMPTS
from bulketl.errors import BulketlError, DataError, DataQualityError, SourceError, TargetError
from bulketl.loading.patience import AWAY_PAUSE, AWAY_SECONDS
from bulketl.loading.schedule import BATCHES, CALM, LARGE_BYTES, ROWS_UNLIKE, Schedule, Step, batch_rows, expected_bytes
from bulketl.plan.plan import Group, TableLoad
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import Consistency, TableSpec, Tier

AWAY = SourceError("x", transient=True, away=True)
PASSING = SourceError("x", transient=True)


def staged(name: str, parts: int, consistency: Consistency = "best effort", **given: object) -> Group:
    """Return a table that is staged, alone in its group."""
    spec = TableSpec(name, "raw", (), (), "swap", rows=1, consistency=consistency)
    load = TableLoad(spec, tuple(Partition(n) for n in range(parts)), "reference", "", 0, 0)
    return Group("reference", (dataclasses.replace(load, **given),))  # type: ignore[arg-type]


def direct(*names: str, tier: Tier = "reference", after: tuple[str, ...] = (), once_more: bool = False) -> Group:
    """Return tables that are loaded in one step."""
    specs = [TableSpec(name, "raw", (), (), "refill", rows=1) for name in names]
    loads = (TableLoad(spec, (Partition(0),), tier, "", 0, 0, once_more=once_more, after=after) for spec in specs)
    return Group(tier, tuple(loads))


def all_of(schedule: Schedule, now: float = 0.0) -> list[Step]:
    """Return every step that may run now."""
    return list(iter(lambda: schedule.next(now), None))


def only(schedule: Schedule, now: float = 0.0) -> Step:
    """Return the one step that may run now."""
    (step,) = all_of(schedule, now)
    return step


@pytest.mark.parametrize(
    ("consistency", "follows"), [("best effort", "publish"), ("re-read", "settle"), ("snapshot", "publish")]
)
def test_what_follows_when_all_rows_are_there(consistency: Consistency, follows: str) -> None:
    """A table that is read again where rows moved is settled first, and then published."""
    schedule = Schedule([staged("a", 1, consistency)])
    schedule.succeeded(only(schedule))
    schedule.succeeded(only(schedule))
    kinds = []
    while steps := all_of(schedule):
        kinds += [step.kind for step in steps]
        schedule.succeeded(steps[0])
    assert kinds == [follows] if follows == "publish" else [follows, "publish"]


@pytest.mark.parametrize("consistency", ["best effort", "re-read", "snapshot"])
def test_a_table_without_partitions_is_published_at_once(consistency: Consistency) -> None:
    schedule = Schedule([staged("a", 0, consistency)])
    schedule.succeeded(only(schedule))
    assert only(schedule).kind == ("settle" if consistency == "re-read" else "publish")


def test_a_table_that_is_prepared_is_loaded_at_once() -> None:
    """A run that goes on finds its staging table there."""
    schedule = Schedule([staged("a", 2, prepared=True)])
    assert [step.kind for step in all_of(schedule)] == ["load", "load"]


def test_a_step_is_of_its_tables_and_says_whether_it_reads() -> None:
    (one,) = staged("a", 1).loads
    assert Step("load", spec=one.spec).tables == ("a",)
    assert Step("group", loads=direct("a", "b").loads).tables == ("a", "b")
    assert {kind: Step(kind, spec=one.spec).reads for kind in ("prepare", "publish", "discard")} == {
        "prepare": False, "publish": False, "discard": False,
    }  # fmt: skip
    assert all(Step(kind, spec=one.spec).reads for kind in ("group", "load", "settle", "chunk", "compare"))


@given(st.integers(0, 1 << 20), st.integers(0, 10_000), st.integers(0, 8), st.integers(0, 10_000))
def test_a_step_is_expected_to_hold_its_share_of_the_table(average: int, rows: int, parts: int, stream: int) -> None:
    """All rows of a partition, or as many as a stream reads at a time; eight rows at the least where a row is very large."""
    (load,) = staged("a", parts).loads
    load = dataclasses.replace(load, bytes=average * rows, rows=rows)
    share = rows / max(1, parts)
    read = min(stream, share) if stream else share
    found = expected_bytes(load, stream)
    large = rows > 0 and average * ROWS_UNLIKE > LARGE_BYTES
    assert found == pytest.approx((average if rows else 0) * max(read, ROWS_UNLIKE if large else 0), abs=1)


def test_a_very_large_row_counts_as_eight() -> None:
    (load,) = staged("a", 1).loads
    assert expected_bytes(dataclasses.replace(load, bytes=LARGE_BYTES, rows=1)) == LARGE_BYTES * ROWS_UNLIKE
    assert expected_bytes(dataclasses.replace(load, bytes=LARGE_BYTES // ROWS_UNLIKE, rows=1)) == LARGE_BYTES // ROWS_UNLIKE


def test_a_step_that_reads_carries_what_it_may_hold_and_others_nothing() -> None:
    """A group holds all of its tables; a stream holds less than its partition."""
    schedule = Schedule([staged("a", 1, bytes=10_000, rows=100, long=True)])
    prepare = only(schedule)
    assert (prepare.bytes, prepare.long) == (0, False)
    schedule.succeeded(prepare)
    step = only(schedule)
    assert (step.bytes, step.long) == (10_000, True)
    assert step.partition is not None
    schedule.failed(step, SourceError("x", ease="batch"), 0)
    again = only(schedule, 1e6)
    assert again.bytes == 10_000
    streamed = Schedule([staged("a", 1, partitions=(Partition(0, stream=10),), bytes=10_000, rows=100, prepared=True)])
    assert (only(streamed).bytes, only(Schedule([direct("a")])).long) == (1_000, False)
    loads = tuple(dataclasses.replace(one, bytes=700, rows=1) for one in direct("a", "b").loads)
    assert only(Schedule([Group("reference", loads)])).bytes == 1_400


def test_tables_of_one_moment_carry_their_attempt_and_how_many_they_are() -> None:
    """So that a worker knows whether what it finds staged is of this try; it is prepared anew before each."""
    schedule = Schedule([staged("a", 2, "snapshot")])
    now = 0.0
    for attempt in range(1, ATTEMPTS):
        prepare = only(schedule, now)
        assert (prepare.kind, prepare.attempt) == ("prepare", attempt)
        schedule.succeeded(prepare)
        one, other = all_of(schedule, now)
        assert [(step.kind, step.attempt, step.together) for step in (one, other)] == [("load", attempt, 2)] * 2
        pause = schedule.failed(one, PASSING, now)
        assert pause
        assert all_of(schedule, now + pause) == [], "the other one is still at work"
        schedule.succeeded(other)
        now += pause
    schedule.succeeded(only(schedule, now))
    one, other = all_of(schedule, now)
    assert schedule.failed(one, PASSING, now) is None
    assert schedule.given_up("a")


def test_a_partition_alone_is_of_no_other_moment() -> None:
    """One that is read in one piece needs nobody beside it."""
    schedule = Schedule([staged("a", 1, "snapshot")], workers=1)
    schedule.succeeded(only(schedule))
    assert only(schedule).together == 0


def test_nobody_at_the_other_side_is_no_attempt() -> None:
    """A step waits for as long as the load is patient, and has all of its attempts afterwards."""
    schedule = Schedule([direct("a", "b")])
    step = only(schedule)
    now = 0.0
    while now < AWAY_SECONDS - AWAY_PAUSE:
        pause = schedule.failed(step, AWAY, now)
        assert pause == AWAY_PAUSE
        now += pause
        step = only(schedule, now)
        assert (step.tables, step.attempt) == (("a", "b"), 1), "the group is not taken apart for it"
    schedule.succeeded(step)
    assert schedule.done


@pytest.mark.parametrize(
    ("kind", "error", "patient"),
    [
        ("prepare", SourceError, False),
        ("prepare", TargetError, True),
        ("load", SourceError, True),
        ("publish", SourceError, True),
    ],
)
def test_a_side_that_has_answered_is_waited_for_anew(kind: str, error: type[BulketlError], patient: bool) -> None:
    """To prepare a table asks the target alone; publishing it asks the source whether all has arrived."""
    schedule = Schedule([direct("x"), staged("a", 1)], workers=2)
    probe, step = all_of(schedule)
    while step.kind != kind:
        schedule.succeeded(step)
        step = only(schedule)
    assert schedule.failed(probe, error("x", transient=True, away=True), 0.0) == AWAY_PAUSE
    schedule.succeeded(step)
    probe = next(one for one in all_of(schedule, AWAY_SECONDS) if one.tables == ("x",))
    found = schedule.failed(probe, error("x", transient=True, away=True), AWAY_SECONDS)
    assert found == (AWAY_PAUSE if patient else None)


@pytest.mark.parametrize(
    ("error", "again"),
    [(SourceError("x"), True), (DataQualityError("x"), True), (DataError("x"), False), (ValueError("x"), True)],
)
def test_a_table_is_tried_once_more_unless_its_own_rows_are_why(error: Exception, again: bool) -> None:
    schedule = Schedule([direct("a", once_more=True), direct("b")], workers=1)
    step = schedule.next(0)
    assert step
    schedule.failed(step, error, 0)
    other = schedule.next(0)
    assert other is not None
    assert other.tables == ("b",)
    schedule.succeeded(other)
    assert schedule.done is not again
    assert bool(schedule.next(0)) is again


def test_nothing_begins_once_more_while_a_step_that_reads_is_held_back() -> None:
    """The source is spared: what waits for it is not all that is left."""
    schedule = Schedule([direct("a", once_more=True), staged("b", 1)], workers=2)
    one, prepare = all_of(schedule)
    schedule.failed(one, SourceError("x"), 0)
    schedule.succeeded(prepare)
    assert schedule.next(0, reading=False) is None
    assert schedule.next(0) == dataclasses.replace(Step("load", spec=prepare.spec, partition=Partition(0)))


def test_one_worker_more_after_exactly_so_many_steps_that_went_well() -> None:
    """Counted from the last failure, and never more than there were."""
    schedule = Schedule([staged("a", 500)], workers=3)
    schedule.succeeded(only(schedule))
    first, second, third = all_of(schedule)
    assert schedule.failed(first, TargetError("deadlock", transient=True, ease="workers"), 0.0)
    assert schedule.workers == 1
    seen = []
    for step in (second, third):
        schedule.succeeded(step)
        seen.append(schedule.workers)
    while schedule.workers < 3:
        schedule.succeeded(only(schedule) if schedule.workers == 1 else all_of(schedule)[0])
        seen.append(schedule.workers)
        if schedule.workers == 2:
            break
    assert seen == [1] * (CALM - 1) + [2]
    for _ in range(3 * CALM):
        for step in all_of(schedule):
            schedule.succeeded(step)
    assert schedule.workers == 3


def test_a_tier_has_so_many_tables_at_once_and_others_do_not_count() -> None:
    groups = [direct("a"), direct("b"), direct("c", tier="critical"), direct("d")]
    schedule = Schedule(groups, {"reference": 2})
    assert [step.tables for step in all_of(schedule)] == [("a",), ("b",), ("c",)], "d waits for one of its tier"
    spared = Schedule([direct("c", tier="critical"), direct("a"), direct("b")], {"reference": 1})
    steps = all_of(spared)
    assert [step.tables for step in steps] == [("c",), ("a",)]
    spared.succeeded(steps[1])
    assert only(spared).tables == ("b",)


def test_a_group_waits_for_those_before_it_whether_they_went_well_or_not() -> None:
    schedule = Schedule([direct("a"), direct("b", after=("a",)), direct("c")])
    one, other = all_of(schedule)
    assert [one.tables, other.tables] == [("a",), ("c",)]
    schedule.failed(one, DataError("x"), 0)
    assert only(schedule).tables == ("b",)


def test_a_run_that_closes_publishes_what_is_complete_and_begins_nothing() -> None:
    """Neither the next partition nor a group, a step that waits, or a comparison."""
    schedule = Schedule([staged("a", 1, compare=True), staged("b", 2), direct("c")], workers=2)
    for kind in ("prepare", "load"):
        while (step := schedule.next(0)) and step.tables == ("a",):
            assert step.kind == kind
            schedule.succeeded(step)
            break
    assert step is not None
    other = schedule.next(0)
    assert other is not None
    schedule.close()
    while found := schedule.next(1e6):
        assert found.kind == "publish"
        schedule.succeeded(found)
    assert schedule.wakes() is None


def test_a_failure_while_the_run_closes_is_the_last_and_discards_nothing() -> None:
    """What is staged is what a run that goes on begins with."""
    schedule = Schedule([staged("a", 2)])
    schedule.succeeded(only(schedule))
    one, other = all_of(schedule)
    schedule.close()
    assert schedule.failed(one, PASSING, 0) is None
    schedule.succeeded(other)
    assert schedule.done
    assert all_of(schedule) == []


def test_rows_at_a_time_after_want_of_memory() -> None:
    """For a step of one table that reads; not for what is masked, which no file may hold, nor for rows of one moment."""
    (load,) = staged("a", 1).loads
    part, want = Partition(0), SourceError("x", ease="batch")
    step = Step("load", spec=load.spec, partition=part)
    found = [batch_rows(dataclasses.replace(step, attempt=attempt), want) for attempt in range(1, 6)]
    assert found == [*BATCHES, BATCHES[-1], BATCHES[-1]]
    for kind in ("chunk", "group"):
        assert batch_rows(dataclasses.replace(step, kind=kind), want) == BATCHES[0]
    for kind in ("prepare", "settle", "publish", "compare"):
        assert batch_rows(dataclasses.replace(step, kind=kind), want) == 0  # type: ignore[arg-type]
    assert batch_rows(step, SourceError("x", ease="workers")) == 0
    assert batch_rows(dataclasses.replace(step, together=2), want) == 0
    assert batch_rows(Step("group", loads=direct("a", "b").loads), want) == 0
    assert batch_rows(Step("group", loads=direct("a").loads), want) == BATCHES[0]


def test_a_stream_never_reads_more_rows_at_a_time_than_it_did() -> None:
    schedule = Schedule([staged("a", 1, partitions=(Partition(0, stream=100),), prepared=True)])
    seen, now = [], 0.0
    for _ in range(ATTEMPTS - 1):
        step = only(schedule, now)
        assert step.partition is not None
        seen.append(step.partition.stream)
        now += schedule.failed(step, SourceError("x", ease="batch"), now) or 0
    assert seen == [100, 100, 100][: len(seen)]


def test_a_step_that_waits_is_gone_with_its_table_and_the_others_stay() -> None:
    schedule = Schedule([direct("a"), direct("b")], workers=2)
    one, other = all_of(schedule)
    schedule.failed(one, PASSING, 0)
    late = schedule.failed(other, PASSING, 100.0)
    assert late
    schedule.give_up("a")
    assert schedule.wakes() == 100.0 + late
    assert only(schedule, 1e6).tables == ("b",)
