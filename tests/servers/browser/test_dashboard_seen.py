"""The dashboard in a real browser: what a person sees and does in the morning. A part that CI runs too."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator

import psycopg
import pytest
from browser import WIDTHS, chromium, faults, looking, overflow
from dashboards import TOKEN, Served, raise_alert, role, served
from lab import execute
from psycopg.conninfo import make_conninfo

from benchmarks import seeded

PAGES = ("/", "/tables", "/table?name=table_007", "/run", "/runs", "/alerts", "/reports", "/capacity", "/login", "/nothing")


@pytest.fixture(scope="module")
def year(postgres: str) -> Iterator[str]:
    """A ledger of 140 tables and 40 nights, which ended five hours ago."""
    name = f"t_{secrets.token_hex(5)}"
    execute(postgres, f"CREATE DATABASE {name}")
    target = make_conninfo(postgres, dbname=name)
    with psycopg.connect(target, autocommit=True) as connection:
        seeded.seed(connection, dt.datetime.now(dt.UTC) - dt.timedelta(hours=5), tables=140, nights=40)
    raise_alert(target, "table_007", "table_130")
    yield target
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def site(year: str) -> Iterator[Served]:
    """The dashboard over it, under its own role."""
    with role(year) as reader, served(reader) as made:
        yield made


def test_the_overview_names_what_failed_and_leads_to_it(site: Served) -> None:
    with chromium() as browser, looking(browser, site.url) as (page, _):
        page.goto("/")
        assert "2 failed" in page.title()
        assert "Critical: table_007 (failed)" in page.locator("h1").inner_text()
        page.locator("#main").get_by_role("link", name="table_007", exact=True).last.click()
        assert "table_007 is failed: 10 rows rejected" in page.locator("h1").inner_text()
        assert page.get_by_role("img", name="Seconds:").first.is_visible()
        page.get_by_role("link", name="critical").first.click()
        assert "12\N{NO-BREAK SPACE}tables of tier critical" in page.locator("h1").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_its_window_or_shuts_anybody_out(site: Served, width: int, scheme: str) -> None:
    with chromium() as browser, looking(browser, site.url, width, color_scheme=scheme) as (page, seen):
        for path in PAGES:
            seen.lenient = path == "/nothing"  # whose code the console tells
            page.goto(path)
            assert page.locator("h1").count() == 1
            assert overflow(page) <= 0, path
            assert not faults(page), path


def test_an_alert_is_acknowledged_with_the_token_by_the_keyboard_alone(site: Served, year: str) -> None:
    with chromium() as browser, looking(browser, site.url) as (page, seen):
        page.goto("/alerts")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.get_by_role("link", name="Sign in to acknowledge").focus()
        page.keyboard.press("Enter")
        page.get_by_label("Token").fill("a wrong one")
        seen.lenient = True  # the console tells the code of the refusal
        page.keyboard.press("Enter")
        page.get_by_text("That is not the token.").wait_for()
        seen.lenient = False
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        page.get_by_label("Your name").fill("ann")
        page.keyboard.press("Enter")
        page.get_by_text("ann looks after it").wait_for()
        assert not page.get_by_role("button", name="Acknowledge alert").count()
    assert [row[0] for row in execute(year, "SELECT by FROM bulketl.acknowledgement")] == ["ann"]


def test_every_page_is_read_without_scripts(site: Served) -> None:
    with chromium() as browser, looking(browser, site.url, java_script_enabled=False) as (page, seen):
        for path in PAGES:
            seen.lenient = path == "/nothing"
            page.goto(path)
            assert page.locator("h1").inner_text()
        page.goto("/run")
        assert page.locator("#events li").count() == 60
        assert not page.locator("#pause").is_visible()


def test_a_browser_in_another_zone_and_year_shows_the_same_times(site: Served) -> None:
    """They are of the zone of the load window, and ages are by the server's clock."""
    seen: list[list[str]] = []
    with chromium() as browser:
        for zone, clock in (("America/Chicago", None), ("Pacific/Auckland", dt.datetime(2031, 5, 1, tzinfo=dt.UTC))):
            with looking(browser, site.url, timezone_id=zone, locale="de-DE") as (page, _):
                if clock is not None:
                    page.clock.set_fixed_time(clock)
                seen.append([])
                for path in ("/", "/table?name=table_007", "/runs", "/alerts", "/capacity"):
                    page.goto(path)
                    texts = page.locator("#main time").all_inner_texts()
                    assert texts or path == "/capacity", path
                    seen[-1] += texts
    assert seen[0] == seen[1]
