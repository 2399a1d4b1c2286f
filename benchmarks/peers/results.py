"""What was measured of one scenario, as values: shown on screen, written as JSON, read again for the tables and plots."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Measured, median
from benchmarks.peers.check import Check
from benchmarks.relay import Counted
from benchmarks.report import BULKETL

HEADINGS = (
    "seconds",
    "with the key",
    "of ours",
    "CPU s own",
    "MySQL",
    "Postgres",
    "peak MB",
    "bytes/row read",
    "written",
    "keyed",
)


@dataclass(slots=True)
class Result:
    """One contender: its runs, what it loaded, what went over the wire in the warm-up, or why there is nothing of that.

    `share`: it read one in so many rows, in the runs. `wire_rows`: the rows of the warm-up. `keying`: after each run, the
    primary keys that it had left out, made by `ALTER TABLE … ADD PRIMARY KEY`; nothing where it makes them itself.
    `note`: what else is to be said.
    """

    name: str
    settings: str
    version: str = ""
    share: int = 1
    floor: bool = False
    rows: int = 0
    runs: list[Measured] = field(default_factory=list)
    keying: list[Measured] = field(default_factory=list)
    source: Counted | None = None
    target: Counted | None = None
    wire_rows: int = 0
    check: Check | None = None
    absent: str = ""
    note: str = ""

    @property
    def seconds(self) -> float:
        """The median of the wall seconds."""
        return median([run.seconds for run in self.runs])

    @property
    def keyed_seconds(self) -> float:
        """The median of the wall seconds until the primary keys are there, whoever made them."""
        after = [one.seconds for one in self.keying] or [0.0] * len(self.runs)
        return median([run.seconds + key for run, key in zip(self.runs, after, strict=True)])

    @property
    def peak(self) -> int:
        """The most bytes of memory in any run."""
        return max(run.peak for run in self.runs)

    @property
    def cpu(self) -> list[float]:
        """Medians of CPU seconds: its own, MySQL's, Postgres's; the servers' only where they were started for the run."""
        return [median(several) for several in zip(*((run.cpu, *run.each) for run in self.runs), strict=True)]

    def wire(self) -> tuple[float, float] | None:
        """Bytes per row from MySQL and to Postgres, both directions of each; None when they were not counted."""
        if not self.wire_rows or not self.source or not self.target:
            return None
        return tuple((side.sent + side.received) / self.wire_rows for side in (self.source, self.target))  # type: ignore[return-value]


@dataclass(slots=True)
class PeerScenario:
    """One scenario: what it is, its rows and tables, and each contender's result, in the order they ran."""

    name: str
    what: str
    rows: int
    tables: int
    results: list[Result] = field(default_factory=list)

    @property
    def exceeded(self) -> list[str]:
        """What makes the run a failure: bulketl failed, or loaded something else."""
        ours = [result for result in self.results if result.name == BULKETL]
        found = [f"{self.name}: {result.absent}" for result in ours if result.absent]
        checks = [result.check for result in ours if result.check]
        return found + [f"{self.name}: {text}" for check in checks for text in check.different]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        plain = asdict(self)
        for result, there in zip(self.results, plain["results"], strict=True):
            if result.runs:
                there |= {"seconds": result.seconds, "keyed_seconds": result.keyed_seconds, "peak": result.peak}
        return {"scenario": f"peers {self.name}", "kind": "peers", **plain}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> PeerScenario:
        """Return what `to_json` made."""
        results = []
        for there in plain["results"]:
            values = {name: value for name, value in there.items() if name not in ("seconds", "keyed_seconds", "peak")}
            values["runs"] = [Measured(**{**run, "each": tuple(run["each"])}) for run in there["runs"]]
            values["keying"] = [Measured(**{**run, "each": tuple(run["each"])}) for run in there.get("keying", ())]
            for name, kind in (("source", Counted), ("target", Counted), ("check", Check)):
                values[name] = kind(**there[name]) if there[name] else None
            results.append(Result(**values))
        return cls(plain["name"], plain["what"], plain["rows"], plain["tables"], results)

    def show(self, out: Console) -> None:
        """Print a table of the contenders and what is to be said of each."""
        title = f"{self.name}: {self.what}, {self.tables} table{'s' * (self.tables != 1)}, {self.rows:,} rows"
        table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        table.add_column("contender")
        for column in HEADINGS:
            table.add_column(column, justify="right")
        table.add_column("each run")
        for result in self.results:
            table.add_row(*self.cells(result), style="bold" if result.name == BULKETL else "dim" if result.floor else "")
        out.print(table)
        for result in self.results:
            if text := self.said(result):
                out.print(f"[dim]{result.name}: {text}[/]", highlight=False)
        out.print()

    def cells(self, result: Result) -> list[str]:
        """Return a contender's row of the table."""
        name = f"{result.name}, 1 in {result.share} rows" if result.share > 1 else result.name
        if not result.runs:
            return [name, *["–"] * 11]
        cpu = [f"{seconds:.1f}" for seconds in result.cpu] + ["–"] * (3 - len(result.cpu))
        wire = [f"{number:,.0f}" for number in result.wire() or ()] or ["–", "–"]
        keyed = f"{result.check.keyed}" if result.check else "–"
        each = ", ".join(f"{run.seconds:.2f}" for run in result.runs)
        times = f"{result.seconds:.2f}", f"{result.keyed_seconds:.2f}", self.ratio(result)
        return [name, *times, *cpu, f"{result.peak / 1e6:.0f}", *wire, keyed, each]

    def ratio(self, result: Result) -> str:
        """Return a contender's seconds, its keys included, as a multiple of ours; none where it read other rows."""
        ours = next((one for one in self.results if one.name == BULKETL and one.runs), None)
        return f"{result.keyed_seconds / ours.keyed_seconds:.2f}" if ours and result.share == 1 else "–"

    def said(self, result: Result) -> str:
        """Return what is to be said of a contender: why it is not there, what it loaded otherwise."""
        parts = [text for text in (result.absent, result.note) if text]
        if not result.check:
            return "; ".join(parts)
        if result.check.different:
            parts.append(result.check.verdict)
        if result.check.types:
            few = ", ".join(kind.partition(".")[2] for kind in result.check.types[:4])
            several = len(result.check.types)
            parts.append(f"{several} column{'s' * (several > 1)} of another type than ours: {few}{', …' * (several > 4)}")
        return "; ".join(parts)
