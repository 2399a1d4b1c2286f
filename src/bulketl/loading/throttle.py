"""When bulketl leaves the source alone for a while: a value machine over looks at the source, and what was read.

The load asks it before it reads anything. It knows no clock.
"""

from __future__ import annotations

from collections.abc import Callable

LOOK_SECONDS = 5.0  # between two looks at the source


class Sparing:
    """Whether reading may begin. `look` says why not, or ''; `mb_per_second` is how fast rows may come in the long run."""

    def __init__(self, look: Callable[[], str] | None = None, mb_per_second: float | None = None) -> None:
        self._look = look
        self._rate = mb_per_second
        self._looked = float("-inf")
        self._free = float("-inf")
        self.why = ""
        self.since = 0.0

    def may_read(self, now: float) -> bool:
        """Tell whether reading may begin; `why` and `since` say what stands against it, but for the rate."""
        if self._look is not None and now - self._looked >= LOOK_SECONDS:
            self._looked = now
            why = self._look()
            if why and not self.why:
                self.since = now
            self.why = why
        return not self.why and now >= self._free

    def read(self, size: int, now: float) -> None:
        """Take note of how many bytes were read: reading goes on when they are used up at the rate allowed."""
        if self._rate is not None:
            self._free = max(self._free, now) + size / (self._rate * 1_000_000)

    def wakes(self, now: float) -> float | None:
        """Return when to ask again, or None when reading may begin."""
        if self.why:
            return self._looked + LOOK_SECONDS
        return self._free if self._free > now else None
