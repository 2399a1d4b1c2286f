"""How the columns of a source table differ from those the target has: by name, never by position.

A type that the target's cannot hold has widened; any other difference is a change that only a new table can follow. What
is done about each is the plan's decision.
"""

from __future__ import annotations

from dataclasses import dataclass

from bulketl.tables.casts import Cast, narrower
from bulketl.tables.catalog import TargetTable


@dataclass(frozen=True, slots=True)
class Drift:
    """The columns that were added, widened, changed otherwise, and dropped; texts show old and new types."""

    added: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.texts)


def drift(casts: tuple[Cast, ...], existing: TargetTable) -> Drift:
    """Compare what a table needs with what the target has."""
    there, needed = dict(existing.columns), {item.name: item.target for item in casts}
    added = tuple(name for name in needed if name not in there)
    dropped = tuple(name for name in there if name not in needed)
    differ = [name for name, target in needed.items() if name in there and there[name] != target]
    widened = tuple(n for n in differ if narrower(there[n], needed[n]) and not narrower(needed[n], there[n]))
    return Drift(
        added=added,
        widened=widened,
        changed=tuple(name for name in differ if name not in widened),
        dropped=dropped,
        texts=(
            *(f"+ {name} {needed[name]}" for name in added),
            *(f"~ {name} {there[name]} -> {needed[name]}" for name in differ),
            *(f"- {name} {there[name]}" for name in dropped),
        ),
    )
