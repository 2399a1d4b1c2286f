"""The screen of `validate`, kept as files at 80 and 120 columns: the verdict first, and equal findings once.

`python tests/cli/test_findings_screen.py` writes them anew; look at every one then.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.cells import cell_len

from bulketl.cli.screens.findings import alike, findings, fixed
from bulketl.cli.terminal import Terminal
from bulketl.survey.findings import Finding, FindingSeverity

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = (80, 120)


def said(kind: str, severity: FindingSeverity, table: str, message: str, **more: object) -> Finding:
    return Finding(table, severity, message, "it is not loaded", "mend it", kind=kind, **more)  # type: ignore[arg-type]


REFUSED = [said("refused", "error", name, f"table {name!r} is somebody else's: oid {n}") for n, name in enumerate("abcde")]
REFUSED.append(said("refused", "error", "f", "table 'f': column n is GENERATED in the target"))
CURSORS = [
    said("cursor without index", "note", f"t{n}", f"cursor c{n} has no index", fix={"incremental_column": "x"})
    for n in range(3)
]
NEW = [said("without rule", "note", f"new{n}", "is in the source and has no rule") for n in range(431)]
CASES: dict[str, list[Finding]] = {
    "nothing": [],
    "refused": REFUSED,
    "many": [*REFUSED, *CURSORS, *NEW],
    "notes": NEW,
    "odd-names": [said("without rule", "note", "a\x1b[31m\nb", "is in the source and has no rule")],
    "no-load": [Finding("raw", "error", "database d is on a replica", "no load begins", "give the primary", kind="lacking")],
}


def shown(case: str, width: int, *, each: bool = False) -> str:
    """Return what a terminal of that width shows."""
    stream = io.StringIO()
    Terminal(file=stream, width=width, force_terminal=True, color_system=None).print(findings(CASES[case], each=each))
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("case", CASES)
def test_the_screen_is_as_it_was_looked_at(case: str, width: int) -> None:
    text = shown(case, width)
    assert text == (GOLDEN / f"findings-findings-{case}-{width}.txt").read_text(encoding="utf-8")
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert "\x1b" not in text


def test_equal_findings_are_said_once_and_refusals_for_other_reasons_apart() -> None:
    """A group is told by what was found, not by the table's name."""
    assert [len(group) for group in alike(CASES["many"])] == [5, 1, 3, 431]
    assert len(shown("many", 80).splitlines()) < 60
    assert len(shown("many", 80, each=True).splitlines()) > 3 * 431


def test_what_says_that_it_wrote_something_did() -> None:
    assert "stays as it is" in fixed(Path("x.yaml"), {}).plain
    assert "wrote fixes for 1 table to x.yaml" in fixed(Path("x.yaml"), {"t": {"deletes": None}}).plain


if __name__ == "__main__":
    for name in CASES:
        for columns in WIDTHS:
            (GOLDEN / f"findings-findings-{name}-{columns}.txt").write_text(shown(name, columns), encoding="utf-8")
