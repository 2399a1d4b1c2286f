"""Every report over a ledger that is empty, locked, hostile, full of events, left by a dead driver, or of two sources."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from dashboards import config_of
from lab import execute

import bulketl
from benchmarks import seeded
from bulketl.config.config import Config
from bulketl.errors import BulketlError, TargetError
from bulketl.operations.reports.period import ReportPeriod
from bulketl.operations.reports.rendering import bodies, markdown, page
from bulketl.postgres.ledger.schema import create

NOW = dt.datetime.now(dt.UTC)
UNTIL = NOW - dt.timedelta(hours=1)
REPORTS: dict[str, Callable[[Config], Any]] = {
    "compliance": lambda config: bulketl.compliance(config, ReportPeriod(NOW - dt.timedelta(days=31), NOW, NOW)),
    "daily": lambda config: bulketl.daily(config, now=NOW),
    "incident": lambda config: bulketl.incident(config, keep=False),
    "run": bulketl.run_report,
    "weekly": lambda config: bulketl.weekly(config, asking=False),
}
HOSTILE = "<script>alert(1)</script>|`\u202e\x1b[2J\nlines {{ 7*7 }}" + "é" * 8
RUN = "20261127-060000-dead"
AGAIN = {"tables": ["table_001"], "step": "load", "attempt": 2, "message": "lost", "wait_seconds": 1}


def told(config: Config, name: str, report: Any) -> list[str]:
    """Return everything that tells a report to people: the page, Markdown, both bodies of a mail, JSON."""
    return [page(config, name, report), markdown(config, name, report), *bodies(config, name, report),
            json.dumps(report.to_json())]  # fmt: skip


@pytest.fixture
def ledger(empty: str) -> str:
    """A ledger of 12 tables and 20 nights, the last of which ended an hour ago."""
    with psycopg.connect(empty, autocommit=True) as connection:
        seeded.seed(connection, UNTIL, tables=12, nights=20)
    return empty


@pytest.mark.parametrize("name", REPORTS)
def test_an_empty_target_and_an_empty_ledger_have_a_report_or_say_that_there_is_nothing(empty: str, name: str) -> None:
    for made in (False, True):
        if made:
            with psycopg.connect(empty, autocommit=True) as connection:
                create(connection, "raw")
        config = config_of(empty)
        if name in ("incident", "run"):  # which are of a run
            with pytest.raises(BulketlError, match=r"no run|no ledger|on record") as refused:
                REPORTS[name](config)
            assert refused.value.hint
        else:
            assert all(told(config, name, REPORTS[name](config)))


@pytest.mark.parametrize("name", REPORTS)
def test_a_ledger_that_is_being_upgraded_is_told_within_seconds(ledger: str, name: str) -> None:
    """Not waited for in silence."""
    with psycopg.connect(ledger) as other:
        other.execute("LOCK TABLE bulketl.run, bulketl.table_load, bulketl.audit_chain IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TargetError, match="lock"):
            REPORTS[name](config_of(ledger))


@pytest.mark.parametrize("name", REPORTS)
def test_a_hostile_name_is_text_in_every_report(ledger: str, name: str) -> None:
    tables = ("table_load", "published", "partition", "state", "measure")
    for old, number in (("table_007", 7), ("table_003", 3)):
        for table in tables:
            execute(ledger, f"UPDATE bulketl.{table} SET table_name = %s WHERE table_name = %s", (f"{HOSTILE}{number}", old))
        execute(ledger, "UPDATE bulketl.event SET body = body || jsonb_build_object('table', %s::text, 'message', %s::text)"
                        " WHERE body->>'table' = %s", (f"{HOSTILE}{number}", f"{HOSTILE} is bad", old))  # fmt: skip
    execute(ledger, "UPDATE bulketl.run SET host = %s, source = %s", (HOSTILE, HOSTILE))
    execute(ledger, "UPDATE bulketl.table_load SET source = %s", (HOSTILE,))
    config = config_of(ledger)
    report = REPORTS[name](config)
    html, text, plain, tabled, _ = told(config, name, report)
    for made in (html, tabled):
        assert "<script>alert" not in made
        assert "49" not in re.findall(r"<bdi>(.*?)</bdi>", made)
    for made in (html, text, plain, tabled):
        assert not set(made) & {"\u202e", "\x1b"}
        assert "\nlines" not in made
    assert name == "compliance" or "alert(1)" in html


def died(target: str, events: int = 0) -> None:
    """Put a run on record that began and whose driver was not heard of since."""
    began = NOW - dt.timedelta(minutes=10)  # and not ten minutes ago: a long suite comes here much later
    columns = "run, kind, host, source, schema_name, zone, plan, document, version, started_at"
    execute(target, f"INSERT INTO bulketl.run ({columns}) VALUES (%s, 'load', 'etl', %s, 'raw', '', '', '{{}}', '1', %s)",
            (RUN, seeded.SOURCE, began))  # fmt: skip
    about = {"source": seeded.SOURCE, "schema": "raw", "zone": "", "kind": "load", "tables": {"table_001": [9, "critical"]}}
    execute(target, "INSERT INTO bulketl.event (run, seq, at, kind, body) VALUES (%s, 1, %s, 'run_started', %s)",
            (RUN, began, json.dumps(about)))  # fmt: skip
    execute(target, "INSERT INTO bulketl.event (run, seq, at, kind, body) SELECT %s, 1 + n, %s, 'step_retried', %s"
                    " FROM generate_series(1, %s) n",
            (RUN, began + dt.timedelta(minutes=1), json.dumps(AGAIN), events))  # fmt: skip


@pytest.mark.parametrize("name", ["daily", "incident", "run"])
def test_a_run_whose_driver_died_is_told(ledger: str, name: str) -> None:
    died(ledger)
    config = config_of(ledger)
    made = told(config, name, REPORTS[name](config))
    for text in made[:-1]:
        assert re.search(r"\b(died|dead)\b", text), text
    assert RUN in made[0]


@pytest.mark.parametrize("name", ["incident", "run"])
def test_ten_thousand_events_are_a_page_of_a_few_and_say_so(ledger: str, name: str) -> None:
    died(ledger, 10_000)
    config = config_of(ledger)
    html, text, plain, tabled, _ = told(config, name, REPORTS[name](config))
    assert len(html.encode()) <= 500_000
    for made in (html, text):
        assert "10,001" in made.replace("\N{NO-BREAK SPACE}", " ")
    assert max(map(len, (plain, tabled))) < 100_000


@pytest.mark.parametrize("name", ["daily", "weekly"])
def test_several_sources_of_one_ledger_are_named(ledger: str, name: str) -> None:
    execute(ledger, "UPDATE bulketl.table_load SET source = 'mysql://lab/b' WHERE table_name < 'table_006'")
    execute(ledger, "UPDATE bulketl.state SET source = 'mysql://lab/b' WHERE table_name < 'table_006'")
    execute(ledger, "UPDATE bulketl.run SET source = 'mysql://lab/b' WHERE run IN (SELECT run FROM bulketl.run"
                    " ORDER BY started_at DESC OFFSET 3 LIMIT 2)")  # fmt: skip
    config = config_of(ledger)
    html = page(config, name, REPORTS[name](config))
    assert "mysql://lab/b" in html
    assert seeded.SOURCE in html
