"""The scenario `nightly`: a loaded database loaded again, when nothing has changed and when some rows have."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from benchmarks import catalogue, incremental, payments
from benchmarks.measure import Contender, measure
from benchmarks.report import Scenario
from benchmarks.servers import LOADED, Servers, in_turn, out, python
from bulketl import load_config
from bulketl.mysql.discover import read_catalog
from bulketl.mysql.server import MySQL
from bulketl.postgres.server import LEDGER

TABLES = 150
MOST_SECONDS = 9.99
FULL, NOTHING, SOME = "full load", "nothing changed", "some rows changed"
SETTLED_SECONDS = (
    3  # nobody changes rows within two seconds of a nightly load, and what is so new proves nothing for the next
)


def run_nightly(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Scenario]:
    """Measure both databases that are built here, one per engine."""
    if not servers.processes:
        out.print("nightly: skipped, because it changes its source and reads the server's log: it needs its own")
    elif not catalogue.BUILDER.is_file():
        out.print(f"nightly: skipped, because {catalogue.BUILDER} is not there")
    else:
        for engine in catalogue.ENGINES:
            out.print(f"nightly: building the catalogue in {engine} at scale {options.scale}", highlight=False)
            database = f"{payments.DATABASE}_nightly_{engine.lower()}"
            catalogue.build(servers.login[1], database, engine, options.scale, folder)
            yield _measured(servers, database, engine, options.runs, folder / database)


def _measured(servers: Servers, database: str, engine: str, runs: int, folder: Path) -> Scenario:
    (folder / "config").mkdir(parents=True)
    source = servers.database(database)
    rules = folder / "config" / "tables.yaml"
    measure(python(servers, "discover", source, "bulketl", "discover", "--write", str(rules), "--yes"), folder)
    config = load_config(rules, None, os.environ)
    schema = f"{LOADED}_{engine.lower()}"  # one of its own: what was loaded from one source is not mixed with another's
    statements = incremental.changes(read_catalog(MySQL(source)), config, TABLES)
    excluded = {name for name, rule in config.tables.items() if rule.exclude}
    changed: list[int] = []

    def load(name: str) -> Contender:
        return python(servers, name, source, "bulketl", "load", "--schema", schema, "--json")

    def change() -> None:
        with servers.connect() as connection:
            changed.append(incremental.apply(connection, database, statements))
        time.sleep(SETTLED_SECONDS)

    def nothing() -> None:
        return

    scenario = Scenario(f"nightly, {engine}", FULL, most_seconds={NOTHING: MOST_SECONDS, SOME: MOST_SECONDS})
    turns = [(load(FULL), lambda: servers.without(schema, LEDGER)), (load(NOTHING), nothing), (load(SOME), change)]
    try:
        in_turn(scenario, turns, runs, folder, servers)
        read = _rows_read(servers.target, schema, len(turns))
        scenario.rows = dict(zip((FULL, NOTHING, SOME), read, strict=True))
        scenario.notes.append(f"{changed[-1]:,} rows changed in {len(statements)} tables before each load of changes")
        for name, before in ((NOTHING, nothing), (SOME, change)):
            _count(servers, scenario, load(name), before, folder)
        scenario.compared = catalogue.compare(source, servers.target, schema, excluded)
    finally:
        servers.without(schema)
    return scenario


def _count(servers: Servers, scenario: Scenario, load: Contender, before: Callable[[], None], folder: Path) -> None:
    """Load once more, unmeasured, with the source's query log on; note what it says."""
    before()
    with servers.connect() as connection, incremental.logged(connection) as log:
        measure(load, folder)
    with psycopg.connect(servers.target) as target:
        reasons: dict[str, str] = dict(
            target.execute(
                f"SELECT table_name, reason FROM {LEDGER}.table_load"
                f" WHERE run = (SELECT run FROM {LEDGER}.run ORDER BY started_at DESC LIMIT 1)"
            ).fetchall()
        )
    scenario.notes.append(
        f"{load.name}: {log.statements} SELECTs at the source, {len(log.tables)} tables named in any, "
        f"at most {log.most} times each; {sum(kinds['read'] for kinds in log.tables.values())} reads"
    )
    for table, kinds in log.beyond().items():
        text = (
            f"{load.name}: {table}: {', '.join(f'{n} times {kind}' for kind, n in kinds.items())}; {reasons.get(table, '')}"
        )
        # What is read whole and does not fit into memory at once needs its cuts and several reads.
        (scenario.notes if reasons.get(table, "").startswith("full load") else scenario.beyond).append(text)


def _rows_read(target: str, schema: str, last: int) -> list[int]:
    """Return the rows that the last runs read, the oldest first."""
    with psycopg.connect(target) as connection:
        found = connection.execute(
            f"SELECT (summary->>'rows')::bigint FROM {LEDGER}.run WHERE schema_name = %s ORDER BY started_at DESC LIMIT %s",
            (schema, last),
        ).fetchall()
    return [int(rows) for (rows,) in reversed(found)]
