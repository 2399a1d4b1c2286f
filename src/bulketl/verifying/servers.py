"""Both servers, and the threads that ask them: as many connections to each as a load may have.

The target is asked before the source, and older rows of the source before newer ones, because rows only ever become
newer: so a row that is written meanwhile is newer, or another when looked at again, and never lost.
"""

from __future__ import annotations

import contextvars
import datetime as dt
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from bulketl.connections.retrying import patient
from bulketl.mysql import totals
from bulketl.mysql.server import MySQL
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.copy import close
from bulketl.tables.spec import TableSpec

T = TypeVar("T")


@dataclass(slots=True)
class Both:
    """Both servers under one run's name, with `at_once` threads for each; whoever makes it closes it.

    What it asks takes the server as its first argument.
    """

    source: MySQL
    target: Postgres
    run: str
    at_once: int
    source_threads: ThreadPoolExecutor = field(init=False)
    target_threads: ThreadPoolExecutor = field(init=False)
    _context: contextvars.Context = field(default_factory=contextvars.copy_context)  # in which sessions may be kept
    _clocks: dict[str, dt.datetime] = field(default_factory=dict)  # the source's time in each zone, less this machine's

    def __post_init__(self) -> None:
        self.source_threads = ThreadPoolExecutor(self.at_once, thread_name_prefix="bulketl-source")
        self.target_threads = ThreadPoolExecutor(self.at_once, thread_name_prefix="bulketl-target")

    def begin_source(self, ask: Callable[..., T], *args: Any) -> Future[T]:
        """Begin to ask the source, by one of its connections."""
        return self.source_threads.submit(patient, ask, self.source, *args)

    def begin_target(self, ask: Callable[..., T], *args: Any, **more: Any) -> Future[T]:
        """Begin to ask the target, by one of its connections."""
        return self.target_threads.submit(self._context.copy().run, partial(patient, ask, self.target, *args, **more))

    def ask_source(self, ask: Callable[..., T], *args: Any) -> T:
        """Ask the source, and wait for the answer."""
        return self.begin_source(ask, *args).result()

    def ask_target(self, ask: Callable[..., T], *args: Any, **more: Any) -> T:
        """Ask the target, and wait for the answer."""
        return self.begin_target(ask, *args, **more).result()

    def source_time(self, spec: TableSpec, at: float) -> dt.datetime:
        """Return what the source's clock shows, in the zone of the table, when this machine's monotonic clock shows `at`."""
        if spec.zone not in self._clocks:
            self._clocks[spec.zone] = self.ask_source(totals.now, spec) - dt.timedelta(seconds=time.monotonic())
        return self._clocks[spec.zone] + dt.timedelta(seconds=at)

    def close(self) -> None:
        """End the threads and their connections."""
        for threads in (self.source_threads, self.target_threads):
            threads.shutdown(cancel_futures=True)
        close(self.run)
