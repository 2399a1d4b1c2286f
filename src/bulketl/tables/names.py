"""Names of the source, written as Postgres' users write theirs."""

from __future__ import annotations

import unicodedata


def snake_case(name: str) -> str:
    """Return a name in small letters, a `_` where a word begins: `PatNum` is `pat_num`, `ISOWkEnd` is `iso_wk_end`.

    Each run of blanks and signs is one `_`; digits and a `_` stay as they are, and so does a name that is nothing but signs.
    Two names may become one: whoever uses them has to look.
    """
    made, before = "", ""
    for n, letter in enumerate(name):
        if not _written(letter):
            made += "" if before and not _written(before) else "_"
        else:
            made += f"_{letter}" if _begins(before, letter, name[n + 1 : n + 2]) else letter
        before = letter
    return made.lower() if made.strip("_") else name


def _begins(before: str, letter: str, after: str) -> bool:
    """Tell whether a large letter begins a word: after a small one or a digit, or, after a large one, before a small one."""
    if not _large(letter):
        return False
    return before.islower() or before.isdigit() or (_large(before) and after.islower())


def _large(letter: str) -> bool:
    return letter.isupper() and letter.lower() != letter


def _written(letter: str) -> bool:
    return letter == "_" or letter.isalnum() or unicodedata.category(letter).startswith("M")
