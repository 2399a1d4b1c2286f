"""Comparing an older pipeline's table with bulketl's beside it, and verifying that one: the first may not cost more."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import catalogue, payments
from benchmarks.measure import Contender, measure
from benchmarks.report import Scenario
from benchmarks.servers import LOADED, OTHER, Servers, bulketl, in_turn, out, python

SMALL = 10_000
MOST = 1.1  # runs of one command differ by so much
VERIFY, EQUAL, FAULTY = "verify --level rows", "migrate compare, equal", "migrate compare, three faults"
# Of 18 columns three differ, in nearly every row.
WAIVED = ("empty-for-null", "case", "day")
FAULTS = """UPDATE {0} SET "DateEntry" = date_trunc('day', "DateEntry"), "Receipt" = COALESCE("Receipt", ''),
    "PayNote" = upper("PayNote")"""


def run_compare(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Scenario]:
    """Measure both for a small table and for the large one."""
    for rows in (SMALL, options.rows):
        yield _compared(servers, options, folder, rows)


def _compared(servers: Servers, options: argparse.Namespace, folder: Path, rows: int) -> Scenario:
    source, scenario = servers.database(payments.DATABASE), Scenario(f"compare, {rows:,} payments", VERIFY)
    settings = folder / "sides.yaml"
    settings.write_text(f"schema: {OTHER}\nmigration:\n  shadow: {LOADED}\n")
    try:
        out.print(f"compare: making {rows:,} rows", highlight=False)
        with servers.connect() as connection:
            payments.fill(connection, rows)
        load, before = bulketl(servers, source)
        before()
        measure(load, folder)
        verify = python(servers, VERIFY, source, "bulketl", "verify", "--schema", LOADED, "--json")
        turns = [(verify, lambda: None), (_compare(servers, EQUAL, source, settings), _older(servers))]
        in_turn(scenario, turns, options.runs, folder, servers)
        _older(servers, FAULTS)()
        for name in WAIVED:
            words = ("migrate", "waive", payments.TABLE, "--class", name, "--reason", "measured", "--config", str(settings))
            measure(python(servers, name, source, "bulketl", *words), folder)
        turns = [(verify, lambda: None), (_compare(servers, FAULTY, source, settings), lambda: None)]
        in_turn(scenario, turns, options.runs, folder, servers)
        scenario.compared = catalogue.compare(source, servers.target, LOADED)
        for name in (EQUAL, FAULTY):
            if (ratio := scenario.ratio(name)) > MOST:
                scenario.beyond.append(f"{name} takes {ratio:.2f} times the seconds of {VERIFY}")
    finally:
        servers.without(LOADED, OTHER)
        with servers.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {payments.DATABASE}")
    return scenario


def _compare(servers: Servers, name: str, source: str, settings: Path) -> Contender:
    return python(servers, name, source, "bulketl", "migrate", "compare", "--config", str(settings), "--json")


def _older(servers: Servers, faults: str = "") -> Callable[[], None]:
    """Return what makes the older pipeline's table anew, a copy of the other with these faults, and counts it."""
    place = f"{OTHER}.{payments.TABLE}"

    def make() -> None:
        servers.without(OTHER)
        servers.execute(
            f"CREATE SCHEMA {OTHER}",
            f"CREATE TABLE {place} (LIKE {LOADED}.{payments.TABLE} INCLUDING INDEXES)",
            f"INSERT INTO {place} SELECT * FROM {LOADED}.{payments.TABLE}",
            *([faults.format(place)] if faults else []),
            f"VACUUM ANALYZE {place}",
        )

    return make
