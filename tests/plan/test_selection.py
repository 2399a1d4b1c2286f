"""What a person asks for, as one value."""

from __future__ import annotations

import pytest
from lab import configure

from bulketl.errors import PlanError
from bulketl.plan.incremental import Span
from bulketl.plan.selection import Selection

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
