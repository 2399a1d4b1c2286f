"""A certificate of our own for connectorx, which can show none: a relay in this process has the line to the server instead.

connectorx speaks to a socket in a folder of ours that only this user may enter; the relay speaks TLS with the server, with
the very settings of the other driver, and passes on what both say. A session of MySQL begins in plain text and turns to TLS
after the greeting, so the relay asks for that in the client's place, and counts packets one further until the server has let
the client in. From there on it passes bytes. The line to the server has the mark by which the watch knows it.
"""

from __future__ import annotations

import contextlib
import functools
import selectors
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from bulketl.connections.sockets import FIRST_MARK
from bulketl.mysql.server import MySQL
from bulketl.mysql.session import CONNECT_SECONDS

_SSL = 0x0800  # the capability in the greeting, in its lower two bytes, and in what the client answers
_HEAD = 32  # bytes of the client's answer that are the request for TLS
_OK, _ERROR = 0x00, 0xFF
_FAST = b"\x01\x03"  # the server knows the password's hash, and lets us in without another word of ours
_CHUNK = 1 << 18


@contextlib.contextmanager
def line(source: MySQL, mark: int = FIRST_MARK) -> Iterator[str]:
    """Give the URI for connectorx, whose socket, or that of the relay for it, has the mark."""
    if not source.protection.cert:
        yield source.connectorx_uri_with(mark)
        return
    context = source.tls_context()
    with tempfile.TemporaryDirectory(prefix="bulketl-") as folder, socket.socket(socket.AF_UNIX) as listening:
        path = str(Path(folder, "s"))
        listening.bind(path)
        listening.listen()
        relay = _Relay(source.address, context, mark)
        accepting = threading.Thread(target=relay.accept, args=(listening,), name="bulketl-relay", daemon=True)
        accepting.start()
        try:
            yield source.connectorx_uri_with(mark, path)
        finally:
            relay.end(listening)
            accepting.join(CONNECT_SECONDS)


class _Relay:
    """Sessions that are passed on, each by a thread of its own."""

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, mark: int) -> None:
        self._address, self._context, self._mark = address, context, mark
        self._open: set[socket.socket] = set()
        self._ended = False

    def accept(self, listening: socket.socket) -> None:
        """Take sessions until it is ended."""
        while not self._ended:
            try:
                client, _ = listening.accept()
            except OSError:  # it is over
                return
            threading.Thread(target=self._pass_on, args=(client,), name="bulketl-relay", daemon=True).start()

    def end(self, listening: socket.socket) -> None:
        """End every session, and take no other."""
        self._ended = True
        for one in (listening, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _pass_on(self, client: socket.socket) -> None:
        reached = functools.partial(socket.create_connection, self._address, timeout=CONNECT_SECONDS)
        with client, contextlib.suppress(OSError), reached() as server:  # the client is told by the end of its line
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, self._mark)
            answer, number = _asked(client, server)
            with self._context.wrap_socket(server, server_hostname=self._address[0]) as protected:
                self._open |= {client, protected}
                try:
                    _let_in(client, protected, answer, number)
                    protected.settimeout(None)
                    _pump(client, protected)
                finally:
                    self._open -= {client, protected}


def _asked(client: socket.socket, server: socket.socket) -> tuple[bytes, int]:
    """Carry a session to where TLS begins; return the client's answer to the greeting, and its number over TLS.

    Raise OSError when the server has none: the session never goes on without.
    """
    greeting, number = _packet(server)
    if greeting[0] == _ERROR:
        _send(client, greeting, number)
        raise ConnectionError("the server refuses to talk")
    at = greeting.index(0, 1) + 1 + 4 + 8 + 1  # after version, number of the session, and half of the challenge
    offered = int.from_bytes(greeting[at : at + 2], "little")
    if not offered & _SSL:
        raise ConnectionError("the server doesn't support TLS")
    _send(client, greeting[:at] + (offered & ~_SSL).to_bytes(2, "little") + greeting[at + 2 :], number)
    answer, number = _packet(client)
    answer = (int.from_bytes(answer[:4], "little") | _SSL).to_bytes(4, "little") + answer[4:]
    _send(server, answer[:_HEAD], number)
    return answer, number + 1


def _let_in(client: socket.socket, server: ssl.SSLSocket, answer: bytes, number: int) -> None:
    """Carry it on to where the server has let the client in, or refused it. Raise OSError."""
    while True:
        _send(server, answer, number)
        said, number = _packet(server)
        _send(client, said, number - 1)
        if said[:2] == _FAST:
            said, number = _packet(server)
            _send(client, said, number - 1)
        if said[0] in (_OK, _ERROR):
            return
        answer, number = _packet(client)
        number += 1


def _packet(line: socket.socket) -> tuple[bytes, int]:
    head = _exactly(line, 4)
    return _exactly(line, int.from_bytes(head[:3], "little")), head[3]


def _exactly(line: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = line.recv(count - len(found))
        if not more:
            raise ConnectionError("the line has ended")
        found += more
    return found


def _send(line: socket.socket, payload: bytes, number: int) -> None:
    line.sendall(len(payload).to_bytes(3, "little") + bytes([number % 256]) + payload)


def _pump(client: socket.socket, server: ssl.SSLSocket) -> None:
    """Pass on what either says until one has ended: in one thread, for TLS cannot be read and written at once."""
    buffer = memoryview(bytearray(_CHUNK))
    others: dict[socket.socket, socket.socket] = {server: client, client: server}
    with selectors.DefaultSelector() as ready:
        for one in others:
            ready.register(one, selectors.EVENT_READ)
        while True:
            heard = {server.fileno()} if server.pending() else {key.fd for key, _ in ready.select()}
            for one in (one for one in others if one.fileno() in heard):
                count = one.recv_into(buffer)
                if not count:
                    return
                others[one].sendall(buffer[:count])
