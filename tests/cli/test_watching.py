"""A run that is followed: its live picture stands still, is painted over in place, and says by what time is foretold."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from shown_watching import NIGHT, OPEN, seen, started
from terminals import shows

from bulketl.cli.progress.painting import Painting
from bulketl.cli.screens.watching import frame
from bulketl.cli.terminal import Terminal
from bulketl.loading.events import Event, EventsLost, PartitionLoaded, RunStarted, TableStarted
from bulketl.operations.following import Following

RUN = "20261127-011200-c3d4"


def drawn(found: Following, width: int) -> list[str]:
    """The lines of a live frame, a character per cell."""
    file = io.StringIO()
    Terminal(file=file, width=width, height=40, force_terminal=True, color_system=None).print(frame(found, OPEN, live=True))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_live_picture_fills_the_terminal_and_stands_still(width: int) -> None:
    """However far the run is; at 80 columns too there is what is left."""
    heads = set()
    for now in (4.0, 20.0, 61.0):
        found = seen([one for one in NIGHT if one[0] <= now], now)
        lines = drawn(found, width)
        (head,) = (line for line in lines if line.startswith("table "))
        heads.add(head)
        assert max(map(cell_len, lines)) <= width
        assert cell_len(head) == width
    assert len(heads) == 1
    assert heads.pop().rstrip().endswith("left")


def test_what_is_left_is_by_nights_as_long_as_these_last_and_then_by_the_rate() -> None:
    """Of both it is said which; of a table that has neither nothing is foretold."""
    tables = {"t": (1_000_000, "critical"), "u": (1_000_000, "critical")}
    events: list[tuple[float, Event]] = [
        (0.0, started(tables)),
        (0.0, TableStarted(RUN, "t")),
        (0.0, TableStarted(RUN, "u")),
    ]
    events += [(float(n), PartitionLoaded(RUN, "t", n, 10_000, 0, 1, 1.0)) for n in range(1, 30)]
    by_nights = seen(events, 29.0, usual={"t": 100.0}).to_json()["under_way"]
    assert isinstance(by_nights, list)
    assert [(one["left"], one["left_by"]) for one in by_nights] == [(71.0, "nights"), (None, None)]
    by_rate = seen(events, 29.0, usual={"t": 20.0}).to_json()["under_way"]
    assert isinstance(by_rate, list)
    assert by_rate[0]["left_by"] == "rate"
    assert by_rate[0]["left"] == pytest.approx(71, abs=8)
    assert [line for line in drawn(seen(events, 29.0, usual={"t": 20.0}), 80) if re.search(r"^t .* ~\d+ *$", line)]


def test_a_run_that_lost_events_or_goes_on_is_followed_all_the_same() -> None:
    """Tables whose beginning was not told are not shown; of a run that goes on what is left of it is."""
    lost = [event for event in NIGHT if not isinstance(event[1], RunStarted)]
    found = seen([*lost, (62.0, EventsLost(RUN, 7))], 63.0)
    assert "it has not said yet which tables it will load" in "\n".join(drawn(found, 80))
    assert found.notes[-1] == ("lost", "yellow", "7 events, which the target did not take in time")
    again = seen([*NIGHT, (100.0, started({"paysplit": (1_400_000, "critical")}))], 101.0)
    assert [line.split("  ")[0] for line in drawn(again, 80) if "of 1 table" in line] == ["0 of 1 table"]
    assert again.failed == {}


def test_a_driver_whose_clock_is_ahead_is_followed_by_its_own() -> None:
    """An hour: tables do not end before they begin."""
    events = [(3600.0 + at, event) for at, event in NIGHT]
    seconds = seen(events, 61.0).to_json()["under_way"]
    assert isinstance(seconds, list)
    assert seconds[0]["seconds"] == pytest.approx(60, abs=2)


def test_a_picture_is_painted_over_in_place_and_only_when_it_has_changed() -> None:
    """What is said goes above it and stays; the cursor is there again at the end."""
    file = io.StringIO()
    terminal = Terminal(file=file, width=40, height=10, force_terminal=True, color_system=None)
    with Painting(terminal) as painting:
        painting.show("one\ntwo\nthree")
        before = file.getvalue()
        painting.show("one\ntwo\nthree")
        assert file.getvalue() == before
        painting.show("one\n2", ["failed t"])
        assert shows(file.getvalue())[:4] == ["failed t", "one", "2", ""]
        painting.show("\n".join(map(str, range(30))))
    assert shows(file.getvalue())[:10] == ["failed t", *map(str, range(9))]
    assert file.getvalue().endswith("\x1b[?25h")
    assert not re.search(r"\x1b\[2[JK]", file.getvalue())
