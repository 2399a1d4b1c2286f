"""What is not normal, on record: the figures of loads from which it is found, and `bulketl.finding`, which keeps it.

A finding belongs to a table, or to the schema as '', and to the run in which it was found; if a run did not come, to the
last run before. It is open until it no longer holds: a normal load of the table closes what was found in the load before
it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from bulketl.postgres.ledger.runs import plan_of
from bulketl.postgres.server import LEDGER, Connection
from bulketl.tables.printable import brief
from bulketl.tables.spec import Tier

Oddity = Literal["slower", "faster", "more_rows", "fewer_rows", "lag", "not_loaded", "no_run"]
ODDITIES: tuple[Oddity, ...] = get_args(Oddity)
STANDING: tuple[Oddity, ...] = ("not_loaded", "no_run")  # of no load; so until one comes
DAYS = 60  # that are looked back: seven loads of a table that is loaded once a week
_WELL = "('loaded', 'unchanged')"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What is not normal: `value` is beyond `bound`, and `expected` is what its nights say, None where these do not matter.

    Seconds for `slower`, `faster`, `lag`, `not_loaded` and `no_run`, else rows. `nights`: how many say so. `at`: when it was
    found. `run`: in which it was found, '' before the first.
    """

    table: str
    kind: Oddity
    run: str
    source: str
    schema: str
    tier: Tier
    value: float
    expected: float | None
    bound: float
    nights: int
    at: dt.datetime

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, table=self.table, oddity=self.kind, value=self.value, bound=self.bound)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**dataclasses.asdict(self), "at": self.at.isoformat()}


class LoadFigures(NamedTuple):
    """The figures of a load of a table: `days` before the one that is judged, which has 0.

    `whole`: it was replaced as a whole. `lag`: seconds from its newest row to the beginning of the run, None when unknown.
    `gap`: seconds since the load before, None at the first. `tables`: how many tables its run loaded.
    """

    table: str
    days: int
    tier: Tier
    rows: int
    seconds: float
    whole: bool
    lag: float | None
    gap: float | None
    tables: int


class Unjudged(NamedTuple):
    """A load that ended and that nobody has compared with its nights."""

    run: str
    source: str
    began: dt.datetime
    resumed: bool


def unjudged(connection: Connection, schema: str, since: dt.datetime) -> list[Unjudged]:
    """Return the loads into the schema since then that are not compared with their nights yet, the first one first."""
    found = connection.execute(
        "SELECT run, source, started_at,"
        f" (SELECT count(*) > 1 FROM {LEDGER}.event e WHERE e.run = r.run AND e.kind = 'run_started')"
        f" FROM {LEDGER}.run r WHERE schema_name = %s AND kind = 'load' AND finished_at IS NOT NULL AND judged_at IS NULL"
        " AND started_at > %s ORDER BY started_at",
        (schema, since),
    )
    return [Unjudged(*row) for row in found]


def note_lags(connection: Connection, run: str) -> None:
    """Record how far the newest row of each table that a run loaded was behind its beginning, by a cursor that is a time.

    Zones are left out of account: what they add is the same each night.
    """
    mark = r"CASE WHEN s.watermark ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T]|$)' THEN s.watermark::timestamp END"
    connection.execute(
        f"UPDATE {LEDGER}.table_load t SET lag = extract(epoch FROM (r.started_at AT TIME ZONE 'UTC') - ({mark}))::float8"
        f" FROM {LEDGER}.run r, {LEDGER}.state s WHERE r.run = %s AND t.run = r.run AND t.outcome = 'loaded'"
        " AND s.run = r.run AND (s.schema_name, s.table_name) = (r.schema_name, t.table_name)".encode(),
        (run,),
    )


def figures(connection: Connection, run: str) -> list[LoadFigures]:
    """Return the figures of the tables that a run loaded, and of each day before the load nearest to its time of day."""
    found = connection.execute(
        f"""
WITH one AS (SELECT * FROM {LEDGER}.run WHERE run = %s),
loads AS (
    SELECT t.table_name, t.tier, t.outcome, t.rows, t.seconds, t.inserted IS NULL AS whole, t.lag, r.run, one.run AS judged,
        extract(epoch FROM one.started_at - r.started_at)::float8 AS age, count(*) OVER (PARTITION BY r.run) AS tables,
        extract(epoch FROM r.started_at
            - lag(r.started_at) OVER (PARTITION BY t.table_name ORDER BY r.started_at))::float8 AS gap
    FROM one JOIN {LEDGER}.run r ON (r.source, r.schema_name, r.kind) = (one.source, one.schema_name, one.kind)
        AND r.started_at <= one.started_at AND r.started_at > one.started_at - interval '{DAYS} days'
    JOIN {LEDGER}.table_load t ON t.run = r.run AND t.outcome IN {_WELL})
SELECT DISTINCT ON (table_name, days) table_name, days, tier, rows, seconds, whole, lag, gap, tables
FROM (SELECT *, round(age / 86400)::int AS days FROM loads) l
WHERE outcome = 'loaded' AND (run = judged OR days >= 1)
    AND table_name IN (SELECT table_name FROM loads WHERE run = judged AND outcome = 'loaded')
ORDER BY table_name, days, abs(age - days * 86400)""".encode(),
        (run,),
    )
    return [LoadFigures(*row) for row in found]


def planned_otherwise(connection: Connection, run: str) -> set[str]:
    """Return the tables that a run loaded otherwise than in other nights, because the plan says so.

    The first time, whole although their rule loads what changed, or a part that a person asked for.
    """
    loads = [load for group in plan_of(connection, run).get("groups", ()) for load in group["loads"]]
    return {load["spec"]["table"] for load in loads if _otherwise(load)}


def _otherwise(load: Mapping[str, Any]) -> bool:
    spec = load["spec"]
    if spec.get("publish") == "create":
        return True
    return load.get("strategy") != "full_table" if spec.get("whole") else spec.get("watermark") is None


def record(connection: Connection, schema: str, judged: str, found: Sequence[Anomaly]) -> None:
    """Put on record what a load showed, and close what was found of its tables before."""
    with connection.transaction():
        _write(connection, found)
        connection.execute(
            f"UPDATE {LEDGER}.finding f SET closed_at = clock_timestamp() FROM {LEDGER}.table_load t"
            " WHERE t.run = %s AND t.outcome = 'loaded' AND (f.schema_name, f.table_name) = (%s, t.table_name)"
            " AND f.run <> t.run AND f.closed_at IS NULL AND f.kind <> ALL(%s)",
            (judged, schema, list(STANDING)),
        )
        connection.execute(f"UPDATE {LEDGER}.run SET judged_at = clock_timestamp() WHERE run = %s", (judged,))


def record_standing(connection: Connection, schema: str, found: Sequence[Anomaly]) -> None:
    """Put on record what is so at this moment, and close what is so no more."""
    with connection.transaction():
        _write(connection, found)
        connection.execute(
            f"UPDATE {LEDGER}.finding SET closed_at = clock_timestamp() WHERE schema_name = %s AND kind = ANY(%s)"
            " AND closed_at IS NULL AND (table_name, kind, run) NOT IN"
            " (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]))",
            (schema, list(STANDING), *([getattr(one, key) for one in found] for key in ("table", "kind", "run"))),
        )


_COLUMNS = ("table", "kind", "run", "source", "schema", "tier", "value", "expected", "bound", "nights", "at")
_NAMES = "table_name, kind, run, source, schema_name, tier, value, expected, bound, nights, found_at"
_TYPES = ("text", "text", "text", "text", "text", "text", "float8", "float8", "float8", "int", "timestamptz")


def _write(connection: Connection, found: Sequence[Anomaly]) -> None:
    places = ", ".join(f"%s::{kind}[]" for kind in _TYPES)
    connection.execute(
        f"INSERT INTO {LEDGER}.finding ({_NAMES}) SELECT * FROM unnest({places})"
        " ON CONFLICT (schema_name, table_name, kind, run)"
        " DO UPDATE SET value = excluded.value, expected = excluded.expected, bound = excluded.bound,"
        " nights = excluded.nights, tier = excluded.tier, closed_at = NULL".encode(),
        [[getattr(one, column) for one in found] for column in _COLUMNS],
    )


def read_findings(connection: Connection, schema: str, run: str = "", at: dt.datetime | None = None) -> list[Anomaly]:
    """Return what is not normal of the schema, now or `at` a moment, or what was found in one run, worst tiers first."""
    found = connection.execute(
        f"SELECT {_NAMES} FROM {LEDGER}.finding WHERE schema_name = %(schema)s"
        " AND CASE WHEN %(run)s <> '' THEN run = %(run)s WHEN %(at)s::timestamptz IS NULL THEN closed_at IS NULL"
        " ELSE found_at <= %(at)s AND COALESCE(closed_at, 'infinity') > %(at)s END"
        " ORDER BY array_position(ARRAY['critical', 'important', 'audit', 'reference'], tier), table_name, kind".encode(),
        {"schema": schema, "run": run, "at": at},
    )
    return [Anomaly(*row) for row in found]


class LastWell(NamedTuple):
    """When the last load of a table began in which all was well, and which run that was, None and '' for never.

    `known`: when the table was first on record.
    """

    table: str
    source: str
    at: dt.datetime | None
    run: str
    known: dt.datetime


def last_well(connection: Connection, schema: str) -> list[LastWell]:
    """Return of every table of the schema that a load came to when the last one began in which all was well."""
    found = connection.execute(
        f"""
WITH loads AS (
    SELECT t.table_name, max(t.source) AS source, min(r.started_at) AS known,
        max(r.started_at) FILTER (WHERE t.outcome IN {_WELL}) AS at,
        (array_agg(r.run ORDER BY r.started_at DESC) FILTER (WHERE t.outcome IN {_WELL}))[1] AS run
    FROM {LEDGER}.table_load t JOIN {LEDGER}.run r ON r.run = t.run
    WHERE r.schema_name = %(schema)s AND r.kind = 'load' AND r.started_at > now() - interval '{DAYS} days'
        AND t.outcome <> 'skipped'
    GROUP BY t.table_name),
states AS (
    SELECT * FROM {LEDGER}.state WHERE schema_name = %(schema)s AND (source <> '' OR rows IS NOT NULL))
SELECT COALESCE(l.table_name, s.table_name), COALESCE(l.source, s.source), COALESCE(l.at, s.published_at),
    COALESCE(l.run, s.run, ''), COALESCE(l.known, s.published_at)
FROM loads l FULL JOIN states s ON s.table_name = l.table_name ORDER BY 1""".encode(),
        {"schema": schema},
    )
    return [LastWell(*row) for row in found]


def last_runs(connection: Connection, schema: str, begin: dt.datetime) -> tuple[str, str, dt.datetime | None, bool]:
    """Return the last load before that moment with its source and when it began, and whether one was on from then on."""
    found = connection.execute(
        f"SELECT run, source, started_at FROM {LEDGER}.run WHERE schema_name = %s AND kind = 'load' AND started_at < %s"
        " ORDER BY started_at DESC LIMIT 1",
        (schema, begin),
    ).fetchone()
    since = connection.execute(
        f"SELECT EXISTS (SELECT FROM {LEDGER}.run WHERE schema_name = %s AND kind = 'load'"
        " AND (started_at >= %s OR COALESCE(finished_at, now()) >= %s))",
        (schema, begin, begin),
    ).fetchone()
    return (*(found or ("", "", None)), since == (True,))
