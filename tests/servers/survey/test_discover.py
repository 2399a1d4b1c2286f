"""What discover asks of the source and of a person, and the rules a person adds to its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.config.read import load_config
from bulketl.mysql.server import MySQL
from bulketl.survey.proposals import classify
from bulketl.tables.catalog import Catalog, Column, Table
from bulketl.tables.measured import Profile

STAMP = Column("at", "timestamp", False, extra="on update current_timestamp()")


def invoked(lab: Lab, *words: str, answer: str | None = None) -> Any:
    return CliRunner().invoke(app, ["discover", *words], input=answer, env={"BULKETL_SOURCE": lab.source})


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_nothing_is_written_unless_somebody_says_yes(lab: Lab, tmp_path: Path, options: tuple[str, ...]) -> None:
    """No answer is a mistake that names --yes; no is no; a program that reads JSON is asked as well, beside it."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY)")
    path = tmp_path / "tables.yaml"
    silent = invoked(lab, "--write", str(path), *options, answer="")
    assert (silent.exit_code, path.exists()) == (2, False)
    assert "--yes writes without asking" in silent.output
    if options:
        assert json.loads(silent.stdout)["error"] == "ConfigError"
    refused = invoked(lab, "--write", str(path), *options, answer="n\n")
    assert (refused.exit_code, path.exists()) == (0, False)
    done = invoked(lab, "--write", str(path), *options, answer="y\n")
    assert (done.exit_code, path.exists(), (tmp_path / "catalog.json").exists()) == (0, True, True)
    assert "1 table: 1 reference; 0 loaded by changes, the others whole" in done.stderr


def test_a_file_from_elsewhere_is_held_against_the_source_too(lab: Lab, tmp_path: Path) -> None:
    """Nobody noted what the source had then; which tables are new and gone can be told all the same."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int PRIMARY KEY)")
    path = tmp_path / "tables.yaml"
    path.write_text("source_tables:\n  t: {}  # ours\n  gone: {}\n")
    done = invoked(lab, "--write", str(path), "--yes")
    assert [line.strip() for line in done.stderr.splitlines() if " table " in line][:2] == ["- table gone", "+ table u"]
    assert path.read_text().startswith("source_tables:\n  t: {}  # ours\n  gone: {}\n  u:\n")


def test_the_later_layout_takes_new_tables_and_is_read_with_them(lab: Lab, tmp_path: Path) -> None:
    """Its keys stay; what is added is in the other layout's words, which it may have too."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int PRIMARY KEY)")
    path = tmp_path / "tables.yaml"
    before = "metadata: {total_tables: 1}\ntables:\n  t:\n    performance_category: large # theirs\n"
    path.write_text(before)
    with pytest.warns(UserWarning, match=r"passed over.*: metadata \(1\)$"):
        assert invoked(lab, "--write", str(path), "--yes").exit_code == 0
    assert path.read_text().startswith(before)
    with pytest.warns(UserWarning, match="metadata"):
        rules = load_config(path, None, {}).tables
    assert (rules["t"].table_importance, rules["u"].table_importance) == ("critical", "reference")


@pytest.mark.parametrize("tables", [1, 50])
def test_as_many_questions_are_asked_of_many_tables_as_of_one(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tables: int
) -> None:
    """The catalogue in six, and one look at all cursors."""
    body = "(id int PRIMARY KEY, at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)"
    for n in range(tables):
        lab.mysql(f"CREATE TABLE t{n} {body}", f"INSERT INTO t{n} (id) VALUES (1)", f"ANALYZE TABLE t{n}")
    asked: list[str] = []
    connect = MySQL.connect

    def counted(self: MySQL, *args: Any, **options: Any) -> Any:
        asked.append(connect.__name__)
        return _Counting(connect(self, *args, **options), asked)

    monkeypatch.setattr(MySQL, "connect", counted)
    proposals = bulketl.propose(lab.config())[1]
    assert [p.cursor for p in proposals] == ["at"] * tables
    statements = [text for text in asked if text.startswith(("SELECT", "\nSELECT", "(SELECT"))]
    assert len(statements) == 7, statements


class _Counting:
    """A connection's cursor that notes what is executed."""

    def __init__(self, inner: Any, asked: list[str]) -> None:
        self._inner, self._asked = inner, asked

    def __enter__(self) -> Any:
        cursor, asked = self._inner.__enter__(), self._asked
        execute = cursor.execute

        def noted(text: str, *args: Any) -> Any:
            asked.append(text)
            return execute(text, *args)

        cursor.execute = noted
        return cursor

    def __exit__(self, *error: Any) -> Any:
        return self._inner.__exit__(*error)


def test_a_persons_rules_come_before_the_built_in_ones(lab: Lab, tmp_path: Path) -> None:
    """They name a tier, leave tables out, or take back in what a built-in rule leaves out; with their reason."""
    lab.mysql(*(f"CREATE TABLE {name} (id int PRIMARY KEY)" for name in ("tmp_kept", "Scratch_a", "order_type", "tmp_b")))
    settings = tmp_path / "bulketl.yaml"
    settings.write_text(
        "classify:\n  - {match: tmp_kept, tier: critical, why: the boss reads it}\n"
        "  - {match: 'scratch_*', exclude: true, why: scratch tables}\n  - {match: '*_type', tier: audit}\n"
    )
    done = invoked(lab, "--config", str(settings), "--json")
    found = {item["table"]: item for item in json.loads(done.stdout)}
    scratch = next(name for name in found if name.lower() == "scratch_a")
    assert {name: (item["table_importance"], item.get("exclude", False)) for name, item in found.items()} == {
        "tmp_kept": ("critical", False), scratch: ("reference", True), "order_type": ("audit", False),
        "tmp_b": ("reference", True),
    }  # fmt: skip
    reasons = [found[name]["reasons"]["table_importance"] for name in ("tmp_kept", scratch, "order_type")]
    assert reasons == ["the boss reads it", "scratch tables", "by your rule"]


@pytest.mark.parametrize(
    ("days", "tier"), [(1.0, "critical"), (30.0, "important"), (None, "important")], ids=["fast", "slow", "unknown"]
)
def test_a_table_that_gets_most_of_the_rows_of_a_day_is_critical(days: float | None, tier: str) -> None:
    """However small it is yet: growth is told by the age of its newest thousand rows."""
    tables = tuple(Table(name, (Column("id", "int", False), STAMP), ("id",), (), rows, rows * 100)
                   for name, rows in (("young", 2000), ("old", 1_000_000)))  # fmt: skip
    profiles = {("young", "at"): Profile(1000, 0, 0, 0, days), ("old", "at"): Profile(1000, 0, 0, 0, 20.0)}
    found = {item.table: item for item in classify(Catalog("x", "11", "UTC", tables), profiles)}
    assert found["young"].tier == tier
    assert ("about 1,000 rows a day, 95%" in found["young"].reasons["table_importance"]) == (tier == "critical")


def test_what_is_being_done_is_told_from_the_first_moment(lab: Lab) -> None:
    """By both acts, before each look at the source."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, at datetime)", "INSERT INTO t VALUES (1, NOW())")
    for act in (lambda tell: bulketl.propose(lab.config(), tell), lambda tell: bulketl.explain(lab.config(), "t", tell)):
        told: list[str] = []
        act(lambda what, *_, heard=told: heard.append(what))
        assert told == [
            "reading the source's catalogue", "looking at stamps", "looking at the newest rows",
            "comparing values of columns that may refer to other tables",
            "counting values that look personal",
        ]  # fmt: skip


def test_an_explanation_writes_nothing_and_says_so(lab: Lab, tmp_path: Path) -> None:
    """A request for both is wrong."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY)")
    done = invoked(lab, "--explain", "t", "--write", str(tmp_path / "tables.yaml"))
    assert done.exit_code == 2
    assert "--write" in done.output
    assert not (tmp_path / "tables.yaml").exists()
