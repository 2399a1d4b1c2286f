"""An error of validate is what a load misses, or a rule that cannot be followed: what is read whole or again is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lab import Lab

import bulketl
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
    """A note where the rule is for many tables, and an error of its own, which cannot be followed; the load is complete."""
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
        assert severities == dict.fromkeys(("stampless", "keyless"), "error" if where == "table" else "note")
        assert {item.table for item in found if item.severity in ("error", "warning")} <= (
            {"stampless", "keyless"} if where == "table" else set()
        )
        assert all(not item.fix for item in found if item.severity == "note" and where != "table")
        summary = bulketl.load(config, bulketl.make_plan(config))
        assert (summary.failed, summary.tables["stampless"].rows, summary.tables["keyless"].rows) == ([], 1, 1)


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
