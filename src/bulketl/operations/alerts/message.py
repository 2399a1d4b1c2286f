"""What a channel is given to tell people, and what came of telling it. Neither holds a value of any row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bulketl.tables.printable import brief, count_of
from bulketl.tables.spec import Tier

MessageKind = Literal["open", "escalated", "resolved", "digest", "test"]


@dataclass(frozen=True, slots=True)
class Message:
    """What people are told of an incident.

    `incident` is the name under which it is opened, followed and closed at the other side, of at most 255 characters.
    `title` is one line, `lines` are all that is said besides. `runbook` names the one to follow, '' for none.
    """

    kind: MessageKind
    incident: str
    tier: Tier
    title: str
    lines: tuple[str, ...] = ()
    runbook: str = ""

    @property
    def heading(self) -> str:
        """The first line for people, with the tier."""
        return f"[{self.tier}] {self.title}"

    def about(self, most: int) -> str:
        """Return what is said besides, of at most so many characters; lines that are left out are counted."""
        kept: list[str] = []
        for n, line in enumerate(self.lines):
            if most < len(line):
                return "\n".join([*kept, f"and {count_of(len(self.lines) - n, 'more line')}"])
            kept.append(line)
            most -= len(line) + 1
        return "\n".join(kept)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a message: whether the other side has it, and in a line what it answered, or why there is no answer.

    `thread`: what later messages of the same incident give back to `send`, so that they follow the first; '' where a channel
    has no threads. `wait_seconds`: for so long the other side wants to hear nothing more; 0 when it does not say.
    """

    delivered: bool
    text: str
    thread: str = ""
    wait_seconds: float = 0.0

    def __repr__(self) -> str:
        """Return what it is in a short line."""
        return brief(self, delivered=self.delivered, text=self.text)
