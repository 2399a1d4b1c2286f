"""How the rows of a table are taken from its source: the part of a rule that decides which, and under which names."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bulketl.tables.part import Part


@dataclass(frozen=True, slots=True)
class Taken:
    """What a load took of a table; the ledger keeps it, so that the next load knows what has changed.

    `table`: its name at the source, '' where it is the same. `names`: columns that have another name in the target, as
    (column, name). `where`: the condition for its rows, '' for all. `part`: which of them a limit left, None
    without one.
    """

    table: str = ""
    names: tuple[tuple[str, str], ...] = ()
    where: str = ""
    part: Part | None = None

    def text(self) -> str:
        """Return it as the ledger keeps it."""
        found: dict[str, object] = {"table": self.table, "names": dict(self.names), "where": self.where}
        if self.part:
            found["part"] = dataclasses.asdict(self.part)
        return json.dumps(found, ensure_ascii=True)


AS_IT_IS = Taken()  # everything by its own name


def taken_of(document: Mapping[str, Any] | None) -> Taken:
    """Return what the ledger keeps; of a load that noted nothing, that every column had its own name."""
    found = document or {}
    part = Part(**found["part"]) if found.get("part") else None
    return Taken(found.get("table", ""), tuple(found.get("names", {}).items()), found.get("where", ""), part)
