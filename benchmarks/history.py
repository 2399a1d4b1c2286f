"""The scenario `history`: what looking at a year of nights costs, and what keeping the events of a load does.

The ledger has 432 tables and 365 nights, seeded by SQL. A command that looks at it takes less than a second, its start
included; when others work here too, its CPU seconds and its server's say what it would take alone. The journal of a load of
the large table, which writes its events, takes at most a hundredth of the load's CPU seconds, its backend's included. The
first message about a critical table that failed is out within five seconds, while the load goes on.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks import firstmessage, journaled, payments
from benchmarks.measure import Contender, Measured, measure, median
from benchmarks.seeded import SCHEMA, seed
from benchmarks.servers import LOADED, Servers, out, python

COMMANDS = (
    "status", "status --verbose", "status --json", "runs list", "runs list --table table_001 --first 365",
    "runs show last", "runs show last --verbose", "metrics",
)  # fmt: skip
LIMITED = ("status", "runs list")
MOST_SECONDS = 1.0
MOST_SHARE = 0.01


@dataclass(slots=True)
class History:
    """What was measured: each command, and of each load what the journal took of it; `seeding`: seconds."""

    seeding: float = 0.0
    looks: dict[str, list[Measured]] = field(default_factory=dict)
    journals: list[dict[str, float]] = field(default_factory=list)
    messages: list[float] = field(default_factory=list)  # seconds from a failure to the first message

    @property
    def share(self) -> float:
        """What the journal and its backend take of the CPU seconds of the load's process, by the median of the loads."""
        return median([_journal(one) / one["process"] for one in self.journals]) if self.journals else 0.0

    @property
    def exceeded(self) -> list[str]:
        """Which command takes too long, or whether the journal takes too much."""
        slow = [
            f"{name} took {_seconds(runs):.2f} s; the limit is {MOST_SECONDS:.0f}"
            for name, runs in self.looks.items()
            if name in LIMITED and _seconds(runs) > MOST_SECONDS
        ]
        dear = f"the journal takes {self.share:.2%} of the load's CPU seconds; the limit is {MOST_SHARE:.0%}"
        late = f"the first message came {max(self.messages, default=0):.1f} s after the failure"
        found = [*slow, *([dear] if self.share > MOST_SHARE else [])]
        return found + ([late] if max(self.messages, default=0) > firstmessage.MOST_SECONDS else [])

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        looks = {name: [asdict(run) for run in runs] for name, runs in self.looks.items()}
        found = {
            "seeding": self.seeding,
            "looks": looks,
            "journals": self.journals,
            "share": self.share,
            "messages": self.messages,
        }
        return {"scenario": "history", **found, "exceeded": self.exceeded}

    def show(self, out: Console) -> None:
        """Print a line for each command, and one for the journal."""
        table = Table("command", title="Looking at 432 tables and 365 nights", title_justify="left")
        for heading in ("seconds", "CPU", "server's CPU"):
            table.add_column(heading, justify="right")
        for name, runs in self.looks.items():
            table.add_row(
                f"bulketl {name}", *(f"{median(list(values)):.2f}" for values in zip(*map(_figures, runs), strict=True))
            )
        out.print(table)
        for one in self.journals:
            parts = ", ".join(f"{name} {one[name]:.3f}" for name in ("thread", "taking", "end", "backend"))
            said = f"journal of a load: {_journal(one):.3f} of {one['process']:.2f} CPU seconds"
            out.print(f"{said} ({parts}), {one['events']:,.0f} events in {one['flushes']:,.0f} writes", highlight=False)
        out.print(f"the journal takes {self.share:.2%} of the load's CPU seconds", highlight=False)
        if self.messages:
            times = ", ".join(f"{seconds:.1f}" for seconds in self.messages)
            out.print(f"from a critical table's failure to the first message: {times} s", highlight=False)
        for text in self.exceeded:
            out.print(f"[red]exceeded[/] {text}", highlight=False)


def _figures(run: Measured) -> tuple[float, float, float]:
    return run.seconds, run.cpu, run.servers


def _seconds(runs: list[Measured]) -> float:
    """Return the seconds that a command takes alone: by the clock, or its own and its server's when others work too."""
    return median([min(run.seconds, run.cpu + run.servers) for run in runs])


def _journal(one: dict[str, float]) -> float:
    return sum(one[name] for name in ("thread", "taking", "end", "backend"))


def run_history(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[History]:
    """Seed a ledger and look at it; then load the large table with its journal measured. On servers of its own."""
    if not servers.processes:
        out.print("history: skipped, because it fills the ledger, and yours is there", highlight=False)
        return
    found = History()
    _look(found, servers, options.runs, folder)
    load(found, servers, options, folder)
    yield found


def load(found: History, servers: Servers, options: argparse.Namespace, folder: Path) -> None:
    """Load the large table, with its journal measured."""
    try:
        out.print(f"history: making {options.rows:,} rows", highlight=False)
        with servers.connect() as connection:
            payments.fill(connection, options.rows)
        for n in range(options.runs):
            servers.without(LOADED)
            file = folder / f"journal-{n}.json"
            words = ("benchmarks.journaled", "load", "--schema", LOADED, "--json")
            one = python(servers, "load", servers.database(payments.DATABASE), *words)
            measure(Contender(one.name, one.commands, {**one.environ, journaled.FILE: str(file)}), folder, servers.processes)
            found.journals.append(json.loads(file.read_text(encoding="utf-8")))
        for _ in range(options.runs):
            servers.without(LOADED)
            found.messages.append(firstmessage.seconds_to_first_message(servers, folder))
    finally:
        servers.without(LOADED)


def _look(found: History, servers: Servers, runs: int, folder: Path) -> None:
    out.print("history: seeding 365 nights", highlight=False)
    with psycopg.connect(servers.target, autocommit=True) as connection:
        began = dt.datetime.now(dt.UTC)
        seed(connection, began - dt.timedelta(hours=4))
        found.seeding = (dt.datetime.now(dt.UTC) - began).total_seconds()
    for n in range(runs + 1):
        for command in COMMANDS:
            one = python(servers, command, servers.database("mysql"), "bulketl", *command.split())
            quiet = ("sh", "-c", '"$@"; test $? -le 3', "sh", *one.commands[0])
            environ = {**one.environ, "BULKETL_SCHEMA": SCHEMA, "PATH": os.environ["PATH"]}
            run = measure(Contender(command, (quiet,), environ), folder, servers.processes[1:])
            if n:  # the first compiles and fills the caches
                found.looks.setdefault(command, []).append(run)
