"""Rows that a comparison after a load found, brought into their table; one transaction."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

from bulketl.errors import DataError
from bulketl.postgres.ddl import batch, name, rows_of
from bulketl.postgres.joins import BY_HASH, PLANNING
from bulketl.postgres.ledger import entries
from bulketl.postgres.ledger import states as state
from bulketl.postgres.ledger.made import hold
from bulketl.postgres.server import Postgres
from bulketl.postgres.write import chain as audit
from bulketl.postgres.write import checks
from bulketl.postgres.write.copy import TEMPORARY, copy, transaction, without_refused
from bulketl.postgres.write.guard import check_gone
from bulketl.postgres.write.keylist import among, listing
from bulketl.postgres.write.merge import absent, removing
from bulketl.postgres.write.publish import into
from bulketl.postgres.write.stage import temporary, temporary_name
from bulketl.rows.coerce import Batch, Reject
from bulketl.rows.reconcile import Differences
from bulketl.tables.spec import DELETED_AT, TableSpec

GONE = "bulketl_gone"


def mend(target: Postgres, run: str, spec: TableSpec, found: Differences, batches: Iterator[Batch]) -> dict[str, int]:
    """Bring rows into the table and treat those that are gone as `spec.deletes` says, with a record; one transaction.

    Return what the run has put into the audit trail of the table, by kind.

    Raise DataError when more rows are gone than may go, or a row cannot be loaded.
    """
    if spec.deletes in ("mirror", "mark", "fail"):
        check_gone(spec, len(found.gone), found.rows)
    stage = name(TEMPORARY, temporary_name(0))
    spec = dataclasses.replace(spec, added=(), widened=())  # the load before has altered the table
    if spec.max_rejects:  # what Postgres refuses is found by trials over a connection of their own
        batches = (without_refused(target, run, spec, piece) for piece in batches)
    with transaction(target, run, f"table {spec.table!r}", spec.encoder) as cursor:
        hold(cursor, run, [spec])
        cursor.execute(temporary(0, spec))
        rejects: list[Reject] = []
        read = 0
        for piece in checks.passing(spec, batches):
            rejects += piece.rejects
            read += piece.read
            if len(rejects) > spec.rejectable(read):
                raise DataError(
                    f"table {spec.table!r}: {len(rejects)} rows that differ from the source cannot be loaded: "
                    f"{rejects[-1].column} {rejects[-1].reason}",
                    hint="load the table whole with --full: its rejects are listed then",
                )
            copy(cursor, piece.good, spec, TEMPORARY, temporary_name(0))
        new = f"(SELECT count(*) FROM {stage} s WHERE {absent(spec, rows_of(spec))})"
        removed = len(found.gone) if spec.deletes in ("mirror", "mark") else 0
        listed = listing(cursor, spec, found.gone, GONE)
        # Gone ones first: where the servers show a key differently the same row is both gone and missing.
        statements = [PLANNING, BY_HASH, *gone(run, spec, listed)] if found.gone else [PLANNING, BY_HASH]
        statements.append(state.compared(run, spec, f"{new} - {removed}"))
        if rejects:
            statements.append(entries.rejected(run, spec, 0, rejects))
        if found.missing or found.differing:
            statements += into(run, spec, stage)
        if spec.audit:
            statements += [BY_HASH, audit.reverted(run, spec, stage, among(spec, listed))]
        cursor.execute(batch([*statements, entries.compared(run, spec, found)]))
        if not spec.audit:
            return {}
        cursor.execute(entries.noted_by(run, spec))
        noted: dict[str, int] = json.loads(cursor.fetchall()[0][0])
        return noted


def gone(run: str, spec: TableSpec, listed: str, *, record: bool = False) -> list[str]:
    """Return the statements for the rows that are gone at the source; `listed`: the table of their keys, quoted.

    With a `record` of the publish they are counted there.
    """
    table, which = rows_of(spec), among(spec, listed)
    if spec.audit:
        return [audit.deleted(run, spec, f"{table} t WHERE {which}")]
    if spec.deletes == "mirror":
        left = f"(SELECT count(*) FROM {table} t WHERE {which})"
        return [removing(run, spec, f"DELETE FROM {table} t WHERE {which}", left, record=record)]
    if spec.deletes == "mark":
        left = f"(SELECT count(*) FROM {table} t WHERE {which} AND t.{name(DELETED_AT)} IS NULL)"
        mark = f"UPDATE {table} t SET {name(DELETED_AT)} = now() WHERE {which}"
        return [removing(run, spec, mark, left, record=record)]
    return []
