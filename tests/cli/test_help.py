"""Help: of every command there is, with words instead of Python's types, an example that parses, and its exit codes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.cli.help import LOADS


def commands(group: Any, *before: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *before, name)
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield " ".join((*before, name)), command


EVERY = dict(commands(typer.main.get_command(app)))


def shown(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "120", "TERMINAL_WIDTH": "120"})
    assert done.exit_code == 0, (words, done.output)
    return str(done.stdout)


@pytest.mark.parametrize("words", EVERY)
def test_help_is_words_with_an_example_and_the_exit_codes(words: str) -> None:
    """By either name, and by `bulketl help`."""
    text = shown(*words.split(), "-h")
    assert text == shown(*words.split(), "--help")
    assert not re.search(r"<[a-z]+|list\[|Optional|\{[A-Z]", text), text
    assert re.search(r"Example: bulketl \w+", text)
    assert re.search(r"Exit codes: 0 ", text)
    of_help = shown("help", *words.split())
    assert re.sub(r"Usage: .*", "", of_help).split() == re.sub(r"Usage: .*", "", text).split()


@pytest.mark.parametrize("words", EVERY)
def test_the_example_is_a_call_of_the_command(words: str) -> None:
    """Every option in it is one."""
    (example,) = re.findall(r"Example: `bulketl ([^`]+)`", EVERY[words].epilog)
    assert example.startswith(words)
    context = EVERY[words].make_context(words, shlex.split(example)[len(words.split()) :])
    assert context.params


def test_exit_codes_are_in_the_help_of_commands_to_which_they_apply() -> None:
    """Those of a load under load alone, and under watch, which ends as the run does."""
    codes = {
        words: set(re.findall(r"(?:: |, )(\d+) ", command.epilog.split("Exit codes")[1])) for words, command in EVERY.items()
    }
    assert codes["load"] == {str(code) for code in LOADS}
    assert codes["watch"] == codes["load"]
    assert [words for words, found in codes.items() if "4" in found] == ["load", "watch"]
    assert sorted(words for words, found in codes.items() if "5" in found) == ["certificate", "load", "watch"]
    assert codes["casts"] == {"0"}


def test_the_version_is_said_and_known_to_python() -> None:
    assert shown("--version") == f"bulketl {version('bulketl')}\n"
    assert bulketl.__version__ == version("bulketl")
    assert "__version__" in dir(bulketl)


def test_help_of_a_command_that_is_none_names_those_that_are() -> None:
    done = CliRunner().invoke(app, ["help", "state", "nope"])
    assert done.exit_code == 2
    assert "there are list, show, reset" in done.stderr
    assert "Commands" in shown("help")


def test_completion_is_there() -> None:
    """It is Typer's: a shell asks, and is given the commands that fit."""
    environ = {**os.environ, "_BULKETL_COMPLETE": "complete_bash", "COMP_WORDS": "bulketl re", "COMP_CWORD": "1"}
    code = "import sys; sys.argv[0] = 'bulketl'; from bulketl.cli.app import app; app(prog_name='bulketl')"
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["retention", "report", "rejects"]
    assert "--install-completion" in shown("--help")


def test_help_has_no_colour_where_none_is_wanted() -> None:
    """Nor is it bold or dim, even where a terminal is forced."""
    code = "import sys; sys.argv = ['bulketl', 'load', '-h']; from bulketl.cli.app import main; main()"
    for value, acts in (("1", False), ("", True)):
        environ = {**os.environ, "NO_COLOR": value, "FORCE_COLOR": "1", "TERM": "xterm"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert ("\x1b[" in done.stdout) is acts, done.stdout[:200]
