"""Whether some tables could be read by their changes, or by another column than now: what `discover` would propose for them.

It looks only at these tables, so a look at a few of them costs no more than they do. It counts how many rows change along
an index of the source that begins with the cursor; without such an index it counts nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.mysql.discover import read_profiles
from bulketl.mysql.recent import Stamped, count_recent
from bulketl.mysql.server import MySQL
from bulketl.survey.look import in_view
from bulketl.survey.proposals import Proposal, classify
from bulketl.survey.stamps import cursor_candidates
from bulketl.tables.catalog import Table
from bulketl.tables.measured import Known
from bulketl.tables.types import MOMENTS

MOST_SHARE = 0.5  # of the rows in a week, at which counting stops


class Cheaper(NamedTuple):
    """What `discover` proposes for a table, about how many rows it has, and the share of them that changed in a week.

    `changing`: no night of that week changed more; None where it was not counted. `stamp`: the cursor is a time that every
    change moves; else it is a key, which tells new rows alone.
    """

    proposal: Proposal
    rows: int
    changing: float | None
    stamp: bool


def cheaper(config: Config, tables: Collection[str]) -> dict[str, Cheaper]:
    """Return what is proposed for those of these tables that the source has, where that is to read what changed.

    Raise ConfigError or SourceError.
    """
    source = MySQL.of(config)
    catalog = patient(in_view, source, config, Known({}, {}))
    chosen = {
        table.name: table for table in catalog if table.name in tables and table.rows and not (table.problem or table.where)
    }
    profiles = patient(read_profiles, source, {table: cursor_candidates(table) for table in chosen.values()})
    found = {
        one.table: one for one in classify(catalog, profiles, config.classify)
        if one.table in chosen and one.cursor and one.strategy != "full_table" and not one.exclude
    }  # fmt: skip
    counted = patient(count_recent, source, _looks(chosen, found))
    return {
        name: Cheaper(
            one, chosen[name].rows, _share(counted.get(chosen[name].origin), chosen[name]), _stamp(chosen[name], one)
        )
        for name, one in found.items()
    }


def _looks(tables: Mapping[str, Table], found: Mapping[str, Proposal]) -> list[Stamped]:
    return [
        Stamped(tables[name].origin, one.cursor, int(tables[name].rows * MOST_SHARE) + 1)
        for name, one in found.items()
        if one.cursor and _stamp(tables[name], one) and any(key.columns[:1] == (one.cursor,) for key in tables[name].keys)
    ]


def _stamp(table: Table, one: Proposal) -> bool:
    return bool(one.cursor) and table.column(one.cursor or "").parsed.base in MOMENTS


def _share(count: int | None, table: Table) -> float | None:
    return None if count is None else min(count / table.rows, 1.0)
