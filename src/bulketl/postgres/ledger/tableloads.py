"""What became of tables through the loads: of each the last one and what is usual, of one of them every night.

Each statement reads as many rows as it tells of: the last NIGHTS records of a table are found by an index. A ledger before
version 13 has none, and is read as a whole until the next load brings it up to date.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from bulketl.postgres.ledger.looking import INDEXED, JUDGED, PARTS, Look
from bulketl.postgres.ledger.runs import kind_of
from bulketl.postgres.server import LEDGER

USUAL = 14  # nights whose median is what is usual
NEAR = 9  # runs that begin in one second, whose names tell no order, at most
RECORDS = 30  # of a table that are looked at for that: nights in which it failed or was unchanged tell no seconds
WELL = ("loaded", "unchanged")
HABIT_SECONDS = 86400  # from the first to the last of the loads that show how often a table is loaded
_ONE = f"SELECT table_name FROM {LEDGER}.table_load WHERE schema_name = %(schema)s"
# Every table of a schema that has records, for WITH RECURSIVE: an index finds one name after another, however many records.
NAMED = (
    f"named AS (({_ONE} ORDER BY table_name LIMIT 1) UNION ALL"
    f" SELECT ({_ONE} AND table_name > named.table_name ORDER BY table_name LIMIT 1) FROM named"
    " WHERE named.table_name IS NOT NULL)"
)


class TableRecord(NamedTuple):
    """The last load of a table and what is usual of it.

    `seconds` and `rows` are of the last load; `median` and `median_rows` of the `nights` before it in which the table was
    loaded, None without any. `gap` and `longest`: the median and the longest of the seconds from one load in which all was
    well to the next, None when these loads span less than HABIT_SECONDS, and so do not say when the next is due. `read_at`:
    when the last load began in which all was well; `well_at`: when that ended. `judged`: whether it was compared with its
    nights, which leaves a finding where it is not normal.
    """

    table: str
    tier: str
    source: str
    run: str
    outcome: str
    rows: int
    rejects: int
    seconds: float
    error: str
    hint: str
    began: dt.datetime
    ended: dt.datetime | None
    median: float | None
    median_rows: float | None
    nights: int
    gap: float | None
    longest: float | None
    read_at: dt.datetime | None
    well_at: dt.datetime | None
    judged: bool


def last_loads(look: Look, schema: str, before: dt.datetime | None = None) -> list[TableRecord]:
    """Return the last load of every table that any load into the schema had, by name; the last that began `before`."""
    if (kind := kind_of(look.connection)) is None:
        return []
    named, recent = _recent(look, kind)
    cursor = look.connection.execute(
        f"""
WITH RECURSIVE {named}recent AS ({recent}),
ranked AS (
    SELECT *, row_number() OVER newest AS n, count(*) FILTER (WHERE outcome = 'loaded') OVER newest AS nth,
        first_value(outcome) OVER newest AS last_outcome
    FROM recent WINDOW newest AS (PARTITION BY table_name ORDER BY started_at DESC, run DESC)),
usual AS (
    SELECT table_name, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY rows) AS median_rows, count(*) AS nights
    FROM ranked WHERE outcome = 'loaded' AND n > 1 AND nth <= {USUAL} + (last_outcome = 'loaded')::int
    GROUP BY table_name),
well AS (
    SELECT *, extract(epoch FROM started_at - lead(started_at) OVER newest)::float8 AS gap
    FROM ranked WHERE outcome = ANY(%(well)s) WINDOW newest AS (PARTITION BY table_name ORDER BY n)),
gaps AS (
    SELECT table_name, percentile_cont(0.5) WITHIN GROUP (ORDER BY gap) AS gap, max(gap) AS longest
    FROM well WHERE gap > 0 GROUP BY table_name HAVING sum(gap) >= {HABIT_SECONDS}),
last_well AS (
    SELECT DISTINCT ON (table_name) table_name, started_at AS read_at, COALESCE(finished_at, started_at) AS well_at
    FROM well ORDER BY table_name, n)
SELECT table_name, tier, source, run, outcome, rows, rejects, seconds, COALESCE(error, ''), COALESCE(hint, ''), started_at,
    finished_at, median, median_rows, COALESCE(nights, 0), gap, longest, read_at, well_at, judged
FROM ranked LEFT JOIN usual USING (table_name) LEFT JOIN gaps USING (table_name) LEFT JOIN last_well USING (table_name)
WHERE n = 1 ORDER BY table_name""".encode(),
        {"schema": schema, "records": RECORDS, "well": list(WELL), "before": before},
    )
    return [TableRecord(*row) for row in cursor]


_COLUMNS = (
    "t.table_name, t.tier, r.source, t.run, t.outcome, t.rows, t.rejects, t.seconds, {error} AS error, t.hint,"
    " r.started_at, r.finished_at, {judged} AS judged"
)
_BEFORE = "r.started_at < COALESCE(%(before)s::timestamptz, 'infinity')"


def _recent(look: Look, kind: str) -> tuple[str, str]:
    """Return the SELECT of the last records of every table of a schema, and the tables that it needs before it."""
    columns = _COLUMNS.format(
        error=look.text("t.error"), judged="r.judged_at IS NOT NULL" if look.version >= JUDGED else "false"
    )
    if look.version < INDEXED:
        return "", (
            f"SELECT {columns} FROM {LEDGER}.table_load t JOIN {LEDGER}.run r USING (run)"
            f" WHERE r.schema_name = %(schema)s AND {kind} = 'load' AND {_BEFORE}"
        )
    return f"{NAMED},\n", (
        f"SELECT l.* FROM named CROSS JOIN LATERAL (SELECT {columns} FROM {LEDGER}.table_load t"
        f" JOIN {LEDGER}.run r USING (run) WHERE t.schema_name = %(schema)s AND t.table_name = named.table_name"
        f" AND {kind} = 'load' AND {_BEFORE} ORDER BY t.run DESC LIMIT %(records)s) l"
    )


class Night(NamedTuple):
    """What became of one table in one run: `rows` and `seconds` of it; `added` rows, None when it is not counted."""

    run: str
    kind: str
    outcome: str
    began: dt.datetime
    rows: int
    rejects: int
    seconds: float
    added: int | None
    error: str


def nights_of(look: Look, schema: str, table: str, first: int) -> list[Night]:
    """Return what became of a table in its last runs, the last one first; empty when none had it."""
    if (kind := kind_of(look.connection)) is None:
        return []
    place = "t" if look.version >= INDEXED else "r"
    found = look.connection.execute(
        f"SELECT * FROM (SELECT t.run, {kind}, t.outcome, r.started_at, t.rows, t.rejects, t.seconds, t.inserted,"
        f" {look.text('t.error')} FROM {LEDGER}.table_load t JOIN {LEDGER}.run r USING (run)"
        f" WHERE {place}.schema_name = %(schema)s AND t.table_name = %(table)s ORDER BY t.run DESC LIMIT %(near)s) n"
        " ORDER BY started_at DESC, run DESC LIMIT %(first)s".encode(),
        {"schema": schema, "table": table, "near": first + NEAR, "first": first},
    )
    return [Night(*row) for row in found]


class TablePlace(NamedTuple):
    """How far a table is loaded: `published_at` by the last load; `read_at`: when that began, None when it is not on record.

    `zone`: that of the source's sessions, `SYSTEM (CET)` where it is the server's own, '' when it is not on record.
    `rows`: of the target, None when unknown. `cursor`, `kind` and `watermark`: its cursor column, the type of the watermark
    and its text, '' without one. `part`: which of its rows a limit left, '' where none left any out.
    """

    table: str
    source: str
    zone: str
    run: str
    rows: int | None
    published_at: dt.datetime
    read_at: dt.datetime | None
    cursor: str
    kind: str
    watermark: str
    part: str = ""


def places(look: Look, schema: str) -> dict[str, TablePlace]:
    """Return how far each table of the schema is loaded; tables whose rows only left by retention are none."""
    if not look.version:
        return {}
    part = "s.part" if look.version >= PARTS else "''"
    found = look.connection.execute(
        "SELECT s.table_name, s.source, COALESCE(NULLIF(s.zone, ''), r.zone, ''), s.run, s.rows, s.published_at,"
        " r.started_at, COALESCE(s.cursor_column, ''),"
        f" COALESCE(s.cursor_type, ''), {look.text('s.watermark')}, {part} FROM {LEDGER}.state s LEFT JOIN {LEDGER}.run r"
        " ON r.run = s.run AND r.started_at <= s.published_at"
        " WHERE s.schema_name = %s AND (s.source <> '' OR s.rows IS NOT NULL) ORDER BY s.table_name",
        (schema,),
    )
    return {row[0]: TablePlace(*row) for row in found}


def elsewhere(look: Look, schema: str) -> list[tuple[str, int]]:
    """Return the other schemas that were loaded into, and how many tables each has on record."""
    if not look.version:
        return []
    return look.connection.execute(
        f"SELECT schema_name, count(*) FROM {LEDGER}.state WHERE schema_name <> %s AND source <> '' GROUP BY 1 ORDER BY 1",
        (schema,),
    ).fetchall()
