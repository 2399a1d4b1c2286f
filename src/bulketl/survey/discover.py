"""Rules proposed for the tables of a source."""

from __future__ import annotations

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.retrying import patient
from bulketl.mysql.arrivals import read_arrivals
from bulketl.mysql.discover import read_profiles
from bulketl.mysql.server import MySQL
from bulketl.survey.look import in_view
from bulketl.survey.proposals import Proposal, classify, cursor_candidates
from bulketl.tables import evidence
from bulketl.tables.catalog import Catalog
from bulketl.tables.measured import Known

NOTHING = Known({}, {})  # where no target is set


def propose(config: Config) -> tuple[Catalog, tuple[Proposal, ...]]:
    """Look at the source and return its catalogue, and what tables.yaml should say of each table and why.

    A handful of queries, however many tables there are; nothing is changed. Raise ConfigError or SourceError.
    """
    check_libraries()
    source = MySQL.of(config)
    catalog = patient(in_view, source, config, NOTHING)
    candidates = {table: found for table in catalog if table.rows and (found := cursor_candidates(table))}
    profiles = patient(read_profiles, source, candidates)
    arrivals = patient(read_arrivals, source, [table for table in catalog if evidence.looked_at(table)])
    return catalog, classify(catalog, profiles, config.classify, arrivals)
