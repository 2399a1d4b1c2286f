"""connectorx, watched: its sockets have a mark of their own and its statements a comment, for it gives away neither."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

from bulketl import talks
from bulketl.mysql import MySQL
from bulketl.mysql.health import by_comment
from bulketl.mysql.spool import queried as _queried

DRIVERS = frozenset({"connectorx"})


def queried(source: MySQL, query: str, before: list[str], table: str) -> Any:
    """Return the rows of a query as a table of Arrow, in a session that begins with some statements.

    Raise what connectorx does, TimeoutError when the session stalled.
    """
    sign = comment()
    with talks.mark() as mark:
        uri = source.connectorx_uri_with(mark)
        what = f"table {table!r}"
        with stalled(talks.Talk(what, source.stall_seconds, DRIVERS, by_comment(source, sign), mark)):
            return _queried(uri, f"{query} {sign}", [f"{statement} {sign}" for statement in before])


def comment() -> str:
    """Return a comment in SQL that no other statement has."""
    return f"/* bulketl {secrets.token_hex(6)} */"


@contextlib.contextmanager
def stalled(one: talks.Talk) -> Iterator[talks.Talk]:
    """Have a talk watched; when it was ended, raise TimeoutError that says why instead of what the driver made of it."""
    with talks.talk(one):
        try:
            yield one
        except Exception as error:
            if one.ended:
                raise TimeoutError(one.ended) from error
            raise
    if one.ended:  # too late: somebody else has begun it anew
        raise TimeoutError(one.ended)
