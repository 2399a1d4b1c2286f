"""Every screen, with hostile text in every place where a text of somebody else's stands: it is shown, and does nothing."""

from __future__ import annotations

import functools
import importlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile import ANYTHING, FORGED, LONG, TEXTS, unacting
from hypothesis import given
from hypothesis import strategies as st
from poison import poisoned
from rich.cells import cell_len
from tally import cases, tried

from bulketl.cli.terminal import Terminal

sys.path.insert(0, str(Path(__file__).parent.parent / "cli"))  # where the screens' values are

from shown import SCREENS
from test_screens import ELSEWHERE, screens

PAGE = "certificate_page-page"
WIDTHS = {"terminal of 80 columns": 80, "terminal of 120 columns": 120, "pipe": None}
CASES = sorted(
    (screen, case) for screen, found in SCREENS.items() for case in found if "many" not in case and screen != PAGE
)
STATEMENTS = ("plans-sql", "grants-sql")  # a statement may be of several lines, and is tried as one with its names
JOINER = "\u200d"  # how wide what it joins is, each terminal decides, and rich not always alike
OF_LINES = (*STATEMENTS, "common-error")  # so may a message, whose names are tried where it is made


@pytest.fixture(scope="module")
def given_to() -> Iterator[dict[str, Any]]:
    """Have every screen be called with what `text` in here makes of its values; `called` has those that were."""
    held: dict[str, Any] = {"text": str, "called": set()}
    undo: list[Callable[[], None]] = []
    for screen in SCREENS:
        module_name, _, name = screen.partition("-")
        module = importlib.import_module(f"bulketl.cli.screens.{module_name}")
        function = getattr(module, name)

        @functools.wraps(function)
        def wrapped(*values: Any, __function: Any = function, __screen: str = screen, **named: Any) -> Any:
            held["called"].add(__screen)
            more = {key: poisoned(value, held["text"]) for key, value in named.items()}
            return __function(*poisoned(values, held["text"]), **more)

        for other in [one for one in list(sys.modules.values()) if getattr(one, name, None) is function]:
            setattr(other, name, wrapped)
            undo.append(functools.partial(setattr, other, name, function))
    yield held
    for one in undo:
        one()


def test_every_screen_is_tried() -> None:
    """Those that commands use, as the test of their files lists them."""
    assert screens() == {screen for screen, _ in CASES} | {PAGE} | set(ELSEWHERE)


@pytest.mark.parametrize("which", [one for one in CASES if one[0] not in OF_LINES], ids="-".join)
def test_no_name_makes_a_line_of_its_own_on_any_screen(given_to: dict[str, Any], which: tuple[str, str]) -> None:
    given_to["text"] = lambda one: f"\n{FORGED}{one}"
    for verbose in (False, True):
        stream = io.StringIO()
        Terminal(file=stream).print(SCREENS[which[0]][which[1]](verbose))
        unacting(stream.getvalue())


@cases(5000)
@given(st.sampled_from(CASES), st.sampled_from(sorted(WIDTHS)), st.lists(ANYTHING | TEXTS | LONG, min_size=1, max_size=4))
def test_no_screen_lets_a_text_act(given_to: dict[str, Any], which: tuple[str, str], width: str, texts: list[str]) -> None:
    """At 80 and 120 columns and into a pipe; no line is wider than the terminal."""
    seen: dict[str, str] = {}

    def text(one: str) -> str:
        return seen.setdefault(one, f"{texts[len(seen) % len(texts)]}{one if len(seen) >= len(texts) else ''}")

    given_to["text"] = text
    screen, case = which
    stream = io.StringIO()
    terminal = Terminal(file=stream, width=WIDTHS[width], force_terminal=WIDTHS[width] is not None, color_system=None)
    terminal.print(SCREENS[screen][case](len(texts) % 2 == 0))
    assert screen in given_to["called"]
    shown = stream.getvalue()
    shown.encode()
    unacting(shown, folded=WIDTHS[width] is not None or screen in OF_LINES)
    if WIDTHS[width] and screen != "plans-sql":
        measured = [cell_len(line) for line in shown.splitlines() if JOINER not in line]
        assert max(measured, default=0) <= (WIDTHS[width] or 0)
    tried("names and values", width)
