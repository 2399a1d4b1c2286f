"""What several screens say alike: errors, what became of rows at the source."""

from __future__ import annotations

from collections.abc import Iterable

from bulketl.cli.screens.listing import Fact
from bulketl.cli.text import Text
from bulketl.errors import BulketlError, runbook_in
from bulketl.tables.printable import count_of


def error(problem: BulketlError, whole: bool = True) -> Text:
    """Return an error as people read it: what, and then what to do; unless `whole`, without words that may quote a row."""
    hidden = problem.quotes and not whole
    text = Text.assemble(("error: ", "bold red"), problem.public if hidden else problem.message)
    text.append(f"\n{problem.hint}" if problem.hint else "")
    return text.append("\nwhat the server said may quote a row: BULKETL_LOG=debug shows it") if hidden else text


def runbooks_of(hints: Iterable[str]) -> list[Fact]:
    """Return the runbooks that hints name, said once for all of them; none where no hint names one."""
    books = dict.fromkeys(book.partition(": ")[2] for book in map(runbook_in, hints) if book)
    return [("runbook", "dim", ", ".join(books))] if books else []


def edits(deleted: int, edited: int) -> str:
    """Return how many rows are otherwise at the source, '' for none."""
    words = [f"{count_of(deleted, 'row')} deleted"] if deleted else []
    words += [f"{f'{edited:,}' if deleted else count_of(edited, 'row')} edited"] if edited else []
    return f"{' and '.join(words)} at the source" if words else ""
