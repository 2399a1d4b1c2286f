"""Whether the target is at work for a session of ours, asked over another session; if it is not, the session is ended.

A session is known by the number of its server process. A session that waits for its client, or for a standby to confirm a
commit, is not at work; every wait for a lock has its own end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg

from bulketl.connections.watch import Judge

_AT_WORK = """
SELECT state IN ('active', 'fastpath function call') AND wait_event_type IS DISTINCT FROM 'Client'
       AND wait_event IS DISTINCT FROM 'SyncRep'
FROM pg_stat_activity WHERE pid = %s AND datname = current_database()"""

Asking = Callable[[], AbstractContextManager[psycopg.Connection[tuple[Any, ...]]]]  # unwatched, of short time-outs


def by_backend(asking: Asking) -> Judge:
    """Return what asks for the session of a server process, and ends it."""

    def judge(number: int, force: bool) -> bool:
        if not number:
            return False
        with asking() as connection:
            found = connection.execute(_AT_WORK, (number,)).fetchone()
            if found == (True,) and not force:
                return True
            if found:
                connection.execute("SELECT pg_terminate_backend(%s)", (number,))
        return False

    return judge
