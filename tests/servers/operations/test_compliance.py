"""The compliance report on real servers: what is complete is said to be, what was altered, lost or not asked is told."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, execute

import bulketl
from bulketl import Config
from bulketl.operations.reports.compliance import Compliance, compliance
from bulketl.operations.reports.period import ReportPeriod
from bulketl.postgres.ledger.audits import note_report
from bulketl.postgres.server import Postgres

RULES: dict[str, Any] = {
    "log": {"table_importance": "audit", "extraction_strategy": "incremental", "incremental_column": "at"},
    "old": {
        "table_importance": "audit",
        "extraction_strategy": "incremental",
        "incremental_column": "at",
        "retention": {"keep": "7y", "by": "at", "action": "archive"},
        "mask": {"c": "null"},
    },
    "other": {"table_importance": "audit"},
    "plain": {"table_importance": "reference"},
}


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """Two audit tables, one that is not loaded yet, one of another tier."""
    for table in ("log", "old", "plain"):
        maria_lab.mysql(
            f"CREATE TABLE {table} (id int PRIMARY KEY, at datetime NOT NULL, c varchar(20), KEY (at))",
            f"INSERT INTO {table} SELECT seq, NOW() - INTERVAL 10 DAY, 'v' FROM seq_1_to_500",
        )
    maria_lab.mysql("INSERT INTO old VALUES (1001, '2001-01-01', 'x')", "DELETE FROM log WHERE id IN (7, 8)")
    maria_lab.load(rules=RULES, mask_key="0123456789abcdef" * 4)
    return maria_lab


def keyed(lab: Lab, **more: Any) -> Config:
    return lab.config(rules=RULES, mask_key="0123456789abcdef" * 4, **more)


def reported(lab: Lab, **more: Any) -> Compliance:
    now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    return compliance(keyed(lab, **more), ReportPeriod(now - dt.timedelta(days=31), now, now))


def test_tables_that_are_complete_and_unaltered_are_said_to_be(lab: Lab) -> None:
    """With what there is to know of each: rows, links, numbers that its key lacks, retention, masks, who ran what."""
    report = reported(lab)
    assert report.headline == "All 2 audit tables are complete; all 2 chains verify."
    log, old = report.tables
    assert (log.faults, log.changes, log.record.links, log.counts and log.counts.there) == ((), (), 1, 498)
    assert log.continuity == "2 numbers missing; the source lacks them too, by both counts"
    assert (old.retention, old.held, old.masks) == ("kept 7 years by at, then archived", False, ("c: null",))
    assert report.unaudited == ("other",)
    assert [(one.kind, one.rules, one.runs, one.well) for one in report.ran] == [("load", keyed(lab).fingerprint, 1, 1)]
    assert json.loads(json.dumps(report.to_json()))["headline"] == report.headline


def test_what_the_source_did_to_rows_is_counted_and_no_fault(lab: Lab, tmp_path: Path) -> None:
    """Nor is what retention took."""
    lab.mysql("DELETE FROM log WHERE id = 9", "UPDATE log SET c = 'w', at = NOW() WHERE id IN (10, 11)")
    config = keyed(lab)
    bulketl.load(config, bulketl.make_plan(config, tables=["log"], full=True))
    bulketl.retain_tables(config, ["old"], tmp_path)
    report = reported(lab)
    assert report.faulty == []
    assert report.tables[0].changes == ("2 rows changed at the source", "1 row deleted at the source")
    assert [(one.table, one.rows, one.action) for one in report.shortened] == [("old", 1, "archive")]


def test_what_somebody_else_did_in_the_target_is_told_first(lab: Lab) -> None:
    lab.pg("UPDATE {s}.log SET c = 'forged' WHERE id = 3")
    report = reported(lab)
    assert report.headline.startswith("1 of 2 audit tables is complete; 1 of 2 chains verifies")
    assert "rows in it are not as they were loaded" in report.faulty[0].faults[0]


def test_rows_that_the_target_lacks_and_a_load_that_failed_are_told(lab: Lab) -> None:
    lab.pg("DELETE FROM {s}.log WHERE id = 3")
    lab.pg("DROP TABLE {s}.old")
    found = {one.table: one.faults for one in reported(lab).tables}
    assert any("the target lacks 1 row of the source" in fault for fault in found["log"])
    assert any("the table is gone" in fault for fault in found["old"])


def test_without_its_source_completeness_is_not_claimed(lab: Lab) -> None:
    """The chains are verified all the same."""
    report = reported(lab, source="mysql://root@127.0.0.1:1/nowhere")
    assert report.headline.startswith("Completeness is not known, because the source was not counted: ")
    assert report.headline.endswith("all 2 chains verify.")
    assert report.tables[0].continuity == "2 numbers missing; not compared with the source"


def test_a_report_is_noted_in_the_chains_and_they_still_verify(lab: Lab) -> None:
    """Before and after the next load; a chain that has ended gets nothing."""
    config = keyed(lab)
    with Postgres.of(config).connect() as connection:
        assert note_report(connection, lab.schema, ["log", "old"], "r1", "ab" * 32) == 2
    assert [one.problem for one in bulketl.verify_audit(config)] == ["", ""]
    lab.mysql("INSERT INTO log VALUES (2000, NOW(), 'new')")
    bulketl.load(config, bulketl.make_plan(config))
    assert [(one.problem, one.entries) for one in bulketl.verify_audit(config, ["log"])] == [("", 3)]
    lab.pg("UPDATE bulketl.audit_chain SET hash = ARRAY[1, 2, 3, 4] WHERE kind = 'report' AND table_name = 'log'")
    (altered,) = bulketl.verify_audit(config, ["log"])
    assert "entry 2 of its chain" in altered.problem


def test_an_empty_ledger_has_no_audited_table(maria_lab: Lab) -> None:
    execute(maria_lab.target, "SELECT 1")
    report = reported(maria_lab)
    assert (report.headline, report.tables) == ("No table is audited.", ())
