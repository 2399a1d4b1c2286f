"""Sessions that are kept: when one act has ended, the next one uses its session.

A new session costs the server a process that reads the catalogue anew, and a load of a small table asks nine times. An act
has to leave a session as it found it, or close it; after an error it is always closed. A thread that takes part has the
context of the one that keeps them (`contextvars`).
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

IDLE_SECONDS = 2.0  # a line may lose an older session without a word
_Kept = dict[str, list[tuple[psycopg.Connection[Any], float]]]  # by the target's URI, each since when
_kept: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextlib.contextmanager
def keeping() -> Iterator[None]:
    """Keep sessions for the acts that follow, and close them at the end; within another one, leave that to it."""
    if _kept.get() is not None:
        yield
        return
    token = _kept.set({})
    try:
        yield
    finally:
        close_kept()
        _kept.reset(token)


def take(uri: str) -> psycopg.Connection[Any] | None:
    """Return a session that is kept at a target, which nobody else gets then; None for none that is still good."""
    kept = (_kept.get() or {}).get(uri, [])
    with contextlib.suppress(IndexError):  # another thread may take the last one
        while True:
            connection, since = kept.pop()
            if time.monotonic() - since < IDLE_SECONDS and silent(connection):
                return connection
            connection.close()
    return None


def keep(uri: str, connection: psycopg.Connection[Any]) -> bool:
    """Keep a session for the next act; tell whether that was done, or its owner is to close it."""
    kept = _kept.get()
    if kept is None or connection.closed or connection.info.transaction_status != TransactionStatus.IDLE:
        return False
    kept.setdefault(uri, []).append((connection, time.monotonic()))
    return True


def close_kept() -> None:
    """Close the sessions that are kept, for instance before hours in which nobody needs them."""
    for kept in (_kept.get() or {}).values():
        while kept:
            kept.pop()[0].close()


def silent(connection: psycopg.Connection[Any]) -> bool:
    """Tell whether the server has said nothing to an idle session: it says to one only that it ends it."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
