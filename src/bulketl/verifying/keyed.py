"""Levels keys and rows of a table with a key: buckets that differ, listed twice, and what differs both times.

At level rows large tables are read in ranges of their key where that costs less than hashing (`ranges`), and the rows that
differ are read, to say in which columns they do (`details`).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence

from bulketl.connections.retrying import patient
from bulketl.mysql import digests as source_digests
from bulketl.mysql import totals as source_totals
from bulketl.postgres.compare import digests as target_digests
from bulketl.postgres.compare.image import imageable
from bulketl.rows.reconcile import Buckets
from bulketl.survey.stages import Tell, silent
from bulketl.tables.casts import unhashed
from bulketl.tables.spec import TableSpec
from bulketl.verifying import looks
from bulketl.verifying.buckets import digest_both, pieces_of, sampled
from bulketl.verifying.details import add_unhashed, examined
from bulketl.verifying.looks import Look, Total, compare_listings, keys_only, steady
from bulketl.verifying.ranges import Piece, Reading, compare_ranges
from bulketl.verifying.request import Request
from bulketl.verifying.servers import Both
from bulketl.verifying.tasks import Found, Task


def compare_keyed(both: Both, request: Request, task: Task, only: Sequence[str] | None, tell: Tell = silent) -> Found:
    """Return what is found of a table with a key, in some buckets only if they are named."""
    spec = keys_only(task.spec) if request.level == "keys" else task.spec
    buckets = patient(target_digests.buckets, both.target, spec)
    names = sampled(both, request, task, buckets) if only is None else list(only)
    seen = Reading(left=pieces_of(task, spec, buckets, names))
    if request.level == "rows" and len(seen.left) > 1 and imageable(spec):
        hashed = functools.partial(_hashed, both, task, spec, buckets)
        count, done = len(seen.left), itertools.count(1)

        def one_more() -> None:
            tell(f"ranges of {spec.table}", next(done), count)

        seen = compare_ranges(both, source_totals.older(task.mark), spec, buckets, seen.left, hashed, one_more)
    theirs, ours = digest_both(both, task, spec, buckets, seen.left)
    unequal = sorted(seen.unlike | {n for n in {*ours, *theirs} if ours.get(n) != theirs.get(n)})
    verdict = dataclasses.replace(
        task.verdict,
        compared=seen.ours + sum(rows for rows, _ in ours.values()),
        there=seen.theirs + sum(rows for rows, _ in theirs.values()),
    )
    if task.mark and task.mark.value:
        ((_, newer, _),) = both.ask_source(source_totals.counts, [(spec, task.mark)]).values()
        verdict = dataclasses.replace(verdict, newer=newer)
    total, where, changing = _listed_twice(both, task, spec, buckets, unequal)
    verdict, altered = dataclasses.replace(verdict, changing=changing), Counter[str]()
    if request.level == "rows":
        where += add_unhashed(both, task, buckets, sorted(ours), total.first, altered)
    return examined(both, request, dataclasses.replace(task, verdict=verdict), total, where, altered)


def _hashed(both: Both, task: Task, spec: TableSpec, buckets: Buckets, piece: Piece) -> int:
    """Hash a piece, and return how many rows that were, of both sides."""
    return sum(rows for side in digest_both(both, task, spec, buckets, [piece]) for rows, _ in side.values())


def _listed_twice(
    both: Both, task: Task, spec: TableSpec, buckets: Buckets, which: Sequence[str]
) -> tuple[Total, list[str], int]:
    """Return what both looks at those buckets say, the buckets in which one differs, and how many rows changed between.

    Some buckets are listed at a time, and again after a pause in which the next ones are.
    """
    total, where, changing = Total(), list[str](), 0
    # What is found by other means than hashes is added to the first.
    most = None if unhashed(spec.casts) else looks.DETAILED
    waiting: deque[tuple[float, list[str], Look]] = deque()
    groups = [list(which[n : n + buckets.at_once]) for n in range(0, len(which), buckets.at_once)]
    for n, some in enumerate(groups, 1):
        if seen := _listed(both, task, spec, buckets, some):
            where += some
            waiting.append((time.monotonic() + looks.PAUSE_SECONDS, some, seen))
        while waiting and (n == len(groups) or waiting[0][0] <= time.monotonic()):
            at, again, seen = waiting.popleft()
            time.sleep(max(0.0, at - time.monotonic()))
            found, changed = steady(seen, _listed(both, task, spec, buckets, again))
            total.add(found, most)
            changing += changed
    return total, where, changing


def _listed(both: Both, task: Task, spec: TableSpec, buckets: Buckets, which: Sequence[str]) -> Look:
    """List those buckets on both sides; return what differs."""
    old = both.ask_target(target_digests.rows, spec, buckets, which)
    new = both.ask_source(source_digests.rows, spec, buckets, which, source_totals.older(task.mark))
    fresh: Mapping[str, object] = {}
    if task.mark and task.mark.value:
        fresh = both.ask_source(source_digests.rows, keys_only(spec), buckets, which, source_totals.newer(task.mark))
    return compare_listings(new, old, fresh)
