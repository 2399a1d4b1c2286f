"""Tables that wait for a lock at the source: looked for during steps, and reported when a wait begins and when it ends.

A thread takes the look, because the source may not answer: the driver never waits for it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from bulketl.errors import BulketlError
from bulketl.loading.events import SourceWaited, SourceWaits
from bulketl.loading.schedule import Step

AFTER_SECONDS = 3.0  # that a step lasts before anybody looks
LOOK_SECONDS = 5.0  # between two looks
SOON_SECONDS = 0.5  # in which a look has its answer, if all is well

Held = Callable[[Collection[str]], Mapping[str, str]]  # of tables those that wait, each with for what


class Waits:
    """What of the steps under way waits. `held` asks the source; times are of one monotonic clock."""

    def __init__(self, run: str, held: Held) -> None:
        self._run, self._held = run, held
        self._since: dict[Future[Any], float] = {}
        self._told: dict[str, float] = {}
        self._looked = float("-inf")
        self._looking: threading.Thread | None = None
        self._seen: Mapping[str, str] | None = None

    def of(self, running: Mapping[Future[Any], Step], now: float) -> Iterator[SourceWaits | SourceWaited]:
        """Say which tables have begun to wait, and which go on."""
        self._since = {future: self._since.get(future, now) for future in running}
        slow = {
            table for future, step in running.items() if now - self._since[future] >= AFTER_SECONDS for table in step.tables
        }
        over = [table for table in self._told if table not in slow]
        if self._looking is not None and not self._looking.is_alive():
            self._looking = None
            if (seen := self._seen) is not None:
                over += [table for table in self._told if table not in seen and table not in over]
                for table in sorted(slow & seen.keys() - self._told.keys()):
                    self._told[table] = now
                    yield SourceWaits(self._run, table, seen[table])
        for table in over:
            yield SourceWaited(self._run, table, now - self._told.pop(table))
        if slow and self._looking is None and now - self._looked >= LOOK_SECONDS:
            self._looked, self._seen = now, None
            self._looking = threading.Thread(target=self._look, args=(slow,), name="bulketl-waits", daemon=True)
            self._looking.start()

    def wakes(self, now: float) -> float | None:
        """Return when to ask again; None while nothing is under way."""
        if self._looking is not None:
            return now + SOON_SECONDS
        first = min(self._since.values(), default=None)
        return None if first is None else max(first + AFTER_SECONDS, self._looked + LOOK_SECONDS)

    def _look(self, tables: Collection[str]) -> None:
        with contextlib.suppress(BulketlError):  # readers will tell
            self._seen = self._held(tables)
