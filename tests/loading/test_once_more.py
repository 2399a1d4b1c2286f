"""A table that failed and is loaded once more: after all others, at most once, and not when its own rows are why."""

from __future__ import annotations

import dataclasses
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bulketl.errors import DataError, SourceError
from bulketl.loading.schedule import Schedule, Step
from bulketl.plan.plan import Group, TableLoad
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import Publish, TableSpec


def load(name: str, parts: int, publish: Publish) -> TableLoad:
    spec = TableSpec(name, "raw", (), (), publish, rows=1)
    return TableLoad(spec, tuple(Partition(n) for n in range(parts)), "reference", "", 0, 0, once_more=True)


GROUPS = st.lists(st.one_of(st.integers(1, 4), st.integers(-4, -1)), min_size=1, max_size=5).map(
    lambda sizes: [
        Group("reference", tuple(load(f"d{n}_{i}", 1, "refill") for i in range(size)))
        if size > 0
        else Group("reference", (load(f"s{n}", -size, "swap"),))
        for n, size in enumerate(sizes)
    ]
)


@dataclasses.dataclass
class Tried:
    """What became of the tables of a schedule whose steps go well, are refused, or fail for their rows."""

    everything: set[str]
    published: set[str] = dataclasses.field(default_factory=set)
    failures: Counter[str] = dataclasses.field(default_factory=Counter)
    again: set[str] = dataclasses.field(default_factory=set)
    rows: set[str] = dataclasses.field(default_factory=set)  # tables that failed for their rows at first

    def begin(self, schedule: Schedule, step: Step) -> None:
        for table in step.tables:
            if schedule.begins_again(table):
                assert self.published | set(self.failures) == self.everything, "others had not ended"
                assert table not in self.again
                self.again.add(table)

    def end(self, schedule: Schedule, step: Step, outcome: str) -> None:
        known = {table for table in step.tables if schedule.given_up(table)}
        if outcome == "good":
            self.published |= set(step.tables) if step.kind in ("publish", "group") else set()
            schedule.succeeded(step)
        elif schedule.failed(step, SourceError("x") if outcome == "refused" else DataError("x"), 0.0) is None:
            for table in set(step.tables) - known:
                self.failures[table] += 1
                self.rows |= {table} if outcome == "rows" and self.failures[table] == 1 else set()


@given(GROUPS, st.data(), st.integers(1, 4))
def test_a_table_that_failed_is_tried_once_more_after_all_others(
    groups: list[Group], data: st.DataObject, workers: int
) -> None:
    """Not before, not twice, and not when its own rows are why; then it is complete or failed like any other."""
    schedule, running = Schedule(groups), list[Step]()
    tried = Tried({x.spec.table for group in groups for x in group.loads})
    while not schedule.done:
        while len(running) < workers and (step := schedule.next(0.0)):
            tried.begin(schedule, step)
            running.append(step)
        if running:
            step = running.pop(data.draw(st.integers(0, len(running) - 1)))
            tried.end(schedule, step, data.draw(st.sampled_from(["good", "good", "refused", "rows"])))
        else:
            assert schedule.done, "nobody would wake it"
    assert max(tried.failures.values(), default=0) <= 2
    assert tried.again == set(tried.failures) - tried.rows
    assert tried.published | {table for table in tried.failures if schedule.given_up(table)} == tried.everything


def test_a_closing_run_tries_nothing_once_more() -> None:
    """The window is over."""
    schedule = Schedule([Group("reference", (load("t", 1, "refill"),))])
    step = schedule.next(0)
    assert step
    schedule.failed(step, SourceError("x"), 0)
    schedule.close()
    assert schedule.done
    assert schedule.next(1) is None
