"""Rows in too small a width: no word is broken that has room on a line, nothing is lost, and no line is too wide."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from bulketl.cli.screens.listing import rows_of
from bulketl.cli.terminal import Terminal

HEADS = ("table", "rows", "column", "why", "seconds")
WORDS = st.text(st.sampled_from("ab_.7é漢"), min_size=1, max_size=63)
CELLS = st.lists(WORDS, max_size=4).map(" ".join)
NUMBERS = st.integers(0, 10**9).map("{:,}".format)
ROWS = st.lists(st.tuples(CELLS, NUMBERS, CELLS, CELLS, NUMBERS), min_size=1, max_size=6)


def shown(rows: Sequence[tuple[str, ...]], width: int) -> list[str]:
    """Return the lines that a terminal of that width shows."""
    table = rows_of(*HEADS, numbers=("rows", "seconds"))
    for row in rows:
        table.add_row(*map(Text, row), style="bold")
    stream = io.StringIO()
    Terminal(file=stream, width=width, force_terminal=True, color_system=None).print(table)
    return stream.getvalue().splitlines()


TWICE = "7777777777777777777777漢"  # whole in one row, and broken in another by the width of its column there


@example(rows=[("", "0", "", "", "0"), ("", "0", "", TWICE, "0"), ("777漢 777漢", "100,000", TWICE, "", "0")], width=80)
@example(rows=[("7 777777777777777777漢漢漢", "0", "77777777777777777漢漢漢", "77777777777777777漢漢漢", "0")], width=80)
@example(
    rows=[("", "0", "", "", "0"), ("", "0", "", "7777777漢漢漢漢", "0"), ("777777777777777", "0", "", "", "0"),
          ("", "100,000,000", "7 7 7777777777777漢漢漢漢", "7 777777777777777777777漢漢漢漢漢", "0")],
    width=80,
)  # fmt: skip
@given(rows=ROWS, width=st.sampled_from([80, 100, 120]))
def test_every_word_with_room_on_a_line_is_whole_and_none_is_lost(rows: list[tuple[str, ...]], width: int) -> None:
    lines = shown(rows, width)
    assert max(map(cell_len, lines)) <= width
    there = sorted(word for line in lines for word in line.split())
    words = [*HEADS, *(word for row in rows for cell in row for word in cell.split())]
    if max(map(cell_len, words)) <= width:
        assert there == sorted(words)
    assert sorted("".join(there)) == sorted("".join(words))


def test_a_row_goes_on_below_the_name_that_is_too_long() -> None:
    """In its columns, whose width the other rows decide."""
    name = "n" * 63
    assert shown([("patient", "5,000", "DateTStamp", "as its rule says", "1"), (name, "1", "", "", "2")], 50) == [
        "table     rows  column      why            seconds",
        "patient  5,000  DateTStamp  as its rule          1",
        "                            says",
        "n" * 50,
        "n" * 13,
        "             1                                   2",
    ]
    assert shown([("patient", "5,000", name, "", "1")], 80) == [
        "table     rows  column  why  seconds",
        f"patient  5,000  {name}",
        "                                   1",
    ]


@pytest.mark.parametrize("width", [1, 10, 30])
def test_a_terminal_that_is_far_too_narrow_loses_nothing(width: int) -> None:
    rows = [("patient", "5,000", "DateTStamp", "as its rule says", "1")]
    lines = shown(rows, width)
    assert sorted("".join(lines).replace(" ", "")) == sorted("".join([*HEADS, *rows[0]]).replace(" ", ""))
