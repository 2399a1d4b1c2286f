"""A few trials of each kind: whatever goes wrong, rows are whole, errors say what happened, and nothing stays or hangs.

`nox -s faults` has all of them. BULKETL_TEST_SEED draws others.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from trials import changes, kills, lines, room, sessions, waits
from trials.__main__ import ground
from trials.house import House
from trials.suite import KINDS
from trials.trial import Tried

SEED = os.environ.get("BULKETL_TEST_SEED", "7")


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """Servers of its own, which may be killed."""
    with ground() as made:
        yield made


FEW = {
    "lines": lambda house, dice: lines.some(house, ("merge", "audit"), dice, 4),
    "kills": lambda house, dice: kills.killed(house, ("merge", "promote"), dice, 2),
    "sessions": lambda house, dice: sessions.ended(house, ("merge",), dice, 1),
    "restarts": lambda house, dice: sessions.restarted(house, ("merge",), dice, 1),
    "disk": lambda house, dice: room.full_target(house, dice, 1, ("load",)),
    "connections": lambda house, dice: room.crowded(house, ("audit",), dice, 1),
    "deadlocks": lambda house, dice: waits.deadlocked(house, ("promote",), dice, 1),
    "time-outs": lambda house, dice: waits.limited(house, ("audit",), dice, 1),
    "moving": lambda house, dice: changes.moving(house, dice, 1),
}


@pytest.mark.parametrize("kind", FEW)
def test_every_promise_is_kept_whatever_goes_wrong(house: House, kind: str) -> None:
    """None of these is survived by luck: what was tried is told with its seed."""
    if KINDS[kind].root and os.geteuid():
        pytest.skip("only root may mount a small disk")
    tries: list[Tried] = list(FEW[kind](house, random.Random(f"{SEED} {kind}")))
    assert tries
    assert [one for one in tries if not one.survived] == [], f"BULKETL_TEST_SEED={SEED}"
