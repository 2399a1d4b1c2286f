"""Snippets for schedulers: the begin of the window, in its zone, on its days; and they do what they say."""

from __future__ import annotations

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

from bulketl.config.windows import Windows
from bulketl.operations.schedulers import SCHEDULERS, Scheduler, snippet, ticking

NIGHT = Windows(load="21:30-06:00 America/Chicago", days=("mon", "sat", "sun"))
ODD = 'it\'s 100% $HOME; "odd"'


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("systemd", "OnCalendar=Mon,Sat,Sun *-*-* 21:30:00 America/Chicago"),
        ("cron", "30 21 * * 1,6,0 cd /srv/bulketl && "),
        ("airflow", 'schedule="30 21 * * 1,6,0"'),
    ],
)
def test_a_load_begins_when_the_window_opens(kind: Scheduler, line: str) -> None:
    """Sunday is 0 for cron."""
    text = snippet(kind, NIGHT, "/srv/bulketl")
    assert line in text
    assert "America/Chicago" in text
    assert "/srv/bulketl" in text


def test_every_snippet_takes_up_what_was_stopped() -> None:
    """Before the new load."""
    for kind in SCHEDULERS:
        text = snippet(kind, NIGHT, "/srv/bulketl")
        assert text.index("load --resume last") < text.index("bulketl load --json")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program at an odd path that notes its words and ends with the code that the file `code` beside it has."""
    folder = tmp_path / ODD
    folder.mkdir()
    path = folder / "bulketl"
    path.write_text('#!/bin/sh\necho "$@" >> words\ncase "$*" in *--resume*) exit 2;; esac\nexit "$(cat code)"\n')
    path.chmod(0o755)
    return path


def airflow_command(program: Path) -> str:
    """Return the command of the DAG, which has to be Python."""
    dag = ast.parse(snippet("airflow", NIGHT, str(program.parent), (str(program), "load", "--config", "a b.yaml")))
    (command,) = [node.value for node in ast.walk(dag) if isinstance(node, ast.keyword) and node.arg == "bash_command"]
    return str(ast.literal_eval(command))


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 130, 137])
def test_the_task_of_a_dag_fails_unless_the_load_is_done_or_only_warns_or_was_stopped(program: Path, code: int) -> None:
    """A process that was killed for want of memory is no success; that there was nothing to resume is no failure."""
    (program.parent / "code").write_text(str(code))
    done = subprocess.run(["bash", "-c", airflow_command(program)], capture_output=True, text=True)
    assert done.returncode == (0 if code in (3, 4) else code), done.stderr
    words = (program.parent / "words").read_text().splitlines()
    assert words == ["load --config a b.yaml --resume last", "load --config a b.yaml --json"]


def test_the_line_for_cron_runs_both_commands_in_the_folder(program: Path) -> None:
    """A % is escaped, which would end the line; what they print goes into a log."""
    (program.parent / "code").write_text("0")
    line = snippet("cron", NIGHT, str(program.parent), (str(program), "load")).splitlines()[-1]
    command = line.split(" ", 5)[5]
    assert "%" not in command.replace("\\%", "")
    subprocess.run(["sh", "-c", command.replace("\\%", "%")], check=True)
    assert (program.parent / "words").read_text().splitlines() == ["load --resume last", "load --json"]
    assert (program.parent / "bulketl.log").exists()


def test_the_line_for_cron_does_what_alerts_are_due_every_minute(program: Path) -> None:
    """In the folder, at any odd path; Airflow has no such line."""
    (program.parent / "code").write_text("0")
    line = ticking("cron", str(program.parent), (str(program), "alerts", "tick")).splitlines()[-1]
    assert line.startswith("* * * * * cd ")
    subprocess.run(["sh", "-c", line.split(" ", 5)[5].replace("\\%", "%")], check=True)
    assert (program.parent / "words").read_text().splitlines() == ["alerts tick"]
    assert ticking("airflow", "/srv", ("bulketl", "alerts", "tick")) == ""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("odd", [True, False])
def test_systemd_takes_the_units(program: Path, tmp_path: Path, odd: bool) -> None:
    """As they are printed, with a program at an odd path too, and with one that has to be found."""
    words = (str(program), "load", "--config", "a b.yaml") if odd else ("bulketl", "load")
    texts = (snippet("systemd", NIGHT, str(program.parent), words), ticking("systemd", str(program.parent), words))
    paths = []
    for unit in "".join(texts).split("# /etc/systemd/system/")[1:]:
        name, _, text = unit.partition("\n")
        paths.append(tmp_path / name)
        paths[-1].write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", *map(str, paths)], capture_output=True, text=True)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "bulketl" in line]) == (0, [])
