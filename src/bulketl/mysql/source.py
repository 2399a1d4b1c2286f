"""The source as a load sees it: the counterpart of `bulketl.postgres.target`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import pyarrow as pa

from bulketl.mysql import digests
from bulketl.mysql.discover import column_types
from bulketl.mysql.locks import TableGate, TableLock, gated, locked
from bulketl.mysql.read import count, figures, null_bits, read, read_where
from bulketl.mysql.server import MySQL
from bulketl.mysql.small import read_small
from bulketl.rows.reconcile import Buckets, Digest, Row
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec


@dataclasses.dataclass(frozen=True, slots=True)
class MySQLSource:
    """The source as the engine sees it."""

    mysql: MySQL

    def read(self, spec: TableSpec, partition: Partition, sign: str = "") -> Iterator[pa.Table]:
        """Yield the partition's rows in Arrow; with a sign, as they are when that named lock is taken."""
        return read(self.mysql, spec, partition, sign)

    def read_small(self, pieces: Sequence[tuple[TableSpec, Partition]]) -> Iterator[pa.Table | None]:
        """Yield the rows of each small table, all over one session; None for one that is to be read by itself."""
        return read_small(self.mysql, pieces)

    def count(self, pieces: Sequence[tuple[TableSpec, Partition]]) -> list[int]:
        """Count the rows of some partitions, in one query."""
        return count(self.mysql, pieces)

    def figures(self, spec: TableSpec, partition: Partition) -> Mapping[str, str | None]:
        """Return the figures of a certificate over a partition's rows as they are now."""
        return figures(self.mysql, spec, partition)

    def types(self, tables: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return the types of the columns of each table as they are now, in one query."""
        return column_types(self.mysql, tables)

    def locked(self, spec: TableSpec) -> AbstractContextManager[TableLock]:
        """Keep everybody from writing to the table for a while."""
        return locked(self.mysql, spec)

    def gated(self, spec: TableSpec, sign: str) -> AbstractContextManager[TableGate]:
        """Keep the gate shut at which readers with such signs wait."""
        return gated(self.mysql, spec, sign)

    def digests(self, spec: TableSpec, buckets: Buckets) -> Mapping[str, Digest]:
        """Return rows and hash per bucket."""
        return digests.digests(self.mysql, spec, buckets)

    def rows(self, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> Mapping[str, Row]:
        """Return key and hash of every row in some buckets."""
        return digests.rows(self.mysql, spec, buckets, which)

    @property
    def mask_key(self) -> str:
        """The key of masks, '' for none."""
        return self.mysql.mask_key

    def read_within(self, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> pa.Table:
        """Return the rows of some buckets in Arrow."""
        return read_where(self.mysql, spec, digests.within(spec, buckets, which))

    def null_bits(self, spec: TableSpec) -> list[list[str]]:
        """Return the columns of each mask at the end of a row."""
        return null_bits(spec)
