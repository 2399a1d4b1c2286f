"""Going on with a run: what is left of its plan, what keeps a table from going on, and what of one plan is in no other."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from bulketl.config.tables import TableRule
from bulketl.plan.plan import Group, Plan, Refusal, Skip, TableLoad, differences, in_turn, tables_of
from bulketl.plan.resumption import changed_since, plan_from_json, remaining
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column
from bulketl.tables.checks import Check
from bulketl.tables.cursor import Watermark
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec

CASTS = (cast(Column("id", "int", False)), cast(Column("v", "text", True)))


def load(name: str, parts: int = 2, **given: Any) -> TableLoad:
    """Return a table of a plan; what is no field of the load is one of its spec."""
    spec = TableSpec(name, "raw", CASTS, ("id",), "swap", rows=1)
    fields = {field.name for field in dataclasses.fields(TableLoad)}
    spec = dataclasses.replace(spec, **{key: value for key, value in given.items() if key not in fields})
    made = TableLoad(spec, tuple(Partition(n) for n in range(parts)), "reference", "why", 0, 0)
    return dataclasses.replace(made, **{key: value for key, value in given.items() if key in fields})


def plan(*loads: TableLoad) -> Plan:
    return Plan("mysql://h/d", "raw", "UTC", tuple(Group(one.tier, (one,)) for one in loads))


def left(one: TableLoad, *recorded: int, published: bool = False, staged: bool = True) -> tuple[list[int], bool] | None:
    """Return the partitions that are left of a table and whether it is prepared, or None where nothing is."""
    name = one.spec.table
    found = remaining(plan(one), [name] if published else [], {name: recorded}, [name] if staged else [])
    loads = list(found.loads)
    return ([part.index for part in loads[0].partitions], loads[0].prepared) if loads else None


def test_what_is_on_record_is_left_out_and_what_is_published_begins_no_more() -> None:
    assert left(load("a", 3), 1) == ([0, 2], True)
    assert left(load("a", 3)) == ([0, 1, 2], True)
    assert left(load("a"), 0, 1) == ([], True), "it is published still"
    assert left(load("a"), 0, published=True) is None
    assert left(load("a"), 0, staged=False) == ([0, 1], False), "its rows are gone"


@pytest.mark.parametrize("consistency", ["snapshot", "locked"])
def test_rows_of_one_moment_are_all_read_again(consistency: str) -> None:
    """One partition alone is of one moment anyway."""
    assert left(load("a", consistency=consistency), 0) == ([0, 1], False)
    assert left(load("a", 1, consistency=consistency), 0) == ([], True)
    assert left(load("a", consistency="re-read"), 0) == ([1], True)


def test_chunks_go_on_after_the_last_that_is_published() -> None:
    """They are published one by one, so the table's own name counts for nothing, and nothing is staged."""
    assert left(load("a", 3, chunked=True), 0, 1, published=True, staged=False) == ([2], False)
    assert left(load("a", 2, chunked=True, consistency="snapshot"), 0, staged=False) == ([1], False)
    assert left(load("a", 2, chunked=True), 0, 1) is None


def test_groups_and_what_was_refused_stay_and_skips_go() -> None:
    group = Group("critical", (load("a"), load("b")))
    whole = Plan(
        "mysql://h/d", "raw", "UTC", (group,), (Refusal("r", "audit", "m", "h"),), (Skip("s", "audit", "why"),)
    )  # fmt: skip
    found = remaining(whole, ["a"], {}, [])
    assert [(one.tier, [each.spec.table for each in one.loads]) for one in found.groups] == [("critical", ["b"])]
    assert (found.refused, found.skipped, found.schema) == (whole.refused, (), "raw")


def test_a_plan_that_was_stored_comes_back_whole() -> None:
    one = plan(load("a", watermark=Watermark("id", "int", "5")), load("b", 0, chunked=True))
    assert plan_from_json(one.to_json()) == one
    assert plan_from_json(one.to_json()).fingerprint == one.fingerprint


RULE = TableRule.model_validate({"table_importance": "reference"})


def changes(now: dict[str, Any] | None = None, rule: dict[str, Any] | None = None, **then: Any) -> list[str]:
    spec = dataclasses.replace(load("a").spec, **(now or {}))
    return changed_since(
        load("a", **then), spec, TableRule.model_validate({"table_importance": "reference", **(rule or {})})
    )


def test_a_table_that_is_as_it_was_goes_on() -> None:
    """The state of the target and options of the run are no part of it, nor how values are packed."""
    assert changes() == []
    packed = tuple(dataclasses.replace(item, packed="", unpack="") for item in CASTS)
    assert changes(casts=packed) == []
    assert changes({"publish": "refill", "rows": 9, "oid": 5}) == []


@pytest.mark.parametrize(
    ("now", "line"),
    [
        ({"key": ()}, "its key was ('id',) and is none"),
        ({"zone": "UTC"}, "its zone was none and is UTC"),
        ({"nul_bytes": "reject"}, "its nul_bytes was strip and is reject"),
        ({"stamps": ("_run_id",)}, "its stamps was none and is ('_run_id',)"),
        ({"audit": True}, "its audit was False and is True"),
        ({"source": "x"}, "its source was none and is x"),
        ({"max_rejects": 5}, "its max_rejects was 0 and is 5"),
        ({"deletes": "mark"}, "its deletes was mirror and is mark"),
        ({"threshold": 0.5}, "its threshold was 1.0 and is 0.5"),
        ({"stop_after": 5.0}, "its stop_after was none and is 5.0"),
        ({"checks": (Check("unique", ("id",)),)}, "its checks are others"),
        ({"masking": "k m"}, "its masks, their key or their year are others"),
        ({"casts": CASTS[:1]}, "column v is gone"),
        ({"casts": (*CASTS, dataclasses.replace(CASTS[1], column="w"))}, "column w is new"),
        (
            {"casts": (CASTS[0], cast(Column("v", "int", True)))},
            "column v was text -> text and is int -> integer",
        ),
    ],
)
def test_what_is_otherwise_is_told_in_words(now: dict[str, Any], line: str) -> None:
    assert changes(now) == [line]


def test_the_rule_counts_as_far_as_the_plan_went_by_it() -> None:
    assert changes(rule={"table_importance": "critical"}) == ["its table_importance was reference and is critical"]
    assert changes(rule={"extraction_strategy": "incremental", "incremental_column": "id"}, strategy="full_table") == [
        "its extraction_strategy was full_table and is incremental"
    ]
    assert changes(rule={"extraction_strategy": "incremental", "incremental_column": "id"}, strategy=None) == []
    mark: dict[str, Any] = {"watermark": Watermark("at", "datetime", "")}
    assert changes(rule={"extraction_strategy": "incremental", "incremental_column": "id"}, **mark) == [
        "its incremental_column was at and is id"
    ]
    assert changes(rule={"extraction_strategy": "full_table"}, **mark) == []
    assert changes(rule={"consistency": "re-read"}) == ["its consistency was best effort and is re-read"]
    assert changes(rule={"consistency": "re-read"}, parts=1) == []


def test_an_act_of_its_own_has_each_table_in_a_group() -> None:
    one, other = load("a"), load("b", tier="critical")
    assert in_turn("s", "raw", "z", [one, other]) == Plan(
        "s", "raw", "z", (Group("reference", (one,)), Group("critical", (other,)))
    )


def stored(one: Plan) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(one.to_json())
    return found


def test_a_plan_differs_from_another_by_its_tables_and_what_is_done_with_each() -> None:
    before = stored(plan(load("a"), load("b"), load("c")))
    assert differences(before, plan(load("a"), load("b"), load("c"))) == []
    now = plan(
        load("a", tier="critical", whole=False, publish="merge", deletes="mark", key=(), casts=CASTS[:1]),
        load("b", 3), load("d"),
    )  # fmt: skip
    assert differences(before, now) == [
        "+ d (why)", "- c", "~ a: tier reference -> critical", "~ a: reads all of it -> what changed",
        "~ a: publish swap -> merge", "~ a: deletes mirror -> mark", "~ a: key id -> none", "~ a: column v text -> none",
        "~ b: partitions 2 -> 3",
    ]  # fmt: skip
    told = dataclasses.replace(
        plan(load("a")), refused=(Refusal("b", "audit", "refused", ""),), skipped=(Skip("c", "audit", "skipped"),)
    )
    assert differences(before, told) == ["- b (refused)", "- c (skipped)"]
    assert differences({}, plan(load("a"))) == ["+ a (why)"]
    more = load("a", casts=(*CASTS, dataclasses.replace(CASTS[1], column="w", name="w")))
    assert differences(before, plan(more, load("b"), load("c"))) == ["~ a: column w none -> text"]
    assert differences(before, plan(load("0"), load("a", 5), load("b"), load("c"))) == [
        "+ 0 (why)", "~ a: partitions 2 -> 5",
    ]  # fmt: skip
    renamed = load("a", casts=(CASTS[0], dataclasses.replace(CASTS[1], name="w")), where="id > 1", origin="A")
    assert differences(stored(plan(renamed)), plan(renamed)) == []
    assert differences(before, plan(renamed, load("b"), load("c"))) == [
        "~ a: where none -> id > 1", "~ a: table of the source a -> A", "~ a: name of v v -> w",
    ]  # fmt: skip


def test_a_plan_of_an_older_version_knew_no_where_and_no_other_name_of_a_table() -> None:
    before = stored(plan(load("a")))
    spec = before["groups"][0]["loads"][0]["spec"]
    del spec["where"], spec["origin"]
    assert differences(before, plan(load("a"))) == []
    assert differences(before, plan(load("a", where="x", origin="b"))) == [
        "~ a: where none -> x", "~ a: table of the source a -> b",
    ]  # fmt: skip


def test_the_tables_of_a_stored_plan_are_those_it_names() -> None:
    one = dataclasses.replace(
        plan(load("a"), load("b")), refused=(Refusal("r", "audit", "", ""),), skipped=(Skip("s", "audit", ""),)
    )
    assert tables_of(stored(one)) == {"a", "b", "r", "s"}
    assert tables_of({}) == set()
