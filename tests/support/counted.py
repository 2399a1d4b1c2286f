"""What statements read of the target's tables, by the server's own count: a measure that no busy machine changes."""

from __future__ import annotations

from lab import execute
from waiting import until

SESSIONS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'bulketl%' LIMIT 1"


def counted(target: str, figure: str, schema: str, *tables: str) -> int:
    """Return the sum of a figure of pg_stat_user_tables over tables, once all sessions of bulketl have ended.

    A session tells what it has read before it is no longer listed.
    """
    until(lambda: execute(target, SESSIONS) == [])
    ((found,),) = execute(
        target,
        f"SELECT pg_stat_force_next_flush(); SELECT COALESCE(sum({figure}), 0)::bigint FROM pg_stat_user_tables"
        f" WHERE schemaname = '{schema}' AND relname IN ({', '.join(repr(table) for table in tables)})",
    )
    return int(found)


def rows_read(target: str, schema: str, *tables: str) -> int:
    """Return how many rows were read of tables so far, in order or by an index."""
    return counted(target, "seq_tup_read + COALESCE(idx_tup_fetch, 0)", schema, *tables)
