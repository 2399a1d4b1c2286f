"""Repairing what a verification found: exactly those rows, under the locks of a load, and looked at again afterwards.

Rows are found anew once the locks are held, in the same buckets, because a load may have been at work since. A table without
a key, or with a key twice in the target, is loaded whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pyarrow as pa

from bulketl.config.config import Config
from bulketl.connections.patience import patient
from bulketl.errors import BulketlError
from bulketl.loading.record import recorded
from bulketl.loading.run import load
from bulketl.mysql.read import masked, read
from bulketl.mysql.server import MySQL
from bulketl.plan.plan import Group, Plan, TableLoad
from bulketl.plan.selection import Selection
from bulketl.postgres.ledger import rejects
from bulketl.postgres.write.rows import repair
from bulketl.rows.coerce import coerce
from bulketl.rows.reconcile import KEYS_READ, Differences
from bulketl.survey.planning import planned
from bulketl.tables.partitions import KeyTuple, Partition
from bulketl.tables.spec import TableSpec
from bulketl.verifying.checker import Checker
from bulketl.verifying.tasks import Found
from bulketl.verifying.verdicts import Repaired, Verification


def mend(
    config: Config, checker: Checker, found: Sequence[Found], result: Verification, selection: Selection
) -> Verification:
    """Repair the tables that differ, and return the result with what was done and what is found of them afterwards."""
    wrong = [item for item in found if item.verdict.wrong]
    whole = [item for item in wrong if not item.task.spec.key or item.verdict.doubled]
    rows = [item for item in wrong if item not in whole]
    name = ""
    repaired: list[Repaired] = []
    after: list[Found] = []
    if rows:
        with recorded(checker.target, "repair", _plan(result, rows)) as run:
            name = run.name
            # The plan has what the verification found; under the locks the rows are found anew.
            run.reasons.update(dict.fromkeys(run.reasons, "repair after a verification"))
            for item in rows:
                with run.at(item.task.spec.table) as entry:
                    done = _rows(checker, name, checker.table(item.task, item.buckets))
                    entry.rows, entry.deleted, entry.message = done.written, done.removed, done.problem
                    entry.outcome = "failed" if done.problem else "loaded"
                repaired.append(done)
                checker.rejects = patient(_rejects, checker, result.schema)  # a repair may reject rows as a load does
                after.append(checker.table(item.task, item.buckets).without_keys())
    if whole:
        tables = tuple(item.task.spec.table for item in whole)
        anew = Selection(tables=tables, full=True, allow_deletes=selection.allow_deletes)
        loaded = load(config, planned(config, anew))
        checker.rejects = patient(_rejects, checker, result.schema)
        for item in whole:
            told = loaded.tables[item.task.spec.table]
            problem = "" if told.outcome == "loaded" else told.message
            repaired.append(Repaired(told.table, told.rows, 0, whole=True, problem=problem))
            after.append(checker.table(item.task, None))
        name = name or loaded.run
    again = tuple(item.verdict for item in after)
    return dataclasses.replace(result, run=name, repaired=tuple(repaired), again=again)


def _rejects(checker: Checker, schema: str) -> dict[str, list[str]]:
    with checker.target.connect() as connection:
        return rejects.rejects(connection, schema)


def _plan(result: Verification, found: Sequence[Found]) -> Plan:
    """Return the plan of a repair: for each table how many rows are read, and why.

    Their keys are not in it: the rows are found anew under the locks, and the ledger would keep every key for ever.
    """
    loads = []
    for item in found:
        reason = (
            f"repair: {item.verdict.missing} rows are missing, {item.verdict.differing} differ, "
            f"{item.verdict.extra} are gone at the source"
        )
        read = item.verdict.missing + (0 if item.task.spec.audit else item.verdict.differing)
        loads.append(TableLoad(item.task.writing, (), item.task.tier, reason, read, 0))
    groups = tuple(Group(item.tier, (item,)) for item in loads)
    return Plan(result.source, result.schema, found[0].task.writing.zone if found else "", groups)


def _keys(item: Found) -> tuple[KeyTuple, ...]:
    # What an audited table has stays as it was first seen.
    return item.missing if item.task.spec.audit else (*item.missing, *item.differing)


def _partitions(key: tuple[str, ...], keys: Sequence[KeyTuple]) -> list[Partition]:
    pieces = (tuple(keys[n : n + KEYS_READ]) for n in range(0, len(keys), KEYS_READ))
    return [Partition(n, columns=key, only=piece) for n, piece in enumerate(pieces)]


def _rows(checker: Checker, run: str, item: Found) -> Repaired:
    spec = item.task.writing
    if item.verdict.problem:
        return Repaired(spec.table, problem=item.verdict.problem)
    differences = Differences(item.missing, () if spec.audit else item.differing, item.extra, item.verdict.there)
    try:
        batches = (
            coerce(rows, spec, masked(spec))
            for partition in _partitions(spec.key, _keys(item))
            for rows in patient(_read, checker.source, spec, partition)
        )
        written, removed = repair(checker.target, run, spec, differences, batches)
    except BulketlError as error:
        return Repaired(spec.table, problem=f"{error.message}. {error.hint}".strip())
    note = "rows that differ stay as they were first seen: `bulketl audit verify` tells whether they were altered here"
    return Repaired(spec.table, written, removed, problem=note if spec.audit and item.differing else "")


def _read(source: MySQL, spec: TableSpec, partition: Partition) -> list[pa.Table]:
    return list(read(source, spec, partition))
