"""Verifying: every value of the large table beside loading it, and counting all tables of a whole database."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks import catalogue, payments
from benchmarks.measure import Contender
from benchmarks.report import BULKETL, Scenario
from benchmarks.servers import LOADED, Servers, bulketl, in_turn, out, python

LEVELS = ("rows", "keys", "sums", "count")
COUNTED_SECONDS = 3.0


def run_verify(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Scenario]:
    """Measure both; each verification must find the tables equal, or it fails."""
    yield _large(servers, options, folder)
    if not servers.processes or not catalogue.BUILDER.is_file():
        out.print("verify: no catalogue was counted; it needs servers of its own, and its builder", highlight=False)
        return
    out.print(f"verify: building the catalogue at scale {options.scale}", highlight=False)
    database = f"{payments.DATABASE}_verify"
    catalogue.build(servers.login[1], database, "InnoDB", options.scale, folder)
    yield _counted(servers, options, folder, servers.database(database))


def _large(servers: Servers, options: argparse.Namespace, folder: Path) -> Scenario:
    source = servers.database(payments.DATABASE)
    scenario = Scenario("verify, payments", BULKETL)
    try:
        out.print(f"verify: making {options.rows:,} rows", highlight=False)
        with servers.connect() as connection:
            payments.fill(connection, options.rows)
        turns = [(_verify(servers, source, level), lambda: None) for level in LEVELS]
        in_turn(scenario, [bulketl(servers, source), *turns], options.runs, folder, servers)
        scenario.compared = catalogue.compare(source, servers.target, LOADED)
        if (ratio := scenario.ratio(_name("rows"))) >= 1:
            scenario.beyond.append(f"{_name('rows')} takes {ratio:.2f} times the seconds of loading the table")
    finally:
        servers.without(LOADED)
        with servers.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {payments.DATABASE}")
    return scenario


def _counted(servers: Servers, options: argparse.Namespace, folder: Path, source: str) -> Scenario:
    scenario = Scenario("verify, catalogue", BULKETL, most_seconds={_name("count"): COUNTED_SECONDS})
    try:
        in_turn(scenario, [bulketl(servers, source)], 1, folder, servers)
        turns = [(_verify(servers, source, level), lambda: None) for level in ("count", "rows")]
        in_turn(scenario, turns, options.runs, folder, servers)
        scenario.compared = catalogue.compare(source, servers.target, LOADED)
    finally:
        servers.without(LOADED)
    return scenario


def _verify(servers: Servers, source: str, level: str) -> Contender:
    return python(servers, _name(level), source, "bulketl", "verify", "--schema", LOADED, "--level", level, "--json")


def _name(level: str) -> str:
    return f"verify --level {level}"
