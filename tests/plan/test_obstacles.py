"""More columns than a table of Postgres may have are refused before anything is created, with their number."""

from __future__ import annotations

import pytest
from ways import wanted

from bulketl.errors import PlanError
from bulketl.plan.facing import Facing
from bulketl.plan.limits import MOST_COLUMNS
from bulketl.plan.obstacles import hold
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
