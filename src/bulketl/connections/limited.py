"""An act with an end: what does not come back in time is left behind, whatever it waits for.

A time-out of a socket bounds one wait. It bounds neither the search for a name nor an answer that comes byte by byte.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, act: Callable[[], T]) -> T:
    """Return what an act returns, or raise what it raises; raise TimeoutError once it has taken that long.

    It runs in a thread of its own, which goes on after that and is waited for by nobody.
    """
    done: list[T] = []
    raised: list[Exception] = []

    def run() -> None:
        try:
            done.append(act())
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="bulketl-limited", daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not done:
        raise TimeoutError(f"not done within {seconds:g} s")
    return done[0]
