"""Whatever an act returns is a Polars frame by one function, with a row for each table, run or reject."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from lab import Lab

import bulketl


@pytest.fixture
def done(maria_lab: Lab) -> tuple[bulketl.Config, bulketl.Summary]:
    maria_lab.mysql(
        "CREATE TABLE patient (id int PRIMARY KEY, name varchar(20))",
        "INSERT INTO patient SELECT seq, IF(seq = 7, CHAR(0), 'n') FROM seq_1_to_20",
        "CREATE TABLE visit (id int PRIMARY KEY, at date)",
        "INSERT INTO visit SELECT seq, '2024-01-01' FROM seq_1_to_5",
    )
    config = maria_lab.config(nul_bytes="reject", rules={"patient": {"max_rejects": 1}})
    return config, bulketl.load(config, bulketl.make_plan(config))


def test_the_tables_of_a_summary_are_rows(done: tuple[bulketl.Config, bulketl.Summary]) -> None:
    found = bulketl.frame(done[1]).sort("table")
    assert found["table"].to_list() == ["patient", "visit"]
    assert found["rows"].to_list() == [19, 5]
    assert found["rejects"].to_list() == [1, 0]
    assert found["outcome"].to_list() == ["loaded", "loaded"]
    assert found.schema["seconds"] == pl.Float64
    assert found.filter(pl.col("rejects") > 0)["table"].to_list() == ["patient"]


def test_what_any_act_lists_is_a_frame(done: tuple[bulketl.Config, bulketl.Summary]) -> None:
    config, summary = done
    made: dict[str, Any] = {
        "plan": bulketl.make_plan(config),
        "status": bulketl.status(config),
        "verification": bulketl.verify(config),
        "runs": bulketl.runs(config),
        "nights": bulketl.nights(config, "patient").nights,
        "states": bulketl.states(config),
        "rejects": bulketl.list_rejects(config),
        "findings": bulketl.validate(config),
    }
    frames = {name: bulketl.frame(found) for name, found in made.items()}
    assert {name: len(found) for name, found in frames.items() if name not in ("plan", "nights", "findings")} == {
        "status": 2, "verification": 2, "runs": 1, "states": 2, "rejects": 1,
    }  # fmt: skip
    assert frames["plan"]["reason"].to_list() != []
    assert frames["runs"]["run"].to_list() == [summary.run]
    assert frames["rejects"]["rows"].to_list() == [1]
    assert frames["verification"]["equal"].to_list() == [True, True]


def test_nothing_found_is_an_empty_frame_and_what_is_no_result_is_refused() -> None:
    assert bulketl.frame([]).shape == (0, 0)
    with pytest.raises(TypeError, match="int is not a result of bulketl"):
        bulketl.frame([7])
