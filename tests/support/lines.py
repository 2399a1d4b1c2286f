"""A line to a server that tests can hold up: a TCP relay that cuts or stalls a connection at a moment that is chosen."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from lab import Lab
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from waiting import until

__all__ = ["Line", "to_source", "to_target", "until"]

GOODBYES = (b"\x01\0\0\0\x01", b"X\0\0\0\x04")  # of MySQL and of Postgres: nobody waits for an answer


class Line:
    """Relays connections to an address, and counts the questions on all of them: bytes of a client after a server's.

    At question `cut` a connection is cut, when its answer begins to come; at question `stall`, after `stall_bytes` of the
    answers of one connection, or `stall_sent` of its client's, it is kept and nothing is passed on any more, in either
    direction. `dead`: so are all connections from then on. Each happens once. With `cuts` a connection is cut where it would
    stall. `heard`: all that clients have sent.
    """

    def __init__(self, address: tuple[str, int] | str) -> None:
        self._behind = address
        self.cut = self.stall = self.stall_bytes = self.stall_sent = 0
        self.dead = self.cuts = False
        self.heard = bytearray()
        self.questions = self.faults = 0
        self.stalled_at = 0.0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                front, _ = self._listener.accept()
                if isinstance(self._behind, str):
                    back = socket.socket(socket.AF_UNIX)
                    back.connect(self._behind)
                else:
                    back = socket.create_connection(self._behind)
                for one in (front, back):
                    if one.family != socket.AF_UNIX:
                        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open += [front, back]
                state: dict[str, object] = {"asked": False, "held": threading.Event(), "cut": False, "passed": 0}
                if self.dead and self.faults:
                    state["cut"] = self.cuts
                    if not self.cuts:
                        state["held"].set()  # type: ignore[attr-defined]
                for pair in ((front, back, state, False), (back, front, state, True)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, state: dict[str, object], answers: bool) -> None:
        held = state["held"]
        assert isinstance(held, threading.Event)
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    self._note(state, answers, data, held)
                if state["cut"]:
                    break
                if held.is_set():
                    while source.recv(65536):  # taken, and not passed on
                        pass
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _note(self, state: dict[str, object], answers: bool, data: bytes, held: threading.Event) -> None:
        if not answers:
            self.heard += data
            state["sent"] = int(str(state.get("sent", 0))) + len(data)
            if self.stall_sent and int(str(state["sent"])) >= self.stall_sent:
                self._stalls(state, held)
        if not answers and not state["asked"] and data not in GOODBYES:
            self.questions += 1
            state["asked"] = True
            state["number"] = self.questions
            if self.stall == self.questions:
                self._stalls(state, held)
        elif answers:
            state["asked"] = False
            state["passed"] = int(str(state["passed"])) + len(data)
            if self.cut and state.get("number") == self.cut:
                self.cut, self.faults = 0, self.faults + 1
                state["cut"] = True
            if self.stall_bytes and int(str(state["passed"])) >= self.stall_bytes:
                self._stalls(state, held)

    def _stalls(self, state: dict[str, object], held: threading.Event) -> None:
        self.stall = self.stall_bytes = self.stall_sent = 0
        self.faults += 1
        self.stalled_at = time.monotonic()
        if self.cuts:
            state["cut"] = True
        else:
            held.set()

    def stop(self) -> None:
        """Close everything."""
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextlib.contextmanager
def to_source(lab: Lab) -> Iterator[tuple[Line, str]]:
    """Give a line to the source, and the URI of the database over it."""
    parts = urlsplit(lab.server.uri)
    line = Line((parts.hostname or "", parts.port or 3306))
    try:
        yield line, lab.server.database(lab.database, port=line.port).replace(f"@{parts.hostname}:", "@127.0.0.1:")
    finally:
        line.stop()


@contextlib.contextmanager
def to_target(lab: Lab) -> Iterator[tuple[Line, str]]:
    """Give a line to the target, and its connection string."""
    given = {key: str(value) for key, value in conninfo_to_dict(lab.target).items() if value}
    host, port = given.get("host", "localhost"), int(given.get("port", 5432))
    line = Line(f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port))
    try:
        yield line, make_conninfo(lab.target, host="127.0.0.1", port=line.port)
    finally:
        line.stop()
