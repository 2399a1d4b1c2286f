"""Bringing staged rows to one moment without a lock: compare them with the source, read again what differs, and repeat.

The source hashes all its rows in one statement, so the hashes are of one moment. If the staged rows have the same hashes,
they are of that moment too, whenever they were read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

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
from bulketl.tables.partitions import KeyTuple, json_key
from bulketl.tables.spec import TableSpec

ROUNDS = 5


def settle(target: Postgres, run: str, spec: TableSpec, source: Here) -> None:
    """Bring a table's staged rows to one moment of the source. Raise SourceError when it changes faster than that.

    Only hashes of one statement tell that moment. Rows that move from bucket to bucket may be seen in both, or in none, by
    the statements that list them afterwards, so that nothing differs there proves nothing.
    """
    staged = _Staged(target, run)
    for _ in range(ROUNDS):
        found = compare_rows(source, staged, spec, staged.lacks)
        if found.equal:
            return
        staged.forget({*found.differing, *found.gone})
        rejected = {row.key for row in staged.rejected.values()}
        again = [key for key in (*found.missing, *found.differing) if key not in rejected]
        whole = bool(again or found.gone) and _mended(target, run, spec, found, again, source)
        staged.remember(whole)
    raise SourceError(
        f"table {spec.table!r} asks for consistency: re-read, and rows still differ from the source after {ROUNDS} "
        "comparisons: they are written faster than they can be read",
        hint="load it when there are fewer writers, or ask for consistency: snapshot (InnoDB) or locked",
    )


def _mended(
    target: Postgres, run: str, spec: TableSpec, found: Differences, again: Sequence[KeyTuple], source: Here
) -> bool:
    """Take the rows with these keys as they are now into the staging table; return whether each of them was still there."""
    stage, old = staging(run, spec.table), (*found.gone, *found.differing)
    rows, size = 0, 0
    rejects: list[Reject] = []
    with transaction(target, run, f"table {spec.table!r}", spec.encoder) as cursor:
        if old:
            listed = listing(cursor, spec, old, GONE)
            cursor.execute(batch([PLANNING, BY_HASH]))
            cursor.execute(entries.taken_out(run, spec, stage, among(spec, listed)))
        for piece in passing(spec, reread(source, spec, again)):
            rejects += piece.rejects
            copy(cursor, piece.good, spec, STAGING, staging_name(run, spec.table))
            rows, size = rows + piece.good.num_rows, size + piece.good.nbytes
        cursor.execute(entries.rejected_keys(run, spec))
        known = {plain_key(*row) for row in cursor.fetchall()} if rejects else set()
        new = [item for item in rejects if json_key(item.key) not in known]
        cursor.execute(entries.one_more(run, spec, rows, len(new), size))
        index = int(cursor.fetchall()[0][0])
        note(cursor, run, spec, index, new)
    return rows + len(rejects) == len(again)


@dataclass(frozen=True, slots=True)
class _Staged:
    """The staging table of a run as what is compared, with the rows that are rejected, by the texts of their keys.

    `lacking`: rows of the source that were not staged when this comparison listed them. `asked`: those of the one before
    which were all there when they were read again.
    """

    target: Postgres
    run: str
    rejected: dict[str, Row] = field(default_factory=dict)
    lacking: dict[str, Row] = field(default_factory=dict)
    asked: dict[str, Row] = field(default_factory=dict)

    def lacks(self, text: str, row: Row) -> None:
        """Take a row for rejected that has not changed, was read again, and still is not staged."""
        known = self.rejected if self.asked.get(text) == row else self.lacking
        known[text] = row

    def remember(self, whole: bool) -> None:
        """Take what this comparison listed for read again, if `whole`: each of the rows was there."""
        self.asked.clear()
        self.asked.update(self.lacking if whole else {})
        self.lacking.clear()

    def forget(self, changed: Collection[KeyTuple]) -> None:
        """Take rejected rows that have changed for others again: they may be fit to be loaded."""
        for text in [text for text, row in self.rejected.items() if row.key in changed]:
            del self.rejected[text]

    def buckets(self, spec: TableSpec) -> Buckets:
        return digests.buckets(self.target, self._of(spec))

    def digests(self, spec: TableSpec, buckets: Buckets) -> Mapping[str, Digest]:
        found = digests.digests(self.target, self._of(spec), buckets)
        for text, row in self.rejected.items():
            rows, total = found.get(bucket := buckets.name(text, row.key), (0, 0))
            found[bucket] = (rows + 1, total + digests.summand(row.hash))
        return found

    def rows(self, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> Mapping[str, Row]:
        found = digests.rows(self.target, self._of(spec), buckets, which)
        return found | {text: row for text, row in self.rejected.items() if buckets.name(text, row.key) in which}

    def unlike(self, spec: TableSpec, batch: Batch) -> Sequence[str]:
        return unlike(self.target, self.run, self._of(spec), batch)

    def _of(self, spec: TableSpec) -> TableSpec:
        return dataclasses.replace(spec, schema=STAGING, table=staging_name(self.run, spec.table), deletes="ignore")
