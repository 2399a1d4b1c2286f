"""The commands as a person runs them: exit codes, what they print, what they leave alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults import small_partitions
from lab import Lab
from typer.testing import CliRunner

from bulketl.cli.app import app

Command = Callable[..., Any]  # returns a Result of typer.testing


@pytest.fixture
def command(maria_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command in a folder of its own, with rules and settings as given."""
    monkeypatch.chdir(tmp_path)
    uri = f"postgresql:///?{'&'.join(maria_lab.target.split())}"
    environment = {"BULKETL_SOURCE": maria_lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": maria_lab.schema}

    def call(*words: str, rules: dict[str, Any] | None = None, settings: dict[str, Any] | None = None) -> Any:
        (tmp_path / "config").mkdir(exist_ok=True)
        if rules is not None:
            (tmp_path / "config" / "tables.yaml").write_text(json.dumps({"source_tables": rules}))
        if settings is not None:
            (tmp_path / "config" / "bulketl.yaml").write_text(json.dumps(settings))
        return CliRunner().invoke(app, list(words), env=environment)

    return call


@pytest.fixture
def filled(maria_lab: Lab) -> Lab:
    """Two tables, one of them a log."""
    maria_lab.mysql(
        "CREATE TABLE a (id int PRIMARY KEY, at datetime NOT NULL, KEY (at))",
        "INSERT INTO a SELECT seq, '2024-01-01' + INTERVAL seq MINUTE FROM seq_1_to_50",
        "CREATE TABLE log (id int PRIMARY KEY, c text)",
        "INSERT INTO log VALUES (1, 'one'), (2, 'two')",
    )
    return maria_lab


RULES = {
    "a": {"extraction_strategy": "incremental", "incremental_column": "at"},
    "log": {"table_importance": "audit", "extraction_strategy": "incremental", "incremental_column": "id"},
}


def test_state_lists_shows_and_resets(filled: Lab, command: Command) -> None:
    """After a reset the table is loaded whole, and no row was touched by it."""
    assert "nothing was loaded" in command("state", "list", rules=RULES).stdout
    assert command("load").exit_code == 0
    found = {item["table"]: item for item in json.loads(command("state", "list", "--json").stdout)}
    assert (found["a"]["watermark"], found["a"]["rows"]) == ("2024-01-01 00:50:00", 50)
    assert (found["log"]["watermark"], found["log"]["column"]) == ("2", "id")
    assert "2024-01-01 00:50:00" in command("state", "show", "a").stdout
    assert command("state", "reset", "a", "--yes").exit_code == 0
    reasons = {load["spec"]["table"]: load["reason"] for group in json.loads(command("plan", "--json").stdout)["groups"]
               for load in group["loads"]}  # fmt: skip
    assert "full load, because it has no watermark" in reasons["a"]
    assert "incremental" in reasons["log"]
    assert filled.pg("SELECT count(*) FROM {s}.a") == [(50,)]


@pytest.mark.parametrize(
    "words", [("state", "show", "nope"), ("state", "reset", "nope", "--yes"), ("audit", "verify", "nope")]
)
def test_a_table_that_nobody_loaded_is_told(filled: Lab, command: Command, words: tuple[str, ...]) -> None:
    """Exit code 2, and nothing is changed."""
    command("load", rules=RULES)
    done = command(*words)
    assert done.exit_code == 2
    assert "nothing is known of a table 'nope'" in done.stderr


def test_audit_verify_ends_with_1_when_something_was_altered(filled: Lab, command: Command) -> None:
    """And with 0 when nothing was; the head is printed to be kept."""
    command("load", rules=RULES)
    clean = command("audit", "verify", "--json")
    assert (clean.exit_code, json.loads(clean.stdout)[0]["problem"]) == (0, "")
    assert len(json.loads(clean.stdout)[0]["head"]) == 64
    command("load", "--full")
    filled.pg("UPDATE {s}.log SET c = 'other' WHERE id = 1")
    altered = command("audit", "verify")
    assert altered.exit_code == 1
    assert "1 of 1 table altered" in altered.stdout
    filled.pg("DELETE FROM bulketl.audit_chain WHERE schema_name = '{s}'")
    gone = command("audit", "verify")
    assert gone.exit_code == 1
    assert "its chain is gone" in gone.stdout


@pytest.mark.parametrize(
    ("tier", "settings", "code"),
    [("critical", {}, 1), ("important", {}, 1), ("audit", {}, 3), ("reference", {}, 3),
     ("reference", {"failures": {"reference": "block"}}, 1), ("critical", {"failures": {"critical": "warn"}}, 3)],
)  # fmt: skip
def test_a_table_that_failed_blocks_or_warns_as_its_tier_says(
    filled: Lab, command: Command, tier: str, settings: dict[str, Any], code: int
) -> None:
    """The others are loaded either way."""
    rules = {"a": {"casts": {"at": "boolean"}, "table_importance": tier}}
    assert command("load", rules=rules, settings=settings).exit_code == code
    assert filled.tables() == {"log"}


def test_a_load_outside_its_window_is_refused_with_4_and_can_be_forced(filled: Lab, command: Command) -> None:
    """The window begins and ends at the same clock in two days; today is neither."""
    import datetime as dt

    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    other = days[(dt.datetime.now(dt.UTC).weekday() + 3) % 7]
    settings = {"windows": {"load": "12:00-13:00 UTC", "days": [other]}}
    refused = command("load", settings=settings)
    assert refused.exit_code == 4
    assert "it opens" in refused.stderr
    assert filled.tables() == set()
    assert command("load", "--ignore-window").exit_code == 0


def test_what_was_interrupted_is_resumed_by_name_and_as_the_last(
    filled: Lab, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a run that never was ends with 2."""
    small_partitions(monkeypatch, 10)
    assert command("load", "--resume", "last").exit_code == 2
    import bulketl

    def stop(event: object) -> None:
        raise KeyboardInterrupt

    config = filled.config(workers=1)
    with pytest.raises(KeyboardInterrupt):
        bulketl.load(config, bulketl.make_plan(config), [stop])
    done = command("load", "--resume", "last", "--json")
    assert done.exit_code == 0, done.output
    assert filled.differences("a") == []
    assert command("load", "--resume", "20200101-000000-abcd").exit_code == 2


def test_tables_are_left_out_by_exclude(filled: Lab, command: Command) -> None:
    """A pattern that fits nothing is a mistake."""
    assert command("load", "--exclude", "l*").exit_code == 0
    assert filled.tables() == {"a"}
    assert command("load", "--exclude", "zz*").exit_code == 2


def test_a_part_is_loaded_again_and_the_watermark_stays(filled: Lab, command: Command) -> None:
    """--since and --until; a value that is none ends with 2."""
    command("load", rules=RULES)
    filled.pg("DELETE FROM {s}.a WHERE id BETWEEN 10 AND 20")
    again = ("load", "--tables", "a", "--since", "2024-01-01 00:12:00", "--until", "2024-01-01 00:15:00")
    assert command(*again).exit_code == 0
    assert filled.pg("SELECT id FROM {s}.a WHERE id BETWEEN 10 AND 20 ORDER BY id") == [(12,), (13,), (14,)]
    assert json.loads(command("state", "list", "a", "--json").stdout)[0]["watermark"] == "2024-01-01 00:50:00"
    assert command("load", "--tables", "a", "--since", "yesterday").exit_code == 2
