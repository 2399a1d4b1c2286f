"""Writes of others to tables that bulketl took over: above all of the older pipeline, if it goes on writing.

The server counts the rows written to each table. bulketl records that count once no run is under way and the counts of
the last run are in. Rows that are counted beyond it before the next run were written by others. What others write between
the end of a run and that first look is not known.
"""

from __future__ import annotations

from typing import NamedTuple

from bulketl.postgres.ledger.made import exists
from bulketl.postgres.server import LEDGER, Connection
from bulketl.tables.printable import count_of

COLUMNS = (
    f"ALTER TABLE {LEDGER}.kept ADD COLUMN IF NOT EXISTS writes bigint, ADD COLUMN IF NOT EXISTS writes_at timestamptz;"
)
SETTLED = "interval '10 seconds'"  # after which the counts of a run are in: Postgres holds them back for one
_COUNTED = f"""
SELECT k.seq, k.table_name, k.writes, c.oid IS DISTINCT FROM m.oid AS replaced,
    pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid) AS now,
    k.writes_at > e.at AS looked, e.at < clock_timestamp() - {SETTLED} AS settled
FROM {LEDGER}.kept k JOIN pg_namespace n ON n.nspname = k.schema_name
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = k.table_name
LEFT JOIN LATERAL (SELECT oid FROM {LEDGER}.made WHERE (schema_name, table_name) = (k.schema_name, k.table_name)
    ORDER BY seq DESC LIMIT 1) m ON true
CROSS JOIN (SELECT max(COALESCE(finished_at, started_at)) AS at, bool_or(finished_at IS NULL) AS open
    FROM {LEDGER}.run WHERE schema_name = %(schema)s) e
WHERE k.schema_name = %(schema)s AND k.ended_at IS NULL AND NOT e.open ORDER BY k.table_name"""


class Written(NamedTuple):
    """A table that others wrote to since the last run: how many rows, or that it was made anew."""

    table: str
    rows: int
    replaced: bool

    @property
    def words(self) -> str:
        """What happened, without its table."""
        if self.replaced:
            return "was made anew by others since bulketl took it over"
        return f"others wrote {count_of(self.rows, 'row')} to it since the last run of bulketl"


def written(connection: Connection, schema: str) -> list[Written]:
    """Return the kept tables that others wrote to since the last run; where that cannot be told yet, note what is counted.

    Nothing while a run into the schema is on record and has not ended.
    """
    if not exists(connection, "kept"):
        return []
    found, noted = [], []
    for seq, table, before, replaced, now, looked, settled in connection.execute(_COUNTED, {"schema": schema}).fetchall():
        if replaced:
            found.append(Written(table, 0, replaced=True))
        elif looked and before is not None and now >= before:
            if now > before:
                found.append(Written(table, now - before, replaced=False))
        elif settled:
            noted.append((seq, now))
    if noted:
        seqs, counts = zip(*noted, strict=True)
        connection.execute(
            f"UPDATE {LEDGER}.kept k SET writes = x.n, writes_at = clock_timestamp()"
            " FROM unnest(%s::bigint[], %s::bigint[]) x (seq, n) WHERE k.seq = x.seq",
            (list(seqs), list(counts)),
        )
    return found
