"""Which tables the older pipeline serves, which bulketl loads beside it, and which bulketl serves.

A table that is loaded beside the older pipeline is in the shadow schema under its own name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bulketl.config.config import Config
from bulketl.connections.person import person
from bulketl.connections.retrying import patient
from bulketl.errors import ConfigError, PlanError
from bulketl.plan.ownership import owner_of
from bulketl.plan.selection import Selection
from bulketl.postgres.known import known
from bulketl.postgres.ledger import ownership, schema
from bulketl.postgres.server import Postgres
from bulketl.survey.look import look
from bulketl.tables.owner import Owner

HOW = "write a section migration in config/bulketl.yaml; docs/migrating.md says what it may hold"


class Sides(NamedTuple):
    """The tables of the source that were asked for, by who serves them in the target, each in the order of names."""

    legacy: tuple[str, ...]
    shadow: tuple[str, ...]
    bulketl: tuple[str, ...]


def migrating(config: Config) -> None:
    """Raise ConfigError unless a migration is configured."""
    if config.migration is None:
        raise ConfigError("no migration is configured, so there is no older pipeline beside which to load", hint=HOW)


def sides(config: Config, selection: Selection) -> Sides:
    """Return who serves the tables that are asked for; both servers are asked.

    Raise as `make_plan`, and ConfigError when no migration is configured.
    """
    migrating(config)
    sight = look(config, selection, known)
    by: dict[Owner, list[str]] = {"legacy": [], "shadow": [], "bulketl": []}
    for table in sorted(table.name for table in sight.catalog):
        by[owner_of(config, sight.known, table)].append(table)
    return Sides(*(tuple(by[owner]) for owner in ("legacy", "shadow", "bulketl")))


def shadow(config: Config, selection: Selection | None = None, *, reason: str) -> Sides:
    """Load these tables beside the older pipeline from now on; return who served them before.

    Without a selection, take all tables that the older pipeline serves. Raise PlanError when bulketl serves one of the
    named tables, because there is no older table to compare it with.
    """
    selection = selection or Selection()
    found = sides(config, selection)
    if found.bulketl and selection.tables:
        raise PlanError(
            f"table {found.bulketl[0]!r} is bulketl's already, so there is no older table to load it beside",
            hint=f"leave it out; `bulketl migrate demote --tables {found.bulketl[0]}` gives it back to the older pipeline",
        )
    patient(_shadowed, Postgres.of(config), config.target_schema, found.legacy, reason)
    return found


def _shadowed(target: Postgres, of: str, tables: Sequence[str], reason: str) -> None:
    with target.connect() as connection:
        schema.create(connection, of)
        with connection.transaction():
            ownership.own(connection, of, tables, "shadow", {"by": person(), "reason": reason, "run": ""})


def shadowed(config: Config) -> Config:
    """Return the configuration for loads into the shadow schema. Raise ConfigError when no migration is configured."""
    migrating(config)
    return config.model_copy(update={"target_schema": config.shadow_schema, "migration": None})
