"""Bringing staged rows to one moment, without a lock: compare them with the source, read again what differs, and again.

The source hashes all its rows in one statement, so they are of one moment. When the staged rows have the same hashes they
are that moment's too, whenever they were read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bulketl.errors import SourceError
from bulketl.postgres.compare import digests
from bulketl.postgres.compare.examine import unlike
from bulketl.postgres.ddl import batch, staging, staging_name
from bulketl.postgres.joins import BY_HASH, PLANNING
from bulketl.postgres.ledger import entries
from bulketl.postgres.ledger.escapes import plain_key
from bulketl.postgres.server import STAGING, Postgres
from bulketl.postgres.write.copy import copy, transaction
from bulketl.postgres.write.keylist import among, listing
from bulketl.postgres.write.noted import note
from bulketl.postgres.write.rows import GONE
from bulketl.postgres.write.table_checks import passing
from bulketl.rows.coerce import Batch
from bulketl.rows.reconcile import Buckets, Differences, Digest, Here, Row, compare_rows, reread
from bulketl.rows.reject import Reject
from bulketl.tables.partitions import json_key
from bulketl.tables.spec import TableSpec

ROUNDS = 5


def settle(target: Postgres, run: str, spec: TableSpec, source: Here) -> None:
    """Bring a table's staged rows to one moment of the source. Raise SourceError when it changes faster than that."""
    staged = _Staged(target, run)
    for _ in range(ROUNDS):
        found = compare_rows(source, staged, spec)
        if not (found.missing or found.differing or found.gone):
            return
        again = reread(source, spec, (*found.missing, *found.differing))
        if not _mended(target, run, spec, found, again):
            return
    raise SourceError(
        f"table {spec.table!r} asks for consistency: re-read, and rows still differ from the source after {ROUNDS} "
        "comparisons: they are written faster than they can be read",
        hint="load it when there are fewer writers, or ask for consistency: snapshot (InnoDB) or locked",
    )


def _mended(target: Postgres, run: str, spec: TableSpec, found: Differences, batches: Iterator[Batch]) -> bool:
    """Take the rows as they are now into the staging table; False when all that differs are rows that are rejected."""
    stage, old = staging(run, spec.table), (*found.gone, *found.differing)
    rows, size = 0, 0
    rejects: list[Reject] = []
    with transaction(target, run, f"table {spec.table!r}", spec.encoder) as cursor:
        if old:
            listed = listing(cursor, spec, old, GONE)
            cursor.execute(batch([PLANNING, BY_HASH]))
            cursor.execute(entries.taken_out(run, spec, stage, among(spec, listed)))
        for piece in passing(spec, batches):
            rejects += piece.rejects
            copy(cursor, piece.good, spec, STAGING, staging_name(run, spec.table))
            rows, size = rows + piece.good.num_rows, size + piece.good.nbytes
        cursor.execute(entries.rejected_keys(run, spec))
        known = {plain_key(*row) for row in cursor.fetchall()} if rejects else set()
        new = [item for item in rejects if json_key(item.key) not in known]  # others are missing in every round
        cursor.execute(entries.one_more(run, spec, rows, len(new), size))
        index = int(cursor.fetchall()[0][0])
        note(cursor, run, spec, index, new)
    return bool(old) or rows > 0


@dataclass(frozen=True, slots=True)
class _Staged:
    """The staging tables of a run as what is compared."""

    target: Postgres
    run: str

    def buckets(self, spec: TableSpec) -> Buckets:
        return digests.buckets(self.target, self._of(spec))

    def digests(self, spec: TableSpec, buckets: Buckets) -> Mapping[str, Digest]:
        return digests.digests(self.target, self._of(spec), buckets)

    def rows(self, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> Mapping[str, Row]:
        return digests.rows(self.target, self._of(spec), buckets, which)

    def unlike(self, spec: TableSpec, batch: Batch) -> Sequence[str]:
        return unlike(self.target, self.run, self._of(spec), batch)

    def _of(self, spec: TableSpec) -> TableSpec:
        return dataclasses.replace(spec, schema=STAGING, table=staging_name(self.run, spec.table), deletes="ignore")
