"""The scenario `peers`: several databases, each loaded by every contender in turn, A B A B, after one warm-up.

A contender is measured as its documentation says, and with the primary keys that it leaves out made after it, so that like
stands beside like. bulketl, those that come near it and the floors run as often as asked, the others twice.

The warm-up is each contender's load of a tenth of the rows through a relay that counts bytes, on both sides; its seconds
are not kept. The catalogue has none: one table after another, it is warm at once. After its last run, what a contender
loaded is compared with the source.
"""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import catalogue, payments
from benchmarks.measure import Contender, ContenderError, Measured, measure
from benchmarks.peers import check, tables
from benchmarks.peers.contenders import COPY_BINARY, FLOOR_PEERS, FLOORS, OURS, PEERS, PIPE, Peer, Task, psql
from benchmarks.peers.environments import NotMeasuredError
from benchmarks.peers.results import PeerScenario, Result
from benchmarks.relay import relayed
from benchmarks.report import BULKETL
from benchmarks.servers import LOADED, Servers, out
from bulketl.mysql.discover import read_catalog
from bulketl.mysql.server import MySQL

DATABASE, TENTH = "bulketl_peers", "bulketl_peers_tenth"
SHARE = 10
MOST_SECONDS = 120
# Where many tables are loaded one by one, some need minutes: they are ended, and what they needed is more than that.
LESS_SECONDS = {"tiny": 60, "catalogue": 60}
FEWER_RUNS = {"payments": 99, "tiny": 99, "catalogue": 1}  # two of the others
NEAR = (BULKETL, PIPE, "DuckDB", *FLOORS)
WHAT = {
    "payments": "18 columns of keys, money, dates and texts",
    "narrow": "6 columns of integers",
    "text": "4 texts of 2,200 characters in all",
    "decimals": "5 decimals, a date, 2 points in time",
    "digits": "3 decimals of 65 digits",
    "json": "2 columns of JSON",
    "blobs": "1.4 MB in each row",
    "tiny": "tables of 60 rows",
    "skewed": "a key with clusters and huge gaps",
    "catalogue": "the whole database of a practice, InnoDB",
}
_ONE_TABLE = "takes one table at a time; left out where there are many"
LEFT_OUT: dict[str, dict[str, str]] = {
    "json": {COPY_BINARY: "the file has the form of jsonb"},
    "blobs": {PIPE: "the client prints bytes as if they were text, which COPY refuses"},
    **{
        name: {
            PIPE: _ONE_TABLE,
            "ingestr": _ONE_TABLE,
            "pandas, SQLAlchemy": "too slow to wait for",
        }
        for name in ("tiny", "catalogue")
    },
}


def run_peers(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[PeerScenario]:
    """Measure each of the databases that is wanted and not yet in the file of results."""
    for name in options.only or WHAT:
        if f"peers {name}" in options.done:
            out.print(f"peers {name}: measured already, in {options.json}; --again measures it anew", highlight=False)
        elif name == "catalogue" and not (catalogue.BUILDER.is_file() and servers.processes):
            out.print(f"peers {name}: skipped, because it needs {catalogue.BUILDER} and servers of its own")
        else:
            runs = min(options.runs, FEWER_RUNS.get(name, 2))
            try:
                yield _one(servers, name, options, runs, folder)
            finally:
                servers.without(*(_schema(peer) for peer in (OURS, *PEERS, *FLOOR_PEERS)))
                with servers.connect() as connection, connection.cursor() as cursor:
                    for database in (DATABASE, TENTH):
                        cursor.execute(f"DROP DATABASE IF EXISTS {database}")


def _schema(peer: Peer) -> str:
    return f"{LOADED}_{peer.slug}"


def _one(servers: Servers, name: str, options: argparse.Namespace, runs: int, folder: Path) -> PeerScenario:
    out.print(f"peers {name}: making its rows", highlight=False)
    rows = _fill(servers, name, options, folder)
    keys = _keys(servers, name)
    scenario = PeerScenario(name, WHAT[name], rows, len(keys))
    places: dict[str, Path] = {}
    for peer in (OURS, *PEERS):
        scenario.results.append(_prepared(peer, name, places))
    sums = {share: check.summed(servers.database(TENTH if share > 1 else DATABASE)) for share in (1, SHARE)}
    by_name = {peer.name: peer for peer in (OURS, *PEERS, *FLOOR_PEERS)}

    rules = None
    if declared := tables.rules(tables.SCENARIOS.get(name, [])):
        rules = folder / "tables.yaml"
        rules.write_text(declared)

    def task(peer: Peer, source: str = "", target: str = "") -> Task:
        database = servers.database(TENTH if peer.share > 1 else DATABASE)
        return Task(servers, source or database, target or servers.tcp, _schema(peer), keys, folder, rules)

    def ready(results: Sequence[Result]) -> list[tuple[Result, Peer]]:
        return [(result, by_name[result.name]) for result in results if not result.absent]

    limit = LESS_SECONDS.get(name, MOST_SECONDS)
    for result, peer in ready(scenario.results) if name != "catalogue" else ():
        # A schema of its own: bulketl remembers which source a schema was loaded from, and the relay is another.
        warm = replace(task(peer), schema=f"{_schema(peer)}_warm", keys=_keys(servers, name, TENTH))
        by_name[peer.name] = _warm_up(servers, result, peer, warm, places[peer.name], sums[SHARE].rows)
    if len(keys) == 1:
        scenario.results += [_prepared(peer, name, places) for peer in FLOOR_PEERS]
        _file(servers, task(OURS), task(by_name[COPY_BINARY]), places[BULKETL])
    _in_turn(servers, ready(scenario.results), task, places, runs, sums, limit)
    for result in scenario.results:
        result.rows = 0 if result.absent and not result.runs else sums[SHARE if result.share > 1 else 1].rows
    return scenario


def _prepared(peer: Peer, scenario: str, places: dict[str, Path]) -> Result:
    result = Result(peer.name, peer.settings, share=peer.share, floor=peer in FLOOR_PEERS)
    if reason := LEFT_OUT.get(scenario, {}).get(peer.name):
        result.absent = f"not measured: {reason}"
        return result
    try:
        places[peer.name], result.version = peer.prepare()
    except NotMeasuredError as error:
        result.absent = f"not measured: {error}"
    return result


def _fill(servers: Servers, name: str, options: argparse.Namespace, folder: Path) -> int:
    """Make the database and the one with a tenth of its rows; return the rows."""
    with servers.connect() as connection:
        if name == "payments":
            rows = options.rows
            for database, share in ((DATABASE, 1), (TENTH, SHARE)):
                payments.fill(connection, rows // share, database)
        elif name == "catalogue":
            for database, share in ((DATABASE, 1), (TENTH, SHARE)):
                catalogue.build(servers.login[1], database, "InnoDB", options.scale / share, folder)
            rows = 0
        else:
            rows = tables.fill(connection, DATABASE, tables.SCENARIOS[name], options.size)
            # Tables that are tiny are so in the warm-up too, and there are fewer: what they cost is not their rows.
            few, share = (tables.SCENARIOS[name], SHARE) if name != "tiny" else (tables.SCENARIOS[name][::SHARE], 1)
            tables.fill(connection, TENTH, few, options.size / share)
    return rows or check.summed(servers.database(DATABASE)).rows


def _keys(servers: Servers, name: str, database: str = DATABASE) -> dict[str, str]:
    """Return every table with the key it can be read in partitions of: told of those that are made here, else none."""
    told = {"payments": {payments.TABLE: "PayNum"}}.get(name) or {
        table.name: table.key if table.rows > tables.TINY_ROWS else "" for table in tables.SCENARIOS.get(name, ())
    }
    return {table.name: told.get(table.name, "") for table in read_catalog(MySQL(servers.database(database)))}


def _before(servers: Servers, peer: Peer, task: Task) -> None:
    """Leave nothing of the last run: neither the schema nor what Postgres owes to its disk."""
    servers.without(task.schema)
    if not peer.creates and peer.name in (PIPE, COPY_BINARY):
        servers.execute(*check.created(task.source, task.schema))


def _warm_up(servers: Servers, result: Result, peer: Peer, task: Task, place: Path, rows: int) -> Peer:
    """Load a tenth of the rows through the relays; return the contender in the settings it can do it in.

    What fails in the best settings is tried in those that it falls back to; what fails then is not run.
    """
    out.print(f"[dim]warm-up, {peer.name}[/]", highlight=False)
    try:
        _through(servers, result, peer, task, place, rows)
    except ContenderError as error:
        if peer.fallback:
            settings, command = peer.fallback
            result.note = f"{settings}, because the other way {_telling(error)}"
            out.print(str(error), style="dim", markup=False, highlight=False)
            return _warm_up(servers, result, replace(peer, command=command, fallback=None), task, place, rows)
        _failed(result, error)
        result.note = ""
    finally:
        servers.without(task.schema)
    return peer


def _through(servers: Servers, result: Result, peer: Peer, task: Task, place: Path, rows: int) -> None:
    parts, target = urlsplit(servers.database(TENTH)), urlsplit(servers.tcp)
    host, port, _, _ = servers.login
    _before(servers, peer, replace(task, source=servers.database(TENTH)))
    with relayed(f"{host}:{port}") as near, relayed(f"{target.hostname}:{target.port or 5432}") as far:
        login, to = (text.netloc.rpartition("@")[0] for text in (parts, target))
        there = parts._replace(netloc=f"{login}@127.0.0.1:{near.port}").geturl()
        through = replace(task, source=there, target=target._replace(netloc=f"{to}@127.0.0.1:{far.port}").geturl())
        measure(peer.command(through, place), task.folder, (), MOST_SECONDS)
        result.source, result.target, result.wire_rows = near.counted(), far.counted(), rows


def _failed(result: Result, error: ContenderError) -> None:
    """Keep the line that says what was wrong; the whole is on the screen."""
    out.print(str(error), style="dim", markup=False, highlight=False)
    result.absent = _telling(error)


def _telling(error: ContenderError) -> str:
    lines = [" ".join(re.sub(r"\x1b\[\d*m", "", line).split()) for line in str(error).splitlines() if line.strip()]
    if ended := re.search(r"ended after \d+ s", str(error)):
        return f"{ended.group()}, it takes longer"
    telling = [line for line in lines if re.search(r"error|exception|ended after|invalid", line, re.IGNORECASE)]
    return f"failed: {(telling or lines)[-1][:300]}"


def _in_turn(
    servers: Servers,
    contenders: Sequence[tuple[Result, Peer]],
    task: Callable[[Peer], Task],
    places: dict[str, Path],
    runs: int,
    sums: dict[int, check.Sums],
    limit: float,
) -> None:
    for n in range(runs):
        for result, peer in contenders:
            if result.absent or (n > 1 and peer.name not in NEAR):
                continue
            job = task(peer)
            _before(servers, peer, job)
            try:
                measured = measure(peer.command(job, places[peer.name]), job.folder, servers.processes, limit)
                made, keys = _keyed(servers, job)
            except ContenderError as error:
                _failed(result, error)
                continue
            result.runs.append(measured)
            result.keying += keys
            said = f" and {keys[0].seconds:.2f} s for the key" if keys else ""
            out.print(f"[dim]run {n + 1}, {peer.name}: {measured.seconds:.2f} s{said}[/]", highlight=False)
            if n == 0 and peer.name != FLOOR_PEERS[0].name:
                result.check = check.checked(sums[peer.share], servers.tcp, job.schema)
                result.check.keyed -= made
            servers.without(job.schema)


def _keyed(servers: Servers, task: Task) -> tuple[int, list[Measured]]:
    """Make the primary keys that a contender has left out; return how many, and what they took."""
    statements = check.keying(task.source, servers.tcp, task.schema)
    if not statements:
        return 0, []
    file = task.folder / "keys.sql"
    file.write_text("\n".join(statements))
    keys = Contender("the keys", (psql(task, f"--file={file}"),))
    return len(statements), [measure(keys, task.folder, servers.processes)]


def _file(servers: Servers, ours: Task, task: Task, place: Path) -> None:
    """Have Postgres write what bulketl loads to a file in its own format, for the floor."""
    (table,) = task.tables
    file = task.folder / "rows.bin"
    file.unlink(missing_ok=True)
    _before(servers, OURS, ours)
    words = psql(task, f"""--command=\\copy {ours.schema}."{table}" to '{file}' with (format binary)""")
    with contextlib.suppress(ContenderError):
        measure(OURS.command(ours, place), ours.folder)
        measure(Contender("the file", (words,)), task.folder)
    servers.without(ours.schema)
