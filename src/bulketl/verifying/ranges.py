"""Comparing rows of both sides in memory, range after range of the key, where reading costs less than hashing.

That is so wherever the servers are near: each has to make a text of every value before it can hash it, and reading is what
both do best. Over a slow link hashing sends little, so the first range tells which way the others go.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from bulketl.connections.patience import patient
from bulketl.mysql.read import masked, range_condition, read_where
from bulketl.mysql.server import MySQL
from bulketl.postgres.compare.image import Image, held
from bulketl.postgres.compare.image import unlike as image_unlike
from bulketl.postgres.ddl import name
from bulketl.postgres.server import Postgres
from bulketl.rows.coerce import coerce
from bulketl.rows.reconcile import Buckets
from bulketl.tables.casts import quoted
from bulketl.tables.spec import TableSpec
from bulketl.verifying.looks import between

Piece = tuple[str, str]  # the same rows as a condition for the source and for the target

SLOW = 12e6  # bytes of the target a second, as over 100 Mbit/s: what comes slower may come over a link worth sparing
TIMES = 2  # so much faster must hashing be


@dataclass(frozen=True, slots=True)
class Compared:
    """A piece that was compared: rows of the source, rows and bytes of the target, and the buckets that are unlike."""

    ours: int
    theirs: int
    size: int
    unlike: set[str]


@dataclass(slots=True)
class Seen:
    """What was compared: rows of the source, rows of the target, the buckets that are unlike, and the pieces not read."""

    ours: int = 0
    theirs: int = 0
    unlike: set[str] = field(default_factory=set)
    left: list[Piece] = field(default_factory=list)

    def add(self, one: Compared) -> None:
        """Add what a piece shows."""
        self.ours += one.ours
        self.theirs += one.theirs
        self.unlike |= one.unlike


def pieces(key: str, cuts: Sequence[tuple[int]]) -> list[Piece]:
    """Return the ranges between the cuts through an integer key, the first and the last of them open."""
    found = []
    for lo, hi in itertools.pairwise((None, *cuts, None)):
        there = between(name(key), lo and lo[0], hi and hi[0])
        found.append((range_condition((key,), lo, hi) or "TRUE", there or "true"))
    return found


@dataclass(frozen=True, slots=True)
class Sides:
    """Both servers, with the threads that ask each; `older` is the condition that a row of the source counts."""

    source: MySQL
    target: Postgres
    run: str
    here: Executor
    there: Executor
    older: str

    def read(self, spec: TableSpec, buckets: Buckets, piece: Piece) -> Future[Compared]:
        """Begin to compare a piece; the target is asked first."""
        theirs = self.there.submit(patient, held, self.target, self.run, spec, piece[1])
        return self.here.submit(self._compared, spec, buckets, piece[0], theirs)

    def _compared(self, spec: TableSpec, buckets: Buckets, condition: str, theirs: Future[Image]) -> Compared:
        rows = patient(read_where, self.source, spec, f"({condition}) AND {self.older} ORDER BY {quoted(spec.key[0])}")
        batch = coerce(rows, spec, masked(spec))
        image = theirs.result()
        rejected = {str(buckets.of(json.loads(one.key)[spec.key[0]])) for one in batch.rejects}
        return Compared(batch.read, image.rows, len(image.data), rejected | image_unlike(batch.good, spec, buckets, image))


def unlike(
    sides: Sides, spec: TableSpec, buckets: Buckets, asked: Sequence[Piece], at_once: int, hashed: Callable[[Piece], int]
) -> Seen:
    """Read the pieces, so many at once, and return what was seen.

    When the first comes slowly, `hashed` is called with the second, to hash it and return its rows; if that is much faster,
    all but the first are left.
    """
    seen = Seen()
    began = time.monotonic()
    first = sides.read(spec, buckets, asked[0]).result()
    seconds, rest = time.monotonic() - began, list(asked[1:])
    seen.add(first)
    if first.size < seconds * SLOW and rest:
        began = time.monotonic()
        # A busy machine is slow either way; only a link makes hashing so much faster.
        if hashed(rest[0]) * seconds > TIMES * (first.ours + first.theirs) * (time.monotonic() - began):
            seen.left = rest
            return seen
    waiting: deque[Future[Compared]] = deque()
    for piece in rest:
        waiting.append(sides.read(spec, buckets, piece))
        if len(waiting) > at_once:
            seen.add(waiting.popleft().result())
    for one in waiting:
        seen.add(one.result())
    return seen
