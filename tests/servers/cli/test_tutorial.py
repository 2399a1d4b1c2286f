"""The tutorial in the docs, typed from its first command to its last one."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from runbooks import ROOT, commands_in, kept

import bulketl

TUTORIAL = ROOT / "docs" / "tutorial.md"
REMEMBERED = "if [ -f .state ]; then . ./.state; fi; trap 'export -p > .state' EXIT; "  # as one terminal does
STARTED = re.compile(r"/\S*bulketl-demo-\w+")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where somebody types; whatever the demo has started there and left is ended afterwards."""
    yield tmp_path
    for place in {Path(found) for found in STARTED.findall((tmp_path / "demo.txt").read_text(encoding="utf-8"))}:
        for file in (place / "mariadb.pid", place / "postgres" / "postmaster.pid"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                os.kill(int(file.read_text(encoding="utf-8").splitlines()[0]), signal.SIGTERM)
        shutil.rmtree(place, ignore_errors=True)


def typed(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Type commands into the terminal of a folder, which has `bulketl` and knows what was exported before."""
    shim = folder / "bin" / "bulketl"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m bulketl "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("BULKETL_")},
        "PYTHONPATH": str(Path(bulketl.__file__).parents[1]),
        "PATH": f"{shim.parent}:{os.environ['PATH']}",
        "COLUMNS": "120",
    }
    with (folder / "printed").open("w+", encoding="utf-8") as output:  # servers that go on keep a pipe open
        done = subprocess.run(
            ["sh", "-ec", REMEMBERED + text], env=environ, cwd=folder, stdout=output, stderr=output, timeout=120, check=False
        )
        output.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, output.read(), "")


def test_every_command_of_the_tutorial_prints_what_it_says(folder: Path) -> None:
    """In the order of the page, in one terminal; at the end no folder of a server is left."""
    steps = commands_in(TUTORIAL.read_text(encoding="utf-8"))
    assert {command.step for command in steps} == set(range(1, 12))
    for command in steps:
        kept(command, typed(command.text, folder), f"the tutorial, step {command.step}", {})
    found = STARTED.findall((folder / "demo.txt").read_text(encoding="utf-8"))
    assert found
    assert not any(Path(place).exists() for place in found)
