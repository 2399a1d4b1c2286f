"""The run that is under way, looked at once a second for all browsers together, and not at all while nobody looks.

A thread follows the run as `bulketl watch` does. It keeps what a look shows as one `Moment`, with the last events as
lines of HTML. Each browser gets what is newer than the number that it has seen, so many browsers cost the ledger no more
than one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from bulketl.config.config import Config
from bulketl.errors import BulketlError
from bulketl.operations.following import Following, Told
from bulketl.operations.watching import LOOK_SECONDS, looks
from bulketl.postgres.ledger.watched import MOST

SENT = 200  # lines that are kept and sent at once; a page shows no more, and is told how many it has missed
_log = logging.getLogger("bulketl")
IDLE_SECONDS = 15.0  # without a browser, after which nobody looks any more
AGAIN_SECONDS = 5.0  # after an error
FIRST_SECONDS = 8.0  # that a page waits for the first look

Frame = Callable[[Following], tuple[str, str]]  # the page's title, and what it shows of the run, as HTML
Lines = Callable[[Sequence[Told]], Sequence[tuple[int, str]]]  # events as HTML, each with its number


@dataclass(frozen=True, slots=True)
class Moment:
    """What a look has shown: the run ('' for none), its frame as HTML, the page's title, and the number of the last event.

    `lines`: the last events as HTML, each with its number. `tables`: those of which a step is under way. `ended`: how many
    tables have ended, which tells pages about many tables when to look again. `state` and `trouble`: as of Following.
    """

    run: str
    title: str
    frame: str
    lines: Sequence[tuple[int, str]]
    tables: frozenset[str]
    ended: int
    state: str
    trouble: str

    @property
    def seq(self) -> int:
        """The number of the last event, 0 before the first."""
        return self.lines[-1][0] if self.lines else 0

    @property
    def mark(self) -> str:
        """What changes when a table ends or the run does."""
        return f"{self.run}/{self.ended}/{self.state}"


class _ClosedError(Exception):
    pass


class Live:
    """Follows the runs into the schema of a configuration, once it is opened, until it is closed."""

    def __init__(self, config: Config, frame: Frame, lines: Lines) -> None:
        self._config, self._frame, self._lines = config, frame, lines
        self._moment: Moment | None = None
        self._news = threading.Condition()
        self._tick: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = self._shown = 0.0
        self._watching = 0
        self._closed = False
        self._looks = 0
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin, in the loop that serves the pages."""
        self._loop, self._tick, self._closed = asyncio.get_running_loop(), asyncio.Event(), False
        self._thread = threading.Thread(target=self._follow, name="bulketl-live", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End: browsers that watch are let go of."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._tell()
        if self._thread is not None:
            self._thread.join(2 * LOOK_SECONDS)

    @property
    def known(self) -> Moment | None:
        """What the last look has shown, however long ago that is; None before the first."""
        return self._moment

    def now(self) -> Moment | None:
        """Return what the last look has shown, waiting for one that is not old; None when none succeeds in time."""
        until = time.monotonic() + FIRST_SECONDS
        with self._news:
            seen = self._looks
            known = self._moment is not None
            looked = self._watching > 0 or time.monotonic() - self._asked < IDLE_SECONDS
            looked |= time.monotonic() - self._shown < LOOK_SECONDS
            fresh = known and (looked or bool(self._moment and self._moment.trouble))
            self._asked = time.monotonic()
            self._news.notify_all()
            while not fresh and self._looks == seen and not self._closed and (left := until - time.monotonic()) > 0:
                self._news.wait(left)
            return self._moment

    async def watch(self, run: str, seq: int) -> AsyncIterator[tuple[Moment, Sequence[str], int]]:
        """Yield moment after moment with the lines behind that event of that run, and how many lines were left out.

        A run that is another one than the last is told from its begin, as far as its lines are kept.
        """
        with self._news:
            self._watching += 1
            self._news.notify_all()
        try:
            while not self._closed:
                tick, moment = self._tick, self._moment
                if moment is not None:
                    seq = seq if run == moment.run else 0
                    fresh = [line for number, line in moment.lines if number > seq]
                    yield moment, fresh[-SENT:], max(moment.seq - seq - min(len(fresh), SENT), 0)
                    run, seq = moment.run, max(moment.seq, seq)
                if tick is not None:
                    await tick.wait()
        finally:
            with self._news:
                self._watching -= 1
                self._asked = time.monotonic()

    def _follow(self) -> None:
        while not self._closed:
            kept: deque[tuple[int, str]] = deque(maxlen=SENT)
            seen, run = Following(), ""
            try:
                for look in looks(self._config, "", self._pause):
                    told = seen.add(look)
                    if seen.sight is not None and seen.sight.run != run:
                        run = seen.sight.run
                        kept.clear()
                    kept.extend(self._lines(told[-SENT:]))
                    if look.sight is None or len(look.sight.events) < MOST:
                        self._show(seen, kept)
            except _ClosedError:
                return
            except BulketlError as error:
                seen.trouble = error.public + (f"; {error.hint}" if error.hint else "")
                self._show(seen, kept)
                self._rest(AGAIN_SECONDS)
            except Exception as error:  # a mistake of ours; the other pages go on
                _log.warning("dashboard: the run cannot be followed, and is tried again: %s", type(error).__name__)
                _log.debug("dashboard: a run cannot be followed", exc_info=True)
                self._rest(AGAIN_SECONDS)

    def _show(self, seen: Following, kept: Sequence[tuple[int, str]]) -> None:
        """Make the moment that a look has shown known to all."""
        title, frame = self._frame(seen)
        run = seen.sight.run if seen.sight else ""
        ended = seen.under_way.run.over
        with self._news:
            self._moment = Moment(run, title, frame, tuple(kept), seen.under_way.tables, ended, seen.state, seen.trouble)
            self._looks, self._shown = self._looks + 1, time.monotonic()
            self._news.notify_all()
        self._tell()

    def _pause(self) -> None:
        """Wait for the time of the next look, and for somebody to look for."""
        self._rest(LOOK_SECONDS)
        if self._closed:
            raise _ClosedError

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        with self._news:
            while not self._closed:
                left = until - time.monotonic()
                wanted = self._watching > 0 or time.monotonic() - self._asked < IDLE_SECONDS
                if left <= 0 and wanted:
                    return
                self._news.wait(left if left > 0 else 60.0)

    def _tell(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        tick, self._tick = self._tick, asyncio.Event()
        if tick is not None:
            tick.set()
