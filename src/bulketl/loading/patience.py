"""How long a load waits before it tries a step again, and when it does no longer: a plain value that knows no clock.

A step that fails for a passing reason has a few more attempts, with longer and longer pauses. One that found nobody on the
other side is not to blame: it is tried again until nobody has answered there for half a minute, whichever steps asked. From
then on the first look of each step is its last, so that a server that is gone for good costs a load half a minute and not
that for each table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bulketl.connections import retrying
from bulketl.errors import BulketlError

AWAY_SECONDS = 30.0  # a server that is started again is back by then
AWAY_PAUSE = 5.0


@dataclass(slots=True)
class Patience:
    """The patience of a load. `jitter` gives the factor of a pause."""

    jitter: Callable[[], float]
    _away: dict[type[BaseException], float] = field(default_factory=dict)  # since when nobody answers, by a side's error

    def pause(self, attempt: int, error: BaseException, now: float) -> float | None:
        """Return the seconds until a step that failed in that attempt, the first being 1, is tried again; None for never."""
        if not isinstance(error, BulketlError):
            return None
        if error.away:
            since = self._away.setdefault(type(error), now)
            return AWAY_PAUSE * self.jitter() if now - since < AWAY_SECONDS else None
        if (error.transient or error.ease) and attempt < retrying.ATTEMPTS:
            return retrying.PAUSES[attempt - 1] * self.jitter()
        return None

    def answered(self, *sides: type[BulketlError]) -> None:
        """Take note that somebody has answered on these sides, by their errors."""
        for side in sides:
            self._away.pop(side, None)


def is_away(error: BaseException) -> bool:
    """Tell whether an error says that nobody answers on a side at all."""
    return isinstance(error, BulketlError) and error.away
