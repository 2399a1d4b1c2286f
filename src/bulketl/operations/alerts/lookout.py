"""A load looks out for itself: a thread beside it ticks, at once when something goes wrong and else every minute.

The load hands it what happens and waits for nothing; whatever fails here is a line in the log.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator

import psycopg

from bulketl.config.config import Config
from bulketl.errors import WRONG_REQUEST, BulketlError, OutsideWindowError, place_of
from bulketl.loading.events import Event, Observer, RunStarted
from bulketl.operations.alerts.causes import Heard, Trouble, before_any_run, heard, of_error
from bulketl.operations.alerts.tick import tick_alerts

EVERY_SECONDS = 60.0
GATHER_SECONDS = 2.0  # after the first trouble, so that what fails with it is in the first message
END_SECONDS = 5.0  # that the end of a load waits for messages on their way
MOST = 10_000  # events that wait
_log = logging.getLogger("bulketl")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@contextlib.contextmanager
def alerting(config: Config, *, attended: bool = False, now: Callable[[], dt.datetime] = _now) -> Iterator[Observer]:
    """Give an observer for `bulketl.load`: people hear of the troubles of the load during the block, and of its failure.

    Without alerts in the configuration, nobody hears of them. `attended`: somebody sees errors in the request, so no
    channel tells them. Neither this function nor the observer ever fails, and neither waits, except for END_SECONDS at
    the end.
    """
    if config.alerts is None:
        yield lambda _event: None
        return
    lookout = Lookout(config, now)
    try:
        yield lookout.note
    except OutsideWindowError:
        raise
    except BulketlError as error:
        if not (attended and error.exit_code == WRONG_REQUEST):
            lookout.fail(error)
        raise
    finally:
        lookout.end()


class Lookout:
    """The thread, and what it has yet to look at."""

    def __init__(self, config: Config, now: Callable[[], dt.datetime]) -> None:
        self._config, self._now = config, now
        self._waiting = deque[Heard](maxlen=MOST)
        self._run = self._source = ""
        self._wake, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bulketl-alerts", daemon=True)
        self._thread.start()

    def note(self, event: Event) -> None:
        """Take an event; this waits for nothing."""
        self._run = event.run
        if isinstance(event, RunStarted):
            self._source = event.source
        for one in heard(self._config, event, self._now(), self._source):
            self._waiting.append(one)
            if isinstance(one, Trouble):
                self._wake.set()

    def fail(self, error: BulketlError) -> None:
        """Take the error that ended the load, or kept it from beginning."""
        self._waiting.extend(of_error(self._config, error, self._run or before_any_run(self._config), self._now()))

    def end(self) -> None:
        """Tick once more, and wait for that no longer than END_SECONDS."""
        self._ended.set()
        self._wake.set()
        self._thread.join(END_SECONDS)
        if self._thread.is_alive():
            _log.warning("alerts: messages are still on their way; `bulketl alerts tick` sends what is not")

    def _watch(self) -> None:
        while True:
            if self._wake.wait(EVERY_SECONDS):
                self._ended.wait(GATHER_SECONDS)
            self._wake.clear()
            last = self._ended.is_set()
            self._tick([self._waiting.popleft() for _ in range(len(self._waiting))])
            if last:
                return

    def _tick(self, found: list[Heard]) -> None:
        try:
            done = tick_alerts(self._config, self._now(), found)
        except (BulketlError, psycopg.Error, OSError) as error:
            said = error.public if isinstance(error, BulketlError) else type(error).__name__
            _log.warning("alerts: %s", said)
        except Exception as error:  # a mistake of ours must not pass in silence, nor end the thread
            _log.warning("alerts: a mistake in bulketl, report it: %s", place_of(error))  # its text may quote a row
        else:
            for one in done.sent:
                if not one.answer.delivered:
                    _log.warning("alerts: %s did not take a message: %s", one.delivery.channel, one.answer.text)
