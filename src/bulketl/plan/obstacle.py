"""What may prevent a load: a name, words for the docs, a function that finds it; and the one walk over a list of these.

Values in, values out. A load refuses what is certain before it reads anything. `validate` uses the same lists, and also
tells what is not certain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

NOT_LOADED = "it is not loaded"
Said = tuple[str, str]  # what stands in the way, and what to do
Before = TypeVar("Before")


@dataclass(frozen=True, slots=True)
class Obstacle(Generic[Before]):
    """One kind of obstacle: its name, what it is for the docs, and what finds it in what is known before a load.

    `otherwise`: what happens if nobody does anything.
    """

    name: str
    about: str
    find: Callable[[Before], Iterator[Said]]
    otherwise: str = NOT_LOADED


def met(obstacles: Iterable[Obstacle[Before]], before: Before) -> Iterator[tuple[Obstacle[Before], Said]]:
    """Yield each obstacle that is there, with what it says, in the order of the list."""
    return ((obstacle, said) for obstacle in obstacles for said in obstacle.find(before))
