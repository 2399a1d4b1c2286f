"""An error of validate is what a load refuses, fails at or misses; what is read whole or again is none, and both say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lab import Lab

import bulketl
from bulketl.cli.screens.attention import attention
from bulketl.survey.findings import Finding

INCREMENTAL = {"extraction_strategy": "incremental", "incremental_column": "updated_at"}
CHUNKED = {**INCREMENTAL, "extraction_strategy": "chunked_incremental"}
TABLES = {
    "stamped": "(id int PRIMARY KEY, updated_at datetime NULL, c int, KEY (updated_at))",
    "stampless": "(id int PRIMARY KEY, c int)",
    "keyless": "(c int, updated_at datetime)",
}
ROWS = 20


def told(lab: Lab, table: str, **config: Any) -> list[Finding]:
    return [item for item in bulketl.validate(lab.config(**config)) if item.table == table]


@pytest.mark.parametrize("strategy", [INCREMENTAL, CHUNKED])
@pytest.mark.parametrize("where", ["pattern", "tier", "table"])
def test_a_table_that_is_loaded_whole_in_spite_of_a_rule_for_many_is_no_error(
    maria_lab: Lab, tmp_path: Path, where: str, strategy: dict[str, str]
) -> None:
    """A note where the rule is for many tables, a warning where it is its own; the load says so too, and is complete."""
    lab = maria_lab
    lab.mysql(*(f"CREATE TABLE {table} {columns}" for table, columns in TABLES.items()))
    lab.mysql("INSERT INTO stampless VALUES (1, 1)", "INSERT INTO keyless VALUES (1, NOW())")
    rules = {
        "pattern": {"patterns": {"*": strategy}, "source_tables": {"stamped": {}}},
        "tier": {"tiers": {"reference": strategy}, "source_tables": {table: {} for table in TABLES}},
        "table": {"source_tables": dict.fromkeys(TABLES, strategy)},
    }[where]
    path = tmp_path / "tables.yaml"
    path.write_text(json.dumps(rules), encoding="utf-8")
    environ = {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": lab.target, "BULKETL_SCHEMA": lab.schema}
    config = bulketl.load_config(path, None, environ)
    for _ in range(2):
        found = bulketl.validate(config)
        severities = {item.table: item.severity for item in found if item.otherwise == "every load takes it whole"}
        assert severities == dict.fromkeys(("stampless", "keyless"), "warning" if where == "table" else "note")
        assert {item.table for item in found if item.severity in ("error", "warning")} <= (
            {"stampless", "keyless"} if where == "table" else set()
        )
        assert all(not item.fix for item in found if item.severity == "note" and where != "table")
        summary = bulketl.load(config, bulketl.make_plan(config))
        assert (summary.failed, summary.tables["stampless"].rows, summary.tables["keyless"].rows) == ([], 1, 1)
        said = {item.table: item.unmet for item in summary.tables.values() if item.unmet}
        whole = f"loaded whole, though its rule says {strategy['extraction_strategy']}: it has no "
        lacks = {"stampless": "column 'updated_at', its incremental_column", "keyless": "primary key to merge by"}
        assert said == ({table: whole + what for table, what in lacks.items()} if where == "table" else {})
        assert {text for word, _, text in attention(summary) if word == "rule"} == {
            f"{table}: {text}" for table, text in said.items()
        }


ODD = {  # a value of the cursor, and whether a row that has it and is edited without another arrives
    "NULL": True,
    "'0001-01-01'": True,
    "'0000-00-00'": True,
    "NOW() + INTERVAL 9 YEAR": True,
    "'1900-01-01'": False,
    "'1753-01-01'": False,
}


@pytest.mark.parametrize("compared", [False, True])
@pytest.mark.parametrize("strategy", [INCREMENTAL, CHUNKED])
@pytest.mark.parametrize("value", ODD)
def test_odd_values_of_a_cursor_are_an_error_where_their_rows_are_missed(
    maria_lab: Lab, value: str, strategy: dict[str, str], compared: bool
) -> None:
    lab = maria_lab
    lab.mysql(f"CREATE TABLE stamped {TABLES['stamped']}", mode="")
    lab.mysql(
        f"INSERT INTO stamped SELECT seq, IF(seq > 4, {value}, NOW() - INTERVAL 1 DAY), 1 FROM seq_1_to_{ROWS}", mode=""
    )
    rules = {"stamped": {**strategy, "deletes": "mirror" if compared else "ignore"}}
    (found,) = [item for item in told(lab, "stamped", rules=rules) if item.kind == "doubtful cursor"]
    assert found.severity == ("warning" if ODD[value] or compared else "error")
    assert ("none is missed" in found.otherwise) == ODD[value]
    if compared:
        return
    assert lab.load(rules=rules).summary.failed == []
    lab.mysql(f"UPDATE stamped SET c = 2 WHERE id = {ROWS}")
    lab.load(rules=rules)
    assert lab.pg(f"SELECT c FROM {{s}}.stamped WHERE id = {ROWS}") == [(2 if ODD[value] else 1,)]


@pytest.mark.parametrize("rule", [{}, INCREMENTAL, CHUNKED])
def test_a_key_that_a_rule_excludes_is_told_by_validate_and_by_each_load(maria_lab: Lab, rule: dict[str, Any]) -> None:
    """The table is loaded without it, and whole, each time."""
    lab = maria_lab
    lab.mysql(f"CREATE TABLE stamped {TABLES['stamped']}", f"INSERT INTO stamped SELECT seq, NOW(), 1 FROM seq_1_to_{ROWS}")
    rules = {"stamped": {**rule, "exclude_columns": ["id"]}}
    for night in range(2):
        found = [item for item in told(lab, "stamped", rules=rules) if "its rule excludes id" in item.message]
        assert [item.severity for item in found] == ["warning"]
        table = lab.load(rules=rules).summary.tables["stamped"]
        assert ("excludes id" if not rule else "its rule excludes columns of its key") in table.unmet
        assert lab.pg("SELECT count(*), max(c) FROM {s}.stamped") == [(ROWS + night, 1 + night)]
        lab.mysql(f"INSERT INTO stamped VALUES ({ROWS + 1 + night}, NOW(), 2)")


@pytest.mark.parametrize("policy", ["ignore", "mark", "fail"])
@pytest.mark.parametrize("columns", ["(c int)", "(id int PRIMARY KEY, c int)"])
def test_a_policy_that_needs_a_key_is_refused_before_the_first_load_of_a_table_without_one(
    maria_lab: Lab, policy: str, columns: str
) -> None:
    """And not in the second night, when there are rows to be merged."""
    maria_lab.mysql(f"CREATE TABLE t {columns}")
    rules = {"t": {"deletes": policy, "exclude_columns": ["id"] if "id" in columns else []}}
    (found,) = (item for item in told(maria_lab, "t", rules=rules) if item.severity == "error")
    assert f"has deletes: {policy} and no key" in found.message
    (failed,) = maria_lab.load(rules=rules).summary.failed
    assert (found.message, found.advice) == (failed.message, failed.hint)


@pytest.mark.parametrize(("column", "lookback"), [("updated_at", 3), ("id", "2h")])
def test_a_lookback_of_another_kind_than_its_cursor_is_refused_before_the_first_load(
    maria_lab: Lab, column: str, lookback: int | str
) -> None:
    """It would count from the second load on."""
    maria_lab.mysql(f"CREATE TABLE stamped {TABLES['stamped']}", "INSERT INTO stamped VALUES (1, NOW(), 1)")
    rules = {"stamped": {**INCREMENTAL, "incremental_column": column, "lookback": lookback}}
    (found,) = (item for item in told(maria_lab, "stamped", rules=rules) if item.kind == "refused")
    assert "has lookback" in found.message
    (failed,) = maria_lab.load(rules=rules).summary.failed
    assert (found.message, found.advice) == (failed.message, failed.hint)


@pytest.mark.parametrize("audited", [False, True])
def test_edits_that_an_audited_table_does_not_take_are_no_error_of_its_cursor(maria_lab: Lab, audited: bool) -> None:
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, created_at datetime, c int)", "INSERT INTO t VALUES (1, NOW(), 1)")
    rules = {
        "t": {**INCREMENTAL, "incremental_column": "created_at", "table_importance": "audit" if audited else "critical"}
    }
    (found,) = (item for item in told(maria_lab, "t", rules=rules) if item.kind == "cursor without edits")
    assert found.severity == ("warning" if audited else "error")
