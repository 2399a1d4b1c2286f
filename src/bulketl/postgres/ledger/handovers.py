"""What the older pipeline must be told about tables that changed hands: `bulketl.handover`, in order, until it has answered.

The transaction in which the tables change hands makes the entry, so none is lost. bulketl repeats it until the command
succeeds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bulketl.postgres.ledger.documents import as_json
from bulketl.postgres.ledger.made import exists
from bulketl.postgres.server import LEDGER, Connection

TABLE = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.handover (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, schema_name text NOT NULL, run text NOT NULL, act text NOT NULL,
    tables text[] NOT NULL, document jsonb NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts integer NOT NULL DEFAULT 0, tried_at timestamptz, answer text NOT NULL DEFAULT '', told_at timestamptz);
CREATE INDEX IF NOT EXISTS handover_open ON {LEDGER}.handover (schema_name, seq) WHERE told_at IS NULL;
"""


class Handover(NamedTuple):
    """Tables that changed hands in a run: `act` is promote, rollback or demote. `answer`: how the last try to tell ended."""

    seq: int
    run: str
    act: str
    tables: list[str]
    document: dict[str, Any]
    at: dt.datetime
    attempts: int
    tried_at: dt.datetime | None
    answer: str


def note(
    connection: Connection, schema: str, run: str, act: str, tables: Sequence[str], document: Mapping[str, Any]
) -> None:
    """Put on record what is to be told; the caller commits."""
    connection.execute(
        f"INSERT INTO {LEDGER}.handover (schema_name, run, act, tables, document) VALUES (%s, %s, %s, %s, %s)",
        (schema, run, act, list(tables), as_json(connection, dict(document))),
    )


def untold(connection: Connection, schema: str, *, hold: bool = False) -> list[Handover]:
    """Return what was not told yet, in the order in which it is to be.

    `hold`: nothing when another process is telling, and no other tells until the transaction ends.
    """
    if not exists(connection, "handover"):
        return []
    query = (
        "SELECT seq, run, act, tables, document, at, attempts, tried_at, answer"
        f" FROM {LEDGER}.handover WHERE schema_name = %s AND told_at IS NULL ORDER BY seq"
    )
    if hold:
        free = f"SELECT pg_try_advisory_xact_lock(hashtext('{LEDGER}.handover'), hashtext(%s))"
        if connection.execute(free, (schema,)).fetchone() != (True,):
            return []
    return [Handover(*row) for row in connection.execute(query.encode(), (schema,))]


def answered(connection: Connection, seq: int, answer: str, *, told: bool) -> None:
    """Put on record how a try to tell ended."""
    connection.execute(
        f"UPDATE {LEDGER}.handover SET attempts = attempts + 1, tried_at = clock_timestamp(), answer = %s,"
        " told_at = CASE WHEN %s THEN clock_timestamp() END WHERE seq = %s",
        (answer, told, seq),
    )
