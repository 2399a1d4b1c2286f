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
from typing import Any, NamedTuple

import psycopg
import staged
from dashboards import NOBODY, config_of, pages, role
from lab import Lab

from benchmarks import seeded
from bulketl.config.config import Config
from bulketl.operations.alerts.causes import Cause
from bulketl.operations.alerts.ledgerbook import LedgerBook
from bulketl.operations.alerts.machine import Acknowledged, Raised
from bulketl.operations.dashboard.site import Clock
from bulketl.operations.reports import rendering
from bulketl.operations.reports.compliance import Compliance
from bulketl.operations.reports.daily import daily
from bulketl.operations.reports.incident import incident
from bulketl.operations.reports.period import ReportPeriod
from bulketl.operations.reports.run import run_report
from bulketl.operations.reports.weekly import weekly
from bulketl.postgres.ledger import schema
from bulketl.postgres.ledger.incidents import Member
from bulketl.postgres.locks import held
from bulketl.postgres.server import Postgres

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
    "capacity": "/capacity",
}
LIVE, AUDIT = "live", "compliance"  # pictures of what is under way now, and of a report that asks both servers
# Reports, each made of a ledger.
REPORTS: Mapping[str, Callable[[Config], Any]] = {
    "daily": lambda config: daily(config, now=NOW),
    "run": lambda config: run_report(config, now=NOW),
    "incident": lambda config: incident(config, now=NOW, keep=False),
    "weekly": lambda config: weekly(config, ReportPeriod(NOW - dt.timedelta(days=7), NOW, NOW)),
}


class Stage(NamedTuple):
    """What is pictured: a ledger, and one with a run under way, each as the role of the dashboard has it; a report.

    `other`: the second ledger as its owner has it, who tells it what happens.
    """

    reader: str
    live: str
    other: str
    audit: Compliance


@contextmanager
def stage(target: str, lab: Lab) -> Iterator[Stage]:
    """Fill an empty database, and another one, with ledgers of 140 tables and 40 nights; load audit tables of the lab."""
    before = dt.datetime.now(dt.UTC) - dt.timedelta(hours=23)
    with (
        staged.database(target) as other, _ledger(target, UNTIL) as reader, _ledger(other, before) as live,
        held(Postgres(other), staged.RUN, seeded.SOURCE, seeded.SCHEMA, ()),
    ):  # fmt: skip
        yield Stage(reader, live, other, staged.audited(lab))


@contextmanager
def _ledger(target: str, until: dt.datetime) -> Iterator[str]:
    with psycopg.connect(target, autocommit=True) as connection:
        seeded.seed(connection, until, tables=140, nights=40)
        for number, name in NAMES.items():
            for table in ("table_load", "published", "partition", "state", "measure"):
                connection.execute(
                    f"UPDATE bulketl.{table} SET table_name = %s WHERE table_name = %s", (name, f"table_{number:03}")
                )
        for number, name in NAMES.items():
            connection.execute(
                "UPDATE bulketl.event SET body = replace(body::text, %s, %s)::jsonb", (f"table_{number:03}", name)
            )
        _slower(connection, NAMES[11])
        _compared(connection, NAMES[4])
        _alert(connection)
        schema.create(connection, seeded.SCHEMA)
    with role(target) as reader:
        yield reader


def _slower(connection: psycopg.Connection, table: str) -> None:
    """Have a table take 0.3 seconds longer each night."""
    nights = "0.3 * (40 - extract(day FROM (SELECT max(started_at) FROM bulketl.run) - r.started_at))"
    connection.execute(
        f"UPDATE bulketl.table_load t SET seconds = 5 + {nights} FROM bulketl.run r WHERE r.run = t.run"
        " AND t.table_name = %s".encode(),
        (table,),
    )


def _compared(connection: psycopg.Connection, table: str) -> None:
    """Have a table compared with its source each night, which takes seven minutes and finds nothing."""
    connection.execute(
        "INSERT INTO bulketl.compared (run, schema_name, table_name, missing, differing, gone, deletes)"
        " SELECT run, schema_name, %(table)s, 0, 0, 0, 'mirror' FROM bulketl.run",
        {"table": table},
    )
    connection.execute("UPDATE bulketl.event SET seq = seq + 1 WHERE kind = 'run_ended'")
    connection.execute(
        "INSERT INTO bulketl.event (run, seq, at, kind, body) SELECT run, e.seq - 1, finished_at - interval '1 minute',"
        " 'table_compared', jsonb_build_object('table', %(table)s::text, 'missing', 0, 'differing', 0, 'gone', 0,"
        " 'deletes', 'mirror', 'seconds', 420) FROM bulketl.run JOIN bulketl.event e USING (run)"
        " WHERE e.kind = 'run_ended'",
        {"table": table},
    )


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


def told(stage: Stage) -> dict[str, str]:
    """Return the HTML of each page and report."""
    config = config_of(stage.reader)
    with pages(config, lambda: NOW) as site:
        found = {name: site.get(path).text for name, path in PAGES.items()}
    for name, make in REPORTS.items():
        found[name] = rendering.page(config, name, _of_no_machine(make(config)))
    staged.begin(stage.other)
    with pages(config_of(stage.live)) as site:
        found[LIVE] = site.get("/run").text
    lab = re.compile(rf"mysql://[^<]*/{stage.audit.schema}|{stage.audit.schema}")
    found[AUDIT] = lab.sub(
        lambda one: seeded.SOURCE if "/" in one[0] else "raw",
        rendering.page(config, AUDIT, _of_no_machine(stage.audit)),
    )
    return found


def _of_no_machine(report: Any) -> Any:
    """Return a report as made on a machine and by a person that are the same everywhere."""
    same = {"host": "etl", "by": "ann@etl", "version": "0.1.0", "made": NOW}
    return dataclasses.replace(report, **{key: one for key, one in same.items() if hasattr(report, key)})


_NEVER_THE_SAME = re.compile(
    r"\b[0-9a-f]{12,}\b"
    r"|~?(?:[a-z0-9]*\d[\d,.:T+Z-]*(?:[ \N{NO-BREAK SPACE}](?:d|h|min|s|[kMG]?B)\b)?[ \N{NO-BREAK SPACE}]?)+"
    r"|(?<=>)–(?=<)"
)


def digests(found: Mapping[str, str]) -> dict[str, str]:
    """Return of each page the SHA-256 of what it says and looks like.

    Without how far its script has read, which is not seen, and the charts of the weekly report, which each version of
    matplotlib draws a little otherwise.
    """
    style = rendering.STYLE.read_text(encoding="utf-8")
    seen = {name: re.sub(r' data-(mark|after)="[^"]*"', "", html) for name, html in found.items()}
    for name in (LIVE, AUDIT):  # whose times, speeds, hashes and names of runs are never the same
        seen[name] = _NEVER_THE_SAME.sub("0", seen[name])
    seen["weekly"] = re.sub(r"<svg\b.*?</svg>", "", seen["weekly"], flags=re.DOTALL)
    return {name: hashlib.sha256(f"{style}{html}".encode()).hexdigest() for name, html in seen.items()}


def kept() -> dict[str, str]:
    """Return the digests of the pages as they were when the pictures were taken."""
    found: dict[str, str] = json.loads(SAID.read_text(encoding="utf-8"))
    return found


def take(stage: Stage) -> None:
    """Take every picture with Chromium, and write down what was on it."""
    from browser import chromium

    FOLDER.mkdir(exist_ok=True)
    found = told(stage)
    with chromium() as browser, _served(stage.reader, lambda: NOW) as url, _served(stage.live) as live:
        for name in found:
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            if name in PAGES:
                page.goto(f"{url}{PAGES[name]}")
            elif name == LIVE:
                staged.begin(stage.other)
                page.goto(f"{live}/run")
            else:
                page.set_content(found[name])
            page.wait_for_timeout(300)
            page.screenshot(path=str(FOLDER / f"{name}.png"))
            page.close()
    SAID.write_text(json.dumps(digests(found), indent=2) + "\n", encoding="utf-8")


@contextmanager
def _served(reader: str, clock: Clock | None = None) -> Iterator[str]:
    """Serve the dashboard, as of a moment where a clock gives one."""
    import uvicorn

    from bulketl.operations.dashboard.doors import HERE, Doors
    from bulketl.operations.dashboard.site import Site

    doors = Doors(HERE, "no token that anybody has", False)
    site = Site(config_of(reader), doors, clock) if clock else Site(config_of(reader), doors)
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
