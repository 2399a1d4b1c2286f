"""Which tables our own sessions wait for at the source, because others hold locks on them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, cast

from bulketl.mysql.server import MySQL
from bulketl.tables.casts import quoted

# A name that the server gives to what a session does, no text of its own: Waiting for table metadata lock, for table flush.
_WAITING = re.compile(r"Waiting for [a-z ]*(lock|flush)", re.IGNORECASE)


def held_up(source: MySQL, tables: Collection[str]) -> dict[str, str]:
    """Return of these tables those at which a session of our account waits for a lock, with the server's name for the wait.

    Asked over a session of short time-outs; needs no right. Raise SourceError.
    """
    with source.asking() as cursor:
        cursor.execute("SHOW FULL PROCESSLIST")
        rows = cursor.fetchall()
        own = cast(Any, cursor.connection).thread_id()
    ours = next((row[1] for row in rows if row[0] == own), None)
    found: dict[str, str] = {}
    for _, user, _, database, _, _, state, statement, *_ in rows:
        if user == ours and database == source.database and _WAITING.fullmatch(str(state or "")):
            found |= {table: str(state) for table in tables if f"FROM {quoted(table)}" in str(statement or "")}
    return found
