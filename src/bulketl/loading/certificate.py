"""The certificate of a load: figures of every column, from the batches on their way and from the target."""

from __future__ import annotations

from dataclasses import dataclass, field

from bulketl.loading.events import FiguresTaken
from bulketl.rows.aggregates import ROWS, Figures
from bulketl.rows.figures import summed, unequal


@dataclass(slots=True)
class Certificate:
    """What is known of one table: the figures of all its batches, the figures of the target, and what differs.

    `against`: per range, the figures that are others at the source; `different`: those that are others in the target.
    `masked`: how many values masked columns had before that, compared with the source; `batches` has what came out.
    """

    batches: Figures = field(default_factory=dict)
    target: Figures = field(default_factory=dict)
    against: dict[int, tuple[str, ...]] = field(default_factory=dict)
    different: tuple[str, ...] = ()
    masked: dict[str, int] = field(default_factory=dict)

    @property
    def certified(self) -> bool:
        """Whether source, batches and target agree."""
        return bool(self.target) and not self.different and not any(self.against.values())

    def add(self, event: FiguresTaken) -> None:
        """Take what a step says into account: the figures of a range, of the target, or both."""
        if event.batches:
            self.batches = summed(self.batches, event.batches)
            self.against[event.partition] = event.against
            for column, count in event.masked.items():
                self.masked[column] = self.masked.get(column, 0) + int(count or 0)
        if event.target:
            self.target = summed(self.target, event.target)
        if self.target:
            self.different = tuple(unequal(self.batches or {ROWS: "0"}, self.target, event.floats))

    def to_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return {
            "certified": self.certified,
            "ranges": len(self.against),
            "figures": dict(self.batches),
            "differ_at_the_source": {str(index): list(found) for index, found in self.against.items() if found},
            "differ_in_the_target": list(self.different),
            "masked": dict(self.masked),
        }
