"""Whether the source is at work for a session of ours, asked over another session; if it is not, the session is ended.

A PyMySQL session is known by its number. connectorx does not tell its number, so each of its statements ends in a unique
comment, which the server's list of processes shows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import pymysql
from pymysql.cursors import Cursor

from bulketl.connections.watch import Judge

Asking = Callable[[], AbstractContextManager[Cursor]]  # opens a session that nobody watches, of short time-outs

_IDLE = frozenset({"Sleep", "Killed", "Connect", "Quit"})
# The server waits for the line then, or for the client.
_LINE = ("writing to net", "sending to client", "reading from net", "receiving from client", "login")


def by_number(asking: Asking) -> Judge:
    """Return what asks for the session of a number, and ends it."""
    return lambda number, force: _judged(asking, lambda row: row[0] == number, force=force)


def by_comment(asking: Asking, comment: str) -> Judge:
    """Return what asks for the session whose statement has that comment, and ends it."""
    return lambda _number, force: _judged(asking, lambda row: comment in str(row[7]), force=force)


def _judged(asking: Asking, ours: Callable[[Sequence[Any]], bool], *, force: bool) -> bool:
    with asking() as cursor:
        cursor.execute("SHOW FULL PROCESSLIST")
        own = cast(Any, cursor.connection).thread_id()
        found = [row for row in cursor.fetchall() if row[0] != own and ours(row)]
        if found and not force and all(_at_work(str(row[4]), str(row[6] or "")) for row in found):
            return True
        for row in found:
            with contextlib.suppress(pymysql.MySQLError):  # it may have ended by itself
                cursor.execute(f"KILL {int(row[0])}")
    return False


def _at_work(command: str, state: str) -> bool:
    return command not in _IDLE and not state.lower().startswith(_LINE)
