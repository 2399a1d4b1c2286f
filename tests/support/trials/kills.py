"""SIGKILL of bulketl at any call of any of its functions."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator

from trials.house import House
from trials.trial import Fault, Tried, tried
from trials.ways import WAYS


def killed(house: House, ways: tuple[str, ...], dice: random.Random, count: int) -> Iterator[Tried]:
    """Kill so many commands in all, of one way after another, each at a call drawn from all that the way makes."""
    calls = {name: _calls(house, name) for name in ways}
    for number in range(count):
        name = ways[number % len(ways)]
        at = dice.randint(1, calls[name])
        fault = Fault("SIGKILL of bulketl", "bulketl", codes=(-signal.SIGKILL, 0, 1), how={"kill_at": at})
        done = tried(house, WAYS[name], fault, dice)
        done.where, done.struck = f"call {at} of {calls[name]}", done.code == -signal.SIGKILL
        yield done


def _calls(house: House, name: str) -> int:
    way = WAYS[name]
    way.prepare(house)
    done = house.run(*way.words, schema=way.schema, kill_at=0)
    assert done.calls, done
    assert not way.good(house, done, random.Random(0))
    return done.calls
