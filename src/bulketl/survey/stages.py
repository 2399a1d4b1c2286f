"""What a function does before it has a run that could emit events: connecting, reading a catalogue, looking at cursors.

The caller passes in a listener; by default nobody listens.
"""

from __future__ import annotations

from collections.abc import Callable

# Called with what is done from now on, how many of these are done, and how many there are; 0 where they are not counted.
Tell = Callable[[str, int, int], object]


def silent(_what: str, _done: int, _of: int) -> None:
    """Tell nobody."""
