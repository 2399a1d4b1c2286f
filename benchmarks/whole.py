"""The scenario `whole`: the catalogue with all the rows of a practice, loaded and then verified, value by value."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks import catalogue, payments
from benchmarks.report import BULKETL, Scenario
from benchmarks.servers import LOADED, Servers, bulketl, in_turn, out, python

VERIFY = "verify --level rows"
MOST_SECONDS = 300.0
MOST_BYTES = 1_500_000_000  # 1,000 of `memory_mb`, which is looked at between steps, and those under way


def run_whole(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Scenario]:
    """Measure one load of some 17.8 million rows, and one verification, which fails when anything differs."""
    if not (servers.processes and catalogue.BUILDER.is_file()):
        out.print(f"whole: skipped, because it builds {catalogue.BUILDER.parent} on a server of its own")
        return
    out.print(f"whole: building the catalogue at scale {options.size}", highlight=False)
    database = f"{payments.DATABASE}_whole"
    catalogue.build(servers.login[1], database, "InnoDB", options.size, folder)
    source = servers.database(database)
    scenario = Scenario("whole catalogue, InnoDB", BULKETL, MOST_BYTES, most_seconds={BULKETL: MOST_SECONDS})
    verify = python(servers, VERIFY, source, "bulketl", "verify", "--schema", LOADED, "--level", "rows", "--json")
    try:
        in_turn(scenario, [bulketl(servers, source), (verify, lambda: None)], 1, folder, servers)
        scenario.compared = catalogue.compare(source, servers.target, LOADED)
    finally:
        servers.without(LOADED)
        with servers.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {database}")
    yield scenario
