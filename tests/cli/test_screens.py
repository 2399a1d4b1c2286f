"""Every screen, kept as files at 80 and 120 columns and as it goes into a pipe.

`python tests/cli/test_screens.py` writes them anew; look at every one then. Which screens there are is read from the
commands: whatever they take from `bulketl.cli.screens` has its files here, or the first test fails.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len
from shown import DOCS, SCREENS
from shown_base import HEAD, LONG, MANY

from bulketl.cli.terminal import Terminal

GOLDEN = Path(__file__).parent / "golden"
CLI = Path(__file__).parent.parent.parent / "src" / "bulketl" / "cli"
WIDTHS = {"80": 80, "120": 120, "piped": None}
# Screens whose files another test keeps, by the beginning of their names.
ELSEWHERE = {"why-story": "why", "rules-proposed": "discover", "rules-explanation": "discover"}
CASES = [(screen, case) for screen, cases in SCREENS.items() for case in cases]
SHORT = [(screen, case) for screen, case in CASES if "many" in case or case in ("all-equal", "nothing-loaded")]
NOUNS = "table|row|column|line|reason|month|pair|range|partition|question|sum|figure|view|statement"


def screens() -> set[str]:
    """Return the functions of `cli/screens` that commands use, as module-function."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in CLI.glob("*.py")]
    return {screen for tree in trees for node in tree.body for screen in used(node, modules_of(tree.body))}


def modules_of(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Return the modules of screens that are imported, by the names they are called by."""
    found = (node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "bulketl.cli.screens")
    return {alias.asname or alias.name: alias.name for node in found for alias in node.names}


def used(tree: ast.AST, modules: dict[str, str]) -> Iterator[str]:
    """Yield the screens that a statement of a module uses, a function for the most part."""
    modules = modules | modules_of(ast.walk(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("bulketl.cli.screens."):
            yield from (f"{str(node.module).rpartition('.')[2]}-{alias.name}" for alias in node.names)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield f"{modules[node.value.id]}-{node.attr}"


def shown(screen: str, case: str, width: int | None) -> str:
    """Return what a terminal of that width shows, or what goes into a pipe."""
    made = SCREENS[screen][case](False)
    if screen == "certificate_page-page":
        return str(made)
    stream = io.StringIO()
    terminal = Terminal(file=stream, width=width, force_terminal=width is not None, color_system=None)
    terminal.print(made)
    return stream.getvalue()


def file_of(screen: str, case: str, width: str) -> Path:
    """Return where a screen is kept; a page has one width."""
    return GOLDEN / (f"{screen}-{case}.html" if screen == "certificate_page-page" else f"{screen}-{case}-{width}.txt")


def test_every_screen_is_kept() -> None:
    """A new one has to be added to `shown.py`, and no file is of a screen that is no more."""
    there = screens()
    assert {"summary-summary", "why-story", "common-error"} < there
    assert there == set(SCREENS) | set(ELSEWHERE)
    files = {file_of(*case, width) for case in CASES for width in WIDTHS}
    files |= {path for name in ELSEWHERE.values() for path in GOLDEN.glob(f"{name}-*")}
    assert set(GOLDEN.iterdir()) == files


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("screen", "case"), CASES)
def test_the_screen_is_as_it_was_looked_at(screen: str, case: str, width: str) -> None:
    """No line is wider than the terminal, or ends with blanks in a file; and one thing is no things."""
    text = shown(screen, case, WIDTHS[width])
    assert text == file_of(screen, case, width).read_text(encoding="utf-8")
    if screen == "certificate_page-page":
        return
    assert WIDTHS[width] or not [line for line in text.splitlines() if line != line.rstrip(" ")]
    assert not re.findall(rf"(?<![\d,.])1 (?:{NOUNS})s\b", text)
    if WIDTHS[width] and screen != "plans-sql":  # statements are to be copied
        assert max(map(cell_len, text.splitlines())) <= (WIDTHS[width] or 0)


@pytest.mark.parametrize(("screen", "case"), CASES)
def test_nothing_is_cut_where_no_terminal_ends(screen: str, case: str) -> None:
    """A name, a hash: as one word, whatever COLUMNS says."""
    text, wide = shown(screen, case, None), shown(screen, case, 10_000)
    assert text == wide
    for word in (LONG, HEAD):
        assert text.count(word[:20]) == text.count(word)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(("screen", "case"), CASES)
def test_no_name_is_folded_where_a_line_has_room_for_it(screen: str, case: str, width: int) -> None:
    """Of 63 bytes, as long as Postgres lets one be, to be copied as one word; only what moves cuts it, visibly."""
    text = shown(screen, case, width)
    cut = len(re.findall(rf"{LONG[:8]}\w*…", text)) if screen == "watching-frame" else 0
    assert text.count(LONG[:8]) == text.count(LONG) + cut


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("screen", "case"), SHORT)
def test_a_house_of_432_tables_has_a_short_screen(screen: str, case: str, width: str) -> None:
    """Whatever happened to them."""
    assert len(shown(screen, case, WIDTHS[width]).splitlines()) < 60
    assert len(MANY) == 432


@pytest.mark.parametrize(("page", "screen", "case"), [(page, *which) for page, found in DOCS.items() for which in found])
def test_the_docs_show_what_is_printed(page: str, screen: str, case: str) -> None:
    """The golden file stands there as it is."""
    assert f"\n{shown(screen, case, None).rstrip()}\n```" in (CLI.parents[2] / "docs" / page).read_text(encoding="utf-8")


def test_no_colour_is_no_colour_nor_bold_nor_dim(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal that has them all."""
    for value, acts in (("1", False), ("", True)):
        monkeypatch.setenv("NO_COLOR", value)
        stream = io.StringIO()
        terminal = Terminal(file=stream, width=80, force_terminal=True, color_system="standard", no_color=False)
        for screen, case in CASES:
            terminal.print(SCREENS[screen][case](False))
        assert ("\x1b" in stream.getvalue()) is acts


if __name__ == "__main__":
    for one in (path for path in GOLDEN.iterdir() if not path.name.startswith(tuple(ELSEWHERE.values()))):
        one.unlink()
    for name, which in CASES:
        for kind, columns in WIDTHS.items():
            file_of(name, which, kind).write_text(shown(name, which, columns), encoding="utf-8")
