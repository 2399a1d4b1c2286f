"""bulketl beside the alternatives, on throw-away servers or on yours; exit code 1 when a limit is exceeded.

payments   one large table, beside `mariadb -e 'select *' | psql -c 'copy'`, which casts, counts and keys nothing
catalogue  a whole database of tables small and large, beside the short program of benchmarks/prototype.py
nightly    that database loaded again when nothing has changed, and when some rows have, beside its full load
merge      changes brought into the large table, beside the statements that anybody would write
verify     every value of the large table compared, beside loading it; all tables of the database counted
tier       the small tables of the reference tier in groups, beside one at a time

Contenders run in turn, A B A B, and are compared by their medians. On your servers, payments, merge and verify make and drop
the database `bulketl_benchmark` at the source; catalogue only reads the database of the URI; nightly needs its own servers.
All make and drop schemas that begin with `bulketl_benchmark` in the target; the ledger's schema `bulketl` stays there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import catalogue, payments
from benchmarks.measure import Contender, ContenderError, measure
from benchmarks.merging import run_merge
from benchmarks.nightly import run_nightly
from benchmarks.report import Scenario, machine
from benchmarks.servers import LOADED, OTHER, Servers, Turn, bulketl, in_turn, out, python, throw_away
from benchmarks.tier import run_tier
from benchmarks.verifying import run_verify

MOST_BYTES = 500_000_000


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
    scenarios = {
        "payments": run_payments,
        "catalogue": run_catalogue,
        "nightly": run_nightly,
        "merge": run_merge,
        "verify": run_verify,
        "tier": run_tier,
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.split("\n")[0])
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"only these of {', '.join(scenarios)}")
    parser.add_argument("--rows", type=int, default=1_500_000, help="of payments (%(default)s)")
    parser.add_argument("--scale", type=float, default=0.1, help="of the catalogue (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="of each contender (%(default)s)")
    parser.add_argument("--source", help="a MySQL or MariaDB URI, instead of a throw-away server")
    parser.add_argument("--target", help="a Postgres URI; with --source")
    parser.add_argument("--pgloader", action="store_true", help="run pgloader too, once per catalogue, for information")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    wanted = options.scenarios or list(scenarios)
    if unknown := set(wanted) - set(scenarios):
        parser.error(f"no scenario is called {', '.join(sorted(unknown))}")
    if bool(options.source) != bool(options.target):
        parser.error("--source and --target go together")
    missing = [program for program in ("mariadb", "psql") if not shutil.which(program)]
    if missing and {"payments", "merge"}.intersection(wanted):
        parser.error(f"the scenarios payments and merge need the program {missing[0]}")
    given = contextlib.nullcontext(Servers(options.source, options.target))
    found: list[Scenario] = []
    with given if options.source else throw_away() as servers, tempfile.TemporaryDirectory(prefix="bulketl-") as folder:
        about = machine(servers.versions)
        for name in wanted:
            try:
                found += scenarios[name](servers, options, Path(folder))
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
