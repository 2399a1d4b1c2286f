"""`init` on real servers: what it writes loads, no password is in it or shown, and nothing is overwritten unasked."""

from __future__ import annotations

import json
import os
import stat
import sys
import termios
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from terminals import Terminal, bulketl
from typer.testing import CliRunner

from bulketl.cli.app import app

FILES = ("config/bulketl.yaml", "config/tables.yaml", "config/catalog.json")
Init = Callable[..., Any]


@pytest.fixture
def clinic(maria_lab: Lab) -> Lab:
    maria_lab.mysql(
        "CREATE TABLE patient (id int PRIMARY KEY, name varchar(20), updated_at datetime)",
        "INSERT INTO patient VALUES (1, 'a', '2024-01-01'), (2, 'b', '2024-01-02')",
    )
    return maria_lab


def uris(lab: Lab) -> dict[str, str]:
    return {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": f"postgresql:///?{'&'.join(lab.target.split())}"}


@pytest.fixture
def typed(clinic: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    """Type a command in an empty folder, with both URIs in the environment unless others are given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bulketl.connections.retrying.PAUSES", (0.0, 0.0, 0.0))
    return lambda *words, **env: CliRunner().invoke(app, words, env=uris(clinic) | env)


def test_what_it_writes_loads(typed: Init, clinic: Lab) -> None:
    """By the names of the variables, and into the schema that was asked for."""
    done = typed("init", "--schema", clinic.schema)
    assert done.exit_code == 0, done.output
    assert "patient" in done.stdout  # the plan
    assert "next: look through config/tables.yaml, then `bulketl load`" in done.stderr
    text = Path(FILES[0]).read_text(encoding="utf-8")
    assert "source: ${BULKETL_SOURCE}\ntarget: ${BULKETL_TARGET}\n" in text
    assert clinic.pg("SELECT to_regclass('{s}.patient')") == [(None,)]
    assert typed("load").exit_code == 0
    assert clinic.pg("SELECT id, name FROM {s}.patient ORDER BY id") == [(1, "a"), (2, "b")]


def test_uris_that_are_options_are_kept_where_their_owner_alone_reads(typed: Init, clinic: Lab) -> None:
    """And a load needs no variable then."""
    given, none = uris(clinic), {"BULKETL_SOURCE": "", "BULKETL_TARGET": ""}
    words = ["--source", given["BULKETL_SOURCE"], "--target", given["BULKETL_TARGET"], "--schema", clinic.schema]
    done = typed("init", *words, **none)
    assert done.exit_code == 0, done.output
    for side in ("source", "target"):
        path = Path(f"config/{side}.secret")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert given[f"BULKETL_{side.upper()}"] == path.read_text(encoding="utf-8").strip()
        assert given[f"BULKETL_{side.upper()}"] not in done.output + Path(FILES[0]).read_text(encoding="utf-8")
    assert typed("load", **none).exit_code == 0


def test_what_is_there_already_stays_unless_told(typed: Init, clinic: Lab) -> None:
    assert typed("init", "--schema", clinic.schema).exit_code == 0
    Path(FILES[1]).write_text("source_tables: {patient: {table_importance: critical}}\n", encoding="utf-8")
    before = Path(FILES[1]).read_bytes()
    done = typed("init")
    assert done.exit_code == 2
    assert "config/bulketl.yaml exists already" in done.stderr
    assert "--force" in done.stderr
    assert Path(FILES[1]).read_bytes() == before
    assert typed("init", "--force", "--schema", clinic.schema).exit_code == 0
    assert Path(FILES[1]).read_bytes() != before


@pytest.mark.parametrize("missing", [("source",), ("target",), ("source", "target")])
def test_without_a_terminal_it_says_which_uri_is_missing(typed: Init, missing: tuple[str, ...]) -> None:
    done = typed("init", **{f"BULKETL_{side.upper()}": "" for side in missing})
    assert done.exit_code == 2
    for side in ("source", "target"):
        assert (f"set BULKETL_{side.upper()}" in done.stderr) is (side in missing)
    assert not Path("config").exists()


def test_nothing_is_written_while_a_server_is_away(typed: Init) -> None:
    done = typed("init", BULKETL_TARGET="postgresql://x:hush@127.0.0.1:1/x")
    assert done.exit_code == 1
    assert "hush" not in done.output
    assert "nothing was written" in done.stderr
    assert not Path("config").exists()


def test_a_file_with_the_uri_is_as_good_as_the_variable(typed: Init, clinic: Lab, tmp_path: Path) -> None:
    (tmp_path / "uri").write_text(clinic.source, encoding="utf-8")
    where = {"BULKETL_SOURCE": "", "BULKETL_SOURCE_FILE": str(tmp_path / "uri")}
    assert typed("init", "--schema", clinic.schema, **where).exit_code == 0
    assert typed("plan", "--json", **where).exit_code == 0
    assert json.loads(typed("plan", "--json", **where).stdout)


def heard(terminal: Terminal, question: str) -> bool:
    """Tell whether what is typed now is taken: turning the echo off for a password drops what came before."""
    echoes = bool(termios.tcgetattr(terminal.descriptor)[3] & termios.ECHO)
    return echoes is not question.startswith("password")


def test_a_person_is_asked_and_the_password_is_not_shown(
    clinic: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal, where a user with a password is needed at the source."""
    monkeypatch.chdir(tmp_path)
    at = urllib.parse.urlsplit(clinic.source)
    user = f"u{clinic.database[2:]}"
    clinic.server.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'h/u@sh'")
    clinic.server.execute(f"GRANT SELECT ON {clinic.database}.* TO {user}@'%'")
    try:
        target = uris(clinic)["BULKETL_TARGET"]
        answers = {
            "URI of the source": f"mysql://{user}@{at.hostname}:{at.port}{at.path}", "password at the source": "h/u@sh",
            "URI of the target": target, "password at the target": "",
        }  # fmt: skip
        environ = {"BULKETL_SOURCE": "", "BULKETL_TARGET": "", "PYTHONPATH": os.pathsep.join(sys.path)}
        with bulketl(["init", "--schema", clinic.schema], 200, environ) as terminal:
            for question, answer in answers.items():
                terminal.until(lambda text, question=question: question in text and heard(terminal, question))  # type: ignore[misc]
                os.write(terminal.descriptor, f"{answer}\n".encode())
            assert terminal.ended() == 0, terminal.output
        screen = terminal.output
        assert "next: look through" in screen, screen
        assert "h/u@sh" not in screen
        assert "h%2Fu%40sh" in (tmp_path / "config/source.secret").read_text(encoding="utf-8")
    finally:
        clinic.server.execute(f"DROP USER {user}@'%'")
