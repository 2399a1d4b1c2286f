"""Verifying a table without a key: as a multiset of rows, told apart by hashes of all their values.

This finds rows that are lost, too many, or there twice. A row that was changed is both lost and too many; it is matched
with the row that differs from it in the fewest columns.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from bulketl.mysql import digests as source_digests
from bulketl.mysql.read import null_bits, read_where
from bulketl.postgres.compare import digests as target_digests
from bulketl.postgres.compare.examine import cross_examine
from bulketl.rows.coerce import coerce
from bulketl.rows.reconcile import Buckets
from bulketl.tables.casts import unhashed
from bulketl.tables.spec import TableSpec
from bulketl.verifying import looks
from bulketl.verifying.buckets import digest_both, pieces_of, sampled
from bulketl.verifying.looks import nearest
from bulketl.verifying.request import Request
from bulketl.verifying.servers import Both
from bulketl.verifying.tasks import Found, Task, surplus_of
from bulketl.verifying.verdicts import RowFinding, TableVerdict, with_note


def compare_keyless(both: Both, request: Request, task: Task, only: Sequence[str] | None) -> Found:
    """Return what is found of a table without a key, in some buckets of its row hashes only if they are named."""
    spec = task.spec
    names = only or sampled(both, request, task, Buckets())
    theirs, ours = digest_both(both, task, spec, Buckets(), pieces_of(task, spec, Buckets(), names))
    unequal = sorted(n for n in {*ours, *theirs} if ours.get(n) != theirs.get(n))
    verdict = dataclasses.replace(
        task.verdict, compared=sum(r for r, _ in ours.values()), there=sum(r for r, _ in theirs.values())
    )
    if request.level == "keys":
        verdict = with_note(verdict, "it has no key, so whole rows were compared")
    lost, more = _unmatched(both, spec, unequal)
    if lost or more:
        time.sleep(looks.PAUSE_SECONDS)
        again = _unmatched(both, spec, unequal)
        before = sum(lost.values()) + sum(more.values())
        lost, more = _steady(lost, again[0]), _steady(more, again[1])
        verdict = dataclasses.replace(verdict, changing=before - sum(lost.values()) - sum(more.values()))
    found = _matched(both, request, dataclasses.replace(task, verdict=verdict), lost, more) if lost or more else verdict
    columns = unhashed(spec.casts)
    told = tuple(f"{column}: text that is declared jsonb, in a table without a key" for column in columns)
    return Found(dataclasses.replace(found, uncompared=(*found.uncompared, *told)), task, buckets=tuple(unequal))


def _unmatched(both: Both, spec: TableSpec, which: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the hashes of rows that the target lacks, and of rows that it has too often, each with how many."""
    lost: dict[str, int] = {}
    more: dict[str, int] = {}
    for some in (list(which[n : n + 512]) for n in range(0, len(which), 512)):
        old = both.ask_target(target_digests.multiset, spec, some)
        new = both.ask_source(source_digests.multiset, spec, some)
        for text in {*old, *new}:
            if fewer := new.get(text, 0) - old.get(text, 0):
                (lost if fewer > 0 else more)[text] = abs(fewer)
    return lost, more


def _matched(both: Both, request: Request, task: Task, lost: dict[str, int], more: dict[str, int]) -> TableVerdict:
    """Return the task's verdict with what is lost and too many: as rows that differ where two of them fit, else counted."""
    spec, known = task.spec, len(task.rejected)
    some, others = list(lost)[: max(request.first, known, 1) * 4], list(more)[: max(request.first, 1) * 10]
    matched: list[tuple[str, str, tuple[str, ...]]] = []
    values: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    refused: list[str] = []
    if some:
        hashes = ", ".join(f"'{int(text, 16):064x}'" for text in some)
        read = both.ask_source(read_where, spec, f"{source_digests.row_hash(spec)} IN ({hashes})")
        batch = coerce(read, spec, null_bits(spec), both.source.mask_key)
        found, _ = both.ask_target(cross_examine, both.run, spec, batch, others, values=request.show_values)
        fit = {one.source_hash for one in found}
        refused = [text for text in some if text not in fit][:known]
        near = [(one.source_hash, one.target_hash, one.columns) for one in found if one.target_hash is not None]
        matched = nearest(near, len(spec.casts))
        values = {
            (one.source_hash, one.target_hash): (one.source, one.target) for one in found if one.target_hash is not None
        }
    rejected = min(known, sum(lost.pop(text) for text in refused))
    rows: list[RowFinding] = []
    places = {item.column: n for n, item in enumerate(spec.casts)}
    for a, b, columns in matched:
        source, target = values[a, b]
        picked = [(source[places[c]], target[places[c]]) for c in columns] if source else []
        one, other = tuple(x for x, _ in picked), tuple(y for _, y in picked)
        rows.append(RowFinding((f"row {a[:12]}",), "differs", columns, one, other))
    pairs_a, pairs_b = {a for a, _, _ in matched}, {b for _, b, _ in matched}
    rows += [RowFinding((f"row {a[:12]}",), "missing") for a in lost if a not in pairs_a]
    extra, kept = surplus_of(task, sum(count - (b in pairs_b) for b, count in more.items()))
    again = _again(both, spec, more) if extra else set()
    twice = min(extra, sum(more[text] for text in again))
    if extra:
        rows += [RowFinding((f"row {b[:12]}",), "doubled" if b in again else "extra") for b in more if b not in pairs_b]
    return dataclasses.replace(
        task.verdict,
        missing=sum(count - (a in pairs_a) for a, count in lost.items()),
        differing=len(matched),
        extra=extra - twice,
        doubled=twice,
        kept=kept,
        rejected=rejected,
        rows=tuple(rows[: request.first]),
    )


def _again(both: Both, spec: TableSpec, more: dict[str, int]) -> set[str]:
    """Return which of the rows that are too many the source has too, only not so often."""
    buckets = sorted({text[:3] for text in more})
    return more.keys() & both.ask_source(source_digests.multiset, spec, buckets).keys()


def _steady(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {text: min(count, other[text]) for text, count in one.items() if text in other}
