"""What a run costs beside its rows: planning ten thousand tables, and handing out each step; exit code 1 beyond a limit.

No server is asked. The plan is made by the real `decide` from a catalogue that is made up, and carried out by the real
engine over a source and a target that do nothing, so what remains is bulketl's own work: per step, and on Dask with its
messages. `python -m benchmarks.steps [--tables N] [--gigabytes N] [--dask] [--json FILE]`
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import pickle
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

import bulketl
from bulketl.config.config import Config
from bulketl.loading import brakes, engine
from bulketl.loading.run import Executors
from bulketl.loading.schedule import Step
from bulketl.plan.decision import decide
from bulketl.plan.plan import Group, Plan, TableLoad
from bulketl.plan.resumption import plan_from_json
from bulketl.postgres.ledger.entries import CopyResult
from bulketl.postgres.server import Postgres
from bulketl.postgres.write.outcome import PublishResult
from bulketl.rows.coerce import Batch
from bulketl.rows.quality import Counted
from bulketl.tables.catalog import Catalog, Column, Key, Table
from bulketl.tables.partitions import Bound, KeyTuple, Partition, fits, rows_per_partition
from bulketl.tables.spec import TableSpec

MOST_MILLISECONDS = 1.0
ROW_BYTES = 200
WORKERS = 4
NAMES = ("id", "patient", "clinic", "provider", "kind", "amount", "fee", "tax", "day", "entered", "edited", "note")
TYPES = (
    "bigint(20)", "bigint(20)", "bigint(20)", "bigint(20)", "tinyint(4)", "double", "decimal(12,2)", "decimal(12,2)",
    "date", "datetime", "timestamp", "varchar(255)",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Nothing:
    """A source and a target in one: reads no rows and writes none."""

    postgres: Postgres
    run: str

    def null_bits(self, _spec: TableSpec) -> list[list[str]]:
        """Return no masks."""
        return []

    def read(self, _spec: TableSpec, _partition: Partition) -> Iterator[pa.Table]:
        """Yield nothing."""
        return iter(())

    def read_small(self, pieces: Sequence[tuple[TableSpec, Partition]]) -> Iterator[pa.Table | None]:
        """Leave each to `read`."""
        return iter([None] * len(pieces))

    def discard(self, _spec: TableSpec) -> None:
        """Do nothing."""

    def prepare(self, _spec: TableSpec) -> None:
        """Do nothing."""

    def count(self, pieces: Sequence[tuple[TableSpec, Partition]]) -> list[int]:
        """Count nothing."""
        return [0] * len(pieces)

    def load(self, _spec: TableSpec, _partition: Partition, _batches: Iterable[Batch], _counted: Counted) -> CopyResult:
        """Copy nothing."""
        return CopyResult()

    def publish(self, _spec: TableSpec) -> PublishResult:
        """Publish nothing."""
        return PublishResult()

    def load_group(
        self, specs: Sequence[TableSpec], _batches: Sequence[Batch | None], _expected: Sequence[int]
    ) -> list[tuple[CopyResult, PublishResult]]:
        """Write nothing."""
        return [(CopyResult(), PublishResult()) for _ in specs]


class AtOnce(Executor):
    """Carries a step out when it is submitted: what is left is the schedule, the events and the step itself."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call it."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def catalog(tables: int, gigabytes: int) -> tuple[Catalog, dict[str, Bound]]:
    """Return a database of so many tables and bytes, few large ones and many small, and where its tables are cut."""
    weights = [(n + 1) ** -1.5 for n in range(tables)]
    found, bounds = [], {}
    for n, weight in enumerate(weights):
        rows = int(gigabytes * 1e9 * weight / sum(weights) / ROW_BYTES)
        columns = tuple(
            Column(f"{name}_{part}" if part else name, kind, nullable=name != "id")
            for part in range(3)
            for name, kind in zip(NAMES, TYPES, strict=True)
        )
        table = Table(f"table_{n:05}", columns, ("id",), (Key("PRIMARY", ("id",), True),), rows, rows * ROW_BYTES)
        step = rows_per_partition(table)
        cuts: tuple[KeyTuple, ...] = () if fits(table, rows) else tuple((cut,) for cut in range(step, rows, step))
        found.append(table)
        bounds[table.name] = Bound(rows, counted=True, cuts=cuts)
    return Catalog("mysql://made-up:3306/clinic", "11.4", "UTC", tuple(found)), bounds


def timed(call: Any, *args: Any, **kwargs: Any) -> tuple[float, Any]:
    """Return the seconds a call takes, and what it returns."""
    began = time.perf_counter()
    found = call(*args, **kwargs)
    return time.perf_counter() - began, found


def spread(plan: Plan, partitions: int) -> Plan:
    """Return a plan of its largest table only, with so many partitions."""
    load = max(plan.loads, key=lambda item: len(item.partitions))
    parts = tuple(Partition(n, "PRIMARY", ("id",), (n,), (n + 1,)) for n in range(partitions))
    group = Group(load.tier, (TableLoad(load.spec, parts, load.tier, "", 0, 0),))
    return Plan(plan.source, plan.schema, plan.zone, (group,))


def unread(plan: Plan) -> Plan:
    """Return a plan whose small tables are known to be empty, so that none is read and coerced."""
    groups = (
        Group(group.tier, tuple(dataclasses.replace(x, partitions=()) if x.direct else x for x in group.loads))
        for group in plan.groups
    )
    return dataclasses.replace(plan, groups=tuple(groups))


def per_step(plan: Plan, executor: Executor, workers: int) -> tuple[float, int]:
    """Carry out a plan over nothing; return milliseconds per step and the number of steps."""
    nothing = Nothing(Postgres("postgresql://nobody@nowhere/nothing"), "20260101-000000-0000")
    source: Any = nothing
    seen: Counter[str] = Counter()
    began = time.perf_counter()
    for event in engine.run(plan, source, source, executor, brakes.AtOnce(workers)):
        seen[type(event).__name__] += 1
    seconds = time.perf_counter() - began
    assert seen["TableFailed"] == 0, "a step failed"
    steps = sum(1 if all(load.direct for load in g.loads) else 2 + len(g.loads[0].partitions) for g in plan.groups)
    return 1000 * seconds / steps, steps


@contextlib.contextmanager
def cluster() -> Iterator[Executors]:
    """Start two worker processes."""
    from distributed import LocalCluster

    local = LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0")
    with local, bulketl.dask(local.scheduler_address) as executors:
        yield executors


def main() -> int:
    """Measure, print, write; return 1 when a step costs more than its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__.split("\n")[0])
    parser.add_argument("--tables", type=int, default=10_000, help="of the made-up database (%(default)s)")
    parser.add_argument("--gigabytes", type=int, default=1000, help="of it (%(default)s)")
    parser.add_argument("--dask", action="store_true", help="hand steps to two worker processes, too")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    found: dict[str, float] = {}
    known, bounds = catalog(options.tables, options.gigabytes)
    config = Config(tier_workers=dict.fromkeys(("critical", "important", "audit", "reference"), WORKERS))
    found["decide, seconds"], plan = timed(decide, config, known, bounds, {})
    found["tables"] = sum(1 for _ in plan.loads)
    found["groups"] = len(plan.groups)
    found["partitions"] = sum(len(load.partitions) for load in plan.loads)
    found["plan as JSON, seconds"], text = timed(plan.to_json)
    found["plan as JSON, MB"] = len(text) / 1e6
    found["fingerprint, seconds"], _ = timed(lambda: plan.fingerprint)
    found["plan restored, seconds"], again = timed(plan_from_json, text)
    assert again == plan, "a plan that was stored is another one"
    found["peak of this process, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    spec = max(plan.loads, key=lambda load: len(load.partitions)).spec
    found["a step of 36 columns, pickled, KB"] = len(pickle.dumps(Step("load", spec=spec))) / 1e3
    cases: dict[str, tuple[Plan, Executor]] = {"10,000 partitions": (spread(plan, 10_000), AtOnce())}
    cases["100,000 partitions"] = (spread(plan, 100_000), AtOnce())
    cases["the whole plan"] = (unread(plan), AtOnce())
    with ThreadPoolExecutor(WORKERS) as threads:
        cases[f"10,000 partitions, {WORKERS} threads"] = (spread(plan, 10_000), threads)
        limited = [f"{name}, ms per step" for name in cases]
        for name, (some, executor) in cases.items():
            found[f"{name}, ms per step"], found[f"{name}, steps"] = per_step(some, executor, WORKERS)
    if options.dask:
        with cluster() as executors, executors("20260101-000000-0000", WORKERS) as remote:
            name = f"10,000 partitions, Dask, {WORKERS} at once"
            found[f"{name}, ms per step"], _ = per_step(spread(plan, 10_000), remote, WORKERS)
    for name, value in found.items():
        print(f"{name:48} {value:12,.3f}" if isinstance(value, float) else f"{name:48} {value:12,}")
    beyond = [name for name in limited if found[name] > MOST_MILLISECONDS]
    for name in beyond:
        print(f"beyond the limit: {name}; the limit is {MOST_MILLISECONDS}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
