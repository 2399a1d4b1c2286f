"""Runs as people list them: of each its outcome and what became of its tables, counted; of one what happened, in order.

Counted are the tables of the runs that are asked for and no others, so a list costs what it shows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from bulketl.postgres.ledger.events import Recorded
from bulketl.postgres.ledger.looking import EVENTS, Look
from bulketl.postgres.ledger.made import exists
from bulketl.postgres.ledger.runs import kind_of
from bulketl.postgres.ledger.watched import SILENT_SECONDS
from bulketl.postgres.locks import taken
from bulketl.postgres.server import LEDGER

NAMED = 3  # tables that failed, of which a list has the names
_TELLING = (
    "(SELECT e.body->>'message' FROM {ledger}.event e WHERE e.run = {run} AND e.kind = 'table_failed' {which} LIMIT 1)"
)


class RunRecord(NamedTuple):
    """A run: `ended` is None while it is on and for one that died, which `alive` tells apart; `outcome` is '' then.

    `counts`: how many tables had which outcome; of a run that has not ended, how many are `published`. `failed`: the first
    NAMED tables that failed, and `error` why the first did. `rows`, `rejects`: of all its tables.
    """

    run: str
    kind: str
    outcome: str
    host: str
    version: str
    source: str
    schema: str
    began: dt.datetime
    ended: dt.datetime | None
    alive: bool
    rows: int
    rejects: int
    counts: dict[str, int]
    failed: tuple[str, ...]
    error: str


def last_runs(
    look: Look, schema: str, first: int, run: str = "", began: tuple[dt.datetime, dt.datetime] | None = None
) -> list[RunRecord]:
    """Return the last runs into a schema, the last one first, of every kind; `run`: that one alone, into any schema.

    `began`: from when, and before when, they began.
    """
    if (kind := kind_of(look.connection)) is None:
        return []
    told = ""
    if look.version >= EVENTS:
        told = _TELLING.format(ledger=LEDGER, run="r.run", which="AND e.body->>'table' = f.failed[1]")
        told = f"CASE WHEN f.failed IS NOT NULL THEN {told} END, "
    alive = taken("r.run")
    if look.version >= EVENTS:  # a driver that has lost its connection to the target is back before
        recent = f"e.at > clock_timestamp() - interval '{SILENT_SECONDS} seconds'"
        alive = f"({alive} OR EXISTS (SELECT FROM {LEDGER}.event e WHERE e.run = r.run AND {recent}))"
    which = "r.run = %(run)s" if run else "r.schema_name = %(schema)s"
    which += " AND r.started_at >= %(since)s AND r.started_at < %(until)s" if began else ""
    since, until = began or (None, None)
    found = look.connection.execute(
        f"""
WITH chosen AS MATERIALIZED (
    SELECT r.run, {kind} AS kind, r.outcome, r.host, r.version, r.source, r.schema_name, r.started_at, r.finished_at
    FROM {LEDGER}.run r WHERE {which} ORDER BY r.started_at DESC, r.run DESC LIMIT %(first)s)
SELECT r.run, r.kind, COALESCE(r.outcome, ''), r.host, r.version, r.source, r.schema_name, r.started_at, r.finished_at,
    r.finished_at IS NULL AND {alive},
    COALESCE(f.rows, p.rows, 0), COALESCE(f.rejects, 0), f.counts, p.tables, f.failed, COALESCE({told}f.error, '')
FROM chosen r LEFT JOIN LATERAL (
    SELECT sum(o.rows)::bigint AS rows, sum(o.rejects)::bigint AS rejects, jsonb_object_agg(o.outcome, o.tables) AS counts,
        max(o.failed) AS failed, max(o.error) AS error
    FROM (SELECT t.outcome, count(*) AS tables, sum(t.rows) FILTER (WHERE t.outcome <> 'failed') AS rows,
            sum(t.rejects) AS rejects,
            (array_agg(t.table_name ORDER BY t.table_name) FILTER (WHERE t.outcome = 'failed'))[:{NAMED}] AS failed,
            (array_agg({look.text("t.error")} ORDER BY t.table_name) FILTER (WHERE t.outcome = 'failed'))[1] AS error
        FROM {LEDGER}.table_load t WHERE t.run = r.run GROUP BY t.outcome) o) f ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS tables, sum(p.rows)::bigint AS rows FROM {LEDGER}.published p
    WHERE r.finished_at IS NULL AND p.run = r.run) p ON true
ORDER BY r.started_at DESC, r.run DESC""".encode(),
        {"run": run, "schema": schema, "first": first, "since": since, "until": until},
    ).fetchall()
    return [_record(row) for row in found]


def _record(row: Sequence[Any]) -> RunRecord:
    about, (rows, rejects, counts, published, failed, error) = row[:10], row[10:]
    open_ = about[8] is None
    counted = {"published": int(published)} if open_ and not counts else dict(counts or {})
    return RunRecord._make((*about, rows, rejects, counted, tuple(failed or ()), error))


def open_runs(look: Look, schema: str) -> list[str]:
    """Return the runs into a schema whose end is not on record, the last one first: they are on, or died."""
    if not look.version:
        return []
    found = look.connection.execute(
        f"SELECT run FROM {LEDGER}.run WHERE schema_name = %s AND finished_at IS NULL ORDER BY started_at DESC", (schema,)
    )
    return [run for (run,) in found]


def last_run(look: Look, schema: str) -> str:
    """Return the last run into a schema, '' when there is none."""
    if not look.version:
        return ""
    found = look.connection.execute(
        f"SELECT run FROM {LEDGER}.run WHERE schema_name = %s ORDER BY started_at DESC, run DESC LIMIT 1", (schema,)
    ).fetchone()
    return found[0] if found else ""


class Failure(NamedTuple):
    """A table that failed in a run: when, and the message and hint that may be shown anywhere."""

    run: str
    table: str
    at: dt.datetime
    message: str
    hint: str


def failures(look: Look, runs: Sequence[str]) -> list[Failure]:
    """Return the tables that failed in these runs as their events tell it, in order; none before events were kept."""
    if not runs or look.version < EVENTS:
        return []
    found = look.connection.execute(
        "SELECT run, body->>'table', at, COALESCE(body->>'message', ''), COALESCE(body->>'hint', '')"
        f" FROM {LEDGER}.event WHERE run = ANY(%s) AND kind = 'table_failed' ORDER BY at, run, seq",
        (list(runs),),
    )
    return [Failure(*row) for row in found]


class TableEnd(NamedTuple):
    """What became of one table in a run, as its record has it."""

    table: str
    tier: str
    outcome: str
    rows: int
    rejects: int
    seconds: float
    error: str
    hint: str


def table_ends(look: Look, run: str) -> list[TableEnd]:
    """Return what became of each table of a run, the slowest first; none while it has not ended."""
    found = look.connection.execute(
        f"SELECT table_name, tier, outcome, rows, rejects, seconds, {look.text('error')}, COALESCE(hint, '')"
        f" FROM {LEDGER}.table_load WHERE run = %s ORDER BY seconds DESC, table_name",
        (run,),
    )
    return [TableEnd(*row) for row in found]


def events_but(look: Look, run: str, kinds: Sequence[str], first: int) -> tuple[list[Recorded], int]:
    """Return the first events of a run that are of other kinds than these, and how many it has of any kind.

    Without any kind left out they are all; else those of tables that were proved unchanged are left out as well.
    """
    if look.version < EVENTS or not exists(look.connection, "event"):
        return [], 0
    proved = "AND NOT (kind = 'table_skipped' AND COALESCE(body->>'proof', '') <> '')" if kinds else ""
    found = look.connection.execute(
        f"SELECT run, seq, at, kind, body FROM {LEDGER}.event WHERE run = %s AND kind <> ALL(%s) {proved}"
        " ORDER BY seq LIMIT %s".encode(),
        (run, list(kinds), first),
    ).fetchall()
    ((count,),) = look.connection.execute(f"SELECT count(*) FROM {LEDGER}.event WHERE run = %s", (run,)).fetchall()
    return [Recorded(*row) for row in found], count


def resumable(record: RunRecord) -> bool:
    """Tell whether a load that is not carried out has something left that can be gone on with."""
    return record.kind == "load" and not record.alive and record.outcome in ("", "interrupted", "stopped")
