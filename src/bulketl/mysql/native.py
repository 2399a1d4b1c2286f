"""connectorx, watched: its sockets have a mark and its statements a comment of our own, because it reveals neither."""

from __future__ import annotations

import secrets
from typing import Any

from bulketl.connections import watch
from bulketl.mysql.doubt import doubting
from bulketl.mysql.health import by_comment
from bulketl.mysql.relay import line
from bulketl.mysql.server import MySQL
from bulketl.mysql.stream_process import queried as _queried

DRIVERS = frozenset({"connectorx"})


def queried(source: MySQL, query: str, before: list[str], table: str) -> Any:
    """Return the rows of a query as a table of Arrow, in a session that begins with some statements.

    Raise what connectorx does, StalledError when the session did.
    """
    sign = comment()
    with watch.mark() as mark, line(source, mark) as uri:
        what = f"table {table!r}"
        judge = doubting(source, by_comment(source.asking, sign))
        with watch.talk(watch.Talk(what, source.stall_seconds, DRIVERS, judge, mark=mark, dials=source.over_tcp)):
            return _queried(uri, f"{query} {sign}", [f"{statement} {sign}" for statement in before])


def comment() -> str:
    """Return a comment in SQL that no other statement has."""
    return f"/* bulketl {secrets.token_hex(6)} */"
