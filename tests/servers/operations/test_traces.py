"""Traces: real spans at a collector of the tests' own, and collectors that are down, which cost five seconds and no run."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from collector import collecting
from faults import small_partitions
from lab import Lab
from waiting import NEVER, SECONDS, until
from web import closed, drip, hang, talking

import bulketl
from bulketl.operations.traces import traced

RULES: dict[str, Any] = {"big": {"table_importance": "critical"}}


@pytest.fixture
def lab(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table of several partitions, a small one, and one that its target refuses with words that quote the row."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql(
        "CREATE TABLE big (id int PRIMARY KEY, c varchar(20))",
        "INSERT INTO big SELECT seq, 'row' FROM seq_1_to_200",
        "CREATE TABLE small (id int PRIMARY KEY)",
        "INSERT INTO small VALUES (1)",
        "CREATE TABLE bad (id int PRIMARY KEY, c varchar(20))",
        "INSERT INTO bad VALUES (1, 'KARLSSON')",
    )
    return maria_lab


@pytest.fixture(autouse=True)
def _environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to arrive has time to."""
    monkeypatch.setattr("bulketl.operations.traces.FLUSH_SECONDS", SECONDS)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")


def load(lab: Lab, monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> tuple[bulketl.Summary, float]:
    """Load with what the environment asks for; return how long the end of the traces took, too."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    config = lab.config(rules=RULES)
    plan = bulketl.make_plan(config)
    with traced(environ) as trace:
        summary = bulketl.load(config, plan, [trace] if trace else [])
        ended = time.monotonic()
    return summary, time.monotonic() - ended


def test_a_span_per_run_table_and_step_arrives(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        summary, _ = load(lab, monkeypatch, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    (run,) = collector.named("bulketl load")
    assert (run.values["bulketl.run"], run.values["bulketl.tables"], run.parent) == (summary.run, 3, b"")
    tables = [span for span in collector.spans if span.parent == run.number]
    assert {span.name for span in tables} == {"table big", "table small", "table bad"}
    (big,) = collector.named("table big")
    assert (big.values["bulketl.rows"], big.values["bulketl.tier"]) == (200, "critical")
    steps = [span for span in collector.spans if span.parent == big.number]
    copies = [span for span in steps if span.name == "copy"]
    assert sum(span.values["bulketl.rows"] for span in copies) == 200
    assert len(copies) > 2
    assert [span.name for span in steps if span.name != "copy"] == ["publish"]
    assert {span.trace for span in collector.spans} == {run.trace}
    assert collector.resource["service.name"] == "bulketl"
    assert (collector.figures["bulketl.rows"], collector.figures["bulketl.tables"]) == (202, 3)
    assert collector.figures["bulketl.table.duration"] == 3


def test_a_table_that_fails_is_a_span_that_failed_without_a_servers_words(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.load(rules=RULES)
    lab.pg("ALTER TABLE {s}.bad ADD CONSTRAINT no CHECK (c <> 'KARLSSON') NOT VALID")
    lab.mysql("INSERT INTO bad VALUES (2, 'KARLSSON')")
    with collecting() as collector:
        load(lab, monkeypatch, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    (bad,) = collector.named("table bad")
    assert (bad.failed, bad.why) == (True, "table 'bad': 1 row rejected, and max_rejects is 0: SQLSTATE 23514")
    assert b"KARLSSON" not in b"".join(collector.raw)


def test_the_run_is_part_of_the_trace_that_the_environment_names(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with collecting() as collector:
        load(
            lab, monkeypatch,
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces", "TRACEPARENT": parent,
             "OTEL_SERVICE_NAME": "nightly"},
        )  # fmt: skip
    (run,) = collector.named("bulketl load")
    assert (run.parent.hex(), run.trace.hex()) == ("b7ad6b7169203331", "0af7651916cd43dd8448eb211c80319c")
    assert collector.resource["service.name"] == "nightly"
    assert not collector.figures  # only traces were asked for


@pytest.mark.parametrize("environ", [
    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
    {"OTEL_SERVICE_NAME": "x"},
])  # fmt: skip
def test_nothing_is_sent_unless_it_is_asked_for(environ: dict[str, str]) -> None:
    with traced(environ) as trace:
        assert trace is None


@pytest.mark.parametrize("how", ["nobody", "silent", "slow", "refusing"])
def test_a_collector_that_is_down_costs_five_seconds_at_most_and_no_run(
    how: str, lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Told of in one line, and no thread goes on; by itself the library would try again for minutes."""
    before = set(threading.enumerate())
    monkeypatch.setattr("bulketl.operations.traces.FLUSH_SECONDS", 5.0)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "600")
    if how == "nobody":
        done, seconds = load(lab, monkeypatch, {"OTEL_EXPORTER_OTLP_ENDPOINT": closed()})
    elif how == "refusing":
        with collecting(400) as collector:
            done, seconds = load(lab, monkeypatch, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    else:
        with talking(hang if how == "silent" else drip) as url:
            done, seconds = load(lab, monkeypatch, {"OTEL_EXPORTER_OTLP_ENDPOINT": url})
    assert done.outcome == "done"
    assert seconds < NEVER
    told = [
        record.getMessage() for record in caplog.records if record.name == "bulketl" and record.levelno >= logging.WARNING
    ]
    assert len(told) == 1, told
    assert told[0].startswith("OpenTelemetry's collector")
    if how in ("nobody", "refusing"):  # to the others a request is under way; the library goes on for a minute
        until(lambda: not [one.name for one in set(threading.enumerate()) - before if "otel" in one.name.lower()], 30)


def test_without_the_extra_it_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with traced({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}) as trace:
        assert trace is None
    assert "pip install 'bulketl[otel]'" in caplog.text


def test_the_command_sends_them_and_ends_though_nobody_takes_them(lab: Lab) -> None:
    """As a program, whose end waits for no thread."""
    with talking(hang) as url:
        code, told = _command(lab, url)
    assert code == 0
    assert "OpenTelemetry's collector did not take everything within 5 s" in told
    with collecting() as collector:
        code, told = _command(lab, collector.url)
    assert (code, len(collector.named("bulketl load"))) == (0, 1)
    assert "OpenTelemetry" not in told


def _command(lab: Lab, url: str) -> tuple[int, str]:
    known = {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": lab.target, "BULKETL_SCHEMA": lab.schema}
    root = {"PYTHONPATH": str(Path(bulketl.__file__).parents[1]), "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "600"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "bulketl", "load"],
        env={**os.environ, **known, **root}, capture_output=True, text=True, timeout=NEVER, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr
