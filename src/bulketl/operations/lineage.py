"""Lineage of a load by OpenLineage: which tables were read and written, how many rows, and which checks held.

An extra, `pip install 'bulketl[openlineage]'`. The library's own classes make it from the events of the load; it contains
names, types and numbers. A thread sends it during the run, and the run waits for the thread only at its end, for
FLUSH_SECONDS. A collector that is down costs no more, fails no run, and causes one warning.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import queue
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bulketl.config.config import Config
from bulketl.connections.web import ask
from bulketl.loading.events import Event, Observer
from bulketl.tables.printable import count_of

if TYPE_CHECKING:
    from bulketl.config.lineage import OpenLineage

FLUSH_SECONDS = 5.0
ANSWER_SECONDS = 5.0
_log = logging.getLogger("bulketl")


@contextlib.contextmanager
def lineage(config: Config) -> Iterator[Observer | None]:
    """Give an observer that tells the collector under `openlineage` about a load, or None if none is set.

    At the end of the block it sends what is left. If something that the configuration asks for is not possible, it warns.
    Raise ConfigError when the source or the target is not set.
    """
    if config.openlineage is None:
        yield None
        return
    if importlib.util.find_spec("openlineage") is None:
        _log.warning("openlineage: asks for OpenLineage, which is not installed: pip install 'bulketl[openlineage]'")
        yield None
        return
    from bulketl.operations.runevents import RunEvents

    sending = _Sending(config.openlineage)
    events = RunEvents(config, sending.send)

    def observer(event: Event) -> None:
        events.add(event)

    try:
        yield observer
    finally:
        events.close()
        sending.end()


class _Sending:
    """Documents on their way to a collector, one after another."""

    def __init__(self, settings: OpenLineage) -> None:
        self._url = f"{settings.url.rstrip('/')}/api/v1/lineage"
        self._headers = {"Content-Type": "application/json"}
        if settings.api_key:
            self._headers["Authorization"] = f"Bearer {settings.api_key}"
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._made = self._taken = 0
        self._why = ""
        self._until = float("inf")
        self._thread = threading.Thread(target=self._work, name="bulketl-openlineage", daemon=True)
        self._thread.start()

    def send(self, document: str) -> None:
        """Have a document sent; this waits for nothing."""
        self._made += 1
        self._waiting.put(document.encode())

    def end(self) -> None:
        """Wait for what is left no longer than FLUSH_SECONDS; warn of what was not taken."""
        self._until = time.monotonic() + FLUSH_SECONDS
        self._waiting.put(None)
        self._thread.join(FLUSH_SECONDS)
        if lost := self._made - self._taken:
            why = self._why or f"it did not take them within {FLUSH_SECONDS:g} s"
            _log.warning(
                "OpenLineage's collector did not take %s of %d, which are lost: %s; see openlineage.url in bulketl.yaml",
                count_of(lost, "event"), self._made, why,
            )  # fmt: skip

    def _work(self) -> None:
        while (document := self._waiting.get()) is not None and time.monotonic() < self._until:
            reply = ask(self._url, document, self._headers, ANSWER_SECONDS)
            self._taken += reply.well
            if not reply.well:
                self._why = f"it answered {reply.status}" if reply.status else reply.text
