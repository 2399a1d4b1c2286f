"""A read lock on one table of the source, and the signs by which its readers say that they have seen it.

Under the lock every reader starts a transaction with a consistent snapshot and then takes a named lock of its own; when all
named locks are held, all of them see the same rows, and the table is let go of. A lock on the table alone is asked for;
where that right is missing, FLUSH TABLES WITH READ LOCK, which stops all writers for as long.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pymysql
from pymysql.cursors import Cursor

from bulketl.casts import quoted
from bulketl.errors import SourceError
from bulketl.mysql import MySQL, code_of
from bulketl.plan import TableSpec

WAIT_SECONDS = 5  # for writers to end; meanwhile others queue up behind
_DENIED = (1044, 1142, 1227)


@dataclass(frozen=True, slots=True)
class TableLock:
    """A lock that is held, and the session that holds it."""

    cursor: Cursor
    how: str

    def signed(self, signs: Sequence[str]) -> set[str]:
        """Return those of these named locks that somebody holds. Raise SourceError when the session is lost."""
        self.cursor.execute(f"SELECT {', '.join(['IS_USED_LOCK(%s) IS NOT NULL'] * len(signs))}", tuple(signs))
        (row,) = self.cursor.fetchall()
        return {sign for sign, held in zip(signs, row, strict=True) if held}

    def lost(self) -> bool:
        """Tell whether the lock has gone with its session."""
        try:
            self.cursor.execute("DO 0")
        except pymysql.MySQLError:
            return True
        return False


@contextlib.contextmanager
def locked(source: MySQL, spec: TableSpec) -> Iterator[TableLock]:
    """Hold a read lock on the table. Raise SourceError, a passing one when others write to it for too long."""
    with source.connect() as cursor:
        cursor.execute(f"SET SESSION lock_wait_timeout = {WAIT_SECONDS}")
        for how in (f"LOCK TABLES {quoted(spec.table)} READ", "FLUSH TABLES WITH READ LOCK"):
            try:
                cursor.execute(how)
            except pymysql.MySQLError as error:
                if code_of(error) not in _DENIED:
                    raise
                continue
            yield TableLock(cursor, how)
            return
    raise SourceError(
        f"table {spec.table!r} asks for consistency: {spec.consistency}, and the user may not lock it at the source",
        hint=f"GRANT LOCK TABLES ON `{source.database}`.* to it, or ask for consistency: re-read, which needs no right",
    )


def before_reading(sign: str) -> list[str]:
    """Return the statements after which a session sees the rows as they are now, and has said so."""
    return [
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",  # under another level a snapshot is none
        "START TRANSACTION WITH CONSISTENT SNAPSHOT",
        f"DO GET_LOCK('{sign}', 0)",
    ]
