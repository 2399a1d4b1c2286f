"""What the older pipeline did when bulketl started it: `bulketl.legacy_run`, a record for each time."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from bulketl.postgres.ledger.made import exists
from bulketl.postgres.server import LEDGER, Connection

TABLE = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.legacy_run (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, schema_name text NOT NULL, started_at timestamptz NOT NULL,
    seconds double precision NOT NULL, code integer, how text NOT NULL, tables text[] NOT NULL, loaded text[] NOT NULL,
    failed text[] NOT NULL, log text NOT NULL, by text NOT NULL);
CREATE INDEX IF NOT EXISTS legacy_run_started ON {LEDGER}.legacy_run (schema_name, started_at);
"""


class LegacyRun(NamedTuple):
    """A run of the older pipeline. `code`: its exit code, None when it was ended; `how`: how it ended, in words.

    `tables`: those it was to load; `loaded` and `failed`: those its own bookkeeping says it did and did not load, both empty
    where it keeps none. `log`: the file with what it printed, '' where none was kept.
    """

    started_at: dt.datetime
    seconds: float
    code: int | None
    how: str
    tables: tuple[str, ...]
    loaded: tuple[str, ...]
    failed: tuple[str, ...]
    log: str
    by: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, its time in ISO 8601."""
        return {**self._asdict(), "started_at": self.started_at.isoformat()}


def keep(connection: Connection, schema: str, run: LegacyRun) -> None:
    """Put a run of the older pipeline on record."""
    connection.execute(
        f"INSERT INTO {LEDGER}.legacy_run (schema_name, started_at, seconds, code, how, tables, loaded, failed, log, by)"
        f" VALUES ({', '.join(['%s'] * 10)})",
        (schema, *(list(item) if isinstance(item, tuple) else item for item in run)),
    )


def last(connection: Connection, schema: str, first: int) -> list[LegacyRun]:
    """Return the last runs of the older pipeline into a schema, the last one first."""
    if not exists(connection, "legacy_run"):
        return []
    found = connection.execute(
        f"SELECT started_at, seconds, code, how, tables, loaded, failed, log, by FROM {LEDGER}.legacy_run"
        " WHERE schema_name = %s ORDER BY started_at DESC LIMIT %s",
        (schema, first),
    )
    return [LegacyRun(*row[:4], *map(tuple, row[4:7]), *row[7:]) for row in found]
