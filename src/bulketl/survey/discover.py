"""Rules proposed for the tables of a source, and what is wrong with those that are written."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError
from bulketl.mysql import rights
from bulketl.mysql.arrivals import read_arrivals
from bulketl.mysql.discover import read_profiles
from bulketl.mysql.matches import read_matches
from bulketl.mysql.server import MySQL
from bulketl.plan.decision import decide
from bulketl.plan.incremental import choice_of
from bulketl.plan.plan import Refusal
from bulketl.plan.selection import Selection, select
from bulketl.plan.stale import leftovers
from bulketl.postgres.inspect import missing_rights
from bulketl.postgres.known import known_of
from bulketl.postgres.ledger import made
from bulketl.postgres.ledger.states import last_loaded
from bulketl.postgres.server import STAGING, Postgres
from bulketl.survey.examination import find
from bulketl.survey.explanation import Evidence, chain
from bulketl.survey.findings import Finding, Seen
from bulketl.survey.look import in_view
from bulketl.survey.planning import counted
from bulketl.survey.proposals import Proposal, classify
from bulketl.survey.references import Guess, comparable, guesses, settled
from bulketl.survey.sourcefindings import outside, stale
from bulketl.survey.stamps import cursor_candidates
from bulketl.survey.standing import standings
from bulketl.tables import evidence
from bulketl.tables.catalog import Catalog, Column, Table, TargetTable
from bulketl.tables.measured import Known, Match
from bulketl.tables.partitions import Bound
from bulketl.tables.types import TIMES

FEW_TABLES = 1000  # of so many, how the newest rows came is looked at in each
NOTHING = Known({}, {})  # where no target is set


def propose(config: Config) -> tuple[Catalog, tuple[Proposal, ...]]:
    """Look at the source and return its catalogue, and what tables.yaml should say of each table and why.

    A handful of queries, and a few samples of values, many to a statement; nothing is changed. Raise ConfigError or
    SourceError.
    """
    seen = _evidence(config)
    return seen.catalog, classify(seen.catalog, seen.profiles, config.classify, seen.arrivals, seen.matches)


def explain(config: Config, table: str) -> tuple[str, ...]:
    """Look at the source as `propose` does, and return the whole chain of reasons for one table, a line each.

    First what was found, then, behind `=>`, what was decided. Raise PlanError when the source has no such table, and as
    `propose`.
    """
    seen = _evidence(config)
    names = [one.name for one in seen.catalog]
    if table not in names:
        close = difflib.get_close_matches(table, names, n=1)
        hint = f"did you mean {close[0]!r}? Case counts" if close else "name it as the source does; case counts"
        raise PlanError(f"there is no table {table!r} in {seen.catalog.identity}", hint=hint)
    guessed = guesses(seen.catalog)
    found = standings(seen.catalog, settled(seen.catalog, guessed, seen.matches), seen.profiles)
    proposals = classify(seen.catalog, seen.profiles, config.classify, seen.arrivals, seen.matches)
    mine = tuple(guess for guess in guessed if guess.table == table)
    return chain(seen, found[table], mine, next(item for item in proposals if item.table == table))


def _evidence(config: Config) -> Evidence:
    check_libraries()
    source = MySQL.of(config)
    catalog = patient(in_view, source, config, NOTHING)
    candidates = {table: found for table in catalog if table.rows and (found := cursor_candidates(table))}
    profiles = patient(read_profiles, source, candidates)
    arrivals = patient(read_arrivals, source, [table for table in catalog if _worth_a_look(table, catalog)])
    return Evidence(catalog, profiles, arrivals, _matched(source, catalog))


def _worth_a_look(table: Table, catalog: Catalog) -> bool:
    """Tell whether to look how the newest rows of a table came: of every table, where they are not too many."""
    few = len(catalog.tables) <= FEW_TABLES and evidence.counting_key(table) is not None and table.rows > 0
    return few or evidence.looked_at(table)


def _matched(source: MySQL, catalog: Catalog) -> dict[Guess, Match]:
    """Return what the values of columns say of the tables that they may refer to; nothing of tables without rows."""
    tables = {table.name: table for table in catalog}
    asked = [guess for guess in guesses(catalog) if tables[guess.table].rows and comparable(guess, tables)]
    found = patient(read_matches, source, [(tables[g.table], g.column, tables[g.target]) for g in asked])
    return {guess: match for guess, match in zip(asked, found, strict=True) if match is not None}


def validate(config: Config) -> tuple[Finding, ...]:
    """Compare the configuration with both live servers and return what is wrong or doubtful; change nothing.

    Without a target only the source is looked at. Raise ConfigError, SourceError or TargetError when a server that is
    set cannot be used.
    """
    check_libraries()
    source = MySQL.of(config)
    target: Mapping[str, TargetTable] | None = None
    known, loaded = NOTHING, dict[str, str]()
    locks = any(rule.consistency in ("snapshot", "locked") and not rule.exclude for rule in config.rules)
    lacking = patient(rights.missing_rights, source, config.source_limits, locks=locks)
    missing = [(source.database, *lack) for lack in lacking]
    if config.target:
        known, loaded, lacks_there = patient(_seen, Postgres.of(config), config.target_schema)
        missing += [(config.target_schema, *lack) for lack in lacks_there]
    foreign = outside(STAGING, patient(_outsiders, Postgres.of(config))) if config.target else ()
    catalog = patient(in_view, source, config, known)
    config = config.spread(table.name for table in catalog)
    if config.target:
        target = patient(counted, config, Postgres.of(config), known.existing, catalog)
    left = leftovers(config, catalog, target or {}, known.states, loaded)
    looked_at = {table: found for table in catalog if table.rows and (found := _cursors(config, table))}
    profiles = patient(read_profiles, source, looked_at)
    audited = {name for name, rule in config.tables.items() if rule.table_importance == "audit" and not rule.exclude}
    asked = [table for table in catalog if evidence.looked_at(table) or (table.rows and table.name in audited)]
    arrivals = patient(read_arrivals, source, asked)
    proposals = {proposal.table: proposal for proposal in classify(catalog, profiles, config.classify, arrivals)}
    lacks = (Finding(where, "error", text, "what needs it is not loaded", advice) for where, text, advice in missing)
    refused = _refused(config, catalog, dataclasses.replace(known, existing=target or {}))
    others = find(Seen(config, catalog, proposals, profiles, target, refused, known.states, arrivals))
    every = (*lacks, *stale(config.target_schema, left), *foreign, *others)
    return tuple(dataclasses.replace(one, source=catalog.identity, schema=config.target_schema) for one in every)


def _seen(target: Postgres, schema: str) -> tuple[Known, dict[str, str], list[tuple[str, str]]]:
    """Return what the target has, since when, and the rights that are missing there."""
    with target.connect() as connection:
        return known_of(connection, schema), last_loaded(connection, schema), list(missing_rights(connection, schema))


def _outsiders(target: Postgres) -> list[str]:
    with target.connect() as connection:
        return made.outsiders(connection)


def _refused(config: Config, catalog: Catalog, known: Known) -> tuple[Refusal, ...]:
    """Return what a load would refuse, as far as it can be told without measuring the tables."""
    try:
        wanted, _, hidden = select(config, catalog, Selection())
    except PlanError as error:
        return (Refusal(catalog.identity, "reference", error.message, error.hint),)
    bounds = {table.name: Bound(table.rows) for table in wanted}
    choices = {table.name: choice_of(known, table.name) for table in wanted}
    return (*hidden, *decide(config, wanted, bounds, known.existing, choices=choices).refused)


def _cursors(config: Config, table: Table) -> tuple[Column, ...]:
    named = config.rule(table.name).incremental_column
    times = (c for c in table.columns if c.name == named and c.parsed.base in TIMES)
    return tuple(dict.fromkeys((*cursor_candidates(table), *times)))
