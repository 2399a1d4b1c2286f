"""The rows of one step: reading them from the source, coercing and counting them, and taking their figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bulketl.errors import SourceError
from bulketl.loading.sides import Source
from bulketl.plan.plan import TableLoad
from bulketl.rows.coerce import Batch, coerce
from bulketl.rows.figures import Both, Taken, all_of, both, floats_of, unequal
from bulketl.rows.quality import Counted, around, attested
from bulketl.tables.partitions import Partition
from bulketl.tables.slices import along_integers
from bulketl.tables.spec import TableSpec

MOST_ROWS = 2_000  # of a table that is read over a session with others: beyond, connectorx is faster
MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """The batches of a partition; each iteration reads it from the source anew, and takes its figures where asked."""

    source: Source
    spec: TableSpec
    partition: Partition
    sign: str
    taken: list[Both] = field(default_factory=list)
    begun: list[bool] = field(default_factory=list)
    of: list[int] = field(default_factory=list)

    def __iter__(self) -> Iterator[Batch]:
        if self.sign and self.begun:
            raise SourceError(
                f"table {self.spec.table!r}: Postgres refuses some of its rows, and to find them all bulketl would have to "
                "read it again, at another moment",
                hint="ask for consistency: re-read, which allows that; or correct the rows that `bulketl rejects` shows",
            )
        self.begun.append(True)
        self.taken.clear()
        self.of.clear()
        null_bits = self.source.null_bits(self.spec)
        for rows in self.source.read(self.spec, self.partition, self.sign):
            self.of.append(attested(rows))
            batch = coerce(rows, self.spec, null_bits, self.source.mask_key)
            if self.spec.certify:
                self.taken.append(both(batch, self.spec))
            yield batch

    def counting(self) -> Counted:
        """Return what says, after the read, how many rows the source has. Asked for before the read: it may count then.

        Nothing is counted while others wait, nor where the read itself proves how many there are.
        """
        if self.sign:
            return int
        if along_integers(self.spec, self.partition):
            return lambda _: sum(self.of)
        counted = [(self.spec, self.partition)]
        (before,) = self.source.count(counted)
        return lambda read: around([before], read, lambda: self.source.count(counted)[0])

    def held(self) -> Taken | None:
        """Return the figures of all batches, compared with the source."""
        return _compared(self.source, self.spec, self.partition, all_of(self.taken)) if self.spec.certify else None


def taken(source: Source, spec: TableSpec, partitions: Sequence[Partition], batch: Batch | None) -> Taken | None:
    """Return the figures of a small table, compared with the source, where they are asked for."""
    if not spec.certify or batch is None:
        return None
    return _compared(source, spec, partitions[0], both(batch, spec))


def _compared(source: Source, spec: TableSpec, partition: Partition, found: Both) -> Taken:
    """Compare figures with the figures of the source now: what was written to meanwhile differs, and is not certified.

    Of what is masked the figures before that are compared; but for how many values there were they go no further.
    """
    against = unequal(found.before, source.figures(spec, partition), floats_of(spec.unmasked))
    masked = {item.column: found.before.get(f"{item.column} count") or "0" for item in spec.masked}
    return Taken(found.after, tuple(against), masked)


def read_together(source: Source, loads: Sequence[TableLoad]) -> tuple[list[Batch | None], list[int]]:
    """Return the rows of each table of a group, None where the plan found none, and how many the source has.

    The small ones are read over one session.
    """
    tiny = [n for n, load in enumerate(loads) if load.partitions and _is_small(load)]
    pieces = [(loads[n].spec, loads[n].partitions[0]) for n in tiny]
    together = dict(zip(tiny, source.read_small(pieces), strict=True)) if len(pieces) > 1 else {}
    batches: list[Batch | None] = []
    of: list[int] = []
    for n, load in enumerate(loads):
        rows = together.get(n)
        if rows is None and load.partitions:
            (rows,) = source.read(load.spec, load.partitions[0])
        batches.append(None if rows is None else coerce(rows, load.spec, source.null_bits(load.spec), source.mask_key))
        of.append(0 if rows is None else attested(rows))
    return batches, _counted(source, loads, of)


def _counted(source: Source, loads: Sequence[TableLoad], of: Sequence[int]) -> list[int]:
    """Return how many rows each table should have: what its read proves, else what the plan counted.

    Where the plan's count is not what was read, the source counts again.
    """
    proved = [not _is_small(load) and any(along_integers(load.spec, part) for part in load.partitions) for load in loads]
    differ = [n for n, load in enumerate(loads) if of[n] != load.rows and load.partitions and not proved[n]]
    pieces = [(loads[n].spec, loads[n].partitions[0]) for n in differ]
    after = source.count(pieces) if pieces else []
    expected = list(of)
    for n, piece, rows in zip(differ, pieces, after, strict=True):
        expected[n] = around([loads[n].rows, rows], of[n], lambda piece=piece: source.count([piece])[0])  # type: ignore[misc]
    return expected


def _is_small(load: TableLoad) -> bool:
    return load.rows <= MOST_ROWS and load.bytes <= MOST_BYTES
