"""The scenario `checks`: the large table loaded with checks, beside the same load without.

On rows and figures of the table: what a practice would write for its payments. With a unique and a foreign key too, which
cost Postgres a scan and a hash table each, whatever the tool.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import catalogue, payments
from benchmarks.report import Scenario
from benchmarks.servers import LOADED, Servers, Turn, in_turn, out, python

MOST = 0.05  # of the time of a load
WITHOUT, ROWS, ALL = "without checks", "checks on rows, count, sum, freshness", "and a unique and a foreign key"
CHECKS: list[dict[str, Any]] = [
    {"not_null": ["PatNum", "ClinicNum", "PayDate", "DateEntry"]},
    {"range": "PayAmt", "min": 0, "max": 1_000_000},
    {"range": "PayDate", "min": "2010-01-01"},
    {"range": "Tax", "min": 0},
    {"one_of": "PaymentStatus", "values": [0, 1, 2, 3]},
    {"one_of": "IsSplit", "values": [0, 1]},
    {"regex": "CheckNum", "pattern": "^[0-9]*$"},
    {"length": "PayNote", "max": 255},
    {"expression": "MerchantFee <= PayAmt OR PayAmt < 0"},
    {"expression": "PayDate <= CURRENT_DATE", "severity": "warn"},
    {"row_count": {"min": 1}},
    {"sum": "PayAmt", "min": 0},
    {"fresh": "SecDateTEdit", "within": "1000w"},
]
BESIDE: list[dict[str, Any]] = [{"unique": ["PatNum", "PayNum"]}, {"foreign_key": "PatNum", "to": "patient.PatNum"}]
_PATIENTS = "CREATE TABLE patient (PatNum bigint PRIMARY KEY) SELECT DISTINCT PatNum FROM payment"


def run_checks(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Scenario]:
    """Measure one large table, and a small one that it points to, three times in turn."""
    source = servers.database(payments.DATABASE)
    scenario = Scenario("checks", WITHOUT)
    turns: list[Turn] = []
    for name, checks in ((WITHOUT, []), (ROWS, CHECKS), (ALL, [*CHECKS, *BESIDE])):
        rules = folder / f"{len(turns)}.yaml"
        rule = {"table_importance": "critical", "checks": checks}
        order = {"payment": {**rule, "dependencies": ["patient"]}, "patient": {"table_importance": "critical"}}
        rules.write_text(json.dumps({"source_tables": order}))
        words = ("bulketl", "load", "--schema", LOADED, "--rules", str(rules), "--json")
        turns.append((python(servers, name, source, *words), lambda: servers.without(LOADED)))
    try:
        out.print(f"checks: making {options.rows:,} rows", highlight=False)
        with servers.connect() as connection, connection.cursor() as cursor:
            payments.fill(connection, options.rows)
            cursor.execute(_PATIENTS)
        in_turn(scenario, turns, options.runs, folder, servers)
        scenario.compared = catalogue.compare(source, servers.target, LOADED)
    finally:
        servers.without(LOADED)
        with servers.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {payments.DATABASE}")
    # Of the quickest runs: what others took longer is other work on the machine.
    least = {name: min(run.seconds for run in runs) for name, runs in scenario.runs.items()}
    for name in (ROWS, ALL):
        cost = least[name] / least[WITHOUT] - 1
        scenario.notes.append(
            f"{name}: {cost:+.1%} of the quickest load without ({least[name]:.2f} s, {least[WITHOUT]:.2f} s)"
        )
        if name == ROWS and cost > MOST:
            scenario.beyond.append(f"{name} cost {cost:.1%} of a load; the limit is {MOST:.0%}")
    yield scenario
