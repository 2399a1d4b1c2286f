"""Every option and argument of every command with a value that is none: exit code 2, and nothing has begun.

The options are listed from the commands: a new one fails until it is given what is malformed of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from commandlist import commands
from lab import Lab
from typer.testing import CliRunner

from bulketl.cli.app import app

NOWHERE = "/dev/null/x"  # a file cannot be there, whoever runs this
WRONG: dict[str, list[str]] = {
    "--reason": ["", " "],
    "--from": ["nope", ","],
    "--tier": ["nope", "critical,nope", ","],
    "--table": ["nope"],
    "--tables": ["nope", "nope*", ","],
    "--exclude": ["nope", ","],
    "--since": ["yesterday", "2024-13-01", "2024-01-01T25:00"],
    "--until": ["yesterday", "0000"],
    "--allow-deletes": ["nope", ","],
    "--adopt": ["nope", ","],
    "--resume": ["nope", "20200101-000000-abcd"],
    "--source": ["nope", "mysql:/h", "postgresql://h/d"],
    "--target": ["nope", "mysql://h/d"],
    "--limit": ["0", "-1", "nope", "1.5"],
    "--workers": ["0", "65", "three", "1.5"],
    "--executor": ["nope", ""],
    "--scheduler": ["nope"],
    "--schema": ["", "x" * 64, "pg_catalog"],
    "--config": [NOWHERE, "nope.yaml", "."],
    "--rules": [NOWHERE, "nope.yaml", "."],
    "--log-format": ["nope"],
    "--into": ["nope", "x" * 64],
    "--role": ["nope"],
    "--textfile": [NOWHERE],
    "--hours": ["nope"],
    "--host": ["nope", ""],
    "--port": ["-1", "70000", "nope"],
    "--name": ["", "a b", "x/y"],
    "--key": [NOWHERE, "nope.pub"],
    "WHICH": ["nope"],
    "CHANNELS": ["nope"],
    "--level": ["nope", "ROWS", ""],
    "--sample": ["nope", "0", "200%", "-1%", "nan"],
    "--seed": ["nope", "1.5"],
    "--first": ["-1", "nope"],
    "--explain": ["nope", ""],
    "--png": [NOWHERE],
    "--html": [NOWHERE],
    "--folder": [NOWHERE],
    "--write": [NOWHERE],
    "--checks": ["nope.yaml", NOWHERE],
    "--by": ["nope"],
    "--run": ["nope"],
    "KIND": ["nope"],
    "TABLE": ["nope"],
    "TABLES": ["nope", ","],
    "COLUMN": ["nope"],
    "--class": ["nope", ""],
    "WORDS": ["nope"],
    "CODE": ["nope", "BLK-0001"],
    "NAME": ["nope"],
    "NAMES": ["nope"],
    "FILE": [NOWHERE, "rejects.nope"],
}
# What a command needs beside the one that is wrong.
BESIDE: dict[str, list[str]] = {
    "why": ["t", "1"], "state show": ["t"], "state reset": ["t", "--yes"], "schedule": ["cron"],
    "rejects export": ["new.csv"], "discover": ["--yes"], "help": [], "alerts ack": ["1"],
    "report verify": ["nope.html"],
    **{f"migrate {act}": ["--reason", "x"] for act in ("shadow", "promote", "demote", "import-state")},
    "rollback": ["--reason", "x"],
    "migrate waive": ["t", "--class=seconds", "--reason=x"],
}  # fmt: skip
RULES = """source_tables:
  t: {extraction_strategy: incremental, incremental_column: at, retention: {keep: 1y, by: at, action: archive}}
"""


def cases() -> Iterator[tuple[str, str, str]]:
    for words, command in commands():
        for parameter in command.params:
            if not getattr(parameter, "is_flag", False):
                name = parameter.opts[0] if parameter.param_type_name == "option" else parameter.name.upper()
                for value in WRONG[name]:
                    yield words, name, value


@pytest.fixture(scope="module")
def loaded(mariadb: Any, postgres: str) -> Iterator[Lab]:
    """A table that is loaded by its changes."""
    from conftest import fresh

    generator: Any = fresh(mariadb, postgres)
    lab: Lab = next(generator)
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, at datetime NOT NULL, KEY (at))",
              "INSERT INTO t SELECT seq, '2024-01-01' + INTERVAL seq MINUTE FROM seq_1_to_50")  # fmt: skip
    yield lab
    generator.close()


def call(lab: Lab, *words: str) -> Any:
    uri = f"postgresql:///?{'&'.join(lab.target.split())}"
    environ = {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": lab.schema}
    return CliRunner().invoke(app, list(words), env=environ)


def test_a_malformed_value_is_a_wrong_request_and_starts_nothing(
    loaded: Lab, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is told with what is wrong about it; no run is on record for it, and no state is forgotten."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tables.yaml").write_text(RULES, encoding="utf-8")
    assert call(loaded, "load", "--certify").exit_code == 0
    runs = loaded.pg("SELECT count(*) FROM bulketl.run WHERE schema_name = '{s}'")
    wrong, tried = [], 0
    for words, name, value in cases():
        if (words, value) == ("doctor", "pg_catalog"):  # it is what is found: a report that ends with 1
            continue
        beside = [word for word in BESIDE.get(words, []) if name.startswith("--") or word.startswith("--")]
        if name == "WORDS" and words == "why":
            beside = ["t"]
        given = [name, value] if name.startswith("--") else [value]
        if words == "why" and name == "TABLE":
            given = [value, "1"]
        if name == "--png" and words == "verify":
            given = ["--history", *given]
        done = call(loaded, *words.split(), *beside, *given)
        tried += 1
        if done.exit_code != 2 or not done.output.strip():
            wrong.append((words, name, value, done.exit_code, done.output[-300:]))
    assert wrong == [], "\n".join(map(str, wrong))
    assert tried > 150
    assert loaded.pg("SELECT count(*) FROM bulketl.run WHERE schema_name = '{s}'") == runs


@pytest.mark.parametrize(
    "words",
    ["load --resume last --tables t", "load --resume last --dry-run", "plan --sql --diff", "load --full --since 2024-01-01",
     "verify --history --repair", "verify --png x.png", "verify --allow-deletes t", "load --scheduler tls://x:1",
     "verify --tables t months", "runs --first 3 show last"],
)  # fmt: skip
def test_options_that_do_not_go_together_are_a_wrong_request(loaded: Lab, words: str) -> None:
    """None of them is passed over."""
    done = call(loaded, *words.split())
    assert (done.exit_code, "error: " in done.stderr) == (2, True), done.output
