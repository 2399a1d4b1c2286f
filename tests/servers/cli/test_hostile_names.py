"""Names and values that act on a terminal, or look like markup: every command shows them, and none of them acts."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hypothesis import given
from hypothesis import strategies as st
from lab import Lab
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

import bulketl
from bulketl.cli import options
from bulketl.cli.app import app
from bulketl.cli.progress.display import Display, Lines
from bulketl.cli.terminal import Spoken, Terminal
from bulketl.loading.events import RunStarted, TableFailed, TableStarted
from bulketl.tables.printable import in_a_line, shown
from bulketl.verifying.heatmap import draw
from bulketl.verifying.months import History, MonthPair, TableHistory

ACTS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2066, 0x2028) if chr(code) != "\n"]
FORGED = "forged line"
NAMES = ("[/x]", "[red]e[/]", ":tada:", "e\x1b]0;title\x07e", "c\x9b31mc", "b\u202eb", f"n\n{FORGED}", "$\\frac{$", "%s{0}")
RULES: dict[str, Any] = {
    "plain": {"checks": [{"range": name, "min": 0, "severity": "reject"} for name in NAMES[:1]], "max_rejects": "100%"},
    **{
        name: {
            "table_importance": "audit" if n % 2 else "critical",
            "extraction_strategy": "incremental",
            "incremental_column": name,
            "deletes": "mirror" if n % 2 == 0 else "ignore",
            "retention": {"keep": "1y", "by": f"d{name}", "action": "delete"},
            "keep": ["indexes", "comments", "defaults", "foreign_keys"],
        }
        for n, name in enumerate(NAMES)
    },
}
# What each command is called with. A command that is not here fails the first test.
CALLS: dict[str, list[list[str]]] = {
    "load": [["--certify"], [], ["--tables", "nothing\x1b[2J*"], ["--resume", "x\x1b[2J"]],
    "plan": [
        [],
        ["--sql"],
        ["--diff"],
        ["--full"],
        ["--limit", "1"],
        ["--limit", "1", "--allow-deletes", "*"],
        ["--limit", "1", "--schema", "copy\x1b[2J"],
    ],
    "discover": [[], ["--write", "config/new.yaml", "--yes"]],
    "validate": [[]],
    "casts": [[]],
    "schedule": [["cron"], ["systemd"], ["airflow"], ["x\x1b[2J"]],
    "verify": [[], ["--level", "count"], ["--level", "sums"]],
    "why": [
        ["plain", "4"],
        ["plain", "5", "word"],
        [NAMES[3], "1"],
        [NAMES[6], "1"],
        [NAMES[0], "3"],
        ["no\x1b[2J", "\x1b[2J"],
    ],
    "state list": [[]],
    "state show": [["plain"], [NAMES[3]], ["no\x1b[2J"]],
    "state reset": [["plain", "--yes"]],
    "audit verify": [[]],
    "rejects list": [[]],
    "rejects show": [[]],
    "rejects export": [["out\x1b[2J.json"]],
    "rejects retry": [[]],
    "retention": [["--dry-run"], ["--folder", "archive"]],
    "certificate": [[]],
    "migrate status": [[], ["-v"]],
    "migrate plan": [[]],
    "migrate import-state": [["--reason", "x\x1b[2J"], ["--tables", "no\x1b[2J", "--reason", "x"]],
    "migrate shadow": [["--reason", "x\x1b[2J"]],
    "migrate compare": [[], ["--level", "x\x1b[2J"], ["--tables", "no\x1b[2J*"]],
    "migrate waive": [
        ["--list"],
        [NAMES[3], "--class", "seconds", "--reason", "x\x1b[2J"],
        ["plain", "no\x1b[2J", "--class", "seconds", "--reason", "x"],
        ["no\x1b[2J", "--class", "x\x1b[2J", "--reason", "x"],
    ],
    "migrate views": [["--into", "v\x1b[2J"]],
    "migrate promote": [["--reason", "x\x1b[2J"], ["--tables", "no\x1b[2J", "--reason", "x"]],
    "migrate demote": [["--reason", "x\x1b[2J", "--tables", "no\x1b[2J"]],
    "undo": [["plain"], [NAMES[3]], ["no\x1b[2J"]],
    "rollback": [["--reason", "x\x1b[2J"], ["--tables", "no\x1b[2J", "--reason", "x"], ["--dry-run", "--reason", "x"]],
    "pairs": [[]],
    "history": [[], ["--sums"], ["--png", "map.png"]],
    "verify months": [[], ["--sums"], ["--png", "map.png"]],
    "alerts list": [[], ["--all"]],
    "alerts show": [["1"]],
    "alerts ack": [["1"]],
    "alerts resolve": [["1"]],
    "alerts test": [[], ["x\x1b[2J"]],
    "alerts tick": [[]],
    "explain": [["no\x1b[2J"], ["BLK-1040"]],
    "grants": [[], ["--check"]],
    "doctor": [[], ["-v"]],
    "metrics": [["--textfile", "x.prom"]],
    "dbt sources": [[], ["--tables", "no\x1b[2J*"], ["--write", "x.yml"]],
    "runs": [[]],
    "runs list": [[], ["--table", "plain"], ["--table", "no\x1b[2J"]],
    "runs show": [["last"], ["no\x1b[2J"]],
    "runs cancel": [["last"], ["no\x1b[2J"]],
    "status": [[], ["--tables", "no\x1b[2J*"], ["--from", "no\x1b[2J"]],
    "watch": [["--once"]],
    "report daily": [[], ["--markdown"], ["--json"], ["--html", "daily.html"], ["--mail"], ["--until", "x\x1b[2J"]],
    "report weekly": [[], ["--markdown"], ["--html", "weekly.html"], ["--since", "x\x1b[2J"]],
    "report compliance": [[], ["--markdown"], ["--html", "report.html"], ["--since", "x\x1b[2J"]],
    "report incident": [[], ["last"], ["no\x1b[2J"], ["--html", "incident.html"], ["--markdown"]],
    "report run": [[], ["last", "--markdown"], ["no\x1b[2J"], ["--html", "run.html"]],
    "report verify": [["no\x1b[2J", "--key", "no\x1b[2J"]],
    "watchdog": [[]],
    "help": [["state", "no\x1b[2J"], ["load"]],
    "dashboard": [],  # serves until it is ended: its pages are tried with hostile names in a browser
    "init": [[], ["--force", "--schema", "x\x1b[2J"]],  # the last: it writes the rules anew
    "demo": [],  # shows a database of its own, and nothing that is given to it
}


def commands(group: Any, path: str = "") -> list[str]:
    """Every command that there is, by its words."""
    below = getattr(group, "commands", {})
    itself = [path] if path and below and group.invoke_without_command else []
    return itself + [name for key, command in below.items() for name in commands(command, f"{path} {key}".strip())] or [path]


def test_every_command_is_tried_with_hostile_names() -> None:
    """A new command has to be added above."""
    assert sorted(commands(typer.main.get_command(app))) == sorted(CALLS)


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def literal(text: str) -> str:
    """A text of MySQL, whatever it holds."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


@pytest.fixture(scope="module")
def hostile(mariadb: Any, postgres: str) -> Any:
    """A database of tables, columns and values that are all hostile."""
    from conftest import fresh

    generator = fresh(mariadb, postgres)
    lab: Lab = next(generator)
    lab.mysql("CREATE TABLE plain (id int PRIMARY KEY, `[/x]` int, word varchar(99))")
    for n, name in enumerate(NAMES):
        lab.insert("plain", [(n, -1 if n == 1 else n, name)])
        column = name.replace("`", "``")
        lab.mysql(
            f"CREATE TABLE `{column}` (`k{column}` int PRIMARY KEY, `{column}` datetime, `d{column}` date,"
            f" `v{column}` varchar(99) DEFAULT {literal(name)}, KEY (`{column}`), KEY `i{column}`"
            f" (`v{column}`, `k{column}`), FULLTEXT KEY `t{column}` (`v{column}`)) COMMENT {literal(name)}"
        )
        lab.insert(f"`{column}`".replace("%", "%%"), [(i, f"2024-01-0{i}", "2001-01-01", name) for i in (1, 2, 3)])
        pointing = f"FOREIGN KEY (`k{column}`) REFERENCES `{column}` (`k{column}`)"
        lab.mysql(f"ALTER TABLE `{column}` ADD CONSTRAINT `f{column}` {pointing}")
    yield lab
    next(generator, None)


@pytest.fixture
def workplace(hostile: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    uri = f"postgresql:///?{'&'.join(hostile.target.split())}"
    for key, value in {"SOURCE": hostile.source, "TARGET": uri, "SCHEMA": hostile.schema}.items():
        monkeypatch.setenv(f"BULKETL_{key}", value)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tables.yaml").write_text(json.dumps({"source_tables": RULES}))
    closes = dt.datetime.now(dt.UTC) + dt.timedelta(hours=12)  # for a minute
    window = f"{closes + dt.timedelta(minutes=1):%H:%M}-{closes:%H:%M} UTC"
    (tmp_path / "config" / "bulketl.yaml").write_text(f'windows: {{load: "{window}"}}\n')
    select = "SELECT `[/x]` AS `e\\e[31m` FROM plain WHERE id = 1"
    pair = {"source": select.replace("\\e", "\x1b"), "target": 'SELECT 7 AS "e\x1b[31m"'}
    (tmp_path / "config" / "checks.yaml").write_text(json.dumps({"pairs": {"p\x1b[31m": pair}}))
    return tmp_path


def harmless(text: str, where: str = "") -> None:
    """Fail when a character of the text acts on a terminal, or a name has made a line of its own."""
    assert not [character for character in text if character in ACTS], where
    assert not [line for line in text.splitlines() if line.strip().startswith(FORGED)], where


def test_no_command_lets_a_name_or_a_value_act(hostile: Lab, workplace: Path) -> None:
    """Every command, on what two loads with changes between have left: it ends as it should, and shows text."""
    runner, asked = CliRunner(), 0
    runner.invoke(app, ["load", "--ignore-window"])
    name = NAMES[0]
    hostile.mysql(f"DELETE FROM `{name}` WHERE `k{name}` = 3")
    hostile.mysql(f"UPDATE `{NAMES[1]}` SET `v{NAMES[1]}` = 'x' WHERE `k{NAMES[1]}` = 1")
    for words, calls in CALLS.items():
        for arguments in calls:
            extra = ["--ignore-window"] if words == "load" else []
            done = runner.invoke(app, [*words.split(), *arguments, *extra])
            where = f"{words} {arguments}: {done.output}"
            assert done.exception is None or isinstance(done.exception, SystemExit), where
            if "--sql" not in arguments:  # a script for a program, into a pipe: as it is
                harmless(done.stdout, where)
            harmless(done.stderr, where)
            asked += 1
    assert asked > len(CALLS)


def test_a_script_on_a_terminal_does_not_act_either(hostile: Lab, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `plan --sql` hands to programs as it is."""
    file = io.StringIO()
    monkeypatch.setattr(options, "out", Terminal(file=file, force_terminal=True, color_system=None))
    CliRunner().invoke(app, ["plan", "--sql"])
    assert f"\n-- n␤{FORGED}\n" in file.getvalue()  # what follows a comment's line feed would be a statement
    assert not [character for character in file.getvalue() if character in ACTS]


@given(st.text(st.characters(codec=None), max_size=40))
def test_whatever_a_name_holds_a_screen_shows_it_without_acting(name: str) -> None:
    """In a cell of a table, in a text and in plain words; markup is text."""
    file = io.StringIO()
    terminal = Terminal(file=file, width=400, color_system=None)
    table = Table(box=None)
    table.add_column("name")
    table.add_row(name)
    terminal.print(table, Text(name), name)
    assert not [character for character in file.getvalue() if character in ACTS]
    file.getvalue().encode()
    assert len(in_a_line(name)) == len(name)
    assert "\n" not in in_a_line(name)


@pytest.mark.parametrize("text", ["[/x]", "[bold]x[/]", ":tada:", "[link=file:///]x[/link]"])
def test_markup_and_names_of_emojis_are_shown_as_they_are(text: str) -> None:
    """They are somebody's data."""
    file = io.StringIO()
    Terminal(file=file, width=80).print(text)
    assert file.getvalue() == f"{text}\n"


def test_progress_makes_one_line_of_what_it_tells() -> None:
    """In logs and in the live display."""
    name = NAMES[3]
    for console in (
        Terminal(file=io.StringIO(), width=100, color_system=None),
        Terminal(file=io.StringIO(), width=100, force_terminal=True, color_system=None),
    ):
        observers: list[Any] = [Lines(console)]
        if console.is_terminal:
            with Display(console) as display:
                _tell(display, name)
        else:
            _tell(observers[0], name)
        written = console.file.getvalue()  # type: ignore[attr-defined]
        assert "\x1b]0;" not in written
        assert f"\n{FORGED}" not in written


def _tell(observer: Any, name: str) -> None:
    observer(RunStarted("r", "s", "raw", "UTC", {name: (1, "critical"), NAMES[6]: (1, "critical")}))
    observer(TableStarted("r", name))
    observer(TableStarted("r", NAMES[6]))
    observer(TableFailed("r", name, "DataError", f"table {name}\n{FORGED}", "", 0.1))


def test_what_is_logged_and_warned_of_is_a_line_that_does_not_act(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's words too, as when something is tried again."""
    file = io.StringIO()
    log = logging.getLogger("bulketl")
    spoken = Spoken(Terminal(file=file, width=80, color_system=None))
    log.addHandler(spoken)
    try:
        log.warning("source %s; trying again in 2.0 s", NAMES[3] + NAMES[6])
    finally:
        log.removeHandler(spoken)
    assert file.getvalue() == f"source e␛]0;title␇en␤{FORGED}; trying again in 2.0 s\n"


def test_what_is_shown_keeps_its_place() -> None:
    """A character for a character, so that columns stay."""
    assert shown("a\x1b[31mb\x9bc\x7f\nd\u202e") == "a␛[31mb�c␡\nd�"


@pytest.mark.parametrize("tables", [1, 2])
def test_a_picture_takes_names_as_they_are(tables: int, tmp_path: Path) -> None:
    """A dollar sign begins no formula."""
    months = (MonthPair(202401, 3, 2),)
    found = tuple(TableHistory(name, name, months) for name in NAMES[-1 - tables : -1])
    draw(History(dt.datetime.now(dt.UTC), "s", "raw", found), tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_a_table_with_brackets_in_its_name_is_named_alone_by_every_command(maria_lab: Lab) -> None:
    """Only stars and question marks stand for others."""
    maria_lab.mysql(*(f"CREATE TABLE `{name}` (id int PRIMARY KEY)" for name in ("z[ab]", "za", "zb", "a*b", "axb", "c,d")))
    assert list(maria_lab.load(tables=["z[ab]"]).summary.tables) == ["z[ab]"]
    assert list(maria_lab.load(tables=["a\\*b"]).summary.tables) == ["a*b"]
    config = maria_lab.config()
    assert [item.table for item in bulketl.verify(config, tables=["z[ab]"]).tables] == ["z[ab]"]
    assert bulketl.reset(config, ["z[ab]"]) == ["z[ab]"]
    environ = {"BULKETL_SOURCE": maria_lab.source, "BULKETL_TARGET": maria_lab.target, "BULKETL_SCHEMA": maria_lab.schema}
    done = CliRunner().invoke(app, ["plan", "--tables", "c\\,d", "--json"], env=environ)
    assert done.exit_code == 0, done.output
    assert [load["spec"]["table"] for group in json.loads(done.stdout)["groups"] for load in group["loads"]] == ["c,d"]
