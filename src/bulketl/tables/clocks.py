"""The clock of another machine, as exactly as a question over the network can tell it: a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """How many seconds another clock is ahead of ours; `within` as many seconds more or less."""

    ahead: float
    within: float

    @classmethod
    def read(cls, before: float, there: float, after: float) -> Clock:
        """Return what a clock was found to be that showed `there` between our `before` and `after`."""
        return cls(there - (before + after) / 2, (after - before) / 2)

    @property
    def off(self) -> float:
        """By how many seconds it is wrong at the least, whichever way."""
        return max(abs(self.ahead) - self.within, 0.0)
