"""What a plan says of one table: how it is read, without what key, when it is compared, and why it is refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from bulketl.config.config import Config
from bulketl.config.tables import Deletes, TableRule
from bulketl.plan.decision import COMPARED_EVERY, decide, due, keyless
from bulketl.plan.incremental import Choice
from bulketl.plan.plan import Leftover, Plan
from bulketl.plan.stale import notes
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Catalog, Column, Key, Made, Table, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.partitions import Bound, rows_per_partition
from bulketl.tables.spec import TableSpec

HOME = "mysql://h/d"
ID, TEXT, FLOAT = Column("id", "int", False), Column("v", "varchar(9)", True), Column("f", "double", False)
TABLE = Table("t", (ID, TEXT), ("id",), (Key("PRIMARY", ("id",), True),), 100, 1000)
SPEC = TableSpec("t", "raw", (cast(ID), cast(TEXT), cast(FLOAT)), ("id",), "merge")
THERE = TargetTable("t", (("id", "integer"), ("v", "varchar(9)")), ("id",), oid=5, made=Made(5, HOME, "r", "load", "at"))
DAY = COMPARED_EVERY.total_seconds()


def decided(table: Table, rule: TableRule, choice: Choice, rows: int = 100, **settings: Any) -> Plan:
    config = Config.model_validate(settings).model_copy(update={"tables": {"t": rule}})
    there = {"t": choice.existing} if choice.existing else {}
    return decide(config, Catalog(HOME, "11", "UTC", (table,)), {"t": Bound(rows, True)}, there, choices={"t": choice})


def test_a_table_that_is_audited_there_and_no_longer_by_its_rule_is_refused_with_both_ways_out() -> None:
    (refused,) = decided(TABLE, TableRule(), Choice(State(HOME, audited=True), THERE)).refused
    assert "is audited in the target, and its rule says tier reference now" in refused.message
    assert "table_importance: audit" in refused.hint
    assert "bulketl state reset t" in refused.hint


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({}, ""),
        ({"exclude_columns": ["v"]}, ""),
        ({"exclude_columns": ["id"]}, "loaded without a key: its rule excludes id"),
        ({"exclude_columns": ["id"], "primary_key": ["v"]}, ""),
    ],
)
def test_a_table_whose_key_is_excluded_says_so(rule: Mapping[str, Any], told: str) -> None:
    assert keyless(TableRule.model_validate(rule), TABLE) == told


def test_a_table_without_any_key_says_nothing_of_one() -> None:
    assert keyless(TableRule(exclude_columns=("v",)), dataclasses.replace(TABLE, primary_key=(), keys=())) == ""


@pytest.mark.parametrize("since", [None, 0.0, 0.89 * DAY, 0.9 * DAY, 2 * DAY])
@pytest.mark.parametrize("policy", [None, "ignore", "mark", "mirror", "fail"])
@pytest.mark.parametrize("audit", [False, True])
def test_rows_that_are_gone_are_looked_for_daily_where_anybody_cares(since: float | None, policy: Any, audit: bool) -> None:
    """A little early is due, for runs are not punctual."""
    assert dt.timedelta(days=1) == COMPARED_EVERY
    spec = dataclasses.replace(SPEC, audit=audit)
    cares = audit or policy in ("mark", "mirror", "fail")
    expected = cares and (since is None or since >= 0.9 * DAY)
    assert due(TableRule(deletes=Deletes(policy=policy)), spec, State(HOME, compared=since)) == expected


def test_a_rule_says_how_often_and_a_table_without_a_fit_key_is_never_compared() -> None:
    hourly = TableRule(deletes=Deletes(every=dt.timedelta(hours=1)))
    assert due(hourly, SPEC, State(HOME, compared=3240))
    assert not due(hourly, SPEC, State(HOME, compared=3239))
    assert due(hourly, SPEC, None)
    assert due(hourly, dataclasses.replace(SPEC, aged=True), State(HOME, compared=0))
    assert not due(hourly, dataclasses.replace(SPEC, key=()), None)
    assert not due(hourly, dataclasses.replace(SPEC, key=("f",)), None)


@pytest.mark.parametrize("memory", [300, 2000])
def test_a_large_table_without_a_key_is_streamed_in_batches_that_the_memory_has_room_for(memory: int) -> None:
    table = dataclasses.replace(TABLE, primary_key=(), keys=(), rows=3_000_000, bytes=3_000_000_000)
    (load,) = decided(table, TableRule(), Choice(), rows=3_000_000, memory_mb=memory).loads
    size = Config.model_validate({"memory_mb": memory}).partition_bytes
    assert [part.stream for part in load.partitions] == [rows_per_partition(table, size)]


CHECKED = {"checks": [{"foreign_key": "v", "to": "other.k"}]}


@pytest.mark.parametrize(
    ("kind", "mine", "fits"),
    [("bigint", "int", True), ("decimal(9,2)", "double", True), ("int", "varchar(9)", False), ("text", "varchar(9)", True),
     ("date", "datetime", True), ("date", "int", False), ("varbinary(9)", "varbinary(9)", True),
     ("varbinary(9)", "int", False)],
)  # fmt: skip
def test_a_foreign_key_that_is_checked_compares_values_of_one_family(kind: str, mine: str, fits: bool) -> None:
    table = dataclasses.replace(TABLE, columns=(ID, Column("v", mine, True)))
    other = dataclasses.replace(TABLE, name="other", columns=(Column("k", kind, False),), primary_key=("k",), keys=())
    config = Config().model_copy(update={"tables": {"t": TableRule.model_validate(CHECKED)}})
    bounds = {name: Bound(1, True) for name in ("t", "other")}
    refused = decide(config, Catalog(HOME, "11", "UTC", (table, other)), bounds, {}).refused
    assert ([one.table for one in refused] == []) == fits
    assert fits or "which cannot be compared" in refused[0].message


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_notes_of_a_plan_count_what_it_adopts_and_what_is_left_behind(count: int) -> None:
    names = [f"t{n}" for n in range(count)]
    (load,) = decided(TABLE, TableRule(), Choice()).loads
    made = [dataclasses.replace(load, spec=dataclasses.replace(SPEC, table=name, adopt="rule")) for name in names]
    plan = decided(TABLE, TableRule(), Choice())
    group = dataclasses.replace(plan.groups[0], loads=tuple(made))
    leftovers = tuple(Leftover(name, "gone") for name in names)
    told = notes(dataclasses.replace(plan, groups=(group,), leftovers=leftovers))
    assert told == [
        [],
        ["1 table that bulketl did not make is adopted: t0",
         "1 table in schema raw is no longer loaded and grows stale: t0 (gone)"],
        ["2 tables that bulketl did not make are adopted: t0, t1",
         "2 tables in schema raw are no longer loaded and grow stale: t0 (gone), t1 (gone)"],
    ][count]  # fmt: skip


def test_a_column_that_only_adbc_stores_exactly_decides_for_the_whole_table() -> None:
    of = {kind: dataclasses.replace(TABLE, columns=(ID, Column("v", kind, True))) for kind in ("varchar(9)", "json")}
    (plain,), (json,) = (decided(table, TableRule(), Choice()).loads for table in of.values())
    assert (plain.spec.encoder, json.spec.encoder) == ("pgpq", "adbc")


def test_a_rule_that_names_a_column_which_is_not_there_is_refused_with_what_to_correct() -> None:
    (refused,) = decided(TABLE, TableRule(exclude_columns=("nothing",)), Choice()).refused
    assert "has no column 'nothing'" in refused.message
    assert "correct the name under casts, columns, exclude_columns or rename" in refused.hint


def test_tables_whose_names_postgres_would_cut_to_the_same_name_are_refused_and_name_each_other() -> None:
    long = "n" * 63
    names = [f"{long}1", f"{long}2", f"m{long}", "short", long]
    tables = tuple(dataclasses.replace(TABLE, name=name) for name in names)
    plan = decide(Config(), Catalog(HOME, "11", "UTC", tables), {name: Bound(1, True) for name in names}, {})
    told = {one.table: one.message for one in plan.refused}
    assert set(told) == {f"{long}1", f"{long}2", f"m{long}"}
    assert f"{long}2" in told[f"{long}1"]
    assert f"{long}1" in told[f"{long}2"]
    ends = " has 64 bytes, and Postgres cuts names at 63"
    assert told == {
        f"{long}1": f"table name '{long}1'{ends}, where it would be the same as '{long}2', '{long}'",
        f"{long}2": f"table name '{long}2'{ends}, where it would be the same as '{long}1', '{long}'",
        f"m{long}": f"table name 'm{long}'{ends}",
    }
    (hint,) = {one.hint for one in plan.refused}
    assert hint == (
        "rename it at the source, name a view of a shorter name in tables.yaml, or give it a target_name, or set exclude: "
        "true for it"
    )
