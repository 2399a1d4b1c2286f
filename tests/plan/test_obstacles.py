"""More columns than a table of Postgres may have are refused before anything is created, with their number."""

from __future__ import annotations

from pathlib import Path

import pytest
from ways import wanted

from bulketl.errors import PlanError
from bulketl.plan.facing import Facing
from bulketl.plan.footing import LACKS
from bulketl.plan.limits import MOST_COLUMNS
from bulketl.plan.obstacles import DOUBTS, OBSTACLES, ROWS_TELL, STAYS, hold
from bulketl.plan.plan import TableLoad
from bulketl.tables.casts import cast
from bulketl.tables.catalog import Column


def facing(count: int, **facts: object) -> Facing:
    casts = tuple(cast(Column(f"c{n}", "int", True)) for n in range(count))
    return Facing(TableLoad(wanted(casts=casts, key=(), **facts), (), "reference", "", 0, 0), None)


@pytest.mark.parametrize(
    ("count", "facts", "more"),
    [
        (MOST_COLUMNS + 1, {}, 1),
        (MOST_COLUMNS, {"stamps": ("_loaded_at", "_run_id")}, 2),
        (MOST_COLUMNS, {"deletes": "mark"}, 1),
        (MOST_COLUMNS - 1, {"kept": (("gone", "text"), ("gone too", "text"))}, 1),
    ],
)
def test_every_column_counts(count: int, facts: dict[str, object], more: int) -> None:
    """Those that bulketl adds, and those that only the target has."""
    with pytest.raises(PlanError, match=f"would have {MOST_COLUMNS + more:,} columns.* at most 1,600") as refused:
        hold(facing(count, **facts))
    assert refused.value.hint.startswith(f"name {more} or more of them")


def test_as_many_as_there_may_be_pass() -> None:
    """The limit itself is none."""
    hold(facing(MOST_COLUMNS))
    hold(facing(MOST_COLUMNS - 1, kept=(("_deleted_at", "timestamptz"),), deletes="mark"))


def test_what_becomes_of_a_load_that_meets_one_is_told_in_whole_sentences() -> None:
    assert ROWS_TELL == "a load fails at it when rows are so; only they tell"
    assert STAYS == "a load that cannot make it again fails at the table, and leaves it as it was"
    assert [one.name for one in OBSTACLES] == [
        "too many columns", "rows too wide", "generated column", "identity column", "required column", "rules",
        "row security", "no partition", "no counters", "no identity", "missing rights",
    ]  # fmt: skip
    assert [one.name for one in DOUBTS] == [
        "constraints", "indexes", "NULL for NOT NULL", "what acts on rows", "uncovered rows", "referenced rows",
        "perhaps too wide", "long key", "doubled hour", "retyped columns",
    ]  # fmt: skip


def test_each_is_on_the_page_of_what_is_refused() -> None:
    lines = (Path(__file__).parents[2] / "docs/refusals.md").read_text().splitlines()
    told = [one.about for one in LACKS] + [one.about for one in (*OBSTACLES, *DOUBTS)]
    assert [about for about in told if f"- {about}" not in lines] == []
