"""How many cases of hostile input were tried: by the kind of input, and by the kind of output that it went into.

`BULKETL_HOSTILE=1`, as `nox -s hostile` sets it, has all of them tried; the ordinary tests try a part.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import HealthCheck, Phase, settings

ALL = bool(os.environ.get("BULKETL_HOSTILE"))
WANTED = 100_000  # cases of a whole run
PART = 60  # a whole run has this many times the cases of an ordinary one
LEAST = 8
PHASES = (Phase.explicit, Phase.generate, Phase.shrink)  # what explains a failure takes longer than to see it
_tried: Counter[tuple[str, str]] = Counter()


def cases(whole: int) -> Callable[[Any], Any]:
    """Return what has a test try so many cases in a whole run, and in an ordinary one a part, the same ones each time."""
    count = whole if ALL else max(whole // PART, LEAST)
    slow = [
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
        HealthCheck.large_base_example,
    ]
    return settings(
        max_examples=count, deadline=None, suppress_health_check=slow, phases=PHASES, database=None, derandomize=not ALL
    )


def tried(given: str, made: str, count: int = 1) -> None:
    """Count a case: an input of one kind that went into an output of another and did nothing there."""
    _tried[given, made] += count


def counts() -> dict[str, int]:
    """Return what this process has counted, as plain values that another process can take."""
    return {"\t".join(pair): count for pair, count in _tried.items()}


def add(found: Mapping[str, int]) -> None:
    """Add what another process has counted."""
    for pair, count in found.items():
        given, _, made = pair.partition("\t")
        _tried[given, made] += count


def table() -> list[str]:
    """Return the lines of a table: kind of input, kind of output, cases."""
    rows = [(*pair, f"{count:,}") for pair, count in sorted(_tried.items())]
    rows = [("input", "output", "cases"), *rows, ("all", "", f"{total():,}")]
    wide = [max(len(row[n]) for row in rows) for n in range(3)]
    return [f"{one:<{wide[0]}}  {other:<{wide[1]}}  {count:>{wide[2]}}" for one, other, count in rows]


def total() -> int:
    """Return how many cases were tried."""
    return _tried.total()
