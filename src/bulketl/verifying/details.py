"""Rows that differ, read from the source to say in which columns they do, and which of them are as they should be.

They come to the target in the same way as in a load, so only the types that a load writes decide what is equal.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Container, Iterator, Sequence

import pyarrow as pa

from bulketl.mysql import digests as source_digests
from bulketl.mysql import totals as source_totals
from bulketl.mysql.read import null_bits, read, read_where
from bulketl.mysql.server import MySQL
from bulketl.postgres.compare import digests as target_digests
from bulketl.postgres.compare.examine import Examined, examine
from bulketl.rows.coerce import Batch, coerce
from bulketl.rows.reconcile import KEYS_READ, Buckets
from bulketl.rows.reject import Reject
from bulketl.tables.alterations import OF_JSON
from bulketl.tables.casts import unhashed
from bulketl.tables.partitions import KeyTuple, Partition, json_key, key_texts
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TableSpec
from bulketl.verifying import looks
from bulketl.verifying.edge import late_rows
from bulketl.verifying.looks import Look, Total, is_doubled
from bulketl.verifying.request import Request
from bulketl.verifying.servers import Both
from bulketl.verifying.tasks import Found, Task, surplus_of
from bulketl.verifying.verdicts import RowFinding, RowKind, with_note

JSON_ROWS = 50_000  # read at once where a column has to be read to be compared


def add_unhashed(
    both: Both, task: Task, buckets: Buckets, names: Sequence[str], found: Look, altered: Counter[str]
) -> list[str]:
    """Read the columns that no hash covers, add the rows in which they differ to `found`, and return their buckets.

    What jsonb has changed of a value and is equal but for that is counted in `altered`.
    """
    spec, columns = task.spec, unhashed(task.spec.casts)
    where: list[str] = []
    if not columns:
        return where
    narrow = spec.narrowed(columns)
    at_once = len(names) * JSON_ROWS // max(task.rows, 1) or 1  # buckets
    for group in (list(names[n : n + at_once]) for n in range(0, len(names), at_once)):
        older = source_totals.older(task.mark)
        condition = f"{source_digests.within(spec, buckets, group)} AND {older}"
        batch = coerce(both.ask_source(read_where, narrow, condition), narrow, null_bits(narrow), both.source.mask_key)
        _note(altered, batch, columns)
        rows, _ = both.ask_target(examine, both.run, narrow, batch, None, values=False)
        seen = {one.text for one in rows if one.in_target and one.columns}
        if seen - found.differing.keys():
            mine = both.ask_source(source_digests.rows, spec, buckets, group, older)
            other = both.ask_target(target_digests.rows, spec, buckets, group)
            for text in seen & mine.keys() & other.keys():
                found.differing.setdefault(text, (mine[text], other[text]))
            where += group
    return where


def examined(both: Both, request: Request, task: Task, total: Total, where: Sequence[str], altered: Counter[str]) -> Found:
    """Read the rows that differ, say in which columns they do, and sort out those that are as they should be."""
    found, verdict = total.first, task.verdict
    asked = {**found.missing, **{text: one for text, (one, _) in found.differing.items()}}
    doubled = {text for text, pair in found.differing.items() if is_doubled(pair)}
    known = set(task.rejected)
    wanted = asked if request.level == "rows" else found.missing if known or task.mark else ()
    some = list(wanted)[: looks.DETAILED]
    seen: dict[str, Examined] = {}
    rejected = 0
    for rows, refused in _read(both, request, task, [asked[text].key for text in some], altered):
        seen |= {one.text: one for one in rows}
        rejected += sum(json_key(one.key) in known for one in refused)
    late = {text for text, one in seen.items() if one.late}
    noted = {text for text, one in seen.items() if one.in_trail and one.in_target} - late
    same = {text for text, one in seen.items() if one.in_target and not one.columns} - late - noted - doubled
    out = late | noted | same
    missing = {text: row for text, row in found.missing.items() if text not in out}
    differing = {text: one for text, (one, _) in found.differing.items() if text not in out | doubled}
    refused_now = [text for text in some if text in missing and text not in seen]
    rejected = min(rejected, len(refused_now))
    for text in refused_now[:rejected]:  # which of them the ledger names makes no difference to a count
        missing.pop(text)
    kinds: dict[str, RowKind] = dict.fromkeys(missing, "missing")
    kinds |= dict.fromkeys(differing, "differs")
    kinds |= dict.fromkeys(doubled, "doubled")
    named = [_named(row.key, seen.get(text), kinds[text]) for text, row in asked.items() if text in kinds]
    extra, kept = surplus_of(task, len(found.extra) + len(total.extra))
    if extra:
        named += [RowFinding(key_texts(row.key), "extra") for row in found.extra.values()]
    verdict = dataclasses.replace(
        verdict,
        missing=len(missing) + len(total.missing),
        differing=len(differing) + len(total.differing),
        doubled=len(doubled) + total.doubled,
        newer=verdict.newer + len(late),
        rejected=rejected,
        rows=tuple(named[: request.first]),
        extra=extra,
        kept=len(noted) + kept,
        kept_edited=len(noted),
    )
    for what, count in sorted(altered.items()):
        verdict = with_note(verdict, f"{what}: {count_of(count, 'row', 'is')} equal but for that (docs/types.md)")
    if request.level == "rows" and (len(asked) > looks.DETAILED or total.more):
        verdict = with_note(verdict, f"only the first {looks.DETAILED:,} rows that differ were read")
    return Found(
        verdict,
        task,
        (*(row.key for row in missing.values()), *total.missing),
        (*(row.key for row in differing.values()), *total.differing),
        (*(row.key for row in found.extra.values()), *total.extra) if extra else (),
        tuple(where),
    )


def _read(
    both: Both, request: Request, task: Task, keys: Sequence[KeyTuple], altered: Counter[str]
) -> Iterator[tuple[list[Examined], tuple[Reject, ...]]]:
    """Yield the rows of those keys beside the target's, and those that a load would reject, some at a time."""
    spec = task.spec
    late = late_rows(both, task) if keys else None
    for n in range(0, len(keys), KEYS_READ):
        partition = Partition(0, columns=spec.key, only=tuple(keys[n : n + KEYS_READ]))
        for rows in both.ask_source(read_all, spec, partition):
            batch = coerce(rows, spec, null_bits(spec), both.source.mask_key)
            _note(altered, batch, {item.column for item in spec.casts}.difference(unhashed(spec.casts)))
            yield both.ask_target(examine, both.run, spec, batch, late, values=request.show_values)


def read_all(source: MySQL, spec: TableSpec, partition: Partition) -> list[pa.Table]:
    """Return all rows of a partition, which has few of them."""
    return list(read(source, spec, partition))


def _note(altered: Counter[str], batch: Batch, columns: Container[str]) -> None:
    """Count what jsonb has changed of these columns, in rows that were read: they are equal but for that."""
    for (column, kind), count in batch.changed.items():
        if kind in OF_JSON and column in columns:
            altered[f"{column}: {kind}"] += count


def _named(key: KeyTuple, one: Examined | None, kind: RowKind) -> RowFinding:
    if one is None:
        return RowFinding(key_texts(key), kind)
    return RowFinding(one.key, kind, one.columns, one.source, one.target)
