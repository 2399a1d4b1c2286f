"""Waits for a lock at the source are told once, when they begin and when they end, and never hold up the driver."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from lines import until

from bulketl.errors import SourceError
from bulketl.loading.events import SourceWaited, SourceWaits
from bulketl.loading.waits import AFTER_SECONDS, LOOK_SECONDS, Waits

WHY = "Waiting for table metadata lock"


class Source:
    """What the source says of waits; it may not answer."""

    def __init__(self) -> None:
        self.waiting: dict[str, str] = {}
        self.asked: list[Collection[str]] = []
        self.answers = threading.Event()
        self.answers.set()
        self.down = False

    def __call__(self, tables: Collection[str]) -> Mapping[str, str]:
        self.asked.append(sorted(tables))
        self.answers.wait(10)
        if self.down:
            raise SourceError("gone")
        return {table: why for table, why in self.waiting.items() if table in tables}


def running(*tables: str) -> dict[Future[Any], Any]:
    return {Future(): SimpleNamespace(tables=(table,)) for table in tables}


def looks(waits: Waits, steps: dict[Future[Any], Any], now: float) -> list[Any]:
    """Look, let the source answer, and look again."""
    found: list[Any] = list(waits.of(steps, now))
    until(lambda: waits._looking is None or not waits._looking.is_alive())
    return found + list(waits.of(steps, now))


def test_a_wait_is_told_when_it_begins_and_when_it_ends() -> None:
    source = Source()
    waits, steps = Waits("r", source), running("a", "b")
    source.waiting = {"b": WHY}
    assert looks(waits, steps, 0.0) == []
    assert source.asked == []  # nobody asks about steps that end soon
    assert waits.wakes(0.0) == AFTER_SECONDS
    assert looks(waits, steps, AFTER_SECONDS) == [SourceWaits("r", "b", WHY)]
    assert looks(waits, steps, AFTER_SECONDS + LOOK_SECONDS) == []
    source.waiting = {"a": WHY}
    assert looks(waits, steps, 20.0) == [SourceWaits("r", "a", WHY), SourceWaited("r", "b", 17.0)]
    assert looks(waits, {}, 21.0) == [SourceWaited("r", "a", 1.0)]  # its step has ended
    assert waits.wakes(21.0) is None
    assert source.asked == [["a", "b"]] * 3


def test_a_source_that_is_silent_or_gone_changes_nothing_and_holds_up_nobody() -> None:
    source = Source()
    waits, steps = Waits("r", source), running("a")
    source.waiting = {"a": WHY}
    list(waits.of(steps, 0.0))
    assert looks(waits, steps, 5.0) == [SourceWaits("r", "a", WHY)]
    source.answers.clear()
    for now in range(10, 100, 5):
        assert list(waits.of(steps, float(now))) == []
    assert len(source.asked) == 2  # one question at a time
    source.down = True
    source.answers.set()
    assert looks(waits, steps, 100.0) == []
    assert looks(waits, steps, 110.0) == []
