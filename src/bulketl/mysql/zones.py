"""The time zone in which the source shows TIMESTAMPs: whether the server knows it, and whether an hour of it comes twice."""

from __future__ import annotations

import pymysql

from bulketl.errors import ConfigError
from bulketl.mysql.server import MySQL, code_of

_UNKNOWN_ZONE = 1298
_YEARS = range(1971, 2038)  # that a TIMESTAMP may be of
_NOONS = [f"{year}-{month:02}-15 12:00:00" for year in _YEARS for month in (1, 4, 7, 10)]


def check_zone(source: MySQL, zone: str) -> None:
    """Raise ConfigError when the server does not know the zone; '' is the server's own."""
    if not zone:
        return
    with source.connect() as cursor:
        try:
            cursor.execute("SET SESSION time_zone = %s", (zone,))
        except pymysql.MySQLError as error:
            if code_of(error) != _UNKNOWN_ZONE:
                raise
            raise ConfigError(
                f"timestamp_zone: the source does not know the zone {zone!r}",
                hint="correct its name; or, if the server has no tables of zones, fill them with mysql_tzinfo_to_sql, "
                "or write an offset like '+00:00'",
            ) from None


def doubles(source: MySQL, zone: str) -> bool:
    """Tell whether clocks were ever set in the zone, so that an hour of it came twice; '' is the server's own zone."""
    with source.connect() as cursor:
        if zone:
            cursor.execute("SET SESSION time_zone = %s", (zone,))
        cursor.execute(f"SELECT {', '.join(f'UNIX_TIMESTAMP({noon!r})' for noon in _NOONS)}")
        (moments,) = cursor.fetchall()
    return len({int(moment) % 86400 for moment in moments}) > 1
