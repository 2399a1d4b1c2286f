"""How the walk of a plan is counted."""

from __future__ import annotations

import pytest

from benchmarks.walk import climbs, floors

LEVELS = {"survey": 6, "plan": 5, "mysql": 5, "config": 4, "rows": 4, "tables": 3, "errors": 2}


@pytest.mark.parametrize(
    ("visits", "expected"),
    [
        ("survey", 0),
        ("survey plan", 0),
        ("survey plan survey", 1),
        ("survey mysql plan", 0),  # beside each other
        ("plan tables plan", 0),  # a value is looked up
        ("plan config tables plan", 0),
        ("plan tables config plan", 0),  # two of them
        ("plan tables survey", 1),
        ("survey config plan tables plan survey", 2),  # config was opened by survey, and plan comes next
        ("plan errors mysql", 1),
    ],
)
def test_a_return_is_a_climb_unless_a_value_was_looked_up(visits: str, expected: int) -> None:
    assert climbs(visits.split(), LEVELS) == expected


def test_the_floors_are_those_of_the_contract() -> None:
    found = floors()
    assert found["errors"] == 1
    assert found["survey"] > found["plan"] == found["mysql"] > found["config"] > found["tables"]
    assert max(found, key=lambda room: found[room]) == "cli"
