"""A table that is to be loaded, compared with the target's table: what is written, how, and with which rights.

Values in, values out; `obstacles` asks it what prevents the load.
"""

from __future__ import annotations

from dataclasses import dataclass

from bulketl.plan.plan import TableLoad
from bulketl.tables.catalog import TargetTable
from bulketl.tables.demands import Demands


@dataclass(frozen=True, slots=True)
class Facing:
    """A table as it is to be loaded, before what the target has of it; `doubled`: the zone in which an hour comes twice."""

    load: TableLoad
    existing: TargetTable | None
    doubled: str = ""

    @property
    def demands(self) -> Demands:
        """What the target's table demands."""
        return self.existing.demands if self.existing else Demands()

    @property
    def names(self) -> frozenset[str]:
        """The columns that are written, by their names in the target."""
        return frozenset({*(item.name for item in self.load.spec.casts), *self.load.spec.stamps})

    @property
    def stays(self) -> bool:
        """Whether rows are written into the table that is there."""
        return self.load.spec.publish in ("refill", "merge", "append")

    @property
    def inserted(self) -> bool:
        """Whether rows come into it by INSERT, and not by COPY."""
        spec = self.load.spec
        return spec.publish in ("merge", "append") or (spec.publish == "refill" and (spec.watched or not self.load.direct))

    @property
    def rights(self) -> tuple[str, ...]:
        """The rights on the table that this user has not and the load needs; OWNER for those that only an owner has."""
        spec, demands = self.load.spec, self.demands
        needed = {"SELECT", "INSERT"}
        if spec.publish == "refill":
            needed.add("TRUNCATE")
        if spec.publish == "merge":
            needed.add("UPDATE")
        if self.load.compare or (spec.publish == "merge" and spec.whole):
            needed |= {"mirror": {"UPDATE", "DELETE"}, "mark": {"UPDATE"}}.get(spec.deletes, set())
        if not self.stays:
            needed = set()
        alters = spec.publish == "swap" or spec.added or spec.widened or (spec.publish == "refill" and spec.stamps)
        lacking = [right for right in demands.lacking if right in needed]
        return (*lacking, *(["OWNER"] if alters and not demands.owned else []))
