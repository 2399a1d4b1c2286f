"""SIGKILL at any moment: whatever comes next, the run resumed or a new one, ends as if nothing had happened.

The moment is a call of a function of bulketl's, drawn from all that a whole load makes, in any of its threads; the others
are then amid whatever they are at, COPY too. BULKETL_TEST_KILLS says how many times.
"""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest
from faults import small_partitions
from kills import killed
from lab import Lab

import bulketl
from bulketl import verify_audit
from bulketl.errors import PlanError

KILLS = int(os.environ.get("BULKETL_TEST_KILLS", "6"))
MIRROR = {"policy": "mirror", "every": "1s"}
RULES: dict[str, dict[str, Any]] = {
    "swapped": {},
    "moment": {"consistency": "snapshot"},
    "settled": {"consistency": "re-read"},
    "merged": {"extraction_strategy": "incremental", "incremental_column": "at", "deletes": MIRROR},
    "chunked": {"extraction_strategy": "chunked_incremental", "incremental_column": "at", "deletes": MIRROR},
    "log": {"table_importance": "audit", "extraction_strategy": "incremental", "incremental_column": "id"},
    **{f"small{n}": {"table_importance": "reference"} for n in range(6)},
}


@pytest.fixture
def clinic(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Tables that are loaded in every way there is, loaded once."""
    small_partitions(monkeypatch, 50)
    for name in RULES:
        maria_lab.mysql(
            f"CREATE TABLE {name} (id int PRIMARY KEY, n int NOT NULL, at datetime NOT NULL, KEY (at))",
            f"INSERT INTO {name} SELECT seq, 0, '2024-01-01' + INTERVAL seq MINUTE FROM seq_1_to_"
            f"{5 if name.startswith('small') else 250}",
        )
    assert maria_lab.load(rules=RULES).summary.outcome == "done"
    return maria_lab


def another_day(lab: Lab, day: int) -> None:
    """Let rows of every table change, come and go; the log only grows."""
    for name in RULES:
        if name != "log":
            lab.mysql(
                f"UPDATE {name} SET n = n + 1, at = '2024-02-01' + INTERVAL {day} DAY + INTERVAL id MINUTE WHERE id % 3 = 0",
                f"DELETE FROM {name} WHERE id = {day}",
            )
        lab.mysql(
            f"INSERT INTO {name} SELECT MAX(id) + 1, {day}, '2024-02-01' + INTERVAL {day} DAY FROM {name}",
            f"INSERT INTO {name} SELECT MAX(id) + 1, {day}, '2024-02-01' + INTERVAL {day} DAY FROM {name}",
        )


def goes_on(lab: Lab) -> None:
    """Resume the run that was killed, or load anew when it had not begun or had ended."""
    try:
        assert bulketl.resume(lab.config(rules=RULES)).outcome == "done"
    except PlanError as refused:
        assert "it ended: done" in refused.message  # noqa: PT017


def test_a_run_that_is_killed_at_any_moment_is_made_good_by_what_follows(clinic: Lab, tmp_path_factory: Any) -> None:
    """Rows are the source's, none twice, audit chains hold, nothing stays staged, no run stays open."""
    path = tmp_path_factory.mktemp("killed") / "tables.yaml"
    path.write_text(json.dumps({"source_tables": RULES}))
    another_day(clinic, 1)
    calls = killed(clinic, str(path), 0)
    dice = random.Random(os.environ.get("BULKETL_TEST_SEED", 7))
    for day in range(2, 2 + KILLS):
        another_day(clinic, day)
        moments = [dice.randint(1, calls)]
        killed(clinic, str(path), moments[-1])
        way = dice.choice(["resume", "again", "killed again"])
        if way == "killed again":
            moments.append(dice.randint(1, calls // 2))
            killed(clinic, str(path), moments[-1], "--resume", "last")
        if way != "again":
            goes_on(clinic)
        # However fast all this was, the next comparison is due.
        clinic.pg("UPDATE bulketl.state SET compared_at = compared_at - interval '1 minute' WHERE schema_name = '{s}'")
        assert clinic.load(rules=RULES).summary.outcome == "done", (day, way, moments)
        wrong = [line for name in RULES for line in clinic.differences(name)]
        assert wrong == [], (day, way, moments)
        assert clinic.staged() == [], (day, way, moments)
        assert [verdict.problem for verdict in verify_audit(clinic.config(rules=RULES))] == [""]
        open_runs = "SELECT run FROM bulketl.run WHERE schema_name = '{s}' AND finished_at IS NULL"
        assert clinic.pg(open_runs) == [], (day, way, moments)
