"""What the ledger knows of one row of a table: who wrote it, its rejects, what was noted of it; and of the table around it.

A row's transaction is that of the record beside it: `partition` and `published` are written by the very transactions that
carry the rows. So a row is traced to its run without a stamp, and one that somebody else wrote to none.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from bulketl.postgres.ledger import rejects
from bulketl.postgres.ledger.escapes import escape, holds, writable
from bulketl.postgres.ledger.made import exists
from bulketl.postgres.ledger.runs import kind_of
from bulketl.postgres.locks import alive
from bulketl.postgres.server import LEDGER, Connection

SHOWN = 20  # rejects and entries of the trail that are read, the last first
_TIME = "COALESCE(to_char({}, 'YYYY-MM-DD HH24:MI:SSOF'), '')"


@dataclass(frozen=True, slots=True)
class RunOfTable:
    """What a run did with the table: `outcome` of the table in it, `running` while the run is on, `unfinished` when it died.

    `at`: when the run ended, or began.
    """

    run: str
    kind: str
    outcome: str
    error: str
    at: str


@dataclass(frozen=True, slots=True)
class RowReject:
    """A reject of the row: `loaded` tells whether the run published the table all the same."""

    run: str
    column: str
    value: str | None = field(repr=False)
    reason: str
    at: str
    settled: str
    loaded: bool


@dataclass(frozen=True, slots=True)
class Noted:
    """An entry of the audit trail on the row: `kind` is update, delete or return; the columns that it found other."""

    run: str
    kind: str
    columns: tuple[str, ...]
    at: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The last time on record that the table was compared with its source, or proved: by which run, how, what came out."""

    run: str
    what: str
    at: str


@dataclass(frozen=True, slots=True)
class RowRecord:
    """What is on record of a row and its table.

    `writers`: the runs whose records bear the row's transaction. `loaded`: the last run that published the table. `last`:
    the last run that had it to load, whatever came of it. `chain`: the last entry of the table's chain, '' without one.
    `compared`: None when no comparison is on record.
    """

    writers: tuple[RunOfTable, ...] = ()
    loaded: RunOfTable | None = None
    last: RunOfTable | None = None
    rejects: tuple[RowReject, ...] = ()
    trail: tuple[Noted, ...] = ()
    chain: str = ""
    compared: Comparison | None = None


def read_record(
    connection: Connection,
    schema: str,
    table: str,
    xid: str,
    rejected: Sequence[tuple[str, str]],
    noted: str,
    key: list[str],
) -> RowRecord:
    """Return what is on record of a row that transaction `xid` wrote, '' when the target has none.

    `rejected`: the columns of its key with their values as rejects have them. `noted`: the key of the audit trail, an
    expression with the parameters `key`, '' where it has none.
    """
    if not exists(connection, "published") or (kind := kind_of(connection)) is None:
        return RowRecord()
    at = (schema, table)
    writers = []
    if xid:
        of = "(schema_name, table_name) = (%s, %s)"
        wrote = (
            f"SELECT run FROM {LEDGER}.partition WHERE {of} AND written::xid::text = %s UNION"
            f" SELECT run FROM {LEDGER}.published WHERE {of} AND xmin::text = %s UNION"
            f" SELECT run FROM {LEDGER}.compared WHERE {of} AND xmin::text = %s"
        )
        query = (
            f"SELECT r.run, {kind}, 'loaded', '', {_TIME.format('COALESCE(p.published_at, r.started_at)')}"
            f" FROM {LEDGER}.run r LEFT JOIN {LEDGER}.published p"
            f" ON p.run = r.run AND (p.schema_name, p.table_name) = (%s, %s) WHERE r.run IN ({wrote}) ORDER BY r.started_at"
        )
        writers = connection.execute(query.encode(), (*at, *((*at, xid) * 3))).fetchall()
    published = (
        f"SELECT p.run, {kind}, 'loaded', '', {_TIME.format('p.published_at')} FROM {LEDGER}.published p"
        f" JOIN {LEDGER}.run r USING (run) WHERE (p.schema_name, p.table_name) = (%s, %s) AND {kind} IN ('load', 'repair')"
        " ORDER BY p.published_at DESC LIMIT 1"
    )
    return RowRecord(
        tuple(RunOfTable(*row) for row in writers),
        _run(connection, published, at),
        _last(connection, at, kind),
        _rejects(connection, at, rejected),
        _trail(connection, at, noted, key) if noted else (),
        _chain(connection, at),
        _compared(connection, at, kind),
    )


def _run(connection: Connection, query: str, at: tuple[str, str]) -> RunOfTable | None:
    found = connection.execute(query.encode(), at).fetchone()
    return RunOfTable(*found) if found else None


def _last(connection: Connection, at: tuple[str, str], kind: str) -> RunOfTable | None:
    """Return what the last load did with the table: by its record, or, where it left none, by its plan."""
    last = (
        f"SELECT t.run, {kind}, t.outcome, COALESCE(t.error, ''), {_TIME.format('COALESCE(r.finished_at, r.started_at)')}"
        f" FROM {LEDGER}.table_load t JOIN {LEDGER}.run r USING (run)"
        f" WHERE (r.schema_name, t.table_name) = (%s, %s) AND {kind} = 'load' ORDER BY r.started_at DESC LIMIT 1"
    )
    under_way = (
        f"SELECT run, {kind}, 'unfinished', '', {_TIME.format('started_at')}, document::text FROM {LEDGER}.run r"
        f" WHERE schema_name = %s AND {kind} = 'load' AND NOT EXISTS (SELECT FROM {LEDGER}.table_load t WHERE t.run = r.run)"
        f" AND started_at > COALESCE((SELECT max(p.published_at) FROM {LEDGER}.published p"
        "  WHERE (p.schema_name, p.table_name) = (%s, %s)), '-infinity') ORDER BY started_at DESC LIMIT 1"
    )
    found = connection.execute(under_way.encode(), (at[0], *at)).fetchone()
    if found is None:
        return _run(connection, last, at)
    *run, document = found
    groups = json.loads(document).get("groups", ())
    if all(load["spec"]["table"] != at[1] for group in groups for load in group["loads"]):
        return _run(connection, last, at)
    began = RunOfTable(*run)
    return dataclasses.replace(began, outcome="running") if alive(connection, began.run) else began


def _rejects(connection: Connection, at: tuple[str, str], key: Sequence[tuple[str, str]]) -> tuple[RowReject, ...]:
    if not key or not rejects.readable(connection):
        return ()
    encoding = connection.info.parameter_status("server_encoding") or ""
    same = " AND ".join("COALESCE(key ->> %s, key ->> %s) = ANY(%s)" for _ in key)
    forms = [
        (
            writable(name, encoding),
            escape(name, encoding),
            [escape(text, encoding), *([text] if holds(text, encoding) else [])],
        )
        for name, text in key
    ]
    published = f"SELECT FROM {LEDGER}.published p WHERE (p.run, p.schema_name, p.table_name) = (r.run, %s, %s)"
    found = connection.execute(
        f"SELECT {rejects.escaped_of(connection)}, run, column_name, value, reason, {_TIME.format('rejected_at')},"
        f" COALESCE(settled, ''), EXISTS ({published})"
        f" FROM {LEDGER}.reject r WHERE (schema_name, table_name) = (%s, %s) AND {same}"
        f" ORDER BY rejected_at DESC LIMIT {SHOWN}".encode(),
        (*at, *at, *(part for form in forms for part in form)),
    )
    return tuple(
        RowReject(run, *rejects.plain(is_escaped, column, value, reason), *rest)
        for is_escaped, run, column, value, reason, *rest in found
    )


def _trail(connection: Connection, at: tuple[str, str], noted: str, key: list[str]) -> tuple[Noted, ...]:
    if not exists(connection, "audit_trail"):
        return ()
    other = (
        "COALESCE((SELECT array_agg(n.key ORDER BY n.key) FROM jsonb_each(new_row) n"
        " WHERE old_row -> n.key IS DISTINCT FROM n.value), '{}')"
    )
    found = connection.execute(
        f"SELECT run, kind, {other}, {_TIME.format('seen_at')} FROM {LEDGER}.audit_trail"
        f" WHERE (schema_name, table_name) = (%s, %s) AND key = {noted} ORDER BY seq + 0 DESC LIMIT {SHOWN}".encode(),
        (*at, *key),
    )
    return tuple(Noted(run, kind, tuple(columns), seen) for run, kind, columns, seen in found)


def _chain(connection: Connection, at: tuple[str, str]) -> str:
    if not exists(connection, "audit_chain"):
        return ""
    found = connection.execute(
        f"SELECT 'entry ' || seq || ' (' || kind || ') by run ' || run || ' at ' || {_TIME.format('at')}"
        f" FROM {LEDGER}.audit_chain WHERE (schema_name, table_name) = (%s, %s) ORDER BY seq DESC LIMIT 1".encode(),
        at,
    ).fetchone()
    return str(found[0]) if found else ""


def _compared(connection: Connection, at: tuple[str, str], kind: str) -> Comparison | None:
    """Return the last comparison, repair or certificate, whichever came last."""
    counted = "c.missing || ' missing, ' || c.differing || ' differing, ' || c.gone || ' gone at the source'"
    found = connection.execute(
        f"SELECT run, what, {_TIME.format('at')} FROM ("
        f"SELECT c.run, CASE WHEN {kind} = 'repair' THEN 'before its repair ' ELSE '' END || {counted} AS what,"
        f" c.compared_at AS at FROM {LEDGER}.compared c JOIN {LEDGER}.run r USING (run)"
        " WHERE (c.schema_name, c.table_name) = (%s, %s) UNION ALL"
        " SELECT c.run, CASE WHEN c.certified THEN 'certified' ELSE 'not certified' END, r.finished_at"
        f" FROM {LEDGER}.certificate c JOIN {LEDGER}.run r USING (run)"
        " WHERE (r.schema_name, c.table_name) = (%s, %s)) x ORDER BY at DESC NULLS LAST LIMIT 1".encode(),
        (*at, *at),
    ).fetchone()
    return Comparison(*found) if found else None
