"""Retention: old rows leave the target by rule, archived and checked first, and never come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from lab import Lab
from typer.testing import CliRunner

from bulketl import custody
from bulketl.cli import app
from bulketl.errors import PlanError, TargetError
from bulketl.postgres import retention

ARCHIVE = {"retention": {"keep": "7y", "by": "at", "action": "archive"}}


@pytest.fixture
def old(maria_lab: Lab) -> Lab:
    """A table with 40 rows of 2001, 60 of this year and one without a date, of many types."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, at datetime NULL, n decimal(30,10), d double, c varchar(50), b blob, s time)",
        "INSERT INTO t SELECT seq, IF(seq <= 40, '2001-05-06 07:08:09', NOW()), seq / 7, seq / 3, CONCAT('é', seq), X'00ff',"
        " '-12:34:56' FROM seq_1_to_100",
        "INSERT INTO t (id) VALUES (1000)",
    )
    return maria_lab


def count(lab: Lab) -> int:
    return int(lab.pg("SELECT count(*) FROM {s}.t")[0][0])


def retained(lab: Lab, rule: dict[str, Any], folder: Path | None) -> list[retention.Expired]:
    return custody.retain_tables(lab.config(rules={"t": rule}), (), folder)


@pytest.mark.parametrize("strategy", ["full_table", "incremental"])
@pytest.mark.parametrize("tier", ["reference", "audit"])
def test_rows_that_are_archived_leave_and_no_later_load_brings_them_back(
    old: Lab, tmp_path: Path, tier: str, strategy: str
) -> None:
    """Not a load of changes, nor a whole one, nor a comparison; the archive has every value."""
    rule = {**ARCHIVE, "table_importance": tier, "extraction_strategy": strategy, "incremental_column": "at"}
    if tier != "audit":
        rule["deletes"] = "mirror"
    old.load(rules={"t": rule})
    before = old.pg("SELECT id, at, n::text, d, c, b, s::text FROM {s}.t WHERE id <= 40 ORDER BY id")
    ((found),) = retained(old, rule, tmp_path)
    assert (found.rows, found.action, count(old)) == (40, "archive", 61)
    rows = pq.read_table(found.file).to_pylist()
    assert [tuple(row.values()) for row in rows] == before
    old.mysql(
        "UPDATE t SET c = 'other' WHERE id IN (5, 50)", "INSERT INTO t (id, at) VALUES (2000, '2002-01-01'), (2001, NOW())"
    )
    for _ in range(2):
        old.pg("UPDATE bulketl.state SET compared_at = compared_at - interval '2 days' WHERE schema_name = '{s}'")
        done = old.load(rules={"t": rule})
        assert done.summary.outcome == "done", [table.message for table in done.summary.failed]
        assert count(old) == 62
    from bulketl import api

    config = old.config(rules={"t": rule})
    assert api.load(config, api.make_plan(config, full=True)).outcome == "done"
    assert count(old) == 62
    assert [verdict.problem for verdict in custody.verify_audit(config)] == ([""] if tier == "audit" else [])


def test_a_dry_run_changes_nothing(old: Lab, tmp_path: Path) -> None:
    """It says what would leave."""
    old.load()
    ((found),) = retained(old, ARCHIVE, None)
    assert (found.rows, found.column, found.file, count(old)) == (40, "at", "", 101)
    assert list(tmp_path.iterdir()) == []


def test_a_legal_hold_wins(old: Lab, tmp_path: Path) -> None:
    """Whatever the rule says beside it."""
    old.load()
    hold = {"retention": {**ARCHIVE["retention"], "legal_hold": True}}
    ((found),) = retained(old, hold, tmp_path)
    assert (found.action, found.rows, count(old)) == ("kept: legal hold", 40, 101)
    assert list(tmp_path.iterdir()) == []


def test_rows_are_deleted_without_an_archive_where_that_is_declared(old: Lab, tmp_path: Path) -> None:
    """And it is on record."""
    old.load()
    rule = {"retention": {**ARCHIVE["retention"], "action": "delete"}}
    retained(old, rule, tmp_path)
    assert count(old) == 61
    assert old.pg("SELECT rows, action, file FROM bulketl.retained WHERE schema_name = '{s}'") == [(40, "delete", None)]
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_does_not_hold_what_the_table_holds_deletes_nothing(
    old: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One value of one row is enough; no file stays."""
    real = retention._write

    def spoilt(cursor: Any, query: str, path: Path) -> int:
        rows = real(cursor, query, path)
        table = pq.read_table(path)
        values = table.column("c").to_pylist()
        values[17] = "é17 "
        pq.write_table(table.set_column(table.schema.get_field_index("c"), "c", [values]), path)
        return rows

    old.load()
    monkeypatch.setattr(retention, "_write", spoilt)
    with pytest.raises(TargetError, match="does not hold what the table holds"):
        retained(old, ARCHIVE, tmp_path)
    assert count(old) == 101
    assert list(tmp_path.rglob("*.parquet")) == []


@pytest.mark.parametrize(("by", "told"), [("c", "is varchar in the target"), ("nope", "is not there in the target")])
def test_a_retention_that_does_not_fit_the_table_is_refused(old: Lab, tmp_path: Path, by: str, told: str) -> None:
    """By a date only."""
    old.load()
    rule = {"retention": {**ARCHIVE["retention"], "by": by}}
    with pytest.raises(PlanError, match=told):
        retained(old, rule, tmp_path)


def test_an_archive_cannot_be_written_where_nobody_may(old: Lab, tmp_path: Path) -> None:
    """The table stays as it is, and the message says where it was tried."""
    old.load()
    (tmp_path / old.schema).write_text("in the way")
    with pytest.raises(TargetError, match="cannot be archived in"):
        retained(old, ARCHIVE, tmp_path)
    assert count(old) == 101


def test_the_command_asks_for_a_folder_and_prints_what_left(old: Lab, tmp_path: Path) -> None:
    """Exit code 2 without one, 0 with; --json for machines."""
    old.load()
    rules = tmp_path / "tables.yaml"
    rules.write_text(json.dumps({"source_tables": {"t": ARCHIVE}}))
    uri = f"postgresql:///?{'&'.join(part for part in old.target.split())}"
    environment = {"BULKETL_SOURCE": old.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": old.schema}
    command, runner = ["retention", "--rules", str(rules)], CliRunner()
    without = runner.invoke(app, command, env=environment)
    assert (without.exit_code, "no folder is named" in without.stderr) == (2, True)
    done = runner.invoke(app, [*command, "--folder", str(tmp_path), "--json"], env=environment)
    assert [(item["table"], item["rows"]) for item in json.loads(done.stdout)] == [("t", 40)]
