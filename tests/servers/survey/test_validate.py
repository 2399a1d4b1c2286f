"""What validate finds beyond one table's rule: rights at the source, zones, and what its fixes do to the file."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.survey.findings import Finding
from bulketl.survey.tablesfile import fixed

STAMPED = "CREATE TABLE t (id int PRIMARY KEY, at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)"
RULE = {"t": {"extraction_strategy": "incremental", "incremental_column": "at", "deletes": "mirror"}}


def found(lab: Lab, **overrides: object) -> list[Finding]:
    return [item for item in bulketl.validate(lab.config(**overrides)) if item.severity != "note"]


@pytest.fixture
def reader(lab: Lab) -> Iterator[tuple[str, str]]:
    """A user who may read the tables of the database, and its URI."""
    lab.mysql(STAMPED, "INSERT INTO t (id) VALUES (1)")
    name = f"r_{secrets.token_hex(4)}"
    lab.server.execute(f"CREATE USER '{name}'@'%' IDENTIFIED BY 'p'")
    lab.server.execute(f"GRANT SELECT ON `{lab.database}`.* TO '{name}'@'%'")
    yield name, lab.server.database(lab.database, name, "p")
    lab.server.execute(f"DROP USER '{name}'@'%'")


@pytest.mark.parametrize("wanted", ["snapshot", "locked"])
def test_a_right_to_lock_that_is_missing_is_found_and_found_no_more_when_it_is_given(
    lab: Lab, reader: tuple[str, str], wanted: str
) -> None:
    """Only where a rule asks for it; nothing is locked to find out."""
    name, uri = reader
    assert found(lab, source=uri, rules={"t": {}}) == []
    assert found(lab, source=uri, rules={"t": {"consistency": wanted, "exclude": True}, "u": {}})[0].table != lab.database
    (finding,) = found(lab, source=uri, rules={"t": {"consistency": wanted}})
    assert (finding.table, finding.severity) == (lab.database, "error")
    assert "right to lock tables" in finding.message
    assert f"GRANT LOCK TABLES ON `{lab.database}`.*" in finding.advice
    lab.server.execute(f"GRANT LOCK TABLES ON `{lab.database}`.* TO '{name}'@'%'")
    assert found(lab, source=uri, rules={"t": {"consistency": wanted}}) == []


def test_the_right_to_reload_is_one_to_lock(lab: Lab, reader: tuple[str, str]) -> None:
    """A load takes FLUSH TABLES WITH READ LOCK then."""
    name, uri = reader
    lab.server.execute(f"GRANT RELOAD ON *.* TO '{name}'@'%'")
    assert found(lab, source=uri, rules={"t": {"consistency": "locked"}}) == []


def test_a_right_that_a_limit_needs_is_found_before_the_night(lab: Lab, reader: tuple[str, str]) -> None:
    """The lag of a replica is told to few."""
    (finding,) = found(lab, source=reader[1], rules={"t": {}}, source_limits={"replica_lag_seconds": 60})
    assert "source_limits.replica_lag_seconds is set, and the user may not ask for it" in finding.message
    assert "REPLICATION CLIENT" in finding.advice


@pytest.mark.parametrize(("policy", "severity"), [("load", "warning"), ("refuse", "error")])
def test_a_watermark_of_another_zone_is_found_and_the_load_does_as_is_said(lab: Lab, policy: str, severity: str) -> None:
    """The server showed its stamps in another zone when the table was loaded."""
    lab.mysql(STAMPED, "INSERT INTO t (id, at) VALUES (1, '2024-01-01')")
    lab.load(rules=RULE)
    assert found(lab, rules=RULE, invalid_watermark=policy) == []
    lab.pg("UPDATE bulketl.state SET cursor_type = 'timestamp in America/Chicago' WHERE schema_name = '{s}'")
    (finding,) = found(lab, rules=RULE, invalid_watermark=policy)
    assert (finding.table, finding.severity) == ("t", severity)
    assert "timestamp in America/Chicago" in finding.message
    plan = bulketl.make_plan(lab.config(rules=RULE, invalid_watermark=policy))
    if policy == "refuse":
        assert [(item.table, item.message) for item in plan.refused] == [("t", finding.message)]
        assert finding.otherwise.startswith("it is not loaded")
    else:
        assert next(plan.loads).spec.whole
        assert "of the last load is a" in finding.message
        assert finding.otherwise == "the next load takes the whole table"


def test_a_cursor_written_in_another_zone_than_the_servers_is_found(lab: Lab) -> None:
    """Declared in the settings."""
    lab.mysql(STAMPED, "INSERT INTO t (id) VALUES (1)")
    (finding,) = found(lab, rules=RULE, timestamp_zone="+03:00")
    assert "is a TIMESTAMP written in +03:00, and the server shows" in finding.message


def test_what_discover_writes_draws_no_error_and_no_warning(lab: Lab, tmp_path: Path) -> None:
    """Tables whose rows come and go have a threshold below 1, and are not scolded for it; others with the same are."""
    lab.mysql(STAMPED, "INSERT INTO t (id) SELECT seq FROM seq_1_to_500" if lab.server.kind == "mariadb" else "DO 0",
              "CREATE TABLE signal_queue (id int AUTO_INCREMENT PRIMARY KEY, c int)",
              "INSERT INTO signal_queue (c) VALUES (1)", *["INSERT INTO signal_queue (c) SELECT 1 FROM signal_queue"] * 9,
              "ANALYZE TABLE signal_queue")  # fmt: skip
    rules = tmp_path / "tables.yaml"
    environ = {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": lab.target, "BULKETL_SCHEMA": lab.schema}
    assert CliRunner().invoke(app, ["discover", "--write", str(rules), "--yes"], env=environ).exit_code == 0
    assert "data_quality_threshold: 0.99" in rules.read_text()
    done = CliRunner().invoke(app, ["validate", "--rules", str(rules), "--json"], env=environ)
    assert [item for item in json.loads(done.stdout) if item["severity"] != "note"] == []
    rules.write_text(rules.read_text().replace("data_quality_threshold: 0.99", "data_quality_threshold: 0.9"))
    done = CliRunner().invoke(app, ["validate", "--rules", str(rules), "--json", "--fix"], env=environ)
    (finding,) = [item for item in json.loads(done.stdout) if item["severity"] == "warning"]
    assert (finding["table"], finding["fix"]) == ("signal_queue", {"monitoring.data_quality_threshold": 0.99})
    assert "data_quality_threshold: 0.99" in rules.read_text()


def test_a_rule_whose_table_is_misspelt_names_the_table_that_is_without_it(lab: Lab) -> None:
    """A misspelt name is the worst of mistakes: what the rule forbids is loaded."""
    lab.mysql("CREATE TABLE patient (id int PRIMARY KEY, ssn int)", "CREATE TABLE claim (id int PRIMARY KEY)")
    by_rule = {item.table: item for item in found(lab, rules={"Patient": {"exclude_columns": ["ssn"]}, "zzz": {}})}
    assert by_rule["Patient"].otherwise == "it is not loaded, and 'patient' is without what the rule says"
    assert by_rule["Patient"].advice.endswith("did you mean 'patient'?")
    assert by_rule["zzz"].advice.endswith("or take its rule out")


def test_new_tables_that_nobody_can_tell_are_said_to_be_loaded(lab: Lab, tmp_path: Path) -> None:
    """`new_tables: report` by itself reports nothing: it takes what discover has noted."""
    lab.mysql("CREATE TABLE good (id int PRIMARY KEY)")
    (finding,) = found(lab, rules={"good": {}}, new_tables="report")
    assert "no catalog.json beside the rules" in finding.message
    assert found(lab, rules={"good": {}}) == []


@pytest.mark.parametrize(
    ("text", "fixes", "expected"),
    [
        ("a: &x\n    n: 1 # one\n  b: *x", {"b": {"n": 2}}, "a:\n    n: 1 # one\n  b:\n    n: 2 # one"),
        ("a: &x\n    n: 1 # one\n  b: *x\n  c: *x", {"a": {"n": 2}}, "a:\n    n: 2 # one\n  b: &x\n    n: 1 # one\n  c: *x"),
        ("a: &x\n    m: {n: 1}\n  b: *x", {"b": {"m.n": 2}}, "a:\n    m: {n: 1}\n  b:\n    m: {n: 2}"),
        ("a:\n    m: &m {n: 1}\n  b:\n    m: *m", {"a": {"m.n": 2}}, "a:\n    m: {n: 2}\n  b:\n    m: {n: 1}"),
        ("a:\n  b: {}", {"a": {"m.n": 2}}, "a:\n    m:\n      n: 2\n  b: {}"),
    ],
)
def test_a_fix_changes_the_table_it_is_for_and_no_other(
    text: str, fixes: dict[str, dict[str, object]], expected: str
) -> None:
    """What an alias stands for is that table's own from then on; a rule that was empty gets its key."""
    assert fixed(f"source_tables:\n  {text}\n", fixes) == f"source_tables:\n  {expected}\n"
