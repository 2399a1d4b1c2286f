"""A house of 432 tables on real servers: no screen without -v has sixty lines, on a terminal of 80 columns or piped."""

from __future__ import annotations

import io
from typing import Any

import pytest
from lab import Lab
from typer.testing import CliRunner

from bulketl.cli import loading, rules, validate, verify
from bulketl.cli.app import app
from bulketl.cli.terminal import Terminal

TABLES = 432
LOST = 30  # tables that lose a row in the target: each is looked at twice


class Both:
    """Prints on a terminal of 80 columns and into a pipe."""

    is_terminal = False

    def __init__(self) -> None:
        self.files = (io.StringIO(), io.StringIO())
        self._terminals = (
            Terminal(file=self.files[0], width=80, force_terminal=True, color_system=None), Terminal(file=self.files[1])
        )  # fmt: skip

    def print(self, *what: Any, **how: Any) -> None:
        for terminal in self._terminals:
            terminal.print(*what, **how)


@pytest.mark.timeout(240)
def test_screens_of_432_tables_are_short(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first load, after it, with a night's changes, and when some of it is lost."""
    lab = maria_lab
    lab.mysql(*(f"CREATE TABLE table_{n:03d} (id int PRIMARY KEY, c int)" for n in range(TABLES)),
              *(f"INSERT INTO table_{n:03d} VALUES (1, 1), (2, 2), (3, 3)" for n in range(TABLES)))  # fmt: skip
    uri = f"postgresql:///?{'&'.join(lab.target.split())}"
    environ = {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": lab.schema}

    def first(word: str) -> str:
        """Run a command, count the lines of its screen both ways, and return the first."""
        out = Both()
        for module in (loading, rules, validate, verify):
            monkeypatch.setattr(module, "out", out)
        done: Any = CliRunner().invoke(app, [word], env=environ)
        assert done.exit_code in (0, 1), done.output
        for file in out.files:
            assert 0 < len(file.getvalue().splitlines()) < 60, file.getvalue()
        return out.files[1].getvalue().splitlines()[0]

    assert first("discover").startswith("432 tables: ")
    assert first("validate")
    assert first("plan") == "432 tables to load"
    assert first("verify").startswith("432 tables could not be compared")
    assert first("load") == "done: 432 tables loaded"
    lab.mysql(*(f"INSERT INTO table_{n:03d} VALUES (4, 4)" for n in range(0, TABLES, 3)),
              *(f"ALTER TABLE table_{n:03d} ADD d int" for n in range(100, 160)))  # fmt: skip
    assert first("plan") == "432 tables: 184 to load, 248 unchanged"
    assert first("load") == "done: 432 tables: 184 loaded, 248 unchanged"
    lab.pg("; ".join(f"DELETE FROM {{s}}.table_{n:03d} WHERE id = 2" for n in range(LOST)))
    assert first("verify").startswith(f"{LOST} of 432 tables differ: ")
