"""Looking twice: what two listings of the same buckets say, and what they still say a little later.

A row that was written between the two servers' listings differs once and not again. So what is found of some buckets is
looked at again after a pause, while the next ones are listed; only what both looks say alike counts. The first rows are
kept as they are, to be read and shown; of the others only the keys, for a repair, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bulketl.rows.reconcile import Row
from bulketl.tables.partitions import KeyTuple


@dataclass(frozen=True, slots=True)
class Look:
    """What two listings of the same buckets say: per text of the key, the rows that are only on one side or differ."""

    missing: dict[str, Row] = field(default_factory=dict)
    differing: dict[str, tuple[Row, Row]] = field(default_factory=dict)  # source, target
    extra: dict[str, Row] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.missing or self.differing or self.extra)


def look(ours: Mapping[str, Row], theirs: Mapping[str, Row], newer: Iterable[str] = ()) -> Look:
    """Hold the rows of both sides beside each other, by the text of their key, but for those that are newer."""
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
