"""What became last of each table and of each kind of run, and when each was last well: the basis of metrics.

It is read from the records of all runs, so a run of one tier leaves the figures of the others as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bulketl.postgres.ddl import value
from bulketl.postgres.ledger.made import exists
from bulketl.postgres.ledger.tableloads import NAMED, NEAR
from bulketl.postgres.server import LEDGER, Connection


class LastLoad(NamedTuple):
    """The last load that loaded a table, found it unchanged, or failed with it; times are seconds since 1970.

    `succeeded_at`: when one last loaded it or found it unchanged, None for never. Counts that a way to load does not know
    are None.
    """

    source: str
    table: str
    tier: str
    outcome: str
    at: float
    succeeded_at: float | None
    rows: int
    rejects: int
    bytes: int
    seconds: float
    inserted: int | None
    updated: int | None
    deleted: int | None
    quality: float | None


class LastRun(NamedTuple):
    """The last run of a kind that has ended: its outcome, when it ended, how long it took, when one last went well."""

    source: str
    kind: str
    outcome: str
    at: float
    seconds: float
    failed: int
    succeeded_at: float | None


_ENDED = "EXTRACT(epoch FROM COALESCE(r.finished_at, r.started_at))::float8"


# By name: a role that draws dashboards may not read every column, and for * would be refused.
_OF_LOAD = "run, source, table_name, tier, outcome, rows, rejects, bytes, seconds, inserted, updated, deleted, quality"


def _last(outcomes: str) -> str:
    return (
        f"SELECT {_OF_LOAD} FROM {LEDGER}.table_load t WHERE t.schema_name = %(schema)s AND t.table_name = named.table_name"
        f" AND t.run = ANY (%(runs)s) AND {outcomes} ORDER BY t.run DESC LIMIT {NEAR}"
    )


# An index by schema, table and run finds each name and its last records, so a year of nights costs no more than a few.
_LOADS = f"""
WITH RECURSIVE {NAMED}
SELECT near.*
FROM named CROSS JOIN LATERAL (({_last("t.outcome <> 'unfinished'")})
    UNION ALL ({_last("t.outcome IN ('loaded', 'unchanged')")})) near
"""
_ENDS = f"SELECT run, {_ENDED} FROM {LEDGER}.run r WHERE schema_name = %s AND kind = 'load'"
_RUNS = f"""
SELECT DISTINCT ON (r.source, r.kind) r.source, r.kind, r.outcome, {_ENDED},
    EXTRACT(epoch FROM r.finished_at - r.started_at)::float8, COALESCE((r.summary ->> 'failed')::integer, 0),
    max({_ENDED}) FILTER (WHERE r.outcome = 'done') OVER (PARTITION BY r.source, r.kind)
FROM {LEDGER}.run r WHERE r.schema_name = %s AND r.finished_at IS NOT NULL
ORDER BY r.source, r.kind, r.started_at DESC
"""


def last_loads(connection: Connection, schema: str) -> list[LastLoad]:
    """Return the last load of every table of a target schema; none where there is no ledger yet.

    Without those that the last load to ask for them has skipped: by a rule, or because the source has them no more.
    """
    if not exists(connection, "table_load"):
        return []
    ended: dict[str, float] = dict(connection.execute(_ENDS, (schema,)).fetchall())
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in connection.execute(_LOADS, {"schema": schema, "runs": list(ended)}):
        found.setdefault(row[2], []).append(row)
    loads = (_load(sorted(rows, key=lambda row: ended[row[0]]), ended) for _, rows in sorted(found.items()))
    return [load for load in loads if load.outcome != "skipped"]


def _load(rows: list[tuple[Any, ...]], ended: Mapping[str, float]) -> LastLoad:
    """Return the last load of a table, of its last records in the order of their ends."""
    run, source, table, tier, outcome, *counts = rows[-1]
    well = [ended[row[0]] for row in rows if row[4] in ("loaded", "unchanged")]
    return LastLoad(source, table, tier, outcome, ended[run], well[-1] if well else None, *counts)


def last_runs(connection: Connection, schema: str) -> list[LastRun]:
    """Return the last run of every kind into a target schema; none where there is no ledger yet."""
    if not exists(connection, "run"):
        return []
    return [LastRun(*row) for row in connection.execute(_RUNS, (schema,))]


def when_well(schema: str, table: str, *, certified: bool = False) -> str:
    """Return the SQL that asks when the last load began that loaded a table or proved it unchanged: its rows are no older.

    It is for others to send, gives one row, NULL where there was no such load, and reads the records of this table by an
    index. `certified`: only loads that were certified, and those that found the table unchanged since.
    """
    loads = "count(*) FILTER (WHERE t.outcome = 'loaded') OVER (ORDER BY r.started_at, t.run)"
    well = (
        f"SELECT r.started_at, c.certified, {loads} AS loads FROM {LEDGER}.table_load t JOIN {LEDGER}.run r USING (run)"
        f" LEFT JOIN {LEDGER}.certificate c USING (run, table_name) WHERE t.schema_name = {value(schema)}"
        f" AND t.table_name = {value(table)} AND t.outcome IN ('loaded', 'unchanged')"
    )
    if not certified:
        return f"SELECT max(started_at) FROM ({well}) AS well"
    proved = f"SELECT started_at, bool_or(certified) OVER (PARTITION BY loads) AS proved FROM ({well}) AS well"
    return f"SELECT max(started_at) FROM ({proved}) AS loaded WHERE proved"
