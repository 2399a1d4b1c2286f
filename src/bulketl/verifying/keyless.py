"""Verifying a table without a key: as a multiset of rows, told apart by hashes of all they hold.

A row that is lost, one that is too many and one that is there twice are found so; a row that was changed is both lost and
too many, and is matched with the row that differs from it in the fewest columns.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from bulketl.mysql import compare as here
from bulketl.mysql.read import masked, read_where
from bulketl.postgres.compare import digests as there
from bulketl.postgres.compare import examine as target_side
from bulketl.rows.coerce import coerce
from bulketl.rows.reconcile import Buckets
from bulketl.tables.casts import unhashed
from bulketl.tables.spec import TableSpec
from bulketl.verifying.checker import PAUSE_SECONDS, Checker
from bulketl.verifying.looks import all_buckets, chosen, nearest
from bulketl.verifying.tasks import Found, Task, surplus_of
from bulketl.verifying.verdicts import RowFinding, TableVerdict, with_note


def multiset(checker: Checker, task: Task, only: Sequence[str] | None) -> Found:
    """Return what is found of a table without a key, in some buckets of its row hashes only if they are named."""
    spec = task.spec
    names = only or (
        None if checker.sample == 1 else chosen(all_buckets(Buckets()), spec.table, checker.sample, checker.seed)
    )
    piece = (
        ("TRUE", "true") if names is None else (here.within(spec, Buckets(), names), there.within(spec, Buckets(), names))
    )
    theirs, ours = checker.digests(task, spec, Buckets(), [piece])
    unequal = sorted(n for n in {*ours, *theirs} if ours.get(n) != theirs.get(n))
    verdict = dataclasses.replace(
        checker.begun(task), compared=sum(r for r, _ in ours.values()), there=sum(r for r, _ in theirs.values())
    )
    if checker.level == "keys":
        verdict = with_note(verdict, "it has no key, so whole rows were compared")
    lost, more = _unmatched(checker, spec, unequal)
    if lost or more:
        time.sleep(PAUSE_SECONDS)
        again = _unmatched(checker, spec, unequal)
        before = sum(lost.values()) + sum(more.values())
        lost, more = _both(lost, again[0]), _both(more, again[1])
        verdict = dataclasses.replace(verdict, changing=before - sum(lost.values()) - sum(more.values()))
    found = _matched(checker, task, verdict, lost, more) if lost or more else verdict
    columns = unhashed(spec.casts)
    told = tuple(f"{column}: text that is declared jsonb, in a table without a key" for column in columns)
    return Found(dataclasses.replace(found, uncompared=(*found.uncompared, *told)), task, buckets=tuple(unequal))


def _unmatched(checker: Checker, spec: TableSpec, which: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the hashes of rows that the target lacks, and of those it has more often, with how many."""
    lost: dict[str, int] = {}
    more: dict[str, int] = {}
    for some in (list(which[n : n + 512]) for n in range(0, len(which), 512)):
        old = checker.there(there.multiset, checker.target, spec, some)
        new = checker.here(here.multiset, checker.source, spec, some)
        for text in {*old, *new}:
            if fewer := new.get(text, 0) - old.get(text, 0):
                (lost if fewer > 0 else more)[text] = abs(fewer)
    return lost, more


def _matched(
    checker: Checker, task: Task, verdict: TableVerdict, lost: dict[str, int], more: dict[str, int]
) -> TableVerdict:
    spec, known = task.spec, len(checker.rejects.get(task.spec.table, ()))
    some, others = list(lost)[: max(checker.first, known, 1) * 4], list(more)[: max(checker.first, 1) * 10]
    matched: list[tuple[str, str, tuple[str, ...]]] = []
    values: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    refused: list[str] = []
    if some:
        hashes = ", ".join(f"'{int(text, 16):064x}'" for text in some)
        read = checker.here(read_where, checker.source, spec, f"{here.row_hash(spec)} IN ({hashes})")
        batch = coerce(read, spec, masked(spec))
        found, _ = checker.there(target_side.pairs, checker.target, checker.run, spec, batch, others, values=checker.values)
        fit = {one.lost for one in found}
        refused = [text for text in some if text not in fit][:known]
        near = [(one.lost, one.other, one.columns) for one in found if one.other is not None]
        matched = nearest(near, len(spec.casts))
        values = {(one.lost, one.other): (one.source, one.target) for one in found if one.other is not None}
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
    again = _again(checker, spec, more) if extra else set()
    twice = min(extra, sum(more[text] for text in again))
    if extra:
        rows += [RowFinding((f"row {b[:12]}",), "doubled" if b in again else "extra") for b in more if b not in pairs_b]
    return dataclasses.replace(
        verdict,
        missing=sum(count - (a in pairs_a) for a, count in lost.items()),
        differing=len(matched),
        extra=extra - twice,
        doubled=twice,
        kept=kept,
        rejected=rejected,
        rows=tuple(rows[: checker.first]),
    )


def _again(checker: Checker, spec: TableSpec, more: dict[str, int]) -> set[str]:
    """Return which of the rows that are too many the source has too, only not so often."""
    buckets = sorted({text[:3] for text in more})
    return more.keys() & checker.here(here.multiset, checker.source, spec, buckets).keys()


def _both(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {text: min(count, other[text]) for text, count in one.items() if text in other}
