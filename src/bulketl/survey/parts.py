"""Which rows of each table a limit leaves: the first by its key, and all that these and others refer to, however far.

Rows are followed from table to table until no new ones are found: each row that comes in may refer to more, of its own table
too. Values are looked up by key, some hundreds at a time, and each only once, so the work grows with the rows taken.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pymysql.cursors import Cursor

from bulketl.config.config import Config
from bulketl.connections.retrying import patient
from bulketl.errors import PlanError
from bulketl.mysql import firstrows
from bulketl.mysql.firstrows import KEYS_ASKED, Unreadable
from bulketl.mysql.server import MySQL, is_lost, text_of
from bulketl.plan.decision import READ_HINT
from bulketl.survey.links import read_links
from bulketl.tables.catalog import Catalog, Key, Table
from bulketl.tables.link import Link
from bulketl.tables.part import Chosen, Part
from bulketl.tables.partitions import KeyTuple, KeyValue, Partition, fits, rows_per_partition, split, split_key


@dataclass(slots=True)
class _Growing:
    """A table of which a part is taken: rows before `edge` of `key`, cut at `cuts`, and those `added`.

    `asked`: the values that were looked up, by the columns that have them. `error`: why they could not be.
    """

    table: Table
    key: Key
    edge: KeyTuple
    cuts: tuple[KeyTuple, ...]
    added: set[KeyTuple] = field(default_factory=set)
    asked: dict[tuple[str, ...], set[KeyTuple]] = field(default_factory=dict)
    error: PlanError | None = None

    def chosen(self, limit: int, beyond: tuple[str, ...]) -> Chosen:
        """Return its rows as partitions, each of them in one."""
        ranges = list(split(self.table, self.key, self.cuts))
        ranges[-1] = dataclasses.replace(ranges[-1], hi=self.edge)
        lists = batches(sorted(self.added, key=_rank))
        more = (Partition(n, columns=self.key.columns, only=keys) for n, keys in enumerate(lists, len(ranges)))
        return Chosen(Part(limit, limit, len(self.added)), (*ranges, *more), beyond, self.error)


def choose_rows(source: MySQL, config: Config, everything: Catalog, catalog: Catalog) -> dict[str, Chosen]:
    """Return for each table with a limit which of its rows are taken. `catalog`: the tables of the load, out of everything.

    Rows of tables without a limit are all taken, and what they refer to is, too. Raise SourceError.
    """
    limits = {table.name: table.limit for table in catalog if table.limit is not None}
    return patient(_chosen, source, config, read_links(source, config, everything), catalog, limits) if limits else {}


def _chosen(
    source: MySQL, config: Config, links: Sequence[Link], catalog: Catalog, limits: Mapping[str, int]
) -> dict[str, Chosen]:
    tables = {table.name: table for table in catalog}
    with firstrows.session(source, config.session_zone) as cursor:
        first = {name: _first(cursor, config, tables[name], limit) for name, limit in limits.items()}
        growing = {name: found for name, found in first.items() if isinstance(found, _Growing)}
        _follow(cursor, links, tables, growing, {name for name, found in first.items() if _failed(found)})
    beyond = {
        name: tuple(sorted({x.target for x in links if x.table == name and _lacks(config, tables, x.target)}))
        for name in limits
    }
    return {
        name: found.chosen(limits[name], beyond[name])
        if isinstance(found, _Growing)
        else dataclasses.replace(found, beyond=beyond[name])
        for name, found in first.items()
    }


def _lacks(config: Config, tables: Collection[str], name: str) -> bool:
    """Tell whether a load of these tables lacks one that the rules do not leave out anyway."""
    return name not in tables and not config.rule(name).exclude


def _failed(found: _Growing | Chosen) -> bool:
    return isinstance(found, Chosen) and found.error is not None


def _first(cursor: Cursor, config: Config, table: Table, limit: int) -> _Growing | Chosen:
    """Return the first rows of a table; all of them where there are no more than its limit."""
    key = split_key(table)
    if key is not None and any(table.column(name).nullable for name in key.columns):
        key = None  # which rows without a key come first nobody says
    try:
        if key is None:
            rows = firstrows.counted(cursor, table, limit)
            error = _no_order(table, limit) if rows > limit else None
            return Chosen(Part(limit, min(rows, limit), complete=True), error=error)
        if (edge := firstrows.edge(cursor, table, key, limit)) is None:
            return Chosen(Part(limit, firstrows.counted(cursor, table, limit), complete=True))
        size = rows_per_partition(table, config.partition_bytes)
        whole = fits(table, limit, config.partition_bytes)
        return _Growing(table, key, edge, () if whole else firstrows.cuts(cursor, table, key, edge, size))
    except Unreadable as error:
        return Chosen(Part(limit, 0), error=_unreadable(table, error))


def _unreadable(table: Table, error: Unreadable) -> PlanError:
    """Return the error of a table that the server does not read; raise the server's where the connection is lost."""
    if is_lost(error):
        raise error
    said = text_of(error)
    hint = f"correct its where, which the source has to understand; or {READ_HINT}" if table.where else READ_HINT
    return PlanError(f"table {table.name!r} cannot be read: {said}", hint=hint, said=said)


def _no_order(table: Table, limit: int) -> PlanError:
    return PlanError(
        f"table {table.name!r} has more rows than its limit of {limit:,}, and no key says which come first: it has none "
        "that is unique, has an order, no NULL and no mask",
        hint="choose its rows by where, raise its limit, or leave it out with --exclude",
    )


def _follow(
    cursor: Cursor, links: Sequence[Link], tables: Mapping[str, Table], growing: Mapping[str, _Growing], failed: set[str]
) -> None:
    """Add to the growing tables all rows that rows of the load refer to."""
    leading: dict[str, list[Link]] = {}
    for link in links:
        if link.table in tables and link.table not in failed and link.target in growing:
            leading.setdefault(link.table, []).append(link)
    pending = {name: [_beginning(growing.get(name))] for name in leading}
    while pending:
        name, pieces = pending.popitem()
        for link in leading[name]:
            target = growing[link.target]
            new = _added(cursor, tables[name], link, pieces, target)
            if new and link.target in leading:
                more = (firstrows.having(target.table, target.key.columns, keys) for keys in batches(sorted(new, key=_rank)))
                pending.setdefault(link.target, []).extend(more)


def _beginning(table: _Growing | None) -> str:
    return firstrows.within(table.key, table.edge) if table else "TRUE"


def _added(cursor: Cursor, table: Table, link: Link, pieces: Sequence[str], target: _Growing) -> set[KeyTuple]:
    """Look up what rows of the pieces refer to in a table, and return the keys of its rows that were not taken before."""
    least = target.edge if link.keys == target.key.columns else None
    try:
        values = firstrows.referred(cursor, table, link, pieces, least)
    except Unreadable as error:
        if is_lost(error):
            raise
        return set()  # its own load says why it cannot be read
    asked = target.asked.setdefault(link.keys, set())
    wanted = sorted(values - asked, key=_rank)
    asked |= values
    try:
        new = firstrows.beyond_with(cursor, target.table, target.key, target.edge, link.keys, wanted) - target.added
    except Unreadable as error:
        target.error = _unreadable(target.table, error)
        return set()
    target.added |= new
    return new


def batches(keys: Sequence[KeyTuple]) -> list[tuple[KeyTuple, ...]]:
    """Return the keys in lists of KEYS_ASKED at most."""
    return [tuple(keys[n : n + KEYS_ASKED]) for n in range(0, len(keys), KEYS_ASKED)]


def _rank(key: KeyTuple) -> list[tuple[str, KeyValue]]:
    return [(type(value).__name__, value) for value in key]  # a date that is none comes as a text
