"""Promise 5: planning changes nothing, and the same inputs give the same plan."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bulketl.plan.specify
from bulketl.config.read import load_config
from bulketl.plan.decision import decide
from bulketl.plan.plan import Plan
from bulketl.plan.resumption import plan_from_json
from bulketl.tables.casts import Cast, cast
from bulketl.tables.catalog import Catalog, Column, Key, Made, Table, TargetTable
from bulketl.tables.partitions import Bound

KEY = Key("PRIMARY", ("id",), True)
COLUMNS = (Column("id", "int", False), Column("c", "varchar(9)", True), Column("d", "date", True))
THERE = (("id", "integer"), ("c", "varchar(9)"), ("d", "date"))
MADE = Made(1, "mysql://h:3306/d", "20240101-000000-abcd", "created", "2024-01-01")
TIERS = ("critical", "important", "audit", "reference")


def catalog(*names: str, key: bool = True, columns: tuple[Column, ...] = COLUMNS) -> Catalog:
    keys, primary = ((KEY,), ("id",)) if key else ((), ())
    return Catalog(
        "mysql://h:3306/d", "11", "SYSTEM (UTC)", tuple(Table(n, columns, primary, keys, 100, 1000) for n in names)
    )


def decided(source: Catalog, there: dict[str, TargetTable] | None = None, cuts: int = 0, **settings: Any) -> Plan:
    bounds = {table.name: Bound(100, True, tuple((n,) for n in range(cuts))) for table in source}
    made = {name: dataclasses.replace(table, oid=1, made=MADE) for name, table in (there or {}).items()}
    return decide(load_config(None, None, {}, **settings), source, bounds, made)


@given(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1), st.integers(0, 3), st.randoms())
def test_the_same_inputs_give_the_same_plan(names: list[str], cuts: int, order: Any) -> None:
    """In value, text and fingerprint, and whatever the order in which the server lists its tables."""
    shuffled = list(names)
    order.shuffle(shuffled)
    one, two = decided(catalog(*names), cuts=cuts), decided(catalog(*shuffled), cuts=cuts)
    assert one == two
    assert one.to_json() == two.to_json()
    assert one.fingerprint == two.fingerprint
    assert one.fingerprint != decided(catalog(*names, "more"), cuts=cuts).fingerprint


def test_a_plan_is_frozen_small_to_send_and_printable() -> None:
    """What a worker gets does not grow with the number of partitions."""
    plan = decided(catalog("t"), cuts=500)
    (load,) = plan.loads
    for thing in (plan, load, load.spec, load.partitions[0], plan.groups[0]):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, dataclasses.fields(thing)[0].name, "x")
        assert pickle.loads(pickle.dumps(thing)) == thing
    assert len(pickle.dumps(load.spec)) < 2000
    assert json.loads(plan.to_json())["source"] == "mysql://h:3306/d"


@pytest.mark.parametrize(
    ("there", "cuts", "how"),
    [
        (None, 0, "create"),
        (None, 3, "create"),
        (TargetTable("t", THERE, ("id",)), 0, "refill"),
        (TargetTable("t", THERE, ("id",)), 3, "swap"),
        (TargetTable("t", THERE[:2], ("id",)), 0, "refill"),
        (TargetTable("t", THERE[:2], ("id",)), 3, "swap"),
        (TargetTable("t", (("id", "text"), *THERE[1:]), ("id",)), 0, "swap"),
        (TargetTable("t", THERE, ()), 3, "swap"),
        (TargetTable("t", THERE, ("id",), hanging=("index i",)), 3, "refill"),
        (TargetTable("t", THERE, ("id",), hanging=("constraint f",), referenced=True), 3, "merge"),
        (TargetTable("t", THERE[:2], ("id",), hanging=("index i",)), 3, "refill"),
        (TargetTable("t", (("id", "text"), *THERE[1:]), ("id",), hanging=("index i",)), 3, None),
        (TargetTable("t", (), hanging=("its being a view",)), 3, None),
    ],
)
def test_the_way_of_publishing_follows_from_what_the_target_has(
    there: TargetTable | None, cuts: int, how: str | None
) -> None:
    """Each with a reason in the plan, or a refusal that names what is in the way."""
    plan = decided(catalog("t"), {"t": there} if there else {}, cuts)
    assert [load.spec.publish for load in plan.loads] == ([how] if how else [])
    if how:
        assert all(load.reason for load in plan.loads)
    else:
        assert there is not None
        assert there.hanging[0] in plan.refused[0].message
        assert plan.refused[0].hint


def test_a_table_without_a_key_that_others_point_to_is_refused() -> None:
    """It can neither be merged nor emptied."""
    there = TargetTable("t", THERE, (), hanging=("constraint f",), referenced=True)
    plan = decided(catalog("t", key=False), {"t": there})
    assert not plan.groups
    assert "'t'" in plan.refused[0].message


@given(st.lists(st.tuples(st.sampled_from(TIERS), st.integers(0, 9 << 20), st.booleans()), min_size=1, max_size=60))
def test_every_table_is_in_one_group_and_groups_stay_within_their_tier_and_size(kinds: list[tuple[Any, int, bool]]) -> None:
    """Critical first; a staged table is alone; small ones share up to four megabytes."""
    tables = tuple(Table(f"t{n}", COLUMNS, ("id",), (KEY,), 100, size) for n, (_, size, _) in enumerate(kinds))
    rules = {f"t{n}": {"table_importance": tier} for n, (tier, _, _) in enumerate(kinds)}
    bounds = {f"t{n}": Bound(100, True, ((5,),) if cut else ()) for n, (_, _, cut) in enumerate(kinds)}
    config = load_config(None, None, {})
    config = type(config).model_validate({"tables": rules})
    plan = decide(config, Catalog("x", "11", "UTC", tables), bounds, {})
    names = [load.spec.table for load in plan.loads]
    assert sorted(names) == sorted(table.name for table in tables)
    order = [TIERS.index(load.tier) for load in plan.loads]
    for group in plan.groups:
        assert len({load.tier for load in group.loads}) == 1
        assert len(group.loads) == 1 or all(load.direct for load in group.loads)
        assert len(group.loads) == 1 or sum(load.bytes for load in group.loads) <= 4 << 20
    assert [tier for tier in order if tier == 0] == order[: order.count(0)]


def test_columns_that_were_excluded_are_not_in_the_plan_and_a_key_without_its_column_is_none() -> None:
    """A person decides; the table is loaded without the column and without the key."""
    config = type(load_config(None, None, {})).model_validate({"tables": {"t": {"exclude_columns": ["id"]}}})
    (load,) = decide(config, catalog("t"), {"t": Bound(100, True)}, {}).loads
    assert [item.column for item in load.spec.casts] == ["c", "d"]
    assert load.spec.key == ()


def test_what_cannot_be_loaded_is_refused_and_the_rest_is_planned() -> None:
    """One table's fault is one refusal."""
    source = catalog("good", "unread", "ä" * 40 + "1", "ä" * 40 + "2")
    bounds = {table.name: Bound(1, True, error="no right" if table.name == "unread" else "") for table in source}
    plan = decide(load_config(None, None, {}), source, bounds, {})
    assert [load.spec.table for load in plan.loads] == ["good"]
    assert {refusal.table for refusal in plan.refused} == {table.name for table in source} - {"good"}


def test_a_plan_that_an_older_version_stored_comes_back() -> None:
    """It knew no names of columns in the target; types are taken apart anew, and not stored."""
    plan = decided(catalog("t"))
    text = json.loads(plan.to_json())
    (item, *_) = text["groups"][0]["loads"][0]["spec"]["casts"]
    assert {*item} == {field.name for field in dataclasses.fields(Cast)}
    for item in text["groups"][0]["loads"][0]["spec"]["casts"]:
        del item["name"]
    assert plan_from_json(json.dumps(text)) == plan
    assert plan_from_json(plan.to_json()) == plan


def test_a_name_in_the_target_is_part_of_a_plan_and_of_how_a_table_was_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = decided(catalog("t"))
    monkeypatch.setattr(bulketl.plan.enums, "cast", lambda c, d: dataclasses.replace(cast(c, d), name=f"{c.name}2"))
    other = decided(catalog("t"))
    assert other.fingerprint != plan.fingerprint
    assert next(other.loads).spec.evidence != next(plan.loads).spec.evidence
    assert next(other.loads).spec.target_key == ("id2",)
