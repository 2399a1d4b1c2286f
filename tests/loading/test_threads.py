"""Threads that carry out steps: each step has one, also when it comes at the worst moment."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any

import pytest

from bulketl.errors import BulketlError
from bulketl.loading.threads import Crew

SECONDS = 10


class Slow(SimpleQueue[Any]):
    """A queue whose reader pauses once it has taken something, as a thread does that is not given the processor."""

    def __init__(self) -> None:
        self.taken, self.go_on = threading.Event(), threading.Event()

    def get(self, *_: Any, **__: Any) -> Any:
        """Take something, and wait."""
        task = super().get()
        self.taken.set()
        self.go_on.wait(SECONDS)
        return task


def test_steps_that_wait_for_each_other_all_have_a_thread() -> None:
    """A thread that has just taken a step is not counted as free: the readers of one snapshot wait for all of them."""
    crew, queue, together = Crew(2), Slow(), threading.Barrier(2, timeout=SECONDS)
    crew._tasks = queue
    first = crew.submit(together.wait)
    assert queue.taken.wait(SECONDS)
    second = crew.submit(together.wait)
    queue.go_on.set()
    assert {first.result(SECONDS), second.result(SECONDS)} == {0, 1}
    crew.shutdown()


def test_there_are_no_more_threads_than_may_be_and_none_that_has_nothing_to_do() -> None:
    """One after another needs one; five at once get three."""
    crew = Crew(3)
    for _ in range(5):
        crew.submit(int).result(SECONDS)
    assert len(crew._threads) <= 2  # one, or two where the next came before the last had ended
    go_on = threading.Event()
    futures = [crew.submit(go_on.wait, SECONDS) for _ in range(5)]
    assert len(crew._threads) == 3
    go_on.set()
    assert all(future.result(SECONDS) for future in futures)
    crew.shutdown()


def test_a_step_that_no_thread_can_be_started_for_fails_and_is_tried_again_beside_fewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where memory or the number of threads is limited: it says so, and what is under way goes on."""

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    crew, gate = Crew(2), threading.Event()
    first = crew.submit(gate.wait, SECONDS)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        error = crew.submit(print).exception(SECONDS)
    assert isinstance(error, BulketlError)
    assert (error.transient, error.ease) == (True, "workers")
    assert "no thread could be started" in error.message
    assert "more memory" in error.hint
    gate.set()
    assert first.result(SECONDS)
    assert crew.submit(lambda: 7).result(SECONDS) == 7
    crew.shutdown()
