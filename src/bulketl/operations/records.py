"""What is on record of tables: their states, and the chains of audited ones."""

from __future__ import annotations

from collections.abc import Sequence

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.postgres.compare import chain
from bulketl.postgres.compare.chain import ChainVerdict
from bulketl.postgres.ledger import chains
from bulketl.postgres.ledger.looking import asking
from bulketl.postgres.ledger.states import TableState, list_states, reset_states
from bulketl.postgres.server import Postgres
from bulketl.tables.patterns import fitting

HINT = "check the spelling, and the schema: `bulketl state list` shows what was loaded"


def states(config: Config, tables: Sequence[str] = ()) -> list[TableState]:
    """Return what is known of each table that was loaded into the schema; `tables` are names or patterns, empty means all.

    Raise ConfigError or TargetError when the target cannot be used, PlanError when a pattern fits nothing.
    """
    known = patient(_states, config)
    wanted = fitting([item.table for item in known], tables, config.target_schema, HINT)
    return [item for item in known if item.table in wanted]


def _states(config: Config) -> list[TableState]:
    with asking(Postgres.of(config)) as connection:
        return list_states(connection, config.target_schema)


def reset(config: Config, tables: Sequence[str]) -> list[str]:
    """Forget how far tables were loaded, so that the next load reads each whole; return their names. Touch no row.

    Raise as `states` does.
    """
    found = [item.table for item in states(config, tables)]
    patient(_forget, config, found)
    return found


def _forget(config: Config, tables: list[str]) -> None:
    with asking(Postgres.of(config)) as connection:
        reset_states(connection, config.target_schema, tables)


def verify_audit(config: Config, tables: Sequence[str] = ()) -> list[ChainVerdict]:
    """Recompute the chains of audited tables and compare them with the rows; change nothing.

    Raise as `states` does.
    """
    return patient(_verified, config, tables)


def unchained(config: Config) -> list[str]:
    """Return the tables whose rules say tier audit, and of which no chain is kept, for they are parts."""
    parts = [one.table for one in patient(_states, config) if one.part]
    return [table for table in parts if config.rule(table).table_importance == "audit"]


def _verified(config: Config, tables: Sequence[str]) -> list[ChainVerdict]:
    with asking(Postgres.of(config)) as connection:
        wanted = fitting(chains.audited(connection, config.target_schema), tables, config.target_schema, HINT)
        return chain.verify_chains(connection, config.target_schema, sorted(wanted)) if wanted else []
