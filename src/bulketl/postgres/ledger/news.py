"""News of a schema as another host looks for them: when a table of each tier came last, and how the last load is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

from bulketl.postgres.ledger.runs import kind_of
from bulketl.postgres.server import LEDGER, Connection


class LastLoad(NamedTuple):
    """The load into a schema that began last; `outcome` and `ended` are None before its end."""

    run: str
    began: dt.datetime
    ended: dt.datetime | None
    outcome: str | None


class News(NamedTuple):
    """What is on record of loads: per tier when one of its tables was loaded or proved unchanged, None for never."""

    came: Mapping[str, dt.datetime | None]
    last: LastLoad | None


def read_news(connection: Connection, schema: str) -> News:
    """Return the news of a schema; a table counts in the tier that it had in its last load."""
    if (kind := kind_of(connection)) is None:
        return News({}, None)
    runs = f"JOIN {LEDGER}.run r ON r.run = t.run AND {kind} = 'load' WHERE t.schema_name = %(schema)s"
    loads = f"{LEDGER}.table_load t {runs}"
    found = connection.execute(
        "SELECT tier, max(at) FROM"
        f" (SELECT DISTINCT ON (t.table_name) t.table_name, t.tier FROM {loads}"
        " ORDER BY t.table_name, r.started_at DESC) tiers"
        " LEFT JOIN ("
        f"SELECT t.table_name, t.published_at AS at FROM {LEDGER}.published t {runs}"
        f" UNION ALL SELECT t.table_name, r.finished_at FROM {loads} AND t.outcome = 'unchanged') came"
        " USING (table_name) GROUP BY tier".encode(),
        {"schema": schema},
    ).fetchall()
    last = connection.execute(
        f"SELECT run, started_at, finished_at, outcome FROM {LEDGER}.run r WHERE schema_name = %s AND {kind} = 'load'"
        " ORDER BY started_at DESC LIMIT 1".encode(),
        (schema,),
    ).fetchone()
    return News({str(tier): at for tier, at in found}, LastLoad(*last) if last else None)
