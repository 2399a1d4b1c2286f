"""What a person asks for, as one value."""

from __future__ import annotations

from typing import Any

import pytest
from lab import configure

from bulketl.errors import PlanError
from bulketl.plan.incremental import Span
from bulketl.plan.selection import Selection, select
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
# Tables, rules, what is asked for, and what is said of why nothing is left.
LEFT: dict[str, tuple[str, dict[str, Any], Selection, str, str]] = {
    "nothing there": ("", {}, Selection(), "it has no table that this user may see", "BULKETL_SOURCE"),
    "nothing there of a tier": ("", {}, Selection(tiers=("audit",)), "no table that this user may see", "BULKETL_SOURCE"),
    "rules": ("j1 j2 j3 k", dict.fromkeys(("j1", "j2", "j3"), OUT), Selection(tables=("j*",)),
              "all 3 tables that fit are excluded by your rules", "name tables in full under --tables"),
    "all rules": ("j k", {"j": OUT, "k": OUT}, Selection(), "all 2 tables are excluded by your rules", "exclude: true"),
    "one rule": ("j k", {"j": OUT}, Selection(tables=("j*",)), "your rules exclude 'j', the only table there is that fits",
                 "exclude: true"),
    "--exclude": ("j1 j2", {}, Selection(exclude=("j*",)), "--exclude leaves out all 2 tables that fit", "--exclude"),
    "tier": ("j k", {"k": {"table_importance": "critical"}}, Selection(tiers=("audit",)),
             "--tier asks for audit, and the source has 2 tables of tier critical, reference", "without --tier"),
    "tier and rules": ("j k l", {"k": OUT, "l": OUT}, Selection(tiers=("audit",)),
                       "the source has 1 table of tier reference, and 2 more excluded by your rules", "without --tier"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_where_nothing_is_left_the_error_says_what_leaves_it_out(name: str) -> None:
    there, rules, selection, why, hint = LEFT[name]
    config = configure("mysql://h/d", "postgresql://h/d", "raw", rules=rules)
    catalog = Catalog("h/d", "11", "UTC", tuple(Table(table, ()) for table in there.split()))
    with pytest.raises(PlanError, match="there is no table to load in h/d: ") as refused:
        select(config, catalog, selection)
    assert why in refused.value.message
    assert hint in refused.value.hint
    assert ("tier" in refused.value.hint) == ("tier" in why)
