"""Which of an older pipeline's tables can be brought back, what prevents it, and what becomes of views over them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bulketl.config.config import Config
from bulketl.operations.migrate.chosen import chosen
from bulketl.operations.migrate.trials import VIEWS_UNTRIED
from bulketl.plan.selection import Selection
from bulketl.postgres.compare import views
from bulketl.postgres.ddl import name
from bulketl.postgres.inspect import count_rows
from bulketl.postgres.known import known_of
from bulketl.postgres.ledger import kept, ownership
from bulketl.postgres.ledger.kept import Kept, Since
from bulketl.postgres.server import Connection, Postgres
from bulketl.postgres.write.acceptance import refusals
from bulketl.postgres.write.exchange import Exchange, moves_of
from bulketl.postgres.write.freenames import renamings
from bulketl.postgres.write.refill import Refill, obstructed
from bulketl.postgres.write.spared import Spared
from bulketl.tables.catalog import TargetTable
from bulketl.tables.spec import Tier


@dataclass(frozen=True, slots=True)
class Returned:
    """A table that the older pipeline serves again, or would: since when its rows are kept, how many and of what size.

    `since`: what loads did to the table in its place meanwhile, which is missing from it. `rows` and `now`: of the older
    table and of bulketl's, None when unknown. `told`: what else is to be known.
    """

    table: str
    tier: Tier
    kept: dt.datetime
    rows: int | None
    bytes: int
    now: int | None
    since: Since
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is to bring back: what is kept, what is in its place, and what stands in the shadow schema.

    `spared`: views that cannot be made over the older tables, where that was tried.
    """

    kept: dict[str, Kept]
    here: Mapping[str, TargetTable]
    beside: Mapping[str, TargetTable]
    returned: tuple[Returned, ...] = ()
    impossible: tuple[tuple[str, str], ...] = ()
    sources: frozenset[str] = frozenset()
    spared: tuple[Spared, ...] = ()

    @property
    def definitions(self) -> dict[str, str]:
        """The definitions that views had when the older tables left, by their quoted names."""
        return {view: text for one in self.kept.values() for view, text in one.views.items()}


def look(target: Postgres, config: Config, selection: Selection, *, trying: bool = False) -> Sight:
    """Return what there is to bring back of the tables that are meant; `trying`: views and names are tried, too."""
    with target.connect() as connection:
        into = config.target_schema
        there, gone = kept.kept(connection, into), kept.ended(connection, into)
        owners = {table for table, one in ownership.owners(connection, into).items() if one.owner == "bulketl"}
        asked = chosen(config, selection, {*there, *owners, *gone} if selection.tables else {*there, *owners})
        known = known_of(connection, into)
        beside = known_of(connection, config.shadow_schema)
        possible, impossible = [], []
        for table in asked:
            places = known.existing.get(table), beside.existing.get(table)
            if why := _against(config, there.get(table), gone.get(table), table in owners, *places):
                impossible.append((table, why))
            elif table in there:
                possible.append(table)
        sight = Sight({table: there[table] for table in possible}, known.existing, beside.existing)
        refused = _refused(connection, config, sight)
        impossible += refused.items()
        possible = [table for table in possible if table not in refused]
        counted = count_rows(connection, into, [table for table in possible if table in known.existing])
        after = kept.since(connection, into, possible)
        returned = tuple(
            _returned(connection, config, there[table], counted.get(table), after[table], known.existing.get(table))
            for table in possible
        )
        sources = frozenset(state.source for table in possible if (state := known.states.get(table)) and state.source)
        sight = dataclasses.replace(
            sight, kept={table: there[table] for table in possible}, returned=returned, impossible=tuple(impossible),
            sources=sources,
        )  # fmt: skip
        return _tried(connection, config, sight) if trying else sight


def _against(
    config: Config,
    one: Kept | None,
    gone: tuple[str, dt.datetime] | None,
    owned: bool,
    here: TargetTable | None,
    beside: TargetTable | None,
) -> str:
    """Return why a table cannot come back, '' when it can, or need not."""
    if one is None:
        if not owned:
            return ""
        if gone is None:
            return "it was never promoted, so no older table is kept"
        return f"its older table is kept no more: {gone[0]} {gone[1]:%Y-%m-%d %H:%M}"
    if one.gone:
        return f"its older table is not in schema {one.place!r} any more: somebody dropped or replaced it"
    if here is not None and not here.ours:
        return "the one in its place is not bulketl's: somebody made it anew or renamed it; rename or drop that one first"
    if beside is not None and not beside.ours:
        return f"a table that is not bulketl's is in the way in schema {config.shadow_schema!r}: rename or drop it"
    return ""


def _returned(
    connection: Connection, config: Config, one: Kept, now: int | None, after: Since, here: TargetTable | None
) -> Returned:
    tier = config.rule(one.table).table_importance
    rows = count_rows(connection, one.place, [one.table]).get(one.table, one.rows) if one.place else 0
    told = []
    if one.way == "none":
        told.append("there was no older table, so none is in its place afterwards")
        if here is not None and here.views:
            told.append(f"{', '.join(here.views)} go on reading bulketl's, in schema {config.shadow_schema!r}")
    if one.way == "copied":
        told.append("stays in its place and gets the older rows again")
    return Returned(one.table, tier, one.at, rows, one.bytes, now, after, tuple(told))


def _refused(connection: Connection, config: Config, sight: Sight) -> dict[str, str]:
    """Return the tables that stay and do not take their older rows again, with why and what to do."""
    staying = [one for one in sight.kept.values() if one.way == "copied" and one.table in sight.here]
    refills = {one.table: one for one in refills_of(connection, sight, staying)}
    coming = {table: one.rows for table, one in refills.items()}
    found: dict[str, list[str]] = {}
    for table, one in refills.items():
        for refusal in refusals(connection, config.target_schema, table, one.source, (), coming):
            if not refusal.untried:
                found.setdefault(table, []).append(f"it stays in its place, and {refusal.words}: {refusal.remedy}")
    for table, words, way in obstructed(connection, config.target_schema, refills):
        found.setdefault(table, []).append(f"it stays in its place, and {words}: {way}")
    return {table: "; ".join(words) for table, words in found.items()}


def _tried(connection: Connection, config: Config, sight: Sight) -> Sight:
    """Return the sight with what becomes of views, and of names that others have; nothing is locked or changed."""
    into, shadow = config.target_schema, config.shadow_schema
    changes = exchanges(connection, config, sight)
    places = {one.table: name(one.source, one.table) for one in changes if one.coming and one.leaving}
    standing = views.standing(connection, into, shadow, list(places)) if places else []
    wrong = views.unmade(connection, into, standing, places) if standing else {}
    renamed = renamings(connection, moves_of(into, changes))
    untried = [VIEWS_UNTRIED] if wrong is None else []
    told = tuple(
        dataclasses.replace(
            one,
            told=(*one.told, *(that.words for that in renamed if that.table == one.table), *untried * (one.table in places)),
        )
        for one in sight.returned
    )
    spared = tuple(Spared(view, "", why, view in sight.definitions) for view, why in (wrong or {}).items())
    return dataclasses.replace(sight, returned=told, spared=spared)


def exchanges(connection: Connection, config: Config, sight: Sight) -> list[Exchange]:
    """Return how the tables that do not stay change places."""
    return [
        Exchange(
            one.table, one.place, one.oid, config.shadow_schema,
            sight.here[one.table].oid if one.table in sight.here else 0, _columns(connection, one) if one.oid else (),
        )
        for one in sight.kept.values() if one.way != "copied"
    ]  # fmt: skip


def refills_of(connection: Connection, sight: Sight, staying: Sequence[Kept]) -> list[Refill]:
    """Return how tables that stay get their older rows again."""
    found = []
    for one in staying:
        here = sight.here[one.table]
        columns = tuple(column for column in _columns(connection, one) if column in dict(here.columns))
        key = here.primary_key if set(here.primary_key) <= set(columns) else ()
        found.append(Refill(one.table, (one.place, one.table), columns, key, here.partitioned))
    return found


def _columns(connection: Connection, one: Kept) -> tuple[str, ...]:
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (one.oid,),
    )
    return tuple(column for (column,) in found)
