"""bulketl beside the alternatives, on throw-away servers or on yours; exit code 1 when a limit is exceeded.

payments   one large table, beside `mariadb -e 'select *' | psql -c 'copy'`, which casts, counts and keys nothing
catalogue  a whole database of tables small and large, beside the short program of benchmarks/prototype.py
nightly    that database loaded again when nothing has changed, and when some rows have, beside its full load
merge      changes brought into the large table, beside the statements that anybody would write
verify     every value of the large table compared, beside loading it; all tables of the database counted
tier       the small tables of the reference tier in groups, beside one at a time
whole      every row of a practice's database, loaded and verified
checks     that large table with checks, beside the same load without
masks      that large table with masks, beside the same load without; what a distinct value costs
peers      ten databases of all kinds, beside other programs, each with what it loaded compared
scale      the large table at three sizes: seconds and memory over rows
growth     every way to write, compare and mend a table at three sizes: what a further row costs, and memory
house      a database of very many tables: how long discover takes, how many lines each command prints
history    status, runs and metrics on a year of 432 tables; what the journal takes of a load
pages      the dashboard and the reports on that year: until a page is answered, and first painted; bytes of a report
promote    220 tables that change hands with an older pipeline, and come back, while their views are read
link       the whole database over a slow link: seconds, bytes and round trips
harm       a clinic at work while a large table of each engine is loaded, by bulketl and by others: what it waits for
kills      loads of audited and marked tables that are killed at random moments, and the load after each
soak       many nights in a row on a source that changes: memory, connections, ledger, bloat and files stay flat

Contenders run in turn, A B A B, and are compared by their medians. On your servers, payments, merge and verify make and drop
the database `bulketl_benchmark` at the source, peers `bulketl_peers` and `bulketl_peers_tenth`, scale `bulketl_scale`;
catalogue only reads the database of the URI; nightly, history, pages, promote, link, whole, harm and soak need servers of
their own.
All make and drop schemas that begin with `bulketl_benchmark` in the target; the ledger's schema `bulketl` stays there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from rich.console import Console

from benchmarks import catalogue, payments
from benchmarks.checking import run_checks
from benchmarks.growth import WAYS, run_growth
from benchmarks.harm.run import NAMES, run_harm
from benchmarks.history import run_history
from benchmarks.house import run_house
from benchmarks.kills import run_kills
from benchmarks.link import run_link
from benchmarks.masking import run_masks
from benchmarks.measure import Contender, ContenderError, measure
from benchmarks.merging import run_merge
from benchmarks.nightly import run_nightly
from benchmarks.pages import run_pages
from benchmarks.peers.run import WHAT, run_peers
from benchmarks.promote import run_promote
from benchmarks.report import Scenario, machine
from benchmarks.scale import run_scale
from benchmarks.servers import LOADED, OTHER, Servers, Turn, bulketl, in_turn, out, python, throw_away
from benchmarks.sidebyside import run_compare
from benchmarks.soak.run import run_soak
from benchmarks.tier import run_tier
from benchmarks.verifying import run_verify
from benchmarks.whole import run_whole

MOST_BYTES = 500_000_000
USUAL = ("payments", "catalogue", "nightly", "merge", "tier")


class Outcome(Protocol):
    """What a scenario yields."""

    @property
    def exceeded(self) -> list[str]:
        """What is beyond its limit, or different."""

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, its name as `scenario`."""

    def show(self, out: Console) -> None:
        """Print it."""


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
    scenarios: dict[str, Callable[[Servers, argparse.Namespace, Path], Iterator[Outcome]]] = {
        "payments": run_payments,
        "catalogue": run_catalogue,
        "nightly": run_nightly,
        "merge": run_merge,
        "verify": run_verify,
        "compare": run_compare,
        "tier": run_tier,
        "whole": run_whole,
        "checks": run_checks,
        "masks": run_masks,
        "peers": run_peers,
        "scale": run_scale,
        "growth": run_growth,
        "house": run_house,
        "history": run_history,
        "pages": run_pages,
        "promote": run_promote,
        "link": run_link,
        "harm": run_harm,
        "kills": run_kills,
        "soak": run_soak,
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.split("\n")[0])
    listed = ", ".join(scenarios)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"of {listed}; without, {', '.join(USUAL)}")
    parser.add_argument("--rows", type=int, default=1_500_000, help="of payments (%(default)s)")
    parser.add_argument("--scale", type=float, default=0.1, help="of the catalogue (%(default)s)")
    parser.add_argument("--size", type=float, default=1.0, help="of the other databases of peers (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="of each contender (%(default)s); two at most in most of peers")
    parser.add_argument("--kills", type=int, default=40, help="loads that are killed (%(default)s)")
    parser.add_argument("--nights", type=int, default=200, help="of soak (%(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of the moments of kills, of what changes in soak (%(default)s)")
    only = f"these of peers: {', '.join(WHAT)}; of growth; of harm: engines or programs"
    parser.add_argument("--only", type=_names, metavar="NAME,…", help=only)
    parser.add_argument("--source", help="a MySQL or MariaDB URI, instead of a throw-away server")
    parser.add_argument("--target", help="a Postgres URI; with --source")
    parser.add_argument("--pgloader", action="store_true", help="run pgloader too, once per catalogue, for information")
    parser.add_argument("--json", type=Path, help="write all figures to this file, after each scenario; it may be there")
    parser.add_argument("--again", action="store_true", help="measure again what the file has of peers, scale and link")
    options = parser.parse_args()
    wanted = options.scenarios or list(USUAL)
    if unknown := set(wanted) - set(scenarios):
        parser.error(f"no scenario is called {', '.join(sorted(unknown))}")
    parts = {"growth": set(WAYS), "harm": set(NAMES)}.get(wanted[0], set(WHAT))
    if unknown := set(options.only or ()) - parts:
        parser.error(f"{wanted[0]} has no part called {', '.join(sorted(unknown))}")
    if bool(options.source) != bool(options.target):
        parser.error("--source and --target go together")
    missing = [program for program in ("mariadb", "psql") if not shutil.which(program)]
    if missing and {"payments", "merge", "peers", "harm"}.intersection(wanted):
        parser.error(f"the scenarios payments, merge, peers and harm need the program {missing[0]}")
    given = contextlib.nullcontext(Servers(options.source, options.target, tcp=options.target or ""))
    document = _read(options.json)
    options.done = set() if options.again else {one["scenario"] for one in document["scenarios"]}
    exceeded: dict[str, bool] = {}  # by scenario: one that tells how far it has come is judged by its last word
    with given if options.source else throw_away() as servers, tempfile.TemporaryDirectory(prefix="bulketl-") as folder:
        document["machine"] = machine(servers.versions)
        for name in wanted:
            measured = 0
            try:
                for result in scenarios[name](servers, options, Path(folder)):
                    measured += 1
                    result.show(out)
                    exceeded[str(result.to_json()["scenario"])] = bool(result.exceeded)
                    _write(options.json, document, result)
            except ContenderError as error:
                out.print(f"[red]failed[/] {error}", highlight=False)
                return 1
            if not measured and name in options.scenarios and not options.done:
                out.print(f"[red]{name} was asked for, and not measured[/]", highlight=False)
                exceeded[name] = True
    return 1 if any(exceeded.values()) else 0


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _read(path: Path | None) -> dict[str, Any]:
    """Return what an earlier run wrote, so that a run goes on where it was interrupted."""
    if path and path.is_file():
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    return {"scenarios": []}


def _write(path: Path | None, document: dict[str, Any], result: Outcome) -> None:
    """Put a scenario in the place of its former self and write the file; a kill meanwhile leaves the former file."""
    plain = result.to_json()
    others = [one for one in document["scenarios"] if one["scenario"] != plain["scenario"]]
    document["scenarios"] = [*others, plain]
    if path:
        whole = path.with_suffix(".part")
        whole.write_text(json.dumps(document, indent=1) + "\n")
        whole.replace(path)


if __name__ == "__main__":
    sys.exit(main())
