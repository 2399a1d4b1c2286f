"""The scenario `scale`: payments at three sizes, loaded by bulketl: seconds grow with the rows, memory does not."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import catalogue, payments
from benchmarks.catalogue import Comparison
from benchmarks.measure import Measured, measure, median
from benchmarks.servers import LOADED, Servers, out, python

MILLIONS = (1, 5, 15)
# A row is some 250 bytes in InnoDB, 200 in Postgres, twice while it is staged and published, and as much of WAL.
DISK_PER_ROW = 1_000
SPARE = 5_000_000_000
MOST_GROWTH = 1.35  # seconds and memory per row at the largest size, beside the smallest
DATABASE = "bulketl_scale"


@dataclass(slots=True)
class Size:
    """The runs at one size."""

    rows: int
    runs: list[Measured] = field(default_factory=list)
    compared: Comparison = field(default_factory=Comparison)

    @property
    def seconds(self) -> float:
        """The median of the wall seconds."""
        return median([run.seconds for run in self.runs])

    @property
    def peak(self) -> int:
        """The most bytes of memory in any run."""
        return max(run.peak for run in self.runs)


@dataclass(slots=True)
class Scale:
    """All sizes; `missing`: why a size was not measured."""

    sizes: list[Size] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def exceeded(self) -> list[str]:
        """What is different, and whether the largest size takes more per row, or more memory, than it may."""
        found = [f"{size.rows:,} rows: {text}" for size in self.sizes for text in size.compared.different]
        if len(self.sizes) > 1:
            first, last = self.sizes[0], self.sizes[-1]
            growth = (last.seconds / last.rows) / (first.seconds / first.rows)
            if growth > MOST_GROWTH:
                found.append(f"{growth:.2f} times the seconds per row at {last.rows:,} rows; the limit is {MOST_GROWTH}")
            if last.peak / first.peak > MOST_GROWTH:
                text = f"{last.peak / first.peak:.2f} times the memory at {last.rows:,} rows; the limit is {MOST_GROWTH}"
                found.append(text)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        sizes = [{**asdict(size), "seconds": size.seconds, "peak": size.peak} for size in self.sizes]
        return {"scenario": "scale", "kind": "scale", "sizes": sizes, "missing": self.missing, "exceeded": self.exceeded}

    def show(self, out: Console) -> None:
        """Print a line per size."""
        table = Table(title="scale: payments", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for column in ("rows", "seconds", "rows/s", "CPU s own", "peak MB", "each run"):
            table.add_column(column, justify="right")
        for size in self.sizes:
            cpu = median([run.cpu for run in size.runs])
            each = " ".join(f"{run.seconds:.2f}" for run in size.runs)
            rate = round(size.rows / size.seconds)
            table.add_row(f"{size.rows:,}", f"{size.seconds:.2f}", f"{rate:,}", f"{cpu:.1f}", f"{size.peak / 1e6:.0f}", each)
        out.print(table)
        for text in self.missing:
            out.print(f"[dim]{text}[/]", highlight=False)
        for text in self.exceeded:
            out.print(f"[red]beyond the limit[/] {text}", highlight=False)
        out.print()


def run_scale(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Scale]:
    """Measure each size that the disk has room for; the runs of the largest are one."""
    if "scale" in options.done:
        out.print(f"scale: measured already, in {options.json}; --again measures it anew", highlight=False)
        return
    result = Scale()
    source = servers.database(DATABASE)
    try:
        for millions in MILLIONS:
            rows = round(millions * 1_000_000 * options.size)
            free = shutil.disk_usage(folder).free
            if free < (wanted := rows * DISK_PER_ROW + SPARE):
                text = f"{rows:,} rows: not measured, {free / 1e9:.0f} GB free in {folder.parent}, {wanted / 1e9:.0f} wanted"
                result.missing.append(text)
                continue
            out.print(f"scale: making {rows:,} rows", highlight=False)
            with servers.connect() as connection:
                payments.fill(connection, rows, DATABASE)
            size = Size(rows)
            for n in range(1 if millions == MILLIONS[-1] else min(options.runs, 2)):
                servers.without(LOADED)
                load = python(servers, "bulketl load", source, "bulketl", "load", "--schema", LOADED, "--json")
                size.runs.append(measure(load, folder, servers.processes))
                out.print(f"[dim]run {n + 1}, {rows:,} rows: {size.runs[-1].seconds:.2f} s[/]", highlight=False)
            size.compared = catalogue.compare(source, servers.target, LOADED)
            result.sizes.append(size)
    finally:
        servers.without(LOADED)
        with servers.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    yield result
