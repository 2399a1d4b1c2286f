"""The journal of a run: its events, put on record while it lasts.

One thread writes them once a second over a connection of its own, so a load never waits for it and never fails because of
it. A run of less than a second has no such connection: its events are written with the record of its end. Events that the
target does not take are kept for the next second, at most MOST of them. How many were lost is an event itself, and a
warning at the end. The same thread looks whether somebody has asked for the end of the run; the driver reads that from
`cancel`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import threading
from collections import deque
from collections.abc import Sequence

import psycopg

from bulketl.errors import BulketlError
from bulketl.loading.events import Event, EventsLost
from bulketl.loading.telling import to_record
from bulketl.postgres.ledger.cancels import Cancel, hear
from bulketl.postgres.ledger.events import Recorded, last_number, write_events
from bulketl.postgres.server import Connection, Postgres

FLUSH_SECONDS = 1.0
MOST = 50_000  # events that wait for the target, about 20 MB
AT_ONCE = 1_000  # events in a statement
END_SECONDS = 3.0  # that the end of a run waits for a journal that is writing
_log = logging.getLogger("bulketl")


class Journal:
    """Takes the events of a run and puts them on record. `resumed`: the run has events on record already."""

    def __init__(self, target: Postgres, run: str, *, resumed: bool = False) -> None:
        self._target, self._run = target, run
        self._waiting = deque[tuple[dt.datetime, Event]]()
        self._ready = deque[Recorded]()
        self._lost = self._told_lost = 0  # the latter are told by events on record
        self._last: int | None = None if resumed else 0  # the number of the last event, None while it is not known
        self._ended = threading.Event()
        self._writing = threading.Lock()
        self.cancel: Cancel | None = None  # the last request for the end of the run
        self._thread = threading.Thread(target=self._flush_again, name="bulketl-journal", daemon=True)
        self._thread.start()

    def note(self, event: Event) -> None:
        """Take an event; this waits for nothing."""
        if len(self._waiting) + len(self._ready) >= MOST:
            self._lost += 1
        else:
            self._waiting.append((dt.datetime.now(dt.UTC), event))

    @property
    def waits(self) -> bool:
        """Whether there are events that it has not written."""
        return bool(self._waiting or self._ready)

    def stop(self) -> None:
        """End the thread; what it has not written yet is for `write`. Wait at most END_SECONDS for what it is writing."""
        self._ended.set()
        self._thread.join(END_SECONDS)

    def write(self, connection: Connection) -> None:
        """Put on record what waits, over a connection of whoever ends the run; warn of what cannot be."""
        if not self._writing.acquire(timeout=0):
            self._lost += len(self._waiting) + len(self._ready)
        else:
            try:
                self._flush(connection)
            except psycopg.OperationalError:
                raise  # the connection is gone, and what else goes over it fails too: it is tried again
            except psycopg.Error as error:
                self._lost += len(self._waiting) + len(self._ready)
                _log.debug("the journal of run %s: %s", self._run, error)
            finally:
                self._writing.release()
        if lost := self._told_lost + self._lost:
            _log.warning("run %s: %d of its events are not on record", self._run, lost)
            self._told_lost = self._lost = 0

    def _flush_again(self) -> None:
        # A line that is found dead only when it is closed is no trouble any more.
        with contextlib.suppress(BulketlError, psycopg.Error), contextlib.ExitStack() as stack:
            connection: Connection | None = None
            while not self._ended.wait(FLUSH_SECONDS):
                try:
                    if connection is None or connection.closed:
                        stack.close()
                        connection = stack.enter_context(self._target.connect())
                    self.cancel = hear(connection, self._run) or self.cancel
                    with self._writing:
                        self._flush(connection)
                except (BulketlError, psycopg.Error) as error:
                    _log.debug("the journal of run %s waits: %s", self._run, error)
                    with contextlib.suppress(BulketlError, psycopg.Error):
                        stack.close()
                    connection = None

    def _flush(self, connection: Connection) -> None:
        """Write all that waits. An event has its number before it is first sent, so that it may be sent twice."""
        if self._last is None:
            self._last = last_number(connection, self._run)
        lost, self._lost = self._lost, 0
        while self._waiting:
            self._number(*self._waiting.popleft())
        if lost:
            self._number(dt.datetime.now(dt.UTC), EventsLost(self._run, lost))
            self._told_lost += lost
        while self._ready:
            some = [self._ready[n] for n in range(min(AT_ONCE, len(self._ready)))]
            self._lost += _written(connection, some)
            for _ in some:
                self._ready.popleft()

    def _number(self, at: dt.datetime, event: Event) -> None:
        told = to_record(event)
        if told is not None and self._last is not None:
            self._last += 1
            self._ready.append(Recorded(self._run, self._last, at, *told))


def _written(connection: Connection, events: Sequence[Recorded]) -> int:
    """Write events, and return how many the database cannot hold: one of these takes no other with it."""
    try:
        write_events(connection, events)
    except psycopg.DataError:
        return 1 if len(events) == 1 else sum(_written(connection, [event]) for event in events)
    return 0
