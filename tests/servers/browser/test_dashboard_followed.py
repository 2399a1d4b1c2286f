"""A run that really runs, followed in a real browser, also over a restart of the dashboard; and names made to do harm."""

from __future__ import annotations

import pytest
from browser import chromium, faults, looking, overflow
from dashboards import role, served
from faults import small_partitions
from heldup import held_up
from lab import Lab

HOSTILE = ("<img src=x onerror=alert(1)>", "abc\u202efed", "x" * 63)


@pytest.fixture
def lab(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A table of eight partitions, a small one, one that will fail, and some with odd names."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_400",
                    "CREATE TABLE u (id int PRIMARY KEY)", "INSERT INTO u VALUES (1)",
                    *(f"CREATE TABLE `{name}` (id int PRIMARY KEY)" for name in HOSTILE))  # fmt: skip
    return maria_lab


def test_a_run_is_followed_to_its_end_over_a_restart_of_the_dashboard(lab: Lab) -> None:
    lab.load(tables=["u"])
    with role(lab.target, lab.schema) as reader, chromium() as browser:
        with held_up(lab) as (lock, process, _):
            with served(reader, lab.schema) as site:
                port = site.port
                context = browser.new_context(base_url=site.url)
                page = context.new_page()
                page.goto("/run")
                page.get_by_text("under way.").wait_for()
                page.get_by_text(", live").wait_for()
                before = page.locator("#events li").count()
                assert before
                page.get_by_role("button", name="Pause").click()
                assert page.get_by_role("button", name="Go on").get_attribute("aria-pressed") == "true"
                page.get_by_role("button", name="Go on").click()
                assert not faults(page)
            page.get_by_text("the dashboard does not answer").wait_for()
            lock.execute("UNLOCK TABLES")
            assert process.wait(60) == 0
        with served(reader, lab.schema, port):
            page.get_by_text("The last load ended: done.").wait_for(timeout=60_000)
            page.get_by_text("the run ended: done").wait_for()
            assert page.locator("#events li").count() > before
            seqs = page.locator("#events li").count()
            ((recorded,),) = lab.pg("SELECT count(*) FROM bulketl.event e JOIN bulketl.run r USING (run)"
                                    " WHERE schema_name = '{s}' AND e.kind <> 'figures_taken'"
                                    " AND run = (SELECT max(run) FROM bulketl.run WHERE schema_name = '{s}')")  # fmt: skip
            assert seqs == recorded  # each once, those too that happened while nobody was there to tell
            context.close()


def test_the_overview_looks_again_when_tables_end(lab: Lab) -> None:
    lab.load(tables=["u"])
    with (
        role(lab.target, lab.schema) as reader, served(reader, lab.schema) as site, chromium() as browser,
        held_up(lab) as (lock, process, _), looking(browser, site.url) as (page, _),
    ):  # fmt: skip
        page.goto("/")
        page.get_by_text("A load is under way").first.wait_for()
        lock.execute("UNLOCK TABLES")
        assert process.wait(60) == 0
        page.get_by_text("All 5 tables are on time.").first.wait_for(timeout=30_000)


def test_names_made_to_do_harm_do_none(lab: Lab) -> None:
    lab.load()
    with role(lab.target, lab.schema) as reader, served(reader, lab.schema) as site, chromium() as browser:
        for width in (320, 1440):
            with looking(browser, site.url, width) as (page, _):
                page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
                for path in ("/", "/tables", "/run", "/runs"):
                    page.goto(path)
                    page.wait_for_timeout(500)
                    assert not page.locator("img").count()
                    assert overflow(page) <= 0, (path, width)
                page.goto("/tables")
                page.locator("a", has_text="onerror").first.click()
                assert "<img src=x onerror=alert(1)> is on time" in page.locator("h1").inner_text()
