"""Metrics: what is in the file, that it is whole, and that a run of one tier leaves what is known of the others."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from counted import rows_read
from lab import Lab
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.operations.metrics import GAUGES

Key = tuple[str, ...]
RULES: dict[str, Any] = {
    "patient": {"table_importance": "critical", "max_rejects": 1},
    "odd \\ \"name\"\nx": {"table_importance": "critical"},
    "code": {"table_importance": "reference"},
}  # fmt: skip


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """Tables of two tiers, one with a row that is rejected, one with a name that has to be escaped."""
    maria_lab.mysql(
        "CREATE TABLE patient (id int PRIMARY KEY, born date)",
        "CREATE TABLE code (id int PRIMARY KEY)",
        "INSERT INTO code VALUES (1), (2)",
        'CREATE TABLE `odd \\ "name"\nx` (id int PRIMARY KEY)',
    )
    maria_lab.insert("patient", [(1, "2001-02-03"), (2, "2001-02-03")])
    return maria_lab


def series(text: str) -> dict[Key, float]:
    """Return the values by name, tier and table, or kind."""
    found = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            assert {"source", "schema"} <= one.labels.keys()
            labels = [one.labels[name] for name in ("tier", "table", "kind") if name in one.labels]
            found[(one.name, *labels)] = one.value
    return found


def test_a_run_of_one_tier_keeps_the_series_of_the_others(lab: Lab) -> None:
    lab.load(rules=RULES)
    before = series(bulketl.metrics(lab.config(rules=RULES)))
    lab.mysql("INSERT INTO code VALUES (3)", "INSERT INTO patient VALUES (3, NOW())")
    lab.load(rules=RULES, tiers=["reference"])
    after = series(bulketl.metrics(lab.config(rules=RULES)))
    assert before.keys() <= after.keys()
    critical = {key for key in before if "critical" in key}
    assert {key: before[key] for key in critical} == {key: after[key] for key in critical}
    assert after["bulketl_rows", "critical", "patient"] == 2
    assert (before["bulketl_rows", "reference", "code"], after["bulketl_rows", "reference", "code"]) == (2, 3)
    name = "bulketl_last_success_timestamp_seconds"
    assert after[name, "reference", "code"] > before[name, "reference", "code"] > 1.7e9
    assert after["bulketl_tier_last_success_timestamp_seconds", "critical"] == before[name, "critical", "patient"]
    assert (name, "critical", 'odd \\ "name"\nx') in after
    assert after["bulketl_run_success", "load"] == 1


def test_a_table_that_fails_keeps_when_it_was_last_well(lab: Lab) -> None:
    lab.load(rules=RULES)
    before = series(bulketl.metrics(lab.config(rules=RULES)))
    lab.mysql("UPDATE patient SET born = '0000-00-00'", mode="")
    lab.mysql("ALTER TABLE patient MODIFY born date NOT NULL", mode="")
    strict = {**RULES, "patient": {"table_importance": "critical", "checks": [{"row_count": {"min": 5}}]}}
    lab.load(rules=strict, unforeseen="rows")
    after = series(bulketl.metrics(lab.config(rules=strict)))
    name = "bulketl_last_success_timestamp_seconds"
    assert after[name, "critical", "patient"] == before[name, "critical", "patient"]
    assert after["bulketl_last_load_timestamp_seconds", "critical", "patient"] > after[name, "critical", "patient"]
    assert (after["bulketl_failed", "critical", "patient"], after["bulketl_tier_failed", "critical"]) == (1, 1)
    assert (after["bulketl_run_success", "load"], after["bulketl_run_failed_tables", "load"]) == (0, 1)


def test_a_table_that_never_went_well_has_the_time_zero(lab: Lab) -> None:
    failing = {"code": {"table_importance": "critical", "checks": [{"row_count": {"min": 5}}]}}
    lab.load(rules=failing, tables=["code"], unforeseen="rows")
    found = series(bulketl.metrics(lab.config(rules=failing)))
    assert found["bulketl_last_success_timestamp_seconds", "critical", "code"] == 0


def test_a_table_that_is_left_out_by_decision_has_no_series_any_more(lab: Lab) -> None:
    lab.mysql("CREATE TABLE old (id int PRIMARY KEY)")
    lab.load(rules=RULES)
    lab.mysql("DROP TABLE old")
    without = {**RULES, "code": {"exclude": True}}
    lab.load(rules=without)
    names = {key[-1] for key in series(bulketl.metrics(lab.config(rules=without)))}
    assert "patient" in names
    assert not names & {"code", "old"}


def test_every_gauge_has_a_series_per_table_and_tier(lab: Lab) -> None:
    """A list in the code and not in the test says which there are."""
    lab.load(rules=RULES)
    lab.mysql("UPDATE patient SET born = NOW() WHERE id = 1")
    lab.load(rules=RULES)
    names = {key[0] for key in series(bulketl.metrics(lab.config(rules=RULES)))}
    counted = {"inserted_rows", "updated_rows", "deleted_rows"}  # of loads that merge
    assert {f"bulketl_{gauge.name}" for gauge in GAUGES if gauge.name not in counted} <= names
    assert {f"bulketl_tier_{gauge.name}" for gauge in GAUGES if gauge.name not in counted} <= names


def test_the_file_is_whole_or_as_it_was(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readable for others, without a trace of a write that failed."""
    lab.load(rules=RULES)
    file = tmp_path / "bulketl.prom"
    bulketl.write_metrics(lab.config(metrics={"textfile": str(file)}))
    first = file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o777 == 0o644
    monkeypatch.setattr("os.fsync", lambda _handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(bulketl.ConfigError, match="No space left"):
        bulketl.write_metrics(lab.config(), file)
    assert [path.name for path in tmp_path.iterdir()] == ["bulketl.prom"]
    assert file.read_text(encoding="utf-8") == first


def test_a_file_that_cannot_be_written_fails_no_load(lab: Lab, tmp_path: Path) -> None:
    settings = tmp_path / "bulketl.yaml"
    settings.write_text(f"metrics: {{textfile: {tmp_path}/nowhere/bulketl.prom}}", encoding="utf-8")
    environ = {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": lab.target, "BULKETL_SCHEMA": lab.schema}
    done = CliRunner().invoke(app, ["load", "--config", str(settings)], env=environ)
    assert done.exit_code == 0, done.output
    (tmp_path / "nowhere").mkdir()
    lab.mysql("INSERT INTO code VALUES (4)")
    done = CliRunner().invoke(app, ["load", "--config", str(settings)], env=environ)
    assert done.exit_code == 0
    assert series((tmp_path / "nowhere" / "bulketl.prom").read_text(encoding="utf-8"))["bulketl_run_success", "load"] == 1


def test_promtool_finds_nothing_wrong(lab: Lab) -> None:
    """Debian's, which `nox -s integrations` installs."""
    if (promtool := shutil.which("promtool")) is None:
        assert not os.environ.get("BULKETL_INTEGRATIONS")
        pytest.skip("promtool is not on this machine: nox -s integrations installs it")
    lab.load(rules=RULES)
    text = bulketl.metrics(lab.config(rules=RULES))
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_of_a_year_of_nights_of_432_tables_only_the_last_are_read(lab: Lab) -> None:
    """However many nights are on record: a scan of all of them would read twelve times as many rows."""
    lab.load(rules=RULES)
    ((source,),) = lab.pg("SELECT DISTINCT source FROM bulketl.run WHERE schema_name = '{s}'")
    lab.pg(
        "INSERT INTO bulketl.run (run, host, source, schema_name, zone, plan, document, version, started_at, finished_at,"
        " outcome, summary) SELECT '2020' || lpad(n::text, 4, '0') || '{s}', 'h', %s, '{s}', '', '', '{}', '',"
        " now() - (400 - n) * interval '1 day', now() - (400 - n) * interval '1 day', 'done', '{}'"
        " FROM generate_series(1, 365) n",
        (source,),
    )
    lab.pg(
        "INSERT INTO bulketl.table_load (run, source, schema_name, table_name, tier, outcome, rows, rejects, bytes, seconds,"
        " changed, drift, reason)"
        " SELECT '2020' || lpad(n::text, 4, '0') || '{s}', %s, '{s}', 'table' || t, 'critical', 'loaded', t, 0, 1, 1, '{}',"
        " '[]', ''"
        " FROM generate_series(1, 365) n, generate_series(1, 432) t",
        (source,),
    )
    config = lab.config(rules=RULES)
    before = rows_read(lab.target, "bulketl", "table_load")
    found = series(bulketl.metrics(config))
    read = rows_read(lab.target, "bulketl", "table_load") - before
    assert found["bulketl_tier_tables", "critical"] == 434
    assert 434 <= read < 365 * 432 / 10
