"""A TCP relay that counts, and, when asked, is as slow as a distant link: a delay each way and a rate both ways.

    python -m benchmarks.relay --to 127.0.0.1:3306 [--round-trip MS] [--mbit RATE] [--mysql]

listens on a free port, prints it, and relays until its standard input ends; for each line there it prints what it counted
so far as JSON. It is a process of its own, so that its work is not a contender's. All connections share the link, as over
one VPN. A connection costs a round trip before its first byte, as TCP's handshake does; slow start, loss and the headers of
packets are not there.

With --mysql it also tells what each round trip was for, by the first byte of the client's question, and which table: what a
connection does beside reading is for the table it reads, if it reads one only. Not for compressed connections.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

CHUNK = 64 * 1024
LINGER_SECONDS = 2.0
AHEAD = 64  # chunks that may be under way in one direction of one connection: more than any link here holds


# MySQL's commands that are answered; the login has none.
COMMANDS = {2: "database", 3: "query", 14: "ping", 22: "prepare", 23: "execute", 28: "fetch", 31: "reset"}
SEVERAL, NONE = "(several tables at once)", "(no table: settings, catalogue, control)"


@dataclass(slots=True)
class Counted:
    """What went through: bytes to and from the server, connections, and round trips: answers that began after a question.

    `kinds`, `tables`: the round trips by what they were for, where that was asked for.
    """

    connections: int = 0
    sent: int = 0
    received: int = 0
    round_trips: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)

    def since(self, before: Counted) -> Counted:
        """Return what was counted after `before`."""
        numbers = {
            name: getattr(self, name) - getattr(before, name) for name in asdict(self) if name not in ("kinds", "tables")
        }
        kinds = Counter(self.kinds) - Counter(before.kinds)
        return Counted(**numbers, kinds=dict(kinds), tables=dict(Counter(self.tables) - Counter(before.tables)))


@dataclass(slots=True)
class Link:
    """One direction of the link: seconds until a byte is there, bytes per second (0: no limit), when it is free again."""

    delay: float
    rate: float
    free: float = 0.0

    def arrival(self, size: int) -> float:
        """Return when a chunk that is ready now will have arrived, on the monotonic clock."""
        now = time.monotonic()
        self.free = max(now, self.free) + (size / self.rate if self.rate else 0.0)
        return self.free + self.delay


@dataclass(slots=True)
class Relay:
    """Relays every connection to one server."""

    host: str
    port: int
    up: Link
    down: Link
    mysql: bool = False
    counted: Counted = field(default_factory=Counted)
    asked: list[list[tuple[str, frozenset[str]]]] = field(default_factory=list)
    open: set[asyncio.Task[None]] = field(default_factory=set)  # the loop itself holds no task

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin to relay a connection."""
        task = asyncio.get_running_loop().create_task(self.serve(reader, writer))
        self.open.add(task)
        task.add_done_callback(self.open.discard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection until both sides have ended."""
        self.counted.connections += 1
        self.counted.round_trips += 1  # the handshake
        await asyncio.sleep(self.up.delay + self.down.delay)
        try:
            there, to = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.close()
            return
        question = b""
        session: list[tuple[str, frozenset[str]]] = [("TCP's handshake", frozenset())]
        self.asked.append(session)

        def up(data: bytes) -> None:
            nonlocal question
            question = data  # of several in a row, only the last is answered
            self.counted.sent += len(data)

        def down(data: bytes) -> None:
            nonlocal question
            if question:
                self.counted.round_trips += 1
                session.append(_meant(question) if len(session) > 1 else ("login", frozenset()))
            question = b""
            self.counted.received += len(data)

        try:
            ways = [
                asyncio.create_task(way) for way in (_pass(reader, to, self.up, up), _pass(there, writer, self.down, down))
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            # No client of a database ends its side and then waits long for the other.
            _, left = await asyncio.wait(ways, timeout=LINGER_SECONDS)
            for way in left:
                way.cancel()
        finally:
            writer.close()
            to.close()

    def told(self) -> Counted:
        """Return what was counted so far."""
        kinds: Counter[str] = Counter()
        tables: Counter[str] = Counter()
        for session in self.asked if self.mysql else ():
            read = frozenset(table for _, names in session for table in names)
            for kind, names in session:
                kinds[kind] += 1
                found = names or (read if len(read) == 1 else frozenset())
                tables[next(iter(found)) if len(found) == 1 else SEVERAL if found else NONE] += 1
        return replace(self.counted, kinds=dict(kinds), tables=dict(tables))


def _meant(question: bytes) -> tuple[str, frozenset[str]]:
    """Return what a question to MySQL is for, and the tables it names."""
    text = question[5:].decode(errors="replace")
    kind = COMMANDS.get(question[4] if len(question) > 4 else 0, "other")
    if kind == "query" and text.upper().startswith(("SET", "SELECT @@")):
        kind = "settings"
    return kind, frozenset(re.findall(r"FROM `((?:[^`]|``)+)`(?!\.)", text)) if kind in ("query", "prepare") else frozenset()


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link, count: Callable[[bytes], None]
) -> None:
    """Bring the bytes of one direction over, each when it is due; end that direction when its sender does."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(AHEAD)

    async def deliver() -> None:
        with contextlib.suppress(OSError):
            while (due := await under_way.get())[1]:
                if (wait := due[0] - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                writer.write(due[1])
                await writer.drain()
        with contextlib.suppress(OSError):
            if writer.can_write_eof():
                writer.write_eof()

    delivering = asyncio.create_task(deliver())
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            count(data)
            due = link.arrival(len(data))
            # Who sends faster than the link waits, as for the acknowledgements of TCP.
            if link.rate and (wait := due - link.delay - time.monotonic()) > link.delay:
                await asyncio.sleep(wait - link.delay)
            if delivering.done():
                break
            await under_way.put((due, data))
    if not delivering.done():
        await under_way.put((0.0, b""))
    await delivering


async def _main(options: argparse.Namespace) -> None:
    host, _, port = options.to.rpartition(":")
    delay, rate = options.round_trip / 2000, options.mbit * 1e6 / 8
    relay = Relay(host, int(port), Link(delay, rate), Link(delay, rate), options.mysql)
    server = await asyncio.start_server(relay.accept, "127.0.0.1", 0, limit=CHUNK)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        print(json.dumps(asdict(relay.told())), flush=True)


@dataclass(frozen=True, slots=True)
class Running:
    """A relay in a process of its own, and the port to connect to."""

    port: int
    process: subprocess.Popen[str]

    def counted(self) -> Counted:
        """Return what went through so far."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return Counted(**json.loads(self.process.stdout.readline()))


@contextlib.contextmanager
def relayed(address: str, *, round_trip: float = 0, mbit: float = 0, mysql: bool = False) -> Iterator[Running]:
    """Relay to `host:port` meanwhile."""
    words = ["--to", address, "--round-trip", str(round_trip), "--mbit", str(mbit), *["--mysql"] * mysql]
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.relay", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as process:
        try:
            assert process.stdout
            yield Running(int(process.stdout.readline()), process)
        finally:
            process.terminate()  # connections that are still open would keep it


def main() -> None:
    """Relay until the standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relay", description=__doc__.split("\n")[0])
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--round-trip", type=float, default=0, metavar="MS", help="milliseconds (%(default)s)")
    parser.add_argument("--mysql", action="store_true", help="tell what round trips are for")
    parser.add_argument("--mbit", type=float, default=0, help="megabits a second; 0 is no limit (%(default)s)")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
