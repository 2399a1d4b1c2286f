"""Every kind of trial by its name, and how many of it a whole suite has."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trials import changes, kills, lines, room, sessions, waits
from trials.house import House
from trials.trial import Tried
from trials.ways import WAYS

ALL = tuple(WAYS)
KILLED = ("load", "merge", "audit", "promote", "repair")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of trial. `count`: how often each of its faults is tried, of kills how many in all; `root`: it mounts disks."""

    carry_out: Callable[[House, random.Random, int], Iterator[Tried]]
    count: int
    root: bool = False


def _lines(house: House, dice: random.Random, count: int) -> Iterator[Tried]:
    return lines.tries(house, ALL, dice, count)


KINDS = {
    "lines": Kind(_lines, 1),
    "kills": Kind(lambda house, dice, count: kills.killed(house, KILLED, dice, count), 200),
    "sessions": Kind(lambda house, dice, count: sessions.ended(house, ALL, dice, count), 2),
    "restarts": Kind(lambda house, dice, count: sessions.restarted(house, ALL, dice, count), 1),
    "disk": Kind(room.full_target, 4, root=True),
    "spools": Kind(room.full_spools, 3, root=True),
    "connections": Kind(lambda house, dice, count: room.crowded(house, ALL, dice, count), 1),
    "memory": Kind(room.without_memory, 6),
    "deadlocks": Kind(lambda house, dice, count: waits.deadlocked(house, ALL, dice, count), 5),
    "locks": Kind(lambda house, dice, count: waits.locked(house, ALL, dice, count), 2),
    "time-outs": Kind(lambda house, dice, count: waits.limited(house, ALL, dice, count), 1),
    "altered": Kind(changes.altered, 2),
    "moving": Kind(changes.moving, 6),
}
FIRST = ("kills", "memory", "moving", "disk")
HALVES = (FIRST, tuple(name for name in KINDS if name not in FIRST))
