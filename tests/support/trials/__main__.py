"""`python -m trials`: try every fault, print a table, and end with 1 when a promise was not kept."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from trials.house import House, house
from trials.servers import Servers
from trials.suite import HALVES, KINDS
from trials.table import lines, printed, stages
from trials.trial import Tried
from trials.warm import Warm


@contextmanager
def ground() -> Iterator[House]:
    """Start both servers and fill a house."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="bulketl-trials-", dir=memory if memory.is_dir() else None))
    folder.chmod(0o755)
    servers, warm = Servers(folder), Warm()
    try:
        with house(servers, warm, folder) as made:
            yield made
    finally:
        warm.stop()
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)


def carried_out(names: list[str], seed: int, share: float) -> list[Tried]:
    """Carry out kinds of trials; tell of each on standard error."""
    tries = []
    with ground() as made:
        for name in names:
            kind = KINDS[name]
            if kind.root and os.geteuid():
                print(f"{name}: left out, for only root may mount a small disk", file=sys.stderr)
                continue
            for one in kind.carry_out(made, random.Random(f"{seed} {name}"), max(1, round(kind.count * share))):
                tries.append(one)
                told = "survived" if one.survived else f"NOT SURVIVED: {one.lost} rows lost; {one.wrong}"
                words = f"{name}: {one.way}, {one.fault}, {one.side} ({one.where}): code {one.code}, {one.seconds:.1f} s"
                print(f"{words}: {told}", file=sys.stderr, flush=True)
    return tries


def main() -> int:
    """Print the table; return 1 when a trial was not survived."""
    parser = argparse.ArgumentParser(prog="python -m trials", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=[], help="these kinds alone")
    parser.add_argument("--share", type=float, default=1.0, help="of the tries of each kind (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of all that is random; printed")
    parser.add_argument("--json", action="store_true", help="print every trial as JSON, and no table")
    options = parser.parse_args()
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are stopped on the way out
    print(f"seed {seed}", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps([asdict(one) for one in carried_out(options.only, seed, options.share)]))
        return 0
    tries = [one for half in _halves(options.only, seed, options.share) for one in half]
    print(printed(lines(tries)), "\n", printed(stages(tries), "stage"), sep="\n")
    print(f"\nseed {seed}, {time.monotonic() - began:.0f} s")
    for one in tries:
        if not one.survived:
            print(f"NOT SURVIVED: {one.way}, {one.fault}, {one.side} ({one.where}): {one.lost} rows lost; {one.wrong}")
    return int(not tries or not all(one.survived for one in tries))


def _halves(only: list[str], seed: int, share: float) -> Iterator[list[Tried]]:
    """Carry out two halves side by side, each in a process with servers of its own."""
    halves = [[name for name in half if not only or name in only] for half in HALVES]
    words = ["--json", "--seed", str(seed), "--share", str(share), "--only"]
    running = [
        subprocess.Popen([sys.executable, "-m", "trials", *words, *names], stdout=subprocess.PIPE, text=True)
        for names in halves
        if names
    ]
    try:
        for process in running:
            out, _ = process.communicate()
            if process.returncode:
                raise SystemExit(f"half of the trials ended with {process.returncode}")
            yield [Tried(**one) for one in json.loads(out)]
    finally:
        for process in running:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
