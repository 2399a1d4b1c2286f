"""Hooks: what a person runs at events of a run, one call after another, beside the run and without delaying it.

Calls wait in a queue, and a thread makes them in the order of the events. Calls at the end of the run wait until its end
is on record and its locks are free. The run does not call a hook again that it had to end, and at most MOST calls wait:
it counts and reports the calls that it leaves out for either reason. A callable runs in a process of its own, so that it
can be ended and takes no processor time from the run.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bulketl.config.hooks import Hook
from bulketl.connections.commands import calling, carry_out
from bulketl.loading.events import Event, HookRan, RunEnded
from bulketl.loading.telling import kind_of, to_record
from bulketl.tables.patterns import matches
from bulketl.tables.printable import count_of, in_a_line, shortened

_log = logging.getLogger("bulketl")
MOST = 1_000  # calls that wait
AT_THE_END = ("run_finished", "run_ended")
LONGEST = 200  # characters of what a hook prints that are told
LOOK_SECONDS = 0.5
SILENT_SECONDS = 3.0
ENDING_SECONDS = 5.0  # for a command that is being ended


@dataclass(frozen=True, slots=True)
class About:
    """Of which run the events are: its name, which act it is, what it reads and where it writes."""

    run: str
    act: str
    source: str
    schema: str


@dataclass(frozen=True, slots=True)
class _Call:
    number: int  # of the hook
    kind: str
    table: str
    text: str
    environ: dict[str, str]


def _labels(hooks: Sequence[Hook]) -> Iterator[str]:
    """Yield what people call each hook; several of one program are told apart by their numbers."""
    known: Counter[str] = Counter()
    for hook in hooks:
        known[hook.label] += 1
        yield hook.label if known[hook.label] == 1 else f"{hook.label} ({known[hook.label]})"


class Caller:
    """The calls of a run that wait, and the thread that carries them out; `tell` is called with what came of each."""

    def __init__(self, hooks: Sequence[Hook], about: About, tell: Callable[[HookRan], object]) -> None:
        self._hooks, self._about, self._tell = hooks, about, tell
        self._labels = list(_labels(hooks))
        self._kinds = {kind for hook in hooks for kind in hook.on}
        self._waiting: queue.Queue[_Call | None] = queue.Queue()
        self._outcome = ""
        self._late: list[tuple[dt.datetime, Event]] = []
        self._left_out: Counter[tuple[int, str, str]] = Counter()  # by hook, kind, and why
        self._given_up: dict[int, str] = {}  # hooks that are not called again, and why
        self._stop, self._done = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, event: Event) -> None:
        """Take an event; this waits for nothing, and whatever is wrong here is no trouble of the run."""
        if not self._kinds:
            return
        if isinstance(event, RunEnded):
            self._outcome = event.outcome
        kind = kind_of(type(event))
        if kind not in self._kinds:
            return
        try:
            self._take(kind, dt.datetime.now(dt.UTC), event)
        except Exception as error:
            _log.warning("hooks at %s: a mistake in bulketl, report it: %s", kind, type(error).__name__)

    def _take(self, kind: str, now: dt.datetime, event: Event) -> None:
        if kind in AT_THE_END:
            self._late.append((now, event))
            return
        calls = list(self._calls(now, event, ""))
        if self._waiting.qsize() < MOST:
            self._add(calls)
            return
        for call in calls:
            self._left_out[call.number, kind, f"more than {MOST:,} calls were waiting"] += 1

    def end(self) -> None:
        """Carry out what is left, and what waited for the run to end; an interruption ends that at once."""
        for at, event in self._late:
            self._add(self._calls(at, event, self._outcome))
        self._waiting.put(None)
        try:
            self._wait()
        finally:
            self._stop.set()
            if self._thread is not None:
                self._done.wait(ENDING_SECONDS)
            for (number, kind, why), count in self._left_out.items():
                text = f"was not called for {count_of(count, 'event')}: {why}"
                self._tell(HookRan(self._about.run, self._labels[number], kind, "", None, 0.0, text, text))

    def _wait(self) -> None:
        """Wait for the last call, and say so when that takes long: the run itself is over.

        A thread that is joined counts as ended once a signal interrupts that, so it says itself when it has.
        """
        since = time.monotonic()
        told = False
        while self._thread is not None and not self._done.wait(LOOK_SECONDS):
            if not told and time.monotonic() - since > SILENT_SECONDS:
                told = True
                limits = ", ".join(
                    f"{label} (up to {hook.time_limit} for a call)"
                    for label, hook in zip(self._labels, self._hooks, strict=True)
                )
                _log.warning("run %s is over and on record; its hooks are still running: %s", self._about.run, limits)

    def _calls(self, at: dt.datetime, event: Event, outcome: str) -> Iterator[_Call]:
        """Yield a call for each hook that an event is for."""
        kind, found = kind_of(type(event)), to_record(event)
        if found is None:
            return
        table = str(getattr(event, "table", ""))
        run = dataclasses.asdict(self._about)
        document = {"kind": kind, "at": at.isoformat(timespec="milliseconds"), **run, "body": found[1]}
        environ = {"BULKETL_EVENT": kind, "BULKETL_RUN": self._about.run, "BULKETL_ACT": self._about.act}
        if table and "\0" not in table:
            environ["BULKETL_TABLE"] = table
        if outcome:
            document["outcome"] = environ["BULKETL_OUTCOME"] = outcome
        text = json.dumps(document, default=str)
        for number, hook in enumerate(self._hooks):
            if kind in hook.on and (not hook.tables or matches(table, hook.tables)):
                yield _Call(number, kind, table, text, environ)

    def _add(self, calls: Iterable[_Call]) -> None:
        for call in calls:
            self._waiting.put(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="bulketl-hooks", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        try:
            while (call := self._waiting.get()) is not None:
                why = "hooks were interrupted" if self._stop.is_set() else self._given_up.get(call.number)
                if why:
                    self._left_out[call.number, call.kind, why] += 1
                else:
                    self._tell(self._attempted(call))
        finally:
            self._done.set()

    def _attempted(self, call: _Call) -> HookRan:
        try:
            return self._called(call)
        except Exception as error:  # the next call must not wait for ever for a thread that is gone
            text = f"a mistake in bulketl, report it: {type(error).__name__}"
            return HookRan(self._about.run, self._labels[call.number], call.kind, call.table, None, 0.0, text, text)

    def _called(self, call: _Call) -> HookRan:
        hook = self._hooks[call.number]
        words = hook.run or calling(hook.call or "")
        ran = carry_out(words, call.text, hook.time_limit.total_seconds(), call.environ, self._stop)
        if ran.ended:
            self._given_up[call.number] = f"it {ran.how} before"
        said = f"{ran.how}: {shortened(in_a_line(ran.last), LONGEST)}" if ran.last and ran.code != 0 else ran.how
        return HookRan(
            self._about.run, self._labels[call.number], call.kind, call.table, ran.code, round(ran.seconds, 3), said, ran.how
        )
