"""Events on record: what happened in every run, in order, for whoever looks at it during the run or long after.

They are told to people and never decide a load. The writer is `bulketl.loading.journal`; nothing else adds to the table.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from bulketl.postgres.ledger.documents import as_json
from bulketl.postgres.ledger.made import exists
from bulketl.postgres.server import LEDGER, Connection


class Recorded(NamedTuple):
    """An event on record: its number in its run, counted from 1, when it happened, its kind, and its values."""

    run: str
    seq: int
    at: dt.datetime
    kind: str
    body: dict[str, Any]


def write_events(connection: Connection, events: Sequence[Recorded]) -> None:
    """Put events on record, in one statement; those that an earlier try has put there stay as they are."""
    bodies = [as_json(connection, event.body) for event in events]
    with connection.transaction():
        connection.execute("SET LOCAL synchronous_commit = off")  # people read them; no load decides by them
        connection.execute(
            f"INSERT INTO {LEDGER}.event (run, seq, at, kind, body) SELECT * FROM"
            " unnest(%s::text[], %s::bigint[], %s::timestamptz[], %s::text[], %s::jsonb[]) ON CONFLICT DO NOTHING",
            (*([event[n] for event in events] for n in range(4)), bodies),
        )


def read_events(connection: Connection, run: str, after: int = 0, kinds: Sequence[str] = ()) -> list[Recorded]:
    """Return the events of a run behind the one with that number, in order; none where no ledger keeps events yet.

    `kinds`: of these only, if any.
    """
    if not exists(connection, "event"):
        return []
    found = connection.execute(
        f"SELECT run, seq, at, kind, body FROM {LEDGER}.event WHERE run = %s AND seq > %s AND (%s OR kind = ANY(%s))"
        " ORDER BY seq",
        (run, after, not kinds, list(kinds)),
    )
    return [Recorded(*row) for row in found]


def last_number(connection: Connection, run: str) -> int:
    """Return the number of a run's last event on record, 0 for none."""
    found = connection.execute(f"SELECT max(seq) FROM {LEDGER}.event WHERE run = %s", (run,)).fetchone()
    return (found and found[0]) or 0
