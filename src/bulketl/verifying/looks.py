"""Looking twice: what two listings of the same buckets say, and what they still say a little later.

A row that was written between the two servers' listings differs once and not again. So what is found of some buckets is
looked at again after a pause, while the next ones are listed; only what both looks say alike counts. The first rows are
kept as they are, to be read and shown; of the others only the keys, for a repair, however many there are.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bulketl.rows.reconcile import Buckets, Digest, Row
from bulketl.tables.partitions import KeyTuple
from bulketl.tables.spec import TableSpec

PAUSE_SECONDS = 1.0  # before what differs is looked at again; read as looks.PAUSE_SECONDS, so that it is set in one place
DETAILED = 10_000  # rows that differ are read, to say in which columns; beyond, they are counted by their hashes


@dataclass(frozen=True, slots=True)
class Look:
    """What two listings of the same buckets say: per text of the key, the rows that are only on one side or differ."""

    missing: dict[str, Row] = field(default_factory=dict)
    differing: dict[str, tuple[Row, Row]] = field(default_factory=dict)  # source, target
    extra: dict[str, Row] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.missing or self.differing or self.extra)


def compare_listings(ours: Mapping[str, Row], theirs: Mapping[str, Row], newer: Iterable[str] = ()) -> Look:
    """Compare the rows of both sides by the text of their key, but for the newer ones."""
    out = set(newer)
    return Look(
        {text: row for text, row in ours.items() if text not in theirs and text not in out},
        {
            text: (row, theirs[text])
            for text, row in ours.items()
            if text in theirs and theirs[text].hash != row.hash and text not in out
        },
        {text: row for text, row in theirs.items() if text not in ours and text not in out},
    )


def steady(first: Look, second: Look) -> tuple[Look, int]:
    """Return what both looks say alike, and how many rows of the first were another in the second."""
    missing = {k: row for k, row in first.missing.items() if (again := second.missing.get(k)) and again.hash == row.hash}
    differing = {k: rows for k, rows in first.differing.items() if _same(rows, second.differing.get(k))}
    extra = {k: row for k, row in first.extra.items() if (again := second.extra.get(k)) and again.hash == row.hash}
    before = len(first.missing) + len(first.differing) + len(first.extra)
    return Look(missing, differing, extra), before - len(missing) - len(differing) - len(extra)


def _same(one: tuple[Row, Row], other: tuple[Row, Row] | None) -> bool:
    return other is not None and [row.hash for row in one] == [row.hash for row in other]


def is_doubled(rows: tuple[Row, Row]) -> bool:
    """Tell whether the target has more than one row of a key: then their hashes are listed with blanks between."""
    return " " in rows[1].hash


@dataclass(slots=True)
class Total:
    """What is found of a table: `first` has the first rows of each kind, the lists have the keys of the others."""

    first: Look = field(default_factory=Look)
    missing: list[KeyTuple] = field(default_factory=list)
    differing: list[KeyTuple] = field(default_factory=list)
    extra: list[KeyTuple] = field(default_factory=list)
    doubled: int = 0

    def __bool__(self) -> bool:
        return bool(self.first)

    @property
    def more(self) -> bool:
        """Whether there are other rows than the first, of those that the source has."""
        return bool(self.missing or self.differing or self.doubled)

    def add(self, found: Look, most: int | None) -> None:
        """Take what is found of some buckets into account; `most` rows of each kind are the first, None for all."""
        for rows, first, keys in (
            (found.missing, self.first.missing, self.missing),
            (found.extra, self.first.extra, self.extra),
        ):
            for text, row in rows.items():
                if most is None or len(first) < most:
                    first[text] = row
                else:
                    keys.append(row.key)
        for text, pair in found.differing.items():
            if most is None or len(self.first.differing) < most:
                self.first.differing[text] = pair
            elif is_doubled(pair):
                self.doubled += 1
            else:
                self.differing.append(pair[0].key)


HASHED_BUCKETS = 4096  # three hexadecimal digits


def chosen(buckets: Iterable[str], table: str, share: float, seed: int) -> list[str]:
    """Return about that share of a table's buckets, one at least, and always the same for the same seed."""
    ranked = sorted(buckets, key=lambda name: hashlib.sha256(f"{seed} {table} {name}".encode()).digest())
    return sorted(ranked[: max(1, math.ceil(len(ranked) * share))])


def all_buckets(buckets: Buckets, lo: int | None = None, hi: int | None = None) -> list[str]:
    """Return the names of all buckets that a table may have; `lo` and `hi` are the smallest and largest key, as integers."""
    if not buckets.width:
        return [f"{n:03x}" for n in range(HASHED_BUCKETS)]
    if lo is None or hi is None:
        return []
    return [str(n) for n in range(buckets.of(lo), buckets.of(hi) + 1)]


def keys_only(spec: TableSpec) -> TableSpec:
    """Return the spec with the columns of its key and no other."""
    return dataclasses.replace(spec, casts=tuple(item for item in spec.casts if item.column in spec.key))


def nearest(pairs: Sequence[tuple[str, str, tuple[str, ...]]], columns: int) -> list[tuple[str, str, tuple[str, ...]]]:
    """Match lost rows with rows that are too many: those that differ in the fewest columns, and in less than half of them.

    `pairs` has for each lost and each other row the columns that differ. Each row is matched once.
    """
    matched: list[tuple[str, str, tuple[str, ...]]] = []
    taken: set[str] = set()
    for lost, other, differing in sorted(pairs, key=lambda pair: (len(pair[2]), pair[0], pair[1])):
        if len(differing) * 2 <= max(columns, 2) and not {f"s{lost}", f"t{other}"} & taken:
            taken |= {f"s{lost}", f"t{other}"}
            matched.append((lost, other, differing))
    return matched


def between(column: str, lo: int | None, hi: int | None) -> str:
    """Return the condition `lo <= column < hi`, None is open; SQL for either server, `column` quoted for it."""
    ends = [f"{column} >= {lo}" if lo is not None else "", f"{column} < {hi}" if hi is not None else ""]
    return " AND ".join(end for end in ends if end)


def united_digests(parts: Iterable[Mapping[str, Digest]]) -> dict[str, Digest]:
    """Return the digests of several parts of a table as one."""
    total: dict[str, Digest] = {}
    for part in parts:
        for bucket, (rows, digest) in part.items():
            before = total.get(bucket, (0, 0))
            total[bucket] = (before[0] + rows, before[1] + digest)
    return total
