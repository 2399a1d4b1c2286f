"""Rejected rows put on record, in the transaction of the others of their partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from bulketl.postgres.ledger import entries
from bulketl.rows.reject import Reject
from bulketl.tables.spec import TableSpec


def note(cursor: Any, run: str, spec: TableSpec, index: int, rejects: Sequence[Reject]) -> None:
    """Put rejected rows of a partition on record; the caller commits."""
    if rejects:
        for statement in entries.rejected(run, spec, index, rejects, encoding_of(cursor)):
            cursor.execute(statement)


def encoding_of(cursor: Any) -> str:
    """Return the encoding of the database, by its name in Postgres; `cursor` may be of either driver."""
    if isinstance(cursor, psycopg.Cursor):
        return cursor.connection.info.parameter_status("server_encoding") or ""
    cursor.execute("SELECT current_setting('server_encoding')")
    return str(cursor.fetchall()[0][0])
