"""All that is on record of one table, and is no value of a row: its loads, ranges, rejects, verifications, findings.

It is read by columns that the role `dashboard` may read. Everything but the loads is of few runs, whose names are known
then, so each statement reads as many rows as it tells of.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bulketl.postgres.ledger.findings import Anomaly
from bulketl.postgres.ledger.looking import INDEXED, Look
from bulketl.postgres.ledger.rejects import plain
from bulketl.postgres.ledger.tableloads import NEAR
from bulketl.postgres.server import LEDGER

RANGES = 200  # of a load that are read
CHANGES = 20  # of the columns, findings, links of the chain, retentions


class LoadRecord(NamedTuple):
    """What became of a table in one run. `certified`: None where nobody has compared it; counts that are unknown are None.

    `drift`: how the source's columns differed; `checks`: per severity and check what was at fault.
    """

    run: str
    kind: str
    began: dt.datetime
    tier: str
    outcome: str
    rows: int
    rejects: int
    bytes: int
    seconds: float
    inserted: int | None
    updated: int | None
    deleted: int | None
    consistency: str
    quality: float | None
    checks: Mapping[str, Mapping[str, float]]
    drift: Sequence[str]
    certified: bool | None


def loads_of(look: Look, schema: str, table: str, first: int) -> list[LoadRecord]:
    """Return the last loads of a table, the last one first; none where the ledger is older than the indexes they need."""
    if look.version < INDEXED:
        return []
    found = look.connection.execute(
        "SELECT * FROM (SELECT t.run, r.kind, r.started_at, t.tier, t.outcome, t.rows, t.rejects, t.bytes, t.seconds,"
        " t.inserted, t.updated, t.deleted, t.consistency, t.quality, t.checks, t.drift, c.certified"
        f" FROM {LEDGER}.table_load t JOIN {LEDGER}.run r USING (run) LEFT JOIN {LEDGER}.certificate c"
        " ON (c.run, c.source, c.schema_name, c.table_name) = (t.run, t.source, t.schema_name, t.table_name)"
        " WHERE t.schema_name = %(schema)s AND t.table_name = %(table)s ORDER BY t.run DESC LIMIT %(near)s) n"
        " ORDER BY started_at DESC, run DESC LIMIT %(first)s",
        {"schema": schema, "table": table, "near": first + NEAR, "first": first},
    )
    return [LoadRecord(*row) for row in found]


class Range(NamedTuple):
    """A range of the key, as a run loaded it."""

    number: int
    rows: int
    rejects: int
    bytes: int
    at: dt.datetime


def ranges_of(look: Look, schema: str, table: str, run: str) -> tuple[list[Range], int]:
    """Return the first RANGES ranges of a table in a run, and how many there are."""
    found = look.connection.execute(
        f"SELECT partition, rows, rejects, bytes, loaded_at, count(*) OVER () FROM {LEDGER}.partition"
        " WHERE run = %s AND schema_name = %s AND table_name = %s ORDER BY partition LIMIT %s",
        (run, schema, table, RANGES),
    ).fetchall()
    return [Range(*row[:5]) for row in found], found[0][5] if found else 0


class Refused(NamedTuple):
    """How many rows of a table a run rejected for a column, and how many of them are settled since."""

    run: str
    column: str
    rows: int
    settled: int


def rejects_of(look: Look, schema: str, table: str, runs: Sequence[str]) -> list[Refused]:
    """Return the rejects of a table in these runs, counted by column, the most first; of no row anything else."""
    found = look.connection.execute(
        f"SELECT run, column_name, escaped, count(*), count(settled_at) FROM {LEDGER}.reject"
        " WHERE run = ANY(%s) AND schema_name = %s AND table_name = %s GROUP BY 1, 2, 3 ORDER BY 4 DESC, 2",
        (list(runs), schema, table),
    )
    return [Refused(run, *plain(escaped, column), *counts) for run, column, escaped, *counts in found]


class Comparison(NamedTuple):
    """A comparison of all keys and rows with the source, and what it mended."""

    run: str
    at: dt.datetime
    missing: int
    differing: int
    gone: int
    deletes: str


def comparisons_of(look: Look, schema: str, table: str, runs: Sequence[str]) -> list[Comparison]:
    """Return the comparisons of a table in these runs, the last one first."""
    found = look.connection.execute(
        f"SELECT run, compared_at, missing, differing, gone, deletes FROM {LEDGER}.compared"
        " WHERE run = ANY(%s) AND schema_name = %s AND table_name = %s ORDER BY compared_at DESC",
        (list(runs), schema, table),
    )
    return [Comparison(*row) for row in found]


class Change(NamedTuple):
    """How the columns of the source differed from the target's when a run began; lines that begin with +, - or ~."""

    run: str
    at: dt.datetime
    lines: Sequence[str]


def changes_of(look: Look, schema: str, table: str) -> list[Change]:
    """Return the last changes of a table's columns, the last one first."""
    found = look.connection.execute(
        f"SELECT t.run, r.started_at, t.drift FROM {LEDGER}.table_load t JOIN {LEDGER}.run r USING (run)"
        " WHERE t.schema_name = %s AND t.table_name = %s AND t.drift <> '[]'"
        " ORDER BY r.started_at DESC, t.run DESC LIMIT %s",
        (schema, table, CHANGES),
    )
    return [Change(*row) for row in found]


def findings_of(look: Look, schema: str, table: str) -> list[tuple[Anomaly, bool]]:
    """Return what was not normal of a table, the last first, and whether it still is."""
    found = look.connection.execute(
        "SELECT table_name, kind, run, source, schema_name, tier, value, expected, bound, nights, found_at,"
        f" closed_at IS NULL FROM {LEDGER}.finding WHERE schema_name = %s AND table_name = %s"
        " ORDER BY found_at DESC LIMIT %s",
        (schema, table, CHANGES),
    )
    return [(Anomaly(*row[:-1]), row[-1]) for row in found]


def mark_of(look: Look, schema: str, table: str) -> tuple[str, str]:
    """Return the cursor column of a table and the highest value of it that is published, '' for none."""
    found = look.connection.execute(
        f"SELECT COALESCE(cursor_column, ''), COALESCE(watermark, '') FROM {LEDGER}.state"
        " WHERE schema_name = %s AND table_name = %s",
        (schema, table),
    ).fetchone()
    return (found[0], found[1]) if found else ("", "")


def chain_of(look: Look, schema: str, table: str) -> list[dict[str, Any]]:
    """Return the last links of an audited table's chain without their hashes, the last one first."""
    found = look.connection.execute(
        f"SELECT seq, kind, run, rows, all_rows, at FROM {LEDGER}.audit_chain WHERE schema_name = %s AND table_name = %s"
        " ORDER BY seq DESC LIMIT %s",
        (schema, table, CHANGES),
    )
    return [dict(zip(("seq", "kind", "run", "rows", "all_rows", "at"), row, strict=True)) for row in found]
