"""Repairing rows of a table: those that a verification found, in one transaction, recorded like a load."""

from __future__ import annotations

from collections.abc import Iterable

from bulketl.errors import DataError
from bulketl.postgres.ddl import batch, name, rows_of, value
from bulketl.postgres.joins import BY_HASH, PLANNING
from bulketl.postgres.ledger import entries
from bulketl.postgres.ledger.made import hold
from bulketl.postgres.server import LEDGER, Postgres
from bulketl.postgres.write import checks
from bulketl.postgres.write.copy import TEMPORARY, copy, transaction, without_refused
from bulketl.postgres.write.guard import check_gone
from bulketl.postgres.write.keylist import listing
from bulketl.postgres.write.mended import GONE, gone
from bulketl.postgres.write.publish import into
from bulketl.postgres.write.stage import temporary, temporary_name
from bulketl.rows.coerce import Batch, Reject
from bulketl.rows.reconcile import Differences
from bulketl.tables.spec import TableSpec


def repair(target: Postgres, run: str, spec: TableSpec, found: Differences, batches: Iterable[Batch]) -> tuple[int, int]:
    """Write rows of the source, and treat those that it has no longer as `spec.deletes` says; return how many of each.

    Raise DataError when more rows would go than may, more are rejected than allowed, or a check fails: then nothing is
    changed.
    """
    if found.gone:
        check_gone(spec, len(found.gone), found.rows)
    if spec.max_rejects:  # what Postgres refuses is found by trials in transactions of their own
        batches = (without_refused(target, run, spec, piece) for piece in batches)
    at = f"({value(spec.schema)}, {value(spec.table)})"
    rejects: list[Reject] = []
    written, size = 0, 0
    with transaction(target, run, f"table {spec.table!r}", spec.encoder) as cursor:
        hold(cursor, run, [spec])
        cursor.execute(temporary(0, spec))
        for piece in checks.passing(spec, batches):  # few of them are in memory at once
            rejects += piece.rejects
            if len(rejects) > spec.rejectable(found.rows):
                raise _too_many(spec, rejects)
            copy(cursor, piece.good, spec, TEMPORARY, temporary_name(0))
            written, size = written + piece.good.num_rows, size + piece.good.nbytes
        statements = [entries.claim_publish(run, spec, returning=False)]
        statements.append(entries.partition(run, spec, 0, written, len(rejects), size, {}))
        if rejects:
            statements.append(entries.rejected(run, spec, 0, rejects))
        # Gone ones first: where the servers show a key differently the same row is both gone and missing.
        removing = gone(run, spec, listing(cursor, spec, found.gone, GONE), record=not spec.audit) if found.gone else []
        statements += [PLANNING, BY_HASH, *removing]
        if written:
            statements += into(run, spec, name(TEMPORARY, temporary_name(0)))
        statements.append(entries.published(run, spec, written))
        # Counted, not reckoned: what was lost in between was in no ledger.
        rows = f"(SELECT count(*) FROM {rows_of(spec)})"
        statements.append(
            f"UPDATE {LEDGER}.state SET rows = {rows}, run = {value(run)} WHERE (schema_name, table_name) = {at}"
        )
        statements.append(entries.compared(run, spec, found))
        cursor.execute(batch(statements))
        (noted,) = checks.hold(cursor, [spec])
        if noted:
            cursor.execute(entries.checked(run, spec, noted))
    return written, len(found.gone) if removing else 0


def _too_many(spec: TableSpec, rejects: list[Reject]) -> DataError:
    return DataError(
        f"table {spec.table!r}: {len(rejects)} of the rows to repair cannot be loaded: "
        f"{rejects[-1].column} {rejects[-1].reason}",
        rejects=len(rejects),
        hint="correct them at the source, change the column's cast, or raise max_rejects",
    )
