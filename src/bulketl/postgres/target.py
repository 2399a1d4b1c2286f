"""The steps of a load, as Postgres carries them out: each is one transaction and may be tried again at any time.

A step that has committed, and whose answer was lost, finds its own record in the ledger and returns what that says.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from bulketl.errors import DataError
from bulketl.postgres.compare import digests
from bulketl.postgres.compare.examine import unlike
from bulketl.postgres.compare.figures import figures
from bulketl.postgres.compare.settle import settle
from bulketl.postgres.ddl import batch, name, staging, staging_name
from bulketl.postgres.joins import BY_HASH, PLANNING
from bulketl.postgres.ledger import entries
from bulketl.postgres.ledger.entries import CopyResult
from bulketl.postgres.ledger.made import reserving, started
from bulketl.postgres.ledger.previous import keeping
from bulketl.postgres.server import STAGING, Postgres
from bulketl.postgres.write import table_checks
from bulketl.postgres.write.copy import TEMPORARY, close, copy, transaction
from bulketl.postgres.write.enums import make_types
from bulketl.postgres.write.guard import guard
from bulketl.postgres.write.noted import note
from bulketl.postgres.write.outcome import PublishResult, arrived, outcomes, plus_batch, too_bad, too_many
from bulketl.postgres.write.publish import into, publish
from bulketl.postgres.write.recording import recording
from bulketl.postgres.write.refused import without_refused
from bulketl.postgres.write.refusing import placing, reject_staged, without_refusing
from bulketl.postgres.write.rows import mend
from bulketl.postgres.write.secondary import freeing, giving
from bulketl.postgres.write.stage import (
    BESIDE,
    beside,
    counting_group,
    drop_staged,
    emptied,
    keyed,
    place,
    placed,
    preparing,
    temporary,
    temporary_name,
)
from bulketl.rows import quality
from bulketl.rows.coerce import KEPT_REJECTS, Batch
from bulketl.rows.quality import Arrived, Counted
from bulketl.rows.reconcile import Buckets, Differences, Digest, Here, Row
from bulketl.rows.reject import Reject
from bulketl.tables.checks import Counts
from bulketl.tables.partitions import Partition
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TableSpec

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    """The target of one run; small and picklable. Its connections belong to the threads that work, until `close`."""

    postgres: Postgres
    run: str

    def prepare(self, spec: TableSpec) -> None:
        """Create the staging table, anew if an earlier try did."""
        make_types(self.postgres, self.run, [spec])
        with self._transaction(spec) as cursor:
            cursor.execute(batch(preparing(self.run, spec)))

    def discard(self, spec: TableSpec) -> None:
        """Drop the staging table of one that failed, so that its room is free for others."""
        with self._transaction(spec) as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {staging(self.run, spec.table)}")

    def load(self, spec: TableSpec, partition: Partition, batches: Iterable[Batch], counted: Counted = int) -> CopyResult:
        """Copy a partition into the staging table, with its record and its rejects, in one transaction.

        The first batch is taken before the transaction begins. When Postgres refuses rows, they are rejected: a range is in
        memory, and a stream is read anew, by another iteration over `batches`. Raise DataError when more rows than allowed
        are rejected, or a check fails. `counted` says how many rows the source had, given those read.
        """
        return self._tried(spec, partition, batches, lambda some: self._load(spec, partition, some, counted))

    def _tried(
        self, spec: TableSpec, partition: Partition, batches: Iterable[Batch], load: Callable[[Iterable[Batch]], T]
    ) -> T:
        """Load the batches, and again without the rows that Postgres refused; keep what makes the table fail."""
        reading = (piece for piece in batches)
        first = next(reading)
        try:
            try:
                with contextlib.closing(reading):
                    return load(chain([first], reading))
            except DataError as error:
                if partition.stream:
                    again = (without_refused(self.postgres, self.run, spec, piece) for piece in batches)
                    with contextlib.closing(again):
                        return load(again)
                if (found := self._fixed(spec, first, error, lambda fixed: load([fixed]))) is None:
                    raise
                return found
        except _RejectedError as rejected:
            self._keep_rejects(spec, partition.index, rejected.rejects)
            raise rejected.reason from None

    def _fixed(
        self, spec: TableSpec, batch: Batch, error: DataError, load: Callable[[Batch], T], *, whole: bool = False
    ) -> T | None:
        """Load a batch without the rows that its columns refuse, and then those that its table does; None if none is."""
        for without in (without_refused, without_refusing):
            if without is without_refusing and not placing(error):
                break
            fixed = without(self.postgres, self.run, spec, batch, whole=whole)
            if fixed.good.num_rows < batch.good.num_rows:
                try:
                    return load(fixed)
                except DataError as again:
                    if without is without_refusing or not placing(again):
                        raise
                    batch, error = fixed, again
        return None

    def _load(self, spec: TableSpec, partition: Partition, batches: Iterable[Batch], counted: Counted) -> CopyResult:
        with self._transaction(spec) as cursor:
            cursor.execute(entries.claim(self.run, spec, partition.index))
            if not cursor.fetchall():
                return self._recorded(cursor, spec, partition.index)
            stage = (STAGING, staging_name(self.run, spec.table))
            total = self._copied(cursor, spec, partition, batches, counted, stage)
            cursor.execute(entries.completed(self.run, spec, partition.index, total))
            return total

    def _recorded(self, cursor: Any, spec: TableSpec, partition: int) -> CopyResult:
        cursor.execute(entries.earlier(self.run, spec, partition))
        rows, rejects, size, changed, checks, expected = cursor.fetchall()[0]
        return CopyResult(rows, rejects, size, json.loads(changed), json.loads(checks), expected)

    def publish(self, spec: TableSpec) -> PublishResult:
        """Build the key, compare the counts of every partition, make the table visible; return what that did.

        Rows that the table refuses, by a constraint perhaps, are rejected. Raise DataError when they are too many.
        """
        try:
            return self._publish(spec)
        except DataError as error:
            refused = reject_staged(self.postgres, self.run, spec) if placing(error) else 0
            if not refused:
                raise
        return dataclasses.replace(self._publish(spec), rejects=refused)

    def _publish(self, spec: TableSpec) -> PublishResult:
        with self._transaction(spec) as cursor:
            cursor.execute(entries.claim_publish(self.run, spec))  # waits for an earlier try that is still at work
            if not cursor.fetchall():
                return self._done(cursor, spec)
            cursor.execute(batch([*started(self.run, spec), *keyed(self.run, spec), PLANNING, BY_HASH]))
            counts = self._compare(cursor, spec)
            rows, rejects = sum(item.rows for item in counts), sum(item.rejects for item in counts)
            if rejects > spec.rejectable(rows + rejects):
                raise too_many(spec, rejects, self.run)
            score = quality.hold(spec, counts)
            guard(cursor, spec, rows, staging(self.run, spec.table))
            taken = figures(cursor, spec, staging(self.run, spec.table))
            # Rows that replace the table are checked before anybody has to wait for its lock, others where they have come.
            replaced = spec.publish not in BESIDE
            found = table_checks.hold(cursor, [spec], [staging(self.run, spec.table)]) if replaced else []
            publish(cursor, self.run, spec)
            found = found or table_checks.hold(cursor, [spec])
            cursor.execute(batch([*giving(spec), *recording(self.run, spec, rows, score), *self._noted([spec], found)]))
            return dataclasses.replace(self._done(cursor, spec), figures=taken)

    def settle(self, spec: TableSpec, source: Here) -> None:
        """Read again what differs between the staged rows and the source, until nothing does."""
        settle(self.postgres, self.run, spec, source)

    def _noted(self, specs: Sequence[TableSpec], found: Sequence[Counts]) -> list[str]:
        return [entries.checked(self.run, spec, counts) for spec, counts in zip(specs, found, strict=True) if counts]

    def load_chunk(
        self, spec: TableSpec, partition: Partition, batches: Iterable[Batch], last: bool, counted: Counted = int
    ) -> tuple[CopyResult, PublishResult]:
        """Merge a partition's rows into the table and move its watermark, in one transaction.

        The `last` chunk moves it to the end. Raise DataError as `load` does.
        """
        if partition.index > 0:  # the first chunk has altered the table
            spec = dataclasses.replace(spec, added=(), widened=(), unindexed=())
        make_types(self.postgres, self.run, [spec])
        return self._tried(spec, partition, batches, lambda some: self._load_chunk(spec, partition, some, last, counted))

    def _load_chunk(
        self, spec: TableSpec, partition: Partition, batches: Iterable[Batch], last: bool, counted: Counted
    ) -> tuple[CopyResult, PublishResult]:
        with self._transaction(spec) as cursor:
            cursor.execute(entries.claim(self.run, spec, partition.index))
            if not cursor.fetchall():
                return self._recorded(cursor, spec, partition.index), self._done(cursor, spec)
            claimed = entries.claim_publish(self.run, spec, returning=False)
            kept = [*reserving(self.run, [spec]), *keeping(self.run, spec)]
            cursor.execute(batch([claimed, *kept, *freeing(spec), temporary(0, spec)]))
            total = self._copied(cursor, spec, partition, batches, counted, (TEMPORARY, temporary_name(0)))
            self._compare_group(cursor, [spec], [total])
            score = quality.hold(spec, [arrived(partition.index, total)])
            taken = figures(cursor, spec, name(TEMPORARY, temporary_name(0)))
            reached = spec if last or partition.mark else dataclasses.replace(spec, watermark=None)
            record = entries.completed(self.run, spec, partition.index, total)
            merging = into(self.run, spec, name(TEMPORARY, temporary_name(0)))
            records = [*merging, *(giving(spec) if last else []), record]
            records += recording(self.run, reached, total.rows, score, mark=partition.mark or None)
            cursor.execute(batch(records))
            if last and (noted := self._noted([spec], table_checks.hold(cursor, [spec]))):
                cursor.execute(batch(noted))
            return dataclasses.replace(total, figures=taken), self._done(cursor, spec)

    def _copied(
        self,
        cursor: Any,
        spec: TableSpec,
        partition: Partition,
        batches: Iterable[Batch],
        counted: Counted,
        place: tuple[str, str],
    ) -> CopyResult:
        """Copy the batches into a table and note their rejects; return what the partition has then. Raise _RejectedError."""
        total, read = CopyResult(), 0
        some: list[Reject] = []
        for piece in batches:
            total, read = plus_batch(total, piece, spec), read + piece.read
            some = [*some, *piece.rejects][:KEPT_REJECTS]
            if reason := too_bad(spec, piece, total.rejects, read, self.run):
                raise _RejectedError(reason, piece.failing or some)
            copy(cursor, piece.good, spec, *place)
            note(cursor, self.run, spec, partition.index, piece.rejects)
        return dataclasses.replace(total, expected=counted(read))

    def _done(self, cursor: Any, spec: TableSpec) -> PublishResult:
        return outcomes(cursor, self.run, [spec])[0]

    def _compare(self, cursor: Any, spec: TableSpec) -> list[Arrived]:
        """Compare staged rows and rejects with the records of the partitions; return what has arrived of each."""
        stage = staging(self.run, spec.table)
        cursor.execute(entries.counting(self.run, spec, stage))
        found = cursor.fetchall()
        if not found or found[0][0] != sum(rows for _, _, rows, *_ in found):
            cursor.execute(entries.placing(self.run, spec, stage))
            places = (f"{rows} of partition {at}, and Postgres counts {there}" for at, rows, there in cursor.fetchall())
            raise _miscounted(spec, f"of the rows copied, on record are {'; '.join(places)}")
        for _, partition, rows, rejects, kept, _ in found:
            if rejects != kept:
                copied = f"of partition {partition} {count_of(rows, 'row', 'was')} copied and {rejects} rejected"
                raise _miscounted(spec, f"{copied}, and Postgres counts {rows} and {kept}")
        return [Arrived(partition, rows, rejects, expected) for _, partition, rows, rejects, _, expected in found]

    def load_group(
        self, specs: Sequence[TableSpec], batches: Sequence[Batch | None], expected: Sequence[int] = ()
    ) -> list[tuple[CopyResult, PublishResult]]:
        """Write small tables straight into place, all in one transaction; None is a table without rows to copy.

        `expected`: how many rows each has, by default those read. Raise DataError if any cannot be loaded; then none is.
        """
        expected = expected or [piece.read if piece else 0 for piece in batches]
        make_types(self.postgres, self.run, specs)
        try:
            return self._load_group(specs, batches, expected)
        except DataError as error:
            only = batches[0]
            if len(specs) > 1 or only is None:
                raise
            found = self._fixed(specs[0], only, error, lambda fixed: self._load_group(specs, [fixed], expected), whole=True)
            if found is None:
                raise
            return found

    def _load_group(
        self, specs: Sequence[TableSpec], batches: Sequence[Batch | None], expected: Sequence[int]
    ) -> list[tuple[CopyResult, PublishResult]]:
        for spec, piece in zip(specs, batches, strict=True):
            if piece:  # a table that is not alone comes back so, and what is wrong with it is kept then
                self._within_limit(spec, 0, piece, whole=True, keep=len(specs) == 1)
        with transaction(self.postgres, self.run, ", ".join(spec.table for spec in specs), specs[0].encoder) as cursor:
            cursor.execute(entries.claim_publish(self.run, specs[0]))
            if not cursor.fetchall():  # the whole group was committed before
                return list(
                    zip((self._recorded(cursor, spec, 0) for spec in specs), outcomes(cursor, self.run, specs), strict=True)
                )
            emptying = (s for n, spec in enumerate(specs) for s in (*freeing(spec), *emptied(self.run, n, spec)))
            kept = (statement for spec in specs for statement in keeping(self.run, spec))
            cursor.execute(batch([*kept, *reserving(self.run, specs), *emptying]))
            done = []
            records = [entries.claim_publish(self.run, spec, returning=False) for spec in specs[1:]]
            for n, (spec, piece) in enumerate(zip(specs, batches, strict=True)):
                total = dataclasses.replace(plus_batch(CopyResult(), piece, spec), expected=expected[n])
                if piece:
                    copy(cursor, piece.good, spec, *place(n, spec))
                    note(cursor, self.run, spec, 0, piece.rejects)
                done.append(total)
            self._compare_group(cursor, specs, done)
            for n, (spec, total) in enumerate(zip(specs, done, strict=True)):
                score = quality.hold(spec, [arrived(0, total)])
                done[n] = dataclasses.replace(total, figures=figures(cursor, spec, placed(n, spec)))
                guard(cursor, spec, total.rows, placed(n, spec))
                records.append(entries.partition(self.run, spec, 0, done[n]))
                if beside(spec):
                    records += into(self.run, spec, name(*place(n, spec)))
                records += [*giving(spec), *recording(self.run, spec, total.rows, score)]
            cursor.execute(batch(records))
            if noted := self._noted(specs, table_checks.hold(cursor, specs)):
                cursor.execute(batch(noted))
            return list(zip(done, outcomes(cursor, self.run, specs), strict=True))

    def _compare_group(self, cursor: Any, specs: Sequence[TableSpec], done: Sequence[CopyResult]) -> None:
        cursor.execute(counting_group(specs))
        for n, counted in cursor.fetchall():
            if counted != done[n].rows:
                raise DataError(
                    f"table {specs[n].table!r}: {count_of(done[n].rows, 'row', 'was')} read, and Postgres counts {counted}",
                    hint="a trigger on the target table may be at work; nothing was changed",
                )

    def _within_limit(
        self, spec: TableSpec, partition: int, piece: Batch, *, whole: bool = False, keep: bool = True
    ) -> None:
        if reason := too_bad(spec, piece, len(piece.rejects), piece.read, self.run, whole=whole):
            if keep:
                self._keep_rejects(spec, partition, piece.failing or piece.rejects)
            raise reason

    def _keep_rejects(self, spec: TableSpec, partition: int, rejects: Sequence[Reject]) -> None:
        with self._transaction(spec) as cursor:
            note(cursor, self.run, spec, partition, rejects[:KEPT_REJECTS])

    def buckets(self, spec: TableSpec) -> Buckets:
        """Return how to divide the table's keys for a comparison."""
        return digests.buckets(self.postgres, spec)

    def digests(self, spec: TableSpec, buckets: Buckets) -> Mapping[str, Digest]:
        """Return rows and hash per bucket."""
        return digests.digests(self.postgres, spec, buckets)

    def rows(self, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> Mapping[str, Row]:
        """Return key and hash of every row in some buckets."""
        return digests.rows(self.postgres, spec, buckets, which)

    def unlike(self, spec: TableSpec, batch: Batch) -> Sequence[str]:
        """Return the texts of the keys of rows that the table has otherwise than a batch."""
        return unlike(self.postgres, self.run, spec, batch)

    def mend(self, spec: TableSpec, found: Differences, read: Callable[[], Iterable[Batch]]) -> tuple[dict[str, int], int]:
        """Mend what a comparison found, in one transaction; return the entries of the audit trail by kind, and rejects."""
        return mend(self.postgres, self.run, spec, found, read)

    def sweep(self) -> None:
        """Drop the staging tables this run has left."""
        with self.postgres.connect() as connection:
            drop_staged(connection, self.run)

    def close(self) -> None:
        """Close the connections of every thread that worked for this run."""
        close(self.run)

    def _transaction(self, spec: TableSpec) -> AbstractContextManager[Any]:
        return transaction(self.postgres, self.run, f"table {spec.table!r}", spec.encoder)


def _miscounted(spec: TableSpec, what: str) -> DataError:
    return DataError(
        f"table {spec.table!r}: {what}",
        hint="load the table again; if it happens again, report it: rows must never differ",
    )


class _RejectedError(Exception):
    """Ends the copy of a partition with rows that are to be kept for people to look at, once it is rolled back."""

    def __init__(self, reason: DataError, rejects: Sequence[Reject]) -> None:
        super().__init__(reason.message)
        self.reason, self.rejects = reason, rejects
