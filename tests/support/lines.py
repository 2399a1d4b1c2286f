"""A line to a server that tests can hold up: a TCP relay that cuts or stalls a connection at a moment that is chosen."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lab import Lab
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from waiting import until

__all__ = ["Line", "to_source", "to_target", "until"]

GOODBYES = (b"\x01\0\0\0\x01", b"X\0\0\0\x04")  # of MySQL and of Postgres: nobody waits for an answer


@dataclass(slots=True, eq=False)
class Session:
    """One connection over a line: whether its client waits for an answer, to which question, and what was done to it."""

    front: socket.socket
    back: socket.socket
    asked: bool = False
    number: int = 0
    passed: int = 0
    sent: int = 0
    cut: bool = False
    held: threading.Event = field(default_factory=threading.Event)


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
                try:
                    back = self._connected()
                except OSError:  # nobody is there
                    front.close()
                    continue
                for one in (front, back):
                    if one.family != socket.AF_UNIX:
                        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open += [front, back]
                session = Session(front, back)
                if self.dead and self.faults:
                    session.cut = self.cuts
                    if not self.cuts:
                        session.held.set()
                self.opened(session)
                for pair in ((front, back, session, False), (back, front, session, True)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _connected(self) -> socket.socket:
        if not isinstance(self._behind, str):
            return socket.create_connection(self._behind)
        back = socket.socket(socket.AF_UNIX)
        back.connect(self._behind)
        return back

    def opened(self, session: Session) -> None:
        """Take note of a new connection."""

    def pieces(self, session: Session, answers: bool, data: bytes) -> Iterator[bytes]:
        """Give what is passed on of some bytes; `session.cut` and `session.held` say what becomes of the rest."""
        with self._lock:
            self._note(session, answers, data)
        if not (session.cut or session.held.is_set()):
            yield data

    def _pump(self, source: socket.socket, sink: socket.socket, session: Session, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                for piece in self.pieces(session, answers, data):
                    sink.sendall(piece)
                if session.cut:
                    break
                if session.held.is_set():
                    while source.recv(65536):  # taken, and not passed on
                        pass
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _note(self, session: Session, answers: bool, data: bytes) -> None:
        if not answers:
            self.heard += data
            session.sent += len(data)
            if self.stall_sent and session.sent >= self.stall_sent:
                self._stalls(session)
        if not answers and not session.asked and data not in GOODBYES:
            self.questions += 1
            session.asked, session.number = True, self.questions
            if self.stall == self.questions:
                self._stalls(session)
        elif answers:
            session.asked = False
            session.passed += len(data)
            if self.cut and session.number == self.cut:
                self.cut, self.faults = 0, self.faults + 1
                session.cut = True
            if self.stall_bytes and session.passed >= self.stall_bytes:
                self._stalls(session)

    def _stalls(self, session: Session) -> None:
        self.stall = self.stall_bytes = self.stall_sent = 0
        self.faults += 1
        self.stalled_at = time.monotonic()
        if self.cuts:
            session.cut = True
        else:
            session.held.set()

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
