"""Where a migration is configured, pages and reports say who serves a table and how near it is to being promoted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from dashboards import pages, said
from lab import Lab
from sidebyside import ABOUT, Beside, dropped

import bulketl
from bulketl.operations.migrate.compare import compare_pipelines
from bulketl.operations.reports.daily import daily
from bulketl.operations.reports.rendering import markdown, page
from bulketl.operations.reports.weekly import weekly
from bulketl.plan.selection import Selection
from bulketl.postgres.ledger import ownership
from bulketl.postgres.server import Postgres

NEEDED = {"promote_after": {"equal_nights": 1}}
ALL = "The older pipeline serves 3 tables: 1 alone, 2 beside bulketl; 1 ready."


@pytest.fixture
def beside(maria_lab: Lab) -> Iterator[Beside]:
    """Three tables of an older pipeline, one of them with another row than the source."""
    for table, first in (("claim", 1), ("patient", 7), ("visit", 1)):
        maria_lab.mysql(f"CREATE TABLE {table} (id int PRIMARY KEY)", f"INSERT INTO {table} VALUES (1), (2)")
        maria_lab.pg(f"CREATE TABLE {{s}}.{table} (id integer PRIMARY KEY); INSERT INTO {{s}}.{table} VALUES ({first}), (2)")
    yield Beside(maria_lab)
    dropped(maria_lab)


def test_pages_and_reports_say_how_near_each_table_is(beside: Beside) -> None:
    """Of one that is ready, one that differs, one that the older pipeline has alone; and of a promoted one, since when."""
    config = beside.shadowed(["claim", "patient"], migration=NEEDED)
    compare_pipelines(config)
    today = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    with pages(config) as site:
        tables = said(site.get("/tables").text)
        assert ALL in tables
        assert f"claim11ready patient01differs on {today}" in tables
        of = {table: said(site.get(f"/table?name={table}").text) for table in ("claim", "patient", "visit")}
    serves = f"Migration: the older pipeline serves it, and bulketl loads it beside that one, since {today}"
    assert f"{serves}; ready to be promoted: 1 of 1 equal nights in a row" in of["claim"]
    assert f"{serves}; 0 of 1 equal nights in a row" in of["patient"]
    assert "Last loads" in of["claim"]
    assert "Migration: the older pipeline serves it." in of["visit"]
    for report, name in ((daily(config), "daily"), (weekly(config, asking=False), "weekly")):
        assert ALL in said(page(config, name, report)), name
        assert f"| patient | 0 | 1 | differs on {today} |" in markdown(config, name, report)
        assert report.to_json()["migration"] == {
            "alone": 1, "beside": 2, "ready": ["claim"],
            "waiting": {"patient": report.to_json()["migration"]["waiting"]["patient"]},
        }  # fmt: skip
    bulketl.promote(config, selection=Selection(tables=("claim",)), reason="x")
    with pages(config) as site:
        assert f"Migration: bulketl serves it, since {today}." in said(site.get("/table?name=claim").text)
        assert "The older pipeline serves 2 tables: 1 alone, 1 beside bulketl; 0 ready." in said(site.get("/tables").text)


def test_nothing_is_said_where_no_migration_is_configured(beside: Beside) -> None:
    """Also when the ledger has one of earlier on record."""
    beside.shadowed(["claim"])
    config = beside.lab.config()
    with Postgres.of(config).connect() as connection:
        ownership.own(connection, beside.lab.schema, ["claim"], "bulketl", ABOUT)
    with pages(config) as site:
        assert "igration" not in said(site.get("/tables").text)
    for report, name in ((daily(config), "daily"), (weekly(config, asking=False), "weekly")):
        assert "Migration" not in page(config, name, report)
        assert "migration" not in report.to_json()
