"""What the source's server has counted: rows that its engines handed out, bytes it sent, statements that waited for a lock.

If the server keeps these counts by account (performance_schema, which is on by default in MySQL and off in MariaDB) and
the user may look there, rows and bytes are those of bulketl's own user. Otherwise they are those of the whole server, of
everybody who used it meanwhile. Lock waits are counted only for the whole server.
"""

from __future__ import annotations

from dataclasses import dataclass

import pymysql
from pymysql.cursors import Cursor

from bulketl.mysql.server import MySQL, is_lost

ACCOUNT, SERVER = "account", "server"
_READS = ("first", "key", "last", "next", "prev", "rnd", "rnd_next")
_ROWS = tuple(f"Handler_read_{what}" for what in _READS)
_WAITS = ("Table_locks_waited", "Innodb_row_lock_waits")
_BYTES = "Bytes_sent"
_OF_ACCOUNT = (
    "SELECT variable_name, SUM(variable_value) FROM performance_schema.status_by_account"
    f" WHERE user = SUBSTRING_INDEX(USER(), '@', 1) AND variable_name IN {(*_ROWS, _BYTES)} GROUP BY variable_name"
)


@dataclass(frozen=True, slots=True)
class Counters:
    """What has been counted so far. `of`: whose `rows` and `bytes` they are, ACCOUNT or SERVER; `waits` are the server's."""

    of: str
    rows: int
    bytes: int
    waits: int

    def since(self, before: Counters) -> dict[str, object]:
        """Return what was counted between both looks, for the ledger; {} when they cannot be compared."""
        spent = (self.rows - before.rows, self.bytes - before.bytes, self.waits - before.waits)
        if self.of != before.of or min(spent) < 0:  # the server was started again, or somebody has reset them
            return {}
        return dict(zip(("of", "rows_read", "bytes_sent", "server_lock_waits"), (self.of, *spent), strict=True))


def counters(source: MySQL) -> Counters:
    """Return what the source has counted so far. Raise SourceError."""
    with source.connect() as cursor:
        cursor.execute(f"SHOW GLOBAL STATUS WHERE Variable_name IN {(*_ROWS, *_WAITS, _BYTES)}")
        server = {str(name).lower(): int(value) for name, value in cursor.fetchall()}
        account = _of_account(cursor)
    found = account or server
    rows, waits = sum(found.get(name.lower(), 0) for name in _ROWS), sum(server.get(name.lower(), 0) for name in _WAITS)
    return Counters(ACCOUNT if account else SERVER, rows, found.get(_BYTES.lower(), 0), waits)


def _of_account(cursor: Cursor) -> dict[str, int]:
    """Return what is counted of this user, {} where nobody does or it may not be seen."""
    try:
        cursor.execute(_OF_ACCOUNT)
    except pymysql.MySQLError as error:
        if is_lost(error):
            raise
        return {}
    return {str(name).lower(): int(value) for name, value in cursor.fetchall()}
