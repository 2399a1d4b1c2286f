"""The screen of `validate` is short however much it finds, and says what it did."""

from __future__ import annotations

import io
from pathlib import Path

from shown_findings import FOUND

from bulketl.cli.screens.findings import alike, findings, fixed
from bulketl.cli.terminal import Terminal


def lines(case: str, *, each: bool = False) -> int:
    """Return how many lines a terminal of 80 columns shows."""
    stream = io.StringIO()
    Terminal(file=stream, width=80, force_terminal=True, color_system=None).print(findings(FOUND[case], each=each))
    return len(stream.getvalue().splitlines())


def test_equal_findings_are_said_once_and_refusals_for_other_reasons_apart() -> None:
    """A group is told by what was found, not by the table's name."""
    assert [len(group) for group in alike(FOUND["many"])] == [5, 1, 3, 431]
    assert lines("many") < 60
    assert lines("many", each=True) > 3 * 431


def test_what_says_that_it_wrote_something_did() -> None:
    assert "stays as it is" in fixed(Path("x.yaml"), {}).plain
    assert "wrote fixes for 1 table to x.yaml" in fixed(Path("x.yaml"), {"t": {"deletes": None}}).plain
