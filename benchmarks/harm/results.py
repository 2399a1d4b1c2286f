"""What a load did to its source, as values: judged against the limits, shown on screen, written as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.report import BULKETL

IDLE, BESIDE = "no load", "DuckDB"
WRITES = "large, writes"
MOST_WAIT = 0.1  # seconds that the longest wait of a writer may be longer than without load
MOST_AMPLIFICATION = 1.3


@dataclass(frozen=True, slots=True)
class Waits:
    """How long the requests of one group took from the moment they were due, in milliseconds."""

    requests: int
    median: float
    p95: float
    p99: float
    longest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Waits:
        """Return the figures of some requests, of which there is one at least."""
        ordered = sorted(seconds)
        shares = (ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] for share in (0.5, 0.95, 0.99, 1.0))
        return cls(len(ordered), *(round(value * 1000, 2) for value in shares))

    def shown(self) -> str:
        """Return it as one cell."""
        values = (self.median, self.p95, self.p99, self.longest)
        return " / ".join(f"{value:.1f}" if value < 10 else f"{value:,.0f}" for value in values)


@dataclass(frozen=True, slots=True)
class Did:
    """What one load made the source do: its seconds, rows loaded, and what the server counted beside the clinic.

    `rows_read`: rows that storage engines handed out. `waits`: statements, of anybody, that waited for a lock. `statement`
    and `snapshot`: the longest of its own, in seconds.
    """

    seconds: float
    rows: int
    rows_read: int
    bytes_sent: int
    waits: int
    statement: float
    snapshot: float
    text: str


@dataclass(slots=True)
class Harm:
    """One contender: its runs, and what the clinic's requests took in all of them; `absent` says why there are none."""

    name: str
    version: str = ""
    absent: str = ""
    runs: list[Did] = field(default_factory=list)
    took: dict[str, list[float]] = field(default_factory=dict)

    @property
    def waits(self) -> dict[str, Waits]:
        """The figures of each group of requests."""
        return {group: Waits.of(seconds) for group, seconds in self.took.items() if seconds}

    @property
    def amplification(self) -> float:
        """Rows that the server read per row loaded."""
        return sum(run.rows_read for run in self.runs) / max(1, sum(run.rows for run in self.runs))


@dataclass(slots=True)
class HarmScenario:
    """All contenders on a table of one engine."""

    engine: str
    rows: int
    results: list[Harm] = field(default_factory=list)

    @property
    def exceeded(self) -> list[str]:
        """What bulketl does to the source beyond the limits."""
        by_name = {result.name: result for result in self.results if result.took}
        ours, idle, beside = by_name.get(BULKETL), by_name.get(IDLE), by_name.get(BESIDE)
        if not (ours and idle):
            return [f"{self.engine}: not measured"]
        found = []
        for group in (group for group in ours.waits if group.endswith("writes")):
            longer = ours.waits[group].longest - idle.waits[group].longest
            if longer > MOST_WAIT * 1000:
                found.append(
                    f"{self.engine}, {group}: waited up to {longer:.0f} ms longer; the limit is {MOST_WAIT * 1000:.0f}"
                )
        if ours.amplification > MOST_AMPLIFICATION:
            found.append(
                f"{self.engine}: {ours.amplification:.2f} rows read per row loaded; the limit is {MOST_AMPLIFICATION}"
            )
        if beside and ours.waits[WRITES].p95 > beside.waits[WRITES].p95:
            p95 = f"{ours.waits[WRITES].p95:.1f} ms, under {BESIDE} {beside.waits[WRITES].p95:.1f}"
            found.append(f"{self.engine}: of a hundred writes 95 took up to {p95}")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        contenders = [
            {
                "name": result.name,
                "version": result.version,
                "absent": result.absent,
                "amplification": round(result.amplification, 3),
                "runs": [asdict(run) for run in result.runs],
                "milliseconds": {group: asdict(waits) for group, waits in result.waits.items()},
            }
            for result in self.results
        ]
        return {
            "scenario": f"harm {self.engine}",
            "kind": "harm",
            "rows": self.rows,
            "contenders": contenders,
            "exceeded": self.exceeded,
        }

    def show(self, out: Console) -> None:
        """Print what the clinic waited for, then what the server did."""
        groups = sorted({group for result in self.results for group in result.took})
        title = f"harm, {self.engine}, {self.rows:,} rows: median / p95 / p99 / longest of the clinic's requests, ms"
        table = _table(title, *groups)
        for result in self.results:
            waits = result.waits
            cells = [waits[group].shown() if group in waits else "–" for group in groups] if waits else [result.absent]
            table.add_row(result.name, *cells, style="bold" if result.name == BULKETL else "")
        out.print(table)
        table = _table("what the source did for it", *HEADINGS)
        for result in self.results:
            if result.runs:
                table.add_row(result.name, *cells_of(result), style="bold" if result.name == BULKETL else "")
        out.print(table)
        for text in self.exceeded:
            out.print(f"[red]beyond the limit[/] {text}", highlight=False)
        out.print()


HEADINGS = ("seconds", "lock waits", "longest statement s", "longest snapshot s", "rows read per row", "MB sent")


def cells_of(result: Harm) -> list[str]:
    """Return what a contender's runs made the source do, as the cells of HEADINGS: the means, and the longest."""
    runs = result.runs

    def mean(name: str) -> float:
        return float(sum(getattr(run, name) for run in runs)) / len(runs)

    statement, snapshot = max(run.statement for run in runs), max(run.snapshot for run in runs)
    read = f"{result.amplification:.2f}" if any(run.rows for run in runs) else "–"
    return [
        f"{mean('seconds'):.1f}",
        f"{mean('waits'):,.0f}",
        f"{statement:.2f}",
        f"{snapshot:.1f}",
        read,
        f"{mean('bytes_sent') / 1e6:,.0f}",
    ]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("contender")
    for column in columns:
        table.add_column(column, justify="right")
    return table
