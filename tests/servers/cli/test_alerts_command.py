"""`alerts` as a person and a timer run it: a load that tells while it goes on, one that is killed, and every subcommand."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from typer.testing import CliRunner
from waiting import until
from web import Asked, Said, answering, closed

import bulketl
from bulketl.cli.app import app
from bulketl.operations.alerts.lookout import EVERY_SECONDS, GATHER_SECONDS

Command = Callable[..., Any]  # returns a Result of typer.testing
CHECK = {"checks": [{"range": "n", "min": 0, "severity": "reject"}]}
RULES = {
    "bad": {"table_importance": "critical", **CHECK},
    "slow": {"table_importance": "important", "monitoring": {"max_extraction_time_minutes": 0.02, "alert_on_failure": True}},
}
FIRST = "table bad has more rejected rows than allowed"
SLOW = """
import time
import bulketl.loading.engine as engine
work = engine.work
def slowly(source, target, step):
    if "slow" in step.tables:
        time.sleep(60)
    return work(source, target, step)
engine.work = slowly
from bulketl.cli.app import main
main()
"""


class Pager:
    """What stands for everybody: each message, and when it came."""

    def __init__(self) -> None:
        self.came: list[tuple[dt.datetime, Any]] = []
        self.status = 200

    def answer(self, asked: Asked) -> Said:
        self.came.append((dt.datetime.now(dt.UTC), asked.json))
        return self.status, "thank you" if self.status == 200 else "busy"

    @property
    def kinds(self) -> list[str]:
        return [message["kind"] for _, message in self.came]


@pytest.fixture
def pager(maria_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pager]:
    """A folder with a configuration whose alerts go to the pager, and two tables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BULKETL_SOURCE", maria_lab.source)
    monkeypatch.setenv("BULKETL_TARGET", f"postgresql:///?{'&'.join(maria_lab.target.split())}")
    monkeypatch.setenv("BULKETL_SCHEMA", maria_lab.schema)
    for table in RULES:
        maria_lab.mysql(f"CREATE TABLE {table} (id int PRIMARY KEY, n int)", f"INSERT INTO {table} VALUES (1, -1), (2, 2)")
    found = Pager()
    with answering(found.answer) as endpoint:
        write(tmp_path, webhook=endpoint.url)
        yield found


def write(folder: Path, **alerts: Any) -> None:
    (folder / "config").mkdir(exist_ok=True)
    settings = {
        "alerts": {"spool": str(folder / "spool"), **alerts},
    }
    (folder / "config" / "bulketl.yaml").write_text(json.dumps(settings))
    (folder / "config" / "tables.yaml").write_text(json.dumps({"source_tables": RULES}))


def call(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


@contextlib.contextmanager
def loading() -> Iterator[subprocess.Popen[bytes]]:
    """Start a load as a process of its own, in which one table takes a minute."""
    command = [sys.executable, "-c", SLOW, "load"]
    environ = {**os.environ, "PYTHONPATH": str(Path(bulketl.__file__).parent.parent)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_first_message_is_out_within_five_seconds_while_the_load_goes_on(maria_lab: Lab, pager: Pager) -> None:
    """Of a critical table that failed; an important one that takes longer than it may waits up to 15 minutes for others."""
    with loading() as process:
        until(lambda: bool(pager.came) or process.poll() is not None)
        until(lambda: "overtime" in call("alerts", "list", "--json").stdout)
        assert process.poll() is None
    failed = maria_lab.pg("SELECT max(at) FROM bulketl.event e JOIN bulketl.run r USING (run)"
                          " WHERE r.schema_name = '{s}' AND e.kind = 'table_failed'")[0][0]  # fmt: skip
    took = min(at for at, _ in pager.came) - failed
    assert took < dt.timedelta(seconds=EVERY_SECONDS / 2), took  # it is told by itself, and not by the tick of each minute
    assert GATHER_SECONDS < 5  # which is all that it waits for
    assert [message["title"].partition(",")[0] for _, message in pager.came] == [FIRST]


def test_a_killed_load_is_told_by_a_tick_of_another_process(maria_lab: Lab, pager: Pager) -> None:
    """Once its silence has lasted for ten seconds."""
    with loading() as process:
        until(lambda: bool(pager.came) or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.wait()
    maria_lab.pg("UPDATE bulketl.event SET at = at - interval '1 minute' WHERE run IN"
                 " (SELECT run FROM bulketl.run WHERE schema_name = '{s}')")  # fmt: skip
    maria_lab.pg("UPDATE bulketl.run SET started_at = started_at - interval '1 minute' WHERE schema_name = '{s}'")
    assert call("alerts", "tick").exit_code == 0
    assert any(message["title"].startswith("a load was killed") for _, message in pager.came)


def test_a_run_that_is_not_there_to_resume_is_no_trouble(pager: Pager) -> None:
    """A scheduler asks for it every night; what else is asked for wrongly by it is."""
    assert call("load").exit_code == 1
    pager.came.clear()
    assert call("load", "--resume", "last").exit_code == 2
    assert pager.kinds == []
    assert call("load", "--tables", "no_such_table").exit_code == 2
    assert [message["title"].partition(",")[0] for _, message in pager.came] == ["the load failed (PlanError by the plan)"]


def test_every_subcommand_does_what_it_says(maria_lab: Lab, pager: Pager) -> None:
    """From the failure to its end, on the screen and as JSON."""
    assert call("load").exit_code == 1
    assert pager.kinds == ["open"]
    (listed,) = json.loads(call("alerts", "list", "--json").stdout)
    number = str(listed["incident"])
    assert (listed["status"], listed["tier"], list(listed["members"])) == ("open", "critical", ["bad"])
    assert "1 open" in call("alerts", "list").stdout
    shown = json.loads(call("alerts", "show", number, "--json").stdout)
    assert [one["answer"] for one in shown["messages"]] == ["200 thank you"]
    assert "table bad has more rejected rows" in call("alerts", "show", number).stdout
    assert "ann has it until" in call("alerts", "ack", number, "--by", "ann", "--hours", "1").stdout
    assert json.loads(call("alerts", "tick", "--json").stdout)["messages"] == []
    assert call("alerts", "resolve", number, "--by", "ann").exit_code == 0
    assert pager.kinds == ["open", "resolved"]
    assert "no alert is open" in call("alerts", "list").stdout
    assert "resolved" in call("alerts", "list", "--all").stdout


def test_what_is_asked_for_wrongly_is_said(pager: Pager, tmp_path: Path) -> None:
    """Exit code 2, with what to do; what a channel answers is exit code 1."""
    for words, text in [
        (("show", "99999999"), "there is no alert '99999999'"),
        (("ack", "99999999"), "there is no alert"),
        (("resolve", "nonsense"), "there is no alert 'nonsense'"),
        (("test", "pager"), "there is no channel 'pager'"),
        (("test", "email"), "channel 'email' is not set under alerts"),
    ]:
        result = call("alerts", *words)
        assert (result.exit_code, text in result.stderr) == (2, True), (words, result.stderr)
    assert call("alerts", "test").exit_code == 0
    assert pager.kinds == ["test"]
    pager.status = 503
    result = call("alerts", "test", "webhook")
    assert (result.exit_code, "503 busy" in result.stdout) == (1, True)
    write(tmp_path, webhook=closed())
    assert json.loads(call("alerts", "test", "--json").stdout)["webhook"]["delivered"] is False
    (tmp_path / "config" / "bulketl.yaml").write_text("{}")
    for line in ("list", "tick", "test", "ack 1"):
        result = call("alerts", *line.split())
        assert (result.exit_code, "no alerts are set" in result.stderr) == (2, True)
