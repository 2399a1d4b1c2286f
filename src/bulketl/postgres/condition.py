"""In what condition the target's server is: its version, clock, zone, encoding, settings, sessions, and its disk."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bulketl.postgres.server import Connection, Postgres
from bulketl.tables.clocks import Clock

SETTINGS = (
    "fsync", "full_page_writes", "autovacuum", "max_wal_size", "maintenance_work_mem", "shared_buffers", "temp_file_limit",
    "log_statement", "synchronous_standby_names",
)  # fmt: skip
# In bytes where the setting has a unit of memory.
_SETTINGS = """
SELECT name, CASE WHEN unit IN ('B', 'kB', 'MB', '8kB', '16MB') AND setting <> '-1'
    THEN (setting::numeric * pg_size_bytes(CASE WHEN unit ~ '^[0-9]' THEN unit ELSE '1' || unit END))::text
    ELSE setting END FROM pg_settings WHERE name = ANY(%s)"""
# The least of what the server, the database and the role allow, and what others have of it.
_ROOM = """
SELECT LEAST(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
    NULLIF((SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user), -1),
    NULLIF((SELECT datconnlimit FROM pg_database WHERE datname = current_database()), -1)),
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
  pg_database_size(current_database()), current_setting('server_encoding'), current_setting('server_version'),
  (SELECT setting FROM pg_settings WHERE name = 'data_directory'),
  floor(extract(epoch FROM pg_postmaster_start_time()))::bigint,
  (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone')"""


@dataclass(frozen=True, slots=True)
class TargetCondition:
    """What the server says of itself at this moment.

    `zone`: in which others than bulketl read times. `settings`: of SETTINGS, those of memory in bytes. `connections`: how
    many this user may have, `others`: sessions of others. `bytes`: of the database. `free`: on the disk where its files are,
    None where that cannot be seen from here.
    """

    version: str
    clock: Clock
    zone: str
    encoding: str
    settings: Mapping[str, str]
    connections: int
    others: int
    bytes: int
    free: int | None


def condition(target: Postgres) -> TargetCondition:
    """Return the condition of the server. Raise TargetError."""
    with target.connect() as connection:
        return _condition(connection)


def _condition(connection: Connection) -> TargetCondition:
    before = time.time()
    ((moment,),) = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchall()
    clock = Clock.read(before, moment, time.time())
    settings = {name: str(value or "") for name, value in connection.execute(_SETTINGS, (list(SETTINGS),)).fetchall()}
    ((most, others, size, encoding, version, folder, since, zone),) = connection.execute(_ROOM).fetchall()
    return TargetCondition(
        version=str(version), clock=clock, zone=str(zone), encoding=str(encoding), settings=settings, connections=int(most),
        others=int(others), bytes=int(size), free=_free(str(folder or ""), int(since)),
    )  # fmt: skip


def _free(folder: str, since: int) -> int | None:
    """Return the free bytes on the disk of a server's files, if these are on this machine and this process may see them.

    A folder of that name may be another server's: the file in it says when its server began.
    """
    try:
        began = int((Path(folder) / "postmaster.pid").read_text(encoding="utf-8").splitlines()[2])
        return shutil.disk_usage(folder).free if folder and abs(began - since) <= 1 else None
    except (OSError, ValueError, IndexError):
        return None
