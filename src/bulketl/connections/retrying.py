"""Trying again what failed for a passing reason: acts that only look, and records that may be written twice.

The steps of a run are tried again by their schedule, after the same pauses. Here is whatever else asks a server: planning,
validating, verifying, and the ledger's own records. Nothing is tried again in silence: the logger `bulketl` warns. Only one
of these acts goes on at a time, so its pauses need no chance: a server that is not there is named within ten seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from bulketl.errors import BulketlError

ATTEMPTS = 4
PAUSES = (0.5, 2.0, 5.0)  # seconds before the second, third and fourth attempt
_log = logging.getLogger("bulketl")
P = ParamSpec("P")
T = TypeVar("T")


stopping = threading.Event()  # while it is set nothing is asked again, nor anything new


def patient(act: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
    """Return what an act does, which may be done twice, after at most ATTEMPTS attempts; raise the error of the last."""
    attempt = 1
    while True:
        if stopping.is_set():
            raise BulketlError("stopped before it was asked")
        try:
            return act(*args, **more)
        except BulketlError as error:
            if not error.transient or attempt >= ATTEMPTS:
                raise
            pause = PAUSES[attempt - 1]
            attempt += 1
            words = " ".join(error.public.split())
            _log.warning("%s; trying again in %.1f s (%d of %d)", words, pause, attempt, ATTEMPTS)
            stopping.wait(pause)
