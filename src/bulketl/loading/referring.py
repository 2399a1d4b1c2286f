"""Foreign keys that bulketl keeps, around a run: dropped while tables are written, added again when all are done."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence

from bulketl.connections.retrying import patient
from bulketl.errors import BulketlError
from bulketl.loading.summary import Summary
from bulketl.plan.plan import Plan
from bulketl.postgres.server import Connection, Postgres
from bulketl.postgres.write import referring
from bulketl.postgres.write.referring import Tied
from bulketl.tables.printable import count_of

_log = logging.getLogger("bulketl")
NAMED = 8  # foreign keys that a line names


def kept(connection: Connection, plan: Plan) -> list[Tied]:
    """Return the foreign keys that bulketl keeps of the plan's tables and to them."""
    return referring.found(connection, plan.schema, [load.spec.table for load in plan.loads])


@contextlib.contextmanager
def untied(target: Postgres, plan: Plan, away: Sequence[Tied], summary: Summary, *, load: bool) -> Iterator[None]:
    """Take foreign keys away, and put them back; a `load` puts those there that its plan names.

    What does not hold afterwards is told with the run's notes, and fails nothing. A load that an error ends leaves them
    away, for it is gone on with, or made anew.
    """
    if away:
        patient(_loosen, target, away)
    try:
        yield
    finally:
        if not (load and sys.exception()) and not isinstance(sys.exception(), KeyboardInterrupt):
            try:
                planned = load and (plan.references or away)
                told = patient(_tied_as_planned, target, plan, summary) if planned else patient(_tied_again, target, away)
            except BulketlError as error:
                told = [f"foreign keys are not put back: {error.public}; the next load does so"] if away else []
            summary.notes = (*summary.notes, *told)
            for line in told if not load else ():  # of a load its summary tells
                _log.warning("%s", line)
        elif away:
            away_still = f"{count_of(len(away), 'foreign key', 'is')} away until the load is resumed or made anew"
            _log.warning("%s: %s", away_still, ", ".join(f"{one.name} of {one.table}" for one in away[:NAMED]))


def _loosen(target: Postgres, away: Sequence[Tied]) -> None:
    with target.connect() as connection:
        for one in away:
            if why := referring.loosen(connection, one):
                _log.warning("foreign key %s of %s stays while its tables are written: %s", one.name, one.table, why)


def _tied_again(target: Postgres, away: Sequence[Tied]) -> list[str]:
    if not away:
        return []
    with target.connect() as connection:
        failed = [(one, why) for one in away if (why := referring.tie_again(connection, one))]
    return [f"foreign key {one.name} of {one.table} does not hold any more: {why}" for one, why in failed]


def _tied_as_planned(target: Postgres, plan: Plan, summary: Summary) -> list[str]:
    wanted = [item for item in plan.references if not item.why]
    named = {(item.table, item.note) for item in wanted}
    with target.connect() as connection:
        there = {(one.table, one.note): one for one in referring.found(connection, plan.schema, (), every=True)}
        for one in there.values():  # of tables that this run did not load, and that their rule or the source has no longer
            if one.table in plan.referring and (one.table, one.note) not in named:
                referring.loosen(connection, one)
        bad = []
        for item in wanted:
            known = there.get((item.table, item.note))
            why = referring.tie(connection, plan.schema, item) if known is None else "" if known.valid else _INVALID
            bad += [f"{item.name} of {item.table} is {why}"] if why else []
    summary.foreign_keys = len(wanted) - len(bad)
    if not bad:
        return []
    more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return [f"{count_of(len(bad), 'foreign key', 'is')} not as at the source: {'; '.join(bad[:NAMED])}{more}"]


_INVALID = "not valid since an earlier load, and neither of its tables was loaded"
