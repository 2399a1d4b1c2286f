"""What the loads of some nights moved, load by load, and what those of one night did to each table.

It is read by columns that the role `dashboard` may read: rows that were rejected are counted by column, and are not read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bulketl.postgres.ledger.looking import EVENTS, Look
from bulketl.postgres.ledger.onetable import Refused
from bulketl.postgres.ledger.rejects import escaped_of, plain
from bulketl.postgres.ledger.runs import kind_of
from bulketl.postgres.server import LEDGER

PLACED = 6  # the version from which a certificate says of which source and schema it is
PAUSE = 30  # seconds between the end of a part of a load and the next, from which it was resumed


class LoadTotals(NamedTuple):
    """A load: when it began and ended, None while it has not; `rows`, `bytes` and `rejects` of its tables taken together.

    What was read of a table that failed is not in the target and does not count. `paused`: seconds in which nobody carried
    the load out, before it was resumed.
    """

    run: str
    source: str
    began: dt.datetime
    ended: dt.datetime | None
    rows: int
    bytes: int
    rejects: int
    paused: float


def load_totals(look: Look, schema: str, since: dt.datetime, until: dt.datetime) -> list[LoadTotals]:
    """Return the loads into a schema that began between two moments, the first one first."""
    if (kind := kind_of(look.connection)) is None:
        return []
    found = look.connection.execute(
        f"""
SELECT r.run, r.source, r.started_at, r.finished_at, sums.*, COALESCE((r.summary->>'seconds')::float8, 0)
FROM {LEDGER}.run r CROSS JOIN LATERAL (
    SELECT COALESCE(sum(t.rows) FILTER (WHERE t.outcome <> 'failed'), 0)::bigint,
        COALESCE(sum(t.bytes) FILTER (WHERE t.outcome <> 'failed'), 0)::bigint, COALESCE(sum(t.rejects), 0)::bigint
    FROM {LEDGER}.table_load t WHERE t.run = r.run) sums
WHERE r.schema_name = %s AND r.started_at >= %s AND r.started_at < %s AND {kind} = 'load'
ORDER BY r.started_at, r.run""".encode(),
        (schema, since, until),
    ).fetchall()
    doubtful = [
        run for run, _, began, ended, *_, seconds in found if ended and (ended - began).total_seconds() - seconds > PAUSE
    ]
    paused = _paused(look, doubtful)
    return [LoadTotals._make((*row[:-1], paused.get(row[0], 0.0))) for row in found]


def _paused(look: Look, runs: Sequence[str]) -> Mapping[str, float]:
    """Return for how many seconds nobody carried these runs out: before an event that says that one began again."""
    if not runs or look.version < EVENTS:
        return {}
    found = look.connection.execute(
        "SELECT run, sum(extract(epoch FROM silent))::float8 FROM (SELECT run, kind, at - lag(at) OVER (PARTITION BY run"
        f" ORDER BY seq) AS silent FROM {LEDGER}.event WHERE run = ANY(%s)) e"
        " WHERE kind = 'run_started' AND silent IS NOT NULL GROUP BY run",
        (list(runs),),
    )
    return dict(found.fetchall())


class TableFigures(NamedTuple):
    """What some loads did to a table, taken together: `outcome` is of the last of them that had it.

    `certified`: None where no certificate was asked for. `drift`: how the source's columns differed. `rejecting`: the checks
    that rejected rows, with how many. `at`: when it became visible last, None where it did not.
    """

    table: str
    outcome: str
    rows: int
    bytes: int
    rejects: int
    seconds: float
    drift: tuple[str, ...]
    rejecting: Mapping[str, float]
    certified: bool | None
    at: dt.datetime | None


def table_figures(look: Look, schema: str, runs: Sequence[str]) -> dict[str, TableFigures]:
    """Return what these loads, the first one first, did to each table; skipped is one that none of them was to load."""
    if not runs or not look.version:
        return {}
    both = "(c.run, c.source, c.schema_name, c.table_name) = (t.run, t.source, t.schema_name, t.table_name)"
    if look.version < PLACED:
        both = "(c.run, c.table_name) = (t.run, t.table_name)"
    found = look.connection.execute(
        "SELECT t.table_name, t.outcome, t.rows, t.bytes, t.rejects, t.seconds, t.drift, t.checks, c.certified,"
        f" p.published_at FROM unnest(%(runs)s::text[]) WITH ORDINALITY n (run, n) JOIN {LEDGER}.table_load t USING (run)"
        f" LEFT JOIN {LEDGER}.certificate c ON {both} LEFT JOIN {LEDGER}.published p"
        " ON (p.run, p.schema_name, p.table_name) = (t.run, %(schema)s, t.table_name) ORDER BY n.n, t.table_name".encode(),
        {"runs": list(runs), "schema": schema},
    )
    tables: dict[str, TableFigures] = {}
    for table, outcome, rows, size, rejects, seconds, drift, checks, certified, at in found:
        moved, size = (0, 0) if outcome == "failed" else (rows, size)
        one = TableFigures(
            table, outcome, moved, size, rejects, seconds, tuple(drift), checks.get("reject", {}), certified, at
        )
        tables[table] = _together(tables[table], one) if table in tables else one
    return tables


def _together(first: TableFigures, then: TableFigures) -> TableFigures:
    last = first if then.outcome == "skipped" else then
    checks = {*first.rejecting, *then.rejecting}
    return TableFigures(
        first.table,
        last.outcome,
        first.rows + then.rows,
        first.bytes + then.bytes,
        first.rejects + then.rejects,
        first.seconds + then.seconds,
        tuple(dict.fromkeys((*first.drift, *then.drift))),
        {check: float(first.rejecting.get(check, 0)) + float(then.rejecting.get(check, 0)) for check in sorted(checks)},
        last.certified if last.certified is not None else first.certified,
        then.at or first.at,
    )


def refused_columns(look: Look, schema: str, runs: Sequence[str]) -> dict[str, list[Refused]]:
    """Return by table how many rows these runs rejected for which column, the most first."""
    if not runs or not look.version:
        return {}
    found = look.connection.execute(
        f"SELECT table_name, column_name, {escaped_of(look.connection)}, count(*), count(settled_at) FROM {LEDGER}.reject"
        " WHERE run = ANY(%s) AND schema_name = %s GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC, 2".encode(),
        (list(runs), schema),
    )
    tables: dict[str, list[Refused]] = {}
    for table, column, is_escaped, *counts in found:
        tables.setdefault(table, []).append(Refused("", *plain(is_escaped, column), *counts))
    return tables


class Mended(NamedTuple):
    """A table that was compared with its source row by row, and what the comparison found."""

    table: str
    missing: int
    differing: int
    gone: int


def compared_in(look: Look, runs: Sequence[str]) -> list[Mended]:
    """Return the tables that these runs compared with the source, those with a difference first."""
    if not runs or not look.version:
        return []
    found = look.connection.execute(
        f"SELECT table_name, sum(missing)::bigint, sum(differing)::bigint, sum(gone)::bigint FROM {LEDGER}.compared"
        " WHERE run = ANY(%s) GROUP BY 1 ORDER BY sum(missing + differing + gone) = 0, 1",
        (list(runs),),
    )
    return [Mended(*row) for row in found]
