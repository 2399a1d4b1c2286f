"""What `doctor` says about one thing that a load depends on: a value, and the order in which people read many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bulketl.tables.printable import brief

Side = Literal["here", "source", "target"]
# `wrong` stops a load or makes it wrong, `doubtful` may one day, `slow` makes it slow.
Verdict = Literal["wrong", "doubtful", "slow", "unknown", "fine"]
VERDICTS: tuple[Verdict, ...] = ("wrong", "doubtful", "slow", "unknown", "fine")


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing on one side: what it is about, how it is, what was found, and what mends it; '' where nothing has to be."""

    side: Side
    about: str
    verdict: Verdict
    found: str
    mend: str = ""

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, side=self.side, about=self.about, verdict=self.verdict)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Checkup:
    """Everything that was looked at, on this machine and on both sides."""

    checked: tuple[Checked, ...]

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, **{verdict: len(self.of(verdict)) for verdict in VERDICTS})

    def of(self, verdict: Verdict) -> Sequence[Checked]:
        """Return what was found to be so."""
        return [one for one in self.checked if one.verdict == verdict]

    @property
    def ready(self) -> bool:
        """Whether nothing was found that would stop a load or make it wrong."""
        return not self.of("wrong")

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"ready": self.ready, "checked": [one.to_json() for one in self.checked]}
