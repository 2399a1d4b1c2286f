"""`migrate plan`: what to do next with the tables of each week, as commands, and what is being waited for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from bulketl.operations.migrate.ready import Readiness
from bulketl.operations.migrate.status import MigrationStatus
from bulketl.operations.migrate.weeks import Week
from bulketl.tables.patterns import exactly

Step = Literal["shadow", "compare", "promote"]
LINES: Mapping[Step, str] = {
    "shadow": "have bulketl load them beside the older pipeline",
    "compare": "compare them each night until enough nights in a row are equal",
    "promote": "have bulketl serve them",
}


class Move(NamedTuple):
    """A step to take with some tables of a week: the command that takes it, and the least number of nights to go.

    `against`: what stands against it, by table; `untried`: why that is not known.
    """

    week: int
    step: Step
    tables: tuple[str, ...]
    command: str
    nights: int = 0
    against: tuple[tuple[str, str], ...] = ()
    untried: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**self._asdict(), "tables": list(self.tables), "against": dict(self.against)}


def moves(found: MigrationStatus) -> list[Move]:
    """Return the next step of every table that bulketl does not serve yet, week by week; a table is in its first week."""
    seen: set[str] = set()
    made: list[Move] = []
    for week in found.weeks:
        fresh = [table for table in week.tables if table not in seen and found.owners[table] != "bulketl"]
        seen.update(week.tables)
        beside = [table for table in fresh if found.owners[table] == "shadow"]
        able = [table for table in beside if _stands(found, table).ready]
        steps: dict[Step, list[str]] = {
            "promote": able,
            "compare": [table for table in beside if table not in able],
            "shadow": [table for table in fresh if table not in beside],
        }
        made += [_move(found, week, step, tables) for step, tables in steps.items() if tables]
    return made


def _move(found: MigrationStatus, week: Week, step: Step, tables: Sequence[str]) -> Move:
    names = ",".join(exactly(table).replace(",", "\\,") for table in tables)  # an option splits at commas
    reason = "" if step == "compare" else f" --reason 'week {week.number}'"
    command = f"bulketl migrate {step} --tables {shlex.quote(names)}{reason}"
    left = [one.needed - one.nights for one in (_stands(found, table) for table in tables)] if step == "compare" else []
    return Move(week.number, step, tuple(tables), command, max(left, default=0))


def _stands(found: MigrationStatus, table: str) -> Readiness:
    return found.ready.get(table, Readiness(table, 0, 1))
