"""What is on record of audited tables over a period, for whoever has to answer for them: loads, changes, retention, runs.

The period begins with its first moment and ends before its last. No value of a row is read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from bulketl.postgres.ddl import value
from bulketl.postgres.ledger.chains import LINK, NOTHING
from bulketl.postgres.server import LEDGER, Connection

REPORT = "report"  # the kind of a chain's entry that notes a report


class AuditRecord(NamedTuple):
    """A table in a period. `loaded`, `failed`: nights; `certified`: nights with a certificate that agrees.

    `published`: when rows were last published, at any time, `read`: when a load last began in which all was well, None for
    never. `last`: what became of it in its last load of the period, `last_run`, '' for none. `changed`, `deleted`,
    `returned`: rows that the source had otherwise, no longer, or again. `links`: entries that its chain got. `compared`:
    when a load last compared it with the source.
    """

    table: str
    source: str
    loaded: int
    failed: int
    certified: int
    published: dt.datetime | None
    read: dt.datetime | None
    last: str
    last_run: str
    changed: int
    deleted: int
    returned: int
    links: int
    compared: dt.datetime | None


class Shortened(NamedTuple):
    """Rows that left a table by its retention: those with `column` before `before`, and where the archive is."""

    table: str
    run: str
    at: dt.datetime
    column: str
    before: str
    rows: int
    action: str
    file: str
    sha256: str


class Ran(NamedTuple):
    """Runs of one kind, from one host, by one version of bulketl and one configuration, by its fingerprint.

    `runs`: how many, `well`: how many ended with all tables as they should be, and when the first and the last began.
    """

    kind: str
    host: str
    version: str
    rules: str
    runs: int
    well: int
    first: dt.datetime
    last: dt.datetime


def audit_records(
    connection: Connection, schema: str, tables: Sequence[str], since: dt.datetime, until: dt.datetime
) -> list[AuditRecord]:
    """Return what is on record of each of these tables, in their order."""
    found = connection.execute(
        f"""
WITH named AS (SELECT table_name, n FROM unnest(%(tables)s::text[]) WITH ORDINALITY t (table_name, n)),
loads AS (
    SELECT t.*, r.started_at, c.certified,
        row_number() OVER (PARTITION BY t.table_name ORDER BY r.started_at DESC) AS back
    FROM {LEDGER}.table_load t JOIN {LEDGER}.run r ON r.run = t.run
    LEFT JOIN {LEDGER}.certificate c ON (c.run, c.schema_name, c.table_name) = (t.run, t.schema_name, t.table_name)
    WHERE t.schema_name = %(schema)s AND t.table_name = ANY(%(tables)s) AND r.kind = 'load'
        AND r.started_at >= %(since)s AND r.started_at < %(until)s),
nights AS (
    SELECT table_name, count(*) FILTER (WHERE outcome IN ('loaded', 'unchanged')) AS loaded,
        count(*) FILTER (WHERE outcome = 'failed') AS failed, count(*) FILTER (WHERE certified) AS certified,
        max(started_at) FILTER (WHERE outcome IN ('loaded', 'unchanged')) AS read,
        max(outcome) FILTER (WHERE back = 1) AS last, max(run) FILTER (WHERE back = 1) AS last_run
    FROM loads GROUP BY table_name),
trail AS (
    SELECT table_name, count(*) FILTER (WHERE kind = 'update') AS changed,
        count(*) FILTER (WHERE kind = 'delete') AS deleted, count(*) FILTER (WHERE kind = 'return') AS returned
    FROM {LEDGER}.audit_trail WHERE schema_name = %(schema)s AND table_name = ANY(%(tables)s)
        AND seen_at >= %(since)s AND seen_at < %(until)s GROUP BY table_name),
links AS (
    SELECT table_name, count(*) AS links FROM {LEDGER}.audit_chain WHERE schema_name = %(schema)s
        AND table_name = ANY(%(tables)s) AND at >= %(since)s AND at < %(until)s GROUP BY table_name)
SELECT n.table_name, COALESCE(s.source, ''), COALESCE(l.loaded, 0), COALESCE(l.failed, 0), COALESCE(l.certified, 0),
    s.published_at, l.read, COALESCE(l.last, ''), COALESCE(l.last_run, ''),
    COALESCE(t.changed, 0), COALESCE(t.deleted, 0), COALESCE(t.returned, 0), COALESCE(k.links, 0), s.compared_at
FROM named n LEFT JOIN nights l USING (table_name) LEFT JOIN trail t USING (table_name) LEFT JOIN links k USING (table_name)
LEFT JOIN {LEDGER}.state s ON (s.schema_name, s.table_name) = (%(schema)s, n.table_name) ORDER BY n.n""".encode(),
        {"schema": schema, "tables": list(tables), "since": since, "until": until},
    )
    return [AuditRecord(*row) for row in found]


def shortened(connection: Connection, schema: str, since: dt.datetime, until: dt.datetime) -> list[Shortened]:
    """Return what has left the schema's tables by their retention, in order of time."""
    found = connection.execute(
        "SELECT table_name, run, retained_at, column_name, before, rows, action, COALESCE(file, ''), COALESCE(sha256, '')"
        f" FROM {LEDGER}.retained WHERE schema_name = %s AND retained_at >= %s AND retained_at < %s"
        " ORDER BY retained_at, table_name",
        (schema, since, until),
    )
    return [Shortened(*row) for row in found]


def who_ran(connection: Connection, schema: str, since: dt.datetime, until: dt.datetime) -> list[Ran]:
    """Return who ran what into the schema, by kind, host, version and configuration, the first one first."""
    found = connection.execute(
        "SELECT kind, host, version, rules, count(*), count(*) FILTER (WHERE outcome = 'done'), min(started_at),"
        f" max(started_at) FROM {LEDGER}.run WHERE schema_name = %s AND started_at >= %s AND started_at < %s"
        " GROUP BY kind, host, version, rules ORDER BY min(started_at), kind, host, version, rules",
        (schema, since, until),
    )
    return [Ran(*row) for row in found]


def note_report(connection: Connection, schema: str, tables: Sequence[str], run: str, digest: str) -> int:
    """Put a report's digest (SHA-256 in hexadecimal) into the chain of each of these tables; return into how many.

    `run` names the report. A chain that has ended gets nothing: an entry would open it. The rows that a chain covers stay
    the same, so its sums do; its link covers the digest's first 240 bits.
    """
    bits = ", ".join(f"('x' || substr({value(digest)}, {part}, 15))::bit(60)::bigint" for part in range(1, 61, 15))
    with connection.transaction():
        # Each entry builds on the one before, and a load that ends now writes one, too.
        connection.execute(f"LOCK TABLE {LEDGER}.audit_chain IN SHARE ROW EXCLUSIVE MODE".encode())
        noted = connection.execute(
            f"INSERT INTO {LEDGER}.audit_chain SELECT schema_name, table_name, seq, kind, run, rows, hash, all_rows,"
            f" all_hash, {LINK}, at FROM (SELECT schema_name, table_name, seq + 1 AS seq, '{REPORT}'::text AS kind,"
            f" %(run)s::text AS run, 0::bigint AS rows, ARRAY[{bits}]::numeric[] AS hash, all_rows,"
            f" COALESCE(all_hash, {NOTHING}) AS all_hash, clock_timestamp() AS at, link AS link_before"
            f" FROM (SELECT DISTINCT ON (table_name) * FROM {LEDGER}.audit_chain"
            " WHERE schema_name = %(schema)s AND table_name = ANY(%(tables)s) ORDER BY table_name, seq DESC) last"
            " WHERE last.kind <> 'end') entry".encode(),
            {"schema": schema, "tables": list(tables), "run": run},
        )
    return noted.rowcount
