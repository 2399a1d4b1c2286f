"""The scenario `masks`: the large table loaded with masks, beside the same load without; and what a distinct value costs.

On columns of few distinct values, under one in a hundred rows, where masks may cost a tenth of the load's time. And each
method over a million values that are all different, in memory, in CPU time of this process: `python -m benchmarks.masking`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks import payments
from benchmarks.report import Scenario
from benchmarks.servers import LOADED, Servers, Turn, in_turn, out, python
from bulketl.rows.masking import masked
from bulketl.tables.casts import Cast, Masked
from bulketl.tables.masks import Mask, Method
from bulketl.tables.spec import TableSpec

MOST = 0.10  # of the time of a load, where distinct values are under 1 % of its rows
MOST_CPU = 1.5e-6  # seconds of a distinct value
KEY = "0123456789abcdef" * 2
WITHOUT, WITH = "without masks", "seven columns of few values masked"
MASKS: dict[str, Any] = {
    "ClinicNum": "hmac",
    "PayType": "hmac",
    "PaymentSource": "hmac",
    "PayDate": {"method": "shift", "by": "ClinicNum"},
    "CheckNum": "partial",
    "PayNote": {"method": "fake", "of": "street"},
    "Receipt": "hmac",
}
_FEW = "PayNote = CONCAT('note ', PayNum % 500), CheckNum = 10000000 + PayNum % 300, Receipt = PatNum % 900"
_DISTINCT = 1_000_000


def run_masks(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Scenario]:
    """Measure one large table in turn, with masks and without."""
    source = servers.database(payments.DATABASE)
    scenario = Scenario("masks", WITHOUT)
    turns: list[Turn] = []
    for name, masks in ((WITHOUT, {}), (WITH, MASKS)):
        rules = folder / f"{len(turns)}.yaml"
        rules.write_text(json.dumps({"source_tables": {payments.TABLE: {"mask": masks}}}))
        words = ("bulketl", "load", "--schema", LOADED, "--rules", str(rules), "--json")
        contender = python(servers, name, source, *words)
        contender = dataclasses.replace(contender, environ={**contender.environ, "BULKETL_MASK_KEY": KEY})
        turns.append((contender, lambda: servers.without(LOADED)))
    try:
        out.print(f"masks: making {options.rows:,} rows", highlight=False)
        with servers.connect() as connection:
            payments.fill(connection, options.rows)
            with connection.cursor() as cursor:  # texts of few values too: one in a thousand rows
                cursor.execute(f"UPDATE {payments.TABLE} SET {_FEW}")
            connection.commit()
        in_turn(scenario, turns, options.runs, folder, servers)
    finally:
        servers.without(LOADED)
        with servers.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {payments.DATABASE}")
    # CPU time, of the process and both servers, round by round: what others do on the machine meanwhile counts less there.
    spent = {name: [run.cpu + run.servers for run in runs] for name, runs in scenario.runs.items()}
    shares = [these / those - 1 for these, those in zip(spent[WITH], spent[WITHOUT], strict=True)]
    cost = statistics.median(shares)
    scenario.notes.append(
        f"{WITH}: {cost:+.1%} of the CPU time of a load without, the median of {len(shares)} rounds "
        f"({min(shares):+.1%} to {max(shares):+.1%}); {min(spent[WITH]):.2f} s and {min(spent[WITHOUT]):.2f} s at the least"
    )
    if cost > MOST:
        scenario.beyond.append(f"masks cost {cost:.1%} of a load; the limit is {MOST:.0%}")
    for what, seconds in distinct(_DISTINCT).items():
        scenario.notes.append(f"{what}: {seconds * 1e6:.2f} µs of CPU per distinct value")
        if seconds > MOST_CPU:
            scenario.beyond.append(
                f"{what} costs {seconds * 1e6:.2f} µs per distinct value; the limit is {MOST_CPU * 1e6:.1f}"
            )
    yield scenario


def distinct(count: int) -> dict[str, float]:
    """Return the CPU seconds that each method takes per value of a column whose values are all different."""
    owners = pa.array(range(count), pa.int64())
    texts = pa.array([f"{n % 999:03}-{n % 99:02}-{n:07}" for n in range(count)], pa.string())
    zips = pa.array([f"{n:05}" for n in range(count)], pa.string())
    dates = pa.array([n % 40_000 for n in range(count)], pa.int32()).cast(pa.date32())
    methods: tuple[tuple[str, Method, pa.Array, str, dict[str, Any]], ...] = (
        ("hmac of text", "hmac", texts, "text", {}),
        ("hmac of integers", "hmac", owners, "bigint", {}),
        ("partial", "partial", texts, "text", {}),
        ("fake", "fake", texts, "text", {}),
        ("generalise to zip", "generalise", zips, "text", {"to": "zip"}),
        ("generalise to year", "generalise", dates, "date", {"to": "year", "year": 2026}),
        ("shift", "shift", dates, "date", {"by": "owner"}),
        ("constant", "constant", texts, "text", {"value": "-"}),
        ("null", "null", texts, "text", {}),
    )
    found = {}
    for what, method, values, target, more in methods:
        wire = str(values.type)
        mask = Masked(Mask(method, **more), target, wire)
        casts = (
            Cast("owner", "bigint", "bigint", "int64", "`owner`", "", nullable=False, guarded=False),
            Cast("v", "text", target, wire, "`v`", "", nullable=True, guarded=False, masked=mask),
        )
        rows = pa.table({"owner": owners, "v": values})
        began = time.process_time()
        masked(rows, TableSpec("t", "s", casts, ("owner",), "create"), KEY)
        found[what] = (time.process_time() - began) / count
    return found


if __name__ == "__main__":
    for what, seconds in distinct(_DISTINCT).items():
        out.print(f"{what:24} {seconds * 1e6:5.2f} µs of CPU per distinct value", highlight=False)
