"""The servers of a run and the contenders on them: shared by all scenarios."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql
from rich.console import Console

import bulketl as package
from benchmarks.measure import Contender, measure
from benchmarks.report import BULKETL, Scenario
from bulketl.cli.demo.servers import START_SECONDS, EmbeddedPostgres, MariaDB, free_port

LOADED = "bulketl_benchmark"
OTHER = "bulketl_benchmark_other"
Turn = tuple[Contender, Callable[[], None]]  # and what comes before, unmeasured

out = Console(width=None if sys.stdout.isatty() else 150)


@dataclass(frozen=True, slots=True)
class Servers:
    """Where to read and where to write; `processes` are those of servers started for this run, the source's first.

    `tcp` is the target by host and port, for contenders that know no Unix sockets and for what is counted on the wire.
    """

    source: str
    target: str
    processes: tuple[int, ...] = ()
    tcp: str = ""

    def database(self, name: str) -> str:
        """Return the source's URI with another database."""
        return urlsplit(self.source)._replace(path=f"/{name}").geturl()

    @property
    def login(self) -> tuple[str, int, str, str]:
        """Host, port, user and password of the source."""
        parts = urlsplit(self.source)
        user, password = unquote(parts.username or "root"), unquote(parts.password or "")
        return parts.hostname or "127.0.0.1", parts.port or 3306, user, password

    def connect(self) -> contextlib.closing[pymysql.Connection[pymysql.cursors.Cursor]]:
        """Connect to the source, without a database."""
        host, port, user, password = self.login
        connection = pymysql.connect(host=host, port=port, user=user, password=password, local_infile=True)
        return contextlib.closing(connection)

    def execute(self, *statements: str) -> None:
        """Execute statements in the target, each in a transaction of its own."""
        with psycopg.connect(self.target, autocommit=True) as connection:
            connection.execute("SET client_min_messages = error")
            for statement in statements:
                connection.execute(statement.encode())

    def without(self, *schemas: str) -> None:
        """Drop schemas of the target, and let it write what it owes to its disk."""
        self.execute(*(f"DROP SCHEMA IF EXISTS {schema} CASCADE" for schema in schemas), "CHECKPOINT")

    @property
    def versions(self) -> list[str]:
        """What both servers say they are."""
        with self.connect() as source, source.cursor() as cursor, psycopg.connect(self.target) as target:
            cursor.execute("SELECT VERSION()")
            postgres = target.execute("SELECT version()").fetchone() or ("",)
            return [str((cursor.fetchone() or ("",))[0]), str(postgres[0])]


@contextlib.contextmanager
def throw_away() -> Iterator[Servers]:
    """Start a MariaDB and a Postgres in a temporary folder; both are gone afterwards, also when it is terminated."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="bulketl-benchmark-") as folder, contextlib.ExitStack() as stack:
        source = MariaDB(Path(folder), "--innodb-buffer-pool-size=1G", "--local-infile=1")
        stack.callback(source.stop)
        target, tcp, postmaster = stack.enter_context(_postgres(Path(folder)))
        yield Servers(source.uri("mysql"), target, (source.process.pid, postmaster), tcp)


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[tuple[str, str, int]]:
    """Start the embedded Postgres, on TCP too, which its wheel does not do; give both URIs and its process."""
    made = EmbeddedPostgres(folder)
    data = folder / "postgres"
    program = Path(f"/proc/{(data / 'postmaster.pid').read_text().split()[0]}/exe").resolve()
    made.stop()
    port, owner, said = free_port(), data.stat().st_uid, folder / "postgres.log"
    place = tempfile.mkdtemp(prefix="pg-")  # a socket's path may have 107 bytes
    Path(place).chmod(0o777)
    with said.open("wb") as log:
        words = (str(program), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", place)
        server = subprocess.Popen(words, stdout=log, stderr=log, user=owner, start_new_session=True)
    try:
        # Any password does where all local users are trusted, and some contenders want one.
        tcp = f"postgresql://postgres:any@127.0.0.1:{port}/postgres"
        _wait(tcp, server, said)
        yield f"postgresql://postgres:@/postgres?host={place}&port={port}", tcp, server.pid
    finally:
        server.send_signal(signal.SIGINT)  # the fast way: it ends sessions, and leaves nothing to recover
        server.wait(60)
        shutil.rmtree(place, ignore_errors=True)


def _wait(uri: str, server: subprocess.Popen[bytes], said: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            psycopg.connect(uri, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    server.kill()
    raise RuntimeError(f"Postgres did not start:\n{said.read_text(errors='replace')[-1500:]}")


def in_turn(scenario: Scenario, turns: list[Turn], runs: int, folder: Path, servers: Servers) -> None:
    """Run the contenders A B A B."""
    for n in range(runs):
        for contender, before in turns:
            before()
            measured = measure(contender, folder, servers.processes)
            scenario.runs.setdefault(contender.name, []).append(measured)
            out.print(f"[dim]run {n + 1}, {contender.name}: {measured.seconds:.2f} s[/]", highlight=False)


def python(servers: Servers, name: str, source: str, *words: str) -> Contender:
    """Return a contender that is a module of Python, told source and target."""
    environ = {"BULKETL_SOURCE": source, "BULKETL_TARGET": servers.target}
    environ["PYTHONPATH"] = f"{Path(package.__file__).parents[1]}:{Path(__file__).parents[1]}"  # the code that runs here
    return Contender(name, ((sys.executable, "-m", *words),), environ)


def bulketl(servers: Servers, source: str) -> Turn:
    """Return the real command line, into a schema that is not there yet."""
    words = ("bulketl", "load", "--schema", LOADED, "--json")
    return python(servers, BULKETL, source, *words), lambda: servers.without(LOADED)
