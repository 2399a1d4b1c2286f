"""Rules proposed for the tables of a source, and what is wrong with those that are written."""

from __future__ import annotations

from collections.abc import Mapping

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.patience import patient
from bulketl.errors import PlanError
from bulketl.mysql import rights
from bulketl.mysql.arrivals import read_arrivals
from bulketl.mysql.discover import read_profiles
from bulketl.mysql.server import MySQL
from bulketl.plan.decision import decide
from bulketl.plan.incremental import Choice
from bulketl.plan.plan import Refusal
from bulketl.plan.selection import select
from bulketl.plan.stale import leftovers
from bulketl.postgres.inspect import missing_rights, read_tables
from bulketl.postgres.ledger import made
from bulketl.postgres.ledger.states import last_loaded, read_states
from bulketl.postgres.server import STAGING, Postgres
from bulketl.survey.examination import find
from bulketl.survey.findings import Finding, Seen
from bulketl.survey.look import look
from bulketl.survey.planning import counted
from bulketl.survey.proposals import Proposal, classify, cursor_candidates
from bulketl.survey.sourcefindings import outside, stale
from bulketl.tables import evidence
from bulketl.tables.casts import parse_type
from bulketl.tables.catalog import Catalog, Column, Table, TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.partitions import Bound


def propose(config: Config) -> tuple[Catalog, tuple[Proposal, ...]]:
    """Look at the source and return its catalogue, and what tables.yaml should say of each table and why.

    A handful of queries, however many tables there are; nothing is changed. Raise ConfigError or SourceError.
    """
    check_libraries()
    source = MySQL.of(config)
    catalog = patient(look, source, config, {}, {})
    candidates = {table: found for table in catalog if table.rows and (found := cursor_candidates(table))}
    profiles = patient(read_profiles, source, candidates)
    arrivals = patient(read_arrivals, source, [table for table in catalog if evidence.looked_at(table)])
    return catalog, classify(catalog, profiles, config.classify, arrivals)


def validate(config: Config) -> tuple[Finding, ...]:
    """Compare the configuration with both live servers and return what is wrong or doubtful; change nothing.

    Without a target only the source is looked at. Raise ConfigError, SourceError or TargetError when a server that is
    set cannot be used.
    """
    check_libraries()
    source = MySQL.of(config)
    target: dict[str, TargetTable] | None = None
    loaded: dict[str, str] = {}
    states: dict[str, State] = {}
    locks = any(rule.consistency in ("snapshot", "locked") and not rule.exclude for rule in config.tables.values())
    lacking = patient(rights.missing_rights, source, config.source_limits, locks=locks)
    missing = [(source.database, *lack) for lack in lacking]
    if config.target:
        target, states, loaded, lacks_there = patient(_seen, Postgres.of(config), config.target_schema)
        missing += [(config.target_schema, *lack) for lack in lacks_there]
    foreign = outside(STAGING, patient(_outsiders, Postgres.of(config))) if config.target else ()
    catalog = patient(look, source, config, states, target or {})
    target = target and patient(counted, config, Postgres.of(config), target, catalog)
    left = leftovers(config, catalog, target or {}, states, loaded)
    looked_at = {table: found for table in catalog if table.rows and (found := _cursors(config, table))}
    profiles = patient(read_profiles, source, looked_at)
    audited = {name for name, rule in config.tables.items() if rule.table_importance == "audit" and not rule.exclude}
    asked = [table for table in catalog if evidence.looked_at(table) or (table.rows and table.name in audited)]
    arrivals = patient(read_arrivals, source, asked)
    proposals = {proposal.table: proposal for proposal in classify(catalog, profiles, config.classify, arrivals)}
    lacks = (Finding(where, "error", text, "what needs it is not loaded", advice) for where, text, advice in missing)
    refused = _refused(config, catalog, target or {}, states)
    others = find(Seen(config, catalog, proposals, profiles, target, refused, states, arrivals))
    return (*lacks, *stale(config.target_schema, left), *foreign, *others)


def _seen(
    target: Postgres, schema: str
) -> tuple[dict[str, TargetTable], dict[str, State], dict[str, str], list[tuple[str, str]]]:
    """Return what the target has, how far it is loaded and since when, and the rights that are missing there."""
    with target.connect() as connection:
        states, loaded = read_states(connection, schema), last_loaded(connection, schema)
        return read_tables(connection, schema), states, loaded, list(missing_rights(connection, schema))


def _outsiders(target: Postgres) -> list[str]:
    with target.connect() as connection:
        return made.outsiders(connection)


def _refused(
    config: Config, catalog: Catalog, target: Mapping[str, TargetTable], states: Mapping[str, State]
) -> tuple[Refusal, ...]:
    """Return what a load would refuse, as far as it can be told without measuring the tables."""
    try:
        wanted, _, hidden = select(config, catalog, (), ())
    except PlanError as error:
        return (Refusal(catalog.identity, "reference", error.message, error.hint),)
    bounds = {table.name: Bound(table.rows) for table in wanted}
    known = {table.name: Choice(state=states.get(table.name)) for table in wanted}
    return decide(config, wanted, bounds, target, choices=known, hidden=hidden).refused


def _cursors(config: Config, table: Table) -> tuple[Column, ...]:
    named = config.rule(table.name).incremental_column
    times = (c for c in table.columns if c.name == named and parse_type(c.type).base in ("date", "datetime", "timestamp"))
    return tuple(dict.fromkeys((*cursor_candidates(table), *times)))
