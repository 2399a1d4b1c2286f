"""What a server has: columns, keys, tables, as plain values.

The catalog is read from the live source in every run; the configuration is policy and never describes columns.
Nothing here decides anything and nothing here opens anything: reading it is the job of `bulketl.mysql.discover`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `type` is spelt as MySQL spells it, `int(10) unsigned`; `readable` is false without SELECT on it."""

    name: str
    type: str
    nullable: bool
    default: str | None = None
    comment: str = ""
    charset: str = ""
    extra: str = ""
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Key:
    """An index. `whole` is false when it holds prefixes or expressions, or is not ordered (hash, full text, spatial)."""

    name: str
    columns: tuple[str, ...]
    unique: bool
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A base table. `rows` is exact on MyISAM and an estimate on InnoDB; `bytes` is the data's size without indexes.

    `references` are the tables its declared foreign keys point to. `changed_at` is when the server says that its rows were
    last changed, '' when it does not know, or so short ago that more may follow within the same second.
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()
    rows: int = 0
    bytes: int = 0
    engine: str = "InnoDB"
    comment: str = ""
    references: tuple[str, ...] = ()
    changed_at: str = ""

    def keeps_unique(self, columns: Sequence[str]) -> bool:
        """Tell whether a unique index keeps two rows from having the same values in these columns."""
        return any(key.unique and key.whole and set(columns).issuperset(key.columns) for key in self.keys)

    def column(self, name: str) -> Column:
        """Return the column called `name`; raise KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Catalog:
    """A database: its identity without secrets, the server's version, the zone it shows TIMESTAMPs in, its tables.

    `connections`: how many this user may have at once, 0 when unknown. `offset`: by how many seconds its clock is ahead of
    UTC's.
    """

    identity: str
    version: str
    zone: str
    tables: tuple[Table, ...]
    connections: int = 0
    offset: int = 0

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables)


@dataclass(frozen=True, slots=True)
class TargetTable:
    """A table as Postgres has it now, and what hangs on it.

    `columns` are (name, type) with types spelt as in `bulketl.casts`. `views` are the plain views that a swap saves
    and recreates, `materialized` the others. `hanging` describes everything a swap would lose, materialized views
    included; `referenced` is true when foreign keys of other tables point here, so that it cannot be truncated
    either. `grants` are the rights others have on it; a swap carries them over. `seen` is a hash of all that, to
    notice what appears later. `partitioned`: its rows are those of its partitions. `acting`: triggers,
    rules or row security act on rows that are written to it.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    primary_key: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    hanging: tuple[str, ...] = ()
    materialized: tuple[str, ...] = ()
    referenced: bool = False
    seen: str = ""
    grants: tuple[str, ...] = ()
    partitioned: bool = False
    acting: bool = False
