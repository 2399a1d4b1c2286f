"""The spec: all that the writer of one table must know, and the words that its fields are made of."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from bulketl.tables.casts import Cast, Encoder, encoder_of
from bulketl.tables.checks import Check
from bulketl.tables.cursor import Watermark
from bulketl.tables.part import Part
from bulketl.tables.secondary import Index
from bulketl.tables.taken import Taken

Tier = Literal["critical", "important", "audit", "reference"]
TIERS: tuple[Tier, ...] = get_args(Tier)
Strategy = Literal["full_table", "incremental", "chunked_incremental"]
# What the rows of a table have in common: they are of one moment, as a transaction sees it; nobody could write while they
# were read; they were read again until a comparison found no difference; or each range is of a moment of its own.
Consistency = Literal["snapshot", "locked", "re-read", "best effort"]
DELETED_AT = "_deleted_at"  # of rows that are gone at the source, where they are to be marked
GUARD = 0.05
GUARDED_ROWS = 20  # so few may always go, unless a guard is declared: in a table of ten rows one is a tenth
NAME_BYTES = 63  # Postgres cuts longer names silently: NAMEDATALEN - 1
_LIKE_CUT = re.compile(rb".{51,54}_[0-9a-f]{8}", re.DOTALL)  # a letter of up to four bytes is not cut in two
_JOINED_DIGITS = 24
# Columns that say when and by which run a row was written, with their types.
STAMPS = {"_loaded_at": "timestamptz", "_run_id": "text"}
ROW_HASH = "_row_hash"
Publish = Literal["create", "refill", "swap", "merge", "append"]
Adopt = Literal["", "rule", "option"]
Policy = Literal["ignore", "mark", "mirror", "fail"]
Keep = Literal["indexes", "comments", "defaults", "foreign_keys"]  # what is carried over beside rows


def cut(text: str) -> str:
    """Return a name of at most NAME_BYTES bytes; a longer one ends in a hash of itself, so that two stay two.

    So does one that looks as if it ended in such a hash.
    """
    raw = text.encode()
    if len(raw) <= NAME_BYTES and not _LIKE_CUT.fullmatch(raw):
        return text
    return raw[: NAME_BYTES - 9].decode(errors="ignore") + "_" + hashlib.sha256(raw).hexdigest()[:8]


def joined(*parts: str) -> str:
    """Return a name of at most NAME_BYTES bytes for names that belong together, another one for others.

    It is the parts with a dot between them, where nobody can take that for other parts and it is short enough; else it has
    no dot, and a hash of the parts at its end.
    """
    plain = ".".join(parts)
    if len(plain.encode()) <= NAME_BYTES and plain.count(".") == len(parts) - 1:
        return plain
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_JOINED_DIGITS]
    readable = plain.replace(".", "_").encode()[: NAME_BYTES - 1 - _JOINED_DIGITS].decode(errors="ignore")
    return f"{readable}_{digest}"


@dataclass(frozen=True, slots=True)
class TableSpec:
    """All that a worker must know of a table; small and picklable, whatever the number of partitions."""

    # What it is.
    table: str
    schema: str  # of the target
    casts: tuple[Cast, ...]
    key: tuple[str, ...]  # by the names of the source; () for none
    publish: Publish  # create it, empty and refill it, swap a new one for it, merge into it, or append and note differences
    encoder: Encoder = "pgpq"  # makes the COPY data
    source: str = ""  # the database it comes from
    origin: str = ""  # its name there, which statements to the source use
    audit: bool = False  # it is only ever appended to
    stamps: tuple[str, ...] = ()  # columns of STAMPS that each row written gets
    checks: tuple[Check, ...] = ()  # what must hold of it
    # How it is read.
    whole: bool = True  # all rows, not only changes
    packed: bool = False  # values as integers, where the cast rules know how: a load, but not what proves it
    zone: str = ""  # the session's time zone; '' leaves it as it is
    nul_bytes: str = "strip"  # or reject
    # Per column: rows with a smaller value in it have left the target by its retention, and are not read again. A value
    # with a zone is of a `timestamptz`.
    retained: tuple[tuple[str, dt.datetime], ...] = ()
    where: str = ""  # only rows for which this holds, in the source's SQL
    part: Part | None = None  # which of these a limit leaves; None without one
    consistency: Consistency = "best effort"  # what its rows have in common
    locks: bool = False  # its engine locks the table while a statement reads it
    certify: bool = False  # figures of every column are taken on the way
    # How it is published.
    watermark: Watermark | None = None  # how far it is loaded then; None leaves that as it is
    deletes: Policy = "mirror"  # what becomes of rows that are gone at the source
    kept: tuple[tuple[str, str], ...] = ()  # columns, with types, that only the target has, and that are NULL from now on
    added: tuple[str, ...] = ()  # columns that the target lacks
    widened: tuple[str, ...] = ()  # columns that the target has too narrow
    seen: str = ""  # a hash of what the plan saw of a table that will be swapped
    rows: int | None = None  # of the target before; None when unknown
    masking: str = ""  # the fingerprint of its key, a hash of its masks, their year; '' without masks: `plan/masking`
    aged: bool = False  # rows that are there were masked in an earlier year, of which more dates may show
    left: tuple[str, ...] = ()  # columns of the source that its rule leaves out, by their names in the target
    withheld: tuple[str, ...] = ()  # columns that nobody has classified, and that strict masking leaves out
    unread: tuple[Cast, ...] = ()  # columns that only the target has and that are masked; with what is made of their values
    evidence: str = ""  # when it was changed last, if the source tells, and a hash of how it is loaded: see `plan/specify`
    previous: bool = False  # the table as it is is kept until the next load, so that this one can be undone
    partitioned: bool = False  # so is the target table: its rows are its partitions'
    watched: bool = False  # something acts on rows written to it: they are staged, however few, and compared afterwards
    key_name: str = ""  # of its key's index, where the usual one is taken
    adopt: Adopt = ""  # by what a table that bulketl did not make is given to it; '' for none
    oid: int = 0  # of the table that is adopted
    person: str = ""  # who adopts it
    indexes: tuple[Index, ...] = ()  # secondary ones of the source that it has afterwards
    unindexed: tuple[str, ...] = ()  # indexes that are dropped before its rows are written: they are built again, or gone
    comments: tuple[tuple[str, str], ...] = ()  # of the source, per column, '' for the table
    untyped: tuple[tuple[str, str], ...] = ()  # enum types made for it and needed no more, with their comments
    defaults: tuple[tuple[str, str], ...] = ()  # per column what it gets without a value, as Postgres prints it; '' for none
    # Its limits.
    max_rejects: int | float = 0  # more rejected rows fail it; a float is a share of the rows read
    guard: float = 1.0  # the share of its rows that may go, beyond `free` ones
    free: int = 0  # rows that may always go
    threshold: float = 1.0  # the least share of the source's rows that must arrive
    stop_after: float | None = None  # seconds after which it is given up

    def __post_init__(self) -> None:
        if not self.origin:
            object.__setattr__(self, "origin", self.table)

    def rejectable(self, read: int) -> int:
        """Return how many of the rows read may be rejected."""
        return self.max_rejects if isinstance(self.max_rejects, int) else int(self.max_rejects * read + 1e-9)

    @property
    def columns(self) -> tuple[dict[str, str], dict[str, str]]:
        """Its columns with their types: those that are read, at the source, and those that are written, in the target."""
        read = {item.column: item.source for item in self.casts if item.source}
        return read, {item.name: item.target for item in self.casts} | {name: STAMPS[name] for name in self.stamps}

    @property
    def packed_casts(self) -> tuple[Cast, ...]:
        """The columns that are read as integers and taken apart afterwards."""
        return tuple(item for item in self.casts if item.packed) if self.packed else ()

    @property
    def masked(self) -> tuple[Cast, ...]:
        """The columns whose values are masked."""
        return tuple(item for item in self.casts if item.masked)

    @property
    def unmasked(self) -> TableSpec:
        """The same as the source has it, before values are masked."""
        return dataclasses.replace(self, casts=tuple(item.unmasked for item in self.casts)) if self.masked else self

    @property
    def written(self) -> TableSpec:
        """The same as the target has it, where masked columns are columns like any other."""
        return dataclasses.replace(self, casts=tuple(item.written for item in self.casts)) if self.masked else self

    def narrowed(self, columns: Iterable[str]) -> TableSpec:
        """Return the same of its key, these columns, and what the masks of these need, and of no other."""
        wanted = {*self.key, *columns}
        wanted |= {item.masked.mask.by for item in self.casts if item.masked and item.column in wanted}
        casts = tuple(item for item in self.casts if item.column in wanted)
        return dataclasses.replace(self, casts=casts, encoder=encoder_of(casts))

    @property
    def taken(self) -> Taken:
        """What of the source its rows are, and by which names."""
        table = "" if self.origin == self.table else self.origin
        names = tuple((item.column, item.name) for item in self.casts if item.source and item.name != item.column)
        return Taken(table, names, self.where, self.part)

    @property
    def target_key(self) -> tuple[str, ...]:
        """The key's columns by their names in the target."""
        return self.target_names(self.key)

    def target_names(self, columns: Iterable[str]) -> tuple[str, ...]:
        """Return columns of the source by their names in the target; one without a cast has the same name there."""
        names = {item.column: item.name for item in self.casts}
        return tuple(names.get(column, column) for column in columns)
