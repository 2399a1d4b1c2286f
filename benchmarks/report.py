"""What was measured, as values: judged against the limits, shown on screen, written as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.catalogue import Comparison
from benchmarks.measure import Measured, median

BULKETL = "bulketl load"
MOST_RATIO = 1.0
LIBRARIES = ("bulketl", "connectorx", "polars", "pyarrow", "adbc-driver-postgresql", "psycopg")
COMPARE = "tests/support/compare.py compares every cell"


@dataclass(slots=True)
class Scenario:
    """The runs of each contender. `beside` is the one bulketl must not be slower than; `most_bytes` its memory, or 0.

    `rows`: that a contender moved, where it is not all of them. `most_seconds` and `least_rate`: limits of single
    contenders, seconds of each run and rows per second by the median. `notes`: what else was
    found; `beyond`: what of that is a limit.
    """

    name: str
    beside: str
    most_bytes: int = 0
    runs: dict[str, list[Measured]] = field(default_factory=dict)
    compared: Comparison = field(default_factory=Comparison)
    rows: dict[str, int] = field(default_factory=dict)
    most_seconds: dict[str, float] = field(default_factory=dict)
    least_rate: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)

    def seconds(self, contender: str) -> float:
        """Return the median of a contender's wall seconds."""
        return median([run.seconds for run in self.runs[contender]])

    def ratio(self, contender: str) -> float:
        """Return a contender's seconds as a multiple of those of the one beside."""
        return round(self.seconds(contender) / self.seconds(self.beside), 3)

    def rate(self, contender: str) -> int:
        """Return a contender's rows per second."""
        return round(self.rows.get(contender, self.compared.rows) / self.seconds(contender))

    @property
    def exceeded(self) -> list[str]:
        """What is beyond its limit, or different."""
        found = [f"different: {text}" for text in self.compared.different]
        found += self.beyond
        for name, limit in self.most_seconds.items():
            if (most := max(run.seconds for run in self.runs[name])) > limit:
                found.append(f"{name}: {most:.2f} s; the limit is {limit:.2f}")
        for name, least in self.least_rate.items():
            if self.rate(name) < least:
                found.append(f"{name}: {self.rate(name):,} rows/s; the limit is {least:,}")
        if BULKETL not in self.runs:
            return found
        if self.ratio(BULKETL) > MOST_RATIO:
            found.append(f"{self.ratio(BULKETL):.2f} times the seconds of {self.beside}; the limit is {MOST_RATIO:.2f}")
        peak = max(run.peak for run in self.runs[BULKETL])
        if self.most_bytes and peak >= self.most_bytes:
            found.append(f"a peak of {peak / 1e6:.0f} MB; the limit is {self.most_bytes / 1e6:.0f} MB")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "scenario": self.name,
            "rows": self.compared.rows,
            "beside": self.beside,
            "contenders": {
                name: {
                    "seconds": self.seconds(name),
                    "ratio": self.ratio(name),
                    "rows": self.rows.get(name, self.compared.rows),
                    "rows_per_second": self.rate(name),
                    "runs": [asdict(run) for run in runs],
                }
                for name, runs in self.runs.items()
            },
            "compared": asdict(self.compared),
            "notes": self.notes,
            "exceeded": self.exceeded,
        }

    def show(self, out: Console) -> None:
        """Print a table of the contenders, what was compared, and what is beyond its limit."""
        title = f"{self.name}: {self.compared.tables} table{'s' * (self.compared.tables != 1)}, {self.compared.rows:,} rows"
        table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        table.add_column("contender")
        for column in ("seconds", "ratio", "rows", "rows/s", "CPU s", "servers", "machine", "peak MB"):
            table.add_column(column, justify="right")
        table.add_column("each run")
        for name, runs in self.runs.items():
            moved = self.rows.get(name, self.compared.rows)
            numbers = [f"{self.seconds(name):.2f}", f"{self.ratio(name):.2f}", f"{moved:,}", f"{self.rate(name):,}"]
            spent = ([run.cpu for run in runs], [run.servers for run in runs], [run.machine for run in runs])
            numbers += [f"{median(seconds):.2f}" for seconds in spent]
            numbers.append(f"{max(run.peak for run in runs) / 1e6:.0f}")
            each = " ".join(f"{run.seconds:.2f}" for run in runs)
            table.add_row(name, *numbers, each, style="bold" if name == BULKETL else "")
        out.print(table)
        equal = "equal" if not self.compared.different else f"[red]{len(self.compared.different)} different[/]"
        text = f"counts and {self.compared.sums:,} sums of columns on both sides: {equal}"
        out.print(f"[dim]{text}; {COMPARE}[/]", highlight=False)
        for text in self.notes:
            out.print(f"[dim]{text}[/]", highlight=False)
        for text in self.exceeded[:20]:
            out.print(f"[red]beyond the limit[/] {text}", highlight=False)
        out.print()


def machine(servers: Sequence[str]) -> dict[str, object]:
    """Return what this machine is and what runs on it; `servers` are the servers' own words."""
    memory = next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    models = (
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    )
    return {
        "cpu": next(models, platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": int(memory) * 1024,
        "date": date.today().isoformat(),
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "servers": list(servers),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
