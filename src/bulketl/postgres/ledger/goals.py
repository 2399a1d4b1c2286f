"""What the ledger shows of a migration's goals: who heard of alerts, what recovered by itself, which tables are chained."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from bulketl.postgres.ledger.incidents import kept
from bulketl.postgres.ledger.looking import JUDGED, Look
from bulketl.postgres.server import LEDGER


class Deliveries(NamedTuple):
    """Messages that channels took since a moment: how many, and when the last one."""

    messages: int
    last: dt.datetime | None


def deliveries(look: Look, schema: str, since: dt.datetime) -> Deliveries:
    """Return the messages about a schema that channels took since a moment."""
    if look.version < JUDGED or not kept(look.connection):
        return Deliveries(0, None)
    found = look.connection.execute(
        f"SELECT count(*), max(delivered_at) FROM {LEDGER}.delivery d JOIN {LEDGER}.incident i USING (key)"
        " WHERE i.schema_name = %s AND d.delivered_at >= %s",
        (schema, since),
    ).fetchone()
    return Deliveries(*(found or (0, None)))


class Raised(NamedTuple):
    """Alerts of a kind: how many were raised, and how many of these are not over."""

    kind: str
    alerts: int
    left: int


def raised(look: Look, schema: str, since: dt.datetime) -> list[Raised]:
    """Return the alerts about a schema that were raised since a moment, by kind."""
    if look.version < JUDGED or not kept(look.connection):
        return []
    found = look.connection.execute(
        f"SELECT kind, count(*), count(*) FILTER (WHERE status <> 'resolved') FROM {LEDGER}.incident"
        " WHERE schema_name = %s AND opened_at >= %s GROUP BY 1 ORDER BY 1",
        (schema, since),
    )
    return [Raised(*row) for row in found]


def incremental(look: Look, schema: str) -> set[str]:
    """Return the tables of which a load reads the changes alone from now on: they have a watermark."""
    if not look.version:
        return set()
    found = look.connection.execute(
        f"SELECT table_name FROM {LEDGER}.state WHERE schema_name = %s AND watermark IS NOT NULL", (schema,)
    )
    return {table for (table,) in found}


def chained(look: Look, schema: str) -> set[str]:
    """Return the tables whose rows are in a chain of hashes."""
    if not look.version:
        return set()
    found = look.connection.execute(
        f"SELECT DISTINCT table_name FROM {LEDGER}.audit_chain WHERE schema_name = %s", (schema,)
    )
    return {table for (table,) in found}


def again(look: Look, runs: Sequence[str]) -> set[tuple[str, str]]:
    """Return which steps of which runs were tried again, or tables loaded once more, as (run, table)."""
    if look.version < JUDGED or not runs:
        return set()
    found = look.connection.execute(
        f"SELECT DISTINCT run, body->>'table' FROM {LEDGER}.event"
        " WHERE run = ANY(%s) AND kind IN ('step_retried', 'table_retried')",
        (list(runs),),
    )
    return {(run, table) for run, table in found}
