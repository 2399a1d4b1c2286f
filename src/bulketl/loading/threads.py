"""Who carries out the steps of a run in this process: some threads, and for steps of many bytes a process for each.

A thread whose driver does not come back, even after its connection was ended, is given up: its step has failed and another
thread takes its place. So nothing here is waited for without an end, and a process can always exit.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError
from queue import SimpleQueue
from typing import Any

from bulketl.connections import watch
from bulketl.errors import MEMORY, BulketlError, SourceError
from bulketl.loading.memory import limited
from bulketl.loading.process import Apart
from bulketl.loading.schedule import LARGE_BYTES, Step
from bulketl.postgres.write.copy import leave

_Task = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class Crew(Executor):
    """Threads that carry out steps, `at_once` at a time."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._doing: dict[Future[Any], tuple[int, Apart]] = {}
        self._open: set[Future[Any]] = set()  # submitted and not done
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a step carried out as soon as a thread is free."""
        future: Future[Any] = Future()
        with self._lock:
            # Each step that is not done has a thread, up to all there may be: steps may wait for each other.
            self._open.add(future)
            future.add_done_callback(self._open.discard)
            refused = self._hire() if len(self._threads) < min(len(self._open), self._at_once) else None
        if refused:
            _settle(future, refused)
            return future
        self._tasks.put((future, lambda *some: fn(*some, **kwargs), args) if kwargs else (future, fn, args))
        return future

    def end(self, future: Future[Any], why: str) -> None:
        """End what a step is talking about, at both servers, so that it fails. Returns at once."""
        with self._lock:
            thread, apart = self._doing.get(future, (0, None))
        if thread:
            watch.end(thread, why)
        if apart:
            threading.Thread(target=apart.end, name="bulketl-end", daemon=True).start()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end after the steps under way, and wait for those that can be waited for."""
        with self._lock:
            threads = list(self._threads)
            while cancel_futures and not self._tasks.empty():
                if task := self._tasks.get_nowait():
                    task[0].cancel()
        for _ in threads:
            self._tasks.put(None)
        for thread in threads if wait else ():
            while thread.is_alive() and thread in self._threads:  # one that is given up is none of them any more
                thread.join(0.05)

    def _hire(self) -> BulketlError | None:
        """Start a thread; return the error of a step that has none, since the system starts no more."""
        thread = threading.Thread(target=self._work, name=f"bulketl_{len(self._threads)}", daemon=True)
        self._threads.append(thread)  # before it looks whether it is one of them
        try:
            thread.start()
        except RuntimeError:
            self._threads.remove(thread)
            why = "no thread could be started for a step: the system gives this process no more"
            return BulketlError(why, hint=MEMORY, transient=True, ease="workers")
        return None

    def _work(self) -> None:
        apart, me = Apart(), threading.current_thread()
        try:
            while me in self._threads:
                task = self._tasks.get()  # until `shutdown`
                if task is None:
                    return
                self._carry_out(apart, *task)
        finally:
            apart.close()
            if me not in self._threads:
                leave()  # nobody else closes what it has open

    def _carry_out(self, apart: Apart, future: Future[Any], fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        me = threading.current_thread()

        def give_up(why: str) -> None:
            with self._lock:
                self._threads.remove(me)
                refused = self._hire()
            while refused and not self._threads and not self._tasks.empty():  # nobody would come to these
                if task := self._tasks.get_nowait():
                    _settle(task[0], refused)
            _settle(future, SourceError(f"{why}; its driver did not come back", transient=True))

        large = bool(args) and isinstance(args[-1], Step) and _large(args[-1])
        with self._lock:
            self._doing[future] = (threading.get_ident(), apart)
        try:
            with watch.given_up(give_up):
                result = apart.carry_out(fn, *args) if large else fn(*args)
        except BaseException as error:
            result = error
        with self._lock:
            self._doing.pop(future)
        _settle(future, result)


def _large(step: Step) -> bool:
    """Tell whether a step may need more memory than there is, as far as that can be told."""
    return len(step.loads) < 2 and (step.bytes > LARGE_BYTES or (step.long and limited()))


def _settle(future: Future[Any], result: Any) -> None:
    with contextlib.suppress(InvalidStateError):  # it was given up before
        future.set_exception(result) if isinstance(result, BaseException) else future.set_result(result)
