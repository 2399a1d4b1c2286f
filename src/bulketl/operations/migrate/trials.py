"""What only rows and definitions can tell about a promotion: tried before it, with nothing locked and nothing changed.

These are views that bulketl's table does not suit, constraints and indexes that refuse its rows, and rows of tables that
inherit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.errors import BulketlError
from bulketl.operations.migrate.moves import Move
from bulketl.operations.migrate.prospects import Against, Prospect, prospects
from bulketl.postgres.compare import views
from bulketl.postgres.ddl import name
from bulketl.postgres.inspect import heirs
from bulketl.postgres.server import Connection, Postgres
from bulketl.postgres.write.acceptance import Refusal, refusals
from bulketl.postgres.write.exchange import Exchange, moves_of, unfit
from bulketl.postgres.write.freenames import renamings
from bulketl.postgres.write.refill import Refill, obstructed
from bulketl.tables.printable import count_of

Found = dict[str, list[Against]]
Told = dict[str, list[str]]
VIEWS_UNTRIED = "views over it are not tried: this user may make no temporary table, or others hold a lock"


def tried(connection: Connection, config: Config, found: Sequence[Prospect]) -> tuple[Prospect, ...]:
    """Return the prospects with what is found by trying; those that are refused already are not tried."""
    open_ = [one for one in found if one.new is not None and all(item.forced for item in one.against)]
    against: Found = {one.table: [] for one in open_}
    told: Told = {one.table: [] for one in open_}
    _views(connection, config, [one for one in open_ if one.how == "swapped"], against, told)
    _rows(connection, config, [one for one in open_ if one.how == "refilled"], against, told)
    _inherited(connection, config, open_, against, told)
    _names(connection, config, [one for one in open_ if one.how != "refilled"], told)
    return tuple(
        dataclasses.replace(
            one,
            against=(*one.against, *against.get(one.table, ())),
            told=(*one.told, *told.get(one.table, ())),
        )
        for one in found
    )


def foreseen(config: Config, steps: Sequence[Move]) -> list[Move]:
    """Return steps with what stands against the promotions among them, where this user may try that."""
    return [_foreseen(config, step) if step.step == "promote" else step for step in steps]


def _foreseen(config: Config, step: Move) -> Move:
    try:
        found = patient(_look, Postgres.of(config), config, step.tables)
    except BulketlError as error:  # plans are read by those too who may read the ledger alone
        return step._replace(untried=error.public)
    against = ((one.table, "; ".join(item.why for item in one.against)) for one in found if one.against)
    return step._replace(against=tuple(against))


def _look(target: Postgres, config: Config, tables: Sequence[str]) -> tuple[Prospect, ...]:
    with target.connect() as connection:
        return tried(connection, config, prospects(connection, config, tables, {}))


def _views(connection: Connection, config: Config, found: Sequence[Prospect], against: Found, told: Told) -> None:
    tables = [one.table for one in found if one.old and one.old.views]
    standing = views.standing(connection, config.target_schema, config.shadow_schema, tables) if tables else []
    places = {table: name(config.shadow_schema, table) for table in tables}
    wrong = views.unmade(connection, config.target_schema, standing, places) if standing else {}
    if wrong is None:
        for table in tables:
            told[table].append(VIEWS_UNTRIED)
        return
    for view, tables in views.reading(standing).items():
        if view in wrong and tables:
            why = f"is read by view {view}, which cannot be made over bulketl's table: {wrong[view]}"
            against[tables[0]].append(Against(why, unfit(view)))


def _rows(connection: Connection, config: Config, found: Sequence[Prospect], against: Found, told: Told) -> None:
    into, shadow = config.target_schema, config.shadow_schema
    coming = {one.table: f"ONLY {name(shadow, one.table)}" for one in found}
    for one in found:
        unique = one.new.primary_key if one.new else ()
        untried, refusing = list[Refusal](), list[Refusal]()
        for refusal in refusals(connection, into, one.table, (shadow, one.table), unique, coming):
            (untried if refusal.untried else refusing).append(refusal)
        told[one.table] += [refusal.words for refusal in untried]
        if refusing:
            why = "; ".join(that.words for that in refusing)
            hint = "; ".join([*dict.fromkeys(that.remedy for that in refusing), "or correct these rows at the source"])
            against[one.table].append(Against(f"has to stay, and {why}", hint))
    refills = {one.table: refill_of(config, one) for one in found}
    for table, words, hint in obstructed(connection, into, refills):
        against[table].append(Against(f"has to stay, and {words}", hint))


def refill_of(config: Config, one: Prospect) -> Refill:
    """Return how a table that stays gets bulketl's rows."""
    names = tuple(column for column, _ in one.new.columns) if one.new else ()
    source = (config.shadow_schema, one.table)
    return Refill(one.table, source, names, one.key, one.old is not None and one.old.partitioned)


def _inherited(connection: Connection, config: Config, found: Sequence[Prospect], against: Found, told: Told) -> None:
    """Tell of tables that inherit: whoever reads the table reads their rows too, beside bulketl's."""
    for schema, tables in (
        (config.target_schema, [one.table for one in found if one.how == "refilled"]),
        (config.shadow_schema, [one.table for one in found]),
    ):
        for table, inheriting in heirs(connection, schema, tables).items():
            for heir in inheriting:
                ((count,),) = connection.execute(f"SELECT count(*) FROM ONLY {heir}".encode()).fetchall()
                if not count:
                    told[table].append(f"{heir} inherits from it, and has no row")
                    continue
                why = (
                    f"would go on showing {count_of(count, 'row')} of {heir} beside bulketl's, because that inherits from it"
                )
                hint = f"ALTER TABLE {heir} NO INHERIT {name(schema, table)} takes them out of it"
                against[table].append(Against(why, f"{hint}; --force --reason leaves them in", forced=True))
                told[table].append(f"{count_of(count, 'row')} of {heir} are read beside bulketl's, because it inherits")


def _names(connection: Connection, config: Config, found: Sequence[Prospect], told: Told) -> None:
    place = ""  # of the older tables: a schema of its own, in which nothing has a name yet
    changes = [
        Exchange(one.table, config.shadow_schema, one.new.oid if one.new else 0, place, one.old.oid if one.old else 0, ())
        for one in found
    ]
    for renamed in renamings(connection, moves_of(config.target_schema, changes)):
        told[renamed.table].append(renamed.words)
