"""Several sources in one file of settings: one command, one summary, and never silently the first of them.

The commands are listed from the program, so a new one that would take one source by itself fails here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commandlist import commands
from lab import Lab
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.cli.exits import worst
from bulketl.cli.sources import ALONE, ONCE

NAMES = ("clinic", "billing")
AWAY = "mysql://reader:away-password@127.0.0.1:1/none"


@pytest.fixture
def both(maria_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """One file; the first source has a table of two rows, the second one of the same name with one row, and one more."""
    monkeypatch.setattr("bulketl.connections.retrying.PAUSES", (0.0, 0.0, 0.0))
    maria_lab.mysql("CREATE TABLE patient (id int PRIMARY KEY)", "INSERT INTO patient VALUES (1), (2)")
    other = f"{maria_lab.database}_other"
    maria_lab.server.execute(f"CREATE DATABASE {other}")
    for statement in (
        "CREATE TABLE patient (id int PRIMARY KEY)",
        "INSERT INTO patient VALUES (7)",
        "CREATE TABLE bill (id int PRIMARY KEY)",
    ):
        maria_lab.server.execute(statement, database=other)
    for variable in ("BULKETL_SOURCE", "BULKETL_SCHEMA", "BULKETL_SOURCE_PASSWORD"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("BULKETL_TARGET", maria_lab.target)
    monkeypatch.setenv("CLINIC_SOURCE", maria_lab.source)
    monkeypatch.setenv("BILLING_SOURCE", maria_lab.server.database(other))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    settings(maria_lab)
    yield maria_lab
    maria_lab.server.execute(f"DROP DATABASE {other}")
    for name in NAMES:
        maria_lab.pg(f"DROP SCHEMA IF EXISTS {maria_lab.schema}_{name} CASCADE")


def settings(lab: Lab, **common: Any) -> None:
    one = {name: {"source": f"${{{name.upper()}_SOURCE}}", "schema": f"{lab.schema}_{name}"} for name in NAMES}
    Path("config/bulketl.yaml").write_text(yaml.safe_dump({**common, "sources": one}, sort_keys=False))


def called(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, (words, done.output, done.exception)
    return done.stdout


def document(*words: str, code: int = 0) -> Any:
    return json.loads(called(*words, "--json", code=code))


def rows(lab: Lab, name: str) -> list[tuple[Any, ...]]:
    return lab.pg(f"SELECT id FROM {lab.schema}_{name}.patient ORDER BY 1")


def test_one_load_takes_each_source_in_turn_and_ends_with_one_summary(both: Lab) -> None:
    """Each with its heading and its run on record, in the order of the file."""
    told = called("load")
    assert told.index("== clinic ==") < told.index("== billing ==") < told.index("2 sources, all done")
    assert (rows(both, "clinic"), rows(both, "billing")) == ([(1,), (2,)], [(7,)])
    lines = {line.split()[0]: line.split() for line in told.partition("2 sources")[2].splitlines() if line}
    assert lines["clinic"][1:6] == ["done", "1", "0", "2", "0"]
    assert lines["billing"][1:6] == ["done", "2", "0", "1", "0"]
    runs = document("runs", "list")
    assert {name: [one["run"] for one in found] for name, found in runs.items()} == {
        name: [lines[name][-1]] for name in NAMES
    }
    assert {name: sorted(one["table"] for one in found["tables"]) for name, found in document("status").items()} == {
        "clinic": ["patient"], "billing": ["bill", "patient"],
    }  # fmt: skip


def test_sources_that_are_named_are_gone_through_alone(both: Lab) -> None:
    """One that is named has its document as without sources; several have one by name."""
    found = document("load", "--from", "billing")
    assert (found["schema"], found["totals"]["rows"]) == (f"{both.schema}_billing", 1)
    assert both.pg(f"SELECT count(*) FROM pg_namespace WHERE nspname = '{both.schema}_clinic'") == [(0,)]
    assert list(document("runs", "list", "--from", "billing,clinic")) == list(NAMES)
    assert list(document("runs", "list", "--from", "billing", "--from", "clinic")) == list(NAMES)
    assert "the sources are clinic, billing" in document("load", "--from", "x", code=2)["hint"]
    assert document("load", "--from", " ", code=2)["message"] == "an option has an empty value"
    settings_of_one = {"source": "${CLINIC_SOURCE}", "schema": f"{both.schema}_clinic"}
    Path("config/bulketl.yaml").write_text(yaml.safe_dump(settings_of_one))
    assert "there is one source" in document("load", "--from", "clinic", code=2)["hint"]
    assert list(document("runs", "list")) == []


def test_a_source_that_does_not_answer_keeps_no_other_from_being_loaded(both: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the summary with why, and decides the exit code; nothing of it is told with another's document."""
    monkeypatch.setenv("CLINIC_SOURCE", AWAY)
    done = CliRunner().invoke(app, ["load"])
    assert (done.exit_code, rows(both, "billing")) == (1, [(7,)])
    summary = done.stdout.partition("2 sources, 1 of them done")[2]
    assert re.search(r"clinic +not loaded", summary)
    assert re.search(r"clinic +source mysql://127.0.0.1:1/none", summary)
    found = document("load", code=1)
    assert (found["clinic"]["error"], found["billing"]["schema"]) == ("SourceError", f"{both.schema}_billing")
    assert found["clinic"]["hint"].startswith("check host and port in sources.clinic.source of the configuration")
    assert "127.0.0.1:1" not in json.dumps(found["billing"])
    monkeypatch.delenv("CLINIC_SOURCE")  # nor one whose secret is nowhere
    assert document("load", code=2)["billing"]["totals"]["failed"] == 0


def test_the_worst_of_the_exit_codes_counts(both: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed is worse than a request that was wrong, and that is worse than done."""
    monkeypatch.setenv("CLINIC_SOURCE", AWAY)
    monkeypatch.delenv("BILLING_SOURCE")
    assert {name: one["error"] for name, one in document("load", code=1).items()} == {
        "clinic": "SourceError", "billing": "ConfigError",
    }  # fmt: skip
    assert worst([]) == worst([0]) == 0
    assert worst([3, 0, 4]) == 4
    assert worst([2, 1, 5]) == 1


def test_a_signal_ends_them_all_and_names_those_that_were_not_begun(both: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bulketl, "load", stopped)
    done = CliRunner().invoke(app, ["load"])
    assert done.exit_code == 130
    assert "`bulketl load --resume last --from clinic` goes on" in done.stderr
    assert "not begun: billing; with --from billing it goes on there" in done.stderr
    assert re.search(r"clinic +interrupted", done.stdout)
    assert re.search(r"billing +not begun", done.stdout)
    assert document("load", code=130) == {"clinic": None, "billing": None}
    line = called("load", "--airflow", code=130).splitlines()[-1]
    assert json.loads(line.removeprefix("###AIRFLOW_RESULT###"))["error"] == "clinic: interrupted; billing: not begun"


def test_a_mistake_of_bulketl_ends_them_all_and_names_the_others(both: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(bulketl, "load", broken)
    done = CliRunner().invoke(app, ["load"])
    assert isinstance(done.exception, ZeroDivisionError)
    assert "not begun: billing;" in done.stderr


def test_airflow_gets_one_line_for_all(both: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what became of each source."""
    monkeypatch.setenv("CLINIC_SOURCE", AWAY)
    lines = called("load", "--airflow", code=1).splitlines()
    assert [line for line in lines if "###AIRFLOW_RESULT###" in line] == lines[-1:]
    found = json.loads(lines[-1].removeprefix("###AIRFLOW_RESULT###"))
    assert (found["exit_code"], found["pipeline_success"], found["success_count"], found["rows"]) == (1, False, 2, 1)
    assert found["error"].startswith("clinic: source mysql://127.0.0.1:1/none")
    assert len(found["runs"]) == 1


def test_a_table_that_fails_in_one_source_has_failed_though_another_has_one_of_its_name(both: Lab) -> None:
    """For Airflow too, which is told of which source it is."""
    both.mysql("ALTER TABLE patient ADD c text", "UPDATE patient SET c = CONCAT('a', CHAR(0))")
    settings(both, nul_bytes="reject")
    found = json.loads(called("load", "--airflow", code=1).splitlines()[-1].removeprefix("###AIRFLOW_RESULT###"))
    assert (found["failed_tables"], found["success_count"], found["failure_count"]) == (["clinic.patient"], 2, 1)


CONFIGURED = {words: command for words, command in commands() if "config" in {param.name for param in command.params}}
# What a command is called with besides what it cannot do without.
MORE = {"retention": ["--dry-run"], "grants": ["--check"]}


def call_of(words: str) -> list[str]:
    """Return the shortest call of a command, as JSON where it has that."""
    given = words.split()
    for param in CONFIGURED[words].params:
        if param.required and param.param_type_name == "argument":
            given.append("cron" if words == "schedule" else "x")
        elif param.required:
            given += [param.opts[0], "x"]
    has_json = any("--json" in param.opts for param in CONFIGURED[words].params)
    return [*given, *MORE.get(words, []), *(["--json"] if has_json else [])]


def test_no_command_takes_one_of_several_sources_by_itself(both: Lab) -> None:
    """Each goes through all of them, or refuses until one is named and says which there are."""
    called("load")
    through, refusing = set(), set()
    for words in CONFIGURED:
        done = CliRunner().invoke(app, call_of(words))
        if "one of the sources has to be named" in done.output:
            assert done.exit_code == 2, words
            assert "the sources are clinic, billing" in done.output, words
            refusing.add(words)
        elif words not in ONCE:
            assert list(json.loads(done.stdout)) == list(NAMES), (words, done.output)
            assert done.exception is None or isinstance(done.exception, SystemExit), words
            through.add(words)
    assert refusing == {*ALONE, "report compliance"}  # which may be signed, as JSON
    assert through | refusing | {*ONCE} == CONFIGURED.keys()
    assert {"load", "plan", "status", "doctor", "validate", "verify", "alerts tick", "report daily", "watchdog"} <= through


@pytest.mark.parametrize(
    "words",
    [
        ["runs", "show", "20260101-000000-abcd"], ["runs", "list", "--table", "patient"], ["load", "--resume", "x"],
        ["rejects", "list", "--run", "x"], ["plan", "--schema", "x"], ["plan", "--rules", "x.yaml"], ["plan", "--sql"],
        ["grants"], ["report", "daily", "--markdown"], ["report", "daily", "--html", "x.html"], ["certificate", "x"],
        ["discover", "--write", "x.yaml"], ["discover", "--explain", "patient"], ["verify", "--history", "--png", "x.png"],
    ],
    ids=lambda words: " ".join(words),
)  # fmt: skip
def test_what_says_something_of_one_source_asks_which(words: list[str], both: Lab) -> None:
    """A run, a table, rules, a file that each would write anew, a text for a program."""
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    assert "one of the sources has to be named" in done.stderr
    assert not [*Path().glob("x*")]


def test_mistakes_of_the_file_are_told_once_and_nothing_is_begun(both: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """So are those of the call."""
    monkeypatch.setenv("BULKETL_SOURCE", "mysql://x")
    done = CliRunner().invoke(app, ["load"])
    assert (done.exit_code, done.output.count("BULKETL_SOURCE is set"), "==" in done.output) == (2, 1, False)
    monkeypatch.delenv("BULKETL_SOURCE")
    done = CliRunner().invoke(app, ["watchdog", "--by", "me"])
    assert (done.exit_code, done.output.count("error:"), "==" in done.output) == (2, 1, False)
    assert document("watchdog", "--by", "me", code=2)["error"] == "ConfigError"


def test_a_hook_of_one_source_sees_no_secret_of_another(both: Lab, tmp_path: Path) -> None:
    """And each source has its own when its turn comes."""
    settings(both, hooks=[{"on": "run_finished", "run": ["sh", "-c", f"env >> {tmp_path / 'seen'}"]}])
    called("load")
    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen
    assert "_SOURCE" not in seen
    assert "BULKETL_TARGET" not in seen


def test_each_source_has_rules_and_a_snapshot_of_its_own(both: Lab) -> None:
    """In one folder, and `validate --fix` mends those of the source whose turn it is."""
    for name in NAMES:
        called("discover", "--from", name, "--write", f"config/{name}.yaml", "--yes")
    assert {path.name for path in Path("config").glob("*.json")} == {"clinic.catalog.json", "billing.catalog.json"}
    found = document("load")
    assert {name: [one["outcome"] for one in found[name]["tables"]] for name in NAMES} == {
        "clinic": ["loaded"], "billing": ["loaded", "loaded"],
    }  # fmt: skip
    configs = bulketl.load_configs(Path("config/bulketl.yaml"), os.environ)
    assert {name: config.known for name, config in configs.items()} == {
        "clinic": frozenset({"patient"}), "billing": frozenset({"bill", "patient"}),
    }  # fmt: skip
    called("validate", "--fix")


def test_one_schedule_loads_them_all(both: Lab) -> None:
    settings(both, windows={"load": "21:00-06:00 America/Chicago"})
    text = document("schedule", "cron")["text"]
    assert text.count("bulketl load --json") == 1
    assert "--from" not in text
    assert "load --from billing --json" in document("schedule", "cron", "--from", "billing")["text"]


def test_a_notebook_loads_them_in_a_loop(both: Lab) -> None:
    done = {
        name: bulketl.load(config, bulketl.make_plan(config)).outcome
        for name, config in bulketl.load_configs(Path("config/bulketl.yaml"), os.environ).items()
    }
    assert done == dict.fromkeys(NAMES, "done")
