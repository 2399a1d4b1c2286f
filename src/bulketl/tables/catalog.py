"""What a server has: columns, keys, tables, as plain values.

The catalog is read from the live source in every run; the configuration is policy and never describes columns.
Nothing here decides anything and nothing here opens anything: reading it is the job of `bulketl.mysql.discover`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bulketl.tables.demands import Demands
from bulketl.tables.enums import ENUM_TYPE
from bulketl.tables.printable import brief
from bulketl.tables.types import RAW_TEXTS, TypeName, parse_type


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

    @property
    def parsed(self) -> TypeName:
        """Its type, taken apart."""
        return parse_type(self.type)

    @property
    def beyond_ascii(self) -> bool:
        """Whether it may have characters that are not in ASCII."""
        return self.charset not in ("", "ascii", "binary") or self.parsed.base in ("json", *RAW_TEXTS)


@dataclass(frozen=True, slots=True)
class KeyPart:
    """A part of an index: a column, '' for an expression; `prefix`: so many characters or bytes of it, 0 for all."""

    column: str
    prefix: int = 0
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """An index.

    `unique`: no two rows have the same values in `columns`, of which it may hold prefixes or hashes, and no expressions.
    `whole` is false when it holds prefixes or expressions, or is not ordered (hash, full text, spatial). `parts`: what it
    holds in its order, where the server was asked. `kind`: what the server calls its structure.
    """

    name: str
    columns: tuple[str, ...]
    unique: bool
    whole: bool = True
    parts: tuple[KeyPart, ...] = ()
    kind: str = "BTREE"


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key: columns, and the table and its columns that they point to; `elsewhere`: in another database."""

    name: str
    columns: tuple[str, ...]
    table: str
    keys: tuple[str, ...]
    elsewhere: bool = False


_TRANSACTIONAL = ("innodb", "rocksdb")
_COUNTING = ("myisam", "aria", "memory")


@dataclass(frozen=True, slots=True)
class Table:
    """A base table, or a view that somebody wants as one.

    `rows` is exact on MyISAM and an estimate on InnoDB; `bytes` is the data's size without indexes. `problem`: why the
    server cannot open it, in its words.
    `references` are the tables its declared foreign keys point to, `foreign_keys` these. `changed_at` is when the server
    says that its rows were last changed, '' when it does not know, or so short ago that more may follow within the same
    second.
    `origin`: its name at the source, where `name` is another one, that of the target. `alike`: tables that would have the
    same name there. `where`: the condition in its own SQL for the rows that a rule wants of it, '' for all. `limit`: at most
    so many of these are loaded, and those that others refer to; None for all. `indexes`: all but the primary key, also such
    as `keys` is without because nothing may be cut by them.
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
    view: bool = False
    problem: str = ""
    origin: str = ""
    alike: tuple[str, ...] = ()
    where: str = ""
    indexes: tuple[Key, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    limit: int | None = None

    def __post_init__(self) -> None:
        if not self.origin:
            object.__setattr__(self, "origin", self.name)

    @property
    def transactional(self) -> bool:
        """Whether a statement sees the rows of one moment while others write; no other engine is known to."""
        return self.engine.lower() in _TRANSACTIONAL

    @property
    def locks(self) -> bool:
        """Whether its engine may lock it for as long as a statement reads it, as MyISAM, Aria, MEMORY and CSV do."""
        return not (self.view or self.transactional)

    @property
    def counts(self) -> bool:
        """Whether its engine keeps the number of the rows that are wanted, so that nobody has to read them to count them."""
        return self.engine.lower() in _COUNTING and not self.where

    @property
    def condition(self) -> str:
        """The condition that a row is wanted, as SQL that may stand beside others: a comment in it ends with it."""
        return f"({self.where}\n)" if self.where else "TRUE"

    def keeps_unique(self, columns: Sequence[str]) -> bool:
        """Tell whether a unique index keeps two rows from having the same values in these columns."""
        return any(key.unique and set(columns).issuperset(key.columns) for key in self.keys)

    def column(self, name: str) -> Column:
        """Return the column called `name`; raise KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Other:
    """Something of the database that is no base table, by its kind; `rows`: of history, None where they are not counted."""

    kind: str
    name: str
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """A table that is known and not in view, or a part of one: a column, or its primary key, which has no name.

    `gone`: the server itself says that it has it no more, to a user who could see it. Otherwise it may be there, and `why`
    says what stands against knowing.
    """

    table: str
    column: str | None = None
    gone: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Catalog:
    """A database: its identity without secrets, the server's version, the zone it shows TIMESTAMPs in, its tables.

    `connections`: how many this user may have at once, 0 when unknown. `offset`: by how many seconds its clock is ahead of
    UTC's, `year` the year that it shows. `views`: those that nobody has asked for; `others`: what else is no base table.
    `absent`: what was known
    and is not in view.
    """

    identity: str
    version: str
    zone: str
    tables: tuple[Table, ...]
    connections: int = 0
    offset: int = 0
    year: int = 0
    views: tuple[Table, ...] = ()
    others: tuple[Other, ...] = ()
    absent: tuple[Absent, ...] = ()

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, identity=self.identity, version=self.version, tables=len(self.tables))

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables)


@dataclass(frozen=True, slots=True)
class Made:
    """The ledger's last word on who made the table of a name: its oid then, the source, the run, how and when."""

    oid: int
    source: str
    run: str
    how: str
    at: str


@dataclass(frozen=True, slots=True)
class TargetTable:
    """A table as Postgres has it now, and what depends on it; or another thing that has the name a table would get.

    `columns` are (name, type) with types spelt as in `bulketl.tables.casts`. `views` are the plain views that a swap saves
    and recreates, in words; `materialized`: there are others. `hanging` describes everything a swap would lose,
    materialized views and every index included; `staying` what of it would be lost even where the old table moves elsewhere
    with its constraints, defaults and indexes; `referenced` is true when foreign keys of other tables point here, so that
    it cannot be truncated either. `carried`: views and indexes that a swap makes again, each with the columns that it
    needs. `grants` are the rights others have on it; a swap carries them over. `seen` is a hash of all that, to notice
    what appears later. `uncopied` are the columns whose types have no binary form to be read: COPY BINARY into the table
    fails while it has them, even where it leaves them out. `kind` is what Postgres calls it, `oid` its number there,
    `rows` what it has as far as that is known without much work, `bytes` what these take without indexes. `made` is what the
    ledger knows of a table of that name. `key_name` is that of its key's index. `partitioned`: its rows are in its
    partitions. `acting`: triggers, rules or row security act on rows that are written to it. `demands`: what it demands of
    whoever writes to it. `indexes`: those that bulketl keeps for the source's, with the note on each; nothing hangs by them.
    `defaults`: which of what hangs on it are defaults of its columns. An enum type has `labels`, and its comment
    as `note`.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    primary_key: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    hanging: tuple[str, ...] = ()
    carried: tuple[tuple[str, tuple[str, ...]], ...] = ()
    staying: tuple[str, ...] = ()
    materialized: bool = False
    referenced: bool = False
    seen: str = ""
    grants: tuple[str, ...] = ()
    uncopied: tuple[str, ...] = ()
    partitioned: bool = False
    acting: bool = False
    kind: str = "table"
    oid: int = 0
    owner: str = ""
    rows: int | None = None
    bytes: int = 0
    key_name: str = ""
    made: Made | None = None
    demands: Demands = field(default_factory=Demands)
    indexes: tuple[tuple[str, str], ...] = ()
    defaults: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    note: str = ""

    @property
    def replaceable(self) -> bool:
        """Whether a swap loses nothing that hangs on it, for it makes all of that again."""
        return {*self.hanging} <= {what for what, _ in self.carried}

    def needing(self, columns: Collection[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return what a swap makes again and cannot make without these columns, each with those of them that it needs."""
        found = [(what, tuple(column for column in needed if column in columns)) for what, needed in self.carried]
        return tuple((what, needed) for what, needed in found if needed)

    @property
    def ours(self) -> bool:
        """Whether it is the very table that bulketl made, or that a person gave to it."""
        return self.made is not None and self.made.oid == self.oid


def enum_types(things: Mapping[str, TargetTable]) -> dict[str, TargetTable]:
    """Return the enum types among the things of a schema, by their names."""
    return {name: thing for name, thing in things.items() if thing.kind == ENUM_TYPE}


def not_null(column: str) -> str:
    """Return what hangs on a table whose column is NOT NULL and not part of its primary key."""
    return f"NOT NULL of {column}"


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of a table: columns that it had or the rules name, whether it had a primary key and was loaded."""

    columns: frozenset[str] = frozenset()
    key: bool = False
    loaded: bool = False
