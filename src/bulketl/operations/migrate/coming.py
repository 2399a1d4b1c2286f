"""The tables that an older pipeline still serves, and how near each is to being promoted: for the pages and the reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bulketl.config.config import Config
from bulketl.operations.migrate.ready import Readiness, ready
from bulketl.postgres.ledger import ownership
from bulketl.postgres.ledger.looking import Look
from bulketl.tables.owner import WORDS, Owned
from bulketl.tables.printable import count_of

TOLD = 12  # tables by name


class ComingTable(NamedTuple):
    """A table that is loaded beside the older pipeline, and how near it is to being promoted."""

    table: str
    near: Readiness

    @property
    def words(self) -> str:
        """How it stands, in a line."""
        return f"ready to be promoted: {self.near.words}" if self.near.ready else self.near.words

    @property
    def stands(self) -> str:
        """Whether it is ready, and if not why, in a few words."""
        if self.near.ready:
            return "ready"
        if self.near.at is None:
            return "never compared"
        return f"{self.near.last} on {self.near.at:%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class Coming:
    """How a migration stands: the tables beside the older pipeline, ready ones first, and those that it has alone.

    `owned`: of each table of which that is on record, who serves it and since when.
    """

    beside: tuple[ComingTable, ...]
    alone: frozenset[str]
    owned: dict[str, Owned]

    @property
    def sentence(self) -> str:
        """How it stands, in a sentence whose numbers add up."""
        if not self.beside and not self.alone:
            return "The older pipeline serves no table any more."
        able = sum(one.near.ready for one in self.beside)
        alone, both = len(self.alone), len(self.beside)
        served = count_of(alone + both, "table")
        return f"The older pipeline serves {served}: {alone:,} alone, {both:,} beside bulketl; {able:,} ready."

    @property
    def told(self) -> Sequence[ComingTable]:
        """The tables beside it that are named."""
        return self.beside[:TOLD]

    def of(self, table: str) -> str:
        """Return who serves a table, since when, and how near it is to being promoted; '' where that is not known."""
        near = next((one.words for one in self.beside if one.table == table), "")
        owned = self.owned.get(table)
        if owned is None:
            return WORDS["legacy"] if table in self.alone else ""
        return "; ".join(filter(None, (f"{WORDS[owned.owner]}, since {owned.at:%Y-%m-%d}", near)))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        able = [one.table for one in self.beside if one.near.ready]
        waiting = {one.table: one.near.words for one in self.beside if not one.near.ready}
        return {"alone": len(self.alone), "beside": len(self.beside), "ready": able, "waiting": waiting}


def coming_in(look: Look, config: Config) -> Coming | None:
    """Return how the migration stands, in a look that is open; None where none is configured, or nothing is on record."""
    if config.migration is None or not look.version:
        return None
    connection, schema = look.connection, config.target_schema
    owned = ownership.owners(connection, schema)
    others = {one for one in ownership.others(connection, schema, migrating=True) if not config.rule(one).exclude}
    beside = sorted(table for table in others if table in owned and owned[table].owner == "shadow")
    near = ready(connection, config, beside)
    found = sorted((ComingTable(table, near[table]) for table in beside), key=_nearest)
    return Coming(tuple(found), frozenset(others.difference(beside)), owned)


def _nearest(one: ComingTable) -> tuple[bool, int, str]:
    return not one.near.ready, one.near.needed - one.near.nights, one.table
