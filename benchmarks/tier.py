"""The scenario `tier`: the many small tables of a tier, in groups and one at a time."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks import catalogue, payments
from benchmarks.report import Scenario
from benchmarks.servers import LOADED, OTHER, Servers, Turn, in_turn, out, python
from bulketl import load_config

RULES = catalogue.BUILDER.with_name("tables.yaml")
MOST_SECONDS = 5.0  # with the start of Python and the plan
ALONE, GROUPS = "one table at a time", "bulketl load"


def run_tier(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Scenario]:
    """Measure the reference tier of the catalogue as the rules beside its builder have it."""
    if not (servers.processes and catalogue.BUILDER.is_file()):
        out.print(f"tier: skipped, because it builds {catalogue.BUILDER.parent} on a server of its own")
        return
    database = f"{payments.DATABASE}_tier"
    catalogue.build(servers.login[1], database, "InnoDB", options.scale, folder)
    source, config = servers.database(database), folder / "tier" / "config"
    config.mkdir(parents=True)
    shutil.copy(RULES, config / "tables.yaml")
    rules = ("--tier", "reference", "--rules", str(config / "tables.yaml"), "--json")
    alone = python(servers, ALONE, source, "benchmarks.one_by_one", "load", "--schema", OTHER, "--workers", "1", *rules)
    groups = python(servers, GROUPS, source, "bulketl", "load", "--schema", LOADED, *rules)
    scenario = Scenario("reference tier, InnoDB", ALONE, most_seconds={GROUPS: MOST_SECONDS})
    turns: list[Turn] = [(alone, lambda: servers.without(OTHER)), (groups, lambda: servers.without(LOADED))]
    try:
        in_turn(scenario, turns, options.runs, folder, servers)
        tables = load_config(config / "tables.yaml", None, {}).tables
        others = {name for name, rule in tables.items() if rule.table_importance != "reference"}
        scenario.compared = catalogue.compare(source, servers.target, LOADED, others)
    finally:
        servers.without(LOADED, OTHER)
    yield scenario
