"""What is to be done about several tables of which the same is said: it names each of them, as the shell takes it."""

from __future__ import annotations

import pytest

from bulketl.cli.screens.attention import attention
from bulketl.loading.summary import Summary, TableSummary

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
