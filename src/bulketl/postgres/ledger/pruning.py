"""What is old leaves the ledger, a few runs at a time: their events, and the records that prove nothing and decide nothing.

`audit_trail`, `audit_chain`, `certificate`, `retained` and `state` are never touched. That a table was made (`made`) goes
once another was made in its place and it is gone. What stands beside the rows (`partition`, `published`, `compared`) goes
once a later run has replaced its table as a whole: until then rows of the target are traced to their run by it. A table's
record goes unless it is of a run with certificates, of a table that is audited, or of what a table holds now; a reject once
it is settled, a finding once it is closed; a run when nothing refers to it. A verification goes unless it is of an audited
table, and so does a comparison with an older pipeline; incident reports and waivers stay.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import NamedTuple

from bulketl.postgres.server import LEDGER, Connection

AT_ONCE = 10  # runs in a transaction
MOST = 100  # runs that are looked at after one load
SECONDS = 5.0  # after which no more of them are begun
WHOLE = ("create", "swap", "refill")  # ways to publish that leave no row of before


class Pruned(NamedTuple):
    """How many rows have left each table of the ledger, and how many old runs were not come to yet."""

    rows: dict[str, int]
    left: int


_OLD = "schema_name = %(schema)s AND started_at < %(before)s AND finished_at IS NOT NULL"
# Those looked at the longest ago first: what has to stay this time may go after another load.
_CHOSEN = f"SELECT run FROM {LEDGER}.run WHERE {_OLD} ORDER BY pruned_at NULLS FIRST, started_at LIMIT %(most)s"
_OF = "WHERE t.run = ANY(%(runs)s)"


def _replaced(at: str) -> str:
    return (
        f"{_OF} AND EXISTS (SELECT FROM {LEDGER}.published w WHERE (w.schema_name, w.table_name) = (t.schema_name,"
        f" t.table_name) AND w.published_at > t.{at} AND w.run <> t.run AND w.how = ANY(%(whole)s))"
    )


# Swapped in every night, a table leaves an entry and, by that, the record of its run: a table that is there has its own.
_GONE = f"""{_OF} AND EXISTS (SELECT FROM {LEDGER}.made m
    WHERE (m.schema_name, m.table_name) = (t.schema_name, t.table_name) AND m.seq > t.seq)
AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.oid)"""
_STAYS = f"""
AND NOT EXISTS (SELECT FROM {LEDGER}.certificate c WHERE c.run = t.run)
AND NOT EXISTS (SELECT FROM {LEDGER}.audit_chain a WHERE (a.schema_name, a.table_name) = (t.schema_name, t.table_name))
AND NOT EXISTS (SELECT FROM {LEDGER}.state s WHERE s.run = t.run
    AND (s.schema_name, s.table_name) = (t.schema_name, t.table_name))"""
_REFERRING = ("table_load", "partition", "published", "compared", "certificate", "reject", "retained", "made", "state",
              "finding")  # fmt: skip
# In this order: whether a run can go is known when its records have gone.
_WHICH: dict[str, str] = {
    "event": _OF,
    "cancel": _OF,
    "alerted": _OF,
    "measure": _OF,
    "finding": f"{_OF} AND t.closed_at < %(before)s",
    "partition": _replaced("loaded_at"),
    "compared": _replaced("compared_at"),
    "published": _replaced("published_at"),
    "reject": f"{_OF} AND t.settled_at < %(before)s",
    "table_load": _OF + _STAYS,
    "made": _GONE,
    "run": _OF + "".join(f" AND NOT EXISTS (SELECT FROM {LEDGER}.{o} o WHERE o.run = t.run)" for o in _REFERRING),
}

VERIFICATIONS = 10_000  # that leave after one load, and as many comparisons
_VERIFIED = f"""
DELETE FROM {LEDGER}.verification WHERE ctid = ANY(ARRAY(SELECT v.ctid FROM {LEDGER}.verification v
    WHERE v.schema_name = %(schema)s AND v.at < %(before)s AND NOT EXISTS (SELECT FROM {LEDGER}.audit_chain a
        WHERE (a.schema_name, a.table_name) = (v.schema_name, v.table_name)) ORDER BY v.at LIMIT {VERIFICATIONS}))"""

# Who decides whether a table is ready reads its last nights, a year of them at most.
_COMPARED = f"""
DELETE FROM {LEDGER}.comparison WHERE seq = ANY(ARRAY(SELECT c.seq FROM {LEDGER}.comparison c
    WHERE %(schema)s IN (c.schema_name, c.shadow_name) AND c.at < %(before)s ORDER BY c.seq LIMIT {VERIFICATIONS}))"""


def prune(connection: Connection, schema: str, before: dt.datetime, clock: Callable[[], float] = time.monotonic) -> Pruned:
    """Let go of what is kept of runs into a schema that began before a time and have ended; a transaction for some runs."""
    values: dict[str, object] = {"schema": schema, "before": before, "most": AT_ONCE, "whole": list(WHOLE)}
    rows: dict[str, int] = {}
    seen: set[str] = set()
    began = clock()
    while len(seen) < MOST and clock() - began < SECONDS:
        with connection.transaction():
            connection.execute("SET LOCAL enable_seqscan = off")  # a few runs out of many, whatever was counted last
            found = connection.execute(f"{_CHOSEN} FOR UPDATE SKIP LOCKED".encode(), values).fetchall()
            runs = [run for (run,) in found if run not in seen]
            if not runs:
                break
            seen.update(runs)
            values["runs"] = runs
            for table, which in _WHICH.items():
                gone = connection.execute(f"DELETE FROM {LEDGER}.{table} t {which}".encode(), values).rowcount
                if gone:
                    rows[table] = rows.get(table, 0) + gone
            connection.execute(f"UPDATE {LEDGER}.run t SET pruned_at = clock_timestamp() {_OF}".encode(), values)
    if gone := connection.execute(_VERIFIED.encode(), values).rowcount:
        rows["verification"] = gone
    if gone := connection.execute(_COMPARED.encode(), values).rowcount:
        rows["comparison"] = gone
    ((left,),) = connection.execute(
        f"SELECT count(*) FROM {LEDGER}.run WHERE {_OLD} AND pruned_at IS NULL".encode(), values
    ).fetchall()
    return Pruned(rows, left)
