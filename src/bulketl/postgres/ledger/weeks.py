"""What weeks of loads say: of each load its ends, of each table its figures night by night; for whoever looks for trends.

The loads of the time are chosen first, and their records are read run by run, so a look costs what it reads, however long
the ledger is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from bulketl.postgres.ledger.looking import EVENTS, JUDGED, MEASURED, Look
from bulketl.postgres.ledger.runs import kind_of
from bulketl.postgres.server import LEDGER

MOST_LOADS = 400  # that are looked at, the last ones


class LoadEnd(NamedTuple):
    """A load that ended: when it began and ended, and how."""

    run: str
    source: str
    host: str
    began: dt.datetime
    ended: dt.datetime
    outcome: str


def load_ends(look: Look, schema: str, since: dt.datetime, until: dt.datetime, *, moved: bool = False) -> list[LoadEnd]:
    """Return the loads into a schema that began from `since` until before `until` and have ended, the first one first.

    `moved`: with those into another schema of which a table has moved into this one since.
    """
    if (kind := kind_of(look.connection)) is None:
        return []
    found = look.connection.execute(
        f"SELECT run, source, host, started_at, finished_at, COALESCE(outcome, '') FROM {LEDGER}.run r"
        f" WHERE {look.of_schema if moved else 'r.schema_name = %(schema)s'} AND started_at >= %(since)s"
        f" AND started_at < %(until)s AND finished_at IS NOT NULL AND {kind} = 'load'"
        " ORDER BY started_at DESC, run DESC LIMIT %(first)s".encode(),
        {"schema": schema, "since": since, "until": until, "first": MOST_LOADS},
    ).fetchall()
    return [LoadEnd(*row) for row in reversed(found)]


class TableNights(NamedTuple):
    """A table through some loads: per load it was in, the number of the load among them, and what became of it there.

    `seconds`, `rows`, `bytes`, `rejects` as on record; `moved` rows that were inserted, updated or deleted, and those read
    again that were `unchanged`, None where the way to load does not count them. `checks`: rows and figures that checks
    found; `scores`: rows in the target per row at the source, None when unknown; `drift`: whether its columns differed.
    """

    table: str
    tier: str
    source: str
    loads: Sequence[int]
    outcomes: Sequence[str]
    seconds: Sequence[float]
    rows: Sequence[int]
    bytes: Sequence[int]
    rejects: Sequence[int]
    moved: Sequence[int | None]
    unchanged: Sequence[int | None]
    checked: Sequence[bool]
    scores: Sequence[float | None]
    drift: Sequence[bool]


def table_nights(look: Look, schemas: Sequence[str], runs: Sequence[str]) -> list[TableNights]:
    """Return what became of each table of these schemas in these loads, in their order, by name."""
    if not runs:
        return []
    each = ", ".join(
        f"array_agg({column} ORDER BY n.n)"
        for column in (
            "n.n::int - 1", "t.outcome", "t.seconds", "t.rows", "t.bytes", "t.rejects",
            "t.inserted + t.updated + COALESCE(t.deleted, 0)",
            "t.unchanged", "t.checks::text <> '{}'", "t.quality", "t.drift::text <> '[]'",
        )
    )  # fmt: skip
    found = look.connection.execute(
        f"SELECT t.table_name, (array_agg(t.tier ORDER BY n.n DESC))[1], t.source, {each}"
        f" FROM unnest(%(runs)s::text[]) WITH ORDINALITY n (run, n) JOIN {LEDGER}.table_load t USING (run)"
        f" WHERE t.outcome NOT IN ('skipped', 'unfinished') AND {look.of_table}"
        " GROUP BY t.table_name, t.source ORDER BY 1, 3".encode(),
        {"runs": list(runs), "schemas": list(schemas)},
    )
    return [TableNights(*row) for row in found]


def slower(look: Look, schema: str, runs: Sequence[str]) -> list[tuple[str, str]]:
    """Return which table took longer than its nights allow in which of these loads, as (run, table)."""
    if look.version < JUDGED or not runs:
        return []
    found = look.connection.execute(
        f"SELECT run, table_name FROM {LEDGER}.finding WHERE schema_name = %s AND kind = 'slower' AND run = ANY(%s)",
        (schema, list(runs)),
    )
    return [(run, table) for run, table in found]


class Comparisons(NamedTuple):
    """Comparisons of a table's keys and rows with the source: how many, how many found something, rows mended by load."""

    table: str
    times: int
    found: int
    mended: Sequence[tuple[int, int]]


def comparisons(look: Look, schema: str, runs: Sequence[str]) -> dict[str, Comparisons]:
    """Return the comparisons of these loads by table; `mended` is of those that found something, by the load's number."""
    if not runs:
        return {}
    rows = look.connection.execute(
        "SELECT c.table_name, n.n::int - 1, c.missing + c.differing + c.gone"
        f" FROM unnest(%s::text[]) WITH ORDINALITY n (run, n) JOIN {LEDGER}.compared c USING (run) WHERE c.schema_name = %s"
        " ORDER BY 1, 2",
        (list(runs), schema),
    )
    found: dict[str, Comparisons] = {}
    for table, load, odd in rows:
        before = found.get(table, Comparisons(table, 0, 0, ()))
        mended = (*before.mended, (load, odd)) if odd else before.mended
        found[table] = Comparisons(table, before.times + 1, before.found + bool(odd), mended)
    return found


def compared_seconds(look: Look, runs: Sequence[str]) -> dict[str, float]:
    """Return how long a comparison of each table took in these loads, by the median."""
    if not runs or look.version < EVENTS:
        return {}
    found = look.connection.execute(
        "SELECT body->>'table', percentile_cont(0.5) WITHIN GROUP (ORDER BY (body->>'seconds')::float8)"
        f" FROM {LEDGER}.event WHERE run = ANY(%s) AND kind = 'table_compared' GROUP BY 1",
        (list(runs),),
    )
    return {table: float(seconds) for table, seconds in found}


def busy_seconds(look: Look, runs: Sequence[str]) -> dict[str, float]:
    """Return how long the workers of each load read and compared, together, by its events.

    The tables of one step tell the seconds of the step, each of them, which count once.
    """
    if not runs or look.version < EVENTS:
        return {}
    found = look.connection.execute(
        "SELECT run, sum(DISTINCT (body->>'seconds')::float8)"
        f" FROM {LEDGER}.event WHERE run = ANY(%s) AND kind IN ('partition_loaded', 'table_compared') GROUP BY 1",
        (list(runs),),
    )
    return {run: float(seconds) for run, seconds in found if seconds is not None}


class Skew(NamedTuple):
    """How unlike the ranges of a table are in one load: how many, the largest and the median in bytes, rows and seconds.

    The seconds are None where no events tell them.
    """

    table: str
    run: str
    ranges: int
    largest: float
    median: float
    most_rows: float
    median_rows: float
    longest: float | None
    median_seconds: float | None


def skews(look: Look, schema: str, runs: Sequence[str]) -> list[Skew]:
    """Return the tables of which these loads read at least four ranges, by name and then as the loads are given."""
    if not runs:
        return []
    middle = "percentile_cont(0.5) WITHIN GROUP (ORDER BY {})::float8"
    took = "NULL::float8 AS longest, NULL::float8 AS middle WHERE false"
    if look.version >= EVENTS:
        seconds = "(e.body->>'seconds')::float8"
        took = (
            f"max({seconds}) AS longest, {middle.format(seconds)} AS middle FROM {LEDGER}.event e"
            " WHERE e.run = ANY(%(runs)s) AND e.kind = 'partition_loaded' GROUP BY 1, 2"
        )
    of = "e.run, e.body->>'table' AS table_name" if look.version >= EVENTS else "'' AS run, '' AS table_name"
    found = look.connection.execute(
        "SELECT p.table_name, p.run, p.ranges, p.largest, p.median, p.most_rows, p.median_rows, t.longest, t.middle FROM ("
        f"SELECT table_name, run, count(*) AS ranges, max(bytes)::float8 AS largest, {middle.format('bytes')} AS median,"
        f" max(rows)::float8 AS most_rows, {middle.format('rows')} AS median_rows FROM {LEDGER}.partition"
        " WHERE run = ANY(%(runs)s) AND schema_name = %(schema)s GROUP BY table_name, run HAVING count(*) >= 4) p"
        f" LEFT JOIN (SELECT {of}, {took}) t USING (run, table_name)"
        " ORDER BY 1, array_position(%(runs)s::text[], p.run)".encode(),
        {"runs": list(runs), "schema": schema},
    )
    return [Skew(*row) for row in found]


class IntegerKey(NamedTuple):
    """The integer column that a table's key begins with; `still`: its highest value was the same in each of some loads."""

    column: str
    still: bool


def integer_keys(look: Look, schema: str, runs: Sequence[str]) -> dict[str, IntegerKey]:
    """Return the integer key of each table that has one and the same in all of these loads that measured it."""
    if look.version < MEASURED or not runs:
        return {}
    found = look.connection.execute(
        f"SELECT table_name, min(column_name), min(value) = max(value) FROM {LEDGER}.measure"
        " WHERE run = ANY(%s) AND schema_name = %s AND what = 'key'"
        " GROUP BY table_name HAVING min(column_name) = max(column_name)",
        (list(runs), schema),
    )
    return {table: IntegerKey(column, still) for table, column, still in found}


def sizes(look: Look, schema: str) -> dict[str, int]:
    """Return how many rows each table has in the target, where that is on record."""
    if not look.version:
        return {}
    found = look.connection.execute(
        f"SELECT table_name, rows FROM {LEDGER}.state WHERE schema_name = %s AND rows IS NOT NULL", (schema,)
    )
    return {table: int(rows) for table, rows in found}
