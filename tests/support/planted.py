"""Faults planted in the code one at a time, so that it is known what the machine finds: each breaks one thing of a load."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest

import bulketl.loading.run
import bulketl.mysql.changes
import bulketl.mysql.read
import bulketl.operations.retention
import bulketl.postgres.write.guard
import bulketl.postgres.write.merge
import bulketl.postgres.write.rows
import bulketl.rows.reconcile
import bulketl.survey.cursors
import bulketl.survey.planning
import bulketl.verifying.levels
from bulketl.loading.summary import TableSummary
from bulketl.plan.publishing import differing
from bulketl.plan.resumption import remaining
from bulketl.postgres.compare import totals
from bulketl.postgres.ddl import name
from bulketl.postgres.ledger import entries
from bulketl.postgres.target import PostgresTarget
from bulketl.postgres.write.retention import retain
from bulketl.verifying.counts import count_tables

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Fault:
    """A fault: its name, what it breaks, and how."""

    name: str
    what: str
    plant: Callable[[Patch], None]


def _early(patch: Patch) -> None:
    """Have each way to publish be preceded by a transaction that moves the watermark."""

    def moved(self: PostgresTarget, spec: Any) -> None:
        if spec.watermark is not None:
            with self.postgres.connect() as connection:
                mark = (spec.watermark.value, spec.schema, spec.table)
                at = "(schema_name, table_name) = (%s, %s)"
                connection.execute(f"UPDATE bulketl.state SET watermark = %s WHERE {at}".encode(), mark)

    publish, group = PostgresTarget.publish, PostgresTarget.load_group

    def early(self: PostgresTarget, spec: Any) -> Any:
        moved(self, spec)
        return publish(self, spec)

    def early_group(self: PostgresTarget, specs: Sequence[Any], *more: Any) -> Any:
        for spec in specs:
            moved(self, spec)
        return group(self, specs, *more)

    patch.setattr(PostgresTarget, "publish", early)
    patch.setattr(PostgresTarget, "load_group", early_group)


def _boundary(patch: Patch) -> None:
    really = bulketl.mysql.read.changes_condition
    for module in (bulketl.mysql.read, bulketl.mysql.changes):
        patch.setattr(module, "changes_condition", lambda changes: really(changes).replace(">=", ">", 1))


def _unguarded(patch: Patch) -> None:
    for module in (bulketl.postgres.write.guard, bulketl.postgres.write.rows):
        patch.setattr(module, "check_gone", lambda *_: None)


def _last_range(patch: Patch) -> None:
    """Have the last range of keys in which rows are gone be passed over."""
    really = bulketl.rows.reconcile.compare_rows

    def compare(here: Any, there: Any, spec: Any) -> Any:
        found = really(here, there, spec)
        width = there.buckets(spec).width or 1
        last = max((int(str(key[0])) // width for key in found.gone), default=0)
        return dataclasses.replace(found, gone=tuple(key for key in found.gone if int(str(key[0])) // width != last))

    patch.setattr(bulketl.rows.reconcile, "compare_rows", compare)


def _nulls(patch: Patch) -> None:
    """Compare rows of a merge by `<>`, which is NULL where one of the values is."""

    def differs(spec: Any, one: str, other: str) -> str:
        names = [name(item.name) for item in spec.casts]
        return "(" + " OR ".join(f"{one}.{column} <> {other}.{column}" for column in names) + ")"

    patch.setattr(bulketl.postgres.write.merge, "differs", differs)


def _skips(patch: Patch) -> None:
    """Have a run that is resumed leave its last group out."""
    really = remaining
    patch.setattr(
        bulketl.loading.run,
        "remaining",
        lambda *args: dataclasses.replace(plan := really(*args), groups=plan.groups[:-1]),
    )


def _twice(patch: Patch) -> None:
    """Have a claim be granted although the record is there."""
    really = entries.claim
    again = "ON CONFLICT (run, schema_name, table_name, partition) DO UPDATE SET rows = 0 RETURNING 1"
    patch.setattr(entries, "claim", lambda *args: really(*args).replace("ON CONFLICT DO NOTHING RETURNING 1", again))


def _a_day_early(patch: Patch) -> None:
    really = retain

    def sooner(target: Any, run: str, spec: Any, rule: Any, *more: Any) -> Any:
        days = int(re.findall(r"\d+", rule.keep)[0])
        return really(target, run, spec, rule.model_copy(update={"keep": f"{days - 1} days"}), *more)

    patch.setattr(bulketl.operations.retention, "retain", sooner)


def _renamed(patch: Patch) -> None:
    """Have a column that is new be no reason to read the rows that were loaded without it."""
    really = differing
    patch.setattr(bulketl.survey.cursors, "differing", lambda *args: dataclasses.replace(really(*args), added=()))


def _not_passed_over(patch: Patch) -> None:
    patch.setattr(bulketl.survey.planning, "left_to_others", lambda _config, catalog, *_: (catalog, ()))


def _itself(patch: Patch) -> None:
    """Have the counts of a verification at the source be those of the target."""

    def counted(both: Any, tasks: Any) -> Any:
        class Twice:
            def __getattr__(self, item: str) -> Any:
                return getattr(both, item)

            def begin_source(self, ask: Any, asked: Any) -> Any:
                there = both.begin_target(totals.counts, [spec for spec, _ in asked]).result()
                done: Future[Any] = Future()
                done.set_result({table: (rows, 0, "") for table, rows in there.items()})
                return done

        return count_tables(Twice(), tasks)  # type: ignore[arg-type]

    patch.setattr(bulketl.verifying.levels, "count_tables", counted)


def _stays(patch: Patch) -> None:
    patch.setattr(PostgresTarget, "sweep", lambda _: None)
    patch.setattr(PostgresTarget, "discard", lambda *_: None)


def _miscounts(patch: Patch) -> None:
    really = TableSummary.add

    def add(self: TableSummary, event: Any) -> None:
        really(self, event)
        self.rows += event.rows > 3

    patch.setattr(TableSummary, "add", add)


FAULTS = (
    Fault("early watermark", "the watermark is saved before the rows are published", _early),
    Fault("boundary", "`>` instead of `>=` where the lookback begins", _boundary),
    Fault("no guard", "a load removes rows however large the share that is gone", _unguarded),
    Fault("last range", "a comparison skips the last range with rows that are gone", _last_range),
    Fault("NULL", "a merge regards a row as unchanged when a value became NULL, or is no longer NULL", _nulls),
    Fault("unfinished", "a run that is resumed leaves a table out", _skips),
    Fault("claimed twice", "a range that was committed is copied again when its answer was lost", _twice),
    Fault("a day early", "retention removes the rows of one more day", _a_day_early),
    Fault("renamed", "a renamed column is NULL in rows that were loaded before", _renamed),
    Fault("not passed over", "a load does not leave the older pipeline's tables alone", _not_passed_over),
    Fault("itself", "`verify --level count` compares the target's count with itself", _itself),
    Fault("staging", "the staging table of a table that failed stays", _stays),
    Fault("miscounted", "the summary counts a row more than there are", _miscounts),
)  # fmt: skip
QUICK = tuple(fault for fault in FAULTS if fault.name in ("boundary", "unfinished"))
