"""How the columns of a source table differ from those in the target: by name, never by position.

If the type in the target cannot hold the new type, the type has widened; any other difference is a change that only a new
table can follow. The plan decides what to do about each.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bulketl.tables.casts import Cast, narrower
from bulketl.tables.catalog import TargetTable


@dataclass(frozen=True, slots=True)
class Drift:
    """The columns that were added, widened, changed otherwise, and dropped; texts show old and new types.

    `renamed`: those that a rule names otherwise than the last load did, as (name there, name needed). `left`: those of the
    dropped that the source still has and a rule leaves out.
    """

    added: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    left: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def unwanted(self) -> frozenset[str]:
        """The columns of the target that nothing is to be kept in: what they have is left out, or has another name."""
        return frozenset((*self.left, *(old for old, _ in self.renamed if old in self.dropped)))

    @property
    def exchanged(self) -> bool:
        """Whether a column is to have the name that another one had: a row that is not written again would be wrong."""
        return any(old not in self.dropped for old, _ in self.renamed)

    def __bool__(self) -> bool:
        return bool(self.texts)


def drift(
    casts: tuple[Cast, ...],
    existing: TargetTable,
    names: tuple[tuple[str, str], ...] = (),
    left: Collection[str] = (),
) -> Drift:
    """Compare what a table needs with what the target has.

    `names`: by which the last load called columns, as (column, name), where these were not the source's own. `left`: columns
    that a rule leaves out, as the target would call them.
    """
    there, needed = dict(existing.columns), {item.name: item.target for item in casts}
    added = tuple(name for name in needed if name not in there)
    dropped = tuple(name for name in there if name not in needed)
    differ = [name for name, target in needed.items() if name in there and there[name] != target]
    widened = tuple(n for n in differ if narrower(there[n], needed[n]) and not narrower(needed[n], there[n]))
    called = dict(names)
    wanted = [(called.get(item.column, item.column), item.name) for item in casts if item.source]
    had = {old for old, _ in wanted}
    renamed = tuple(
        (old, new) for old, new in wanted if old != new and old in there and (new in added or (new in had and new in there))
    )
    new_names = {new for _, new in renamed}
    return Drift(
        added=added,
        widened=widened,
        changed=tuple(name for name in differ if name not in widened),
        dropped=dropped,
        renamed=renamed,
        left=tuple(name for name in dropped if name in left),
        texts=(
            *(f"~ {old} is {new} now, by another name in its rule" for old, new in renamed),
            *(f"+ {name} {needed[name]}" for name in added if name not in new_names),
            *(f"~ {name} {there[name]} -> {needed[name]}" for name in differ),
            *(f"- {name} {there[name]}" for name in dropped if name not in dict(renamed)),
        ),
    )
