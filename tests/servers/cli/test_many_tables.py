"""A house of 432 tables on real servers: no screen without -v has sixty lines, on a terminal of 80 columns or piped."""

from __future__ import annotations

import io
from typing import Any

import pytest
from lab import Lab
from typer.testing import CliRunner

from bulketl.cli import loading, verify
from bulketl.cli.app import app
from bulketl.cli.terminal import Terminal

TABLES = 432


def printed(lab: Lab, monkeypatch: pytest.MonkeyPatch, words: list[str], *, terminal: bool) -> list[str]:
    """Run a command and return the lines of its screen."""
    file = io.StringIO()
    out = Terminal(file=file, width=80 if terminal else None, force_terminal=terminal, color_system=None)
    for module in (loading, verify):
        monkeypatch.setattr(module, "out", out)
    uri = f"postgresql:///?{'&'.join(lab.target.split())}"
    environ = {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": lab.schema}
    done: Any = CliRunner().invoke(app, words, env=environ)
    assert done.exit_code in (0, 1), done.output
    return file.getvalue().splitlines()


@pytest.mark.timeout(280)
def test_screens_of_432_tables_are_short(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first load, after it, with a night's changes, and when much of it is lost."""
    lab = maria_lab
    lab.mysql(*(f"CREATE TABLE table_{n:03d} (id int PRIMARY KEY, c int)" for n in range(TABLES)),
              *(f"INSERT INTO table_{n:03d} VALUES (1, 1), (2, 2), (3, 3)" for n in range(TABLES)))  # fmt: skip
    lines: dict[str, int] = {}

    def take(what: str, words: list[str]) -> list[str]:
        for terminal in (False, True):
            shown = printed(lab, monkeypatch, words, terminal=terminal)
            lines[f"{what} {'at 80' if terminal else 'piped'}"] = len(shown)
        return shown

    assert take("plan, first", ["plan"])[0] == "432 tables to load"
    assert take("verify, first", ["verify"])[0].startswith("432 tables could not be compared")
    assert printed(lab, monkeypatch, ["load"], terminal=False)[0] == "done: 432 tables loaded"
    lab.mysql(*(f"INSERT INTO table_{n:03d} VALUES (4, 4)" for n in range(0, TABLES, 3)),
              *(f"ALTER TABLE table_{n:03d} ADD d int" for n in range(100, 160)))  # fmt: skip
    take("plan, changed", ["plan"])
    assert "tables differ" in take("verify, changed", ["verify"])[0]
    assert take("load, changed", ["load"])[0].startswith("done: 432 tables")
    lab.pg("; ".join(f"DELETE FROM {{s}}.table_{n:03d} WHERE id = 2" for n in range(0, TABLES, 2)))
    assert take("verify, lost", ["verify"])[0].startswith("216 of 432 tables differ: ")
    assert {what: count for what, count in lines.items() if count >= 60} == {}, lines
