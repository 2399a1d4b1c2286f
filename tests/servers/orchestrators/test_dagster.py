"""Dagster materializes what a load writes: keys, figures, checks, and a failure where a table failed that blocks."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from lab import Lab

import bulketl
from bulketl.errors import ConfigError

dagster = pytest.importorskip("dagster")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Dagster's own
CHECKS: list[dict[str, Any]] = [
    {"not_null": "born", "severity": "warn"}, {"one_of": "kind", "values": ["a"], "severity": "warn"},
    {"range": "id", "min": 1}, {"range": "id", "max": 99},
]  # fmt: skip
RULES: dict[str, Any] = {
    "patient": {"table_importance": "critical", "checks": CHECKS},
    "visit": {"table_importance": "critical"},
    "log entry": {"table_importance": "reference"},
    "left": {"exclude": True},
}


@pytest.fixture
def clinic(maria_lab: Lab) -> Lab:
    """Two critical tables, one with a value that its rule does not know, and one whose name dbt does not take."""
    maria_lab.mysql(
        "CREATE TABLE patient (id int PRIMARY KEY, kind varchar(20), born date)",
        "INSERT INTO patient VALUES (1, 'a', '1970-01-01'), (2, 'b', '1971-01-01')",
        "CREATE TABLE visit (id int PRIMARY KEY)",
        "INSERT INTO visit VALUES (1)",
        "CREATE TABLE `log entry` (id int PRIMARY KEY)",
        "CREATE TABLE `left` (id int PRIMARY KEY)",
    )
    return maria_lab


def results(done: Any) -> tuple[dict[str, Any], dict[str, bool]]:
    """Return the metadata of each table that was materialized, and whether each check passed."""
    made = {
        event.asset_key.path[-1]: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in done.get_asset_materialization_events()
    }
    checks = {f"{one.asset_key.path[-1]} {one.check_name}": one.passed for one in done.get_asset_check_evaluations()}
    return made, checks


def test_a_tier_is_loaded_and_each_table_tells_its_rows_rejects_and_checks(clinic: Lab) -> None:
    assets = bulketl.dagster_assets(clinic.config(rules=RULES), tiers=["critical"])
    assert {tuple(key.path) for key in assets.keys} == {(clinic.schema, "patient"), (clinic.schema, "visit")}
    done = dagster.materialize([assets])
    assert done.success
    made, checks = results(done)
    assert {name: (told["rows"], told["rejects"]) for name, told in made.items()} == {"patient": (2, 0), "visit": (1, 0)}
    assert made["patient"]["seconds"] > 0
    ((run,),) = clinic.pg("SELECT run FROM bulketl.run WHERE schema_name = '{s}'")
    assert made["visit"]["run"] == run
    ranges = [name for name in checks if name.startswith("patient range_id")]
    assert len(ranges) == 2
    assert {name: passed for name, passed in checks.items() if name not in ranges} == {
        "patient not_null_born": True, "patient one_of_kind": False, "patient rejects": True, "visit rejects": True,
    }  # fmt: skip


def test_one_asset_is_one_table_and_what_is_unchanged_is_no_materialization(clinic: Lab) -> None:
    assets = bulketl.dagster_assets(clinic.config(rules=RULES))
    (odd,) = (key for key in assets.keys if key.path[-1].startswith("log_entry_"))
    assert len(assets.keys) == 3
    done = dagster.materialize([assets], selection=[odd])
    assert list(results(done)[0]) == [odd.path[-1]]
    assert clinic.pg("SELECT DISTINCT table_name FROM bulketl.table_load WHERE run IN"
                     " (SELECT run FROM bulketl.run WHERE schema_name = '{s}')") == [("log entry",)]  # fmt: skip
    assert dagster.materialize([assets]).success
    again = dagster.materialize([assets])
    assert again.success
    unchanged = clinic.pg("SELECT table_name FROM bulketl.table_load t JOIN bulketl.run r USING (run) WHERE"
                          " r.schema_name = '{s}' AND t.outcome = 'unchanged'")  # fmt: skip
    assert unchanged
    assert not {name for (name,) in unchanged} & set(results(again)[0])


def test_keys_are_those_of_the_source_that_dbt_reads(clinic: Lab) -> None:
    import yaml

    config = clinic.config(rules=RULES)
    clinic.load(rules=RULES)
    (source,) = yaml.safe_load(bulketl.dbt_sources(config))["sources"]
    wanted = {(source["name"], table["name"]) for table in source["tables"]}
    assert {tuple(key.path) for key in bulketl.dagster_assets(config).keys} == wanted


def test_a_table_that_failed_fails_the_step_and_the_others_are_told(clinic: Lab) -> None:
    clinic.mysql("INSERT INTO patient VALUES (500, 'a', NULL)")
    assets = bulketl.dagster_assets(clinic.config(rules=RULES))
    done = dagster.materialize([assets], raise_on_error=False)
    assert not done.success
    made, checks = results(done)
    assert set(made) == {"visit", next(name for name in made if name.startswith("log_entry"))}
    assert [name for name, passed in checks.items() if not passed and name.startswith("patient range_id")]
    (failure,) = (event for event in done.all_events if event.event_type_value == "STEP_FAILURE")
    assert "table 'patient' does not pass its checks" in failure.step_failure_data.user_failure_data.description


def test_a_table_that_failed_and_only_warns_fails_no_step(clinic: Lab) -> None:
    clinic.mysql("INSERT INTO patient VALUES (500, 'a', NULL)")
    rules = {**RULES, "patient": {"table_importance": "critical", "checks": CHECKS}}
    assets = bulketl.dagster_assets(clinic.config(rules=rules, failures={"critical": "warn"}))
    done = dagster.materialize([assets])
    assert done.success
    assert "patient" not in results(done)[0]


def test_rules_that_know_no_table_say_what_writes_them(clinic: Lab) -> None:
    with pytest.raises(ConfigError, match="no table for Dagster"):
        bulketl.dagster_assets(clinic.config())


def test_without_dagster_it_is_told_what_to_install(clinic: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dagster", None)
    with pytest.raises(ConfigError, match="Dagster is not installed"):
        bulketl.dagster_assets(clinic.config(rules=RULES))
