"""Local HTTP servers that stand for other people's: each keeps what it was asked, and answers as a test says."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


Said = tuple[int, str] | tuple[int, str, Mapping[str, str]]
Answering = Callable[[Asked], Said]


@dataclass
class Endpoint:
    """A server on this machine: its URL, and what it was asked so far."""

    url: str
    asked: list[Asked] = field(default_factory=list)

    @property
    def events(self) -> list[Any]:
        """The bodies that were posted, read as JSON."""
        return [one.json for one in self.asked if one.method == "POST"]


@contextlib.contextmanager
def answering(answer: Answering) -> Iterator[Endpoint]:
    """Yield a server that answers each request by a function."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            asked = Asked(self.command, self.path, dict(self.headers), self.rfile.read(length).decode())
            endpoint.asked.append(asked)
            status, text, *more = answer(asked)
            body = text.encode()
            self.send_response_only(status)
            for name, value in (more[0] if more else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):  # who asked has gone
                self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  # as the library calls it

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint = Endpoint(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def talking(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Yield the URL of a server that does with each connection what a function does, until the event is set."""
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def take() -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = listening.accept()
                threads.append(threading.Thread(target=_talk, args=(talk, line, over)))
                threads[-1].start()

    taking = threading.Thread(target=take)
    taking.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for thread in (taking, *threads):
            thread.join()


def _talk(talk: Callable[[socket.socket, threading.Event], None], line: socket.socket, over: threading.Event) -> None:
    with line, contextlib.suppress(OSError):
        talk(line, over)


def hang(_line: socket.socket, over: threading.Event) -> None:
    """Take a request and say nothing."""
    over.wait()


def drip(line: socket.socket, over: threading.Event) -> None:
    """Answer a byte at a time, so that no wait is ever long."""
    line.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not over.wait(0.05):
        line.sendall(b"a")


def flood(line: socket.socket, over: threading.Event) -> None:
    """Answer without end."""
    line.recv(65536)
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while not over.is_set():
        line.sendall(b"ok " * 10_000)


_taken: list[socket.socket] = []


def closed() -> str:
    """Return the URL of a port where nobody listens: it stays taken, so that nobody else comes to have it."""
    _taken.append(socket.socket())
    _taken[-1].bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{_taken[-1].getsockname()[1]}"
