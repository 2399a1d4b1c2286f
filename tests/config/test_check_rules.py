"""Checks as they are written: what cannot be made is refused with its place; what can is in the plan as it was meant."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl.config.config import Config
from bulketl.config.read import load_config
from bulketl.config.tables import circle
from bulketl.errors import ConfigError, PlanError
from bulketl.plan.decision import decide
from bulketl.plan.incremental import Choice
from bulketl.plan.planned_checks import looks_elsewhere, needed, pointing
from bulketl.plan.resumption import plan_from_json
from bulketl.plan.specify import specify
from bulketl.rows.row_checks import mistake
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Catalog, Column, Table
from bulketl.tables.checks import Check
from bulketl.tables.partitions import Bound

COLUMNS = (
    Column("id", "int", False), Column("amount", "decimal(10,2)", True), Column("wide", "decimal(60,5)", True),
    Column("name", "varchar(20)", True), Column("day", "date", True), Column("at", "datetime", True),
    Column("stamp", "timestamp", True), Column("doc", "json", True), Column("yes", "bit(1)", True),
    Column("raw", "blob", True),
)  # fmt: skip
CASTS = {column.name: cast(column, "") for column in COLUMNS}


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (Check("range", ("nosuch",), low=1), "no column 'nosuch'"),
        (Check("range", ("Amount",), low=1), "no column 'Amount'"),
        (Check("range", ("name",), low=1), "is varchar(20), and no number"),
        (Check("range", ("wide",), low=1), "only not_null, unique and foreign_key"),
        (Check("range", ("amount",), low=dt.date(2020, 1, 1)), "a number is expected"),
        (Check("range", ("day",), low=5), "a date is expected"),
        (Check("length", ("amount",), high=1), "and no text"),
        (Check("regex", ("day",), text="a"), "and no text"),
        (Check("one_of", ("name",), values=(1,)), "a text is expected"),
        (Check("one_of", ("id",), values=(1.5,)), "not a value of the column's type"),
        (Check("one_of", ("id",), values=(2**40,)), "not a value of the column's type"),
        (Check("one_of", ("raw",), values=(1,)), "and no number, text"),
        (Check("fresh", ("name",), seconds=5), "no date or time"),
        (Check("sum", ("day",), low=5), "and no number"),
        (Check("expression", ("name",), text="name > 5"), "cannot compare"),
        (Check("expression", ("id",), text="id + 1"), "must be true or false"),
        (Check("expression", ("doc",), text="doc IS NOT NULL"), "only not_null"),
    ],
    ids=lambda value: value.label if isinstance(value, Check) else "",
)  # fmt: skip
def test_a_check_that_cannot_be_made_is_told(check: Check, words: str) -> None:
    """Before anything is loaded, and why."""
    assert words in mistake(check, CASTS)


@pytest.mark.parametrize(
    "check",
    [
        *(Check("not_null", (column.name,)) for column in COLUMNS),
        Check("unique", ("wide", "doc")), Check("foreign_key", ("raw",), table="x", keys=("y",)),
        Check("range", ("amount",), low=0.005), Check("range", ("stamp",), high=dt.date(2020, 1, 1)),
        Check("one_of", ("yes",), values=(True,)), Check("one_of", ("amount",), values=(1, 2.5)),
        Check("one_of", ("day",), values=(dt.date(2020, 1, 1),)), Check("sum", ("amount",), low=1),
        Check("fresh", ("day",), seconds=5), Check("row_count", low=1), Check("length", ("name",), high=3),
        Check("expression", ("name", "day"), text="upper(name) = 'X' OR day <= CURRENT_DATE OR name = 'sum(1) over'"),
    ],
    ids=lambda check: check.label,
)  # fmt: skip
def test_a_check_that_can_be_made_is_made(check: Check) -> None:
    """And computed of no rows."""
    assert mistake(check, CASTS) == ""


WRONG: list[tuple[Any, str]] = [
    ({"range": "a"}, "checks.0: it allows everything"),
    ({"range": "a", "min": 2, "max": 1}, "checks.0: min 2 is greater than max 1"),
    ({"range": "a", "min": 1, "max": "2020-01-01"}, "checks.0: min and max must both be"),
    ({"range": "a", "min": "x"}, "checks.0.min: a number is expected"),
    ({"range": "a", "min": True}, "checks.0.min: a number is expected"),
    ({"range": "a", "mx": 1}, "checks.0.mx: unknown key; did you mean 'max'?"),
    ({"one_of": "a"}, "checks.0.values: Field required"),
    ({"one_of": "a", "values": []}, "checks.0.values: "),
    ({"one_of": "a", "values": [None]}, "checks.0.values.0: "),
    ({"regex": "a", "pattern": "("}, "checks.0.pattern: regex error"),
    ({"regex": "a", "pattern": "(?=a)"}, "checks.0.pattern: regex error"),
    ({"length": "a", "max": -1}, "checks.0.max: "),
    ({"foreign_key": "a", "to": "b"}, "checks.0.to: a table and a column are expected"),
    ({"foreign_key": ["a", "b"], "to": "t.a"}, "checks.0: foreign_key and to must name as many"),
    ({"foreign_key": ["a", "b"], "to": ["t.a", "u.b"]}, "checks.0.to: all columns must be of one table"),
    ({"fresh": "a", "within": "soon"}, "checks.0.within: a duration is"),
    ({"fresh": "a", "within": "0d"}, "checks.0.within: "),
    ({"row_count": {"min": 5, "max": 1}}, "checks.0.row_count: min 5 is greater than max 1"),
    ({"unique": "a", "severity": "reject"}, "checks.0.severity: "),
    ({"not_null": "a", "severity": "stop"}, "checks.0.severity: "),
    ({"not_null": []}, "checks.0.not_null: "),
    ({"expression": "a >"}, "checks.0.expression: unable to parse"),
    ({"expression": "read_csv('/etc/passwd')"}, "checks.0.expression: read_csv has no place"),
    ({"expression": "sum(id) > 1"}, "checks.0.expression: sum has no place in a check of single rows"),
    ({"expression": "id > (avg(id))"}, "checks.0.expression: avg has no place"),
    ({"expression": "a /*'*/ > sum(a) /*'*/"}, "checks.0.expression: sum has no place"),
    ({"expression": "a > 0 -- it's\n OR max(a) > 1 -- it's"}, "checks.0.expression: max has no place"),
    ({"expression": "ROW_NUMBER() OVER (ORDER BY id) > 1"}, "checks.0.expression: OVER has no place"),
    ({"expression": "a IN (SELECT 1)"}, "checks.0.expression: SELECT has no place"),
    ({"expression": "a > 0; DROP TABLE a"}, "checks.0.expression: invalid expression"),
    ({"expression": "1 = 1"}, "checks.0.expression: it names no column"),
    ({"positive": "a"}, "checks.0: a check is a mapping with one of the keys not_null"),
    ("positive", "checks.0: a check is a mapping"),
]


@pytest.mark.parametrize(("entry", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_entry_is_refused_with_its_place(tmp_path: Path, entry: Any, words: str) -> None:
    """File, line and key."""
    path = tmp_path / "tables.yaml"
    path.write_text(f"source_tables:\n  pay:\n    checks:\n      - {json.dumps(entry)}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_config(path, None, {})
    assert f"{path}:4: source_tables.pay.{words}" in raised.value.message


def test_the_same_check_twice_is_refused(tmp_path: Path) -> None:
    """It could have two severities."""
    path = tmp_path / "tables.yaml"
    entries = [{"not_null": "a"}, {"not_null": ["b", "a"], "severity": "warn"}]
    path.write_text(json.dumps({"source_tables": {"pay": {"checks": entries}}}), encoding="utf-8")
    with pytest.raises(ConfigError, match="the check `not_null a` is there twice"):
        load_config(path, None, {})


def config(checks: list[dict[str, Any]], **rule: Any) -> Config:
    return Config.model_validate({"tables": {"pay": {"checks": checks, **rule}}})


PAY = Table("pay", COLUMNS, ("id",))
PATIENT = Table("patient", (Column("PatNum", "int", False), Column("LName", "varchar(20)", True)), ("PatNum",))


def catalog(*tables: Table, offset: int = 0) -> Catalog:
    return Catalog("mysql://h:3306/d", "8", "UTC", tables, offset=offset)


@pytest.mark.parametrize(
    ("tier", "expected"), [("critical", "fail"), ("important", "fail"), ("audit", "warn"), ("reference", "warn")]
)
def test_the_tier_decides_what_a_check_without_a_severity_does(tier: str, expected: str) -> None:
    """Its own word wins; a foreign key only warns."""
    entries: list[dict[str, Any]] = [
        {"not_null": "id"}, {"not_null": "name", "severity": "reject"}, {"foreign_key": "id", "to": "patient.PatNum"},
    ]  # fmt: skip
    rule = config(entries, table_importance=tier).rule("pay")
    assert [check.severity for check in rule.all_checks] == [expected, "reject", "warn"]


def test_every_check_that_cannot_be_made_is_named_with_its_place_in_the_rule() -> None:
    """In one refusal; the other tables are planned."""
    wanted = config([{"not_null": "id"}, {"range": "nosuch", "min": 1}, {"length": "amount", "max": 5}])
    bounds = {"pay": Bound(5), "patient": Bound(5)}
    plan = decide(wanted, catalog(PAY, PATIENT), bounds, {})
    assert [load.spec.table for load in plan.loads] == ["patient"]
    (refusal,) = plan.refused
    assert "checks.1 (range nosuch 1..): there is no column 'nosuch'" in refusal.message
    assert "checks.2 (length amount ..5): column 'amount' is numeric(10,2), and no text" in refusal.message


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ({"foreign_key": "id", "to": "nosuch.x"}, "table 'nosuch' is not loaded now and not in the target"),
        ({"foreign_key": "id", "to": "patient.x"}, "table 'patient' has no column 'x'"),
        ({"foreign_key": "name", "to": "patient.PatNum"}, "cannot be compared"),
    ],
)
def test_a_foreign_key_to_nothing_is_refused(check: dict[str, Any], words: str) -> None:
    """A table neither loaded nor there, a missing column, another type."""
    wanted = config([check])
    with pytest.raises(PlanError, match=re.escape(words)):
        pointing(wanted, catalog(PAY, PATIENT), PAY, list(CASTS.values()), {})


def test_a_plan_with_checks_is_stored_and_restored() -> None:
    """Equal in every value, dates and shares too."""
    entries: list[dict[str, Any]] = [
        {"range": "day", "min": "2000-01-01"}, {"one_of": "id", "values": [1, 2]}, {"range": "amount", "max": 1.5},
        {"foreign_key": "id", "to": "patient.PatNum"}, {"fresh": "at", "within": "2d"}, {"row_count": {"min": 1}},
        {"expression": "amount >= 0 OR name IS NULL", "severity": "reject"}, {"one_of": "yes", "values": [True]},
    ]  # fmt: skip
    wanted = config(entries, max_rejects="1%")
    plan = decide(wanted, catalog(PAY, PATIENT, offset=-18000), {"pay": Bound(5), "patient": Bound(5)}, {})
    assert not plan.refused
    assert plan_from_json(plan.to_json()) == plan
    (made,) = (load.spec for load in plan.loads if load.spec.table == "pay")
    assert [check.zone for check in made.checks if check.kind == "fresh"] == ["-18000"]


@pytest.mark.parametrize(
    ("column", "zone", "expected"),
    [("at", "server", "3600"), ("at", "+02:00", "3600"), ("stamp", "server", "3600"), ("stamp", "+02:00", "+02:00")],
)
def test_freshness_goes_by_the_clock_that_the_column_is_written_by(column: str, zone: str, expected: str) -> None:
    """The source server's, but for TIMESTAMPs that are written in a declared zone."""
    wanted = Config.model_validate({
        "timestamp_zone": zone, "tables": {"pay": {"checks": [{"fresh": column, "within": "1h"}]}}
    })  # fmt: skip
    (check,) = specify(wanted, catalog(PAY, offset=3600), PAY, Choice()).checks
    assert check.zone == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [({"fresh": "at", "within": "1h"}, True), ({"foreign_key": "id", "to": "a.b"}, True), ({"not_null": "id"}, False)],
)
def test_a_table_that_did_not_change_is_looked_at_when_time_or_another_table_may_have(
    entry: dict[str, Any], expected: bool
) -> None:
    """Nothing new is what a check of freshness is there to tell."""
    assert looks_elsewhere(config([entry]).rule("pay")) is expected


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=8))
def test_foreign_keys_give_an_order_that_exists(edges: list[tuple[str, str]]) -> None:
    """Parents first, where that is possible; what a person declared always holds."""
    tables: dict[str, dict[str, Any]] = {
        name: {"checks": [{"foreign_key": f"c{n}", "to": f"{to}.id"} for n, (own, to) in enumerate(edges) if own == name]}
        for name in "abcd"
    }
    wanted = Config.model_validate({"tables": {**tables, "a": {**tables["a"], "dependencies": ["d"]}}})
    needs = needed(wanted, wanted.tables)
    assert not circle(needs)
    assert "d" in needs["a"]
    every = {name: {to for own, to in [*edges, ("a", "d")] if own == name} for name in "abcd"}
    if not circle(every):
        assert {name: set(others) for name, others in needs.items()} == every
