"""A look at how busy the source is, and which of the limits for a load it exceeds."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pymysql
import pymysql.cursors

from bulketl.config.settings import SourceLimits
from bulketl.errors import SourceError
from bulketl.mysql.server import MySQL, code_of
from bulketl.tables.printable import count_of, verb_of

_COUNTERS = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_running', 'Table_locks_waited', 'Innodb_row_lock_waits')"


class Strain:
    """Looks at the source when called: why it should be left alone, or ''. It remembers the counters of the last look."""

    def __init__(self, source: MySQL, limits: SourceLimits) -> None:
        self._source = source
        self._limits = limits
        self._waited: tuple[float, int] | None = None

    def __call__(self) -> str:
        """Return the limit that is exceeded and by what; '' also when the server does not answer, for readers will tell."""
        with contextlib.suppress(SourceError):
            return self.look()
        return ""

    def look(self) -> str:
        """Return the limit that is exceeded and by what, or ''. Raise SourceError when it cannot be known."""
        try:
            with self._source.connect() as cursor:
                return self._threads_or_locks(cursor) or self._lag(cursor)
        except SourceError as error:
            if isinstance(error.__cause__, pymysql.MySQLError) and code_of(error.__cause__) in (1227, 1045):
                raise SourceError(
                    f"source_limits.replica_lag_seconds is set, and the user may not ask for it: {error.message}",
                    said=error.said,
                    code=error.code,
                    hint="GRANT REPLICATION CLIENT ON *.* to it (on MariaDB: GRANT REPLICA MONITOR), or take the limit out",
                ) from error
            raise

    def standing(self) -> str:
        """Return, where the lag is limited, that it cannot be known: replication was stopped; or ''. Raise as `look`."""
        if self._limits.replica_lag_seconds is None:
            return ""
        with self._source.connect() as cursor:
            still = None in _lags(replica_status(cursor))
        return "the source is a replica that does not follow its primary now, so its rows are those of then" if still else ""

    def _threads_or_locks(self, cursor: pymysql.cursors.Cursor) -> str:
        cursor.execute(_COUNTERS)
        counters = {name: int(value) for name, value in cursor.fetchall()}
        limit, running = self._limits.threads_running, counters.get("Threads_running", 0)
        now, waits = time.monotonic(), counters.get("Table_locks_waited", 0) + counters.get("Innodb_row_lock_waits", 0)
        before, self._waited = self._waited, (now, waits)
        if limit is not None and running > limit:
            return f"{count_of(running, 'statement', 'runs')} at the source, and threads_running is {limit}"
        most = self._limits.lock_waits_per_minute
        if most is not None and before is not None and now > before[0]:
            rate = (waits - before[1]) * 60 / (now - before[0])
            if rate > most:
                said = f"{count_of(round(rate), 'statement')} a minute {verb_of(round(rate), 'waits')}"
                return f"{said} for locks at the source, and lock_waits_per_minute is {most:g}"
        return ""

    def _lag(self, cursor: pymysql.cursors.Cursor) -> str:
        most = self._limits.replica_lag_seconds
        if most is None:
            return ""
        lags = [lag for lag in _lags(replica_status(cursor)) if lag is not None]
        if lags and max(lags) > most:
            return f"the source lags {max(lags):.0f} s behind its primary, and replica_lag_seconds is {most:g}"
        return ""


def _lags(rows: list[dict[str, Any]]) -> list[float | None]:
    """Return the lag of each connection to a primary in seconds; None: it is not known, for replication was stopped."""
    found = [row.get("Seconds_Behind_Source", row.get("Seconds_Behind_Master")) for row in rows]
    return [None if lag is None else float(lag) for lag in found]


# MariaDB's own first: its others show only the connection without a name. The last is of MySQL before 8.0.22.
_ASKED = ("SHOW ALL SLAVES STATUS", "SHOW REPLICA STATUS", "SHOW SLAVE STATUS")


def replica_status(cursor: pymysql.cursors.Cursor) -> list[dict[str, Any]]:
    """Return a row for each connection to a primary, none where there is none. Raise SourceError without the right."""
    for statement in _ASKED:
        try:
            cursor.execute(statement)
            break
        except pymysql.err.ProgrammingError:  # this server does not know it
            if statement == _ASKED[-1]:
                raise
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
