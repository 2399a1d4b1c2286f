"""How many sessions the source's server has, and how many it takes."""

from __future__ import annotations

from dataclasses import dataclass

from bulketl.mysql.server import MySQL


@dataclass(frozen=True, slots=True)
class Crowd:
    """Sessions of others than whoever looks, and how many the server takes of all."""

    others: int
    most: int


def crowd(source: MySQL) -> Crowd:
    """Return how crowded the source is at this moment. Raise SourceError."""
    with source.connect() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
        ((_, connected),) = cursor.fetchall()
        cursor.execute("SELECT @@GLOBAL.max_connections")
        ((most,),) = cursor.fetchall()
    return Crowd(max(int(connected) - 1, 0), int(most))
