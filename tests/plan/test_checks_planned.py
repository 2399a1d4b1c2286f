"""The checks of a table in a plan: with the clock and the names that they need, or refused with each that cannot be made."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bulketl.config.config import Config
from bulketl.config.tables import TableRule
from bulketl.errors import PlanError
from bulketl.plan.planned_checks import looks_elsewhere, needed, planned, pointing
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Catalog, Column, Table, TargetTable
from bulketl.tables.checks import Check

COLUMNS = (
    Column("id", "int", False), Column("v", "varchar(9)", True), Column("at", "datetime", True),
    Column("ts", "timestamp", True), Column("day", "date", True),
)  # fmt: skip
TABLE = Table("t", COLUMNS, ("id",))
OTHER = Table("other", (Column("k", "bigint", False), Column("w", "text", True)), ("k",))
CASTS = tuple(map(cast, COLUMNS))
HINT = "correct them in tables.yaml, or take them out: docs/checks.md lists what each needs"


def config(*checks: dict[str, Any], rules: dict[str, Any] | None = None, **settings: Any) -> Config:
    made = Config.model_validate(settings)
    entries = {"t": {"checks": checks}, **(rules or {})}
    return made.model_copy(update={"tables": {name: TableRule.model_validate(one) for name, one in entries.items()}})


def source(*tables: Table) -> Catalog:
    return Catalog("mysql://h/d", "11", "UTC", tables or (TABLE, OTHER), offset=3600)


def test_a_table_without_checks_has_none() -> None:
    assert planned(config(), source(), TABLE, CASTS) == ()


def test_every_check_that_cannot_be_made_is_told_by_its_place() -> None:
    wanted = config({"range": "v", "min": 1}, {"not_null": "id"}, {"not_null": ["no", "v"]})
    with pytest.raises(PlanError) as caught:
        planned(wanted, source(), TABLE, CASTS)
    assert caught.value.message == (
        "table 't' has checks that cannot be made: checks.0 (range v 1..): column 'v' is varchar(9), and no number, date or "
        "time; checks.2 (not_null no): there is no column 'no'; MySQL's spelling and case count, and it must not be excluded"
    )
    assert caught.value.hint == HINT


FRESH = [
    # column, its type in the target, the settings, and the clock
    ("at", "", {}, "3600"), ("day", "", {}, "3600"), ("ts", "", {}, "3600"),
    ("ts", "", {"timestamp_zone": "+02:00"}, "+02:00"),
    ("at", "", {"timestamp_zone": "+02:00"}, "3600"), ("day", "", {"timestamp_zone": "+02:00"}, "3600"),
    ("ts", "timestamptz", {}, ""), ("ts", "timestamptz", {"timestamp_zone": "+02:00"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("column", "declared", "settings", "zone"), FRESH)
def test_freshness_goes_by_the_clock_of_the_source_or_the_zone_that_a_person_declared(
    column: str, declared: str, settings: dict[str, Any], zone: str
) -> None:
    casts = tuple(cast(one, declared if one.name == column else "") for one in COLUMNS)
    (check,) = planned(config({"fresh": column, "within": "1d"}, **settings), source(), TABLE, casts)
    assert (check.kind, check.columns, check.seconds, check.zone) == ("fresh", (column,), 86400, zone)


def test_a_foreign_key_points_to_the_names_of_the_target() -> None:
    wanted = config(
        {"foreign_key": "id", "to": "Other.k"}, {"not_null": "v"}, sources={"there": "Other"},
        rules={"there": {"rename": {"k": "number"}}},
    )  # fmt: skip
    checks = planned(wanted, source(), TABLE, CASTS)
    assert checks == (
        Check("foreign_key", ("id",), table="there", keys=("k",), places=("number",)), Check("not_null", ("v",)),
    )  # fmt: skip


def told(*checks: dict[str, Any], tables: tuple[Table, ...] = (TABLE, OTHER), **given: Any) -> str:
    """Return why foreign keys of a table cannot be checked, or ''."""
    target = given.pop("target", {})
    try:
        pointing(config(*checks, **given), source(*tables), TABLE, CASTS, target)
    except PlanError as error:
        return "" if error.hint != HINT else error.message.removeprefix("table 't' has checks that cannot be made: ")
    return ""


KEY = {"foreign_key": "id", "to": "other.k"}
THERE = TargetTable("other", (("k", "integer"),))


def test_a_foreign_key_needs_its_table_and_columns_of_one_family_there_or_in_this_load() -> None:
    assert told({"not_null": "id"}, tables=(TABLE,)) == ""
    assert told(KEY) == told(KEY, tables=(TABLE,), target={"other": THERE}) == ""
    assert told({"not_null": "v"}, KEY, tables=(TABLE,)) == (
        "checks.1 (foreign_key id -> other.k): table 'other' is not loaded now and not in the target"
    )
    assert told({"foreign_key": "id", "to": "other.x"}) == (
        "checks.0 (foreign_key id -> other.x): table 'other' has no column 'x'"
    )
    assert told({"foreign_key": "v", "to": "other.k"}, {"foreign_key": ["id", "v"], "to": ["other.w", "other.w"]}) == (
        "checks.0 (foreign_key v -> other.k): 'v' is varchar(9) and 'k' is bigint, which cannot be compared; "
        "checks.1 (foreign_key id, v -> other.w, other.w): 'id' is integer and 'w' is text, which cannot be compared"
    )


def test_what_a_load_will_make_of_a_table_counts_before_what_the_target_has_of_it() -> None:
    """Without what is excluded, cannot be read or has no cast; under another name where the rules give one."""
    assert told(KEY, target={"other": TargetTable("other", (("k", "text"),))}) == ""
    assert told(KEY, rules={"other": {"exclude_columns": ["k"]}}).endswith("has no column 'k'")
    assert told(KEY, rules={"other": {"exclude_columns": ["k"]}}, target={"other": THERE}) == ""
    assert told(KEY, rules={"other": {"rename": {"k": "number"}}}) == ""
    assert told(KEY, rules={"other": {"casts": {"k": "numeric"}}}) == ""
    hidden = dataclasses.replace(OTHER, columns=tuple(dataclasses.replace(one, readable=False) for one in OTHER.columns))
    assert "not loaded now" in told(KEY, tables=(TABLE, hidden))
    odd = dataclasses.replace(OTHER, columns=(Column("x", "money", True), *OTHER.columns))
    assert told(KEY, tables=(TABLE, odd)) == ""
    assert told({"foreign_key": "id", "to": "other.x"}, tables=(TABLE, odd)).endswith("has no column 'x'")


FAMILIES = ("int smallint bigint decimal(9,2) float double", "varchar(9) text", "date datetime timestamp")


def test_columns_of_a_foreign_key_are_of_one_family() -> None:
    kinds = [(kind, n) for n, family in enumerate(FAMILIES) for kind in family.split()]
    for one, family in kinds:
        mine = dataclasses.replace(TABLE, columns=(Column("id", one, True),))
        for other, another in [*kinds, ("varbinary(9)", 9), ("json", 8)]:
            there = dataclasses.replace(OTHER, columns=(Column("k", other, True),))
            wanted, casts = config(KEY), tuple(map(cast, mine.columns))
            if family == another:
                pointing(wanted, source(mine, there), mine, casts, {})
            else:
                with pytest.raises(PlanError, match="which cannot be compared"):
                    pointing(wanted, source(mine, there), mine, casts, {})


def test_tables_are_loaded_after_those_they_depend_on_and_point_to() -> None:
    rules = {"other": {"dependencies": ["third"]}, "third": {}}
    wanted = config(KEY, {"foreign_key": "v", "to": "third.k"}, {"foreign_key": "at", "to": "other.w"}, rules=rules)
    assert needed(wanted, ["t", "other", "third"]) == {"t": ("other", "third"), "other": ("third",), "third": ()}
    assert needed(wanted, ["other"]) == {"other": ("third",)}


def test_a_foreign_key_that_closes_a_circle_gives_no_order() -> None:
    """The first that is possible does; what a person declared stays."""
    back = {"other": {"checks": [{"foreign_key": "k", "to": "t.id"}]}}
    assert needed(config(KEY, rules=back), ["t", "other"]) == {"t": ("other",), "other": ()}
    declared = {"other": {"dependencies": ["t"]}}
    assert needed(config(KEY, rules=declared), ["t", "other"]) == {"t": (), "other": ("t",)}


@pytest.mark.parametrize(
    ("check", "elsewhere"),
    [
        ({"fresh": "at", "within": "1d"}, True), (KEY, True), ({"expression": "day < CURRENT_DATE"}, True),
        ({"expression": "day < at"}, False), ({"regex": "v", "pattern": "current_date"}, False), ({"not_null": "v"}, False),
    ],
)  # fmt: skip
def test_a_check_may_fail_though_no_row_has_changed(check: dict[str, Any], elsewhere: bool) -> None:
    """By the clock, or by another table."""
    assert looks_elsewhere(config(check).rule("t")) == elsewhere
    assert not looks_elsewhere(config().rule("t"))
