"""What a look at the target returns: its tables, how far each is loaded, and what else the ledger knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bulketl.postgres.inspect import read_tables
from bulketl.postgres.ledger import ownership, rejects, runs, states
from bulketl.postgres.server import Connection, Postgres
from bulketl.tables.measured import Known, Pace


@dataclass(frozen=True, slots=True)
class Earlier(Known):
    """What the target has, with what its earlier loads were like."""

    paces: Mapping[str, Pace]
    loaded: Mapping[str, str]  # when each table was loaded last


@dataclass(frozen=True, slots=True)
class Recorded(Known):
    """What the target has, with what is on record of its loads and rejects."""

    loads: Mapping[str, states.Load]
    rejects: Mapping[str, list[str]]


def known(target: Postgres, schema: str) -> Known:
    """Return what a schema of the target has, asked in one session. Raise TargetError."""
    with target.connect() as connection:
        return known_of(connection, schema)


def known_of(connection: Connection, schema: str) -> Known:
    """Return the same, asked in a session that is open."""
    # States first: one that is newer than the table would tell of rows that were not looked at.
    found = states.read_states(connection, schema)
    encoding = connection.info.parameter_status("server_encoding") or ""
    return Known(read_tables(connection, schema), found, encoding=encoding, owners=ownership.owners(connection, schema))


def earlier(target: Postgres, schema: str) -> Earlier:
    """Return what a schema has and how it was loaded before, asked in one session. Raise TargetError."""
    with target.connect() as connection:
        found = known_of(connection, schema)
        paces, loaded = runs.paces(connection, schema), states.last_loaded(connection, schema)
        return Earlier(found.existing, found.states, paces, loaded, encoding=found.encoding, owners=found.owners)


def on_record(target: Postgres, schema: str) -> Recorded:
    """Return what a schema has and what is on record of it, asked in one session. Raise TargetError."""
    with target.connect() as connection:
        found = known_of(connection, schema)
        loads, rejected = states.loads(connection, schema), rejects.rejects(connection, schema)
        return Recorded(found.existing, found.states, loads, rejected, encoding=found.encoding, owners=found.owners)
