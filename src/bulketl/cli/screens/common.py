"""What several screens say alike: sizes, errors, and from how many tables on small ones are counted."""

from __future__ import annotations

from rich.text import Text

from bulketl.errors import BulketlError

MANY = 40  # tables; beyond, small uneventful ones are counted in one line per tier
SMALL_ROWS = 1000


def size(count: float) -> str:
    """Return a number of bytes for people: 999 B, 1.2 kB, 38 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def error(problem: BulketlError) -> Text:
    """Return an error as people read it: what, and then what to do."""
    text = Text.assemble(("error: ", "bold red"), problem.message)
    return text.append(f"\n{problem.hint}") if problem.hint else text
