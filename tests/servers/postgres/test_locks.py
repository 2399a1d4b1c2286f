"""The locks of a run are free as soon as it has let go of them."""

from __future__ import annotations

import contextlib

from lab import Lab

from bulketl.postgres.locks import Locks
from bulketl.postgres.server import Postgres


def test_what_is_let_go_is_free_before_the_server_has_ended_the_session(maria_lab: Lab) -> None:
    """A script may begin its next command at once, and a server takes a moment to notice that a session was closed."""
    target = Postgres.of(maria_lab.config())
    first, second = (Locks(target, run, (f"table {maria_lab.schema}.t",)) for run in ("one", "two"))
    first.take()
    slow, first._stack = first._stack, contextlib.ExitStack()  # its session goes on
    first.release()
    second.take()
    second.release()
    slow.close()
