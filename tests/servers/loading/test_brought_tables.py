"""A table may have another name in the target, a hostile one: every way to load it, and all that looks at it, follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from faults import small_partitions
from lab import Lab

import bulketl
from bulketl.verifying.verdicts import Level

THERE = 'pay "split"; $$ \\'
PLACE = '{s}."pay ""split""; $$ \\"'
TABLE = "CREATE TABLE PaySplit (id int PRIMARY KEY, c varchar(20), at datetime(3))"
ROWS = "INSERT INTO PaySplit VALUES (1, 'one', '2024-01-01'), (2, 'two', '2024-01-01'), (3, 'three', '2024-01-02')"
CHANGES = {"extraction_strategy": "incremental", "incremental_column": "at"}
WAYS: dict[str, dict[str, Any]] = {
    "refill": {},
    "swap": {"publish": "swap"},
    "merge": {"deletes": "mark"},
    "incremental": CHANGES,
    "chunked": {**CHANGES, "extraction_strategy": "chunked_incremental"},
    "audit": {"table_importance": "audit"},
    "keyless": {"exclude_columns": ["id"]},
    "names": {"rename": {"id": 'the "id"', "c": "see"}},
}


@pytest.fixture
def pay(lab: Lab) -> Lab:
    lab.mysql(TABLE, ROWS)
    return lab


def ruled(**rule: Any) -> dict[str, Any]:
    """Return rules by which the table has its name in the target."""
    return {"PaySplit": {"target_name": THERE, **rule}}


@pytest.mark.parametrize(("way", "large"), [*((way, True) for way in WAYS), ("refill", False), ("incremental", False)])
def test_every_way_to_load_and_compare_a_table_follows(
    pay: Lab, way: str, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        small_partitions(monkeypatch, 2)
    rules = ruled(**WAYS[way])
    done = pay.load(rules=rules, keep_previous=1)
    assert (done.summary.outcome, done.plan.refused, pay.tables()) == ("done", (), {THERE})
    pay.mysql("INSERT INTO PaySplit VALUES (4, 'four', '2024-02-01'), (5, 'five', '2024-06-01')",
              "UPDATE PaySplit SET c = 'too', at = '2024-02-01' WHERE id = 2")  # fmt: skip
    done = pay.load(rules=rules, keep_previous=1)
    assert (done.summary.outcome, done.plan.refused, pay.tables()) == ("done", (), {THERE})
    assert pay.pg(f"SELECT count(*) FROM {PLACE}") == [(5,)]
    config = pay.config(rules=rules, keep_previous=1)
    levels: tuple[Level, ...] = ("count", "sums", "keys", "rows")
    for level in levels:
        same = way != "audit" or level != "sums"  # the edit of an audited row is on record alone
        found = bulketl.verify(config, level=level, tables=[THERE])
        assert found.equal == same, found.tables
    if way != "audit":
        pay.pg(f"DELETE FROM {PLACE}")
        assert bulketl.verify(config, repair=True).equal
        assert pay.pg(f"SELECT count(*) FROM {PLACE}") == [(5,)]


def test_what_names_other_tables_names_them_as_the_source_does(pay: Lab) -> None:
    """Dependencies, foreign keys, casts, patterns with masks, and what a pattern says of a table that no entry names."""
    pay.mysql(
        "CREATE TABLE PayPlan (id int PRIMARY KEY, split int, Secret varchar(9))", "INSERT INTO PayPlan VALUES (1, 1, 's')"
    )
    rules = {
        **ruled(),
        "PayPlan": {"dependencies": ["PaySplit"], "checks": [{"foreign_key": "split", "to": "PaySplit.id"}]},
    }
    settings: dict[str, Any] = {"names": "snake_case", "casts": ({"column": "PayPlan.id", "to": "bigint"},)}
    done = pay.load(rules=rules, **settings)
    assert (done.summary.outcome, pay.tables()) == ("done", {THERE, "pay_plan"})
    assert pay.pg("SELECT pg_typeof(id)::text, secret FROM {s}.pay_plan") == [("bigint", "s")]
    plan = next(load for load in done.plan.loads if load.spec.table == "pay_plan")
    assert plan.after == (THERE,)
    pay.mysql("UPDATE PayPlan SET split = 9")
    done = pay.load(rules=rules, **settings, tables=["pay_plan"])
    assert sum(done.summary.tables["pay_plan"].checks["warn"].values()) == 1
    assert {one.table for one in bulketl.status(pay.config(rules=rules, **settings)).tables} == {THERE, "pay_plan"}


def test_a_pattern_fits_the_name_at_the_source(pay: Lab) -> None:
    """A mask that it has, too, where neither an entry nor a snapshot names the table."""
    config = pay.config(names="snake_case").model_copy(update={"patterns": {"PayS*": {"mask": {"c": "null"}}}})
    assert bulketl.load(config, bulketl.make_plan(config)).outcome == "done"
    assert pay.pg("SELECT DISTINCT c FROM {s}.pay_split") == [(None,)]


def test_two_tables_that_would_have_one_name_are_refused_by_name(pay: Lab) -> None:
    pay.mysql("CREATE TABLE pay_split (id int PRIMARY KEY)", "CREATE TABLE other (id int PRIMARY KEY)")
    plan = bulketl.make_plan(pay.config(names="snake_case"))
    assert [load.spec.table for load in plan.loads] == ["other"]
    for refused in plan.refused:
        assert refused.message == "tables 'PaySplit' and 'pay_split' would both be 'pay_split' in the target"
    assert len(plan.refused) == 2
    told = [finding.table for finding in bulketl.validate(pay.config(names="snake_case")) if finding.severity == "error"]
    assert sorted(told) == ["PaySplit", "pay_split"]
    with pytest.raises(bulketl.ConfigError, match="give one another target_name"):
        pay.config(rules={"PaySplit": {"target_name": "x"}, "other": {"target_name": "x"}})


def test_another_name_is_said_and_the_old_table_is_told_of(pay: Lab) -> None:
    rules = {"PaySplit": CHANGES}
    pay.load(rules=rules)
    done = pay.load(rules={"PaySplit": {**CHANGES, "target_name": "pay"}})
    (load,) = done.plan.loads
    assert "~ it was PaySplit until now, which stays as it is" in load.drift
    assert [(item.table, item.reason) for item in done.plan.leftovers] == [("PaySplit", "named pay now")]
    assert pay.tables() == {"PaySplit", "pay"}
    assert pay.pg("SELECT count(*) FROM {s}.pay") == [(3,)]
    assert done.plan.skipped == ()


@pytest.mark.parametrize("rule", [{"table_importance": "audit"}])
def test_a_table_whose_records_have_to_stay_with_its_rows_keeps_its_name(pay: Lab, rule: dict[str, Any]) -> None:
    pay.load(rules={"PaySplit": rule})
    config = pay.config(rules={"PaySplit": {**rule, "target_name": "pay"}})
    (refused,) = bulketl.make_plan(config).refused
    assert "it is audited, and its chain is on record under the name that it has" in refused.message
    assert "target_name: PaySplit" in refused.hint


def test_a_name_that_goes_to_another_table_is_refused(pay: Lab) -> None:
    """What the ledger knows of it, how far its cursor has come say, is of the other table."""
    pay.mysql("CREATE TABLE other LIKE PaySplit", "INSERT INTO other SELECT id + 10, c, at FROM PaySplit")
    pay.load(rules={"PaySplit": {**CHANGES, "target_name": "a"}, "other": {**CHANGES, "target_name": "b"}})
    rules = {"PaySplit": {**CHANGES, "target_name": "b"}, "other": {**CHANGES, "target_name": "a"}}
    refused = bulketl.make_plan(pay.config(rules=rules)).refused
    assert {item.table for item in refused} == {"a", "b"}
    assert "has the rows of the source's table 'other', and the rules give 'PaySplit' its name" in refused[1].message
    for name in ("a", "b"):
        bulketl.reset(pay.config(rules=rules), [name])
    assert pay.load(rules=rules).summary.outcome == "done"
    assert pay.pg("SELECT min(id) FROM {s}.a") == [(11,)]


def test_a_table_that_is_renamed_at_the_source_may_keep_its_name_in_the_target(pay: Lab, tmp_path: Path) -> None:
    pay.load()
    pay.mysql("RENAME TABLE PaySplit TO Splits")
    rules = {"Splits": {"target_name": "PaySplit"}}
    assert len(bulketl.make_plan(pay.config(rules=rules)).refused) == 1
    bulketl.reset(pay.config(rules=rules), ["PaySplit"])
    assert pay.load(rules=rules).summary.outcome == "done"
    assert pay.tables() == {"PaySplit"}


def test_a_frame_is_read_by_either_name(pay: Lab) -> None:
    config = pay.config(rules=ruled())
    assert bulketl.read(THERE, config=config).height == bulketl.read("PaySplit", config=config).height == 3


def test_the_source_s_name_is_answered_with_the_one_to_write(pay: Lab) -> None:
    with pytest.raises(bulketl.PlanError) as raised:
        bulketl.make_plan(pay.config(rules=ruled()), tables=["PaySplit"])
    assert raised.value.hint == f"your rules give it another name: write {THERE!r}"


def test_rules_are_proposed_by_the_names_of_the_source(pay: Lab) -> None:
    pay.mysql("CREATE VIEW PayView AS SELECT * FROM PaySplit")
    catalog, proposals = bulketl.propose(pay.config(rules={**ruled(), "PayGone": {}}, names="snake_case"))
    assert [one.table for one in proposals] == ["PaySplit"]
    assert ([one.name for one in catalog.views], [one.table for one in catalog.absent]) == (["PayView"], ["PayGone"])


def test_a_plan_tells_what_is_new_in_it(pay: Lab) -> None:
    pay.load(rules=ruled())
    config = pay.config(rules=ruled(where="id < 3", rename={"c": "see"}))
    plan = bulketl.make_plan(config)
    assert {f"~ {THERE}: where none -> id < 3", f"~ {THERE}: name of c c -> see"} <= {
        *bulketl.compare_with_last(config, plan).lines
    }
