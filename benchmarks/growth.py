"""The scenario `growth`: every way to write, compare and mend a table at three sizes; what a row costs stays the same.

Between the sizes lie factors of ten, so a statement that looks through a table row by row shows at once: the seconds that a
further row costs between the second and the third size may be half as many again as between the first and the second.
The pause before what differs is looked at again is left out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Contender, Measured, measure
from benchmarks.servers import LOADED, Servers, out, python

SIZES = (10_000, 100_000, 1_000_000)
MOST_GROWTH = 1.5  # of the seconds that a further row costs
MOST_BYTES = 400_000_000
DATABASE = "bulketl_growth"
FULL: dict[str, Any] = {"extraction_strategy": "full_table"}
CHANGED: dict[str, Any] = {"extraction_strategy": "incremental", "incremental_column": "at"}
CHUNKED: dict[str, Any] = {"extraction_strategy": "chunked_incremental", "incremental_column": "at"}
AUDIT: dict[str, Any] = {"table_importance": "audit"}
ANY = {"guard": "100%"}
LARGE = {"range": "n", "max": 1_000_000_000, "severity": "reject"}
# Of ten rows three are changed, one is gone and one is new.
CHANGES = (
    "UPDATE t SET c = CONCAT(c, '.'), at = '2025-01-01' WHERE id % 10 IN (1, 2, 3)",
    "DELETE FROM t WHERE id % 10 = 4",
    "INSERT INTO t SELECT id + 10000000, c, n, '2025-01-01' FROM t WHERE id % 10 = 5",
)
UNSTAMPED = ("UPDATE t SET c = CONCAT(c, '.') WHERE id % 10 IN (1, 2, 3)", "DELETE FROM t WHERE id % 10 = 4")
DUE = "UPDATE bulketl.state SET compared_at = compared_at - interval '25 hours'"
REFERENCE = f"CREATE TABLE {LOADED}.other (id int REFERENCES {LOADED}.t)"
TRIGGER = (
    f"CREATE FUNCTION {LOADED}.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    f"CREATE TRIGGER t BEFORE INSERT OR UPDATE ON {LOADED}.t FOR EACH ROW EXECUTE FUNCTION {LOADED}.f()",
)


@dataclass(frozen=True, slots=True)
class Way:
    """A way: its rule, what happens at the source and in the target after a first load, and the command then.

    Without `words` the first load itself is measured.
    """

    rule: dict[str, Any]
    words: tuple[str, ...] = ("load",)
    source: tuple[str, ...] = CHANGES
    target: tuple[str, ...] = ()
    key: str = "PRIMARY KEY"
    bad: int = 0  # of so many rows one is rejected at first
    differing: bool = False
    old: bool = False  # a tenth of the rows is old enough to leave


REFUSED = f"ALTER TABLE {LOADED}.t ADD CHECK (n < 0) NOT VALID"
MANY_REJECTS = {"max_rejects": "100%", "deletes": ANY}
RETAINED = {"retention": {"keep": "20y", "by": "at", "action": "archive"}}
WAYS: dict[str, Way] = {
    "create": Way(FULL, ()),
    "create keyless": Way(FULL, (), key=""),
    "create audit": Way({**FULL, **AUDIT}, ()),
    "swap": Way({**FULL, "deletes": ANY}),
    "refill": Way({**FULL, "deletes": ANY}, target=(f"CREATE INDEX ON {LOADED}.t (n)",)),
    "refill with a trigger": Way({**FULL, "deletes": ANY}, target=TRIGGER),
    "merge whole": Way({**FULL, "deletes": ANY}, target=(REFERENCE,)),
    "merge changes": Way(CHANGED),
    "merge with a trigger": Way(CHANGED, target=TRIGGER),
    "merge chunks": Way(CHUNKED),
    "mark whole": Way({**FULL, "deletes": {"policy": "mark", **ANY}}),
    "mark changes": Way({**CHANGED, "deletes": {"policy": "mark", "every": "1h", **ANY}}, target=(DUE,)),
    "mirror": Way({**CHANGED, "deletes": {"policy": "mirror", "every": "1h", **ANY}}, source=UNSTAMPED, target=(DUE,)),
    "audit whole": Way({**FULL, **AUDIT}),
    "audit changes": Way({**CHANGED, **AUDIT}),
    "audit keyless": Way({**FULL, **AUDIT}, key=""),
    "audit verify": Way({**FULL, **AUDIT}, ("audit", "verify"), ()),
    "retain": Way({**CHANGED, **RETAINED}, ("retention", "--folder", "archive"), (), old=True),
    "verify": Way(FULL, ("verify",), ()),
    "verify differing": Way(FULL, ("verify",), differing=True),
    "verify sums": Way(FULL, ("verify", "--level", "sums"), ()),
    "verify keyless": Way(FULL, ("verify",), (), key=""),
    "repair": Way({**FULL, "deletes": ANY}, ("verify", "--repair")),
    "all refused": Way({**FULL, **MANY_REJECTS}, target=(REFUSED,)),
    "changes refused": Way({**CHANGED, **MANY_REJECTS}, target=(REFUSED,)),
    "repair refused": Way({**FULL, **MANY_REJECTS}, ("verify", "--repair"), target=(REFUSED,), differing=True),
    "retry": Way(
        {**CHANGED, "max_rejects": "50%", "checks": [LARGE]},
        ("rejects", "retry"),
        ("UPDATE t SET n = 1 WHERE n > 1000000000",),
        bad=10,
    ),
}


@dataclass(slots=True)
class Grown:
    """What a way takes at each size."""

    name: str
    runs: dict[int, Measured] = field(default_factory=dict)

    @property
    def per_row(self) -> list[float]:
        """Seconds that each further row costs, from one size to the next."""
        sizes = sorted(self.runs)
        return [
            (self.runs[more].seconds - self.runs[less].seconds) / (more - less) for less, more in itertools.pairwise(sizes)
        ]

    @property
    def growth(self) -> float:
        """How much more a further row costs at last than at first; 0 where less than a tenth of a second lies between."""
        first, last = (self.per_row[0], self.per_row[-1]) if self.per_row else (0.0, 0.0)
        sizes = sorted(self.runs)
        return last / first if len(sizes) > 2 and first * (sizes[1] - sizes[0]) > 0.1 else 0.0

    @property
    def peak(self) -> int:
        """The most bytes of memory at any size."""
        return max(run.peak for run in self.runs.values())


@dataclass(slots=True)
class Growth:
    """All ways."""

    ways: list[Grown] = field(default_factory=list)

    @property
    def exceeded(self) -> list[str]:
        """What costs more per row at the largest size, or more memory, than it may."""
        found = [
            f"{way.name}: a further row costs {way.growth:.2f} times what it did; the limit is {MOST_GROWTH}"
            for way in self.ways
            if way.growth > MOST_GROWTH
        ]
        return found + [
            f"{way.name}: {way.peak / 1e6:.0f} MB of memory; the limit is {MOST_BYTES / 1e6:.0f}"
            for way in self.ways
            if way.peak > MOST_BYTES
        ]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        ways = [
            {"name": way.name, "growth": way.growth, "runs": {str(rows): asdict(run) for rows, run in way.runs.items()}}
            for way in self.ways
        ]
        return {"scenario": "growth", "kind": "growth", "ways": ways, "exceeded": self.exceeded}

    def show(self, out: Console) -> None:
        """Print a line per way."""
        sizes = sorted({rows for way in self.ways for rows in way.runs})
        table = Table(title="growth", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("way")
        for column in (*(f"s, {rows:,}" for rows in sizes), "µs/row first", "last", "times", "peak MB"):
            table.add_column(column, justify="right")
        for way in self.ways:
            table.add_row(*cells(way))
        out.print(table)
        for text in self.exceeded:
            out.print(f"[red]beyond the limit[/] {text}", highlight=False)
        out.print()


def cells(way: Grown) -> list[str]:
    """Return a way's line: its name, seconds at each size, microseconds per further row, their ratio, the peak in MB."""
    seconds = [f"{way.runs[rows].seconds:.2f}" for rows in sorted(way.runs)]
    rows = [f"{way.per_row[n] * 1e6:.1f}" for n in (0, -1)] if way.per_row else ["", ""]
    return [way.name, *seconds, *rows, f"{way.growth:.2f}" if way.growth else "–", f"{way.peak / 1e6:.0f}"]


def run_growth(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Growth]:
    """Measure each way at each size, once; `--only` names some of them."""
    result = Growth()
    try:
        for name, way in WAYS.items():
            if options.only and name not in options.only:
                continue
            grown = Grown(name)
            for rows in (round(size * options.size) for size in SIZES):
                grown.runs[rows] = _measured(servers, way, rows, folder)
                run = grown.runs[rows]
                out.print(f"[dim]{name}, {rows:,} rows: {run.seconds:.2f} s, {run.peak / 1e6:.0f} MB[/]", highlight=False)
            result.ways.append(grown)
    finally:
        servers.without(LOADED)
        with servers.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    yield result


def _measured(servers: Servers, way: Way, rows: int, folder: Path) -> Measured:
    source = servers.database(DATABASE)
    servers.without(LOADED, "bulketl", "bulketl_staging")
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "tables.yaml").write_text(json.dumps({"source_tables": {"t": way.rule}}), encoding="utf-8")
    _filled(servers, way, rows)
    load = python(servers, "bulketl load", source, "bulketl", "load", "--schema", LOADED, "--json")
    first = measure(load, folder, servers.processes)
    if not way.words:
        return first
    _changed(servers, way.source)
    servers.execute(*way.target)
    asked = python(servers, " ".join(way.words), source, "benchmarks.unpaused", *way.words, "--schema", LOADED)
    if way.differing:  # which verify says with 1
        (command,) = asked.commands
        asked = Contender(asked.name, (("sh", "-c", f"{shlex.join(command)} || [ $? -eq 1 ]"),), asked.environ)
    return measure(asked, folder, servers.processes)


def _filled(servers: Servers, way: Way, rows: int) -> None:
    bad = f"IF(a.id % {way.bad} = 0, 2000000000, a.id)" if way.bad else "a.id"
    old = "IF(a.id % 10 = 1, '1999-01-01', '2024-01-01')" if way.old else "'2024-01-01'"
    digits = " UNION ALL ".join(f"SELECT {n} AS d" for n in range(10))
    places = ", ".join(f"({digits}) d{n}" for n in range(len(str(rows - 1))))
    number = " + ".join(f"d{n}.d * {10**n}" for n in range(len(str(rows - 1))))
    with servers.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        cursor.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {DATABASE}")
        cursor.execute(f"CREATE TABLE t (id int {way.key}, c varchar(60), n int, at datetime(0), KEY (at))")
        cursor.execute(
            f"INSERT INTO t SELECT a.id, CONCAT('a row with some words in it, ', a.id), {bad}, {old}"
            f" FROM (SELECT {number} + 1 AS id FROM {places}) a WHERE a.id <= {rows} ORDER BY a.id"
        )
        connection.commit()


def _changed(servers: Servers, statements: tuple[str, ...]) -> None:
    with servers.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"USE {DATABASE}")
        for statement in statements:
            cursor.execute(statement)
        connection.commit()
