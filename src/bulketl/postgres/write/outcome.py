"""What a step has done: rows copied and published, and when that is too few or too bad."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bulketl.errors import DataError, runbook
from bulketl.postgres.ledger import entries
from bulketl.postgres.ledger.entries import CopyResult
from bulketl.postgres.write import table_checks
from bulketl.postgres.write.refused import batch_limit
from bulketl.postgres.write.secondary import found_beside
from bulketl.rows.aggregates import Figures
from bulketl.rows.coerce import Batch
from bulketl.rows.quality import Arrived
from bulketl.rows.reject import Reject
from bulketl.tables.checks import Counts, counts_from_json
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TableSpec


@dataclass(frozen=True, slots=True)
class PublishResult:
    """What a publish did: rows read, and of these and the table's how many were what; None where that is not counted.

    `checks`: per severity and check on the table as a whole, what was found; `quality`: rows here per row at the source.
    `figures`: of a certificate, of the rows that were staged. `noted`: what the run has put into the table's audit trail.
    `beside`: how many indexes and comments of the source the table has; `refused`: in words what Postgres refused of these.
    """

    rows: int = 0
    inserted: int | None = None
    updated: int | None = None
    unchanged: int | None = None
    deleted: int | None = None
    checks: Counts = field(default_factory=dict)
    quality: float = 1.0
    figures: Figures | None = None
    noted: dict[str, int] = field(default_factory=dict)
    beside: dict[str, int] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    rejects: int = 0  # rows that the table refused, taken out of its stage


def outcomes(cursor: Any, run: str, specs: Sequence[TableSpec]) -> list[PublishResult]:
    """Return what the publish of each table did, by one question for all."""
    cursor.execute(entries.outcomes_of(run, specs))
    found = {table: values for table, *values in cursor.fetchall()}
    done = []
    for spec in specs:
        rows, inserted, updated, unchanged, deleted, checks, score, noted = found[spec.table]
        counts = (rows, inserted, updated, unchanged, deleted)
        has, refused = found_beside(cursor, spec)
        of_checks = counts_from_json(json.loads(checks))
        done.append(PublishResult(*counts, of_checks, score, noted=json.loads(noted), beside=has, refused=refused))
    return done


def too_bad(spec: TableSpec, piece: Batch, rejects: int, read: int, run: str, *, whole: bool = False) -> DataError | None:
    """Return why the table fails because of a batch, or None; `rejects` of the `read` rows so far, or of the `whole`."""
    try:
        table_checks.within(spec, piece, table_checks.SEEN_HINT.format(table=spec.table))
    except DataError as error:
        return error
    if rejects <= (spec.rejectable(read) if whole else batch_limit(spec, read)):
        return None
    return too_many(spec, rejects, run, piece.rejects[-1] if piece.rejects else None)


def too_many(spec: TableSpec, rejects: int, run: str, last: Reject | None = None) -> DataError:
    """Return the error of a table with more rejects than it may have, with the reason of the last."""
    because = last.reason.partition(" DETAIL:")[0] if last else ""  # the detail has values, and what a trigger raises may
    most = spec.max_rejects if isinstance(spec.max_rejects, int) else f"{spec.max_rejects * 100:.6g}%"
    return DataError(
        f"table {spec.table!r}: {count_of(rejects, 'row')} rejected, and max_rejects is {most}{because and f': {because}'}",
        said=because if last and last.code else "",
        code=last.code if last else "",
        rejects=rejects,
        hint=f"`bulketl rejects show {spec.table} --run {run}` shows them; "
        "correct them at the source, change the column's cast, or raise max_rejects; " + runbook("quality-below-threshold"),
    )


def arrived(partition: int, total: CopyResult) -> Arrived:
    """Return what the quality score is made from."""
    return Arrived(partition, total.rows, total.rejects, total.expected)


def plus_batch(total: CopyResult, piece: Batch | None, spec: TableSpec) -> CopyResult:
    """Return the sum; raise DataError unless every row of the piece that was read is in it once, good or rejected."""
    if piece is None:
        return total
    table_checks.complete(spec, piece)
    changed = {column: Counter(kinds) for column, kinds in total.changed.items()}
    for (column, kind), count in piece.changed.items():
        changed.setdefault(column, Counter())[kind] += count
    found: Counts = {severity: dict(counts) for severity, counts in total.checks.items()}
    for (severity, label), count in piece.checks.items():
        counts = found.setdefault(severity, {})
        counts[label] = counts.get(label, 0) + count
    return CopyResult(
        total.rows + piece.good.num_rows,
        total.rejects + len(piece.rejects),
        total.bytes + piece.good.nbytes,
        {column: dict(kinds) for column, kinds in changed.items()},
        found,
    )
