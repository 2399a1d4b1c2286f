"""What the tests of repeated loads share: one load a night of one table, and what became of it in a few words."""

from __future__ import annotations

from typing import Any

import pytest
from faults import use
from lab import Done, Lab

import bulketl
from bulketl.errors import TargetError

INCREMENTAL = {"extraction_strategy": "incremental", "incremental_column": "at"}
CHUNKED = {"extraction_strategy": "chunked_incremental", "incremental_column": "at"}
MIRRORED = {**INCREMENTAL, "deletes": {"policy": "mirror", "every": "1s"}}


def night(
    lab: Lab,
    rule: dict[str, Any] | None = None,
    *,
    table: str = "t",
    full: bool = False,
    since: str = "",
    until: str = "",
    allow: tuple[str, ...] = (),
    fails: bool = False,
    **settings: Any,
) -> Done:
    """Load one table by a rule; unless it `fails`, it has to be loaded."""
    rules = {table: INCREMENTAL if rule is None else rule}
    config = lab.config(rules=rules, **settings)
    plan = bulketl.make_plan(config, tables=[table], full=full, since=since, until=until, allow_deletes=allow)
    done = lab.load(rules=rules, plan=plan, **settings)
    told = done.summary.tables[table]
    assert told.outcome == ("failed" if fails else "loaded"), (told.message, told.hint)
    return done


def counts(done: Done, table: str = "t") -> tuple[int | None, int | None, int | None]:
    """Return how many rows were inserted, updated, unchanged."""
    told = done.summary.tables[table]
    return told.inserted, told.updated, told.unchanged


def reason(done: Done, table: str = "t") -> str:
    """Return why the table was loaded as it was."""
    return next(load.reason for load in done.plan.loads if load.spec.table == table)


def whole(done: Done, table: str = "t") -> bool:
    """Tell whether all rows were read."""
    return next(load.spec.whole for load in done.plan.loads if load.spec.table == table)


def watermark(lab: Lab, table: str = "t") -> str | None:
    """Return the text of the watermark that the ledger has."""
    ((text,),) = lab.pg(
        "SELECT watermark FROM bulketl.state WHERE (schema_name, table_name) = (%s, %s)", (lab.schema, table)
    )
    return None if text is None else str(text)


def a_day_later(lab: Lab) -> None:
    """Let the last comparison be older than it is, so that the next load compares again."""
    lab.pg("UPDATE bulketl.state SET compared_at = compared_at - interval '25 hours' WHERE schema_name = %s", (lab.schema,))


def failing_at(monkeypatch: pytest.MonkeyPatch, step: str, moment: str, number: int) -> None:
    """Let the load fail for good at the `number`-th such moment of such a step."""
    seen: list[str] = []

    def fault(at: str, when: str) -> None:
        if (at, when) == (step, moment):
            seen.append(at)
            if len(seen) == number:
                raise TargetError("the disk is full")

    use(monkeypatch, fault)
