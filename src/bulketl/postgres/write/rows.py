"""Single rows into a table: those that a comparison found, that a verification found, or that were rejected before.

Each of the three is one transaction with its records in the ledger: rows of the source come into a temporary table, what
is wrong with them ends it, and from there they are merged or appended. Where they differ is which records they leave, and
what they do about rows that are gone or rejected.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bulketl.errors import DataError
from bulketl.postgres.ddl import batch, name, rows_of
from bulketl.postgres.joins import BY_HASH, PLANNING
from bulketl.postgres.ledger import entries, states
from bulketl.postgres.ledger.entries import CopyResult
from bulketl.postgres.ledger.escapes import written_keys
from bulketl.postgres.ledger.made import reserve
from bulketl.postgres.server import Postgres
from bulketl.postgres.write import chain, table_checks
from bulketl.postgres.write.copy import TEMPORARY, copy, transaction
from bulketl.postgres.write.guard import check_gone
from bulketl.postgres.write.keylist import among, listing, send
from bulketl.postgres.write.merge import absent, removing
from bulketl.postgres.write.noted import encoding_of, note
from bulketl.postgres.write.publish import into
from bulketl.postgres.write.refused import without_refused
from bulketl.postgres.write.stage import temporary, temporary_name
from bulketl.rows.coerce import Batch
from bulketl.rows.reconcile import Differences
from bulketl.rows.reject import Reject
from bulketl.tables.partitions import json_key
from bulketl.tables.spec import DELETED_AT, TableSpec

GONE = "bulketl_gone"
_DONE = "bulketl_done"
_STAGE = name(TEMPORARY, temporary_name(0))


def mend(target: Postgres, run: str, spec: TableSpec, found: Differences, batches: Iterator[Batch]) -> dict[str, int]:
    """Bring in the rows that a comparison after a load found, and treat those that are gone as `spec.deletes` says.

    Return what the run has put into the audit trail of the table, by kind. Raise DataError when more rows are gone than may
    go, or more of those read cannot be loaded than `max_rejects` allows: then nothing is changed.
    """
    if spec.deletes in ("mirror", "mark", "fail"):
        check_gone(spec, len(found.gone), found.rows)
    spec = dataclasses.replace(spec, added=(), widened=())  # the load before has altered the table
    with _staged(target, run, spec) as stage:
        hint = "load the table whole with --full: its rejects are listed then"
        stage.fill(batches, None, "rows that differ from the source", hint)
        new = f"(SELECT count(*) FROM {_STAGE} s WHERE {absent(spec, rows_of(spec))})"
        removed = len(found.gone) if spec.deletes in ("mirror", "mark") else 0
        listed = listing(stage.cursor, spec, found.gone, GONE)
        # Gone ones first: where the servers show a key differently the same row is both gone and missing.
        statements = [PLANNING, BY_HASH, *(_gone(run, spec, listed) if found.gone else [])]
        statements.append(states.compared(run, spec, f"{new} - {removed}"))
        note(stage.cursor, run, spec, 0, stage.rejects)
        if found.missing or found.differing:
            statements += into(run, spec, _STAGE)
        if spec.audit:
            statements += [BY_HASH, chain.reverted(run, spec, _STAGE, among(spec, listed))]
        stage.cursor.execute(batch([*statements, entries.compared(run, spec, found)]))
        if not spec.audit:
            return {}
        stage.cursor.execute(entries.noted_by(run, spec))
        noted: dict[str, int] = json.loads(stage.cursor.fetchall()[0][0])
        return noted


def repair(target: Postgres, run: str, spec: TableSpec, found: Differences, batches: Iterable[Batch]) -> tuple[int, int]:
    """Bring in the rows that a verification found, and treat those that are gone as `spec.deletes` says.

    It has the records of a load. Return how many were written and removed. Raise DataError when more rows would go than may,
    more are rejected than `max_rejects` allows, or a check fails: then nothing is changed.
    """
    if found.gone:
        check_gone(spec, len(found.gone), found.rows)
    with _staged(target, run, spec) as stage:
        hint = "correct them at the source, change the column's cast, or raise max_rejects"
        stage.fill(batches, found.rows, "of the rows to repair", hint)
        statements = [entries.claim_publish(run, spec, returning=False)]
        statements.append(entries.partition(run, spec, 0, CopyResult(stage.rows, len(stage.rejects), stage.size)))
        note(stage.cursor, run, spec, 0, stage.rejects)
        # Gone ones first, as above.
        listed = listing(stage.cursor, spec, found.gone, GONE) if found.gone else ""
        gone = _gone(run, spec, listed, record=not spec.audit) if found.gone else []
        statements += [PLANNING, BY_HASH, *gone]
        if stage.rows:
            statements += into(run, spec, _STAGE)
        statements += [entries.published(run, spec, stage.rows), states.repaired(run, spec)]
        statements.append(entries.compared(run, spec, found))
        stage.cursor.execute(batch(statements))
        (noted,) = table_checks.hold(stage.cursor, [spec])
        if noted:
            stage.cursor.execute(entries.checked(run, spec, noted))
    return stage.rows, len(found.gone) if gone else 0


def retry(
    target: Postgres, run: str, spec: TableSpec, keys: Sequence[dict[str, Any]], batches: Iterator[Batch]
) -> tuple[int, int]:
    """Bring in the rejected rows that are good now, and settle them and the ones that are gone.

    `keys` as they are on record; `batches` has the rows that the source still has of them. Return how many were loaded,
    and how many are still rejected. Raise DataError when a check fails: then nothing is changed.
    """
    with _staged(target, run, spec) as stage:
        stage.cursor.execute(entries.claim_publish(run, spec, returning=False))
        stage.fill(batches)
        still = {json_key(item.key) for item in stage.rejects}
        known = [json_key(json.dumps(key)) for key in keys]
        done = [key for key in known if key not in still] if still.issubset(known) else []
        encoding = encoding_of(stage.cursor)
        send(stage.cursor, ["key", "escaped"], [form for key in done for form in written_keys(key, encoding)], _DONE)
        statements = [*into(run, spec, _STAGE), entries.published(run, spec, stage.rows), states.retried(run, spec)]
        settled = entries.settled(run, spec, name(TEMPORARY, _DONE))
        stage.cursor.execute(batch([*statements, PLANNING, BY_HASH, settled]))
        table_checks.hold(stage.cursor, [spec])
    return stage.rows, len(still)


@dataclass(slots=True)
class _Stage:
    """The temporary table of a transaction, and what came into it: rows, their bytes of Arrow, and what was rejected."""

    cursor: Any
    target: Postgres
    run: str
    spec: TableSpec
    rows: int = 0
    size: int = 0
    rejects: list[Reject] = dataclasses.field(default_factory=list)

    def fill(self, batches: Iterable[Batch], of: int | None = None, what: str = "rows", hint: str = "") -> None:
        """Copy the good rows of the batches, of which few are in memory at once.

        Raise DataError, about `what` and with a hint, when more are rejected than may be of `of` rows, or of the rows read.
        """
        spec, read = self.spec, 0
        if spec.max_rejects:  # what Postgres refuses is found by trials over a connection of their own
            batches = (without_refused(self.target, self.run, spec, piece) for piece in batches)
        for piece in table_checks.passing(spec, batches):
            self.rejects += piece.rejects
            read += piece.read
            if len(self.rejects) > spec.rejectable(read if of is None else of):
                last, count = self.rejects[-1], len(self.rejects)
                words = f"table {spec.table!r}: {count} {what} cannot be loaded: {last.column} {last.reason}"
                raise DataError(words, hint=hint)
            copy(self.cursor, piece.good, spec, TEMPORARY, temporary_name(0))
            self.rows, self.size = self.rows + piece.good.num_rows, self.size + piece.good.nbytes


@contextlib.contextmanager
def _staged(target: Postgres, run: str, spec: TableSpec) -> Iterator[_Stage]:
    """Give an empty temporary table beside a table that is ours and stays so, in a transaction of its own."""
    with transaction(target, run, f"table {spec.table!r}", spec.encoder) as cursor:
        reserve(cursor, run, [spec])
        cursor.execute(temporary(0, spec))
        yield _Stage(cursor, target, run, spec)


def _gone(run: str, spec: TableSpec, listed: str, *, record: bool = False) -> list[str]:
    """Return the statements for the rows that are gone at the source; `listed`: the table of their keys, quoted.

    With a `record` of the publish they are counted there.
    """
    table, which = rows_of(spec), among(spec, listed)
    if spec.audit:
        return [chain.deleted(run, spec, f"{table} t WHERE {which}")]
    if spec.deletes == "mirror":
        left = f"(SELECT count(*) FROM {table} t WHERE {which})"
        return [removing(run, spec, f"DELETE FROM {table} t WHERE {which}", left, record=record)]
    if spec.deletes == "mark":
        left = f"(SELECT count(*) FROM {table} t WHERE {which} AND t.{name(DELETED_AT)} IS NULL)"
        mark = f"UPDATE {table} t SET {name(DELETED_AT)} = now() WHERE {which}"
        return [removing(run, spec, mark, left, record=record)]
    return []
