"""What a whole load needs in the target: by this list a load refuses to begin, and validate says why.

Values in, values out. Without this list, each of these would end a load at its first statement, with nothing but the
words of Postgres.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bulketl.errors import ConfigError, TargetError
from bulketl.plan.obstacle import Obstacle, Said, met
from bulketl.plan.plan import Plan
from bulketl.tables.demands import Footing

NO_LOAD = "no load begins"


@dataclass(frozen=True, slots=True)
class Start:
    """A load before its first statement: what it stands on in the target, and what it is to do."""

    footing: Footing
    plan: Plan


def stand(footing: Footing, plan: Plan) -> None:
    """Raise TargetError or ConfigError, with everything that is lacking, when a load of the plan could not begin."""
    if found := [said for _, said in met(LACKS, Start(footing, plan))]:
        texts, advice = ("; ".join(words) for words in zip(*found, strict=True))
        if footing.version > footing.newest:
            raise ConfigError(texts, hint=advice)
        raise TargetError(texts, hint=advice)


def _read_only(start: Start) -> Iterator[Said]:
    footing = start.footing
    if footing.recovery:
        yield f"database {footing.database} is on a replica, which takes no rows", "give the address of the primary"
    elif footing.read_only:
        yield (
            f"every transaction of user {footing.user} in database {footing.database} is read-only",
            f"ALTER ROLE {footing.user} SET default_transaction_read_only = off, and see to the database and the server",
        )


def _later(start: Start) -> Iterator[Said]:
    footing = start.footing
    if footing.version > footing.newest:
        yield (
            (
                f"the ledger in schema {footing.places[0].name!r} of the target is of version {footing.version}, and this "
                f"bulketl knows {footing.newest}"
            ),
            "a later bulketl has loaded into this target: install that version or a later one",
        )


def _missing(start: Start) -> Iterator[Said]:
    footing = start.footing
    names = ", ".join(place.name for place in footing.places if not place.there)
    if names and not footing.creatable:
        yield (
            f"user {footing.user} may not create {names}",
            f"GRANT CREATE ON DATABASE {footing.database} TO {footing.user}",
        )


def _closed(start: Start) -> Iterator[Said]:
    footing = start.footing
    ledger, staging, schema = footing.places
    created = any(load.spec.publish in ("create", "swap") for load in start.plan.loads)
    staged = any(not load.direct for load in start.plan.loads)
    for place, needed in ((ledger, footing.version < footing.newest), (staging, staged), (schema, created)):
        if place.there and not (place.usable and (place.creatable or not needed)):
            yield (
                f"user {footing.user} may not create tables in {place.name}",
                f"GRANT CREATE, USAGE ON SCHEMA {place.name} TO {footing.user}",
            )


def _unwritable(start: Start) -> Iterator[Said]:
    footing = start.footing
    ledger = footing.places[0].name
    if footing.unwritable:
        yield (
            f"user {footing.user} may not write to the ledger: {', '.join(footing.unwritable)}",
            f"GRANT ALL ON ALL TABLES IN SCHEMA {ledger} TO {footing.user}, or load as the user who made it",
        )
    if 0 < footing.version < footing.newest and footing.foreign:
        yield (
            f"the ledger is of version {footing.version} and is to become {footing.newest}, which only its owner may do",
            f"load once as the user who made it, or ALTER TABLE … OWNER TO {footing.user} for each table of {ledger}",
        )


def _temporary(start: Start) -> Iterator[Said]:
    footing = start.footing
    if not footing.temporary:
        yield (
            f"user {footing.user} may not create temporary tables in database {footing.database}",
            f"GRANT TEMPORARY ON DATABASE {footing.database} TO {footing.user}",
        )


def _tablespace(start: Start) -> Iterator[Said]:
    footing = start.footing
    if footing.tablespace:
        yield (
            f"new tables of user {footing.user} go to tablespace {footing.tablespace}, which is closed to that user",
            f"GRANT CREATE ON TABLESPACE {footing.tablespace} TO {footing.user}, or RESET default_tablespace",
        )


LACKS: tuple[Obstacle[Start], ...] = (
    Obstacle("later ledger", "a ledger that a later version of bulketl made", _later, NO_LOAD),
    Obstacle("read-only target", "a replica, or a role, database or server that is read-only", _read_only, NO_LOAD),
    Obstacle("missing schemas", "schemas that are missing and may not be created", _missing, NO_LOAD),
    Obstacle("closed schemas", "schemas in which no tables may be created", _closed, NO_LOAD),
    Obstacle("closed ledger", "a ledger that this user may not write to or bring up to date", _unwritable, NO_LOAD),
    Obstacle("no temporary tables", "a database in which no temporary tables may be created", _temporary, NO_LOAD),
    Obstacle("closed tablespace", "a default tablespace in which no tables may be created", _tablespace, NO_LOAD),
)
