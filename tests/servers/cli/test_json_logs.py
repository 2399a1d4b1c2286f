"""The log as lines of JSON: what they hold, that a person may ask for them, and that nobody who does not pays for them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lab import Lab

import bulketl
from bulketl.loading.telling import KINDS

CLOSED = {*KINDS, "said", "note", "error"}


def command(lab: Lab, *words: str, **environ: str) -> tuple[int, str, list[dict[str, Any]]]:
    """Run the command line; return its exit code, standard output, and the lines of standard error."""
    root = Path(bulketl.__file__).parents[1]
    known = {
        "PYTHONPATH": str(root),
        "BULKETL_SOURCE": lab.source,
        "BULKETL_TARGET": lab.target,
        "BULKETL_SCHEMA": lab.schema,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bulketl", *words],
        env={**os.environ, **known, **environ}, capture_output=True, text=True, timeout=120, check=False, cwd="/",
    )  # fmt: skip
    return done.returncode, done.stdout, [json.loads(line) for line in done.stderr.splitlines()]


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """A table that is loaded and one that its target refuses, by a trigger whose words quote the row."""
    maria_lab.mysql(
        "CREATE TABLE good (id int PRIMARY KEY, c varchar(20))",
        "INSERT INTO good VALUES (1, 'a')",
        "CREATE TABLE bad (id int PRIMARY KEY, c varchar(20))",
        "INSERT INTO bad VALUES (1, 'KARLSSON')",
    )
    maria_lab.load()
    maria_lab.pg(
        "CREATE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'no %', NEW.c USING DETAIL = NEW; END$$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON {s}.bad FOR EACH ROW EXECUTE FUNCTION {s}.refuse()"
    )
    maria_lab.mysql("INSERT INTO good VALUES (2, 'b')", "INSERT INTO bad VALUES (2, 'KARLSSON')")
    return maria_lab


def test_every_line_is_a_typed_event_with_its_run_and_table(lab: Lab) -> None:
    code, printed, lines = command(lab, "load", "--log-format", "json")
    assert code == 3
    assert "1 failed, 1 loaded" in printed
    assert all(list(line)[:5] == ["at", "level", "event", "run", "table"] for line in lines)
    assert {line["event"] for line in lines} <= CLOSED
    began = next(n for n, line in enumerate(lines) if line["event"] == "run_started")
    assert {line["run"] for line in lines[began:]} == {lines[began]["run"]}
    assert lines[began]["tables"] == 2
    assert [line["rows"] for line in lines if (line["event"], line["table"]) == ("table_published", "good")] == [2]
    (failed,) = [line for line in lines if line["event"] == "table_failed"]
    assert (failed["level"], failed["table"]) == ("error", "bad")
    assert failed["message"] == "table 'bad': 1 row rejected, and max_rejects is 0: SQLSTATE P0001"
    assert "KARLSSON" not in json.dumps(lines)


def test_words_of_a_server_are_in_lines_of_level_debug_only(lab: Lab) -> None:
    code, _, lines = command(lab, "load", BULKETL_LOG="json,debug")
    assert code == 3
    said = [line for line in lines if "KARLSSON" in json.dumps(line)]
    assert {(line["event"], line["level"]) for line in said} == {("said", "debug")}
    assert said[-1]["table"] == "bad"


def test_an_error_that_ends_a_command_is_a_line_too(lab: Lab) -> None:
    code, _, lines = command(lab, "load", "--tables", "nobody", BULKETL_LOG="json")
    assert code == 2
    assert [(line["event"], line["kind"]) for line in lines if line["level"] == "error"] == [("error", "PlanError")]
    code, _, lines = command(lab, "state", "list", BULKETL_TARGET="postgresql://x@127.0.0.1:1/x", BULKETL_LOG="json")
    assert code == 1
    assert [line["event"] for line in lines] == ["note", "note", "note", "error"]  # three more attempts
    assert not [line for line in lines if "refused" in json.dumps(line)]


def test_retention_and_repair_tell_their_events_too(lab: Lab) -> None:
    lab.pg("DELETE FROM {s}.good")
    code, _, lines = command(lab, "verify", "--tables", "good", "--repair", BULKETL_LOG="json")
    assert code == 0
    told = [line["event"] for line in lines if line["event"] != "note"]
    assert told == ["run_started", "table_started", "table_done", "run_ended"]


def test_a_notebook_hears_of_events_by_the_logger_only_if_it_listens(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    lab.load(tables=["good"])
    assert not [record for record in caplog.records if record.name == "bulketl.events"]
    logger = logging.getLogger("bulketl.events")
    logger.addHandler(caplog.handler)
    logger.setLevel("INFO")
    try:
        done = bulketl.load(lab.config(), bulketl.make_plan(lab.config(), tables=["good"]))
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel("NOTSET")
    kinds = [record.getMessage() for record in caplog.records if record.name == "bulketl.events"]
    assert kinds[0] == "run_started"
    assert kinds[-1] == "run_ended"
    assert {getattr(record, "run", "") for record in caplog.records if record.name == "bulketl.events"} == {done.run}


@pytest.mark.parametrize("words", [("--help",), ("load", "--help"), ("casts",)])
def test_nothing_of_logs_and_metrics_is_imported_unless_it_is_asked_for(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bulketl", *words], capture_output=True, text=True, timeout=60, check=True
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert not imported & {"structlog", "prometheus_client", "opentelemetry"}


def test_another_form_is_a_wrong_request(lab: Lab) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bulketl", "--version"],
        env={**os.environ, "BULKETL_LOG": "xml"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: BULKETL_LOG has 'xml'")
