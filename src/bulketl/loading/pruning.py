"""The end of a load removes old records from the ledger, as `ledger: {keep: ...}` says; this can never fail the load."""

from __future__ import annotations

import datetime as dt
import logging

import psycopg

from bulketl.config.config import Config
from bulketl.errors import BulketlError
from bulketl.loading.events import LedgerPruned
from bulketl.loading.record import Run
from bulketl.postgres.ledger.pruning import prune
from bulketl.postgres.server import Postgres

_log = logging.getLogger("bulketl")


def prune_ledger(config: Config, run: Run) -> None:
    """Let go of what is older than the ledger keeps, and tell how much that was; what cannot be is warned of."""
    if config.ledger.keep is None:
        return
    before = dt.datetime.now(dt.UTC) - config.ledger.keep
    try:
        with Postgres.of(config).connect() as connection:
            rows, left = prune(connection, config.target_schema, before)
    except (BulketlError, psycopg.Error) as error:
        said = error.public if isinstance(error, BulketlError) else type(error).__name__
        _log.warning("the ledger keeps what is older than %s: %s", _days(config.ledger.keep), said)
        return
    if rows or left:
        event = LedgerPruned(run.name, _days(config.ledger.keep), rows, left)
        run.journal.note(event)
        run.summary.add(event)


def _days(keep: dt.timedelta) -> str:
    return f"{keep.days} days"
