"""Single rows into a table: those that a comparison found, that a verification found, or that were rejected before.

Each of the three is one transaction with its records in the ledger: rows of the source come into a temporary table, what
is wrong with them ends it, and from there they are merged or appended. Where they differ is which records they leave, and
what they do about rows that are gone or rejected. When the table refuses rows, by a constraint perhaps, the transaction is
carried out once more, without these.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bulketl.errors import DataError
from bulketl.postgres.ddl import batch, name, rows_of
from bulketl.postgres.joins import BY_HASH, PLANNING
from bulketl.postgres.ledger import entries, states
from bulketl.postgres.ledger.entries import CopyResult
from bulketl.postgres.ledger.escapes import written_keys
from bulketl.postgres.ledger.made import reserve
from bulketl.postgres.ledger.previous import replaced
from bulketl.postgres.server import Postgres
from bulketl.postgres.write import chain, table_checks
from bulketl.postgres.write.copy import TEMPORARY, copy, transaction
from bulketl.postgres.write.enums import make_types
from bulketl.postgres.write.guard import check_gone
from bulketl.postgres.write.keylist import among, listing, send
from bulketl.postgres.write.merge import absent, removing
from bulketl.postgres.write.noted import encoding_of, note
from bulketl.postgres.write.publish import into
from bulketl.postgres.write.refused import without_refused
from bulketl.postgres.write.refusing import placing, refused_within
from bulketl.postgres.write.stage import temporary, temporary_name
from bulketl.rows.coerce import Batch
from bulketl.rows.reconcile import Differences
from bulketl.rows.reject import Reject
from bulketl.tables.partitions import json_key
from bulketl.tables.spec import DELETED_AT, TableSpec

T = TypeVar("T")
Read = Callable[[], Iterable[Batch]]  # reads the rows, anew whenever it is called
GONE = "bulketl_gone"
_DONE = "bulketl_done"
_STAGE = name(TEMPORARY, temporary_name(0))


def mend(target: Postgres, run: str, spec: TableSpec, found: Differences, read: Read) -> tuple[dict[str, int], int]:
    """Bring in the rows that a comparison after a load found, and treat those that are gone as `spec.deletes` says.

    Return what the run has put into the audit trail of the table, by kind, and how many rows were rejected. Raise DataError
    when more rows are gone than may go, or more of those read cannot be loaded than `max_rejects` allows: then nothing is
    changed.
    """
    if spec.deletes in ("mirror", "mark", "fail"):
        check_gone(spec, len(found.gone), found.rows)
    spec = dataclasses.replace(spec, added=(), widened=())  # the load before has altered the table
    return _tried(lambda searched: _mend(target, run, spec, found, read(), searched))


def _mend(
    target: Postgres, run: str, spec: TableSpec, found: Differences, batches: Iterable[Batch], searched: bool
) -> tuple[dict[str, int], int]:
    hint = "load the table whole with --full: its rejects are listed then"
    with _staged(target, run, spec, None, "of the rows that differ from the source", hint) as stage:
        stage.fill(batches)
        removed = len(found.gone) if spec.deletes in ("mirror", "mark") else 0
        listed = listing(stage.cursor, spec, found.gone, GONE)
        # Gone ones first: where the servers show a key differently the same row is both gone and missing.
        gone = _gone(run, spec, listed) if found.gone else []
        if searched:
            stage.sift([PLANNING, BY_HASH, *gone])
        new = f"(SELECT count(*) FROM {_STAGE} s WHERE {absent(spec, rows_of(spec))})"
        statements = [PLANNING, BY_HASH, *gone, states.compared(run, spec, f"{new} - {removed}")]
        if found.missing or found.differing:
            statements += into(run, spec, _STAGE)
        if spec.audit:
            statements += [BY_HASH, chain.reverted(run, spec, _STAGE, among(spec, listed))]
        stage.cursor.execute(batch([*statements, entries.compared(run, spec, found), *replaced(run, spec)]))
        if not spec.audit:
            return {}, stage.rejects
        stage.cursor.execute(entries.noted_by(run, spec))
        return json.loads(stage.cursor.fetchall()[0][0]), stage.rejects


def repair(target: Postgres, run: str, spec: TableSpec, found: Differences, read: Read) -> tuple[int, int]:
    """Bring in the rows that a verification found, and treat those that are gone as `spec.deletes` says.

    It has the records of a load. Return how many were written and removed. Raise DataError when more rows would go than may,
    more are rejected than `max_rejects` allows, or a check fails: then nothing is changed.
    """
    if found.gone:
        check_gone(spec, len(found.gone), found.rows)
    return _tried(lambda searched: _repair(target, run, spec, found, read(), searched))


def _repair(
    target: Postgres, run: str, spec: TableSpec, found: Differences, batches: Iterable[Batch], searched: bool
) -> tuple[int, int]:
    hint = "correct them at the source, change the column's cast, or raise max_rejects"
    with _staged(target, run, spec, found.rows, "of the rows to repair", hint) as stage:
        stage.fill(batches)
        # Gone ones first, as above.
        listed = listing(stage.cursor, spec, found.gone, GONE) if found.gone else ""
        if searched:
            stage.sift([PLANNING, BY_HASH, *(_gone(run, spec, listed) if found.gone else [])])
        statements = [entries.claim_publish(run, spec, returning=False)]
        statements.append(entries.partition(run, spec, 0, CopyResult(stage.rows, stage.rejects, stage.size)))
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


def retry(target: Postgres, run: str, spec: TableSpec, keys: Sequence[dict[str, Any]], read: Read) -> tuple[int, int]:
    """Bring in the rejected rows that are good now, and settle them and the ones that are gone.

    `keys` as they are on record; `read` yields the rows that the source still has of them. Return how many were loaded,
    and how many are still rejected. Raise DataError when a check fails: then nothing is changed.
    """
    return _tried(lambda searched: _retry(target, run, spec, keys, read(), searched))


def _retry(
    target: Postgres, run: str, spec: TableSpec, keys: Sequence[dict[str, Any]], batches: Iterable[Batch], searched: bool
) -> tuple[int, int]:
    with _staged(target, run, spec) as stage:
        stage.keys = still = set[str]()
        stage.cursor.execute(entries.claim_publish(run, spec, returning=False))
        stage.fill(batches)
        if searched:
            stage.sift([PLANNING, BY_HASH])
        known = [json_key(json.dumps(key)) for key in keys]
        done = [key for key in known if key not in still] if still.issubset(known) else []
        encoding = encoding_of(stage.cursor)
        send(stage.cursor, ["key", "escaped"], [form for key in done for form in written_keys(key, encoding)], _DONE)
        statements = [*into(run, spec, _STAGE), entries.published(run, spec, stage.rows), states.retried(run, spec)]
        settled = entries.settled(run, spec, name(TEMPORARY, _DONE))
        stage.cursor.execute(batch([*statements, PLANNING, BY_HASH, settled]))
        table_checks.hold(stage.cursor, [spec])
    return stage.rows, len(still)


def _tried(act: Callable[[bool], T]) -> T:
    """Act, and once more when a table has refused rows: then it is told to search for them, and does without these."""
    try:
        return act(False)
    except DataError as error:
        if not placing(error):
            raise
    return act(True)


@dataclass(slots=True)
class _Stage:
    """The temporary table of a transaction, and what came into it: rows, their bytes of Arrow, and what was rejected.

    `of` how many rows that may not be more than `max_rejects`, None for those read; `what` they are, with a hint. What is
    rejected is put on record; where it is on record already, only the `keys` are kept.
    """

    cursor: Any
    target: Postgres
    run: str
    spec: TableSpec
    of: int | None
    what: str
    hint: str
    read: int = 0
    rows: int = 0
    size: int = 0
    rejects: int = 0
    keys: set[str] | None = None

    def fill(self, batches: Iterable[Batch]) -> None:
        """Copy the good rows of the batches, of which few are in memory at once; raise DataError for too many others."""
        spec = self.spec
        if spec.max_rejects:  # what Postgres refuses is found by trials over a connection of their own
            batches = (without_refused(self.target, self.run, spec, piece) for piece in batches)
        for piece in table_checks.passing(spec, batches):
            self.read += piece.read
            self._reject(piece.rejects)
            copy(self.cursor, piece.good, spec, TEMPORARY, temporary_name(0))
            self.rows, self.size = self.rows + piece.good.num_rows, self.size + piece.good.nbytes

    def sift(self, before: Iterable[str]) -> None:
        """Take out the rows that the table refuses after some statements, which are carried out and taken back."""
        most = max(self._most() - self.rejects, 0)
        for found in refused_within(self.cursor, self.run, self.spec, _STAGE, most, before):
            self.rows -= len(found)
            self._reject(found)

    def _reject(self, rejects: Sequence[Reject]) -> None:
        self.rejects += len(rejects)
        if self.rejects > self._most():
            last = rejects[-1]
            words = f"table {self.spec.table!r}: {self.rejects} {self.what} cannot be loaded: {last.column} {last.reason}"
            raise DataError(words, hint=self.hint, said=last.reason if last.code else "", code=last.code)
        if self.keys is None:
            note(self.cursor, self.run, self.spec, 0, rejects)
        else:
            self.keys.update(json_key(item.key) for item in rejects)

    def _most(self) -> int:
        return self.spec.rejectable(self.read if self.of is None else self.of)


@contextlib.contextmanager
def _staged(
    target: Postgres, run: str, spec: TableSpec, of: int | None = None, what: str = "rows", hint: str = ""
) -> Iterator[_Stage]:
    """Give an empty temporary table beside a table that is ours and stays so, in a transaction of its own."""
    make_types(target, run, [spec])
    with transaction(target, run, f"table {spec.table!r}", spec.encoder) as cursor:
        reserve(cursor, run, [spec])
        cursor.execute(temporary(0, spec))
        yield _Stage(cursor, target, run, spec, of, what, hint)


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
