"""What is wrong with the rules, and what a load would refuse: found by a look at both servers that changes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import ParamSpec

from bulketl.config.config import Config
from bulketl.config.libraries import check_libraries
from bulketl.connections.retrying import patient
from bulketl.errors import ConfigError, PlanError
from bulketl.mysql import rights
from bulketl.mysql.arrivals import read_arrivals
from bulketl.mysql.discover import read_profiles
from bulketl.mysql.server import MySQL
from bulketl.mysql.zones import check_zone, doubles
from bulketl.plan.plan import Plan, Refusal, refusal
from bulketl.plan.selection import Selection, select
from bulketl.plan.stale import leftovers
from bulketl.postgres.demands import read_footing
from bulketl.postgres.kept import keeping
from bulketl.postgres.known import Earlier, earlier
from bulketl.postgres.ledger import made
from bulketl.postgres.server import Postgres
from bulketl.survey.examination import find
from bulketl.survey.findings import Finding, Seen, There
from bulketl.survey.here import missing_here
from bulketl.survey.lines import lines
from bulketl.survey.look import Sight, in_view
from bulketl.survey.planning import counted, made_of
from bulketl.survey.proposals import classify
from bulketl.survey.stamps import cursor_candidates
from bulketl.tables import evidence
from bulketl.tables.catalog import Catalog, Column, Table
from bulketl.tables.demands import Footing
from bulketl.tables.measured import Known
from bulketl.tables.types import TIMES

NOTHING = Known({}, {})  # where no target is set
EVERYTHING = Selection()
Asked = ParamSpec("Asked")


@keeping()
def validate(config: Config) -> tuple[Finding, ...]:
    """Compare the configuration with both live servers and return what is wrong or doubtful; change nothing.

    It plans a load of all tables as the load itself would, and finds what the load would refuse. Without a target it
    looks only at the source, and a finding says so. Raise ConfigError, SourceError or TargetError when a server cannot be
    used.
    """
    check_libraries()
    source, zoned = MySQL.of(config), config
    locks = any(rule.consistency in ("snapshot", "locked") and not rule.exclude for rule in config.rules)
    lacking = [
        (source.database, *lack) for lack in patient(rights.missing_rights, source, config.source_limits, locks=locks)
    ]
    if wrong := _refusal(check_zone, source, config.session_zone):
        lacking.append(("bulketl.yaml", wrong.message, wrong.hint))
        zoned = config.model_copy(update={"timestamp_zone": "server"})  # so that all else is looked at
    if not config.target:
        lacking.append(("bulketl.yaml", "no target is set, so that only the source was looked at", "set BULKETL_TARGET"))
    known = patient(earlier, Postgres.of(config), config.target_schema) if config.target else None
    catalog = patient(in_view, source, config, known or NOTHING)
    names = [table.name for table in catalog]
    config, zoned = config.spread(names), zoned.spread(names)
    looked_at = {table: found for table in catalog if table.rows and (found := _cursors(config, table))}
    profiles = patient(read_profiles, source, looked_at)
    audited = {name for name, rule in config.tables.items() if rule.table_importance == "audit" and not rule.exclude}
    asked = [table for table in catalog if evidence.looked_at(table) or (table.rows and table.name in audited)]
    arrivals = patient(read_arrivals, source, asked)
    proposals = {proposal.table: proposal for proposal in classify(catalog, profiles, config.classify, arrivals)}
    there, refused = (None, ()) if known is None else _foreseen(zoned, source, catalog, known)
    seen = Seen(
        config, catalog, proposals, profiles, there, refused, known.states if known else {}, arrivals, tuple(lacking),
        doubled=_doubled(zoned, source, catalog), not_here=missing_here(config), lines=lines(config),
    )  # fmt: skip
    return tuple(dataclasses.replace(one, source=catalog.identity, schema=config.target_schema) for one in find(seen))


def _foreseen(config: Config, source: MySQL, catalog: Catalog, known: Earlier) -> tuple[There, tuple[Refusal, ...]]:
    """Return what is known of the target, with the plan of a load of all tables, and what that would refuse."""
    target = Postgres.of(config)
    existing = patient(counted, config, target, known.existing, catalog)
    footing, outsiders = patient(_stood_on, target, config.target_schema)
    left = leftovers(config, catalog, existing, known.states, known.loaded)
    try:
        wanted, skipped, hidden = select(config, catalog, EVERYTHING)
        sight = Sight(source, target, catalog, known, wanted, skipped, hidden)
        plan = made_of(config, EVERYTHING, sight, sparing=False)
    except PlanError as error:  # of the load as a whole
        plan = Plan(catalog.identity, config.target_schema, "", ())
        plan = dataclasses.replace(plan, refused=(refusal(catalog.identity, "reference", error),))
    return There(existing, footing, plan, left, outsiders, known.encoding), plan.refused


def _stood_on(target: Postgres, schema: str) -> tuple[Footing, tuple[str, ...]]:
    with target.connect() as connection:
        return read_footing(connection, schema), tuple(made.outsiders(connection))


def _refusal(ask: Callable[Asked, object], *args: Asked.args, **kwargs: Asked.kwargs) -> ConfigError | None:
    try:
        patient(ask, *args, **kwargs)
    except ConfigError as error:
        return error
    return None


def _doubled(config: Config, source: MySQL, catalog: Catalog) -> str:
    """Return the zone in which TIMESTAMPs are read if a key has one and an hour of the zone comes twice, else ''."""
    keys = {
        (table.name, column) for table in catalog for column in (*table.primary_key, *config.rule(table.name).primary_key)
    }
    stamped = any(c.parsed.base == "timestamp" and (t.name, c.name) in keys for t in catalog for c in t.columns)
    return config.zone(catalog) if stamped and patient(doubles, source, config.session_zone) else ""


def _cursors(config: Config, table: Table) -> tuple[Column, ...]:
    named = config.rule(table.name).incremental_column
    times = (c for c in table.columns if c.name == named and c.parsed.base in TIMES)
    return tuple(dict.fromkeys((*cursor_candidates(table), *times)))
