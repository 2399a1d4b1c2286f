"""The look at both servers with which planning, verifying and everything else begins that writes or compares rows.

The target comes first: bulketl reads nothing for a target that is not there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.mysql.discover import read_catalog
from bulketl.mysql.server import MySQL
from bulketl.mysql.zones import check_zone
from bulketl.plan.absences import expected
from bulketl.plan.calling import called
from bulketl.plan.leftout import with_views
from bulketl.plan.masking import cuttable
from bulketl.plan.plan import Refusal, Skip
from bulketl.plan.selection import Selection, select
from bulketl.postgres.known import known as ask_known
from bulketl.postgres.server import Postgres
from bulketl.survey.stages import Tell, silent
from bulketl.tables.catalog import Catalog
from bulketl.tables.measured import Known

K = TypeVar("K", bound=Known)


@dataclass(frozen=True, slots=True)
class Sight(Generic[K]):
    """Both servers, what each has, and what of it is asked for."""

    source: MySQL
    target: Postgres
    everything: Catalog  # of the source, and the views among its tables that somebody wants
    known: K
    # Of everything:
    catalog: Catalog  # the tables that are asked for
    skipped: tuple[Skip, ...] = ()  # those that wait, or are gone at the source
    hidden: tuple[Refusal, ...] = ()  # those that are known and not in view


def look(config: Config, selection: Selection, ask: Callable[[Postgres, str], K], tell: Tell = silent) -> Sight[K]:
    """Return what both servers have, and what of it the selection takes.

    `ask` asks the target what its schema has: `known` of `bulketl.postgres.known`, or more. `tell` hears what is done. Raise
    ConfigError, SourceError or TargetError when a server cannot be used or does not know the declared zone, PlanError when
    nothing fits.
    """
    zone = config.session_zone
    tell("connecting to the target", 0, 0)
    source, target = MySQL.of(config), Postgres.of(config)
    known = patient(ask, target, config.target_schema)
    patient(check_zone, source, zone)
    tell("reading the source's catalogue", 0, 0)
    everything = patient(in_view, source, config, known, selection.tables)
    return Sight(source, target, everything, known, *select(config, everything, selection))


def look_for(config: Config, names: Collection[str]) -> Sight[Known]:
    """Return what both servers have, views of these names among the tables, with nothing selected. Raise as `look`."""
    source, target = MySQL.of(config), Postgres.of(config)
    known = patient(ask_known, target, config.target_schema)
    everything = patient(in_view, source, config, known, names)
    return Sight(source, target, everything, known, everything)


def in_view(source: MySQL, config: Config, known: Known, names: Collection[str] = ()) -> Catalog:
    """Return what the source has, the views that somebody wants among its tables, and what is known and not in view.

    `names`: those a person names besides the rules. Raise SourceError.
    """
    wanted = expected(config, source.identity, known.states, known.existing)
    catalog = called(config, read_catalog(source, wanted))
    config.meet((*catalog, *catalog.views))
    seen = with_views(catalog, config, known.states, names)
    rules = ((table, config.rule(table.name)) for table in seen)
    tables = (dataclasses.replace(table, where=rule.where or "", limit=rule.limit) for table, rule in rules)
    return dataclasses.replace(seen, tables=tuple(cuttable(config, table) for table in tables))
