"""What several screens say alike: sizes, errors, messages, what became of rows at the source."""

from __future__ import annotations

from rich.text import Text

from bulketl.errors import BulketlError
from bulketl.tables.printable import count_of


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


def without_table(text: str, table: str) -> str:
    """Return a message without the name of its table before it, which stands there already."""
    return text.removeprefix(f"table {table!r}: ").replace(f"table {table!r}", "the table").replace("\n", " ")


def edits(deleted: int, edited: int) -> str:
    """Return how many rows are otherwise at the source, '' for none."""
    words = [f"{count_of(deleted, 'row')} deleted"] if deleted else []
    words += [f"{f'{edited:,}' if deleted else count_of(edited, 'row')} edited"] if edited else []
    return f"{' and '.join(words)} at the source" if words else ""
