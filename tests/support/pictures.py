"""The pictures in README and docs: pages over a seeded ledger, as of a fixed moment, so that each is the same every time.

`nox -s pictures` takes them, and writes beside them what each page said. A test makes the pages again, and fails when one
says or looks otherwise: then the pictures are to be taken anew.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from dashboards import NOBODY, config_of, pages, role

from benchmarks import seeded
from bulketl.config.config import Config
from bulketl.operations.alerts.causes import Cause
from bulketl.operations.alerts.ledgerbook import LedgerBook
from bulketl.operations.alerts.machine import Acknowledged, Raised
from bulketl.operations.reports import rendering
from bulketl.operations.reports.daily import daily
from bulketl.operations.reports.incident import incident
from bulketl.operations.reports.period import ReportPeriod
from bulketl.operations.reports.weekly import weekly
from bulketl.postgres.ledger import schema
from bulketl.postgres.ledger.incidents import Member

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
SAID = FOLDER / "pictures.json"
UNTIL = dt.datetime(2026, 11, 27, 2, 25, tzinfo=dt.UTC)
NOW = UNTIL + dt.timedelta(hours=4)
NAMES = {
    0: "payment", 1: "visit", 2: "invoice", 3: "insurance_claim", 4: "patient", 5: "appointment", 6: "treatment",
    7: "claim_line", 8: "prescription", 9: "recall", 10: "provider", 11: "ledger_entry", 20: "fee", 21: "fee_schedule",
    40: "referral", 130: "zip_code",
}  # fmt: skip
WIDTH, HEIGHT = 1200, 900
PAGES = {  # of the dashboard, by the name of the picture
    "overview": "/",
    "table": f"/table?name={NAMES[3]}",
    "alerts": "/alerts",
}
# Reports, each made of a ledger.
REPORTS: Mapping[str, Callable[[Config], Any]] = {
    "daily": lambda config: daily(config, now=NOW),
    "incident": lambda config: incident(config, now=NOW, keep=False),
    "weekly": lambda config: weekly(config, ReportPeriod(NOW - dt.timedelta(days=7), NOW, NOW)),
}


@contextmanager
def ledger(target: str) -> Iterator[str]:
    """Fill an empty database with the ledger of 140 tables and 40 nights; give it as the role of the dashboard has it."""
    with psycopg.connect(target, autocommit=True) as connection:
        seeded.seed(connection, UNTIL, tables=140, nights=40)
        for number, name in NAMES.items():
            for table in ("table_load", "published", "partition", "state", "measure"):
                connection.execute(
                    f"UPDATE bulketl.{table} SET table_name = %s WHERE table_name = %s", (name, f"table_{number:03}")
                )
        for number, name in NAMES.items():
            connection.execute(
                "UPDATE bulketl.event SET body = replace(body::text, %s, %s)::jsonb", (f"table_{number:03}", name)
            )
        _alert(connection)
        schema.create(connection, seeded.SCHEMA)
    with role(target) as reader:
        yield reader


def _alert(connection: psycopg.Connection) -> None:
    """Open an alert on what failed, and one that somebody has taken on."""
    book = LedgerBook(connection, seeded.SCHEMA, NOBODY)
    ((run,),) = connection.execute("SELECT max(run) FROM bulketl.run").fetchall()
    failed = Cause(seeded.SCHEMA, run, "source", "table_failed", "DataError").blank("critical", UNTIL)
    said = Member("critical", "10 rows rejected, and max_rejects is 0", "correct them at the source", UNTIL)
    book.change(failed, Raised({NAMES[7]: said, NAMES[130]: said}), UNTIL)
    rejects = Cause(seeded.SCHEMA, run, "source", "rejects", "DataError").blank("critical", UNTIL)
    book.change(rejects, Raised({NAMES[40]: Member("important", "3 rows rejected", said.hint, UNTIL)}), UNTIL)
    book.change(rejects, Acknowledged("maria", dt.timedelta(days=1)), UNTIL + dt.timedelta(minutes=12))


def told(reader: str) -> dict[str, str]:
    """Return the HTML of each page and report."""
    config = config_of(reader)
    with pages(config, lambda: NOW) as site:
        found = {name: site.get(path).text for name, path in PAGES.items()}
    for name, make in REPORTS.items():
        found[name] = rendering.page(config, name, _of_no_machine(make(config)))
    return found


def _of_no_machine(report: Any) -> Any:
    """Return a report as made on a machine and by a person that are the same everywhere."""
    same = {"host": "etl", "by": "ann@etl", "version": "0.1.0", "made": NOW}
    return dataclasses.replace(report, **{key: one for key, one in same.items() if hasattr(report, key)})


def digests(found: Mapping[str, str]) -> dict[str, str]:
    """Return of each page the SHA-256 of what it says and looks like.

    Without how far its script has read, which is not seen, and the charts of the weekly report, which each version of
    matplotlib draws a little otherwise.
    """
    style = rendering.STYLE.read_text(encoding="utf-8")
    seen = {name: re.sub(r' data-(mark|after)="[^"]*"', "", html) for name, html in found.items()}
    seen["weekly"] = re.sub(r"<svg\b.*?</svg>", "", seen["weekly"], flags=re.DOTALL)
    return {name: hashlib.sha256(f"{style}{html}".encode()).hexdigest() for name, html in seen.items()}


def kept() -> dict[str, str]:
    """Return the digests of the pages as they were when the pictures were taken."""
    found: dict[str, str] = json.loads(SAID.read_text(encoding="utf-8"))
    return found


def take(reader: str) -> None:
    """Take every picture with Chromium, and write down what was on it."""
    from browser import chromium

    FOLDER.mkdir(exist_ok=True)
    found = told(reader)
    with chromium() as browser, _served(reader) as url:
        for name in found:
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            if name in PAGES:
                page.goto(f"{url}{PAGES[name]}")
            else:
                page.set_content(found[name])
            page.wait_for_timeout(300)
            page.screenshot(path=str(FOLDER / f"{name}.png"))
            page.close()
    SAID.write_text(json.dumps(digests(found), indent=2) + "\n", encoding="utf-8")


@contextmanager
def _served(reader: str) -> Iterator[str]:
    """Serve the dashboard as of the fixed moment."""
    import uvicorn

    from bulketl.operations.dashboard.doors import HERE, Doors
    from bulketl.operations.dashboard.site import Site

    site = Site(config_of(reader), Doors(HERE, "no token that anybody has", False), lambda: NOW)
    server = uvicorn.Server(uvicorn.Config(site.app(), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.05)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
