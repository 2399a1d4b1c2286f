"""What a shell completes besides commands and options: tables that the rules know, tiers, and codes of errors.

A person waits at each keystroke, so tables come from `catalog.json`, and no server and no YAML is read. Whatever is wrong
with that file is nobody's concern here: nothing is completed then.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

import typer

TIERS = ("critical", "important", "audit", "reference")  # of tables/spec.py, which is dear to import at a keystroke
RULES = Path("config/tables.yaml")


def tables(context: typer.Context, incomplete: str) -> list[str]:
    """Return the tables that begin so, by the catalogs beside the rules that the line names, or in config/."""
    known: set[str] = set()
    for path in Path(context.params.get("rules") or RULES).parent.glob("*catalog.json"):
        with contextlib.suppress(OSError, ValueError, RecursionError):
            read = json.loads(path.read_text(encoding="utf-8"))
            known |= read.keys() if isinstance(read, dict) else set()
    return _continued(known, incomplete)


def tiers(incomplete: str) -> list[str]:
    """Return the tiers that begin so."""
    return _continued(TIERS, incomplete)


def codes(incomplete: str) -> list[str]:
    """Return the codes of errors that begin so."""
    from bulketl.errors.catalog import entries

    return [code for code in entries() if code.startswith(incomplete.upper())]


def _continued(words: Iterable[str], incomplete: str) -> list[str]:
    """Return the words that continue the last of those with commas between them; a name that acts on a terminal is none."""
    before, comma, begun = incomplete.rpartition(",")
    return [f"{before}{comma}{word}" for word in sorted(words) if word.startswith(begun) and word.isprintable()]
