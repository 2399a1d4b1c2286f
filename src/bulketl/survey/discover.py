"""Rules proposed for the tables of a source."""

from __future__ import annotations

import difflib

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError
from bulketl.mysql.arrivals import read_arrivals
from bulketl.mysql.discover import read_profiles
from bulketl.mysql.matches import read_matches
from bulketl.mysql.server import MySQL
from bulketl.mysql.shapes import read_shapes
from bulketl.plan.calling import as_at_source
from bulketl.survey.explanation import Evidence, chain
from bulketl.survey.look import in_view
from bulketl.survey.proposals import Proposal, classify, named_by
from bulketl.survey.references import Guess, comparable, guesses, settled
from bulketl.survey.stages import Tell, silent
from bulketl.survey.stamps import cursor_candidates
from bulketl.survey.standing import standings
from bulketl.tables import evidence
from bulketl.tables.catalog import Catalog, Table
from bulketl.tables.measured import Known, Match
from bulketl.tables.personal import texts_of

FEW_TABLES = 1000  # of so many, how the newest rows came is looked at in each
NOTHING = Known({}, {})  # where no target is set


def propose(config: Config, tell: Tell = silent) -> tuple[Catalog, tuple[Proposal, ...]]:
    """Look at the source; return its catalogue, and for each table what tables.yaml should say, and why.

    This takes a handful of queries and some samples of values, many to a statement, and changes nothing. `tell` is called
    with what is being done. Raise ConfigError or SourceError.
    """
    seen = _evidence(config, tell)
    return seen.catalog, classify(seen.catalog, seen.profiles, config.classify, seen.arrivals, seen.matches, seen.shapes)


def explain(config: Config, table: str, tell: Tell = silent) -> tuple[str, ...]:
    """Look at the source as `propose` does, and return the whole chain of reasons for one table, one line each.

    First come the observations and then, behind `=>`, the decisions. Raise PlanError when the source has no such table;
    also raise as `propose` does.
    """
    seen = _evidence(config, tell)
    names = [one.name for one in seen.catalog]
    if table not in names:
        close = difflib.get_close_matches(table, names, n=1)
        hint = f"did you mean {close[0]!r}? Case counts" if close else "name it as the source does; case counts"
        raise PlanError(f"there is no table {table!r} in {seen.catalog.identity}", hint=hint)
    guessed = guesses(seen.catalog)
    found = standings(seen.catalog, settled(seen.catalog, guessed, seen.matches), seen.profiles)
    proposals = classify(seen.catalog, seen.profiles, config.classify, seen.arrivals, seen.matches, seen.shapes)
    mine = tuple(guess for guess in guessed if guess.table == table)
    return chain(seen, found[table], mine, next(item for item in proposals if item.table == table))


def _evidence(config: Config, tell: Tell) -> Evidence:
    check_libraries()
    source = MySQL.of(config)
    tell("reading the source's catalogue", 0, 0)
    catalog = as_at_source(config, patient(in_view, source, config, NOTHING))
    candidates = {table: found for table in catalog if table.rows and (found := cursor_candidates(table))}
    tell("looking at stamps", 0, len(candidates))
    profiles = patient(read_profiles, source, candidates)
    looked_at = [table for table in catalog if _worth_a_look(table, catalog)]
    tell("looking at the newest rows", 0, len(looked_at))
    arrivals = patient(read_arrivals, source, looked_at)
    tell("comparing values of columns that may refer to other tables", 0, 0)
    matches = matched(source, catalog)
    filled = [table for table in catalog if table.rows]
    tell("counting values that look personal", 0, len(filled))
    shapes = patient(read_shapes, source, [(table, texts_of(table)) for table in filled])
    return Evidence(catalog, profiles, arrivals, matches, shapes)


def _worth_a_look(table: Table, catalog: Catalog) -> bool:
    """Tell whether to look how the newest rows of a table came: of every table, where they are not too many.

    Of a left-over by its name always, for rows that came lately say that it is none.
    """
    counts = evidence.counting_key(table) is not None and table.rows > 0
    told = len(catalog.tables) <= FEW_TABLES or named_by(table.name) is not None
    return (counts and told) or evidence.looked_at(table)


def matched(source: MySQL, catalog: Catalog) -> dict[Guess, Match]:
    """Return what the values of columns say of the tables that they may refer to; nothing of tables without rows."""
    tables = {table.name: table for table in catalog}
    asked = [guess for guess in guesses(catalog) if tables[guess.table].rows and comparable(guess, tables)]
    found = patient(read_matches, source, [(tables[g.table], g.column, tables[g.target]) for g in asked])
    return {guess: match for guess, match in zip(asked, found, strict=True) if match is not None}
