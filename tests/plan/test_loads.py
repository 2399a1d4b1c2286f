"""What a plan and each of its loads say of themselves: the locks that are felt, what is staged, in what order."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest
from onetable import HOME, LOAD, SPEC

from bulketl.plan.plan import Group, Plan, Refusal, Skip, TableLoad, fingerprint
from bulketl.tables.notebook import html_table
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import Publish

Parts = tuple[Partition, ...]
ONE, TWO = (Partition(0),), (Partition(0), Partition(1))


def made(publish: Publish = "refill", parts: Parts = ONE, load: dict[str, Any] | None = None, **spec: Any) -> TableLoad:
    facts = {"rows": 9, "publish": publish, **spec}
    return dataclasses.replace(LOAD, spec=dataclasses.replace(SPEC, **facts), partitions=parts, **(load or {}))


@pytest.mark.parametrize(
    ("load", "lock"),
    [
        (made("create"), ""), (made("append"), ""), (made("merge"), ""),
        (made("create", added=("c",)), ""),
        (made("append", added=("c",)), "ACCESS EXCLUSIVE while it is filled"),
        (made("append", widened=("c",)), "ACCESS EXCLUSIVE while it is filled"),
        (made("merge", added=("c",)), "ACCESS EXCLUSIVE while it is filled"),
        (made("merge", widened=("c",)), "ACCESS EXCLUSIVE while it is filled"),
        (made("refill"), "ACCESS EXCLUSIVE while it is filled"), (made("swap"), "ACCESS EXCLUSIVE for the swap only"),
        (made("swap", added=("c",)), "ACCESS EXCLUSIVE for the swap only"),
    ],
)  # fmt: skip
def test_readers_of_the_target_feel_a_lock_where_it_is_emptied_altered_or_replaced(load: TableLoad, lock: str) -> None:
    assert load.lock == lock


@pytest.mark.parametrize(
    ("consistency", "parts", "lock"),
    [
        ("locked", ONE, "READ while it is read"), ("locked", TWO, "READ while it is read"), ("snapshot", ONE, ""),
        ("snapshot", TWO, "READ until every reader has begun"), ("best effort", TWO, ""), ("re-read", TWO, ""),
    ],
)  # fmt: skip
def test_writers_to_the_source_feel_a_lock_that_its_label_needs(consistency: str, parts: Parts, lock: str) -> None:
    assert made(parts=parts, consistency=consistency).source_lock == lock


@pytest.mark.parametrize(
    ("load", "direct"),
    [
        (made(), True), (made(parts=()), True), (made(parts=TWO), False), (made(parts=(Partition(0, stream=5),)), False),
        (made("create"), True), (made("merge"), True), (made("append"), True), (made("swap"), False),
        (made("create", rows=None), True), (made("refill", rows=None), False), (made("merge", rows=None), True),
        (made(adopt="rule"), False), (made(load={"prepared": True}), False), (made("merge", load={"chunked": True}), False),
    ],
)  # fmt: skip
def test_a_small_table_is_written_into_place_unless_its_rows_are_compared_first(load: TableLoad, direct: bool) -> None:
    assert load.direct == direct
    assert load.streamed == any(part.stream for part in load.partitions)


def named(name: str, **load: Any) -> TableLoad:
    return made(load=load, table=name)


def test_a_group_waits_for_what_is_not_in_it() -> None:
    group = Group("reference", (named("a", after=("b", "x")), named("b", after=("y",))))
    assert group.after == {"x", "y"}
    assert Group("reference", (named("a"),)).after == set()


PLAN = Plan(
    HOME, "raw", "UTC", (Group("critical", (named("a"), named("b"))), Group("audit", (named("c"),))),
    (Refusal("r", "audit", "it is not there", "look"),), (Skip("s", "important", "it waits"), Skip("u", "audit", "so")),
)  # fmt: skip


def test_a_plan_is_told_in_a_line_and_in_a_table() -> None:
    """What cannot be loaded first, then the tables in their order, then those that are left alone."""
    assert repr(PLAN) == f"Plan(source={HOME!r}, schema='raw', tables=3, refused=1, skipped=2)"
    assert [load.spec.table for load in PLAN.loads] == ["a", "b", "c"]
    rows: list[tuple[object, ...]] = [("r", "audit", "refused", None, "it is not there; look")]
    rows += [(name, "reference", "refill", 100, LOAD.reason) for name in "abc"]
    rows += [("s", "important", "not loaded", None, "it waits"), ("u", "audit", "not loaded", None, "so")]
    assert PLAN._repr_html_() == html_table(f"{HOME} into raw", ("table", "tier", "publish", "rows", "why"), rows)


def test_a_fingerprint_is_of_the_text_of_a_plan() -> None:
    assert PLAN.fingerprint == fingerprint(PLAN.to_json()) == hashlib.sha256(PLAN.to_json().encode()).hexdigest()
    assert "\n" not in PLAN.to_json()
    assert dataclasses.replace(PLAN, skipped=()).fingerprint != PLAN.fingerprint
