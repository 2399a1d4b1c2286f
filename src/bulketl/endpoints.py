"""Source and target as the configuration names them, and as the engine sees them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import getpass
import os
import secrets
import socket
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import pyarrow as pa

from bulketl.config.config import Config
from bulketl.errors import ConfigError
from bulketl.mysql import MySQL, compare
from bulketl.mysql.discover import column_types
from bulketl.mysql.locks import Gate, TableLock, gated, locked
from bulketl.mysql.read import count, figures, masked, read
from bulketl.postgres import LEDGER, STAGING, Postgres
from bulketl.rows.reconcile import Buckets, Digest, Row
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec

End = TypeVar("End", MySQL, Postgres)


@dataclasses.dataclass(frozen=True, slots=True)
class MySQLSource:
    """The source as the engine sees it."""

    mysql: MySQL

    def read(self, spec: TableSpec, partition: Partition, sign: str = "") -> Iterator[pa.Table]:
        """Yield the partition's rows in Arrow; with a sign, as they are when that named lock is taken."""
        return read(self.mysql, spec, partition, sign)

    def count(self, pieces: Sequence[tuple[TableSpec, Partition]]) -> list[int]:
        """Count the rows of some partitions, in one query."""
        return count(self.mysql, pieces)

    def figures(self, spec: TableSpec, partition: Partition) -> Mapping[str, str | None]:
        """Return the figures of a certificate over a partition's rows as they are now."""
        return figures(self.mysql, spec, partition)

    def types(self, table: str) -> Mapping[str, str]:
        """Return the types of a table's columns as they are now."""
        return column_types(self.mysql, table)

    def locked(self, spec: TableSpec) -> AbstractContextManager[TableLock]:
        """Keep everybody from writing to the table for a while."""
        return locked(self.mysql, spec)

    def gated(self, spec: TableSpec, sign: str) -> AbstractContextManager[Gate]:
        """Keep the gate shut at which readers with such signs wait."""
        return gated(self.mysql, spec, sign)

    def digests(self, spec: TableSpec, buckets: Buckets) -> Mapping[str, Digest]:
        """Return rows and hash per bucket."""
        return compare.digests(self.mysql, spec, buckets)

    def rows(self, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> Mapping[str, Row]:
        """Return key and hash of every row in some buckets."""
        return compare.rows(self.mysql, spec, buckets, which)

    def masked(self, spec: TableSpec) -> list[list[str]]:
        """Return the columns of each mask at the end of a row."""
        return masked(spec)


def endpoints(config: Config) -> tuple[MySQL, Postgres]:
    """Return source and target; raise ConfigError naming what is not set."""
    return source_of(config), target_of(config)


def source_of(config: Config) -> MySQL:
    """Return the source; raise ConfigError when it is not set."""
    return _noted(MySQL(_uri(config.source, "source"), stall_seconds=config.stall_seconds))


def target_of(config: Config) -> Postgres:
    """Return the target; raise ConfigError when it is not set, or the schema cannot be loaded into."""
    if config.target_schema in (LEDGER, STAGING, "information_schema") or config.target_schema.startswith("pg_"):
        whose = "bulketl's own" if config.target_schema in (LEDGER, STAGING) else "the system's"
        raise ConfigError(
            f"the target schema cannot be {config.target_schema!r}: it is {whose}", hint="choose another with --schema"
        )
    return _noted(Postgres(_uri(config.target, "target"), stall_seconds=config.stall_seconds))


def _noted(end: End) -> End:
    """Warn once, wherever this was asked for, of a word for TLS that has another meaning or a newer name."""
    if note := end.protection.note:
        warnings.warn(note, UserWarning, stacklevel=2)
    return end


def _uri(value: str, name: str) -> str:
    if not value:
        raise ConfigError(
            f"no {name} is set",
            hint=f"set BULKETL_{name.upper()} to its URI, or {name}: in config/bulketl.yaml",
        )
    return value


def person() -> str:
    """Return who runs this, as the operating system knows them, and on which machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"


def new_run() -> str:
    """Return a run's name: UTC time and four random hex digits. Of two within a second the ledger knows which came first."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
