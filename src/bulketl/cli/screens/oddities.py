"""What is not normal of tables, as lines of any screen: the worst tiers first, and of many the figures of some."""

from __future__ import annotations

from collections.abc import Sequence

from bulketl.cli.screens.listing import Fact, named
from bulketl.operations.anomalies.words import NAMES, told, what_to_do
from bulketl.postgres.ledger.findings import Anomaly

EACH = 3  # of a kind that have a line; beyond, they share one


def oddities(found: Sequence[Anomaly], verbose: bool = False) -> list[Fact]:
    """Return lines about what is not normal: one for each, or of more than EACH of a kind one for all of these."""
    lines: list[Fact] = []
    for kind in dict.fromkeys(one.kind for one in found):
        same = [one for one in found if one.kind == kind]
        if len(same) <= EACH or verbose:
            lines += [(NAMES[kind], "yellow", f"{_of(one)}{told(one)}. {_capital(what_to_do(one))}") for one in same]
        else:
            worst = same[0]
            names = named([one.table for one in same])
            lines.append((NAMES[kind], "yellow", f"{names}; the first of them {told(worst)}. {_capital(what_to_do(worst))}"))
    return lines


def _of(one: Anomaly) -> str:
    return f"{one.table}: " if one.table else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
