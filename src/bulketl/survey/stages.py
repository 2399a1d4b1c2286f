"""What an act does before it has a run to tell of: connecting, reading a catalogue, looking at cursors, comparing.

Whoever composes the act passes in what listens; by default nobody does.
"""

from __future__ import annotations

from collections.abc import Callable

# Called with what is done from now on, how many of these are done, and how many there are; 0 where they are not counted.
Tell = Callable[[str, int, int], object]


def silent(_what: str, _done: int, _of: int) -> None:
    """Tell nobody."""
