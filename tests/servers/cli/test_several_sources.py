"""Two sources with a file of settings each, into two schemas of one target: nothing of one is told of the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from typer.testing import CliRunner

from bulketl.cli.app import app

SIDES = ("clinic", "billing")


@pytest.fixture
def both(maria_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The first source has a table of two rows, the second a table of the same name with one, and one more."""
    maria_lab.mysql("CREATE TABLE patient (id int PRIMARY KEY)", "INSERT INTO patient VALUES (1), (2)")
    other = f"{maria_lab.database}_other"
    maria_lab.server.execute(f"CREATE DATABASE {other}")
    for statement in (
        "CREATE TABLE patient (id int PRIMARY KEY)",
        "INSERT INTO patient VALUES (7)",
        "CREATE TABLE bill (id int PRIMARY KEY)",
    ):
        maria_lab.server.execute(statement, database=other)
    sources = {"clinic": maria_lab.source, "billing": maria_lab.server.database(other)}
    monkeypatch.setenv("BULKETL_TARGET", maria_lab.target)
    for side in SIDES:
        monkeypatch.setenv(f"{side.upper()}_SOURCE", sources[side])
        (tmp_path / f"{side}.yaml").write_text(
            f"source: ${{{side.upper()}_SOURCE}}\ntarget: ${{BULKETL_TARGET}}\nschema: {maria_lab.schema}_{side}\n"
        )
        (tmp_path / f"{side}-tables.yaml").write_text("source_tables: {}\n")
    monkeypatch.chdir(tmp_path)
    yield maria_lab
    maria_lab.server.execute(f"DROP DATABASE {other}")
    for side in SIDES:
        maria_lab.pg(f"DROP SCHEMA IF EXISTS {maria_lab.schema}_{side} CASCADE")


def called(side: str, *words: str) -> Any:
    rules = ["--rules", f"{side}-tables.yaml"] if words[0] in ("load", "status") else []
    done = CliRunner().invoke(app, [*words, "--config", f"{side}.yaml", *rules, "--json"])
    assert done.exit_code == 0, (side, words, done.output)
    return json.loads(done.stdout)


def test_each_source_has_its_schema_and_its_history(both: Lab) -> None:
    for side in SIDES:
        called(side, "load")
    rows = {side: both.pg(f"SELECT id FROM {both.schema}_{side}.patient ORDER BY 1") for side in SIDES}
    assert rows == {"clinic": [(1,), (2,)], "billing": [(7,)]}
    assert {side: len(called(side, "runs", "list")) for side in SIDES} == {"clinic": 1, "billing": 1}
    assert {side: sorted(one["table"] for one in called(side, "status")["tables"]) for side in SIDES} == {
        "clinic": ["patient"], "billing": ["bill", "patient"],
    }  # fmt: skip
