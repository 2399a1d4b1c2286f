"""Differences from the older pipeline that a person knows and accepts: waived by the name of their class, on record."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from bulketl.config.config import Config
from bulketl.connections.person import person
from bulketl.connections.retrying import patient
from bulketl.errors import ConfigError, PlanError
from bulketl.postgres.inspect import read_tables
from bulketl.postgres.ledger import made, sidebyside
from bulketl.postgres.ledger.looking import asking
from bulketl.postgres.ledger.sidebyside import Waiver
from bulketl.postgres.server import Connection, Postgres
from bulketl.tables.differences import BY_NAME
from bulketl.tables.patterns import fitting, matches

_HINT = "check the spelling: the older pipeline's tables, and the columns of both"


def waive(config: Config, table: str, column: str = "", *, name: str, reason: str, end: bool = False) -> list[Waiver]:
    """Put on record that differences of a class do not count, in a column, or in a whole table (''); return the waivers.

    `table` may be a pattern: each table of both schemas that fits gets a waiver of its own. `end` ends the waivers that
    hold. A waived difference is still shown; a comparison calls a table waived if it has no other differences. Raise
    ConfigError for an unknown class, an empty reason, or a ledger without waivers; PlanError for a table or column that
    does not exist, or when there is no waiver to end.
    """
    if name not in BY_NAME:
        raise ConfigError(
            f"there is no class of differences {name!r} to waive",
            hint=f"the classes are {', '.join(BY_NAME)}; what no class explains cannot be waived",
        )
    if not reason.strip():
        raise ConfigError("a waiver has to say why", hint="give --reason, which stands on record with who said it")
    return patient(_waive, config, table, column, name, reason.strip(), end)


def list_waivers(config: Config) -> list[Waiver]:
    """Return the waivers that hold in the target schema, by table, column and class."""
    with asking(Postgres.of(config)) as connection:
        return sidebyside.waivers(connection, config.target_schema)


def _waive(config: Config, table: str, column: str, name: str, reason: str, end: bool) -> list[Waiver]:
    with asking(Postgres.of(config)) as connection:
        if not made.exists(connection, "waiver"):
            raise ConfigError(
                "the ledger keeps no waivers yet", hint="the next `bulketl load` brings it up to date, or makes it"
            )
        now, by, schema = dt.datetime.now(dt.UTC), person(), config.target_schema
        if end:
            held = [w for w in sidebyside.waivers(connection, schema) if (w.column, w.name) == (column, name)]
            found = [Waiver(w.table, column, name, by, reason, now) for w in held if matches(w.table, [table])]
            if not found:
                where = f"{table}, column {column}" if column else table
                raise PlanError(
                    f"no waiver of {name} holds for {where}",
                    hint="`bulketl migrate waive --list` shows those that do",
                )
        else:
            tables = _fitting(connection, config, table, column)
            found = [Waiver(one, column, name, by, reason, now) for one in tables]
        sidebyside.waive(connection, schema, found, ended=end)
    return found


def _fitting(connection: Connection, config: Config, table: str, column: str) -> Sequence[str]:
    """Return the tables that fit, which have the column if one is named."""
    theirs = read_tables(connection, config.target_schema)
    ours = read_tables(connection, config.shadow_schema)
    # A pattern is of what both have: the older pipeline keeps its books in tables of that schema too.
    known = [name for name, one in theirs.items() if one.columns and (name in ours or name == table)]
    names = sorted(fitting(known, [table], config.target_schema, _HINT))
    with_column = [
        name for name in names
        if not column or column in {c for side in (theirs, ours) if name in side for c, _ in side[name].columns}
    ]  # fmt: skip
    if not with_column:
        raise PlanError(f"table {table!r} has no column {column!r} in either schema", hint=_HINT)
    return with_column
