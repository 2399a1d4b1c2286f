"""What the source counts of itself, and a watch over what runs there: the longest statement and the oldest snapshot."""

from __future__ import annotations

import contextlib
import threading
import time

import pymysql

from benchmarks.servers import Servers

READS = ("first", "key", "last", "next", "prev", "rnd", "rnd_next")
COUNTERS = ("rows", "bytes", "waits")
POLL_SECONDS = 0.01
TRANSACTION_SECONDS = 0.1  # the server's own list of them is no newer
_STATUS = "SHOW {} STATUS WHERE Variable_name LIKE 'Handler_read_%' OR Variable_name IN {}"
_NAMES = ("Bytes_sent", "Table_locks_waited", "Innodb_row_lock_waits")
_STATEMENTS = (
    "SELECT id, TIME_MS, LEFT(info, 200) FROM information_schema.processlist"
    " WHERE command IN ('Query', 'Execute') AND user NOT IN ('clinic', 'system user') AND id <> CONNECTION_ID()"
)
_TRANSACTIONS = (
    "SELECT trx_mysql_thread_id, trx_id, trx_started FROM information_schema.innodb_trx t"
    " JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id WHERE p.user <> 'clinic'"
)


def counted(cursor: pymysql.cursors.Cursor, whose: str) -> dict[str, int]:
    """Return COUNTERS, `whose` is SESSION or GLOBAL: rows read, bytes sent, statements that waited for a lock."""
    cursor.execute(_STATUS.format(whose, _NAMES))
    found = {str(name): int(value) for name, value in cursor.fetchall()}
    rows = sum(found[f"Handler_read_{what}"] for what in READS)
    waits = found["Table_locks_waited"] + found["Innodb_row_lock_waits"]
    return {"rows": rows, "bytes": found["Bytes_sent"], "waits": waits if whose == "GLOBAL" else 0}


class Watch(threading.Thread):
    """Looks at what others than the clinic do at the source, a hundred times a second, until it is stopped.

    `statement` and `snapshot`: the most seconds one was seen at work or open. `spent`: what its own looking made the server
    count.
    """

    def __init__(self, servers: Servers) -> None:
        super().__init__(daemon=True)
        self._servers = servers
        self._end = threading.Event()
        self._seen: dict[tuple[object, ...], float] = {}
        self.statement, self.text, self.snapshot = 0.0, "", 0.0
        self.spent: dict[str, int] = dict.fromkeys(COUNTERS, 0)

    def run(self) -> None:
        """Look until the end."""
        asked = 0.0
        with self._servers.connect() as connection, connection.cursor() as cursor:
            connection.autocommit(True)
            while not self._end.wait(POLL_SECONDS):
                with contextlib.suppress(pymysql.err.OperationalError):
                    cursor.execute(_STATEMENTS)
                    for _, milliseconds, text in cursor.fetchall():
                        if float(milliseconds) / 1000 > self.statement:
                            self.statement, self.text = float(milliseconds) / 1000, " ".join(str(text).split())
                    if (now := time.monotonic()) - asked >= TRANSACTION_SECONDS:
                        asked = now
                        cursor.execute(_TRANSACTIONS)
                        for found in cursor.fetchall():
                            self.snapshot = max(self.snapshot, now - self._seen.setdefault(tuple(found), now))
            self.spent = counted(cursor, "SESSION")

    def stop(self) -> None:
        """Stop looking."""
        self._end.set()
        self.join()
