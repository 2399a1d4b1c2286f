"""bulketl beside the alternatives, on throw-away servers or on yours; exit code 1 when a limit is exceeded.

payments   one large table, beside `mariadb -e 'select *' | psql -c 'copy'`, which casts, counts and keys nothing
catalogue  a whole database of tables small and large, beside the short program of benchmarks/prototype.py

Contenders run in turn, A B A B, and are compared by their medians. On your servers, payments makes and drops the database
`bulketl_benchmark` at the source; catalogue only reads the database of the URI. Both make and drop schemas that begin with
`bulketl_benchmark` in the target; the ledger's schema `bulketl` stays there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql
from rich.console import Console

import bulketl as package
from benchmarks import catalogue, payments
from benchmarks.measure import Contender, ContenderError, measure
from benchmarks.report import BULKETL, Scenario, machine
from bulketl.demo.servers import EmbeddedPostgres, MariaDB

MOST_BYTES = 500_000_000
LOADED = "bulketl_benchmark"
OTHER = "bulketl_benchmark_other"
Turn = tuple[Contender, Callable[[], None]]  # and what comes before, unmeasured

out = Console()


@dataclass(frozen=True, slots=True)
class Servers:
    """Where to read and where to write; `processes` are those of servers started for this run."""

    source: str
    target: str
    processes: tuple[int, ...] = ()

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
    """Start a MariaDB and a Postgres in a temporary folder; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bulketl-benchmark-") as folder, contextlib.ExitStack() as stack:
        source = MariaDB(Path(folder), "--innodb-buffer-pool-size=1G", "--local-infile=1")
        stack.callback(source.stop)
        target = EmbeddedPostgres(Path(folder))
        stack.callback(target.stop)
        postmaster = int((Path(folder) / "postgres" / "postmaster.pid").read_text().split()[0])
        yield Servers(source.uri("mysql"), target.uri, (source.process.pid, postmaster))


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


def run_payments(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Scenario]:
    """Measure one large table."""
    source, table, file = servers.database(payments.DATABASE), f"{OTHER}.{payments.TABLE}", folder / "rows.bin"
    host, port, user, password = servers.login

    def copy(name: str, what: str, *before: tuple[str, ...]) -> Contender:
        psql = ("psql", servers.target, "--no-psqlrc", "--quiet", f"--command=\\copy {table} {what}")
        return Contender(name, (*before, psql), {"MYSQL_PWD": password})

    def empty() -> None:
        servers.without(OTHER)
        servers.execute(f"CREATE SCHEMA {OTHER}", payments.CREATE_TARGET.format(table))

    where = ("--no-defaults", f"--host={host}", f"--port={port}", f"--user={user}", "--default-character-set=utf8mb4")
    dump = ("mariadb", *where, "--quick", "-BN", f"--execute=select * from {payments.TABLE}", payments.DATABASE)
    pipe = copy("mariadb | psql", "from stdin with (null 'NULL')", dump)
    reading = python(servers, "connectorx into nothing", source, "benchmarks.prototype")
    binary = copy("COPY BINARY from a file", f"from '{file}' with (format binary)")
    scenario = Scenario("payments", pipe.name, MOST_BYTES)
    try:
        out.print(f"payments: making {options.rows:,} rows", highlight=False)
        with servers.connect() as connection:
            payments.fill(connection, options.rows)
        in_turn(scenario, [(pipe, empty), bulketl(servers, source)], options.runs, folder, servers)
        measure(copy("a file", f"to '{file}' with (format binary)"), folder)
        in_turn(scenario, [(reading, lambda: None), (binary, empty)], options.runs, folder, servers)
        scenario.compared = catalogue.compare(source, servers.target, LOADED)
    finally:
        servers.without(LOADED, OTHER)
        with servers.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {payments.DATABASE}")
    yield scenario


def run_catalogue(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Scenario]:
    """Measure whole databases: those built here, one per engine, or that of the source's URI."""
    if not servers.processes:
        yield one_catalogue(servers, servers.source, f"catalogue {urlsplit(servers.source).path}", options, folder)
    elif not catalogue.BUILDER.is_file():
        out.print(f"catalogue: skipped, because {catalogue.BUILDER} is not there; --source names another database")
    else:
        for engine in catalogue.ENGINES:
            out.print(f"catalogue: building it in {engine} at scale {options.scale}", highlight=False)
            database = f"{payments.DATABASE}_{engine.lower()}"
            catalogue.build(servers.login[1], database, engine, options.scale, folder)
            yield one_catalogue(servers, servers.database(database), f"catalogue, {engine}", options, folder)


def one_catalogue(servers: Servers, source: str, name: str, options: argparse.Namespace, folder: Path) -> Scenario:
    """Measure one whole database."""
    prototype = python(servers, "prototype", source, "benchmarks.prototype", OTHER)
    scenario = Scenario(name, prototype.name)
    turns: list[Turn] = [(prototype, lambda: servers.without(OTHER)), bulketl(servers, source)]
    try:
        in_turn(scenario, turns, options.runs, folder, servers)
        if options.pgloader:
            loader = Contender("pgloader", (("pgloader", "--quiet", source, servers.target),))
            in_turn(scenario, [(loader, lambda: None)], 1, folder, servers)
            servers.without(urlsplit(source).path.strip("/"))  # it makes a schema with the database's name
        scenario.compared = catalogue.compare(source, servers.target, LOADED)
    finally:
        servers.without(LOADED, OTHER)
    return scenario


def main() -> int:
    """Measure, show, write; return 1 when a limit is exceeded or a contender failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.split("\n")[0])
    parser.add_argument("--scenario", choices=("payments", "catalogue"), help="only this one")
    parser.add_argument("--rows", type=int, default=1_500_000, help="of payments (%(default)s)")
    parser.add_argument("--scale", type=float, default=0.1, help="of the catalogue (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="of each contender (%(default)s)")
    parser.add_argument("--source", help="a MySQL or MariaDB URI, instead of a throw-away server")
    parser.add_argument("--target", help="a Postgres URI; with --source")
    parser.add_argument("--pgloader", action="store_true", help="run pgloader too, once per catalogue, for information")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    if bool(options.source) != bool(options.target):
        parser.error("--source and --target go together")
    missing = [program for program in ("mariadb", "psql") if not shutil.which(program)]
    if missing and options.scenario != "catalogue":
        parser.error(f"the payments scenario needs the program {missing[0]}")
    given = contextlib.nullcontext(Servers(options.source, options.target))
    found: list[Scenario] = []
    with given if options.source else throw_away() as servers, tempfile.TemporaryDirectory(prefix="bulketl-") as folder:
        about = machine(servers.versions)
        for scenario in (run_payments, run_catalogue):
            if options.scenario in (None, scenario.__name__.removeprefix("run_")):
                try:
                    found += scenario(servers, options, Path(folder))
                except ContenderError as error:
                    out.print(f"[red]failed[/] {error}", highlight=False)
                    return 1
    for result in found:
        result.show(out)
    if options.json:
        document = {"machine": about, "scenarios": [result.to_json() for result in found]}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 1 if any(result.exceeded for result in found) else 0


if __name__ == "__main__":
    sys.exit(main())
