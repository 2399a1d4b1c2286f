"""Reports on runs in trouble: `bulketl.incident_report`, a number and the last report for each run; never pruned.

What a report is made of beside the run's own records: which run was in trouble last, what its tables were before it and
have become since, and who asked for its end.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bulketl.postgres.ledger.documents import as_json
from bulketl.postgres.ledger.made import exists
from bulketl.postgres.ledger.runs import kind_of
from bulketl.postgres.server import LEDGER, Connection

TABLE = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.incident_report (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, schema_name text NOT NULL, run text NOT NULL UNIQUE,
    made_at timestamptz NOT NULL, by text NOT NULL, document jsonb NOT NULL);
"""
LOOKED_AT = 100  # runs, for the last one in trouble
_WELL = "('loaded', 'unchanged')"


class WellLoad(NamedTuple):
    """A load of a table that went well: its run, what kind of run, where it ran, and when it ended."""

    run: str
    kind: str
    host: str
    at: dt.datetime


class Around(NamedTuple):
    """The last load of a table before a run that went well, and the first one after it; None for none."""

    before: WellLoad | None
    since: WellLoad | None


class Asked(NamedTuple):
    """Who asked for the end of a run, when, and whether at once."""

    by: str
    at: dt.datetime
    at_once: bool


class Kept(NamedTuple):
    """A report on record: its number, of which run, when it was made and by whom, and the report itself."""

    number: int
    run: str
    made: dt.datetime
    by: str
    document: dict[str, Any]


def troubled(connection: Connection, schema: str) -> list[str]:
    """Return the last runs into a schema that did not end well, gave tables back, or have not ended, the last one first.

    They are LOOKED_AT at most.
    """
    if (kind := kind_of(connection)) is None:
        return []
    found = connection.execute(
        f"SELECT run FROM {LEDGER}.run r WHERE schema_name = %s AND (outcome IS DISTINCT FROM 'done' OR {kind} = 'rollback')"
        " ORDER BY started_at DESC, run DESC LIMIT %s".encode(),
        (schema, LOOKED_AT),
    )
    return [run for (run,) in found]


def around(connection: Connection, schema: str, run: str, tables: Sequence[str]) -> dict[str, Around]:
    """Return for each of these tables its loads around a run."""
    if (kind := kind_of(connection)) is None:
        return {}
    place = "t" if kind == "r.kind" else "r"  # a ledger before version 6 has neither column
    load = (
        f"SELECT r.run, {kind} AS kind, r.host, COALESCE(r.finished_at, r.started_at) AS at"
        f" FROM {LEDGER}.table_load t JOIN {LEDGER}.run r ON r.run = t.run"
        f" WHERE {place}.schema_name = %(schema)s AND t.table_name = n.table_name AND t.outcome IN {_WELL}"
        " AND r.run <> o.run AND r.started_at {when} o.started_at ORDER BY r.started_at {order} LIMIT 1"
    )
    found = connection.execute(
        "SELECT n.table_name, b.*, s.* FROM unnest(%(tables)s::text[]) n (table_name)"
        f" JOIN {LEDGER}.run o ON o.run = %(run)s"
        f" LEFT JOIN LATERAL ({load.format(when='<', order='DESC')}) b ON true"
        f" LEFT JOIN LATERAL ({load.format(when='>=', order='ASC')}) s ON true".encode(),
        {"schema": schema, "run": run, "tables": list(tables)},
    )
    return {row[0]: Around(_load(row[1:5]), _load(row[5:9])) for row in found.fetchall()}


def _load(values: Sequence[Any]) -> WellLoad | None:
    return WellLoad(*values) if values[0] else None


def reached(connection: Connection, run: str) -> set[str]:
    """Return the tables that a run published, whether it ended or not."""
    found = connection.execute(f"SELECT table_name FROM {LEDGER}.published WHERE run = %s", (run,))
    return {table for (table,) in found}


def asked(connection: Connection, run: str) -> Asked | None:
    """Return who asked for the end of a run; None when nobody did."""
    if not exists(connection, "cancel"):
        return None
    row = connection.execute(f"SELECT by, asked_at, at_once FROM {LEDGER}.cancel WHERE run = %s", (run,)).fetchone()
    return Asked(*row) if row else None


def may_keep(connection: Connection) -> bool:
    """Tell whether the ledger keeps reports, and this role may add one."""
    if not exists(connection, "incident_report"):
        return False
    return connection.execute(
        f"SELECT has_table_privilege('{LEDGER}.incident_report', 'INSERT') AND"
        f" has_table_privilege('{LEDGER}.incident_report', 'UPDATE')"
    ).fetchone() == (True,)


def keep(connection: Connection, schema: str, run: str, by: str, document: Mapping[str, Any]) -> int:
    """Put the report on a run on record, in the place of an earlier one, and return its number, which stays."""
    found = connection.execute(
        f"INSERT INTO {LEDGER}.incident_report AS i (schema_name, run, made_at, by, document)"
        " VALUES (%s, %s, clock_timestamp(), %s, %s) ON CONFLICT (run) DO UPDATE"
        " SET made_at = excluded.made_at, by = excluded.by, document = excluded.document RETURNING number",
        (schema, run, by, as_json(connection, document)),
    ).fetchone()
    return int(found[0]) if found else 0


def kept(connection: Connection, schema: str, *, number: int | None = None, run: str = "") -> Kept | None:
    """Return a report on record by its number or its run; None when there is none."""
    if not exists(connection, "incident_report"):
        return None
    row = connection.execute(
        f"SELECT number, run, made_at, by, document FROM {LEDGER}.incident_report"
        " WHERE schema_name = %s AND CASE WHEN %s::bigint IS NULL THEN run = %s ELSE number = %s END",
        (schema, number, run, number),
    ).fetchone()
    return Kept(*row) if row else None


def listed(connection: Connection, schema: str, most: int) -> list[Kept]:
    """Return the last reports of a schema, the last one first."""
    if not exists(connection, "incident_report"):
        return []
    found = connection.execute(
        f"SELECT number, run, made_at, by, document FROM {LEDGER}.incident_report WHERE schema_name = %s"
        " ORDER BY number DESC LIMIT %s",
        (schema, most),
    )
    return [Kept(*row) for row in found]
