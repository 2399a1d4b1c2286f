"""Talks: what a thread says to a server over one session, and the watch that ends those that stall.

A talk stalls when its thread waits in the driver, no byte moves for `seconds`, and the server, asked over another
connection, is not at work for it or does not answer. Then the session is ended at the server as far as that answers, and
its socket here, so that the driver comes back with an error, which is a passing one. Long statements are left alone,
and so are sessions that nobody waits for. A native call that does not come back even so is given up: who carries out the
step is told, and goes on without that thread.

One thread looks, once a second or more often, while there are talks.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bulketl.connections import sockets
from bulketl.connections.stacks import packages_of_threads

STALL_SECONDS = 300.0  # unless the configuration says otherwise
ASK_SECONDS = 3.0  # for a server to answer whether it is at work
BACK_SECONDS = 4.0  # for a driver to come back once its socket is shut
BACK_LOOK_SECONDS = 0.25
NO_SOCKET_SECONDS = 10.0  # for a driver that connects by itself to have a connection, twice as long as one may take
STALLED = "the connection stalled"
HINT = "look at the line: something on it, a proxy, a VPN or a firewall, keeps the connection and passes nothing on"

Judge = Callable[[int, bool], bool]


@dataclass(slots=True, eq=False)
class Talk:
    """A session that a thread talks over.

    `judge(number, force)` asks the server whether it is at work for the session of that number, and ends it there when it is
    not, or by `force`; it raises when nobody answers. `drivers`: the packages that the thread is in while it waits. The
    socket is known by `descriptor`, or by its `mark`. `dials`: the driver makes a connection by itself, over TCP, so that
    within seconds there is a socket, or nobody lets it in.
    """

    what: str
    seconds: float
    drivers: frozenset[str]
    judge: Judge
    number: int = 0
    mark: int = 0
    descriptor: int = -1
    dials: bool = False
    thread: int = field(default_factory=threading.get_ident)
    since: float = field(default_factory=time.monotonic)  # the last sign of life
    ended: str = ""  # why it was
    socket: int = 0  # which one the descriptor is of
    counts: object = None
    asked: bool = False
    quiet: float = 0.0  # seconds without a sign of life, when it was asked for

    def __post_init__(self) -> None:
        self.found(self.descriptor)

    def found(self, descriptor: int) -> None:
        """Take note of the session's socket."""
        self.descriptor, self.socket = descriptor, sockets.identity(descriptor) if descriptor >= 0 else 0

    def sockets(self) -> list[int]:
        """Return the descriptors of its socket, if it has one now."""
        known = [self.descriptor] if self.socket and sockets.identity(self.descriptor) == self.socket else []
        return sorted({*known, *(sockets.marked(self.mark) if self.mark else ())})

    def shut(self) -> None:
        """End its socket here."""
        for descriptor in self.sockets():
            sockets.shut(descriptor)


_talks: list[Talk] = []
_lock = threading.Lock()
_marks: set[int] = set()
_some = threading.Event()
_watch: list[threading.Thread] = []
_given_up: dict[int, Callable[[str], None]] = {}  # by thread: whom to tell that it does not come back


def new_mark() -> int:
    """Return a mark for a session's socket that no other session has, until `free_mark`."""
    with _lock:
        own = next(n for n in itertools.count(sockets.FIRST_MARK) if n not in _marks)
        _marks.add(own)
        return own


def free_mark(own: int) -> None:
    """Let others have a mark."""
    with _lock:
        _marks.discard(own)


@contextlib.contextmanager
def mark() -> Iterator[int]:
    """Give a mark for as long as the context lasts."""
    own = new_mark()
    try:
        yield own
    finally:
        free_mark(own)


class StalledError(TimeoutError):
    """A talk was ended; says why."""


def arriving(driver: str) -> dict[str, int]:
    """Return how many bytes have come so far of what a driver is waiting for, by what that is called; for progress only."""
    with _lock:
        talks = [one for one in _talks if driver in one.drivers]
    found: dict[str, int] = {}
    for one in talks:
        for descriptor in one.sockets():
            if counts := sockets.moved(descriptor):
                found[one.what] = found.get(one.what, 0) + counts[1]
    return found


@contextlib.contextmanager
def talk(one: Talk) -> Iterator[Talk]:
    """Have a talk watched meanwhile. Of several that a thread has, it waits for the one that began last.

    Raise StalledError, instead of what the driver made of it, when it was ended.
    """
    with _lock:
        _talks.append(one)
        if not (_watch and _watch[0].is_alive()):
            _watch[:] = [threading.Thread(target=_look, name="bulketl-watch", daemon=True)]
            _watch[0].start()
        _some.set()
    try:
        yield one
    except BaseException as error:  # a Rust panic is one
        if one.ended and not isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
            raise StalledError(one.ended) from error
        raise
    finally:
        with _lock:
            _talks.remove(one)
            if not _talks:
                _some.clear()
    if one.ended:  # it came back too late: the step may have been begun anew
        raise StalledError(one.ended)


@contextlib.contextmanager
def given_up(tell: Callable[[str], None]) -> Iterator[None]:
    """Have `tell` called, from another thread, with the reason, when this thread hangs in a call that cannot be ended."""
    _given_up[threading.get_ident()] = tell
    try:
        yield
    finally:
        _given_up.pop(threading.get_ident(), None)


def hangs(thread: int) -> bool:
    """Tell whether a thread has not come back from a talk that was ended."""
    with _lock:
        return any(one.thread == thread and one.ended for one in _talks)


def end(thread: int, why: str) -> None:
    """End what a thread talks about, at the servers and here. Returns at once."""
    with _lock:
        its = [one for one in _talks if one.thread == thread and not one.ended]
    _end_each(its, why)


def end_all(why: str, seconds: float) -> None:
    """End all talks of this process, and wait for that for some seconds at most."""
    with _lock:
        every = list(_talks)
    until = time.monotonic() + seconds
    for ending in _end_each(every, why):
        ending.join(max(0.0, until - time.monotonic()))


def _end_each(talks: list[Talk], why: str) -> list[threading.Thread]:
    endings = []
    for one in talks:
        one.ended = why
        endings.append(threading.Thread(target=_end, args=(one,), name="bulketl-end", daemon=True))
        endings[-1].start()
    return endings


def _look() -> None:
    """Look at all talks, for ever."""
    while True:
        _some.wait()  # for a talk; nobody waits for this thread
        with _lock:
            open_, now = list(_talks), time.monotonic()
        current = _waited_for(open_)
        for one in open_:
            if not one.asked and not one.ended:
                _look_at(one, one in current, now)
        time.sleep(min([1.0, *(one.seconds / 4 for one in open_)]))


def _look_at(one: Talk, waited_for: bool, now: float) -> None:
    found = one.sockets()
    counts = tuple(sockets.moved(descriptor) for descriptor in found)
    if not waited_for or counts != one.counts or any(sockets.unread(descriptor) for descriptor in found):
        one.counts, one.since = counts, now
    elif now - one.since >= (min(one.seconds, NO_SOCKET_SECONDS) if one.dials and not found else one.seconds):
        one.asked, one.quiet = True, now - one.since
        threading.Thread(target=_judge, args=(one,), name="bulketl-judge", daemon=True).start()


def at_work(one: Talk) -> bool:
    """Ask the server whether it is at work for a talk, for some seconds at most; the talk has ended there if it is not."""
    return _asked(one, False)


def _asked(one: Talk, force: bool) -> bool:
    told: list[bool] = []

    def ask() -> None:
        with contextlib.suppress(Exception):  # nobody answers: then there is nothing to be left alone
            told.append(one.judge(one.number, force))

    asking = threading.Thread(target=ask, name="bulketl-ask", daemon=True)
    asking.start()
    asking.join(ASK_SECONDS + 1)
    if told == [True]:
        return True
    one.ended = (
        one.ended or f"{STALLED}: no byte moved for {one.quiet or one.seconds:.0f} s, and the server was not at work for it"
    )
    return False


def _judge(one: Talk) -> None:
    """Leave a talk alone when its server is at work for it, else end it."""
    if _asked(one, False):
        one.since, one.asked = time.monotonic(), False
    else:
        _shut(one)


def _end(one: Talk) -> None:
    """End a talk for which its server may be at work."""
    _asked(one, True)
    _shut(one)


def _shut(one: Talk) -> None:
    """Have the driver come back; when it does not, tell who waits for its thread."""
    one.shut()
    for look in range(1, int(BACK_SECONDS / BACK_LOOK_SECONDS) + 1):
        time.sleep(BACK_LOOK_SECONDS)
        if one not in _talks:
            return
        if look % 8 == 0:  # a driver may have connected anew, and stall there
            one.shut()
    if tell := _given_up.get(one.thread):
        tell(f"{one.what}: {one.ended}")
    while one in _talks:  # what it opens later is of no use to anybody
        one.shut()
        time.sleep(1)


def _waited_for(talks: list[Talk]) -> set[Talk]:
    """Return the talks whose threads wait in their drivers."""
    found: set[Talk] = set()
    driving = packages_of_threads({driver for one in talks for driver in one.drivers}) if talks else {}
    for thread in {one.thread for one in talks}:
        packages = driving.get(thread, set())
        its = [one for one in talks if one.thread == thread and one.drivers & packages]
        found.update(its[-1:])
    return found
