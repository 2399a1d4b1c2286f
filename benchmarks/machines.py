"""One process with threads beside two worker processes of Dask: seconds of the run, peak memory of each process.

The payments table on throw-away servers, A B A B. All is on this machine, so it shows what the second way costs, and
not what a second machine brings. `python -m benchmarks.machines [--rows N] [--runs N]`
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bulketl as package
from benchmarks import payments
from benchmarks.measure import high_water, median
from benchmarks.servers import LOADED, Servers, throw_away
from bulketl.cli.demo.servers import free_port

THREADS = 2  # in all, either way
ROOTS = f"{Path(package.__file__).parents[1]}:{Path(__file__).parents[1]}"


def start(*words: str, **more: str) -> subprocess.Popen[bytes]:
    """Start a module of Python, with the code that runs here."""
    environ = {**os.environ, "PYTHONPATH": ROOTS, **more}
    return subprocess.Popen([sys.executable, "-m", *words], env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def cluster() -> Iterator[tuple[str, list[int]]]:
    """Give a scheduler's address and the process ids of scheduler and two workers of one thread each."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    processes = [start("dask", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")]
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            break
        time.sleep(0.1)
    worker = ("dask", "worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny")
    processes += [start(*worker) for _ in range(THREADS)]
    time.sleep(5)
    try:
        yield address, [process.pid for process in processes]
    finally:
        for process in reversed(processes):
            process.kill()
            process.communicate()


def load(servers: Servers, address: str) -> tuple[float, float, int]:
    """Load once; return the run's seconds, those of the whole command, and the peak memory of its process in bytes."""
    servers.without(LOADED)
    words = ["bulketl", "load", "--schema", LOADED, "--json", "--workers", str(THREADS)]
    words += ["--executor", "dask", "--scheduler", address] if address else []
    began, peak = time.monotonic(), 0
    process = start(
        *words, BULKETL_SOURCE=servers.database(payments.DATABASE), BULKETL_TARGET=servers.target, BULKETL_SCHEMA=LOADED
    )
    while process.poll() is None:
        peak = max(peak, high_water(process.pid))
        time.sleep(0.02)
    seconds = time.monotonic() - began
    document = json.loads(process.communicate()[0])
    if document.get("outcome") != "done":
        raise SystemExit(f"the load failed: {document}")
    return document["totals"]["seconds"], seconds, peak


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.machines", description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_500_000, help="of payments (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="of each way (%(default)s)")
    options = parser.parse_args()
    with throw_away() as servers, cluster() as (address, pids):
        with servers.connect() as connection:
            payments.fill(connection, options.rows)
        found: dict[str, list[tuple[float, float, int]]] = {"threads": [], "dask": []}
        for _ in range(options.runs):
            found["threads"].append(load(servers, ""))
            found["dask"].append(load(servers, address))
        for name, runs in found.items():
            each = " ".join(f"{run[0]:.2f}" for run in runs)
            text = (
                f"{name:8} run {median([r[0] for r in runs]):6.2f} s ({each}), command {median([r[1] for r in runs]):6.2f} s"
            )
            print(f"{text}, peak of the command {max(run[2] for run in runs) / 1e6:.0f} MB")
        scheduler, *workers = (f"{high_water(pid) / 1e6:.0f} MB" for pid in pids)
        print(f"peak of the scheduler {scheduler}, of the workers {', '.join(workers)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
