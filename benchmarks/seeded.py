"""A ledger with a year of nights in it, made by SQL in seconds: what looks at the ledger is measured and tested on it.

`seed` fills the ledger of a target that has no other run in it. Every night loads every table, with seconds and rows that
grow slowly and differ a little from night to night, the same ones every time. What is odd is told by `ODD`: tables that
fail in the last night, that were never loaded, that are slow, that were loaded last a while ago.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from bulketl.postgres.ledger import schema
from bulketl.postgres.server import LEDGER, Connection

SOURCE = "mysql://clinic:3306/opendental"
SCHEMA = "raw"


class Odd(NamedTuple):
    """Numbers of tables of which something is to be told: they failed in the last night, were slow, or have not come."""

    failed: tuple[int, ...] = (7, 130)
    slow: tuple[int, ...] = (3,)
    late: tuple[int, ...] = (20, 21)  # not loaded for the last 9 nights
    rejects: tuple[int, ...] = (40,)


ODD = Odd()
LATE_NIGHTS = 9


def seed(
    connection: Connection,
    until: dt.datetime,
    *,
    tables: int = 432,
    nights: int = 365,
    odd: Odd = ODD,
    into: str = SCHEMA,
) -> None:
    """Fill the ledger with loads of `tables` tables (`table_000`, ...) on `nights` nights, the last ending at `until`.

    `until` is aware. Per night a run and per table its record, what was published, its partition and its events.
    """
    schema.create(connection, into)
    values = {
        "until": until,
        "tables": tables,
        "nights": nights,
        "schema": into,
        "source": SOURCE,
        "late_nights": LATE_NIGHTS,
        **{name: list(numbers) for name, numbers in odd._asdict().items()},
    }
    with connection.transaction():
        for statement in _STATEMENTS:
            connection.execute(statement.encode(), values)
    connection.execute(f"ANALYZE {', '.join(f'{LEDGER}.{name}' for name in _FILLED)}".encode())


_FILLED = ("run", "table_load", "published", "partition", "state", "event", "measure")
_NIGHTS = """
CREATE TEMP TABLE seeded_night ON COMMIT DROP AS
SELECT n, %(until)s::timestamptz - make_interval(days => n, secs => 1500) AS began,
    to_char((%(until)s::timestamptz - make_interval(days => n, secs => 1500)) AT TIME ZONE 'UTC', 'YYYYMMDD-HH24MISS-')
        || lpad(to_hex(n %% 65536), 4, '0') AS run
FROM generate_series(%(nights)s::int - 1, 0, -1) n"""
# What became of each table in each night: its number decides its tier and size, the night how it differs from the others.
_LOADS = """
CREATE TEMP TABLE seeded_load ON COMMIT DROP AS
SELECT n.n, n.run, n.began, t, 'table_' || lpad(t::text, 3, '0') AS table_name,
    CASE WHEN t < 12 THEN 'critical' WHEN t < 60 THEN 'important' WHEN t < 70 THEN 'audit' ELSE 'reference' END AS tier,
    CASE WHEN n.n = 0 AND t = ANY(%(failed)s::int[]) THEN 'failed' ELSE 'loaded' END AS outcome,
    ((5000000 / (t + 1)) * (1 + (%(nights)s::int - n.n) * 0.001))::bigint AS rows,
    CASE WHEN n.n = 0 AND t = ANY(%(rejects)s::int[]) THEN 3 ELSE 0 END AS rejects,
    (60.0 / (t + 1) + 0.2) * (0.9 + (hashint4(n.n * 1000 + t) & 255) / 1280.0)
        * CASE WHEN n.n = 0 AND t = ANY(%(slow)s::int[]) THEN 4 ELSE 1 END AS seconds
FROM seeded_night n CROSS JOIN generate_series(0, %(tables)s::int - 1) t
WHERE NOT (n.n < %(late_nights)s::int AND t = ANY(%(late)s::int[]))"""
_RUNS = f"""
INSERT INTO {LEDGER}.run (run, kind, host, source, schema_name, zone, plan, document, version, started_at, finished_at,
    outcome, summary)
SELECT run, 'load', 'etl', %(source)s, %(schema)s, '+00:00', '', '{{}}', '0.1.0', began, began + interval '1500 seconds',
    CASE WHEN failed > 0 THEN 'partly done' ELSE 'done' END,
    jsonb_build_object('tables', loaded, 'unchanged', 0, 'failed', failed, 'unfinished', 0, 'rows', rows, 'bytes', rows * 90,
        'rejects', rejects, 'seconds', 1500)
FROM (SELECT run, began, count(*) FILTER (WHERE outcome = 'loaded') AS loaded, sum(rejects) AS rejects,
        count(*) FILTER (WHERE outcome = 'failed') AS failed, sum(rows) FILTER (WHERE outcome = 'loaded') AS rows
    FROM seeded_load GROUP BY run, began) f"""
_TABLE_LOADS = f"""
INSERT INTO {LEDGER}.table_load (run, source, schema_name, table_name, tier, outcome, rows, rejects, bytes, seconds, changed,
    drift, reason, error, hint)
SELECT run, %(source)s, %(schema)s, table_name, tier, outcome, CASE outcome WHEN 'loaded' THEN rows ELSE 0 END, rejects,
    CASE outcome WHEN 'loaded' THEN rows * 90 ELSE 0 END, seconds, '{{}}', '[]', 'full load',
    CASE outcome WHEN 'failed' THEN 'table ''' || table_name || ''': 10 rows rejected, and max_rejects is 0' END,
    CASE outcome WHEN 'failed' THEN 'correct them at the source, or raise max_rejects' END
FROM seeded_load"""
_PUBLISHED = f"""
INSERT INTO {LEDGER}.published (run, schema_name, table_name, rows, how, published_at)
SELECT run, %(schema)s, table_name, rows, 'swap', began + make_interval(secs => seconds)
FROM seeded_load WHERE outcome = 'loaded'"""
_PARTITIONS = f"""
INSERT INTO {LEDGER}.partition (run, schema_name, table_name, partition, rows, rejects, bytes, changed, loaded_at)
SELECT run, %(schema)s, table_name, 0, rows, rejects, rows * 90, '{{}}', began + make_interval(secs => seconds)
FROM seeded_load WHERE outcome = 'loaded'"""
_STATES = f"""
INSERT INTO {LEDGER}.state (schema_name, table_name, source, zone, cursor_column, cursor_type, watermark, rows, kept, run,
    published_at)
SELECT DISTINCT ON (t) %(schema)s, table_name, %(source)s, '+00:00',
    CASE t %% 3 WHEN 1 THEN 'edited' WHEN 2 THEN 'id' END, CASE t %% 3 WHEN 1 THEN 'datetime' WHEN 2 THEN 'bigint' END,
    CASE t %% 3 WHEN 1 THEN to_char((began - interval '7 minutes') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
        WHEN 2 THEN rows::text END,
    rows, '{{}}', run, began + make_interval(secs => seconds)
FROM seeded_load WHERE outcome = 'loaded' ORDER BY t, began DESC"""
_EVENTS = f"""
INSERT INTO {LEDGER}.event (run, seq, at, kind, body)
SELECT run, row_number() OVER (PARTITION BY run ORDER BY at, turn, t), at, kind, body FROM (
    SELECT run, -1 AS t, 0 AS turn, min(began) AS at, 'run_started' AS kind, jsonb_build_object('source', %(source)s::text,
        'schema', %(schema)s::text, 'zone', '+00:00', 'kind', 'load', 'tables',
        jsonb_object_agg(table_name, jsonb_build_array(rows, tier))) AS body FROM seeded_load GROUP BY run
    UNION ALL SELECT run, t, 1, began + make_interval(secs => t), 'table_started', jsonb_build_object('table', table_name)
    FROM seeded_load
    UNION ALL SELECT run, t, 2, began + make_interval(secs => t + seconds), 'partition_loaded', jsonb_build_object('table',
        table_name, 'partition', 0, 'rows', rows, 'rejects', rejects, 'bytes', rows * 90, 'seconds',
        round(seconds::numeric, 3))
    FROM seeded_load WHERE outcome = 'loaded'
    UNION ALL SELECT run, t, 3, began + make_interval(secs => t + seconds), 'table_published', jsonb_build_object('table',
        table_name, 'rows', rows, 'how', 'swap', 'seconds', round(seconds::numeric, 3))
    FROM seeded_load WHERE outcome = 'loaded'
    UNION ALL SELECT run, t, 3, began + make_interval(secs => t + seconds), 'table_failed', jsonb_build_object('table',
        table_name, 'kind', 'DataError', 'message', 'table ''' || table_name || ''': 10 rows rejected, and max_rejects is 0',
        'hint', 'correct them at the source, or raise max_rejects', 'seconds', round(seconds::numeric, 3), 'rejects', 10)
    FROM seeded_load WHERE outcome = 'failed'
    UNION ALL SELECT run, 0, 4, began + interval '1500 seconds', 'run_ended', jsonb_build_object('outcome',
        CASE WHEN bool_or(outcome = 'failed') THEN 'partly done' ELSE 'done' END, 'seconds', 1500)
    FROM seeded_load GROUP BY run, began) e"""
# A database that grows by 40 MB a night, a source that others come to more and more, keys of 32 bits that grow with rows.
_MEASURES = f"""
INSERT INTO {LEDGER}.measure (run, source, schema_name, what, table_name, column_name, value, most, side, measured_at)
SELECT run, %(source)s, %(schema)s, what, table_name, column_name, value, most, side, began + interval '1500 seconds' FROM (
    SELECT run, began, 'database' AS what, '' AS table_name, '' AS column_name,
        120e9 + (%(nights)s::int - n) * 4e7 AS value, NULL::numeric AS most, '' AS side FROM seeded_night
    UNION ALL SELECT run, began, 'connections', '', '', 60 + (%(nights)s::int - n) / 8 + n %% 5, 151, 'source'
    FROM seeded_night
    UNION ALL SELECT run, began, 'key', table_name, 'id', rows * 300, 2147483647, 'source' FROM seeded_load
    WHERE outcome = 'loaded') m"""
_STATEMENTS = (_NIGHTS, _LOADS, _RUNS, _TABLE_LOADS, _PUBLISHED, _PARTITIONS, _STATES, _EVENTS, _MEASURES)
