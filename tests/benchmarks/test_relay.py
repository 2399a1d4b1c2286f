"""The relay of the benchmarks is as slow as it says, and counts what went through."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from benchmarks.relay import NONE, Counted, relayed

ROUND_TRIP = 60.0


@pytest.fixture
def echo() -> Iterator[str]:
    """A server that greets, and answers each message with itself."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(there: socket.socket) -> None:
        with closing(there):
            there.sendall(b"hello")
            while data := there.recv(65536):
                there.sendall(data)

    def serve() -> None:
        while True:
            try:
                there, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(there,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"127.0.0.1:{server.getsockname()[1]}"
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def ask(there: socket.socket, message: bytes) -> bytes:
    there.sendall(message)
    found = b""
    while len(found) < len(message):
        found += there.recv(65536)
    return found


def test_bytes_arrive_as_they_were_and_are_counted_with_the_round_trips(echo: str) -> None:
    message = bytes(range(256)) * 4000
    with relayed(echo) as relay, socket.create_connection(("127.0.0.1", relay.port)) as there:
        assert there.recv(5, socket.MSG_WAITALL) == b"hello"
        assert ask(there, b"one") == b"one"
        assert ask(there, b"two") == b"two"
        before = relay.counted()
        assert (before.connections, before.sent, before.received, before.round_trips) == (1, 6, 11, 3)  # TCP's handshake too
        assert ask(there, message) == message
        since = relay.counted().since(before)
        assert (since.connections, since.sent, since.received) == (0, len(message), len(message))


def test_every_question_takes_a_round_trip_and_connecting_one_more(echo: str) -> None:
    with relayed(echo, round_trip=ROUND_TRIP) as relay:
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", relay.port)) as there:
            assert there.recv(5, socket.MSG_WAITALL) == b"hello"
            connected = time.monotonic() - began
            for n in range(3):
                assert ask(there, b"%d" % n) == b"%d" % n
            asked = time.monotonic() - began - connected
    assert connected >= ROUND_TRIP * 1.5 / 1000  # the handshake, and the greeting's way
    assert ROUND_TRIP * 3 / 1000 <= asked < ROUND_TRIP * 3 / 1000 + 1.0


def test_the_link_carries_so_many_bits_a_second_and_no_more(echo: str) -> None:
    message = b"x" * 500_000
    with relayed(echo, mbit=10) as relay, socket.create_connection(("127.0.0.1", relay.port)) as there:
        assert there.recv(5, socket.MSG_WAITALL) == b"hello"
        began = time.monotonic()
        assert ask(there, message) == message
        seconds = time.monotonic() - began
    assert seconds >= len(message) * 8 / 10e6  # 0.4 s; the way back overlaps with the way there


def test_a_client_that_leaves_frees_the_server(echo: str) -> None:
    """A connection that lingers would use up the server's."""
    with relayed(echo) as relay:
        for _ in range(5):
            socket.create_connection(("127.0.0.1", relay.port)).close()
        with socket.create_connection(("127.0.0.1", relay.port)) as there:
            assert there.recv(5, socket.MSG_WAITALL) == b"hello"
            there.shutdown(socket.SHUT_WR)
            assert there.recv(10) == b""


def test_round_trips_of_mysql_are_told_by_command_and_table(echo: str) -> None:
    def packet(command: int, text: str) -> bytes:
        body = bytes([command]) + text.encode()
        return len(body).to_bytes(3, "little") + b"\0" + body

    with relayed(echo, mysql=True) as relay, socket.create_connection(("127.0.0.1", relay.port)) as there:
        there.recv(5, socket.MSG_WAITALL)
        for message in (
            b"login!",
            packet(14, ""),
            packet(3, "SELECT @@socket"),
            packet(22, "SELECT `a` FROM `claim`"),
            packet(23, ""),
        ):
            ask(there, message)
        one = relay.counted()
        with socket.create_connection(("127.0.0.1", relay.port)) as other:
            other.recv(5, socket.MSG_WAITALL)
            ask(other, b"login!")
            ask(other, packet(3, "SHOW TABLES"))
            two = relay.counted().since(one)
    assert one.kinds == {"TCP's handshake": 1, "login": 1, "ping": 1, "settings": 1, "prepare": 1, "execute": 1}
    assert one.tables == {"claim": 6}
    assert two == Counted(1, two.sent, two.received, 3, {"TCP's handshake": 1, "login": 1, "query": 1}, {NONE: 3})
