"""Repairing what a verification found: exactly those rows, under the locks of a load, and looked at again afterwards.

Rows are found anew once the locks are held, in the same buckets, because a load may have been at work since. A table without
a key, or with a key twice in the target, is loaded whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.errors import BulketlError, DataError
from bulketl.loading.record import recorded
from bulketl.loading.run import load
from bulketl.mysql.read import null_bits
from bulketl.plan.plan import Plan, TableLoad, in_turn
from bulketl.plan.selection import Selection
from bulketl.postgres.ledger import rejects
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.rows import repair
from bulketl.rows.coerce import Batch, coerce
from bulketl.rows.reconcile import KEYS_READ, Differences
from bulketl.survey.planning import planned
from bulketl.tables.partitions import KeyTuple, Partition
from bulketl.tables.printable import count_of
from bulketl.tables.spec import TableSpec
from bulketl.verifying.details import read_all
from bulketl.verifying.levels import compare_table
from bulketl.verifying.request import Request
from bulketl.verifying.servers import Both
from bulketl.verifying.tasks import Found
from bulketl.verifying.verdicts import Repaired, Verification


def repaired(
    config: Config, both: Both, request: Request, found: Sequence[Found], result: Verification, selection: Selection
) -> Verification:
    """Repair the tables that differ, and return the result with what was done and what is found of them afterwards."""
    wrong = [item for item in found if item.verdict.wrong]
    whole = [item for item in wrong if not item.task.spec.key or item.verdict.doubled]
    rows = [item for item in wrong if item not in whole]
    run, done, after = "", list[Repaired](), list[Found]()
    if rows:
        run, done, after = _by_rows(config, both, request, rows, result)
    if whole:
        loading, loaded, there = _whole(config, both, request, whole, selection)
        run, done, after = run or loading, done + loaded, after + there
    return dataclasses.replace(result, run=run, repaired=tuple(done), again=tuple(item.verdict for item in after))


def _by_rows(
    config: Config, both: Both, request: Request, found: Sequence[Found], result: Verification
) -> tuple[str, list[Repaired], list[Found]]:
    """Repair rows of tables under one run, and return its name, what was done, and what is found afterwards."""
    done, after = list[Repaired](), list[Found]()
    with recorded(both.target, "repair", _plan(result, found), config) as run:
        # The plan has what the verification found; under the locks the rows are found anew.
        run.reasons.update(dict.fromkeys(run.reasons, "repair after a verification"))
        for item in found:
            with run.at(item.task.spec.table) as entry:
                one, error = _rows(both, run.name, compare_table(both, request, item.task, item.buckets))
                entry.rows, entry.deleted, entry.message = one.written, one.removed, one.problem
                entry.outcome = "failed" if one.problem else "loaded"
                entry.error, entry.public = "DataError" if one.problem else "", one.problem
                if error:
                    entry.error, entry.message = type(error).__name__, error.message
                    entry.hint, entry.public = error.hint, error.public
            done.append(one)
            rejected = patient(_rejects, both.target, result.schema)
            after.append(_again(both, request, item, rejected, item.buckets))
        return run.name, done, after


def _whole(
    config: Config, both: Both, request: Request, found: Sequence[Found], selection: Selection
) -> tuple[str, list[Repaired], list[Found]]:
    """Load tables whole, and return the run's name, what was done, and what is found afterwards."""
    names = tuple(item.task.spec.table for item in found)
    loaded = load(config, planned(config, Selection(tables=names, full=True, allow_deletes=selection.allow_deletes)))
    done = []
    for told in (loaded.tables[name] for name in names):
        problem = "" if told.outcome == "loaded" else told.message
        done.append(Repaired(told.table, told.rows, 0, whole=True, problem=problem))
    rejected = patient(_rejects, both.target, config.target_schema)
    return loaded.run, done, [_again(both, request, item, rejected, None) for item in found]


def _again(
    both: Both, request: Request, item: Found, rejected: Mapping[str, Sequence[str]], buckets: Sequence[str] | None
) -> Found:
    """Compare a table once more; a repair may have rejected rows, as a load does."""
    task = dataclasses.replace(item.task, rejected=rejected.get(item.task.spec.table, ()))
    return compare_table(both, request, task, buckets).without_keys()


def _rejects(target: Postgres, schema: str) -> dict[str, list[str]]:
    with target.connect() as connection:
        return rejects.rejects(connection, schema)


def _plan(result: Verification, found: Sequence[Found]) -> Plan:
    """Return the plan of a repair: for each table how many rows are read, and why.

    Their keys are not in it: the rows are found anew under the locks, and the ledger would keep every key for ever.
    """
    loads = []
    for item in found:
        reason = (
            f"repair: {count_of(item.verdict.missing, 'row')} missing, {item.verdict.differing} differing, "
            f"{item.verdict.extra} gone at the source"
        )
        read = item.verdict.missing + (0 if item.task.spec.audit else item.verdict.differing)
        loads.append(TableLoad(item.task.writing, (), item.task.tier, reason, read, 0))
    return in_turn(result.source, result.schema, found[0].task.writing.zone if found else "", loads)


def _keys(item: Found) -> tuple[KeyTuple, ...]:
    # What an audited table has stays as it was first seen.
    return item.missing if item.task.spec.audit else (*item.missing, *item.differing)


def _partitions(key: tuple[str, ...], keys: Sequence[KeyTuple]) -> list[Partition]:
    pieces = (tuple(keys[n : n + KEYS_READ]) for n in range(0, len(keys), KEYS_READ))
    return [Partition(n, columns=key, only=piece) for n, piece in enumerate(pieces)]


def _read(both: Both, spec: TableSpec, keys: Sequence[KeyTuple]) -> Iterator[Batch]:
    for partition in _partitions(spec.key, keys):
        for rows in patient(read_all, both.source, spec, partition):
            yield coerce(rows, spec, null_bits(spec), both.source.mask_key)


def _rows(both: Both, run: str, item: Found) -> tuple[Repaired, BulketlError | None]:
    """Write what differs; return what was done, and the error that it ended with."""
    spec = item.task.writing
    if said := item.verdict.problem:
        error = DataError(f"table {spec.table!r} cannot be compared: {said}", said=said, hint="`bulketl verify` says why")
        return Repaired(spec.table, problem=said), error
    differences = Differences(item.missing, () if spec.audit else item.differing, item.extra, item.verdict.there)
    try:
        written, removed = repair(both.target, run, spec, differences, lambda: _read(both, spec, _keys(item)))
    except BulketlError as error:
        return Repaired(spec.table, problem=f"{error.message}. {error.hint}".strip()), error
    note = "rows that differ stay as they were first seen: `bulketl audit verify` tells whether they were altered here"
    return Repaired(spec.table, written, removed, problem=note if spec.audit and item.differing else ""), None
