"""Comparing rows of both sides in memory, range after range of the key, where reading costs less than hashing.

That is so wherever the servers are near: each has to make a text of every value before it can hash it, and reading is what
both do best. Over a slow link hashing sends little, so the first range tells which way the others go.
"""

from __future__ import annotations

import functools
import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from bulketl.connections.retrying import patient
from bulketl.mysql.read import null_bits, range_condition, read_where
from bulketl.mysql.server import MySQL
from bulketl.postgres.compare.image import Image, imaged, unlike_buckets
from bulketl.postgres.ddl import name
from bulketl.rows.coerce import coerce
from bulketl.rows.reconcile import Buckets
from bulketl.tables.casts import quoted
from bulketl.tables.spec import TableSpec
from bulketl.verifying.looks import between
from bulketl.verifying.servers import Both

Piece = tuple[str, str]  # the same rows as a condition for the source and for the target

SLOW = 12e6  # bytes of the target a second, as over 100 Mbit/s: what comes slower may come over a link worth sparing
FASTER = 2  # hashing must be faster by this factor


@dataclass(frozen=True, slots=True)
class PieceRead:
    """A piece that was read: rows of the source, rows and bytes of the target, and the buckets that are unlike."""

    ours: int
    theirs: int
    size: int
    unlike: set[str]


@dataclass(slots=True)
class Reading:
    """What was compared: rows of the source, rows of the target, the buckets that are unlike, and the pieces not read."""

    ours: int = 0
    theirs: int = 0
    unlike: set[str] = field(default_factory=set)
    left: list[Piece] = field(default_factory=list)

    def add(self, one: PieceRead) -> None:
        """Add what a piece shows."""
        self.ours += one.ours
        self.theirs += one.theirs
        self.unlike |= one.unlike


def pieces(key: str, there: str, cuts: Sequence[tuple[int]]) -> list[Piece]:
    """Return the ranges between the cuts through an integer key, `there` in the target; the first and the last are open."""
    found = []
    for lo, hi in itertools.pairwise((None, *cuts, None)):
        within = between(name(there), lo and lo[0], hi and hi[0])
        found.append((range_condition((key,), lo, hi) or "TRUE", within or "true"))
    return found


def compare_ranges(
    both: Both,
    older: str,
    spec: TableSpec,
    buckets: Buckets,
    asked: Sequence[Piece],
    hashed: Callable[[Piece], int],
    one_more: Callable[[], object] = lambda: None,
) -> Reading:
    """Read the pieces, some at a time, and return what was seen; `older` is the condition that a row of the source counts.

    When the first comes slowly, `hashed` is called with the second, to hash it and return its rows; if that is much faster,
    all but the first are left. `one_more` is called after each.
    """
    compared = functools.partial(_begin, both, older, spec, buckets)
    seen = Reading()
    began = time.monotonic()
    first = compared(asked[0]).result()
    seconds, rest = time.monotonic() - began, list(asked[1:])
    seen.add(first)
    one_more()
    if first.size < seconds * SLOW and rest:
        began = time.monotonic()
        # A busy machine is slow either way; only a link makes hashing so much faster.
        if hashed(rest[0]) * seconds > FASTER * (first.ours + first.theirs) * (time.monotonic() - began):
            seen.left = rest
            return seen
    waiting: deque[Future[PieceRead]] = deque()
    for piece in rest:
        waiting.append(compared(piece))
        if len(waiting) > both.at_once:
            seen.add(waiting.popleft().result())
            one_more()
    for one in waiting:
        seen.add(one.result())
        one_more()
    return seen


def _begin(both: Both, older: str, spec: TableSpec, buckets: Buckets, piece: Piece) -> Future[PieceRead]:
    """Begin to compare a piece; the target is asked first."""
    theirs = both.begin_target(imaged, both.run, spec, piece[1])
    condition = f"({piece[0]}) AND {older} ORDER BY {quoted(spec.key[0])}"
    return both.source_threads.submit(_read, both.source, spec, buckets, condition, theirs)


def _read(source: MySQL, spec: TableSpec, buckets: Buckets, condition: str, theirs: Future[Image]) -> PieceRead:
    batch = coerce(patient(read_where, source, spec, condition), spec, null_bits(spec), source.mask_key)
    image = theirs.result()
    rejected = {str(buckets.of(json.loads(one.key)[spec.key[0]])) for one in batch.rejects}
    return PieceRead(batch.read, image.rows, len(image.data), rejected | unlike_buckets(batch.good, spec, buckets, image))
