"""`bulketl dbt sources`: what it says of tables and checks, and that dbt itself reads it before, during and after loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from lab import Lab
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.errors import PlanError

DBT = os.environ.get("BULKETL_DBT", "")
RULES: dict[str, Any] = {
    "patient": {
        "table_importance": "critical",
        "checks": [
            {"not_null": "born"}, {"one_of": "kind", "values": ["a", "b"], "severity": "warn"}, {"unique": "the Code"},
            {"one_of": "flag", "values": [0, 1]},
        ],
    },
    "visit": {"checks": [{"foreign_key": "patient", "to": "patient.id", "severity": "fail"}, {"range": "fee", "min": 0}]},
    "odd {{ env_var('HOME') }}": {"table_importance": "audit"},
}  # fmt: skip
MODELS = {
    "stg_patient": "select id, kind, born from {{ source('SCHEMA', 'patient') }}",
    "stg_visit": "select id, patient, fee from {{ source('SCHEMA', 'visit') }}",
    "visits": "select p.kind, v.fee from {{ ref('stg_visit') }} v join {{ ref('stg_patient') }} p on p.id = v.patient",
    "fees": "{{ config(materialized='table') }} select kind, sum(fee) as fees from {{ ref('visits') }} group by 1",
    "total": "{{ config(materialized='table') }} select count(*) as kinds, sum(fees) as fees from {{ ref('fees') }}",
}


@pytest.fixture
def clinic(maria_lab: Lab) -> Lab:
    """Patients and visits, loaded."""
    maria_lab.mysql(
        "CREATE TABLE patient (id int PRIMARY KEY, kind varchar(5), born date, `the Code` int, flag tinyint)",
        "INSERT INTO patient SELECT seq, IF(seq % 2, 'a', 'b'), '1970-01-01', seq, 1 FROM seq_1_to_40",
        "CREATE TABLE visit (id int PRIMARY KEY, patient int NOT NULL, fee decimal(8,2))",
        "INSERT INTO visit SELECT seq, 1 + seq % 40, 10 FROM seq_1_to_400",
        "CREATE TABLE `odd {{ env_var('HOME') }}` (id int PRIMARY KEY)",
        "INSERT INTO `odd {{ env_var('HOME') }}` VALUES (1)",
    )
    assert maria_lab.load(rules=RULES).summary.outcome == "done"
    return maria_lab


def tables_of(text: str) -> dict[str, Any]:
    (source,) = yaml.safe_load(text)["sources"]
    return {table["name"]: table for table in source["tables"]}


def test_types_tests_and_freshness_come_from_the_tables_and_their_rules(clinic: Lab) -> None:
    """What dbt's own tests cannot say is left to bulketl, which has checked it."""
    found = tables_of(bulketl.dbt_sources(clinic.config(rules=RULES), ["patient", "visit"]))
    columns = {column["name"]: column for column in found["patient"]["columns"]}
    assert {name: column["data_type"] for name, column in columns.items()} == {
        "id": "integer", "kind": "varchar(5)", "born": "date", "the Code": "integer", "flag": "smallint",
    }  # fmt: skip
    assert columns["id"]["data_tests"] == ["unique", "not_null"]
    assert columns["born"]["data_tests"] == [{"not_null": {"config": {"severity": "error"}}}]
    assert columns["kind"]["data_tests"] == [
        {"accepted_values": {"arguments": {"values": ["a", "b"]}, "config": {"severity": "warn"}}}
    ]
    assert columns["flag"]["data_tests"][0]["accepted_values"]["arguments"] == {"values": [0, 1], "quote": False}
    (pointed,) = next(c for c in found["visit"]["columns"] if c["name"] == "patient")["data_tests"]
    assert pointed["relationships"]["arguments"] == {
        "to": f"source({clinic.schema!r}, 'patient')", "field": '"id"',
    }  # fmt: skip
    assert "data_tests" not in next(c for c in found["visit"]["columns"] if c["name"] == "fee")
    assert found["patient"]["config"]["freshness"] == {"error_after": {"count": 36, "period": "hour"}}
    assert found["visit"]["config"]["freshness"] == {"warn_after": {"count": 8, "period": "day"}}


def test_a_table_is_as_fresh_as_the_last_load_that_read_it_or_proved_it_unchanged(maria_lab: Lab) -> None:
    """Of certified loads only where that is asked for, and what was unchanged since one."""

    maria_lab.mysql("CREATE TABLE fee (id int PRIMARY KEY, cents int)", "INSERT INTO fee VALUES (1, 10), (2, 20)")
    maria_lab.load()

    def fresh(*, certified: bool) -> Any:
        text = bulketl.dbt_sources(maria_lab.config(), ["fee"], certified=certified)
        return maria_lab.pg(tables_of(text)["fee"]["config"]["loaded_at_query"])[0][0]

    def began() -> Any:
        return maria_lab.pg("SELECT max(started_at) FROM bulketl.run WHERE schema_name = '{s}'")[0][0]

    assert fresh(certified=False) == began()
    assert fresh(certified=True) is None
    maria_lab.mysql("UPDATE fee SET cents = 11 WHERE id = 1")
    maria_lab.load(certify=True)
    certified = began()
    assert fresh(certified=True) == certified
    same = maria_lab.load().summary.run
    assert maria_lab.pg("SELECT outcome FROM bulketl.table_load WHERE (run, table_name) = (%s, 'fee')", [same]) == [
        ("unchanged",)
    ]
    assert fresh(certified=True) == fresh(certified=False) == began() != certified
    maria_lab.mysql("UPDATE fee SET cents = 12 WHERE id = 1")
    before = began()
    maria_lab.load()
    assert fresh(certified=True) == before
    assert fresh(certified=False) == began()


def test_what_is_not_loaded_is_no_source(maria_lab: Lab) -> None:
    """Neither before the first load nor by another name."""
    with pytest.raises(PlanError, match=r"no table in schema .* is on record as loaded"):
        bulketl.dbt_sources(maria_lab.config())


def test_a_file_of_somebody_elses_is_not_overwritten(clinic: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what bulketl wrote is written anew."""
    monkeypatch.chdir(tmp_path)
    environ = {"BULKETL_SOURCE": clinic.source, "BULKETL_TARGET": clinic.target, "BULKETL_SCHEMA": clinic.schema}
    (tmp_path / "own.yml").write_text("version: 2\n")

    def write(name: str) -> Any:
        return CliRunner().invoke(app, ["dbt", "sources", "--write", name], env=environ)

    refused = write("own.yml")
    assert (refused.exit_code, (tmp_path / "own.yml").read_text()) == (2, "version: 2\n")
    assert "did not write it" in refused.stderr
    assert [write("sources.yml").exit_code for _ in range(2)] == [0, 0]
    found = tables_of((tmp_path / "sources.yml").read_text())
    assert found["odd_env_var_HOME_ab03e7"]["identifier"] == "odd {{ '{' }}{ env_var('HOME') }}"
    assert len(found) == 3


@pytest.fixture
def project(clinic: Lab, tmp_path: Path) -> Path:
    """A project of dbt with five models over the loaded tables."""
    parts = conninfo_to_dict(clinic.target)
    login = {
        "type": "postgres", "host": parts.get("host", "127.0.0.1"), "port": int(parts.get("port") or 5432),
        "user": parts["user"], "password": parts.get("password", "any"), "dbname": parts["dbname"],
        "schema": f"{clinic.schema}_models", "threads": 2,
    }  # fmt: skip
    (tmp_path / "models").mkdir()
    (tmp_path / "profiles.yml").write_text(yaml.safe_dump({"clinic": {"target": "dev", "outputs": {"dev": login}}}))
    (tmp_path / "dbt_project.yml").write_text(
        yaml.safe_dump(
            {
                "name": "clinic", "version": "1.0.0", "profile": "clinic", "model-paths": ["models"],
                "flags": {"send_anonymous_usage_stats": False, "require_generic_test_arguments_property": True},
            }
        )
    )  # fmt: skip
    for name, text in MODELS.items():
        (tmp_path / "models" / f"{name}.sql").write_text(text.replace("SCHEMA", clinic.schema))
    (tmp_path / "models" / "sources.yml").write_text(bulketl.dbt_sources(clinic.config(rules=RULES)))
    return tmp_path


def dbt(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "DO_NOT_TRACK": "1", "DBT_PROFILES_DIR": str(project)}
    return subprocess.run(
        [DBT, "--no-use-colors", *words], cwd=project, env=environ, capture_output=True, text=True, timeout=250
    )


def ended(done: subprocess.CompletedProcess[str], code: int = 0) -> str:
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not DBT, reason="`nox -s dbt` has dbt")
def test_a_project_of_dbt_is_built_before_during_and_after_a_reload(clinic: Lab, project: Path) -> None:
    """Views on the tables survive, tests pass, and no build sees a table that is missing or half full."""
    assert "PASS=" in ended(dbt(project, "build"))
    answers: list[tuple[int, int]] = []
    environ = {"BULKETL_SOURCE": clinic.source, "BULKETL_TARGET": clinic.target, "BULKETL_SCHEMA": clinic.schema}
    load = "import os, bulketl; config = bulketl.load_config(None, None, os.environ)\n"
    load += "for _ in range(6): bulketl.load(config, bulketl.make_plan(config, full=True))"
    with subprocess.Popen([sys.executable, "-c", load], env={**os.environ, **environ}) as loading:
        while loading.poll() is None:
            with psycopg.connect(clinic.target) as connection:
                answers += connection.execute(
                    f"SELECT count(*), sum(fee)::int FROM {clinic.schema}_models.visits"
                ).fetchall()
            if len(answers) == 5:
                ended(dbt(project, "build"))
    assert loading.returncode == 0
    assert set(answers) == {(400, 4000)}
    ended(dbt(project, "build"))
    assert clinic.pg(f"SELECT kinds, fees::int FROM {clinic.schema}_models.total") == [(2, 4000)]


@pytest.mark.skipif(not DBT, reason="`nox -s dbt` has dbt")
def test_dbt_asks_the_ledger_how_fresh_each_table_is(clinic: Lab, project: Path) -> None:
    """A table whose last good load is too long ago is an error where its tier says so, and a warning elsewhere."""
    ended(dbt(project, "source", "freshness"))
    clinic.pg("UPDATE bulketl.run SET started_at = started_at - interval '10 days' WHERE schema_name = '{s}'")
    ended(dbt(project, "source", "freshness"), 1)
    document = json.loads((project / "target" / "sources.json").read_text())
    states = {one["unique_id"].rpartition(".")[2]: one["status"] for one in document["results"]}
    assert states == {"patient": "error", "visit": "warn", "odd_env_var_HOME_ab03e7": "warn"}


@pytest.mark.skipif(not DBT, reason="`nox -s dbt` has dbt")
def test_a_check_that_fails_fails_in_dbt_too(clinic: Lab, project: Path) -> None:
    """By its severity: patient 7 is gone, and visits point to it; a kind is none of the two."""
    clinic.pg("DELETE FROM {s}.patient WHERE id = 7; UPDATE {s}.patient SET kind = 'z' WHERE id = 8")
    said = ended(dbt(project, "test"), 1)
    assert "WARN=1" in said
    assert "ERROR=1" in said
    assert "FAIL 10 source_relationships" in said
    used: Sequence[str] = [line for line in said.splitlines() if "deprecat" in line.lower() and "version of dbt" not in line]
    assert not used, used
