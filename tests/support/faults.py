"""Ways to make a load go wrong: a target whose steps raise before, amid or after their work, and a line that is cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from lab import Lab, numbers

import bulketl.connections.retrying
import bulketl.loading.run
import bulketl.tables.partitions
from bulketl.errors import BulketlError
from bulketl.mysql.source import MySQLSource
from bulketl.postgres.server import Postgres
from bulketl.postgres.target import PostgresTarget
from bulketl.rows.coerce import Batch
from bulketl.rows.quality import Counted
from bulketl.rows.reconcile import Differences
from bulketl.tables.partitions import Partition
from bulketl.tables.spec import TableSpec

Fault = Callable[[str, str], None]  # is told the step and the moment: before, amid, after; may raise


def small_partitions(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Let a partition have so many rows at most, so that few rows make many partitions."""
    monkeypatch.setattr(bulketl.tables.partitions, "MOST_ROWS", rows)


def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(bulketl.connections.retrying, "PAUSES", (0.0, 0.0, 0.0))


def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each small table read by itself, so that what a test puts around `read` stands around all of them."""
    monkeypatch.setattr(MySQLSource, "read_small", lambda _, pieces: iter([None] * len(pieces)))


class FaultyTarget:
    """The real target, with a fault around each step."""

    def __init__(self, postgres: Postgres, run: str, fault: Fault) -> None:
        self.real, self.run, self.fault = PostgresTarget(postgres, run), run, fault

    def _around(self, step: str, call: Callable[..., Any], *args: object) -> Any:
        self.fault(step, "before")
        result = call(*args)
        self.fault(step, "after")
        return result

    def _amid(self, step: str, batches: Iterator[Batch]) -> Iterator[Batch]:
        for count, piece in enumerate(batches):
            yield piece
            if count == 0:
                self.fault(step, "amid")

    def prepare(self, spec: TableSpec) -> None:
        self._around("prepare", self.real.prepare, spec)

    def load(self, spec: TableSpec, partition: Partition, batches: Iterator[Batch], counted: Counted) -> Any:
        return self._around("load", self.real.load, spec, partition, self._amid("load", batches), counted)

    def publish(self, spec: TableSpec) -> Any:
        return self._around("publish", self.real.publish, spec)

    def load_chunk(self, spec: TableSpec, partition: Partition, batches: Iterator[Batch], *rest: Any) -> Any:
        return self._around("chunk", self.real.load_chunk, spec, partition, batches, *rest)

    def mend(self, spec: TableSpec, found: Differences, read: Callable[[], Iterator[Batch]]) -> Any:
        return self._around("compare", self.real.mend, spec, found, lambda: self._amid("compare", read()))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def load_group(self, specs: Sequence[TableSpec], batches: Sequence[Batch | None], expected: Sequence[int]) -> Any:
        return self._around("group", self.real.load_group, specs, batches, expected)


def use(monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    """Put the fault around every step of the loads of this test."""
    monkeypatch.setattr(bulketl.loading.run, "PostgresTarget", lambda postgres, run: FaultyTarget(postgres, run, fault))


def once(step: str, moment: str, error: BulketlError) -> Fault:
    """Return a fault that raises the first time this moment of this step comes."""
    lock = threading.Lock()
    raised: list[str] = []

    def fault(at: str, when: str) -> None:
        with lock:
            if (at, when) == (step, moment) and not raised:
                raised.append(at)
                raise error

    return fault


class Proxy:
    """A TCP proxy to a MySQL server that cuts one connection after so many bytes of an answer, once when armed."""

    def __init__(self, port: int) -> None:
        self.cut_after = 0
        self.cuts = 0
        self._behind = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                front, _ = self._listener.accept()
                back = socket.create_connection(("127.0.0.1", self._behind))
                self._open += [front, back]
                for pair in ((front, back, False), (back, front, True)):
                    thread = threading.Thread(target=self._pump, args=pair)
                    self._threads.append(thread)
                    thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                passed += len(data)
                if answers and self.cut_after and passed > self.cut_after:
                    self.cut_after = 0
                    self.cuts += 1
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Close everything and wait for the threads."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for end in self._open:
            end.close()


def fill_two(lab: Lab, monkeypatch: pytest.MonkeyPatch, *more: str) -> Lab:
    """Create a table of three partitions, a small one and more, with loads that make no pauses; return the lab."""
    no_pauses(monkeypatch)
    small_partitions(monkeypatch, 50)
    lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, s int)",
        f"INSERT INTO t SELECT seq, seq FROM {numbers(150)}",
        "CREATE TABLE small (id int PRIMARY KEY, s int)",
        "INSERT INTO small VALUES (1, 1)",
        *more,
    )
    return lab
