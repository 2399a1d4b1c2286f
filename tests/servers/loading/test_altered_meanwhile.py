"""A column is altered after the plan was made and before its table is read: the load of that table fails and says so.

What a load reads as integers depends on the type: a hundred units of a decimal(10,2) are one, and ten of a decimal(10,3). No
value tells, so the types are asked for once the rows are read.
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from faults import small_partitions
from lab import Lab

import bulketl
from bulketl.plan.plan import Group
from bulketl.rows import unpack
from bulketl.rows.reconcile import Differences, reconcile
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column

# Per way to pack: the type planned, a value, the target that is declared, and types that the column may get meanwhile.
ALTERED = {
    "digits": ("decimal(10,2)", "1.23", "", ["decimal(10,4)", "decimal(10,1)", "decimal(12,2)", "double", "varchar(20)"]),
    "date": ("date", "'2023-01-15'", "", ["datetime(6)", "varchar(20)"]),
    "moment": ("datetime", "'2023-01-15 10:00:00'", "", ["datetime(3)", "date", "timestamp", "varchar(30)"]),
    "instant": ("timestamp", "'2023-01-15 10:00:00'", "timestamptz", ["timestamp(6)", "datetime", "date"]),
    "span": ("time", "'10:00:00'", "", ["time(3)", "timestamp", "varchar(20)"]),
    "clock": ("time", "'10:00:00'", "time", ["time(3)", "varchar(20)"]),
    "flag": ("bit(1)", "b'1'", "", ["bit(8)", "int"]),
}  # fmt: skip
PLAIN = [
    ("int", "5", "date", "UPDATE t SET c = 20240115"), ("int", "5", "int unsigned", ""),
    ("varchar(2)", "'a'", "varchar(4)", "UPDATE t SET c = 'a  '"), ("datetime(5)", "'2023-01-15'", "datetime(6)", ""),
    ("decimal(20,2)", "1.23", "decimal(20,4)", "UPDATE t SET c = 1.2399"), ("float", "1.5", "double", ""),
]  # fmt: skip
CHANGES = [(kind, value, to, now, "") for kind, value, to, others in ALTERED.values() for now in others]
CHANGES += [(kind, value, "", now, then) for kind, value, now, then in PLAIN]


def test_every_way_to_pack_is_altered() -> None:
    """Else one could be left out above."""
    assert {cast(Column("c", kind, True), to).unpack for kind, _, to, _ in ALTERED.values()} == set(unpack.PACKINGS)
    assert set(ALTERED) == set(unpack.PACKINGS)


@pytest.mark.parametrize(("kind", "value", "to", "now", "then"), CHANGES)
def test_a_table_whose_column_was_altered_after_the_plan_fails(
    lab: Lab, kind: str, value: str, to: str, now: str, then: str
) -> None:
    """Whatever the values look like: nothing of it is in the target, and the reason has the column and both types."""
    lab.mysql(f"CREATE TABLE t (id int PRIMARY KEY, c {kind} NULL)", f"INSERT INTO t VALUES (1, {value}), (2, NULL)")
    rules: dict[str, Any] = {"t": {"casts": {"c": to}, "max_rejects": 5}} if to else {"t": {"max_rejects": 5}}
    plan = bulketl.make_plan(lab.config(rules=rules))
    lab.mysql("UPDATE t SET c = NULL" if now == "date" and kind == "int" else "DO 0", f"ALTER TABLE t MODIFY c {now} NULL")
    if then:
        lab.mysql(then)
    (failed,) = lab.load(plan=plan, rules=rules).summary.failed
    told = failed.message.replace("int(11)", "int").replace("int(10)", "int")
    assert told.endswith(f"column 'c' was {kind} and is {now} now"), failed.message
    assert "t" not in lab.tables()
    assert lab.load().summary.outcome == "done"
    assert lab.differences("t") == []


@pytest.mark.parametrize("how", ["ranges", "stream", "chunks", "locked", "re-read"])
def test_it_fails_however_it_is_read(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """In ranges, as a stream, in chunks that are visible at once, and as of one moment; the target stays as it was."""
    lab = maria_lab
    small_partitions(monkeypatch, 50)
    key = "" if how == "stream" else "PRIMARY KEY"
    lab.mysql(f"CREATE TABLE t (id int {key}, c decimal(10,2))", "INSERT INTO t SELECT seq, 1.23 FROM seq_1_to_300")
    rule: dict[str, Any] = {
        "chunks": {"extraction_strategy": "chunked_incremental", "incremental_column": "id"},
        "locked": {"consistency": "locked"},
        "re-read": {"consistency": "re-read"},
    }.get(how, {})
    plan = bulketl.make_plan(lab.config(rules={"t": rule}))
    (load,) = plan.loads
    assert (len(load.partitions) > 1) == (how != "stream")
    lab.mysql("ALTER TABLE t MODIFY c decimal(10,4)", "UPDATE t SET c = 1.2345")
    (failed,) = lab.load(plan=plan, rules={"t": rule}).summary.failed
    assert "column 'c' was decimal(10,2) and is decimal(10,4) now" in failed.message
    assert lab.staged() == []
    assert "t" not in lab.tables() or lab.pg("SELECT count(*) FROM {s}.t") == [(0,)]


def test_a_group_of_small_tables_loads_all_but_the_altered(lab: Lab) -> None:
    """One statement asks for the types of all; names may be spelt alike but for their case."""
    names = ("t1", "t2", "T2", "o'3", "é``4")
    lab.mysql(*(f"CREATE TABLE `{name}` (id int PRIMARY KEY, `Ä``'\"%c` decimal(4,1))" for name in names))
    lab.mysql(*(f"INSERT INTO `{name}` VALUES (1, 1.5)" for name in names))
    plan = bulketl.make_plan(lab.config())
    lab.mysql("ALTER TABLE t2 MODIFY `Ä``'\"%c` decimal(4,2)")
    done = lab.load(plan=plan)
    assert [table.table for table in done.summary.failed] == ["t2"]
    assert lab.tables() == {"t1", "T2", "o'3", "é`4"}


def test_a_comparison_afterwards_mends_nothing_with_other_places(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that an incremental load finds to differ are read once more, and packed too."""
    lab = maria_lab
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, at int, c decimal(10,2))", "INSERT INTO t VALUES (1, 1, 1.23)")
    rules = {"t": {"extraction_strategy": "incremental", "incremental_column": "at"}}
    assert lab.load(rules=rules).summary.outcome == "done"
    plan = bulketl.make_plan(lab.config(rules=rules))
    (load,) = plan.loads
    plan = dataclasses.replace(plan, groups=(Group(plan.groups[0].tier, (dataclasses.replace(load, compare=True),)),))

    def altered(*given: Any) -> Differences:
        lab.mysql("ALTER TABLE t MODIFY c decimal(10,4)", "UPDATE t SET c = 1.2345")
        return reconcile(*given)

    monkeypatch.setattr("bulketl.loading.worker.reconcile", altered)
    (failed,) = lab.load(plan=plan, rules=rules).summary.failed
    assert "column 'c' was decimal(10,2) and is decimal(10,4) now" in failed.message
    assert lab.pg("SELECT c FROM {s}.t") == [(Decimal("1.23"),)]


def test_what_a_type_has_beside_its_values_may_change(lab: Lab) -> None:
    """A member more of an enum, or a comment, alters no value that is read."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, c enum('a','b'))", "INSERT INTO t VALUES (1, 'a')")
    plan = bulketl.make_plan(lab.config())
    lab.mysql("ALTER TABLE t MODIFY c enum('a','b','c') COMMENT 'x', ADD extra int", "INSERT INTO t VALUES (2, 'c', 1)")
    assert lab.load(plan=plan).summary.outcome == "done"
    assert lab.pg("SELECT id, c FROM {s}.t ORDER BY id") == [(1, "a"), (2, "c")]
