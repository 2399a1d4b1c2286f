"""Finding what differs between a table and its source without moving the rows, and mending it.

Both servers hash their rows by buckets of the key. bulketl fetches keys and row hashes only for buckets that differ, and
reads rows again only for keys that differ. It asks the target before the source. So a row that the source gets meanwhile
is missing in the target and is added, and bulketl takes no existing row for gone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bulketl.tables.partitions import KeyTuple, Partition
from bulketl.tables.spec import TableSpec

if TYPE_CHECKING:  # who compares hashes moves no rows, and neither Arrow nor Polars is quick to load
    import pyarrow as pa

    from bulketl.rows.coerce import Batch

Digest = tuple[int, int]  # rows, and the sum of their hashes
KEYS_READ = 2000  # rows fetched by their keys in one query
KEYS_LISTED = 25_000  # at most in memory at once, of each side: some 20 MB
BUCKETS_LISTED = 32  # at once where a bucket is a hash of the key, and each listing reads the whole table
MASKED_ROWS = 100_000  # at once in memory, with their masked columns and their key
HASHED_TOGETHER = 60  # tables in one query
QUERY_BYTES = 256 << 10  # of a query for many tables: a server may refuse a longer one than 1 MB


@dataclass(frozen=True, slots=True)
class Buckets:
    """How keys fall into buckets: `width` consecutive integers each, or 0: by a hash of the key."""

    width: int = 0

    @property
    def at_once(self) -> int:
        """How many buckets are listed at once. A range of integers has no more keys than it has numbers."""
        return max(1, KEYS_LISTED // self.width) if self.width else BUCKETS_LISTED

    def of(self, key: int) -> int:
        """Return the bucket of an integer key, if they are by ranges."""
        return key // self.width if key >= 0 else -(-key // self.width)

    def name(self, text: str, key: KeyTuple) -> str:
        """Return the name of a row's bucket, from the text of its key and the key."""
        return str(self.of(int(str(key[0])))) if self.width else text[:3]

    def range(self, bucket: int) -> tuple[int, int]:
        """Return the first and last key of a bucket; division goes towards zero, so bucket 0 lies on both sides of it."""
        lo = bucket * self.width if bucket > 0 else (bucket - 1) * self.width + 1
        hi = (bucket + 1) * self.width - 1 if bucket >= 0 else bucket * self.width
        return lo, hi


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it is listed: its key as the server gave it, and its hash."""

    key: KeyTuple
    hash: str


class Here(Protocol):
    """What reconciling needs of the source."""

    def digests(self, spec: TableSpec, buckets: Buckets) -> Mapping[str, Digest]:
        """Return rows and hash per bucket."""
        ...

    def rows(self, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> Mapping[str, Row]:
        """Return the rows of some buckets by the text of their key."""
        ...

    def read(self, spec: TableSpec, partition: Partition) -> Iterator[pa.Table]:
        """Yield rows as for a load."""
        ...

    def read_within(self, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> pa.Table:
        """Return the rows of some buckets, as for a load."""
        ...

    def null_bits(self, spec: TableSpec) -> list[list[str]]:
        """Return the columns of each mask that `read` appends."""
        ...

    @property
    def mask_key(self) -> str:
        """The key of masks, '' for none."""
        ...


class Compared(Protocol):
    """What comparing needs of the target."""

    def buckets(self, spec: TableSpec) -> Buckets:
        """Return how to divide the table's keys."""
        ...

    def digests(self, spec: TableSpec, buckets: Buckets) -> Mapping[str, Digest]:
        """Return rows and hash per bucket."""
        ...

    def rows(self, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> Mapping[str, Row]:
        """Return the rows of some buckets by the text of their key."""
        ...

    def unlike(self, spec: TableSpec, batch: Batch) -> Sequence[str]:
        """Return the texts of the keys of rows that the table has otherwise than a batch; one that it lacks is none."""
        ...


class There(Compared, Protocol):
    """What mending needs of the target."""

    def mend(
        self, spec: TableSpec, found: Differences, read: Callable[[], Iterable[Batch]]
    ) -> tuple[Mapping[str, int], int]:
        """Bring rows in, treat those that are gone as `spec.deletes` says, note the comparison; one transaction.

        `read` may be called twice. Return what the run has put into the table's audit trail, by kind, and how many rows
        were rejected.
        """
        ...


@dataclass(frozen=True, slots=True)
class Differences:
    """Keys of rows that the target lacks, that differ, that the source has no longer; `rows`: of the target before.

    `equal`: one statement of the source found nothing else than the target has, so that is of one moment. Where rows
    move while they are compared there may be no difference left when they are listed, and still no such moment.
    `noted`: what mending them put into the audit trail, by kind; `rejected`: how many of the rows were rejected.
    """

    missing: tuple[KeyTuple, ...] = ()
    differing: tuple[KeyTuple, ...] = ()
    gone: tuple[KeyTuple, ...] = ()
    rows: int = 0
    equal: bool = False
    noted: Mapping[str, int] = field(default_factory=dict)
    rejected: int = 0


def compare_rows(
    here: Here, there: Compared, spec: TableSpec, lacking: Callable[[str, Row], None] = lambda _text, _row: None
) -> Differences:
    """Return what differs. For n rows that differ about n keys of each bucket with one are moved, and no rows.

    `lacking` gets each row that the target lacks, with the text of its key.
    """
    buckets = there.buckets(spec)
    theirs = there.digests(spec, buckets)
    ours = here.digests(spec, buckets)
    unequal = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
    missing: list[KeyTuple] = []
    differing: list[KeyTuple] = []
    gone: list[KeyTuple] = []
    for some in (unequal[n : n + buckets.at_once] for n in range(0, len(unequal), buckets.at_once)):
        old = there.rows(spec, buckets, some)
        new = here.rows(spec, buckets, some)
        for text, row in new.items():
            if text not in old:
                missing.append(row.key)
                lacking(text, row)
        differing += [row.key for text, row in new.items() if text in old and old[text].hash != row.hash]
        gone += [row.key for text, row in old.items() if text not in new]
    if spec.masked:
        known = set(differing)
        differing += [key for key in _masked_otherwise(here, there, spec, buckets, ours) if key not in known]
    rows, equal = sum(rows for rows, _ in theirs.values()), not (unequal or differing)
    return Differences(tuple(missing), tuple(differing), tuple(gone), rows, equal)


def _masked_otherwise(
    here: Here, there: Compared, spec: TableSpec, buckets: Buckets, ours: Mapping[str, Digest]
) -> Iterator[KeyTuple]:
    """Yield the keys of rows that differ in what is masked, which no hash covers: they are read and masked once more."""
    from bulketl.rows.coerce import coerce

    narrow = spec.narrowed(item.column for item in spec.masked)
    for which in _in_memory(ours):
        rows = here.read_within(narrow, buckets, which)
        batch = coerce(rows, narrow, here.null_bits(narrow), here.mask_key)
        if unlike := there.unlike(narrow, batch):
            listed = here.rows(spec, buckets, which)
            yield from (listed[text].key for text in unlike if text in listed)


def _in_memory(ours: Mapping[str, Digest]) -> Iterator[list[str]]:
    """Yield the buckets in groups of MASKED_ROWS rows, or one bucket."""
    some: list[str] = []
    count = 0
    for name, (rows, _) in sorted(ours.items()):
        if some and count + rows > MASKED_ROWS:
            yield some
            some, count = [], 0
        some.append(name)
        count += rows
    if some:
        yield some


def reconcile(here: Here, there: There, spec: TableSpec, read: Callable[[], None] = lambda: None) -> Differences:
    """Compare, read again what is missing or differs, and bring it into the target; return what was found.

    Raise DataError when more rows are gone than may go, and what `read` raises, which is called when rows were read again:
    then nothing is mended.
    """
    found = compare_rows(here, there, spec)
    keys = (*found.missing, *found.differing)
    noted, rejected = there.mend(spec, found, lambda: _then(reread(here, spec, keys), read) if keys else iter(()))
    return dataclasses.replace(found, noted=noted, rejected=rejected)


def _then(batches: Iterator[Batch], read: Callable[[], None]) -> Iterator[Batch]:
    yield from batches
    read()


def reread(here: Here, spec: TableSpec, keys: Sequence[KeyTuple]) -> Iterator[Batch]:
    """Yield the source's rows with these keys, KEYS_READ at a time."""
    from bulketl.rows.coerce import coerce

    null_bits = here.null_bits(spec)
    for n in range(0, len(keys), KEYS_READ):
        partition = Partition(n // KEYS_READ, columns=spec.key, only=tuple(keys[n : n + KEYS_READ]))
        for rows in here.read(spec, partition):
            yield coerce(rows, spec, null_bits, here.mask_key)


def batches(selects: Sequence[str]) -> Iterator[list[int]]:
    """Yield the positions of SELECTs that one query carries out, HASHED_TOGETHER or QUERY_BYTES of them at most."""
    some: list[int] = []
    length = 0
    for n, text in enumerate(selects):
        if some and (len(some) == HASHED_TOGETHER or length + len(text) > QUERY_BYTES):
            yield some
            some, length = [], 0
        some.append(n)
        length += len(text)
    if some:
        yield some


def united(selects: Sequence[str], which: Sequence[int]) -> str:
    """Return one query for these of the SELECTs, given without that word; its rows begin with their positions."""
    return " UNION ALL ".join(f"SELECT {n}, {selects[n]}" for n in which)
