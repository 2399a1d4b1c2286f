"""Commands: of hooks, of the older pipeline, and the lines that cron, systemd and Airflow carry out."""

from __future__ import annotations

import ast
import datetime as dt
import re
import shlex
import tempfile
from typing import Any

import pytest
from hostile import ANYTHING, NAMES, TEXTS
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from tally import cases, tried

from bulketl.config.migration import TABLES
from bulketl.config.read import load_config
from bulketl.config.windows import Windows
from bulketl.connections.commands import carry_out, label
from bulketl.errors import ConfigError
from bulketl.loading import handovers
from bulketl.operations.schedulers import SCHEDULERS, Scheduler, snippet, ticking
from bulketl.postgres.ledger.handovers import Handover
from bulketl.tables.printable import in_a_line

NIGHT = Windows(load="21:30-06:00 America/Chicago")
PLAIN = "/srv/plain"
CONFIG = load_config(None, None, {})
WORDS = st.lists(ANYTHING | TEXTS, max_size=3)


@cases(9000)
@given(st.sampled_from(SCHEDULERS), TEXTS | ANYTHING, WORDS)
def test_a_folder_or_a_file_makes_no_line_and_no_word_of_its_own(kind: Scheduler, folder: str, words: list[str]) -> None:
    """What is handed to a scheduler carries out the very words in the very folder, or it is refused."""
    folder, load = f"/srv/{folder}", ("bulketl", "load", *words)
    try:
        texts = [snippet(kind, NIGHT, folder, load), ticking(kind, folder, load)]
    except ConfigError:
        acting = [text for text in (folder, *words) if in_a_line(text) != text]
        assert acting or (kind == "systemd" and (folder[-1] == "\\" or folder != folder.strip()))
        tried("folders and arguments", f"a refusal for {kind}")
        return
    plain = [snippet(kind, NIGHT, PLAIN, ("bulketl", "load")), ticking(kind, PLAIN, ("bulketl", "load"))]
    assert [len(text.splitlines()) for text in texts] == [len(text.splitlines()) for text in plain]
    if kind == "cron":
        for text in texts:
            command = text.splitlines()[-1].split(" ", 5)[5]
            assert not re.search(r"(?<!\\)%", command)
            assert shlex.split(command.replace("\\%", "%"))[:2] == ["cd", folder]
            assert subsequence(list(load), shlex.split(command.replace("\\%", "%")))
    elif kind == "airflow":
        (value,) = [
            node.value
            for node in ast.walk(ast.parse(texts[0]))
            if isinstance(node, ast.keyword) and node.arg == "bash_command"
        ]
        line = Environment().from_string(str(ast.literal_eval(value))).render()  # as Airflow does
        assert shlex.split(line)[:2] == ["cd", folder]
        assert subsequence(list(load), shlex.split(line))
    else:
        for text in texts:
            assert keys(text) == keys(plain[texts.index(text)])
            (place,) = re.findall(r"^WorkingDirectory=(.*)$", text, re.MULTILINE)
            assert place.replace("%%", "%") == folder
            command = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)[0]
            assert subsequence(list(load), read_by_systemd(command))
    tried("folders and arguments", f"lines for {kind}")


def keys(unit: str) -> list[str]:
    return [line.partition("=")[0] for line in unit.splitlines() if not line.startswith("#")]


def subsequence(words: list[str], among: list[str]) -> bool:
    return any(among[n : n + len(words)] == words for n in range(len(among)))


def read_by_systemd(line: str) -> list[str]:
    """Return the words of a command as systemd's manual says that they are read."""
    found, word, quoted, begun, at = list[str](), "", "", False, 0
    while at < len(line):
        char = line[at]
        if char == "\\":
            word, begun, at = word + line[at + 1], True, at + 1
        elif quoted:
            quoted, word = ("", word) if char == quoted else (quoted, word + char)
        elif char in "\"'":
            quoted, begun = char, True
        elif char in " \t":
            if begun:
                found.append(word)
            word, begun = "", False
        else:
            word, begun = word + char, True
        at += 1
    return [one.replace("%%", "%").replace("$$", "$") for one in (*found, *([word] if begun else []))]


@cases(600)
@given(st.lists(TEXTS.filter(lambda text: "\0" not in text), min_size=1, max_size=4), TEXTS, TEXTS)
def test_a_command_has_its_words_its_input_and_its_variables_as_they_are(words: list[str], text: str, value: str) -> None:
    """No shell reads any of them; with a NUL it does not start, and says so."""
    with tempfile.TemporaryFile() as log:
        ran = carry_out(("/usr/bin/printf", "%s\\0", *words), text, 20.0, {"BULKETL_TABLE": value}, log=log)
        if "\0" in value:
            assert ran.how.startswith("did not start")
        else:
            log.seek(0)
            assert log.read().decode().split("\0")[:-1] == words
    tried("names and events", "words of commands")


class _Told:
    """A command of the older pipeline, as it would be carried out."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def __call__(self, words: list[str], *_: Any) -> Any:
        self.words = words
        from bulketl.connections.commands import Ran

        return Ran(0, "ended with 0", "", 0.0)


@cases(3000)
@given(st.lists(NAMES, min_size=1, max_size=4))
def test_a_table_is_no_option_of_the_older_pipeline(tables: list[str]) -> None:
    """It is not told of one whose name begins with a dash, and that is said."""
    told, words = _Told(), ["legacy", TABLES]
    one = Handover(1, "20261127-011200-c3d4", "promote", tables, {}, dt.datetime.now(dt.UTC), 0, None, "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handovers, "carry_out", told)
        how = handovers._said(CONFIG, words, one)
    if any(table.startswith("-") for table in tables):
        assert "begins with a dash" in how
        assert told.words == []
    else:
        assert told.words == [*words[:-1], *tables]
    tried("names", "words of the older pipeline's command")


@cases(2000)
@given(st.lists(ANYTHING, min_size=1, max_size=3))
def test_a_command_is_called_by_its_program_alone(words: list[str]) -> None:
    assert label(words) == words[0] or "/" not in label(words)
    tried("names", "names of commands")
