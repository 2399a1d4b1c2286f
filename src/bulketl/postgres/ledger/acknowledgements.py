"""Wishes to acknowledge incidents: `bulketl.acknowledgement`, which whoever reads the ledger may add to, and a tick hears.

The role `dashboard` may add to it, and change nothing else of the ledger. A wish is heard once: it is an acknowledgement
then, of which the channels are told; one for an incident that is over by that time comes to nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bulketl.postgres.ledger.made import exists
from bulketl.postgres.server import LEDGER, Connection

TABLE = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.acknowledgement (
    incident bigint NOT NULL, by text NOT NULL, seconds double precision,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(), heard_at timestamptz);
CREATE INDEX IF NOT EXISTS acknowledgement_open ON {LEDGER}.acknowledgement (incident) WHERE heard_at IS NULL;
"""
GIVEN = ("incident", "by", "seconds")  # the columns of which a wish is made


class Wish(NamedTuple):
    """That somebody looks after an incident, for so many seconds (None: as its tier says), as of a moment."""

    incident: int
    by: str
    seconds: float | None
    at: dt.datetime


def there(connection: Connection) -> bool:
    """Tell whether the ledger has wishes."""
    return exists(connection, "acknowledgement")


def may(connection: Connection) -> bool:
    """Tell whether this role may add a wish."""
    found = connection.execute(
        "SELECT bool_and(has_column_privilege(%s, name, 'INSERT')) FROM unnest(%s::text[]) name",
        (f"{LEDGER}.acknowledgement", list(GIVEN)),
    )
    return found.fetchone() == (True,)


def wish(connection: Connection, incident: int, by: str, seconds: float | None) -> None:
    """Put a wish on record."""
    connection.execute(
        f"INSERT INTO {LEDGER}.acknowledgement ({', '.join(GIVEN)}) VALUES (%s, %s, %s)", (incident, by, seconds)
    )


def wishes(connection: Connection, numbers: Sequence[int]) -> Mapping[int, Wish]:
    """Return the wishes for these incidents that no tick has heard yet, the last one of each."""
    if not there(connection):
        return {}
    found = connection.execute(
        f"SELECT incident, by, seconds, asked_at FROM {LEDGER}.acknowledgement"
        " WHERE heard_at IS NULL AND incident = ANY(%s) ORDER BY asked_at",
        (list(numbers),),
    )
    return {row[0]: Wish(*row) for row in found}


def hear(connection: Connection, schema: str) -> list[Wish]:
    """Return the wishes for incidents of a schema that were not heard yet, and record that they are; the first first.

    Two ticks at once hear different ones.
    """
    if not there(connection):
        return []
    found = connection.execute(
        f"UPDATE {LEDGER}.acknowledgement SET heard_at = clock_timestamp() WHERE ctid = ANY(ARRAY("
        f"SELECT a.ctid FROM {LEDGER}.acknowledgement a JOIN {LEDGER}.incident i USING (incident)"
        " WHERE a.heard_at IS NULL AND i.schema_name = %s FOR UPDATE OF a SKIP LOCKED))"
        " RETURNING incident, by, seconds, asked_at",
        (schema,),
    ).fetchall()
    return sorted((Wish(*row) for row in found), key=lambda one: one.at)
