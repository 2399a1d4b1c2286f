"""The spec: all that the writer of one table must know, and the words that its fields are made of."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

from bulketl.tables.casts import Cast, Encoder
from bulketl.tables.checks import Check
from bulketl.tables.cursor import Watermark

Tier = Literal["critical", "important", "audit", "reference"]
TIERS: tuple[Tier, ...] = get_args(Tier)
Strategy = Literal["full_table", "incremental", "chunked_incremental"]
Consistency = Literal["snapshot", "locked", "re-read", "best effort"]
DELETED_AT = "_deleted_at"  # of rows that are gone at the source, where they are to be marked
GUARD = 0.05
GUARDED_ROWS = 20  # so few may always go, unless a guard is declared: in a table of ten rows one is a tenth
NAME_BYTES = 63  # Postgres cuts longer names silently: NAMEDATALEN - 1
# Columns that say when and by which run a row was written, with their types.
STAMPS = {"_loaded_at": "timestamptz", "_run_id": "text"}
ROW_HASH = "_row_hash"
Publish = Literal["create", "refill", "swap", "merge", "append"]
Adopt = Literal["", "rule", "option"]
Policy = Literal["ignore", "mark", "mirror", "fail"]


def cut(text: str) -> str:
    """Return a name of at most NAME_BYTES bytes; a longer one ends in a hash of itself, so that two stay two."""
    raw = text.encode()
    if len(raw) <= NAME_BYTES:
        return text
    return raw[: NAME_BYTES - 9].decode(errors="ignore") + "_" + hashlib.sha256(raw).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class TableSpec:
    """All that a worker must know of a table; small and picklable, whatever the number of partitions.

    `publish`: create it, empty and refill it in one transaction, swap a new one for it, merge the differences into it,
    or append what is new and note the differences. `encoder` makes the COPY data. `zone` is set as the session's time
    zone before reading, unless empty. `nul_bytes`: strip or reject. `max_rejects`: more rejected rows than this fail
    the table. `kept`: columns, with types, that the target has and the source no longer; they are NULL. `seen`: what
    the plan saw of a table that will be swapped. `added`, `widened`: columns that the target table lacks, or has too
    narrow. `source`: the database it comes from. `audit`: it is only ever appended to. `whole`: all rows are read, not
    only changes. `watermark`: how far the table is loaded when it is published, None to leave that as it is. `deletes`:
    what becomes of rows that are gone at the source. `guard`: the share of the table's rows that may go, beyond `free`
    ones. `rows`: of the target before, None when unknown. `retained`: rows with a smaller value in one of these columns
    have left the target by its retention and are not read again; a value with a zone is of a `timestamptz`. `stamps`:
    columns of STAMPS that each row written gets. `evidence`: when it was changed last, if the source tells, and a hash of
    how it is loaded: if both are the same later, its rows are as they were loaded. `consistency`: what its rows have in
    common. `snapshot`: they are those of one moment, as a transaction sees them; `locked`: nobody could write while they
    were read; `re-read`: read again until a comparison finds no difference; `best effort`: each range is of a moment of its
    own. `stop_after`: seconds after which it is given up.
    `adopt`: by what a table that bulketl did not make is given to it, '' for none; `oid` is then that of the table meant,
    and `person` who decides so. `key_name`: of the index of its key, where the usual one is taken.
    `threshold`: the least share of the source's rows that must arrive. `certify`: whether figures of every column are taken
    on the way. `checks`: what must hold of it. A `max_rejects` that is a float is a share of the rows read.
    `partitioned`: so is the target table, whose rows are those of its partitions. `watched`: something acts on rows written
    to it, so they are staged, however few, and compared afterwards.
    """

    table: str
    schema: str
    casts: tuple[Cast, ...]
    key: tuple[str, ...]
    publish: Publish
    encoder: Encoder = "pgpq"
    zone: str = ""
    nul_bytes: str = "strip"
    max_rejects: int | float = 0
    checks: tuple[Check, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    added: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()
    seen: str = ""
    source: str = ""
    audit: bool = False
    whole: bool = True
    watermark: Watermark | None = None
    deletes: Policy = "mirror"
    guard: float = 1.0
    free: int = 0
    rows: int | None = None
    retained: tuple[tuple[str, dt.datetime], ...] = ()
    stamps: tuple[str, ...] = ()
    evidence: str = ""
    consistency: Consistency = "best effort"
    stop_after: float | None = None
    threshold: float = 1.0
    certify: bool = False
    adopt: Adopt = ""
    oid: int = 0
    person: str = ""
    key_name: str = ""
    partitioned: bool = False
    watched: bool = False

    def rejectable(self, read: int) -> int:
        """Return how many of so many rows that were read may be rejected."""
        return self.max_rejects if isinstance(self.max_rejects, int) else int(self.max_rejects * read + 1e-9)

    @property
    def target_key(self) -> tuple[str, ...]:
        """The key's columns by their names in the target."""
        names = {item.column: item.name for item in self.casts}
        return tuple(names.get(column, column) for column in self.key)
