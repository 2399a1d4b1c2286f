"""What a person asks for, as one value."""

from __future__ import annotations

from typing import Any

import pytest
from lab import configure

from bulketl.config.config import Config
from bulketl.errors import PlanError
from bulketl.plan.incremental import Span
from bulketl.plan.selection import NEW_LEFT_OUT, NEW_TABLE, Selection, select
from bulketl.tables.catalog import Catalog, Table

RULES = {"a": {"table_importance": "critical"}, "b": {"exclude": True}, "old_c": {"table_importance": "critical"}}


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        (Selection(), {"a", "old_c", "d"}),
        (Selection(tables=("*",)), {"a", "old_c", "d"}),
        (Selection(tables=("b",)), {"b"}),  # named in full, it is taken although its rule leaves it out
        (Selection(tiers=("critical",)), {"a", "old_c"}),
        (Selection(tiers=("critical",), exclude=("old_*",)), {"a"}),
        (Selection(tiers=("critical",), tables=("d",)), {"d"}),
        (Selection(tables=("d", "a"), exclude=("d",)), {"a"}),
    ],
)
def test_a_selection_takes_tables_by_name_pattern_and_tier(selection: Selection, taken: set[str]) -> None:
    config = configure("mysql://h/d", "postgresql://h/d", "raw", rules=RULES)
    assert {table for table in ("a", "b", "old_c", "d") if selection.takes(config, table)} == taken
    assert selection.everything == (selection == Selection())


def test_a_load_is_of_everything_or_of_a_part() -> None:
    assert Selection(since="2024-01-01").span == Span("2024-01-01", "")
    assert Selection(full=True).span is None
    with pytest.raises(PlanError, match="not both"):
        Selection(full=True, until="2024-01-01")


def test_tables_may_lose_rows_by_name_or_pattern() -> None:
    assert Selection(allow_deletes=("a*",)).frees("abc")
    assert not Selection(tables=("abc",)).frees("abc")


OUT = {"exclude": True}
NO_RULES = "take exclude: true out of their rules, or name tables in full under --tables, which takes them this once"
NO_TIER = "give tables their tier as table_importance in config/tables.yaml, or load without --tier"
NO_DATABASE = "check the database at the end of BULKETL_SOURCE, and the user's SELECT right on its tables"
AUDIT = "--tier asks for audit, and the source has"
NO_EXCLUDE = "narrow --exclude, or leave it out"
# Tables, rules, what is asked for, and what is said of why nothing is left.
LEFT: dict[str, tuple[str, dict[str, Any], Selection, str, str]] = {
    "nothing there": ("", {}, Selection(), "it has no table that this user may see", NO_DATABASE),
    "nothing there of a tier": ("", {}, Selection(tiers=("audit",)), "it has no table that this user may see", NO_DATABASE),
    "views alone": (
        "/v w", {}, Selection(), "it has no table that this user may see",
        f"{NO_DATABASE}; it has 2 views (name them in tables.yaml to load them as tables)",
    ),
    "rules": ("j1 j2 j3 k", dict.fromkeys(("j1", "j2", "j3"), OUT), Selection(tables=("j*",)),
              "all 3 tables that fit are excluded by your rules", NO_RULES),
    "all rules": ("j k", {"j": OUT, "k": OUT}, Selection(), "all 2 tables are excluded by your rules", NO_RULES),
    "the only one": ("j", {"j": OUT}, Selection(), "your rules exclude 'j', the only table there is", NO_RULES),
    "one rule": ("j k", {"j": OUT}, Selection(tables=("j*",)),
                 "your rules exclude 'j', the only table there is that fits", NO_RULES),
    "--exclude": ("j1 j2", {}, Selection(exclude=("j*",)), "--exclude leaves out all 2 tables that fit", NO_EXCLUDE),
    "--tables and --exclude": ("j1 j2 k", {}, Selection(tables=("j*",), exclude=("j?",)),
                               "--exclude leaves out all 2 tables that fit", NO_EXCLUDE),
    "--exclude and rules": ("j k l", {"k": OUT, "l": OUT}, Selection(exclude=("j",)),
                            "all 2 tables that fit are excluded by your rules", NO_RULES),
    "tier": ("j k", {"k": {"table_importance": "critical"}}, Selection(tiers=("audit", "important")),
             "--tier asks for audit, important, and the source has 2 tables of tier critical, reference", NO_TIER),
    "tier and rules": ("j k l", {"k": OUT, "l": OUT}, Selection(tiers=("audit",)),
                       f"{AUDIT} 1 table of tier reference, and 2 more excluded by your rules", NO_TIER),
    "tier and --tables": ("j1 j2 k", {}, Selection(tiers=("audit",), tables=("j*",)),
                          f"{AUDIT} 2 tables that fit of tier reference", NO_TIER),
}  # fmt: skip


def source(tables: str, **given: Any) -> Catalog:
    """Return a catalogue of tables by their names, behind a slash of views."""
    names, _, views = tables.partition("/")
    own, seen = (tuple(Table(name, ()) for name in some.split()) for some in (names, views))
    return Catalog("h/d", "11", "UTC", own, views=seen, **given)


@pytest.mark.parametrize("name", LEFT)
def test_where_nothing_is_left_the_error_says_what_leaves_it_out(name: str) -> None:
    there, rules, selection, why, hint = LEFT[name]
    config = configure("mysql://h/d", "postgresql://h/d", "raw", rules=rules)
    with pytest.raises(PlanError) as refused:
        select(config, source(there), selection)
    assert refused.value.message == f"there is no table to load in h/d: {why}"
    assert refused.value.hint == hint


def test_a_load_is_of_all_or_of_a_part_and_says_what_to_leave_out() -> None:
    with pytest.raises(PlanError) as refused:
        Selection(full=True, since="1")
    assert refused.value.message == "a load takes whole tables or a part of them, not both"
    assert refused.value.hint == "leave out --full, or --since and --until"


@pytest.mark.parametrize(("workers", "connections", "enough"), [(3, 0, True), (3, 3, True), (3, 2, False), (1, 1, True)])
def test_workers_need_as_many_connections(workers: int, connections: int, enough: bool) -> None:
    """As far as the server says how many there are."""
    config = configure("mysql://h/d", "postgresql://h/d", "raw", workers=workers)
    if enough:
        assert select(config, source("a", connections=connections), Selection())[0] == source("a", connections=connections)
        return
    with pytest.raises(PlanError) as refused:
        select(config, source("a", connections=connections), Selection())
    assert refused.value.message == "3 workers need as many connections, and h/d gives this user 2"
    assert refused.value.hint == "lower workers, or raise the user's MAX_USER_CONNECTIONS or the server's max_connections"


def waiting(there: str, selection: Selection, **settings: Any) -> tuple[str, dict[str, str]]:
    """Return the tables that are left of those of which the rules know only `a`, and why others wait."""
    settings = {"tables": {"a": {}}, "known": frozenset({"a", "b"}), **settings}
    config = Config.model_validate(settings)
    kept, skipped, refused = select(config, source(there), selection)
    assert refused == ()
    assert {one.tier for one in skipped} <= {"reference"}
    return " ".join(table.name for table in kept), {one.table: one.reason for one in skipped}


def test_a_table_that_the_rules_do_not_know_waits_and_is_told() -> None:
    """Unless it is named in full, all are to be loaded, or nobody asked for it."""
    assert waiting("a b new", Selection()) == ("a b", {"new": NEW_TABLE})
    assert waiting("a b new", Selection(), new_tables="load") == ("a b new", {})
    assert waiting("a b new", Selection(tables=("new",))) == ("new", {})
    assert waiting("a b new", Selection(tables=("n*",))) == ("", {"new": NEW_TABLE})
    assert waiting("a b new", Selection(exclude=("new",))) == ("a b", {})


def test_a_new_table_that_a_rule_for_many_leaves_out_is_told() -> None:
    """That rule was written without it; where a tier is asked for, nobody knows whether it is of that tier."""
    rules = {"patterns": {"n*": {"exclude": True}}}
    assert waiting("a b new", Selection(), **rules) == ("a b", {"new": NEW_LEFT_OUT})
    assert waiting("a b new", Selection(), **rules, known=None) == ("a b", {})
    assert waiting("a b new", Selection(), **rules, known=frozenset({"new", "a"})) == ("a", {"b": NEW_TABLE})
    assert waiting("a b new", Selection(exclude=("n*",)), **rules) == ("a b", {})
    assert waiting("a b new", Selection(tables=("a",)), **rules) == ("a", {})
    assert waiting("a b new", Selection(tiers=("reference",)), **rules) == ("a b", {})
    assert waiting("a b new", Selection(tables=("new",)), **rules) == ("new", {})


def test_a_view_is_not_waited_for() -> None:
    """It is among the tables because somebody named it."""
    config = Config.model_validate({"known": frozenset({"a"}), "patterns": {"w*": {"exclude": True}}})
    there = Catalog("h/d", "11", "UTC", (Table("a", ()), Table("v", (), view=True), Table("w", (), view=True)))
    kept, skipped, _ = select(config, there, Selection())
    assert ([table.name for table in kept], skipped) == (["a", "v"], ())
