"""The start of the command line: CPU seconds of its process as a multiple of those of `python -c pass`, in the same run.

Seconds say little where others work too, and CPU seconds differ from machine to machine. So the multiple is judged, of the
lowest of some rounds: what else the machine does can only add. Medians moved by a tenth. The limits are above what is
measured beside busy neighbours, 18 and 55, and below what the program took when it loaded all for every command: 60 for the
help, 60 to 70 for a load.
"""

from __future__ import annotations

import sys
from math import inf
from pathlib import Path
from statistics import fmean

from benchmarks.measure import Contender, measure
from benchmarks.servers import LOADED, Servers, out, python

ROUNDS = 7
YARDSTICKS = 5  # in each round, and their mean counts: one takes a hundredth of a second, and the best of all is chance
DATABASE = "bulketl_tiny"
LIMITS = {"--help": 20.0, "load of two rows": 58.0}


def slow_starts(servers: Servers, folder: Path) -> list[str]:
    """Measure, say each multiple, and return what is above its limit."""
    with servers.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        cursor.execute(f"CREATE OR REPLACE TABLE {DATABASE}.tiny (id int PRIMARY KEY, name varchar(20))")
        cursor.execute(f"INSERT INTO {DATABASE}.tiny VALUES (1, 'one'), (2, 'two')")
        connection.commit()
    source = servers.database(DATABASE)
    nothing = Contender("python -c pass", ((sys.executable, "-c", "pass"),))
    ours = {
        "--help": python(servers, "--help", source, "bulketl", "--help"),
        "load of two rows": python(servers, "load", source, "bulketl", "load", "--full", "--schema", LOADED, "--json"),
    }
    least = inf
    spent: dict[str, list[float]] = {name: [] for name in ours}
    for n in range(ROUNDS + 1):
        least = min(least, fmean(measure(nothing, folder).cpu for _ in range(YARDSTICKS)))
        for name, contender in ours.items():
            found = measure(contender, folder).cpu
            if n:  # the first compiles
                spent[name].append(found)
    bad = []
    for name, limit in LIMITS.items():
        seconds = min(spent[name])
        multiple = seconds / least
        text = f"bulketl {name}: {seconds:.2f} CPU seconds, {multiple:.0f} times python -c pass; the limit is {limit:.0f}"
        out.print(f"{text}, best of {ROUNDS}", highlight=False)
        if multiple > limit:
            bad.append(f"the start has got slower: {text}")
    return bad
