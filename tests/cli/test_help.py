"""Help: of every command there is, with words instead of Python's types, an example that parses, and its exit codes."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from commandlist import commands
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import PANELS, app
from bulketl.cli.following import NEXT
from bulketl.cli.help import LOADS
from bulketl.cli.options import err

EVERY = dict(commands())


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
    assert "To begin" in shown("help")


def test_completion_is_there() -> None:
    """It is Typer's: a shell asks, and is given the commands that fit."""
    environ = {**os.environ, "_BULKETL_COMPLETE": "complete_bash", "COMP_WORDS": "bulketl re", "COMP_CWORD": "1"}
    code = "import sys; sys.argv[0] = 'bulketl'; from bulketl.cli.app import app; app(prog_name='bulketl')"
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["retention", "rejects", "report"]
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


# Commands without --json, and why.
WITHOUT_JSON = {
    "init": "writes files, and a person looks on",
    "dashboard": "serves pages",
    "demo": "shows a load to a person",
    "help": "is help",
    "state reset": "asks, and changes what is on record",
    "rejects export": "writes a file that may itself be JSON",
}


def test_whatever_reads_can_be_asked_for_json() -> None:
    """A new command has --json, or a reason here."""
    without = {words for words, command in EVERY.items() if "--json" not in {o for one in command.params for o in one.opts}}
    assert without == set(WITHOUT_JSON)


@pytest.mark.parametrize("words", EVERY)
def test_help_fits_a_screen(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100 columns and 40 lines."""
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 100)  # which is read once
    done = CliRunner().invoke(app, [*words.split(), "-h"], env={"COLUMNS": "100", "TERMINAL_WIDTH": "100"})
    text = re.sub(r"\A[ \n]*\n|[ \n]*\Z", "", done.stdout).splitlines()
    assert len(text) <= 40
    assert max(map(len, text)) <= 100


def test_the_list_of_commands_has_a_line_for_each() -> None:
    """Whole sentences, none of them cut inside a word of code."""
    for words, command in EVERY.items():
        assert 0 < len(command.short_help) <= 100, words
        assert command.short_help.endswith("."), words
        assert command.short_help.count("`") % 2 == 0, words


def test_the_list_of_commands_is_in_parts_by_what_a_person_is_about() -> None:
    """Each command stands in one of them, under a heading and on a line of its own."""
    listed = [name for names in PANELS.values() for name in names]
    assert sorted(listed) == sorted({words.split()[0] for words in EVERY})
    text = shown("--help")
    assert re.findall(r"─ (To begin|Every night|To [a-z, ]+?) ─", text) == list(PANELS)
    assert "─ Commands ─" not in text


# Commands that leave the next step to others, and why.
WITHOUT_NEXT = {
    "init": "says it itself", "doctor": "says it itself", "discover": "says it itself", "validate": "says it itself",
    "plan": "says it itself", "migrate plan": "is what comes next", "dbt sources": "says it itself",
    "explain": "says what to do", "demo": "says how its servers are stopped", "help": "is help",
    "dashboard": "is ended by its user", "metrics": "a collector reads it", "watchdog": "a scheduler calls it",
    "alerts tick": "a scheduler calls it", "report verify": "is the last word", "migrate views": "others read them",
}  # fmt: skip


def test_each_command_leads_on_to_the_next() -> None:
    """By a command that there is, with options that it has; a new command leads on, or has a reason here."""
    assert set(EVERY) == {*NEXT, *WITHOUT_NEXT}
    assert not NEXT.keys() & WITHOUT_NEXT.keys()
    for text in NEXT.values():
        for line in re.findall(r"`bulketl ([^`]+)`", text):
            words = " ".join(
                itertools.takewhile(lambda word: re.fullmatch("[a-z-]+", word) and word[0] != "-", line.split())
            )
            named = max((known for known in EVERY if f"{words} ".startswith(f"{known} ")), key=len, default="")
            assert named, line
            options = {option for one in EVERY[named].params for option in one.opts}
            assert set(re.findall(r"--[a-z-]+", line)) <= options, line


@pytest.mark.parametrize(("words", "told"), [(["casts"], True), (["casts", "--json"], False), (["casts", "-h"], False)])
def test_what_is_next_is_told_to_a_person_alone(
    words: list[str], told: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for terminal in (True, False):
        monkeypatch.setattr(type(err), "is_terminal", terminal)
        with pytest.raises(SystemExit):
            app(words)
        assert ("next: " in capsys.readouterr().err) is (told and terminal)


def test_no_command_has_colour_where_none_is_wanted() -> None:
    """In its help, and in what it says of an option that it has not; even where a terminal is forced."""
    code = (
        "import sys; from bulketl.cli import app as cli\n"
        f"for words in {[words.split() for words in EVERY]!r}:\n"
        "    for option in ('--help', '--no-such-option'):\n"
        "        sys.argv = ['bulketl', *words, option]\n"
        "        try:\n            cli.main()\n        except SystemExit:\n            pass\n"
    )
    for value, acts in (("1", False), ("", True)):
        environ = {**os.environ, "NO_COLOR": value, "FORCE_COLOR": "1", "TERM": "xterm"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.stdout.count("Usage:") >= len(EVERY)
        assert done.stderr.count("No such option") == len(EVERY), done.stderr[-500:]
        assert ("\x1b[" in done.stdout + done.stderr) is acts


def test_everything_is_printed_by_the_terminal_that_hears_no_color() -> None:
    """Nobody makes a console of his own, or colours by other means."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in Path(bulketl.__file__).parent.rglob("*.py")}
    own = {name for name, text in texts.items() if re.search(r"\bConsole\(|typer\.(style|secho)|\\x1b\[[\d;]*m", text)}
    assert own <= {"terminal.py"}


def completed(line: str, shell: str = "bash") -> list[str]:
    """Return what a shell is given for a line."""
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1), "_TYPER_COMPLETE_ARGS": line}
    paths = os.pathsep.join(map(os.path.abspath, sys.path))
    environ = {**os.environ, "PYTHONPATH": paths, "_BULKETL_COMPLETE": f"complete_{shell}", **asked}
    code = "import sys; sys.argv = ['bulketl']; from bulketl.cli.app import app; app(prog_name='bulketl')"
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert not done.stderr
    return done.stdout.split("\n")


def test_tables_tiers_and_codes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the catalog beside the rules; without one, or with one that is broken, by nothing."""
    monkeypatch.chdir(tmp_path)
    assert "".join(completed("bulketl load --tables cl")).strip() == ""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "catalog.json").write_text('{"claim": {}, "clinic": {}, "patient": {}, "cl\\u001b[31m": {}}')
    for line in ("load --tables cl", "plan --exclude cl", "why cl", "state show cl", "undo cl", "state list cl"):
        assert sorted("".join(f"{one} " for one in completed(f"bulketl {line}")).split()) == ["claim", "clinic"], line
    assert completed("bulketl load --tables patient,cla")[0] == "patient,claim"
    assert completed("bulketl load --tier cr")[0] == "critical"
    assert completed("bulketl explain BLK-104")[0].startswith("BLK-104")
    (tmp_path / "config" / "catalog.json").write_text("[1")
    assert "".join(completed("bulketl load --tables cl")).strip() == ""
    (tmp_path / "config" / "billing.catalog.json").write_text('{"clause": {}}')  # of one of several sources
    for words in ("", "--rules config/billing.yaml "):
        assert "".join(completed(f"bulketl load {words}--tables cl")).strip() == "clause"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_is_given_a_script(shell: str) -> None:
    """Which asks the program, as in the test above."""
    environ = {**os.environ, "_BULKETL_COMPLETE": f"source_{shell}"}
    code = "import sys; sys.argv = ['bulketl']; from bulketl.cli.app import app; app(prog_name='bulketl')"
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert f"_BULKETL_COMPLETE=complete_{shell}" in done.stdout
    assert any("retention" in line for line in completed("bulketl ret", shell))
