"""A read lock on one table of the source, and how several readers come to see the same rows.

Each reader's session says by a named lock that it is there, and waits at a gate, another named lock. When all are there the
table is locked and the gate opened: each begins a transaction with a consistent snapshot and says so by a third named lock;
when all have, the table is let go of. So it is locked for some milliseconds, however long the readers take to start. A lock
on the table alone is asked for; where that right is missing, FLUSH TABLES WITH READ LOCK, which stops all writers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pymysql
from pymysql.cursors import Cursor

from bulketl.errors import SourceError
from bulketl.mysql.server import MySQL, code_of
from bulketl.tables.casts import quoted
from bulketl.tables.spec import TableSpec

WAIT_SECONDS = 5  # for writers to end; meanwhile others queue up behind
GATE_SECONDS = 3600  # nobody waits so long: the gate goes with its session
READY = "ready"
_DENIED = (1044, 1142, 1227)


@dataclass(frozen=True, slots=True)
class TableLock:
    """A lock that is held, and the session that holds it."""

    cursor: Cursor
    how: str

    def lost(self) -> bool:
        """Tell whether the lock has gone with its session."""
        try:
            self.cursor.execute("DO 0")
        except pymysql.MySQLError:
            return True
        return False


@dataclass(frozen=True, slots=True)
class TableGate:
    """A gate that is shut, and the session that keeps it. Readers are known by their signs."""

    source: MySQL
    spec: TableSpec
    cursor: Cursor
    name: str

    def waiting(self, signs: Sequence[str]) -> set[str]:
        """Return those readers that are there. Raise SourceError when the session is lost, as all below do."""
        return self._held({f"{sign} {READY}": sign for sign in signs})

    def open(self) -> str:
        """Lock the table and let the readers go; return the statement that locked it."""
        how = _lock(self.source, self.spec, self.cursor)
        self.cursor.execute("DO RELEASE_LOCK(%s)", (self.name,))
        return how

    def reading(self, signs: Sequence[str]) -> set[str]:
        """Return those readers that see the rows of this moment."""
        return self._held({sign: sign for sign in signs})

    def _held(self, names: dict[str, str]) -> set[str]:
        self.cursor.execute(f"SELECT {', '.join(['IS_USED_LOCK(%s) IS NOT NULL'] * len(names))}", tuple(names))
        (row,) = self.cursor.fetchall()
        return {sign for sign, held in zip(names.values(), row, strict=True) if held}


@contextlib.contextmanager
def locked(source: MySQL, spec: TableSpec) -> Iterator[TableLock]:
    """Hold a read lock on the table. Raise SourceError, a passing one when others write to it for too long."""
    with source.connect() as cursor:
        yield TableLock(cursor, _lock(source, spec, cursor))


@contextlib.contextmanager
def gated(source: MySQL, spec: TableSpec, name: str) -> Iterator[TableGate]:
    """Keep a gate of that name shut until it is opened; the lock that it takes then lasts as long as the context."""
    with source.connect() as cursor:
        cursor.execute("DO GET_LOCK(%s, 0)", (gate_of(name),))
        yield TableGate(source, spec, cursor, gate_of(name))


def _lock(source: MySQL, spec: TableSpec, cursor: Cursor) -> str:
    cursor.execute(f"SET SESSION lock_wait_timeout = {WAIT_SECONDS}")
    for how in (f"LOCK TABLES {quoted(spec.origin)} READ", "FLUSH TABLES WITH READ LOCK"):
        try:
            cursor.execute(how)
        except pymysql.MySQLError as error:
            if code_of(error) not in _DENIED:
                raise
            continue
        return how
    raise SourceError(
        f"table {spec.table!r} asks for consistency: {spec.consistency}, and the user may not lock it at the source",
        hint=f"GRANT LOCK TABLES ON `{source.database}`.* to it, or ask for consistency: re-read, which needs no right",
    )


def gate_of(sign: str) -> str:
    """Return the name of the gate at which a reader waits: all but the last word of its sign."""
    return f"{sign.rpartition(' ')[0]} gate"


def before_reading(sign: str) -> list[str]:
    """Return the statements after which a session sees the rows as they are when the gate opens, and has said so."""
    return [
        f"DO GET_LOCK('{sign} {READY}', 0)",
        f"DO GET_LOCK('{gate_of(sign)}', {GATE_SECONDS})",
        f"DO RELEASE_LOCK('{gate_of(sign)}')",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",  # under another level a snapshot is none
        "START TRANSACTION WITH CONSISTENT SNAPSHOT",
        f"DO GET_LOCK('{sign}', 0)",
    ]
