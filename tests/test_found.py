"""docs/findings.md says of each defect who caught it, who should have, and what guards it: files that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/findings.md").read_text()
LAYERS = frozenset(re.findall(r"\*([a-z]+)\*", TEXT.split("**Layers**")[1].split("\n\n")[0]))


def rows() -> list[list[str]]:
    """Return the cells of each finding: what, caught by, should have been, guarded by."""
    lines = [line for line in TEXT.splitlines() if line.startswith("|") and "`tests/" in line]
    return [[cell.strip() for cell in line.strip("|").split("|")][-4:] for line in lines]


def test_every_defect_has_two_layers_and_a_test_that_is_there() -> None:
    """A layer that nobody has is a misspelled one."""
    assert len(LAYERS) == 11
    assert len(rows()) == len([line for line in TEXT.splitlines() if line.startswith("|")]) - 2 * TEXT.count("| caught by |")
    for what, caught, should, guards in rows():
        assert what
        assert caught in LAYERS, what
        assert re.split(r"[:,]", should)[0] in LAYERS | {"none"}, what
        named = re.findall(r"`(tests/[^`]+)`", guards)
        assert named, what
        assert [one for one in named if not (ROOT / one).is_file()] == [], what
