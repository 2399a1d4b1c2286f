"""Whatever is told of a table says from which source it came and in which schema it is: a name alone is that of many."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab import Lab

import bulketl

RULES: dict[str, Any] = {
    "t": {"casts": {"flag": "boolean"}, "max_rejects": "50%",
          "retention": {"keep": "1y", "by": "at", "action": "delete"}, "deletes": "mirror"},
    "log": {"table_importance": "audit"},
}  # fmt: skip


def test_every_value_that_people_see_of_a_table_names_its_source_and_schema(maria_lab: Lab, tmp_path: Path) -> None:
    """States, rejects, what a retry and a retention did, chains and findings; as plain values too, and in a file."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, flag int, at datetime)", "CREATE TABLE log (id int PRIMARY KEY)",
        "INSERT INTO t VALUES (1, 1, '2001-01-01'), (2, 7, NOW()), (3, 0, NOW())", "INSERT INTO log VALUES (1)",
    )  # fmt: skip
    config = maria_lab.config(rules=RULES)
    source = bulketl.make_plan(config).source
    maria_lab.load(rules=RULES)
    file = tmp_path / "rejects.csv"
    bulketl.export_rejects(config, file)
    told: dict[str, Sequence[Any]] = {
        "states": bulketl.states(config),
        "rejects": bulketl.list_rejects(config),
        "rejected rows": bulketl.show_rejects(config),
        "retries": bulketl.retry_rejects(config),
        "what would leave": bulketl.retain_tables(config),
        "what left": bulketl.retain_tables(config, (), tmp_path),
        "chains": bulketl.verify_audit(config),
        "findings": bulketl.validate(maria_lab.config(rules={**RULES, "nope": {}})),
    }
    for what, found in told.items():
        assert found, what
        for one in found:
            document = json.loads(json.dumps(one.to_json()))
            assert (document["source"], document["schema"]) == (source, maria_lab.schema), what
            assert document["table"], what
    with file.open(newline="", encoding="utf-8") as stream:
        assert [(row["source"], row["schema"], row["table"]) for row in csv.DictReader(stream)] == [
            (source, maria_lab.schema, "t")
        ]


def test_without_a_source_a_retention_names_the_one_that_the_rows_came_from(maria_lab: Lab) -> None:
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, at datetime)", "INSERT INTO t VALUES (1, '2001-01-01')")
    rules = {"t": {"retention": {"keep": "1y", "by": "at", "action": "delete"}}}
    source = maria_lab.load(rules=rules).plan.source
    (found,) = bulketl.retain_tables(maria_lab.config(rules=rules, source=""))
    assert (found.source, found.schema, found.rows) == (source, maria_lab.schema, 1)
