"""Runbooks as tests carry them out: the commands of each step of a Markdown file, and what they have to print.

A step is an item of the file's numbered list. A fenced `sh` block in it is commands, a `text` block behind that is what they
print: each of its lines is found in the output, `…` stands for anything, and `exit code 3` for how the commands end.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lab import Server, execute
from psycopg.conninfo import make_conninfo

import bulketl
from bulketl.errors import RUNBOOKS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / RUNBOOKS
BLOCK = re.compile(r"^ *```(sh|text)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
SECONDS = 120


class Command(NamedTuple):
    """The commands of one block: in which step, what they print, and how they end."""

    step: int
    text: str
    promised: tuple[str, ...]
    code: int


def names() -> list[str]:
    """Return the names of all runbooks."""
    return sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")


def text_of(name: str) -> str:
    """Return the text of a runbook."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def commands(name: str) -> list[Command]:
    """Return the commands of a runbook, in their order."""
    return commands_in(text_of(name))


def commands_in(text: str) -> list[Command]:
    """Return the commands of the steps of a text, in their order."""
    found: list[Command] = []
    pieces = re.split(r"^(\d+)\. ", text, flags=re.MULTILINE)
    for step, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        for kind, block in BLOCK.findall(piece):
            lines = [line for line in textwrap.dedent(block).splitlines() if line.strip()]
            if kind == "sh":
                found.append(Command(int(step), "\n".join(lines), (), 0))
                continue
            ends = [int(line.split()[-1]) for line in lines if re.fullmatch(r"exit code \d+", line)]
            told = tuple(line for line in lines if not line.startswith("exit code "))
            found[-1] = found[-1]._replace(promised=found[-1].promised + told, code=ends[0] if ends else 0)
    return found


class Clinic:
    """A clinic's database at the source, an empty database as the target, and a folder in which somebody types commands."""

    def __init__(self, folder: Path, server: Server, database: str, target: str) -> None:
        self.folder, self.server, self.database, self.target = folder, server, database, target
        self.schema = "raw"
        (folder / "config").mkdir()
        (folder / "bin").mkdir()
        shim = folder / "bin" / "bulketl"
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m bulketl "$@"\n', encoding="utf-8")
        shim.chmod(0o755)
        ((programs,),) = execute(
            target, "SELECT setting FROM pg_config WHERE name = 'BINDIR'"
        )  # pg_dump as new as the server
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BULKETL_")},
            "BULKETL_SOURCE": server.database(database),
            "BULKETL_TARGET": target,
            "PYTHONPATH": str(Path(bulketl.__file__).parents[1]),
            "PATH": f"{folder / 'bin'}:{programs}:{os.environ['PATH']}",
            "COLUMNS": "120",
        }

    def rules(self, **tables: Mapping[str, Any]) -> None:
        """Write tables.yaml."""
        (self.folder / "config" / "tables.yaml").write_text(json.dumps({"source_tables": tables}), encoding="utf-8")

    def settings(self, **keys: Any) -> None:
        """Write bulketl.yaml."""
        (self.folder / "config" / "bulketl.yaml").write_text(json.dumps(keys), encoding="utf-8")

    def mysql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Execute statements at the source and return the rows of the last one."""
        return [self.server.execute(statement, database=self.database) for statement in statements][-1]

    def pg(self, statement: str) -> list[tuple[Any, ...]]:
        """Execute a statement in the target and return its rows."""
        return execute(self.environ["BULKETL_TARGET"], statement)

    @staticmethod
    def usual() -> dict[str, dict[str, Any]]:
        """Return the rules with which nothing is found."""
        return {
            "patient": {
                "table_importance": "critical", "extraction_strategy": "incremental",
                "incremental_column": "SecDateTEdit", "deletes": "mirror",
            },
            "securitylog": {"table_importance": "audit"},
            "zipcode": {"table_importance": "reference"},
        }  # fmt: skip

    def log_in_as(self, user: str) -> None:
        """Let a user who is not there yet do all that is typed, at both servers."""
        self.environ["BULKETL_SOURCE"] = self.server.database(self.database, user, "secret")
        self.environ["BULKETL_TARGET"] = make_conninfo(self.target, user=user)

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        """Type commands into a shell, and have what both of its outputs show as the first."""
        return subprocess.run(
            ["sh", "-ec", text], env=self.environ, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=SECONDS, check=False,
        )  # fmt: skip

    def well(self, text: str) -> None:
        """Type commands which are no part of a runbook, and have them end well."""
        done = self.run(text)
        assert done.returncode == 0, done.stdout


class Walk:
    """A runbook, walked through step by step; `given` is what somebody writes in the place of words in capitals."""

    def __init__(self, clinic: Clinic, name: str, given: Mapping[str, str]) -> None:
        self.clinic, self.name, self.given = clinic, name, given
        self.left = commands(name)

    def steps(self, *numbers: int, **more: str) -> str:
        """Carry out the next steps, which have these numbers, and return what their commands printed."""
        assert all(command.step >= min(numbers) for command in self.left), f"commands before step {min(numbers)} are left"
        now = [command for command in self.left if command.step in numbers]
        assert now, f"no command is in step {numbers}"
        self.left = [command for command in self.left if command not in now]
        return "\n".join(self._carried_out(command, {**self.given, **more}) for command in now)

    def _carried_out(self, command: Command, given: Mapping[str, str]) -> str:
        done = self.clinic.run(_filled(command.text, given))
        return kept(command, done, f"{self.name}, step {command.step}", given)


def kept(command: Command, done: subprocess.CompletedProcess[str], where: str, given: Mapping[str, str]) -> str:
    """Return what a command printed; fail when it ended or printed otherwise than its page promises."""
    told = f"{where}: {command.text}\n{done.stdout}"
    assert done.returncode == command.code, f"ended with {done.returncode}: {told}"
    printed = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for line in command.promised:
        words = " ".join(_filled(line, given).split())
        pattern = ".*?".join(re.escape(part.strip()) for part in words.split("…"))
        assert any(re.search(pattern, one) for one in printed), f"{line!r} is not in the output of {told}"
    return done.stdout


def _filled(text: str, given: Mapping[str, str]) -> str:
    for name, value in given.items():
        text = re.sub(rf"\b{name}\b", lambda _, value=value: value, text)  # type: ignore[misc]
    return text


def named(text: str) -> Iterator[str]:
    """Yield the runbooks that a text names."""
    yield from re.findall(rf"{re.escape(RUNBOOKS)}([a-z-]+)\.md", text)
