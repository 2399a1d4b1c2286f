"""What the source has and a load does not take, because it is not a base table: the plan says so once.

A view is loaded like a table if a person names it, in a rule or in full on the command line. It is read as a whole, and
has no key unless its rule declares one. Once loaded, it stays so. Sequences, the history rows of system-versioned tables,
triggers, routines and events are not rows that a table could take.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from bulketl.config.config import Config
from bulketl.errors import PlanError
from bulketl.tables.catalog import Catalog, Other
from bulketl.tables.cursor import State
from bulketl.tables.patterns import matches
from bulketl.tables.printable import count_of

_NAMED = "name {} in tables.yaml to load {} as {}"
_KINDS = ("view", "sequence", "history")  # said first, in this order


def with_views(catalog: Catalog, config: Config, states: Mapping[str, State], names: Collection[str] = ()) -> Catalog:
    """Return the catalogue with the views among its tables that a rule or one of `names` names, or that were loaded."""

    def wanted(name: str) -> bool:
        if name in names:
            return True
        if name in config.tables:
            return not config.tables[name].exclude
        return name in states and states[name].source == catalog.identity

    taken = [view for view in catalog.views if wanted(view.name)]
    if not taken:
        return catalog
    tables = sorted((*catalog.tables, *taken), key=lambda table: table.name)
    left = tuple(view for view in catalog.views if view not in taken)
    return dataclasses.replace(catalog, tables=tuple(tables), views=left)


def fitting(catalog: Catalog, patterns: Sequence[str], exclude: Sequence[str]) -> None:
    """Raise PlanError when a pattern fits no table that there is or was, and say what else it fits."""
    names = [table.name for table in catalog] + [item.table for item in catalog.absent if item.column is None]
    others = [*(Other("view", view.name) for view in catalog.views), *catalog.others]
    for pattern in (*patterns, *exclude):
        if any(matches(name, [pattern]) for name in names):
            continue
        fit = [other for other in others if matches(other.name, [pattern])]
        if fit and pattern in exclude:
            continue
        raise PlanError(
            f"no table {pattern!r} in {catalog.identity} that this user may read",
            hint=_hint(fit) if fit else _called(catalog, pattern),
        )


def _called(catalog: Catalog, pattern: str) -> str:
    """Say by which names tables are called whose own names fit, or what else may be wrong."""
    names = [repr(table.name) for table in catalog if table.name != table.origin and matches(table.origin, [pattern])]
    if names:
        return f"your rules give it another name: write {', '.join(names)}"
    return "check the spelling (case counts), and the user's SELECT right on it"


def _hint(fit: Sequence[Other]) -> str:
    views = [other.name for other in fit if other.kind == "view"]
    if views:
        return f"views are loaded when they are named in full, or in tables.yaml; it fits {', '.join(views)}"
    return f"it fits only what is not a table: {', '.join(f'{other.kind} {other.name}' for other in fit)}"


def left_out(
    config: Config, catalog: Catalog, patterns: Sequence[str] = (), exclude: Sequence[str] = ()
) -> tuple[Other, ...]:
    """Return what is not taken, without what a rule or `exclude` leaves out; with `patterns`, only what fits one."""
    views = [Other("view", view.name) for view in catalog.views if not config.rule(config.table_name(view.origin)).exclude]
    return tuple(
        other
        for other in (*views, *catalog.others)
        if (not patterns or matches(other.name, patterns)) and not matches(other.name, exclude)
    )


def told(others: Iterable[Other]) -> str:
    """Return in words what is not taken: `7 views (name them ...), 1 sequence`; '' for nothing."""
    kinds: dict[str, list[Other]] = {}
    for other in others:
        kinds.setdefault(other.kind, []).append(other)
    order = (*(kind for kind in _KINDS if kind in kinds), *sorted(kinds.keys() - {*_KINDS}))
    return ", ".join(_history(kinds[kind]) if kind == "history" else _counted(kind, len(kinds[kind])) for kind in order)


def _counted(kind: str, count: int) -> str:
    if kind == "view":
        how = _NAMED.format("it", "it", "a table") if count == 1 else _NAMED.format("them", "them", "tables")
        return f"{count_of(count, 'view')} ({how})"
    return count_of(count, kind)


def _history(tables: Sequence[Other]) -> str:
    rows = sum(table.rows or 0 for table in tables)
    known = f" ({rows:,})" if all(table.rows is not None for table in tables) else ""
    return f"the history rows{known} of {count_of(len(tables), 'system-versioned table')}"
