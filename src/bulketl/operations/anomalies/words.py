"""What is not normal, in words: with its figures, and where to look."""

from __future__ import annotations

from bulketl.postgres.ledger.findings import Anomaly, Oddity
from bulketl.tables.printable import count_of, lasting

NAMES: dict[Oddity, str] = {
    "slower": "slower", "faster": "too fast", "more_rows": "more rows", "fewer_rows": "fewer rows", "lag": "lag",
    "not_loaded": "not loaded", "no_run": "no run",
}  # fmt: skip


def told(one: Anomaly) -> str:
    """Return what is not normal in a sentence without its table."""
    nights = f"the median of its last {count_of(one.nights, 'load')}"
    match one.kind:
        case "slower" | "faster":
            return f"took {lasting(one.value)}; {nights} is {lasting(one.expected or 0)}, and its limit {lasting(one.bound)}"
        case "more_rows" | "fewer_rows":
            return f"read {_rows(one.value)}; {nights} is {_rows(one.expected or 0)}, and its limit {_rows(one.bound)}"
        case "lag":
            age, usual, bound = lasting(one.value), lasting(one.expected or 0), lasting(one.bound)
            return f"its newest row was {age} old when the load began; {nights} is {usual}, and its limit {bound}"
        case "not_loaded":
            if not one.run:
                return f"was never loaded well, for {lasting(one.value)}; {lasting(one.bound)} are allowed"
            return f"was loaded last {lasting(one.value)} ago, in run {one.run}; {lasting(one.bound)} are allowed"
        case "no_run":
            return (
                f"no load was on in the window that closed last; the last one began {lasting(one.value)} ago, run {one.run}"
            )


def what_to_do(one: Anomaly) -> str:
    """Return where to look."""
    match one.kind:
        case "slower":
            return f"`bulketl runs show {one.run}` shows what it waited for"
        case "faster" | "fewer_rows" | "lag":
            return "look whether the application still writes to it, and whether the source is the right server"
        case "more_rows":
            return "look what was written to it at the source"
        case "not_loaded":
            return "`bulketl status` says how its last loads ended"
        case "no_run":
            return "see why nothing started it: `bulketl schedule systemd` shows a timer; `bulketl load` loads now"


def _rows(count: float) -> str:
    return count_of(round(count), "row")
