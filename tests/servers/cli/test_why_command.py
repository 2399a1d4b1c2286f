"""`why` as a person runs it: exit codes, key shapes, a side that is away, and values that nobody is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from typer.testing import CliRunner

import bulketl
from bulketl import PlanError, TargetError
from bulketl.cli.app import app
from bulketl.postgres.server import LEDGER

Command = Callable[..., Any]  # returns a Result of typer.testing
NOWHERE = {"source": "mysql://root@127.0.0.1:1/x", "target": "postgresql://x@127.0.0.1:1/x"}


@pytest.fixture
def command(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command in a folder of its own, with rules as given; a side may be away."""
    monkeypatch.chdir(tmp_path)
    uri = f"postgresql:///?{'&'.join(lab.target.split())}"
    environment = {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": lab.schema}

    def call(*words: str, rules: dict[str, Any] | None = None, away: tuple[str, ...] = ()) -> Any:
        (tmp_path / "config").mkdir(exist_ok=True)
        if rules is not None:
            (tmp_path / "config" / "tables.yaml").write_text(json.dumps({"source_tables": rules}))
        gone = {f"BULKETL_{side.upper()}": NOWHERE[side] for side in away}
        return CliRunner().invoke(app, ["why", *words], env=environment | gone)

    return call


@pytest.fixture
def pairs(lab: Lab) -> Lab:
    """A table with a key of two columns, one of bytes, one of text; loaded."""
    lab.mysql(
        "CREATE TABLE c (a int, b varchar(20), v int, PRIMARY KEY (a, b))",
        "INSERT INTO c VALUES (1, 'x,y', 10), (2, 'b=3', 20), (-3, '', NULL)",
        "CREATE TABLE raw_key (k binary(4) PRIMARY KEY, t text)",
        "INSERT INTO raw_key VALUES ('ab', 'short'), (X'00ff0001', REPEAT('long ', 5000))",
        "CREATE TABLE day (k date PRIMARY KEY, secret varchar(30), n int)",
        "INSERT INTO day VALUES ('2024-02-29', 'hush-hush', 1)",
        'CREATE TABLE `50% "odd"` (`k%s` varchar(10) COLLATE utf8mb4_general_ci PRIMARY KEY, `c:x` int)',
        "INSERT INTO `50% \"odd\"` VALUES ('a%b', 1)",
        "CREATE TABLE no_key (n int)",
        "INSERT INTO no_key VALUES (1)",
    )
    lab.load()
    return lab


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("c", "a=1,b=x,y"), {"a": "1", "b": "x,y"}),
        (("c", "1", "x,y"), {"a": "1", "b": "x,y"}),
        (("c", "b=b=3", "a=2"), {"a": "2", "b": "b=3"}),
        (("c", "2,b=3"), {"a": "2", "b": "b=3"}),
        (("c", "--", "-3", ""), {"a": "-3", "b": ""}),
        (("c", "a=1,b=x,y", "v"), {"a": "1", "b": "x,y"}),
        (("c", "1", "x,y", "v"), {"a": "1", "b": "x,y"}),
        (("c", "a=1", "b=x,y", "v"), {"a": "1", "b": "x,y"}),
        (("raw_key", "ab"), {"k": "ab"}),
        (("raw_key", "\\x00ff0001", "t"), {"k": "\\x00ff0001"}),
        (("raw_key", "0x00FF0001"), {"k": "0x00FF0001"}),
        (("day", "2024-02-29", "n"), {"k": "2024-02-29"}),
        (('50% "odd"', "A%B"), {"k%s": "A%B"}),
        (('50% "odd"', "k%s=a%b", "c:x"), {"k%s": "a%b"}),
    ],
)
def test_a_key_is_spelt_as_either_side_prints_it(pairs: Lab, command: Command, words: tuple[str, ...], key: Any) -> None:
    """Named or in order, in one word or several, with or without a column after it; it ends with 0."""
    done = command(*words, "--json") if "--" not in words else command("--json", *words)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["key"], told["verdict"], told["equal"]) == (key, "equal", True)
    assert told["column"] == (words[-1] if words[-1] in ("v", "t", "n", "c:x") else "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("C", "1"), "there is no table 'C' on either side"),
        (("c", "1"), "'1' is not a key of table 'c', whose key is a, b"),
        (("c", "a=1"), "'a=1' is not a key of table 'c'"),
        (("c", "one", "x"), "'one' is not a value of a, which is int"),
        (("day", "29.2.2024"), "'29.2.2024' is not a value of k, which is date"),
        (("day", "2024-02-29", "m"), "table 'day' has no column 'm'"),
        (("day", "2024-02-28"), "no row of table 'day' has the key k=2024-02-28: neither side has it"),
        (("day", "0000-00-00"), "no row of table 'day' has the key"),
        (("c", "99999999999999999999999", "x"), "no row of table 'c' has the key"),
        (("c", "1", "a\0b"), "no row of table 'c' has the key"),
        (("c", "1", "\udc80"), "is not a value of b"),
        (("no_key", "1"), "table 'no_key' has no primary key"),
    ],
)
def test_a_wrong_request_is_exit_code_2(pairs: Lab, command: Command, words: tuple[str, ...], said: str) -> None:
    """And it says what to do."""
    done = command(*words)
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.stderr.split())
    assert len(done.stderr.splitlines()) > 1


def test_a_difference_is_exit_code_1_and_the_last_line_says_why(pairs: Lab, command: Command) -> None:
    """In a pipe each fact is one line."""
    pairs.mysql("UPDATE day SET n = 2")
    done = command("day", "2024-02-29")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "day 2024-02-29: differs"
    assert [word for line in lines[2:3] for word in line.split()] == ["n", "2", "1"]
    assert lines[-1].startswith("The source changed n after run ")
    assert lines[-1].endswith("; the next load reads the whole table and brings it.")
    assert command("day", "2024-02-29", "secret").exit_code == 0


def test_with_a_side_away_the_rest_is_told(pairs: Lab, command: Command) -> None:
    """Of the target and the ledger without the source, of the source without the target; exit code 1. Both: an error."""
    alone = command("c", "1", "x,y", away=("source",))
    assert alone.exit_code == 1
    assert "not known  'x,y'" in alone.stdout
    assert "what the source has now is not known: source mysql://127.0.0.1:1/x does not answer" in alone.stdout
    assert "wrote it at" in alone.stdout
    other = command("raw_key", "\\x00ff0001", away=("target",))
    assert other.exit_code == 1
    assert "The source has the row; what the target has is not known:" in other.stdout
    assert command("day", "2024-02-01", away=("target",)).exit_code == 1
    assert command("day", "2024-02-01", away=("source",)).exit_code == 1
    both = command("c", "1", "x,y", away=("source", "target"))
    assert both.exit_code == 1
    assert "The source does not answer either" in both.stderr


@pytest.mark.parametrize("rule", [{"mask": {"secret": "partial"}}, {"exclude_columns": ["secret"]}])
def test_a_masked_or_excluded_value_is_shown_to_nobody(pairs: Lab, command: Command, rule: dict[str, Any]) -> None:
    """Neither side's, on no screen, not in JSON, not of its rejects; nor without the source."""
    pairs.pg(
        f"INSERT INTO {LEDGER}.reject (run, schema_name, table_name, partition, column_name, value, reason, key, row)"
        " SELECT run, '{s}', 'day', 0, 'secret', 'hush-hush', 'is wrong', '{\"k\": \"2024-02-29\"}', '{}'"
        f" FROM {LEDGER}.run WHERE schema_name = '{{s}}'"
    )
    for words in (("day", "2024-02-29"), ("day", "2024-02-29", "secret")):
        for more in ((), ("--json",)):
            for away in ((), ("source",), ("target",)):
                done = command(*words, *more, rules={"day": rule}, away=away)
                assert done.exit_code in (0, 1), done.output
                assert "hush" not in done.output


def test_without_rights_on_the_table_or_the_ledger_the_rest_is_told(pairs: Lab) -> None:
    """What one side refuses is said, and what the other has is shown."""
    pairs.mysql("RENAME TABLE day TO hidden", "CREATE TABLE day (k date PRIMARY KEY, other int)")
    found = bulketl.why(pairs.config(), "day", "2024-02-29")
    assert (found.source, found.target, found.verdict) == ("absent", "there", "extra")
    pairs.pg("DROP TABLE {s}.c; CREATE VIEW {s}.c AS SELECT 1 AS a")
    found = bulketl.why(pairs.config(), "c", (1, "x,y"))
    assert (found.source, found.target, found.verdict) == ("there", "unknown", "unknown")
    assert "a view has the table's name there" in found.because


def test_it_is_an_act_in_python(pairs: Lab) -> None:
    """With keys as values; the story is a value."""
    config = pairs.config()
    for key in ((1, "x,y"), ["1", "x,y"], {"b": "x,y", "a": 1}):
        assert bulketl.why(config, "c", key).equal
    assert bulketl.why(config, "raw_key", b"\x00\xff\x00\x01", "t").equal
    assert "hush" not in repr(bulketl.why(config, "day", "2024-02-29"))
    assert json.loads(json.dumps(bulketl.why(config, "c", (-3, "")).to_json()))["columns"][2]["source"] is None
    with pytest.raises(PlanError):
        bulketl.why(config, "c", 1)
    with pytest.raises(TargetError):
        bulketl.why(pairs.config(**NOWHERE), "c", (1, "x,y"))
