"""What each role needs on both servers, as SQL; and what it lacks and has beyond that, asked and not changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.mysql import grants as at_source
from bulketl.mysql.grants import Source
from bulketl.mysql.server import MySQL
from bulketl.postgres import grants as at_target
from bulketl.postgres import heldrights
from bulketl.postgres.grants import Target
from bulketl.postgres.server import Postgres
from bulketl.postgres.session import parameters
from bulketl.tables.rights import ROLES, Grants, Held, Role


def grant(config: Config, roles: Collection[Role] = ROLES) -> tuple[Grants, ...]:
    """Return the SQL with the least rights of each role; ask no server. Raise ConfigError for a side without a URI."""
    return tuple(_granted(config, role) for role in ROLES if role in roles)


def _granted(config: Config, role: Role) -> Grants:
    if role == "source":
        return at_source.grants(_source(config), MySQL.of(config).user)
    target = _target(config)
    return at_target.grants(target, role, _user(target, role))


def check_grants(config: Config, roles: Collection[Role] = ()) -> tuple[Held, ...]:
    """Return which rights each role lacks, and which it has beyond its needs.

    By default, check the users of both URIs, and those of the other roles that exist. `roles`: check these, whether they
    exist or not. Raise ConfigError, SourceError or TargetError when a server cannot be used.
    """
    return tuple(_held(config, roles))


def _held(config: Config, roles: Collection[Role]) -> Iterator[Held]:
    if "source" in (roles or ROLES):
        yield patient(at_source.held, MySQL.of(config), _source(config))
    wanted = [role for role in ROLES if role in (roles or ROLES) and role != "source"]
    found = patient(_held_there, Postgres.of(config), config, wanted) if wanted else []
    yield from (one for one in found if one.there or one.role in roles or one.role == "loader")


def _held_there(server: Postgres, config: Config, roles: Collection[Role]) -> list[Held]:
    with server.connect() as connection:
        ((user, database),) = connection.execute("SELECT current_user::text, current_database()::text").fetchall()
        target = _target_of(config, str(database), str(user))
        return [heldrights.held(connection, target, role, _user(target, role)) for role in roles]


def _source(config: Config) -> Source:
    locks = any(rule.consistency in ("snapshot", "locked") and not rule.exclude for rule in config.rules)
    return Source(MySQL.of(config).database, locks, config.source_limits.replica_lag_seconds is not None)


def _target(config: Config) -> Target:
    Postgres.of(config)  # for what it raises
    given = parameters(config.uri("target"))[1]
    user = str(given.get("user") or "bulketl_loader")
    return _target_of(config, str(given.get("dbname") or user), user)


def _target_of(config: Config, database: str, user: str) -> Target:
    keeps = bool(config.keep_previous) or any(rule.keep_previous for rule in config.rules)
    return Target(database, config.target_schema, user, config.shadow_schema if config.migration else "", keeps)


def _user(target: Target, role: Role) -> str:
    return target.loader if role == "loader" else f"bulketl_{role}"
