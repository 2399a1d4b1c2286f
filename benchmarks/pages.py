"""The scenario `pages`: what the dashboard's pages and the reports cost on a year of nights.

The ledger has 432 tables and 365 nights, seeded by SQL. Every page of the dashboard is answered within 300 ms, over HTTP on
this machine, and painted first within a second where Chromium and Playwright are there. A report is made within five
seconds, by a process of its own, and has at most 500 kB.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import re
import shutil
import subprocess
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
from benchmarks.seeded import SCHEMA, seed
from benchmarks.servers import Servers, out, python

PAGES = (
    "/", "/tables", "/tables?tier=reference", "/table?name=table_000", "/table?name=table_007", "/run", "/runs", "/alerts",
    "/reports", "/capacity", "/run?name={run}&record=1",
)  # fmt: skip
REPORTS = ("daily", "weekly", "incident", "run")
MOST_PAGE, MOST_PAINT, MOST_REPORT = 0.3, 1.0, 5.0  # seconds
MOST_BYTES = 500_000


@dataclass(slots=True)
class Pages:
    """What was measured: seconds of each page, also the first time, and to its first paint; seconds and bytes of reports."""

    pages: dict[str, list[float]] = field(default_factory=dict)
    paints: dict[str, list[float]] = field(default_factory=dict)
    reports: dict[str, list[float]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

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
        return slow + [f"{name} has {size:,} bytes" for name, size in self.sizes.items() if size > MOST_BYTES]

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
