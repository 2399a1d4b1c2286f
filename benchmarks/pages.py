"""The scenario `pages`: what the dashboard's pages and the reports cost on a year of nights.

The ledger has 432 tables and 365 nights, seeded by SQL. Every page of the dashboard is answered within 300 ms, over HTTP on
this machine, and painted first within a second where Chromium and Playwright are there. A report is made within five
seconds, by a process of its own, and has at most 500 kB. Fifty browsers that follow a run under way cost the ledger one
look a second together.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Contender, ContenderError, measure, median
from benchmarks.seeded import SCHEMA, SOURCE, seed
from benchmarks.servers import Servers, out, python

PAGES = (
    "/", "/tables", "/tables?tier=reference", "/table?name=table_000", "/table?name=table_007", "/run", "/runs", "/alerts",
    "/reports", "/capacity", "/run?name={run}&record=1",
)  # fmt: skip
REPORTS = ("daily", "weekly", "incident", "run")
MOST_PAGE, MOST_PAINT, MOST_REPORT = 0.3, 1.0, 5.0  # seconds
MOST_BYTES = 500_000
BROWSERS, WATCHED = 50, 30.0  # that follow a run, and for how many seconds
MOST_LOOKS = 1.2  # statements a second of all of them
UNDER_WAY = "20991231-235959-live"


@dataclass(slots=True)
class Pages:
    """What was measured: seconds of each page, also the first time, and to its first paint; seconds and bytes of reports.

    And what browsers that follow a run cost.
    """

    pages: dict[str, list[float]] = field(default_factory=dict)
    paints: dict[str, list[float]] = field(default_factory=dict)
    reports: dict[str, list[float]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    looks: float = 0.0  # statements a second that BROWSERS cost the ledger
    frames: int = 0  # that each of them was sent at least

    @property
    def exceeded(self) -> list[str]:
        """Which page is once answered too late, which is painted or made too late by the medians, which is too large."""
        worst = {name: [max(runs)] for name, runs in self.pages.items()}
        limits = (
            (worst, MOST_PAGE, "answered"),
            (self.paints, MOST_PAINT, "painted"),
            (self.reports, MOST_REPORT, "made"),
        )
        slow = [
            f"{name} is {what} in {median(runs):.3f} s; the limit is {most}"
            for found, most, what in limits for name, runs in found.items() if median(runs) > most
        ]  # fmt: skip
        slow += [f"{name} has {size:,} bytes" for name, size in self.sizes.items() if size > MOST_BYTES]
        if self.looks > MOST_LOOKS or self.frames < WATCHED / 2:
            slow.append(f"{BROWSERS} browsers cost {self.looks:.2f} looks a second, for {self.frames} frames each")
        return slow

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"scenario": "pages", **asdict(self), "exceeded": self.exceeded}

    def show(self, out: Console) -> None:
        """Print a line for each page and report."""
        table = Table("page", title="A ledger of 432 tables and 365 nights", title_justify="left")
        for heading in ("answered, s", "slowest, s", "first paint, s", "bytes"):
            table.add_column(heading, justify="right")
        for name, runs in self.pages.items():
            paint = f"{median(self.paints[name]):.3f}" if name in self.paints else "not measured"
            table.add_row(name, f"{median(runs):.3f}", f"{max(runs):.3f}", paint, "")
        for name, runs in self.reports.items():
            table.add_row(f"report {name}", f"{median(runs):.3f}", f"{max(runs):.3f}", "", f"{self.sizes[name]:,}")
        out.print(table)
        said = f"{BROWSERS} browsers on a run under way: {self.looks:.2f} statements a second to the ledger"
        out.print(f"{said}, {self.frames} frames for each in {WATCHED:g} s", highlight=False)
        for text in self.exceeded:
            out.print(f"[red]exceeded[/] {text}", highlight=False)


def run_pages(servers: Servers, options: argparse.Namespace, folder: Path) -> Iterator[Pages]:
    """Seed a ledger, ask for every page, and make every report. On servers of its own."""
    if not servers.processes:
        out.print("pages: skipped, because it fills the ledger, and yours is there", highlight=False)
        return
    out.print("pages: seeding 365 nights", highlight=False)
    with psycopg.connect(servers.target, autocommit=True) as connection:
        seed(connection, dt.datetime.now(dt.UTC) - dt.timedelta(hours=1))
        ((run,),) = connection.execute("SELECT max(run) FROM bulketl.run").fetchall()
    found, paths = Pages(), [path.format(run=run) for path in PAGES]
    with _served(servers) as url:
        for _ in range(options.runs + 1):
            for path in paths:
                began = time.monotonic()
                with urllib.request.urlopen(f"{url}{path}") as answer:
                    answer.read()
                found.pages.setdefault(path, []).append(time.monotonic() - began)
        found.paints = _paints(url, paths, options.runs)
        found.looks, found.frames = _followed(servers, url)
    for name in REPORTS:
        file = folder / f"{name}.html"
        words = ("bulketl", "report", name, "--html", str(file))
        one = python(servers, name, servers.database("mysql"), *words)
        quiet = (
            "sh",
            "-c",
            '"$@"; test $? -le 3',
            "sh",
            *one.commands[0],
        )  # a report on what failed says so by its exit code
        made = Contender(name, (quiet,), {**one.environ, "BULKETL_SCHEMA": SCHEMA, "PATH": os.environ["PATH"]})
        found.reports[name] = [measure(made, folder).seconds for _ in range(options.runs)]
        found.sizes[name] = file.stat().st_size
    yield found


@contextlib.contextmanager
def _served(servers: Servers) -> Iterator[str]:
    """Run the dashboard as a person does; give the beginning of its addresses."""
    one = python(servers, "dashboard", "", "bulketl", "dashboard", "--port", "0")
    environ = {**os.environ, **one.environ, "BULKETL_SCHEMA": SCHEMA}
    process = subprocess.Popen(one.commands[0], env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        address = re.search(r"http://\S+:\d+", line)
        if address is None:
            raise ContenderError(f"the dashboard does not serve: {line}")
        yield address[0]
    finally:
        process.terminate()
        process.wait()


def _followed(servers: Servers, url: str) -> tuple[float, int]:
    """Have BROWSERS follow a run that is told of once a second; return the statements a second, and the fewest frames."""
    frames = [0] * BROWSERS

    def follow(n: int) -> None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/live", timeout=2 * WATCHED) as answer:
            for line in answer:
                frames[n] += line.startswith(b"event: frame")
                if over.is_set():
                    return

    over = threading.Event()
    with psycopg.connect(servers.target, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO bulketl.run (run, kind, host, source, schema_name, zone, plan, document, version, started_at)"
            " VALUES (%s, 'load', 'etl', %s, %s, '', '', '{}', '0.1.0', clock_timestamp())",
            (UNDER_WAY, SOURCE, SCHEMA),
        )
        _tell(connection, 1, "run_started", {"source": SOURCE, "schema": SCHEMA, "zone": "", "kind": "load",
                                             "tables": {"table_000": [100_000, "critical"]}})  # fmt: skip
        _tell(connection, 2, "table_started", {"table": "table_000"})
        watching = [threading.Thread(target=follow, args=(n,), daemon=True) for n in range(BROWSERS)]
        for one in watching:
            one.start()
        for n in range(5):  # until all are there
            _tell(connection, 3 + n, "partition_loaded", _range(n))
            time.sleep(1)
        with _statements(servers.target, connection.info.backend_pid) as asked:
            began, told, seen = time.monotonic(), 0, list(frames)
            while time.monotonic() - began < WATCHED:
                _tell(connection, 8 + told, "partition_loaded", _range(5 + told))
                told += 1
                time.sleep(1)
            took = time.monotonic() - began
        over.set()
    return len(asked) / took, min(now - then for now, then in zip(frames, seen, strict=True))


@contextlib.contextmanager
def _statements(target: str, mine: int) -> Iterator[set[tuple[int, dt.datetime]]]:
    """Give a set that is filled with every statement of others meanwhile, each by its session and when it began.

    Sessions are looked at a hundred times a second: two statements of one within that count once.
    """
    found: set[tuple[int, dt.datetime]] = set()
    over = threading.Event()

    def look() -> None:
        with psycopg.connect(target, autocommit=True) as connection:
            own = [mine, connection.info.backend_pid]
            asked = (
                "SELECT pid, query_start FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_type = 'client backend' AND NOT pid = ANY(%s) AND query_start > %s"
            )
            ((began,),) = connection.execute("SELECT clock_timestamp()").fetchall()
            while not over.wait(0.01):
                found.update(connection.execute(asked, (own, began)).fetchall())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _range(number: int) -> dict[str, Any]:
    return {"table": "table_000", "partition": number, "rows": 1000, "rejects": 0, "bytes": 90_000, "seconds": 1.0}


def _tell(connection: psycopg.Connection, seq: int, kind: str, body: dict[str, Any]) -> None:
    connection.execute(
        "INSERT INTO bulketl.event (run, seq, at, kind, body) VALUES (%s, %s, clock_timestamp(), %s, %s)",
        (UNDER_WAY, seq, kind, json.dumps(body)),
    )


def _paints(url: str, paths: Sequence[str], runs: int) -> dict[str, list[float]]:
    """Return for each page the seconds until something is painted, by a browser that has nothing in its cache."""
    program = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        out.print("first paints are not measured: chromium or playwright is not on this machine", highlight=False)
        return {}
    found: dict[str, list[float]] = {}
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for path in [path for path in paths for _ in range(runs)]:
            context = browser.new_context(bypass_csp=True)  # which allows no evaluation
            page = context.new_page()
            page.goto(f"{url}{path}")
            page.wait_for_function(f"{paint} !== undefined")
            found.setdefault(path, []).append(float(page.evaluate(paint)) / 1000)
            context.close()
        browser.close()
    return found
