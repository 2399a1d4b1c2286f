"""What the target keeps and for how long: the state of its tables, the chains of the audited ones, retention.

The other half of what a notebook imports; `bulketl.api` has planning and loading.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bulketl.config.config import Config
from bulketl.connections.patience import patient
from bulketl.errors import PlanError
from bulketl.mysql.server import MySQL
from bulketl.plan.incremental import another_source
from bulketl.plan.ownership import strange
from bulketl.postgres.compare import chain
from bulketl.postgres.compare.chain import Verdict
from bulketl.postgres.inspect import read_tables
from bulketl.postgres.ledger import runs
from bulketl.postgres.ledger import schema as ledger
from bulketl.postgres.ledger.states import Known, list_states, read_states, reset_states
from bulketl.postgres.locks import new_run
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.retention import Expired, retain
from bulketl.tables.catalog import TargetTable
from bulketl.tables.cursor import State
from bulketl.tables.spec import TableSpec

HINT = "check the spelling, and the schema: `bulketl state list` shows what was loaded"


def states(config: Config, tables: Sequence[str] = ()) -> list[Known]:
    """Return what is known of each table that was loaded into the schema; `tables` are names or patterns, empty means all.

    Raise ConfigError or TargetError when the target cannot be used, PlanError when a pattern fits nothing.
    """
    known = patient(_states, config)
    wanted = _fitting([item.table for item in known], tables, config)
    return [item for item in known if item.table in wanted]


def _states(config: Config) -> list[Known]:
    with Postgres.of(config).connect() as connection:
        return list_states(connection, config.target_schema)


def reset(config: Config, tables: Sequence[str]) -> list[str]:
    """Forget how far tables were loaded, so that each is loaded whole the next time; return their names. No row is touched.

    Raise as `states` does.
    """
    found = [item.table for item in states(config, tables)]
    patient(_forget, config, found)
    return found


def _forget(config: Config, tables: list[str]) -> None:
    with Postgres.of(config).connect() as connection:
        reset_states(connection, config.target_schema, tables)


def certificate(config: Config, run: str = "") -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return what is on record of a run, and the certificates of its tables; the last run that has some without a name.

    Raise PlanError when there is none.
    """
    found = patient(_certificates, config, run)
    if found is None:
        which = f"of run {run!r}" if run else "of any run"
        raise PlanError(
            f"there is no certificate {which} into schema {config.target_schema!r} on record",
            hint="`bulketl load --certify` makes one; bulketl.run in the target lists the runs",
        )
    return found


def _certificates(config: Config, run: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]] | None:
    with Postgres.of(config).connect() as connection:
        return runs.certificates(connection, config.target_schema, run)


def verify_audit(config: Config, tables: Sequence[str] = ()) -> list[Verdict]:
    """Recompute the chains of audited tables and hold their rows against them; change nothing.

    Raise as `states` does.
    """
    return patient(_verified, config, tables)


def _verified(config: Config, tables: Sequence[str]) -> list[Verdict]:
    with Postgres.of(config).connect() as connection:
        wanted = _fitting(chain.audited(connection, config.target_schema), tables, config)
        return chain.verify(connection, config.target_schema, sorted(wanted)) if wanted else []


def retain_tables(config: Config, tables: Sequence[str] = (), folder: Path | None = None) -> list[Expired]:
    """Let rows leave the target that are older than their table's `retention` keeps; return what left, per table.

    Without `folder` nothing leaves, and what would is returned; with one, archives are written below it. Each table is a
    transaction of its own. Raise as `states` does, PlanError for the first table that is not bulketl's or came from another
    source, and TargetError for the first that cannot be archived or shortened, or that a load has.
    """
    target, run = Postgres.of(config), new_run()
    existing, known = patient(_there, target, config.target_schema, create=folder is not None)
    source = MySQL.of(config).identity if config.source else ""
    ruled = [name for name, rule in config.tables.items() if rule.retention and name in existing]
    wanted = _fitting(ruled, tables, config)
    found = []
    for name in sorted(wanted):
        rule, state = config.rule(name), known.get(name)
        if not existing[name].ours:
            raise strange(config.target_schema, existing[name])
        if source and state and state.source not in ("", source):
            raise another_source(name, state, source)
        spec = TableSpec(
            table=name,
            schema=config.target_schema,
            casts=(),
            key=existing[name].primary_key,
            publish="merge",
            kept=existing[name].columns,
            source=source,
            audit=rule.table_importance == "audit",
            partitioned=existing[name].partitioned,
        )
        if rule.retention:
            found.append(retain(target, run, spec, rule.retention, existing[name], folder))
    return found


def _there(target: Postgres, schema: str, *, create: bool) -> tuple[dict[str, TargetTable], dict[str, State]]:
    with target.connect() as connection:
        ledger.create(connection, schema) if create else None
        return read_tables(connection, schema), read_states(connection, schema)


def _fitting(names: Sequence[str], patterns: Sequence[str], config: Config) -> set[str]:
    if not patterns:
        return set(names)
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise PlanError(f"nothing is known of a table {pattern!r} in schema {config.target_schema!r}", hint=HINT)
    return {name for pattern in patterns for name in fnmatch.filter(names, pattern)}
