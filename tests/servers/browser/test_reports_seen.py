"""Each report as a file in a real browser, without JavaScript: on a phone and a desk, light and dark, and on paper."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from browser import WIDTHS, chromium, faults, looking, overflow
from dashboards import config_of, role
from lab import execute
from psycopg.conninfo import make_conninfo

import bulketl
from benchmarks import seeded
from bulketl.config.config import Config
from bulketl.operations.reports import rendering
from bulketl.operations.reports.period import ReportPeriod

NOW = dt.datetime.now(dt.UTC)
# How each report is made. One that has a template and is not here fails the first test.
MADE: dict[str, Callable[[Config], Any]] = {
    "compliance": lambda config: bulketl.compliance(config, ReportPeriod(NOW - dt.timedelta(days=31), NOW, NOW)),
    "daily": bulketl.daily,
    "incident": bulketl.incident,
    "run": bulketl.run_report,
    "weekly": bulketl.weekly,
}
PARTS = {"report", "mail", "mailparts"}  # templates that others are made of
LARGEST = 500_000  # bytes of a report


@pytest.fixture(scope="module")
def files(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Every report on a ledger of 432 tables and 40 nights, of which the last one ended an hour ago, in a file."""
    name = f"t_{secrets.token_hex(5)}"
    execute(postgres, f"CREATE DATABASE {name}")
    target = make_conninfo(postgres, dbname=name)
    with psycopg.connect(target, autocommit=True) as connection:
        seeded.seed(connection, NOW - dt.timedelta(hours=1), tables=432, nights=40)
    folder, made = tmp_path_factory.mktemp("reports"), {}
    with role(target) as reader:
        for report, make in MADE.items():
            config = config_of(target if report == "compliance" else reader)
            made[report] = folder / f"{report}.html"
            made[report].write_text(rendering.page(config, report, make(config)))
            made[f"{report}-mail"] = folder / f"{report}-mail.html"
            made[f"{report}-mail"].write_text(rendering.bodies(config, report, make(config))[1])
    yield made
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def test_every_report_is_looked_at() -> None:
    templates = (Path(rendering.__file__).parent / "templates").glob("*.html")
    assert {one.stem for one in templates} - PARTS == {*MADE, *(f"{name}-mail" for name in MADE)}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_report_is_wider_than_its_window_or_shuts_anybody_out(files: dict[str, Path], width: int, scheme: str) -> None:
    with chromium() as browser:
        for name, file in files.items():
            with looking(browser, "file://", width, color_scheme=scheme) as (page, _):
                page.goto(file.as_uri())
                assert page.locator("h1").count() == 1, name
                assert overflow(page) <= 0, name
                assert not faults(page), name


def test_a_report_is_one_file_that_needs_no_javascript_and_can_be_printed(files: dict[str, Path]) -> None:
    with chromium() as browser:
        for name, file in files.items():
            assert file.stat().st_size <= LARGEST, name
            with looking(browser, "file://", java_script_enabled=False) as (page, _):
                page.goto(file.as_uri())
                assert page.locator("h1").inner_text(), name
                assert page.pdf().startswith(b"%PDF"), name


def test_a_report_shows_the_same_times_in_a_browser_of_another_zone(files: dict[str, Path]) -> None:
    """Those of the zone that it names."""
    with chromium() as browser:
        for name, file in files.items():
            seen = []
            for zone in ("America/Chicago", "Pacific/Auckland"):
                with looking(browser, "file://", timezone_id=zone, locale="de-DE") as (page, _):
                    page.goto(file.as_uri())
                    seen.append(page.locator("body").inner_text())
            assert seen[0] == seen[1], name
            assert "All times UTC" in seen[0], name
