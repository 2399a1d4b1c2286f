"""The place of a table among the others of its database: its share, which tables refer to it, and what its columns say.

A list of values is a name with little beside it that refers to nothing. A link is a pair of references with little beside
them. Both may be large, or other tables may refer to them a lot, but the database is not about them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bulketl.survey.references import Reference
from bulketl.survey.stamps import cursor_candidates
from bulketl.tables.catalog import Catalog, Column, Table
from bulketl.tables.evidence import edit_columns
from bulketl.tables.measured import Profile
from bulketl.tables.naming import says_people, words
from bulketl.tables.types import FLOATS, MOMENTS

LARGE_SHARE = 0.04  # of the database's rows or bytes: a table that large is critical, whatever its name,
LARGE_BYTES = 1 << 20  # unless it is smaller than this,
LARGER = 2.0  # or than this many tables of the database's average size
GROWTH_SHARE = 0.10  # of the rows that come or change in a day: so is a table that has this number of them,
GROWTH_ROWS = 100  # if they are not fewer than this
HUB_SHARE = 0.10  # of the tables: one to which that share refers is critical,
HUB_TABLES = (3, 12)  # if it is not fewer than the one; the other number is always enough
CENTRE_TABLES = (6, 10)  # the same of the tables to which one refers: it brings them together
LIST_ROWS = 2000  # a list has no more,
LIST_COLUMNS = 2  # nor more columns of its own than these
LINK_COLUMNS = 1  # a link has no more beside its references, and no text
TENANT_SHARE = 1 / 3  # of the tables refer to one that says whose their rows are, which says nothing of each,
TENANT_TABLES = 20  # if they are not fewer than this
FEW_SHARE = 0.001  # of the rows of the largest: a table of fewer is not what a database is about, however many refer to it

Shape = Literal["list", "link", ""]
_NAMES = frozenset({"name", "title", "label", "description", "descript", "desc", "text", "code", "caption", "designation"})
_NOTES = frozenset({"comment", "comments", "note", "notes", "description", "descript", "desc", "completename"})
_SHOWN = frozenset({"sort", "order", "itemorder", "position", "pos", "rank", "ranking", "color", "colour", "level", "slug"})
_KEPT = frozenset({"url", "icon", "cache", "hidden", "active", "enabled"})
_BESIDE = _NOTES | _SHOWN | _KEPT
_FLAGS = frozenset({"tinyint", "bit", "enum", "set"})
_STEADY = _FLAGS | {*MOMENTS}
_SAYING = frozenset({"text", "mediumtext", "longtext", "tinytext", "blob", "mediumblob", "longblob", "json", "decimal"})
_OF_ITS_OWN = _SAYING | {"char", "varchar", *FLOATS}  # in a link there is no such column


@dataclass(frozen=True, slots=True)
class Standing:
    """What was found of one table.

    `large`: in words, how much of the database it is, or of what comes in a day, '' when that is not much. `references`:
    what it refers to; `users`: the tables that refer to it; `hub`: they are many; `centre`: it refers to many.
    """

    table: Table
    large: str
    references: tuple[Reference, ...]
    users: tuple[str, ...]
    hub: bool
    centre: bool
    shape: Shape
    hubs: frozenset[str]  # of the database

    @property
    def targets(self) -> tuple[str, ...]:
        """The tables it refers to."""
        return tuple(sorted(reference.target for reference in self.references))


def standings(
    catalog: Catalog, references: Mapping[str, Sequence[Reference]], profiles: Mapping[tuple[str, str], Profile]
) -> dict[str, Standing]:
    """Return what each table is among the others."""
    users: dict[str, list[str]] = {table.name: [] for table in catalog}
    for name, found in references.items():
        for reference in found:
            if reference.target in users:
                users[reference.target].append(name)
    count = len(catalog.tables)
    least = min(max(HUB_TABLES[0], HUB_SHARE * count), HUB_TABLES[1])
    centre = min(max(CENTRE_TABLES[0], HUB_SHARE * count), CENTRE_TABLES[1])
    hubs = frozenset(name for name, found in users.items() if len(found) >= least)
    tenants = frozenset(name for name, found in users.items() if len(found) >= max(TENANT_TABLES, TENANT_SHARE * count))
    large, growth = _shares(catalog), _growth(catalog, profiles)
    most = max((table.rows for table in catalog), default=0)
    return {
        table.name: Standing(
            table=table,
            large=large.get(table.name) or growth.get(table.name, ""),
            references=tuple(references[table.name]),
            users=tuple(users[table.name]),
            hub=table.name in hubs and not 0 < table.rows < FEW_SHARE * most,
            centre=len(references[table.name]) >= centre,
            shape=_shape(table, references[table.name], tenants, referred=bool(users[table.name])),
            hubs=hubs,
        )
        for table in catalog
    }


def _shares(catalog: Catalog) -> dict[str, str]:
    """Return the tables that are a large part of the database, each with that in words; small ones are none."""
    rows, size = sum(table.rows for table in catalog), sum(table.bytes for table in catalog)
    least = max(LARGE_SHARE, min(0.5, LARGER / max(len(catalog.tables), 1)))
    found = {}
    for table in catalog:
        share = min(1.0, max(table.rows / max(rows, 1), table.bytes / max(size, 1))) if table.rows else 0.0
        if share >= least and table.bytes >= LARGE_BYTES:
            found[table.name] = f"{share:.0%} of the database"
    return found


def _growth(catalog: Catalog, profiles: Mapping[tuple[str, str], Profile]) -> dict[str, str]:
    """Return the tables that have most of the rows that come or change, each with that in words."""
    found = {t.name: next((p for c in cursor_candidates(t) if (p := profiles.get((t.name, c.name)))), None) for t in catalog}
    rates = {name: profile.per_day for name, profile in found.items() if profile}
    total = sum(rates.values())
    return {
        name: f"about {rate:,.0f} rows a day, {rate / total:.0%} of all that come or change"
        for name, rate in rates.items()
        if rate >= GROWTH_ROWS and rate >= GROWTH_SHARE * total
    }


def _shape(table: Table, references: Sequence[Reference], tenants: frozenset[str], *, referred: bool) -> Shape:
    pointing = {reference.column for reference in references}
    edits = {column.name for column in edit_columns(table)}
    others = [
        column
        for column in table.columns
        if column.name not in pointing | edits | {*table.primary_key} and not _beside(column)
    ]
    to = {reference.target for reference in references} - tenants
    if not to and table.rows <= LIST_ROWS and len(others) <= LIST_COLUMNS and not says_people(table.name):
        return "list" if any(_names(column) for column in table.columns) else ""
    known = pointing | edits | {*table.primary_key}
    own = [c.parsed.base for c in table.columns if c.name not in known and c.parsed.base not in _STEADY]
    linked = len({reference.target for reference in references}) >= 2 and not referred
    return "link" if linked and len(own) <= LINK_COLUMNS and not _OF_ITS_OWN.intersection(own) else ""


def _names(column: Column) -> bool:
    """Tell whether a column says in words what a row is."""
    short = column.parsed.base in ("char", "varchar", "varbinary")
    return short and (bool(_NAMES & set(words(column.name))) or column.name.lower().endswith("name"))


def _beside(column: Column) -> bool:
    """Tell whether a column says nothing of what its table is: flags, stamps, notes, an order for the screen."""
    parts = words(column.name)
    flag = column.parsed.base in _FLAGS or parts[:1] in (("is",), ("has",))
    return flag or column.parsed.base in MOMENTS or bool(_BESIDE & set(parts))
