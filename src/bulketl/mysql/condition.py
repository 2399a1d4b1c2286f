"""In what condition the source's server is: its version, clock, zone, settings, sessions, and how much it holds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from bulketl.mysql.server import MySQL
from bulketl.tables.clocks import Clock

SETTINGS = (
    "max_allowed_packet", "innodb_buffer_pool_size", "innodb_stats_on_metadata", "general_log", "max_connections",
    "lower_case_table_names", "read_only",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SourceCondition:
    """What the server says of itself at this moment.

    `version`: in its own words. `zone`: of the server, by name or offset. `settings`: of SETTINGS those that it has.
    `connections`: how many it gives this user, `others`: sessions of others. `bytes`: of the database's tables, by its
    statistics; `keyless`: the largest table without a primary key, with its bytes.
    """

    version: str
    clock: Clock
    zone: str
    settings: Mapping[str, str]
    connections: int
    others: int
    bytes: int
    keyless: tuple[str, int] | None


def condition(source: MySQL) -> SourceCondition:
    """Return the condition of the server. Raise SourceError."""
    with source.connect() as cursor:
        before = time.time()
        cursor.execute("SELECT UNIX_TIMESTAMP(SYSDATE(6))")
        ((moment,),) = cursor.fetchall()
        clock = Clock.read(before, float(moment), time.time())
        cursor.execute(
            "SELECT VERSION(), @@GLOBAL.time_zone, @@system_time_zone,"
            " LEAST(@@max_connections, COALESCE(NULLIF(@@session.max_user_connections, 0), @@max_connections))"
        )
        ((version, zone, system, connections),) = cursor.fetchall()
        cursor.execute(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({', '.join(repr(name) for name in SETTINGS)})")
        settings = {str(name): str(value) for name, value in cursor.fetchall()}
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
        ((_, connected),) = cursor.fetchall()
        cursor.execute(
            "SELECT table_name, COALESCE(data_length, 0) FROM information_schema.tables"
            " WHERE table_schema = %s AND table_type = 'BASE TABLE'",
            (source.database,),
        )
        sizes = {str(name): int(length) for name, length in cursor.fetchall()}
        cursor.execute(
            "SELECT table_name FROM information_schema.table_constraints"
            " WHERE table_schema = %s AND constraint_type = 'PRIMARY KEY'",
            (source.database,),
        )
        keyed = {str(name) for (name,) in cursor.fetchall()}
    keyless = max(((length, name) for name, length in sizes.items() if name not in keyed), default=None)
    return SourceCondition(
        version=str(version),
        clock=clock,
        zone=str(system if zone == "SYSTEM" else zone),
        settings=settings,
        connections=int(connections),
        others=max(int(connected) - 1, 0),
        bytes=sum(sizes.values()),
        keyless=(keyless[1], keyless[0]) if keyless else None,
    )
