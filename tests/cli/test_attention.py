"""What is to be done about several tables of which the same is said: it names each of them, as the shell takes it."""

from __future__ import annotations

import datetime as dt

import pytest
from rich.console import Console, RenderableType

from bulketl.cli.screens.attention import attention
from bulketl.cli.screens.history import timeline
from bulketl.cli.screens.status import status
from bulketl.loading.summary import Summary, TableSummary
from bulketl.operations.history.runs import RunEntry, Timeline
from bulketl.operations.history.standing import Standing
from bulketl.operations.history.status import Status
from bulketl.postgres.ledger.runlist import TableEnd

HINTS = {
    "load it once with --allow-deletes {}; else name it": "load it once with --allow-deletes {options}; else name it",
    "put it back; or `bulketl state reset {}`, and so on": "put it back; or `bulketl state reset {words}`, and so on",
    "`bulketl rejects show {} --run r1` shows them": "`bulketl rejects show {words} --run r1` shows them",
    "load it whole: `bulketl load --tables {} --full`": "load it whole: `bulketl load --tables {options} --full`",
    "drop what depends on it": "drop what depends on it",
}


def failing(hint: str, tables: list[str]) -> dict[str, TableSummary]:
    found = {name: TableSummary(name, "reference") for name in tables}
    for item in found.values():
        item.outcome, item.message, item.hint = "failed", f"table {item.table!r}: no", hint.replace("{}", item.table)
    return found


def summed(tables: dict[str, TableSummary]) -> Summary:
    summary = Summary.__new__(Summary)
    summary.tables = tables
    return summary


@pytest.mark.parametrize("hint", HINTS)
@pytest.mark.parametrize(
    ("tables", "options", "words"),
    [
        (["a"], "a", "a"),
        (["a", "b", "c", "d"], "'a,b,c,d'", "a b c d"),
        (["a b", "c,d"], "'a b,c\\,d'", "'a b' 'c\\,d'"),
        (["it", "load"], "'it,load'", "it load"),  # words of the hint itself
    ],
)
def test_what_is_to_be_done_names_every_table_of_the_line(hint: str, tables: list[str], options: str, words: str) -> None:
    ((_, _, line),) = attention(summed(failing(hint, tables)))
    assert line.endswith("To do: " + HINTS[hint].format(options=options, words=words))


def test_tables_of_which_something_else_is_to_be_done_have_lines_of_their_own() -> None:
    """Else what is said of the first would be taken for all."""
    first, second = failing("drop x", ["a"]), failing("drop y", ["b"])
    lines = [text for _, _, text in attention(summed({**first, **second}))]
    assert lines == [
        "a: no. To do: drop x",
        "b: no. To do: drop y",
    ]


def test_tables_that_failed_alike_share_a_line_though_the_server_named_each() -> None:
    """With the words of one as an example; -v has those of each."""
    tables = failing("grant it", ["a", "b", "c", "d", "e"])
    for name, item in tables.items():
        code = "42501" if name != "e" else "42P01"
        item.message = f"table {name!r}: permission denied for table {name}"
        item.public, item.error = f"table {name!r}: SQLSTATE {code}", "TargetError"
    lines = [text for _, _, text in attention(summed(tables))]
    assert lines == [
        "a, b, c and 1 more, each: SQLSTATE 42501 (of a: permission denied for table a). To do: grant it",
        "e: permission denied for table e. To do: grant it",
    ]
    assert len(attention(summed(tables), verbose=True)) == 5
    assert {item.message for item in tables.values()} == {f"table {n!r}: permission denied for table {n}" for n in tables}


def test_status_and_a_timeline_name_all_tables_that_failed_alike_in_what_is_to_be_done() -> None:
    """Each with the name of its table in the hint; else a night with 400 of them has 400 lines."""
    hint = "`bulketl rejects show {} --run r1` shows them"
    names = ["a", "b", "c", "it's"]
    standings = tuple(Standing(name, "audit", "failed", f"table {name!r}: no", hint.format(name)) for name in names)
    ends = tuple(TableEnd(name, "audit", "failed", 0, 1, 1.0, f"table {name!r}: no", hint.format(name)) for name in names)
    now = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
    run = RunEntry("r1", "load", "failed", "h", "1", "s", "raw", now, now, 1.0, 0, 4, {"failed": 4}, (), "", False)
    said = "`bulketl rejects show a b c 'it'\"'\"'s' --run r1` shows them"
    found = Status("raw", now, standings, None, (), (), None, (), (), "")
    assert f"failed  a, b, c and 1 more (audit), each: no. To do: {said}" in shown(status(found))
    assert f"failed  a, b, c and 1 more, each: no. To do: {said}" in shown(timeline(Timeline(run, ends, (), 0)))


def shown(screen: RenderableType) -> list[str]:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(screen)
    return capture.get().splitlines()
