"""The buckets of a table's key: which of them are looked at, and rows and hashes of each on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bulketl.connections.retrying import patient
from bulketl.mysql import digests as source_digests
from bulketl.mysql import totals as source_totals
from bulketl.postgres.compare import digests as target_digests
from bulketl.postgres.compare import totals as target_totals
from bulketl.rows.reconcile import Buckets, Digest
from bulketl.tables.spec import TableSpec
from bulketl.verifying.looks import all_buckets, chosen, united_digests
from bulketl.verifying.ranges import Piece, pieces
from bulketl.verifying.request import Request
from bulketl.verifying.servers import Both
from bulketl.verifying.tasks import Task


def sampled(both: Both, request: Request, task: Task, buckets: Buckets) -> list[str] | None:
    """Return the buckets to look at, None for all of them."""
    if request.sample == 1:
        return None
    spans: list[tuple[Any, Any]] = []
    if buckets.width:
        spans = [
            patient(source_totals.key_span, both.source, task.spec),
            patient(target_totals.key_span, both.target, task.spec),
        ]
    lows, highs = [int(lo) for lo, _ in spans if lo is not None], [int(hi) for _, hi in spans if hi is not None]
    every = all_buckets(buckets, min(lows, default=None), max(highs, default=None))
    return chosen(every, task.spec.table, request.sample, request.seed) if every else None


def pieces_of(task: Task, spec: TableSpec, buckets: Buckets, names: Sequence[str] | None) -> list[Piece]:
    """Return the conditions, for the source and for the target, of the pieces that are looked at: None is all buckets."""
    if names is not None:
        return [(source_digests.within(spec, buckets, names), target_digests.within(spec, buckets, names))] if names else []
    return pieces(spec.key[0], spec.target_key[0], task.cuts) if task.cuts and buckets.width else [("TRUE", "true")]


def digest_both(
    both: Both, task: Task, spec: TableSpec, buckets: Buckets, pieces: Sequence[Piece]
) -> tuple[dict[str, Digest], dict[str, Digest]]:
    """Return rows and hash per bucket of the target and of the source, several pieces of the table at once."""
    older = source_totals.older(task.mark)
    theirs = [both.begin_target(target_digests.digests, spec, buckets, two) for _, two in pieces]
    ours = [both.begin_source(source_digests.digests, spec, buckets, f"({one}) AND {older}") for one, _ in pieces]
    return united_digests(future.result() for future in theirs), united_digests(future.result() for future in ours)
