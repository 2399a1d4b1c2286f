"""In which order tables are loaded, and which travel together.

Tiers come one after another. Within a tier, tables that no key cuts come first, because no second worker can help with
one of them; the others follow, the largest first. A table that others depend on comes before them, whatever its tier.
Small tables that need no staging share one step, one connection and one transaction.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter

from bulketl.config.tables import circle
from bulketl.errors import PlanError
from bulketl.plan.plan import Group, TableLoad
from bulketl.tables.spec import TIERS

GROUP_BYTES = 4 << 20  # tables of a group are in memory together, before their transaction begins
GROUP_TABLES = 250


def grouped(loads: Iterable[TableLoad], dependencies: Mapping[str, Sequence[str]], most_bytes: int) -> Iterator[Group]:
    """Yield the groups in an order in which they may begin, each with the tables outside of it that it waits for.

    Direct loads of a tier that follow each other share a group up to GROUP_TABLES and `most_bytes`; a staged table is alone.
    Every group comes after those it waits for. Raise PlanError when tables depend on each other in a circle.
    """
    found = {load.spec.table: load for load in loads}
    needs = {
        name: tuple(other for other in dependencies.get(name, ()) if other in found and other != name) for name in found
    }
    waiting: list[TableLoad] = []
    for load in _ordered(found, needs):
        # A table is only ever after what it needs: that has been yielded, or is in its group.
        full = len(waiting) >= GROUP_TABLES or sum(w.bytes for w in waiting) + load.bytes > min(GROUP_BYTES, most_bytes)
        other = waiting and (waiting[0].tier, waiting[0].spec.encoder) != (load.tier, load.spec.encoder)
        needed = any(w.spec.table in needs[load.spec.table] for w in waiting)
        ends = full or other if load.direct else needed
        if waiting and (waiting[0].tier != load.tier or ends):
            yield Group(waiting[0].tier, tuple(waiting))
            waiting = []
        if load.direct:
            waiting.append(load)
        else:
            yield Group(load.tier, (load,))
    if waiting:
        yield Group(waiting[0].tier, tuple(waiting))


def _ordered(found: Mapping[str, TableLoad], needs: Mapping[str, tuple[str, ...]]) -> list[TableLoad]:
    """Return the tables by tier and size, those that others need right before the first of these."""
    if cyclic := circle(needs):
        raise PlanError(f"tables depend on each other in a circle: {' -> '.join(cyclic)}", hint="take one of them out")
    wanted = sorted(
        found.values(), key=lambda load: (TIERS.index(load.tier), not load.streamed, -load.bytes, load.spec.table)
    )
    place = {load.spec.table: n for n, load in enumerate(wanted)}
    possible = list(TopologicalSorter({name: needs[name] for name in sorted(needs)}).static_order())
    for name in reversed(possible):
        for other in needs[name]:
            place[other] = min(place[other], place[name])
    depth = {name: n for n, name in enumerate(possible)}
    ordered = sorted(found.values(), key=lambda load: (place[load.spec.table], depth[load.spec.table]))
    return [dataclasses.replace(load, after=needs[load.spec.table]) for load in ordered]
