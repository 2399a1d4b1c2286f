"""The scenario `link`: the whole database read over a slow link, as from a practice behind a VPN; Postgres is near.

A relay stands between bulketl and MySQL; it counts bytes and round trips, and tells what and which table they are for.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import catalogue
from benchmarks.measure import Measured, measure, median
from benchmarks.relay import NONE, SEVERAL, Counted, relayed
from benchmarks.servers import LOADED, Servers, out, python
from bulketl.postgres.server import LEDGER

ROUND_TRIP, MBIT = 20.0, 50.0
FULL, NOTHING = "full load", "nothing changed"
NEAR = "near"
MOST_SECONDS = 60.0  # of a pass in which nothing has changed


@dataclass(slots=True)
class Pass:
    """One kind of pass over one kind of link."""

    name: str
    link: str
    runs: list[Measured] = field(default_factory=list)
    counted: list[Counted] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The median of the wall seconds."""
        return median([run.seconds for run in self.runs])


def trips(name: str, counted: Counted) -> str:
    """Return in words where the round trips of a pass go: by what they are for, and per table."""
    each = {table: n for table, n in counted.tables.items() if table not in (SEVERAL, NONE)}
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(counted.kinds.items(), key=lambda item: -item[1]))
    most = ", ".join(f"{table} {n}" for table, n in sorted(each.items(), key=lambda item: (-item[1], item[0]))[:5])
    spread = (
        f"{min(each.values())} to {max(each.values())}, median {statistics.median(each.values()):.0f}" if each else "none"
    )
    others = ", ".join(f"{n} {table}" for table, n in counted.tables.items() if table not in each)
    total = f"{name}, {counted.round_trips:,} round trips: {kinds}"
    return f"{total}. Per table, {len(each)} tables: {spread}; most: {most or 'none'}; {others}"


@dataclass(slots=True)
class OverLink:
    """One engine's passes over every link."""

    name: str
    passes: list[Pass] = field(default_factory=list)

    @property
    def exceeded(self) -> list[str]:
        """The passes without changes that took longer than they may."""
        late = [one for one in self.passes if one.name == NOTHING and one.seconds > MOST_SECONDS]
        return [f"{self.name}, {one.link}: {one.seconds:.1f} s; the limit is {MOST_SECONDS:.0f}" for one in late]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"scenario": self.name, "kind": "link", **asdict(self), "exceeded": self.exceeded}

    def show(self, out: Console) -> None:
        """Print a line per pass, and where the round trips go."""
        table = Table(title=self.name, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("pass")
        table.add_column("link")
        for column in ("seconds", "connections", "round trips", "MB received", "MB sent", "each run"):
            table.add_column(column, justify="right")
        for one in self.passes:
            last = one.counted[-1]
            moved = (f"{last.received / 1e6:.1f}", f"{last.sent / 1e6:.1f}")
            each = " ".join(f"{run.seconds:.1f}" for run in one.runs)
            counts = (f"{last.connections:,}", f"{last.round_trips:,}")
            table.add_row(one.name, one.link, f"{one.seconds:.1f}", *counts, *moved, each)
        out.print(table)
        for one in self.passes:
            if one.link == NEAR:
                out.print(f"[dim]{trips(one.name, one.counted[-1])}[/]", highlight=False)
        for text in self.exceeded:
            out.print(f"[red]beyond the limit[/] {text}", highlight=False)
        out.print()


def run_link(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[OverLink]:
    """Measure both databases that are built here, one per engine."""
    for engine in catalogue.ENGINES:
        name = f"link, {engine}"
        if not servers.processes:
            out.print("link: skipped, because it reads the server's log: it needs its own")
        elif not catalogue.BUILDER.is_file():
            out.print(f"link: skipped, because {catalogue.BUILDER} is not there")
        elif name in options.done:
            out.print(f"{name}: measured already, in {options.json}; --again measures it anew", highlight=False)
        else:
            out.print(f"link: building the catalogue in {engine} at scale {options.scale}", highlight=False)
            database = f"bulketl_link_{engine.lower()}"
            catalogue.build(servers.login[1], database, engine, options.scale, folder)
            try:
                yield _measured(servers, name, database, folder / database)
            finally:
                with servers.connect() as connection, connection.cursor() as cursor:
                    cursor.execute(f"DROP DATABASE IF EXISTS {database}")


def _measured(servers: Servers, name: str, database: str, folder: Path) -> OverLink:
    (folder / "config").mkdir(parents=True)
    rules = folder / "config" / "tables.yaml"
    near = servers.database(database)
    measure(python(servers, "discover", near, "bulketl", "discover", "--write", str(rules), "--yes"), folder)
    result = OverLink(name)
    host, port, user, _ = servers.login
    far = f"{ROUND_TRIP:.0f} ms, {MBIT:.0f} Mbit/s"
    links = ((NEAR, 0.0, 0.0, ""), (far, ROUND_TRIP, MBIT, ""), (f"{far}, compressed", ROUND_TRIP, MBIT, "?compress=fast"))
    for link, delay, rate, parameters in links:
        schema = f"{LOADED}_link"
        servers.without(schema, LEDGER)  # which knows that there were audited tables
        with relayed(f"{host}:{port}", round_trip=delay, mbit=rate, mysql=not parameters) as relay:
            source = f"mysql://{user}@127.0.0.1:{relay.port}/{database}{parameters}"
            for what in (FULL, NOTHING, NOTHING) if link == far else (FULL, NOTHING):
                found = next((one for one in result.passes if (one.name, one.link) == (what, link)), None)
                if not found:
                    result.passes.append(found := Pass(what, link))
                before = relay.counted()
                contender = python(servers, what, source, "bulketl", "load", "--schema", schema, "--json")
                found.runs.append(measure(contender, folder, servers.processes))
                found.counted.append(relay.counted().since(before))
                out.print(f"[dim]{what}, {link}: {found.runs[-1].seconds:.1f} s[/]", highlight=False)
        servers.without(schema)
    return result
