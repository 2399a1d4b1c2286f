"""Tables by the names that they have in the target: given, taken back, and found again under an earlier one."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bulketl.config.config import Config
from bulketl.errors import PlanError
from bulketl.plan.calling import as_at_source, before, called, check_apart
from bulketl.plan.incremental import Choice
from bulketl.tables.catalog import Absent, Catalog, Made, Table, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.measured import Known
from bulketl.tables.taken import Taken

HOME = "mysql://h/d"


def config(renamed: dict[str, str] | None = None, **settings: Any) -> Config:
    """Return a configuration whose rules give tables of the source other names."""
    return Config.model_validate({"sources": {there: name for name, there in (renamed or {}).items()}, **settings})


A, B, C = Table("a", ()), Table("b", (), references=("a", "c", "elsewhere")), Table("c", (), references=("b",))
VIEW, OTHER_VIEW = Table("v", (), view=True, references=("a",)), Table("w", (), view=True)
CATALOG = Catalog(HOME, "11", "UTC", (A, B, C), views=(VIEW, OTHER_VIEW), absent=(Absent("b", "x"), Absent("gone")))


def test_a_catalogue_whose_tables_keep_their_names_is_itself() -> None:
    assert called(config(), CATALOG) is CATALOG
    assert called(config({"b": "b"}), CATALOG) is CATALOG


def test_a_table_has_the_name_of_its_rule_wherever_it_is_named() -> None:
    """In references and in what is out of view too; and the tables come in the order of their new names."""
    found = called(config({"a": "z", "b": "y", "v": "1", "gone": "lost"}), CATALOG)
    assert [(one.name, one.origin, one.references, one.alike) for one in found] == [
        ("c", "c", ("y",), ()), ("y", "b", ("c", "elsewhere", "z"), ()), ("z", "a", (), ()),
    ]  # fmt: skip
    assert [(one.name, one.origin, one.references) for one in found.views] == [("1", "v", ("z",)), ("w", "w", ())]
    assert [(one.table, one.column) for one in found.absent] == [("y", "x"), ("lost", None)]
    assert [one.name for one in called(config({"v": "x9"}), CATALOG).views] == ["w", "x9"], "a view alone"


def test_the_names_of_the_source_come_back() -> None:
    rules = config({"a": "z", "b": "y", "v": "1"})
    back = as_at_source(rules, called(rules, CATALOG))
    assert back == CATALOG
    assert [one.name for one in back] == ["a", "b", "c"]
    assert as_at_source(config(), CATALOG) == CATALOG
    turned = dataclasses.replace(CATALOG, tables=(C, A, B), views=(OTHER_VIEW, VIEW))
    assert as_at_source(config(), turned) == CATALOG


def test_tables_that_would_have_one_name_keep_their_own_and_know_each_other() -> None:
    rules = config(names="snake_case")
    tables = (Table("ThisOne", ()), Table("This_One", ()), Table("Other", (), references=("ThisOne",)))
    found = called(rules, dataclasses.replace(CATALOG, tables=tables, views=(Table("this_one", (), view=True),)))
    assert {one.name: one.alike for one in (*found, *found.views)} == {
        "ThisOne": ("This_One", "this_one"), "This_One": ("ThisOne", "this_one"), "other": (),
        "this_one": ("ThisOne", "This_One"),
    }  # fmt: skip
    with pytest.raises(PlanError) as caught:
        check_apart(rules, found.tables[1])
    assert str(caught.value) == "tables 'ThisOne' and 'This_One' and 'this_one' would both be 'this_one' in the target"
    assert caught.value.hint == "give one of them another target_name in tables.yaml, or write exclude: true for one"
    check_apart(rules, found.tables[2])
    assert {one.name: one.alike for one in as_at_source(rules, found)} == {"Other": (), "ThisOne": (), "This_One": ()}


OURS = TargetTable("old", (), oid=5, made=Made(5, HOME, "r", "load", "at"))
TABLE = Table("new", (), origin="t")
STATE = State(HOME, taken=Taken(table="t"))


def former(existing: dict[str, TargetTable], states: dict[str, State], table: Table = TABLE) -> str:
    found = before(Choice(why="x"), table, Known(existing, states), CATALOG)
    assert found.why == "x"
    assert found.former_state == (states[found.former] if found.former else None)
    return found.former


def test_a_table_with_another_name_is_found_under_the_one_by_which_it_was_loaded() -> None:
    """Here, from the same table of the same source, and still ours; not where its new name is taken."""
    assert former({"old": OURS}, {"old": STATE}) == "old"
    assert former({"t": OURS}, {"t": State(HOME)}) == "t", "by its own name until now"
    assert former({"old": OURS, "x": OURS}, {"x": State(HOME), "old": STATE}) == "old"
    for existing, states in (
        ({"old": OURS, "new": OURS}, {"old": STATE}),
        ({}, {"old": STATE}),
        ({"old": dataclasses.replace(OURS, oid=6)}, {"old": STATE}),
        ({"old": OURS}, {"old": State("mysql://x/y", taken=Taken(table="t"))}),
        ({"old": OURS}, {"old": State(HOME, taken=Taken(table="u"))}),
        ({"old": OURS}, {"old": State(HOME)}),
        ({"new": OURS}, {"new": STATE}),
        ({}, {}),
    ):  # fmt: skip
        assert former(existing, states) == ""
    assert former({"t": OURS}, {"t": State(HOME)}, Table("t", ())) == "", "it has that name still"
