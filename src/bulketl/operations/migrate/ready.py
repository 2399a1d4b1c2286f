"""Which tables may be promoted: those whose last nights in a row were equal to the older pipeline's, or waived.

A night is a calendar day, in the zone in which TIMESTAMP columns are read, in UTC where that is the server's own. Its last
comparison of every row counts, so a difference that was waived, or mended and compared again, is none. A day without a
comparison, or on which a table could not be compared, is no night: it adds nothing to the row and does not break it. What
was compared before bulketl served the table last does not count: after a rollback the row begins anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bulketl.config.config import Config
from bulketl.config.migration import PromoteAfter
from bulketl.postgres.ledger.sidebyside import Outcome, outcomes
from bulketl.postgres.server import Connection


@dataclass(frozen=True, slots=True)
class Readiness:
    """How near a table is to being promoted: its nights in a row, how many are needed, and its last comparison.

    `last`: its outcome, '' for never compared; `at`: when that was.
    """

    table: str
    nights: int
    needed: int
    last: Outcome | str = ""
    at: dt.datetime | None = None

    @property
    def ready(self) -> bool:
        """Whether it may be promoted."""
        return self.nights >= self.needed

    @property
    def words(self) -> str:
        """How it stands, in a line."""
        if self.at is None:
            return f"never compared; {self.needed} equal nights are needed"
        told = f"{self.nights} of {self.needed} equal nights in a row"
        return f"{told}; last compared {self.at:%Y-%m-%d %H:%M}: {self.last}"


def ready(connection: Connection, config: Config, tables: Collection[str]) -> dict[str, Readiness]:
    """Return how near each of these tables of the target schema is to being promoted."""
    needed = (config.migration.promote_after if config.migration else PromoteAfter()).equal_nights
    found, zone = outcomes(connection, config.target_schema, tables), _zone(config.session_zone)
    return {table: standing(table, found.get(table, ()), needed, zone) for table in tables}


def standing(table: str, found: Sequence[tuple[Outcome, dt.datetime]], needed: int, zone: dt.tzinfo) -> Readiness:
    """Return how a table stands by its comparisons, the last first."""
    if not found:
        return Readiness(table, 0, needed)
    days: dict[dt.date, Outcome] = {}
    for outcome, at in found:
        if outcome != "not compared":
            days.setdefault(at.astimezone(zone).date(), outcome)
    nights = 0
    for outcome in days.values():
        if outcome == "differs":
            break
        nights += 1
    return Readiness(table, nights, needed, *found[0])


def _zone(name: str) -> dt.tzinfo:
    """Return the zone of that name or offset, UTC for one that this machine does not know."""
    try:
        if name[:1] in ("+", "-"):
            return dt.datetime.strptime(name, "%z").tzinfo or dt.UTC
        return ZoneInfo(name) if name else dt.UTC
    except (ZoneInfoNotFoundError, ValueError):
        return dt.UTC
