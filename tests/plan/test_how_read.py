"""How one table is read, whom that holds up, and what a hash of how it is loaded is of."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from onetable import (
    AT,
    CASTS,
    COUNTED,
    HOME,
    ID,
    LOADED,
    TABLE,
    THERE,
    V,
    load,
    planned,
)

from bulketl.config.config import Config
from bulketl.plan.incremental import Choice
from bulketl.tables.catalog import Column, Key
from bulketl.tables.cursor import State
from bulketl.tables.partitions import Bound, rows_per_partition

LARGE = 10_000_000
STREAMED = "one streamed read, because no key can be cut into ranges"
READ: dict[str, tuple[dict[str, Any], Bound, str]] = {
    "no key": ({"primary_key": (), "keys": ()}, Bound(LARGE, True), STREAMED),
    "no cuts": ({}, Bound(LARGE, True), STREAMED),
    "a small one without a key": ({"primary_key": (), "keys": ()}, COUNTED, "one read"),
    "slices": (
        {"engine": "MyISAM"}, Bound(60_000, True),
        "all of id, a slice of some 50 ms at a time, so that writers get in between",
    ),
    "ranges in slices": (
        {"engine": "MyISAM"}, Bound(LARGE, True, ((5,),)),
        "2 ranges of id, a slice of some 50 ms at a time, so that writers get in between",
    ),
    "ranges that writers wait for": (
        {"engine": "MyISAM", "keys": (Key("PRIMARY", ("v",), True),), "primary_key": ("v",)},
        Bound(LARGE, True, (("m",),)),
        "3 ranges of v, and writers wait for each: it is not one integer column of a unique key",
    ),
    "one read that writers wait for": (
        {"engine": "MyISAM", "primary_key": (), "keys": ()}, Bound(60_000, True),
        "one read, which writers wait for: no unique key to cut it by is one integer column",
    ),
    "one read of a few that lock": ({"engine": "MyISAM"}, COUNTED, "one read"),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_how_a_table_is_read_is_told_with_whom_it_holds_up(name: str) -> None:
    facts, bound, how = READ[name]
    table = dataclasses.replace(TABLE, **facts)
    found = load(table=table, bound=bound)
    assert found.reason == f"full load: {how}; new in the target"
    size = rows_per_partition(table, Config().partition_bytes) if "streamed" in how else 0
    assert {part.stream for part in found.partitions} == {size}


def test_what_a_hash_of_how_a_table_is_loaded_is_of() -> None:
    """All that makes its rows others: its rule, its columns, where they go by another name, its masks. Not who asks."""
    same = {load().spec.evidence, load(bound=Bound(3)).spec.evidence, load(choice=LOADED).spec.evidence}
    same.add(load(table=dataclasses.replace(TABLE, engine="MyISAM")).spec.evidence)
    assert len(same) == 1
    others = [
        load(table=dataclasses.replace(TABLE, changed_at="2024-01-01 00:00:00")),
        load(table=dataclasses.replace(TABLE, columns=(ID, V))),
        load(table=dataclasses.replace(TABLE, columns=(ID, V, dataclasses.replace(AT, nullable=False)))),
        load(rule={}, table=dataclasses.replace(TABLE, primary_key=(), keys=())),
        load(names="snake_case", table=dataclasses.replace(TABLE, columns=(ID, V, Column("At", "datetime", True)))),
        load(timestamp_zone="+02:00"), load(nul_bytes="reject"), load(added_columns=["_run_id"]),
        load(rule={"table_importance": "audit"}), load(rule={"batch_size": 7}),
        load(choice=Choice(State(HOME, retained=(("at", "2020-01-01"),)), THERE)),
        load(rule={"mask": {"v": "null"}}), load(rule={"mask": {"v": {"method": "constant", "value": "x"}}}),
    ]  # fmt: skip
    assert len({load().spec.evidence, *(one.spec.evidence for one in others)}) == len(others) + 1
    assert others[0].spec.evidence.startswith("2024-01-01 00:00:00 ")
    assert load().spec.evidence.startswith(" ")
    assert len(load().spec.evidence) == 17


def test_a_hash_of_each_row_is_a_column_that_the_source_computes() -> None:
    (*rest, added) = load(added_columns=["_row_hash"]).spec.casts
    assert tuple(rest) == CASTS
    assert (added.name, added.source, added.target, added.wire, added.nullable) == ("_row_hash", "", "text", "string", False)
    assert added.read.startswith("SHA2(")
    assert all(f"`{column.name}`" in added.read for column in TABLE.columns)


def test_the_plan_says_in_which_zone_times_are_written() -> None:
    assert planned().zone == "the server's, UTC"
    assert planned(timestamp_zone="+02:00").zone == "+02:00"
    assert planned(schema="clinic").schema == "clinic"
    assert planned().source == HOME
