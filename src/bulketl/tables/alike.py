"""The hint for several tables with the same trouble: it names all of them in the form that a shell takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from bulketl.tables.printable import without_table

_NAMES = "\0"  # in what to do: where the names of tables go
_WORDS = "state reset|rejects show"  # which take names one by one,
_COMMANDS = f"--[a-z]+(?:-[a-z]+)*|{_WORDS}"  # and options, which take them with commas


def for_many(hint: str, table: str) -> str:
    """Return what to do about a table, with a place for the names of all tables of which the same is said."""
    named_in = re.compile(rf"({_COMMANDS}) {re.escape(table)}(?![^\s`;,)])")
    return named_in.sub(lambda match: f"{match[1]} {_NAMES}", without_table(hint, table))


def of_tables(hint: str, tables: Sequence[str]) -> str:
    """Return what to do about tables, with their names as the shell takes them: all, so that a copy of it does it."""
    given = [table.replace(",", "\\,") for table in tables]
    names = ",".join(given)
    several = re.compile(rf"({_WORDS}) {_NAMES}")
    hint = several.sub(lambda match: f"{match[1]} {' '.join(map(shlex.quote, given))}", hint)
    return hint.replace(_NAMES, shlex.quote(names) if len(tables) == 1 or "'" in names else f"'{names}'")


def to_do(hint: str, tables: Sequence[str]) -> str:
    """Return the sentence that says what to do about tables, '' for nothing; `hint` is one of `for_many`."""
    return f". To do: {of_tables(hint, tables)}" if hint else ""
