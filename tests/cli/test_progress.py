"""The live display of a load: its columns and lines stand still, and its rates say something or nothing."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console
from waiting import until

from bulketl.cli import oneload
from bulketl.cli.options import past_printing, telling
from bulketl.cli.progress import underway
from bulketl.cli.progress.display import Display
from bulketl.cli.progress.stages import Stages
from bulketl.loading.events import (
    Event,
    PartitionLoaded,
    RunStarted,
    TableFailed,
    TablePublished,
    TableSkipped,
    TableStarted,
)
from bulketl.operations.underway import LINE_ROWS, MOST_LINES, UnderWay

LONG = "line_items_of_every_claim_since_the_first_day"
NAMES = ("appointment", LONG, "患者の診療記録と予約の一覧表患者の診療記録", "two\nlines")


def started(**tables: tuple[int, str]) -> RunStarted:
    return RunStarted("run", "mysql://source/clinic", "raw", "UTC", tables)


def loaded(table: str, rows: int) -> PartitionLoaded:
    return PartitionLoaded("run", table, 0, rows, 0, rows * 97, 1.0)


def published(table: str) -> TablePublished:
    return TablePublished("run", table, 0, "swap", 1.0)


def failed(table: str) -> TableFailed:
    return TableFailed("run", table, "DataError", "message", "hint", 1.0)


def lines(shown: UnderWay, width: int, now: float) -> list[str]:
    """What a terminal of this width has at this moment, a character per cell, without the line for notes."""
    file = io.StringIO()
    Console(file=file, width=width, height=24, force_terminal=True, color_system=None).print(
        underway.lines(shown, width, now)
    )
    return ["".join(c + "+" * (cell_len(c) - 1) for c in line) for line in file.getvalue().splitlines()[:-1]]


def column(shown: UnderWay, title: str, now: float) -> dict[str, str]:
    """What a column of numbers has on the line of each table."""
    head, *body = lines(shown, 120, now)
    end = head.index(title) + len(title)
    return {line.split("  ")[0].rstrip(): line[end - 9 : end].strip() for line in body}


def left_on_screen(output: str) -> list[str]:
    """The lines of a terminal that was sent this, as far as it knows the sequences that move and erase."""
    rows, row, column = [""], 0, 0
    for count, final, char in re.findall(r"\x1b\[([?\d;]*)([A-Za-z])|(.)", output, re.DOTALL):
        if final == "A":
            row -= int(count)
        elif final == "K":
            rows[row] = ""
        elif char == "\r":
            column = 0
        elif char == "\n":
            row, column = row + 1, 0
            rows += [""] * (row == len(rows))
        elif char:
            rows[row] = rows[row][:column].ljust(column) + char + rows[row][column + 1 :]
            column += 1
    return [line for line in rows if line.strip()]


def night() -> list[tuple[float, Event]]:
    """The events of a load with tables of all sizes, one of which fails, and their times."""
    events: list[tuple[float, Event]] = [(0.0, started(**dict.fromkeys(NAMES, (9000000, "important")), s=(3, "audit")))]
    events += [(0.1 * n, TableStarted("run", name)) for n, name in enumerate((*NAMES, "s"))]
    events += [(1.0 + 7 * n, loaded(name, 9 * 10 ** (n % 7))) for n, name in enumerate(NAMES * 8)]
    return [*events, (300.0, published("s")), (301.0, failed(LONG)), (99_000.0, published("appointment"))]


@pytest.mark.parametrize("width", [30, 60, 79, 80, 120, 200])
def test_columns_stand_still_and_fill_the_terminal(width: int) -> None:
    """Whatever happens to the numbers; the last of them ends at the terminal's edge."""
    shown, heads = UnderWay(), set()
    for at, event in night():
        shown.add(event, at)
        for now in (at, at + 0.25, at + 20):
            head, *body = lines(shown, width, now)
            heads.add(head)
            assert {len(line) for line in (head, *body)} == {width}
            assert body[-1].startswith(("0 of 5 tables", "1 of 5 tables", "2 of 5 tables", "3 of 5 tables"))
            for title in ("rows", "seconds"):
                end = head.find(title) + len(title)
                assert title not in head or all(f"{line} "[end - 1 : end + 1].strip().isdigit() for line in body)
    assert len(heads) == 1


def test_names_are_cut_and_say_so() -> None:
    """At the column's width, in cells, and on one line."""
    shown = UnderWay()
    for at, event in night():
        shown.add(event, at)
    names = [line[:23].rstrip() for line in lines(shown, 80, 99_001.0)[1:-1]]
    assert names == ["appointment", "line_items_of_every_…", "患+者+の+診+療+記+録+と+予+約+…", "two␤lines", "s"]


def test_a_rate_stands_between_partitions_and_does_not_leap() -> None:
    """Partitions of three workers come together, and the first of all says nothing."""
    shown = UnderWay()
    shown.add(started(t=(9_000_000, "critical")), 0.0)
    shown.add(TableStarted("run", "t"), 0.0)
    shown.add(loaded("t", 100_000), 0.01)
    assert column(shown, "rows/s", 0.02) == column(shown, "rows/s", 1.5) == {"t": "", "0 of 1 table": ""}
    rates = []
    for second in range(3, 60, 3):
        for n in range(3):
            shown.add(loaded("t", 100_000), second + n / 100)
        frames = {column(shown, "rows/s", second + 0.1 + n)["t"] for n in range(3)}
        assert len(frames) == 1
        rates += [int(rate.replace(",", "")) for rate in frames]
    assert min(rates) > 90_000
    assert max(rates) < 140_000
    shown.add(published("t"), 60.0)
    assert column(shown, "rows/s", 99.0)["t"] == column(shown, "rows/s", 999.0)["t"] == "96,700"


def test_a_rate_is_that_of_late_and_nothing_while_a_table_waits() -> None:
    """A table that waited for others is as fast afterwards as it was before; slow partitions are no waiting."""
    shown = UnderWay()
    shown.add(started(t=(90_000_000, "critical"), slow=(90_000_000, "critical")), 0.0)
    for name in ("t", "slow"):
        shown.add(TableStarted("run", name), 0.0)
    for second in (*range(1, 20), *range(60, 80)):
        shown.add(loaded("t", 100_000), second)
        if second % 15 == 0:
            shown.add(loaded("slow", 15_000), second)
        if second == 19:
            assert column(shown, "rows/s", 19.5)["t"] == "100,000"
            assert column(shown, "rows/s", 40.0)["t"] == ""
    assert column(shown, "rows/s", 79.5)["t"] == "100,000"
    assert column(shown, "rows/s", 89.9)["slow"] == "1,000"


@pytest.mark.parametrize("together", [3, MOST_LINES, 400])
def test_there_are_never_more_lines_than_a_small_terminal_has(together: int) -> None:
    """However many tables are under way; the others are counted, and get the place of one that ends."""
    shown = UnderWay()
    names = [f"t{n}" for n in range(together)]
    shown.add(started(**dict.fromkeys(names, (LINE_ROWS, "audit"))), 0.0)
    for name in names:
        shown.add(TableStarted("run", name), 1.0)
    few = min(together, MOST_LINES)
    more = [f"and {together - MOST_LINES} more"] if together > MOST_LINES else []
    assert [line.split("  ")[0] for line in lines(shown, 80, 2.0)[1:-1]] == names[:few] + more
    shown.add(published("t1"), 3.0)
    waits = together > MOST_LINES
    assert lines(shown, 80, 4.0)[2].split()[0] == (f"t{MOST_LINES}" if waits else "t1")


def test_small_tables_of_a_tier_are_one_line_from_first_to_last() -> None:
    """Which keeps its place; tables that are not loaded are not counted."""
    shown = UnderWay()
    small = [f"s{n}" for n in range(30)]
    shown.add(started(big=(LINE_ROWS, "critical"), same=(0, "audit"), **dict.fromkeys(small, (9, "audit"))), 0.0)
    shown.add(TableSkipped("run", "same", "unchanged", "hashes"), 0.0)
    shown.add(TableStarted("run", "big"), 0.0)
    for name in small:
        shown.add(TableStarted("run", name), 1.0)
        shown.add(loaded(name, 9), 1.1)
        shown.add(failed(name) if name == "s7" else published(name), 1.2)
        assert [line.split("  ")[0] for line in lines(shown, 80, 2.0)[1:-1]] == ["big", "30 small tables"]
    assert lines(shown, 80, 2.0)[-1].split()[:6] == ["30", "of", "31", "tables", "1", "failed"]


def test_a_table_that_fails_when_it_is_compared_is_counted_once() -> None:
    """It was published before, and is red now."""
    shown = UnderWay()
    shown.add(started(a=(LINE_ROWS, "critical"), b=(LINE_ROWS, "critical")), 0.0)
    for event in (TableStarted("run", "a"), loaded("a", LINE_ROWS), published("a"), failed("a")):
        shown.add(event, 5.0)
    assert column(shown, "seconds", 9.0) == {"a": "0", "1 of 2 tables": "9"}
    assert "1 failed" in " ".join(lines(shown, 80, 9.0)[-1].split())


def test_a_small_table_whose_neighbours_are_skipped_is_shown_by_its_own_name() -> None:
    """However the run names the tables that it was asked for."""
    shown = UnderWay()
    shown.add(started(a=(0, "audit"), b=(0, "audit"), c=(5, "audit")), 0.0)
    for table in "ab":
        shown.add(TableSkipped("run", table, "the same", "hashes"), 0.0)
    shown.add(TableStarted("run", "c"), 0.0)
    assert list(column(shown, "rows", 1.0)) == ["c", "0 of 1 table"]


def test_the_display_leaves_nothing_behind_and_nothing_comes_of_no_tables() -> None:
    """What was printed meanwhile stays: the message of a table that failed."""
    file = io.StringIO()
    with Display(Console(file=file, width=80, height=24, force_terminal=True)) as display:
        display(started())
        display(started(t=(LINE_ROWS, "critical")))
        display(TableStarted("run", "t"))
        display(failed("t"))
    assert left_on_screen(file.getvalue()) == ["failed message"]


def test_a_signal_is_told_below_the_display_while_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Written past it, the line would be overwritten, and lines of the display would stay."""
    file = io.StringIO()
    monkeypatch.setattr(oneload, "err", Console(file=file, width=80, height=24, force_terminal=True))
    with oneload.watching(as_json=False) as observer:
        observer(started(t=(LINE_ROWS, "critical")))
        telling[-1]("ending after the steps under way")
        until(lambda: left_on_screen(file.getvalue())[-1:] == ["ending after the steps under way"])
        observer(failed("t"))
    assert left_on_screen(file.getvalue()) == ["failed message"]
    assert telling == [past_printing]


def test_rows_on_their_way_move_a_table_of_one_range(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the bytes that have come of those expected, never all of them before they are there; small ones go by tables."""
    shown = UnderWay()
    shown.add(RunStarted("run", "s", "raw", "UTC", {"t": (40_000, "audit"), "s": (9, "audit")}, sizes={"t": 4_000_000}), 0.0)
    shown.add(TableStarted("run", "t"), 0.0)
    for weight, rows in ((0, "0"), (1_000_000, "10,000"), (9_000_000, "36,000")):
        shown.arrive({"t": weight, "s": 5})
        assert column(shown, "rows", 1.0) == {"t": rows, "0 of 2 tables": rows}
    shown.add(loaded("t", 40_000), 2.0)
    shown.arrive({})
    shown.add(published("t"), 3.0)
    assert column(shown, "rows", 3.0)["t"] == "40,000"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_what_is_done_before_a_load_is_one_line_that_stands_still(width: int) -> None:
    """With counts, and the ranges of a table that is compared below it; into a log each stage goes once."""
    file = io.StringIO()
    with Stages(Console(file=file, width=width, height=24, force_terminal=True), live=True) as stages:
        widths = set()
        for what, done, of in (
            ("connecting", 0, 0),
            ("looking at cursors", 0, 432),
            ("comparing", 7, 432),
            ("ranges of t", 2, 9),
        ):
            stages(what, done, of)
            drawn = io.StringIO()
            Console(file=drawn, width=width, height=24, force_terminal=True, color_system=None).print(stages._lines())
            widths |= {len(line) for line in drawn.getvalue().splitlines()[:-1]}
            assert what[:12] in drawn.getvalue()
    assert len(widths) == 1
    assert max(widths) <= max(width, 80)
    assert left_on_screen(file.getvalue()) == []
    log = io.StringIO()
    with Stages(Console(file=log, width=width), live=False) as stages:
        for done in range(3):
            stages("comparing", done, 432)
    assert log.getvalue() == "comparing (432 tables)\n"
