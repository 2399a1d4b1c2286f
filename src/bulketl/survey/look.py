"""The look at both servers with which planning, validating and verifying begin."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bulketl.config.config import Config
from bulketl.mysql.discover import read_catalog
from bulketl.mysql.server import MySQL
from bulketl.plan.absences import expected
from bulketl.plan.leftout import with_views
from bulketl.tables.catalog import Catalog, TargetTable
from bulketl.tables.cursor import State


def look(
    source: MySQL,
    config: Config,
    states: Mapping[str, State],
    target: Mapping[str, TargetTable],
    names: Collection[str] = (),
) -> Catalog:
    """Return what the source has, the views that somebody wants among its tables, and what is known and not in view.

    `names`: those a person names besides the rules. Raise SourceError.
    """
    catalog = read_catalog(source, expected(config, source.identity, states, target))
    return with_views(catalog, config, states, names)
