"""The scenario `soak`: nights in a row on a source that changes, in one process that lives through all of them.

After each night everything that could pile up is looked at; every twentieth night all rows are compared, cell by cell. Then
some nights more have a process each. Flat means: of the last third of the nights the worst is at most 1.1 of the worst of
the second third; the first third is the warm-up, in which the ledger comes to the age that it keeps. What the ledger never
lets go of grows in the last third by at most 1.1 of what it grew in the second. What has to be gone after a night is gone
after every night.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.servers import LOADED, Servers, out, python
from benchmarks.soak.looks import a_day_passes, look_at_process, look_at_servers
from benchmarks.soak.tables import DATABASE, KEPT_DAYS, MODEL, TABLES, Calendar, change, differences, fill

MOST = 1.1
SELDOM = ("verification",)  # written every twentieth night alone: too seldom to be judged
COMPARED_EVERY = 20
PROCESS_NIGHTS = 20  # or as many as the others, if these are fewer
LEAST_NIGHTS = 3 * (KEPT_DAYS + 2)
MASK_KEY = hashlib.sha256(b"soak").hexdigest()
NONE_LEFT = ("source connections", "target connections", "locks", "staging tables", "temporary files")
FLAT = ("memory", "peak", "files open", "objects", "catalogue MB", "versions kept MB", "bytes per row")
OFTEN = ("threads", "cpu")  # judged by the median, for they depend on who else works on the machine
# What proves something, and what tells which run wrote a row that may still be there, stays: it may only grow evenly.
STAYS = (
    "audit_chain", "audit_trail", "compared", "partition", "published", "retained", "run", "table_load",
)  # fmt: skip


@dataclass(slots=True)
class Soak:
    """What was seen after each night; `ledger`: rows and bytes of its tables; `processes`: the nights with one each."""

    tables: int = 0
    nights: list[dict[str, float]] = field(default_factory=list)
    ledger: list[dict[str, list[int]]] = field(default_factory=list)
    processes: list[dict[str, float]] = field(default_factory=list)
    cells: int = 0
    comparisons: int = 0
    wrong: list[str] = field(default_factory=list)
    done: bool = False

    @property
    def exceeded(self) -> list[str]:
        """What was not flat, was left after a night, or differed."""
        found = list(self.wrong)
        for name in NONE_LEFT:
            left = [night for night, seen in enumerate(self.nights + self.processes, 1) if seen[name]]
            found += [f"{name}: some were left after night {left[0]}, and after {len(left)} nights in all"] if left else []
        if len(self.nights) < LEAST_NIGHTS:
            return found  # which `show` says
        for name in FLAT:
            found += _grown(name, [seen[name] for seen in self.nights])
        for name in OFTEN:
            found += _grown(name, [seen[name] for seen in self.nights], middle=True)
        for table in sorted({name for seen in self.ledger for name in seen}.difference(SELDOM)):
            rows, size = self.of_ledger(table)
            found += _grown(f"rows of the ledger's {table}", rows, evenly=table in STAYS)
            found += [] if table in STAYS else _grown(f"bytes of the ledger's {table}", size)
        return found

    def of_ledger(self, table: str) -> tuple[list[float], list[float]]:
        """Return rows and bytes of a table of the ledger, night by night."""
        both = [seen.get(table, [0, 0]) for seen in self.ledger]
        return [float(rows) for rows, _ in both], [float(size) for _, size in both]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "scenario": "soak",
            "kind": "soak",
            "tables": self.tables,
            "nights": self.nights,
            "ledger": self.ledger,
            "processes": self.processes,
            "cells": self.cells,
            "comparisons": self.comparisons,
            "exceeded": self.exceeded,
        }

    def show(self, out: Console) -> None:
        """Print a line for each gauge, with the worst of each third; while it goes on, how far it has come."""
        if not self.done:
            last = self.nights[-1]
            said = (
                f"night {len(self.nights)}: {last['seconds']:.1f} s, {last['memory']:.0f} MB, {self.cells:,} cells compared"
            )
            out.print(said, style="dim", highlight=False)
            return
        title = f"{len(self.nights)} nights of {self.tables} tables, {self.comparisons} comparisons of {self.cells:,} cells"
        table = Table("after a night", title=title, title_justify="left")
        for heading in ("first third", "second", "last", "last / second"):
            table.add_column(heading, justify="right")
        for name in self.nights[0] if self.nights else ():
            first, second, third = (max(part, default=0.0) for part in thirds([seen[name] for seen in self.nights]))
            share = f"{third / second:.2f}" if second else ""
            table.add_row(name, f"{first:,.1f}", f"{second:,.1f}", f"{third:,.1f}", share)
        out.print(table)
        if len(self.nights) < LEAST_NIGHTS:
            out.print(f"these are too few nights to tell what grows: that takes {LEAST_NIGHTS}", highlight=False)
        for line in self.exceeded:
            out.print(f"[red]exceeded[/] {line}", highlight=False)


def thirds(values: Sequence[float]) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
    """Return the values in three parts, the first of which is the warm-up."""
    one = len(values) // 3
    return values[:one], values[one : 2 * one], values[2 * one :]


def _grown(name: str, values: Sequence[float], *, middle: bool = False, evenly: bool = False) -> list[str]:
    """Say so when the last third is above the limit; by the medians where one night says little, by what came in each."""
    _, second, last = thirds(values)
    if not second:
        return []
    if evenly:
        before, after = max(second) - second[0], max(last) - second[-1]
        limit = before * MOST * len(last) / max(1, len(second) - 1)
    else:
        before, after = (sorted(part)[len(part) // 2] if middle else max(part) for part in (second, last))
        limit = before * MOST
    if after <= limit:
        return []
    return [
        f"{name}: {after:,.1f} in the last third of the nights, and {before:,.1f} in the second; the limit is {limit:,.1f}"
    ]


def run_soak(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Soak]:
    """Load night after night, on servers of its own."""
    if not servers.processes:
        out.print("soak: skipped, because it makes the ledger older, and yours is there", highlight=False)
        return
    found, calendar = Soak(len(TABLES)), Calendar(options.nights + PROCESS_NIGHTS)
    settings = folder / "soak.yaml"
    settings.write_text(json.dumps({"ledger": {"keep": f"{KEPT_DAYS}d"}}))
    fill(servers, calendar.day(0))
    try:
        with Loader(servers, folder, settings) as loader:
            for night in range(1, options.nights + 1):
                seen, ledger = _night(servers, calendar, night, options.seed, loader, found)
                found.nights.append(seen)
                found.ledger.append(ledger)
                if night % COMPARED_EVERY == 0:
                    yield found  # so that it is on file when the rest is interrupted
        for night in range(options.nights + 1, options.nights + min(options.nights, PROCESS_NIGHTS) + 1):
            with Loader(servers, folder, settings) as loader:
                found.processes.append(_night(servers, calendar, night, options.seed, loader, found)[0])
    finally:
        servers.without(LOADED)
        with servers.connect() as connection, connection.cursor() as cursor:
            for database in (DATABASE, MODEL):
                cursor.execute(f"DROP DATABASE IF EXISTS {database}")
    found.done = True
    yield found


class Loader:
    """A process that loads when it is told, with a folder of its own for temporary files."""

    def __init__(self, servers: Servers, folder: Path, settings: Path) -> None:
        self.folder, self.settings, self.temporary = folder, settings, folder / "temporary"
        self.temporary.mkdir(exist_ok=True)
        contender = python(servers, "soak", servers.database(DATABASE), "benchmarks.soak.process")
        environ = {**os.environ, **contender.environ, "BULKETL_SCHEMA": LOADED, "BULKETL_MASK_KEY": MASK_KEY}
        environ["TMPDIR"] = str(self.temporary)
        self.process = subprocess.Popen(
            contender.commands[0], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()  # its input ends, and so does it

    def load(self, rules: dict[str, Any], **words: object) -> dict[str, Any]:
        """Return what came of a night; raise RuntimeError when the process ended in it."""
        file = self.folder / "soak-tables.yaml"
        file.write_text(json.dumps(rules))
        told = {"rules": str(file), "settings": str(self.settings), "folder": str(self.folder / "archive"), **words}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that loads ended with {self.process.wait()}")
        said: dict[str, Any] = json.loads(line)
        return said


def _night(
    servers: Servers, calendar: Calendar, night: int, seed: int, loader: Loader, found: Soak
) -> tuple[dict[str, float], dict[str, list[int]]]:
    """Change the source, load, look, and let a day pass."""
    day = calendar.day(night)
    change(servers, night, day, seed)
    came = loader.load(calendar.rules(night), retention=True, verify=night % COMPARED_EVERY == 0)
    found.wrong += [f"night {night}: {line}" for line in came["wrong"]]
    time.sleep(0.1)  # a session of Postgres' is listed for a moment after its end
    gauges, ledger = look_at_servers(servers)
    seen = {
        **{name: float(came[name]) for name in ("seconds", "cpu", "objects")},
        **look_at_process(loader.process.pid),
        **gauges,
        "temporary files": float(sum(1 for _ in loader.temporary.rglob("*"))),
    }
    if night % COMPARED_EVERY == 0:
        before = calendar.day(night) - (calendar.day(KEPT_DAYS) - calendar.day(0))
        cells, wrong = differences(servers, before)
        found.cells, found.comparisons = found.cells + cells, found.comparisons + 1
        found.wrong += [f"night {night}: {line}" for line in wrong]
    a_day_passes(servers)
    return seen, ledger
