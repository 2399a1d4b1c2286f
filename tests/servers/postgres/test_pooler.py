"""Poolers before the target: one that refuses what it does not know, and one that gives each transaction another session.

The second is a small proxy: it speaks for its clients over sessions of its own, as pgbouncer does with
pool_mode = transaction.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import closing

import pytest
from lab import Lab

from bulketl.errors import TargetError
from bulketl.postgres.server import Postgres

READY, BACKEND_KEY, ROW = b"Z", b"K", b"D"


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _received(line: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = line.recv(size - len(data))
        if not piece:
            raise ConnectionError
        data += piece
    return data


def _startup(line: socket.socket) -> bytes:
    """Return a client's start-up packet, after saying that there is no TLS."""
    while True:
        (size,) = struct.unpack("!I", _received(line, 4))
        body = _received(line, size - 4)
        if struct.unpack("!I", body[:4])[0] not in (80877103, 80877104):
            return body
        line.sendall(b"N")


class Pooler:
    """A pooler on a port of its own; `refusal`: its answer to everybody, `backends`: what its sessions say of themselves."""

    def __init__(self, refusal: str = "", backends: tuple[int, ...] = ()) -> None:
        self._refusal, self._backends, self._asked = refusal, backends, 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.uri = f"postgresql://u@127.0.0.1:{self._listening.getsockname()[1]}/d"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._speak, args=(line,), daemon=True).start()

    def _speak(self, line: socket.socket) -> None:
        with line:
            try:
                _startup(line)
                if self._refusal:
                    line.sendall(_message(b"E", b"SFATAL\0C08P01\0M" + self._refusal.encode() + b"\0\0"))
                    return
                hello = _message(b"R", struct.pack("!I", 0)) + _message(b"S", b"server_version\x0018.0\0")
                hello += _message(b"S", b"client_encoding\0UTF8\0")
                line.sendall(hello + _message(BACKEND_KEY, struct.pack("!II", 1, 1)) + _message(READY, b"I"))
                while True:
                    kind, size = struct.unpack("!cI", _received(line, 5))
                    body = _received(line, size - 4)
                    if kind == b"X":
                        return
                    if kind == b"Q":
                        line.sendall(self._answer(body))
            except ConnectionError:
                return

    def _answer(self, query: bytes) -> bytes:
        """Answer any SELECT with a backend's number and what all is well, in so many columns as it has."""
        number = self._backends[self._asked % len(self._backends)]
        self._asked += 1
        values = [str(number)] + (["origin", "off", "off", "", "1"] if b"set_config" in query else [])
        kinds = [23] + [25] * (len(values) - 1)
        head = b"".join(b"c\0" + struct.pack("!IhIhih", 0, 0, kind, -1, -1, 0) for kind in kinds)
        row = b"".join(struct.pack("!I", len(value)) + value.encode() for value in values)
        return (
            _message(b"T", struct.pack("!h", len(kinds)) + head)
            + _message(ROW, struct.pack("!h", len(values)) + row)
            + _message(b"C", b"SELECT 1\0")
            + _message(READY, b"I")
        )


def connected(pooler: Pooler) -> None:
    """Open a session through a pooler and close it."""
    with closing(pooler), Postgres(pooler.uri).connect():
        pass


def test_a_pooler_that_refuses_a_parameter_is_called_one() -> None:
    """As pgbouncer does with those of the start-up packet that it does not keep: nobody has to look at host and port."""
    with pytest.raises(TargetError, match="behind a pooler") as told:
        connected(Pooler(refusal="unsupported startup parameter: options"))
    assert "pool_mode = session" in told.value.hint
    assert not told.value.transient


@pytest.mark.parametrize("backends", [(7,), (7, 8), (7, 8, 9)], ids=["one session for all", "in turn", "any"])
def test_a_pool_of_transactions_is_refused(backends: tuple[int, ...]) -> None:
    """Whichever way it hands its sessions out: locks would stay in them when a run is over, and settings be lost."""
    with pytest.raises(TargetError, match="gives each transaction another session") as told:
        connected(Pooler(backends=backends))
    assert "pool_mode = session" in told.value.hint
    assert not told.value.transient


def test_nothing_is_asked_of_a_server_that_poolers_refuse(maria_lab: Lab) -> None:
    """A start-up packet has only what every pooler knows, so a pool of sessions can be loaded through."""
    from bulketl.postgres.session import conninfo

    assert "options" not in conninfo(maria_lab.target)
