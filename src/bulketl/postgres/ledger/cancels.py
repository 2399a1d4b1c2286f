"""Who asked for the end of which run: `bulketl.cancel`, which any machine may write to and the driver of the run reads.

A request counts once. When the driver takes notice, it becomes an event of the run. If no driver saw it, it is forgotten
when somebody resumes the run, because that person wants the run to go on.
"""

from __future__ import annotations

from typing import NamedTuple

from bulketl.postgres.server import LEDGER, Connection


class Cancel(NamedTuple):
    """Who asked for the end of a run, and whether it is to end at once or after the steps under way."""

    by: str
    at_once: bool


def ask(connection: Connection, run: str, cancel: Cancel) -> None:
    """Put on record that a run is to end; asked again, the last request counts, but nothing takes `at_once` back."""
    connection.execute(
        f"INSERT INTO {LEDGER}.cancel AS c (run, by, at_once) VALUES (%s, %s, %s) ON CONFLICT (run) DO UPDATE"
        " SET by = excluded.by, at_once = c.at_once OR excluded.at_once, asked_at = clock_timestamp(), heard_at = NULL",
        (run, *cancel),
    )


def hear(connection: Connection, run: str) -> Cancel | None:
    """Take notice of a request for the end of a run; None when there is none that is new."""
    found = connection.execute(
        f"UPDATE {LEDGER}.cancel SET heard_at = clock_timestamp() WHERE run = %s AND heard_at IS NULL RETURNING by, at_once",
        (run,),
    ).fetchone()
    return Cancel(*found) if found else None


def is_heard(connection: Connection, run: str) -> bool:
    """Tell whether the driver of a run has taken notice of the request for its end."""
    found = connection.execute(f"SELECT heard_at IS NOT NULL FROM {LEDGER}.cancel WHERE run = %s", (run,)).fetchone()
    return found == (True,)


def forget(connection: Connection, run: str) -> None:
    """Forget every request for the end of a run, which goes on."""
    connection.execute(f"DELETE FROM {LEDGER}.cancel WHERE run = %s", (run,))
