"""A run as others see it than its driver: what has happened since the last look, and whether anybody carries it out.

A look is one statement, however long the run is: it asks for the events behind the last one known.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bulketl.postgres.ledger.events import Recorded
from bulketl.postgres.ledger.made import exists
from bulketl.postgres.ledger.runs import plan_of
from bulketl.postgres.locks import taken, waits
from bulketl.postgres.server import LEDGER, Connection

MOST = 10_000  # events of a look; the next one brings what is behind them
SILENT_SECONDS = 10.0  # without its lock and without an event; a driver that lost its connection is back before
NIGHTS = 14


@dataclass(frozen=True, slots=True)
class Sight:
    """A run at the moment `now` of the target's clock. `outcome`: '' before its end. `events`: those not seen before.

    `alive`: whether some process holds its lock. `last`: when the last event happened, by the driver's clock, or the run
    began. `newest`: the last run into its schema, which may be another. `held_up`: tables of the schema at which bulketl
    waits for a lock, None for none: `table`, `seconds`, and `pid`, `user` and `application` of who holds it.
    """

    run: str
    kind: str
    host: str
    source: str
    schema: str
    began: dt.datetime
    finished: dt.datetime | None
    outcome: str
    alive: bool
    now: dt.datetime
    last: dt.datetime
    newest: str
    held_up: Sequence[Mapping[str, Any]] | None = None
    events: Sequence[Recorded] = ()

    @property
    def ended(self) -> bool:
        """Whether it has come to its end."""
        return self.finished is not None

    @property
    def dead(self) -> bool:
        """Whether nobody carries it out any more, though it has not ended."""
        quiet = abs((self.now - self.last).total_seconds()) > SILENT_SECONDS  # its clock may be ahead
        return not self.ended and not self.alive and quiet


def find(connection: Connection, schema: str, run: str = "") -> str:
    """Return the name of a run, the last one into the schema for '', '' when there is none."""
    if not exists(connection, "run"):
        return ""
    found = connection.execute(
        f"SELECT run FROM {LEDGER}.run WHERE CASE %s WHEN '' THEN schema_name = %s ELSE run = %s END"
        " ORDER BY started_at DESC LIMIT 1",
        (run, schema, run),
    ).fetchone()
    return found[0] if found else ""


def see(connection: Connection, run: str, after: int = 0) -> Sight | None:
    """Look at a run: its events behind the one with that number, and how it is; None when it is not on record."""
    cursor = connection.execute(
        f"SELECT r.run, r.kind, r.host, r.source, r.schema_name, r.started_at, r.finished_at,"
        f" COALESCE(r.outcome, ''), {taken('r.run')}, clock_timestamp(),"
        f" COALESCE((SELECT at FROM {LEDGER}.event l WHERE l.run = r.run ORDER BY seq DESC LIMIT 1), r.started_at),"
        f" (SELECT run FROM {LEDGER}.run n WHERE n.schema_name = r.schema_name ORDER BY started_at DESC LIMIT 1),"
        f" {waits('r.schema_name')}, e.seq, e.at, e.kind, e.body FROM {LEDGER}.run r LEFT JOIN LATERAL ("
        f"SELECT * FROM {LEDGER}.event e WHERE e.run = r.run AND e.seq > %s ORDER BY e.seq LIMIT {MOST}) e ON true"
        " WHERE r.run = %s ORDER BY e.seq".encode(),
        (after, run),
    )
    rows = cursor.fetchall()
    if not rows:
        return None
    events = [Recorded(run, *row[13:]) for row in rows if row[13] is not None]
    return dataclasses.replace(Sight(*rows[0][:13]), events=events)


# How many tables a run comes to, by what it has told.
_TOLD = f"""SELECT nullif(count(*), 0) FROM {LEDGER}.event e, jsonb_object_keys(e.body -> 'tables') WHERE e.run = o.run
    AND e.seq = (SELECT min(seq) FROM {LEDGER}.event s WHERE s.run = o.run AND s.kind = 'run_started')"""


def seconds_of_nights(connection: Connection, run: str) -> Mapping[str, Sequence[float]]:
    """Return how long each table of a run took in its last loads before, NIGHTS at most, the last first.

    By '': how long runs took that came to about as many tables. Who may not read the plan knows these once the run has told.
    """
    found: dict[str, list[float]] = {}
    plan = plan_of(connection, run)
    planned = sum(len(group["loads"]) for group in plan["groups"]) if plan else None
    for table, seconds in connection.execute(
        f"""
WITH one AS (
    SELECT run, source, schema_name, started_at, COALESCE(%s, ({_TOLD})) AS tables FROM {LEDGER}.run o WHERE run = %s),
loads AS (
    SELECT r.run, r.started_at, one.tables, (r.summary ->> 'seconds')::float8 AS seconds,
        (r.summary ->> 'tables')::int + (r.summary ->> 'failed')::int AS came_to, r.outcome
    FROM one JOIN {LEDGER}.run r ON (r.source, r.schema_name) = (one.source, one.schema_name) AND r.kind = 'load'
        AND r.started_at < one.started_at AND r.started_at > one.started_at - interval '40 days'),
took AS (
    SELECT t.table_name, t.seconds, l.started_at FROM loads l
    JOIN {LEDGER}.table_load t ON t.run = l.run AND t.outcome = 'loaded'
    UNION ALL SELECT '', seconds, started_at FROM loads
    WHERE outcome IN ('done', 'partly done', 'not certified') AND came_to BETWEEN tables / 2.0 AND tables * 2)
SELECT table_name, seconds FROM (
    SELECT *, row_number() OVER (PARTITION BY table_name ORDER BY started_at DESC) AS n FROM took) f
WHERE n <= {NIGHTS} AND seconds IS NOT NULL ORDER BY table_name, n""".encode(),
        (planned, run),
    ):
        found.setdefault(str(table), []).append(float(seconds))
    return found
