"""Views over the ledger, for programs that read the older pipeline's bookkeeping."""

from __future__ import annotations

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.errors import ConfigError
from bulketl.postgres.ledger import oldviews
from bulketl.postgres.ledger.looking import asking
from bulketl.postgres.ledger.schema import NEWEST, readable
from bulketl.postgres.server import Postgres


def make_views(config: Config, into: str) -> None:
    """Make the views in a schema, `into`, or make them anew. Raise TargetError for what has one of their names there."""
    patient(_make, Postgres.of(config), config.target_schema, into)


def drop_views(config: Config, into: str) -> None:
    """Drop the views from a schema. Raise as `make_views`."""
    patient(_drop, Postgres.of(config), into)


def _make(target: Postgres, schema: str, into: str) -> None:
    with asking(target) as connection:
        if readable(connection) < NEWEST:
            raise ConfigError("the target has no ledger yet, so there is nothing to show", hint="load something first")
        oldviews.make(connection, schema, into)


def _drop(target: Postgres, into: str) -> None:
    with asking(target) as connection:
        oldviews.drop(connection, into)
