"""The weeks of a move from an older pipeline: which tables, which goals, and by what figure each is met."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest

from bulketl.config.config import Config
from bulketl.operations.migrate.weeks import Seen, Week, weeks
from bulketl.postgres.ledger.goals import Deliveries, Raised
from bulketl.postgres.ledger.tableloads import TableRecord
from bulketl.postgres.ledger.verifications import Verified
from bulketl.postgres.ledger.weeks import LoadEnd, TableNights
from bulketl.tables.owner import Owner

NOW = dt.datetime(2026, 11, 27, 6, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TIERS = {"critical": 31, "important": 97, "audit": 84, "reference": 220}  # those of the clinic
INCREMENTAL = 60


def config(**more: Any) -> Config:
    """Rules for the tables of the clinic, 60 of the first 128 incremental."""
    tables = {}
    for tier, count in TIERS.items():
        for n in range(count):
            tables[f"{tier}{n:03}"] = {"table_importance": tier}
    for table in list(tables)[:INCREMENTAL]:
        tables[table] |= {"extraction_strategy": "incremental", "incremental_column": "at"}
    return Config.model_validate({"tables": tables, **more})


def record(table: str, outcome: str = "loaded") -> TableRecord:
    """The last load of a table."""
    return TableRecord(
        table, "critical", "s", "r13", outcome, 9, 0, 1.0, "", "", NOW, NOW, 1.0, 9.0, 14, 86400.0, 86400.0, NOW, NOW, True
    )


def night(table: str, *outcomes: str, seconds: float = 60.0, score: float = 1.0) -> TableNights:
    """A table through loads that ended so."""
    many = len(outcomes)
    return TableNights(
        table, "critical", "s", range(many), outcomes, [seconds] * many, [9] * many, [72] * many, [0] * many, [1] * many,
        [0] * many, [False] * many, [score] * many, [False] * many,
    )  # fmt: skip


def seen(**more: Any) -> Seen:
    """A move in which bulketl serves everything, and all is well."""
    its = more.pop("config", config())
    names = sorted(its.tables)
    owners: dict[str, Owner] = dict.fromkeys(names, "bulketl")
    loads = [LoadEnd(f"r{n}", "s", "h", NOW - n * DAY, NOW - n * DAY + dt.timedelta(minutes=9), "done") for n in range(14)]
    found = Seen(
        config=its, now=NOW, tiers={name: its.rule(name).table_importance for name in names}, owners=owners,
        last={name: record(name) for name in names}, loads=loads[::-1],
        nights={name: night(name, "failed", "loaded") for name in names}, again=set(), slower=(),
        incremental=set(names[:]), chained=set(names), delivered=Deliveries(3, NOW), raised=(),
        verified={name: Verified(name, NOW, "me", "rows", 1.0, "equal", 9, 0, 0, 0, 0, 0) for name in names}, older=(),
    )  # fmt: skip
    return found._replace(**more)


WELL = {
    "alerts": {"slack": {"webhook": "https://hooks.slack.example/x"}},
    "windows": {"load": "05:00-08:00 UTC"},
}


def goal(found: tuple[Week, ...], number: int, name: str) -> tuple[bool | None, str]:
    """Return whether a goal of a week is met, and its figure."""
    one = next(goal for goal in found[number - 1].goals if goal.name == name)
    return one.met, one.figure


def test_the_weeks_are_those_of_the_guide() -> None:
    """5 critical tables; 128 tables with 60 incremental ones; 212 with audit; all 432."""
    found = weeks(seen())
    assert [len(week.tables) for week in found] == [5, 128, 212, 432]
    assert goal(found, 2, "incremental loads work") == (True, "60 of 60 incremental tables read their changes alone")
    for earlier, later in itertools.pairwise(found):
        assert set(earlier.tables) < set(later.tables)


def test_all_goals_are_met_where_all_is_well() -> None:
    found = weeks(seen(config=config(**WELL)))
    assert [goal for week in found for goal in week.goals if not goal.met] == []
    assert all(week.done for week in found)


@pytest.mark.parametrize(
    ("more", "number", "name", "figure"),
    [
        ({"delivered": Deliveries(0, None)}, 1, "alerts work", "no channel has taken a message in 30 days"),
        ({"nights": {"critical000": night("critical000", "loaded", seconds=301)}}, 1, "loads within their SLA", "0 of 1"),
        ({"nights": {"critical030": night("critical030", "loaded", score=0.9876)}}, 1, "data quality above 99%",
         "the lowest is 98.76%, of critical030"),
        ({"incremental": {"critical000"}}, 2, "incremental loads work", "1 of 60 incremental tables"),
        ({"nights": {"critical000": night("critical000", "failed")}}, 2, "failures recover by themselves", "0 of 1"),
        ({"chained": set()}, 3, "compliance is reported", "0 of 84 audit tables"),
        ({"verified": {}}, 3, "history is validated", "0 of 212 were found equal"),
        ({"last": {"critical000": record("critical000", "failed")}}, 4, "tables load well", "0 of 432"),
        ({"raised": [Raised("drift", 2, 1), Raised("lag", 1, 0)]}, 4, "documentation and runbooks",
         "2 of 3 alerts of 30 days over; they called for schema-changed, nightly; bulketl brings "),
        ({"slower": [("r0", "claim")]}, 4, "performance is stable", "1 table slower than usual"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)  # fmt: skip
def test_a_goal_that_is_not_met_says_by_what_figure(more: dict[str, Any], number: int, name: str, figure: str) -> None:
    met, told = goal(weeks(seen(config=config(**WELL), **more)), number, name)
    assert met is False
    assert figure in told


def test_a_goal_that_cannot_be_told_yet_is_neither_met_nor_missed() -> None:
    found = weeks(seen(loads=[], nights={}, last={}))
    assert goal(found, 1, "data quality above 99%") == (None, "no critical table was loaded yet")
    assert goal(found, 2, "time is optimised")[0] is None
    assert goal(found, 4, "performance is stable")[0] is None
    assert goal(found, 3, "loads are off-peak") == (False, "no window is configured")


def test_the_first_week_has_the_critical_tables_that_come_first() -> None:
    """Those that bulketl serves already, and then by name: promoting others does not undo a week."""
    names = sorted(config().tables)
    owners: dict[str, Owner] = {**dict.fromkeys(names, "legacy"), "critical020": "bulketl"}
    first = weeks(seen(owners=owners))[0]
    assert first.tables == ("critical000", "critical001", "critical002", "critical003", "critical020")
    assert (first.served, first.done) == (1, False)
