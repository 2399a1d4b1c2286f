"""What became of the trials, as a table: by fault, side and way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from trials.trial import Tried


@dataclass(slots=True)
class Line:
    """A line of the table: of a fault at a side, in one or several ways."""

    fault: str
    side: str
    ways: list[str] = field(default_factory=list)
    tries: int = 0
    struck: int = 0
    survived: int = 0
    lost: int = 0
    seconds: float = 0.0

    def add(self, one: Tried) -> None:
        """Take in a trial."""
        if one.way not in self.ways:
            self.ways.append(one.way)
        self.tries += 1
        self.struck += one.struck
        self.survived += one.survived
        self.lost += one.lost
        self.seconds = max(self.seconds, one.seconds)


def lines(tries: Iterable[Tried]) -> list[Line]:
    """Return a line for each fault at each side, and one for all."""
    found: dict[tuple[str, str], Line] = {}
    every = Line("all", "")
    for one in tries:
        found.setdefault((one.fault, one.side), Line(one.fault, one.side)).add(one)
        every.add(one)
    return [*found.values(), every]


def stages(tries: Iterable[Tried]) -> list[Line]:
    """Return a line for each stage at which a line went wrong, at each side."""
    found: dict[tuple[str, str], Line] = {}
    for one in tries:
        if one.stage:
            found.setdefault((one.stage, one.side), Line(f"a line at: {one.stage}", one.side)).add(one)
    return [found[key] for key in sorted(found, key=lambda key: (key[1], key[0]))]


def printed(rows: Sequence[Line], first: str = "fault") -> str:
    """Return lines as a table in Markdown."""
    told = [
        f"| {first} | side | ways | tries | struck | survived | rows lost | longest, s |",
        "|---|---|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        ways = ", ".join(row.ways) if len(row.ways) < 7 else "all seven"
        told.append(
            f"| {row.fault} | {row.side} | {ways if row.side else ''} | {row.tries} | {row.struck} | {row.survived}"
            f" | {row.lost} | {row.seconds:.1f} |"
        )
    return "\n".join(told)
