"""The dashboard on real ledgers, read by exactly the role that `bulketl grants --role dashboard` makes."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from dashboards import TOKEN, config_of, pages, raise_alert, role, said
from lab import execute
from psycopg.conninfo import make_conninfo
from starlette.testclient import TestClient

import bulketl
from benchmarks import seeded
from bulketl.operations.watching import looks
from bulketl.postgres.ddl import value
from bulketl.postgres.ledger.made import TITLE
from bulketl.postgres.ledger.schema import NEWEST, create

VERSION_4 = Path(__file__).parents[2].joinpath("support", "ledger4.sql").read_text(encoding="utf-8")
UNTIL = dt.datetime(2026, 11, 27, 3, 0, tzinfo=dt.UTC)
NOW = UNTIL + dt.timedelta(hours=4)
PAGES = (
    "/",
    "/tables",
    "/table?name=table_007",
    "/run",
    "/runs",
    "/alerts",
    "/reports",
    "/capacity",
    "/alerts?all=1",
    "/login",
)
HOSTILE = (
    "<script>alert(1)</script>", "abc\u202efed", "x" * 63, '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "a/b?c#d&e=f%20",
    "' OR 1=1 --", "two\nlines", "患者の診療記録",
)  # fmt: skip


@pytest.fixture
def year(empty: str) -> str:
    """A ledger of 140 tables and 40 nights."""
    with psycopg.connect(empty, autocommit=True) as connection:
        seeded.seed(connection, UNTIL, tables=140, nights=40)
    return empty


@pytest.fixture
def site(year: str) -> Iterator[TestClient]:
    """The pages over it, as the role `dashboard` may see them."""
    with role(year) as reader, pages(config_of(reader), lambda: NOW) as made:
        yield made


def write(target: str, *statements: str) -> None:
    with psycopg.connect(target, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def read(site: TestClient, path: str, code: int = 200) -> str:
    answer = site.get(path)
    assert answer.status_code == code, (path, said(answer.text))
    return answer.text


def test_the_overview_says_how_all_stand_in_numbers_that_add_up(site: TestClient) -> None:
    text = said(read(site, "/"))
    found = re.search(r"(\d+) tables: (.*?)\.", text)
    assert found
    assert found[1] == "140"
    assert sum(int(number) for number in re.findall(r"\d+", found[2])) == 140
    assert "2 failed, 3 late, 135 on time" in found[2]
    assert "Critical: table_007 (failed), table_003 (late)." in text
    assert "took 61.9 s" in text or "× its median" in text
    for table in ("table_007", "table_130", "table_020", "table_021", "table_040"):
        assert table in text


def test_the_strip_of_a_table_tells_its_nights_in_cells_and_in_words(site: TestClient) -> None:
    html = read(site, "/")
    strip = r'<svg class="strip"[^>]*aria-label="([^"]*)"[^>]*>(.*?)</svg>'
    label, cells = re.findall(strip, html.split("name=table_007")[-1])[0]
    assert label == "last 30 nights: 29 on time, 1 failed"
    assert cells.count("k-ontime") == 29
    assert cells.count("k-failed") == 1
    label, _ = re.findall(strip, html.split("name=table_020")[-1])[0]
    assert label == "last 30 nights: 21 on time, 9 without it"


def test_every_page_stands_without_scripts_and_fetches_nothing_from_outside(site: TestClient) -> None:
    for path in (*PAGES, "/run?name=nothing", "/nothing"):
        html = site.get(path).text
        assert "<h1" in html
        assert "style=" not in html
        assert not re.search(r"<script(?! src=\"/assets/dashboard.js\" defer></script>)", html)
        assert not re.search(r"\son\w+=", html)
        assert not re.findall(r'(?:src|href|action)="(?!/|#)', html), path
        assert "All times UTC" in html


def test_tables_are_chosen_by_tier_state_and_name_and_come_in_pages(site: TestClient) -> None:
    assert "140 tables" in said(read(site, "/tables"))
    assert "page 1 of 3" in said(read(site, "/tables"))
    assert "page 3 of 3" in said(read(site, "/tables?page=99"))
    assert "12 tables of tier critical, of 140" in said(read(site, "/tables?tier=critical"))
    assert "2 tables failed" in said(read(site, "/tables?state=failed"))
    assert "10 tables whose name fits table_00" in said(read(site, "/tables?table=table_00"))
    for odd in ("tier=no", "state=no", "page=-1", "page=x", "page=1e9", "table=[", "table=%00"):
        assert read(site, f"/tables?{odd}")


def test_a_table_shows_its_loads_ranges_and_watermark(site: TestClient, year: str) -> None:
    text = said(read(site, "/table?name=table_001"))
    assert "2026-11-27 02:28:00" in text  # its watermark, which this role may read
    assert "Ranges of the last load: 1" in text
    assert "The last 40 loads" in text
    assert "Rejects of the last load: 0" in text
    html = read(site, "/table?name=table_007")
    assert "is failed: 10 rows rejected, and max_rejects is 0" in said(html)
    assert 'class="c-fail"' in html
    assert "no load and no rule has a table" in said(read(site, "/table?name=nothing", 404))


def test_reports_are_pages_whose_own_style_alone_is_let_in(site: TestClient, year: str) -> None:
    """Those on record are listed with what happened; one that is made on a page is not put on record."""
    assert "No incident report is on record." in said(read(site, "/reports"))
    ((run,),) = execute(year, "SELECT max(run) FROM bulketl.run")
    for path in ("/report?name=incident", f"/report?name=incident&of={run}", f"/report?name=run&of={run}"):
        answer = site.get(path)
        (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
        allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policy = answer.headers["content-security-policy"]
        assert f"style-src 'sha256-{allowed}'" in policy
        assert "script-src 'none'" in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert "table_007" in answer.text
        assert 'href="/' not in answer.text
    assert execute(year, "SELECT count(*) FROM bulketl.incident_report") == [(0,)]
    number = bulketl.incident(config_of(year)).number
    listed = read(site, "/reports")
    assert "2 of 138 tables are as before; none was loaded since." in said(listed)
    assert f'href="/report?name=incident&amp;of={number}"' in listed
    assert f"Incident report {number}" in site.get(f"/report?name=incident&of={number}").text
    assert f'href="/report?name=run&amp;of={run}"' in read(site, f"/run?name={run}&record=1")
    for path, why in {
        "/report?name=none": "no report",
        "/report?name=run&of=none": "no run",
        "/report": "no report",
    }.items():
        assert why in said(read(site, path, 404))


def test_rejects_are_counted_by_column_and_their_values_are_not_shown(site: TestClient, year: str) -> None:
    ((run,),) = execute(year, "SELECT max(run) FROM bulketl.run")
    write(
        year,
        "INSERT INTO bulketl.reject (run, schema_name, table_name, partition, column_name, value, reason, key, row)"
        f" SELECT '{run}', 'raw', 'table_040', 0, 'salary', 'SECRET', 'is SECRET', '{{\"id\": \"SECRET\"}}',"
        ' \'{"n": "SECRET"}\' FROM generate_series(1, 3)',
    )
    html = read(site, "/table?name=table_040")
    assert "salary300" in said(html)
    for path in PAGES:
        assert "SECRET" not in read(site, path)


def test_what_is_on_record_of_a_table_beside_its_loads_is_shown(site: TestClient, year: str) -> None:
    ((run,),) = execute(year, "SELECT max(run) FROM bulketl.run")
    write(
        year,
        'UPDATE bulketl.table_load SET drift = \'["+ born date"]\', checks = \'{"warn": {"not_null born": 4}}\','
        f" consistency = 'one moment', quality = 0.5 WHERE run = '{run}' AND table_name = 'table_001'",
        f"INSERT INTO bulketl.compared VALUES ('{run}', 'raw', 'table_001', 11, 12, 13, 'mirror')",
        f"INSERT INTO bulketl.certificate VALUES ('{run}', 'table_001', true, '{{}}', '{seeded.SOURCE}', 'raw')",
        "INSERT INTO bulketl.finding VALUES"
        f" ('raw', 'table_001', 'slower', '{run}', '', 'critical', 90, 30, 60, 14, now(), NULL)",
        "INSERT INTO bulketl.audit_chain VALUES"
        f" ('raw', 'table_001', 1, 'load', '{run}', 5, '{{1}}', 77, '{{1}}', 'x', now())",
    )
    html = read(site, "/table?name=table_001")
    text = said(html)
    for part in ("+ born date", "not_null bornwarn41", "one moment", "0.500", "certified", "111213mirror",
                 "took 1 min 30 s; the median of its last 14 loads is 30 s", "Audit chain"):  # fmt: skip
        assert part in text, part
    assert "(late)" in said(read(site, "/"))


def test_runs_are_listed_and_each_has_a_page(site: TestClient, year: str) -> None:
    (runs,) = zip(*execute(year, "SELECT run FROM bulketl.run ORDER BY run DESC"), strict=True)
    text = said(read(site, "/runs"))
    assert all(run in text for run in runs[:40])
    text = said(read(site, f"/run?name={runs[0]}&record=1"))
    assert "Load partly done in 25 min: 140 tables" not in text  # two tables had no load that night
    assert "Load partly done in 25 min: 138 tables, 2 failed, 136 loaded." in text
    assert "table_007 failed, 10 rows rejected" in text
    assert "of 414 events on record" in text
    assert "there is no run" in said(read(site, "/run?name=none", 404))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_on_every_page(year: str, name: str) -> None:
    with psycopg.connect(year, autocommit=True) as connection:
        for table in ("table_load", "published", "partition", "state"):
            connection.execute(
                f"UPDATE bulketl.{table} SET table_name = %s WHERE table_name = 'table_007'".encode(), (name,)
            )
        connection.execute(
            "UPDATE bulketl.event SET body = jsonb_set(body, '{table}', to_jsonb(%s::text))"
            " WHERE body->>'table' = 'table_007'",
            (name,),
        )
        connection.execute(
            "UPDATE bulketl.event SET body = jsonb_set(body, '{tables}', (body->'tables') || jsonb_build_object(%s::text,"
            " '[5, \"critical\"]'::jsonb)) WHERE kind = 'run_started'",
            (name,),
        )
        connection.execute("UPDATE bulketl.run SET host = %s, source = %s", (name, name))
    raise_alert(year, name, text=f"{name} is bad")
    with role(year) as reader, pages(config_of(reader), lambda: NOW) as site:
        answer = site.get("/table", params={"name": name})
        assert answer.status_code == 200
        for path in ("/", "/tables", "/run", "/runs", "/alerts"):
            html = read(site, path)
            assert "<script>alert" not in html
            assert "<img" not in html
            assert "\u202e" not in html
            assert "49" not in re.findall(r"<bdi>(.*?)</bdi>", html)
        link = re.search(r'href="(/table\?name=[^"]*)"', read(site, "/"))
        assert link
        assert read(site, link[1].replace("&amp;", "&"))


def test_an_empty_target_and_one_of_which_nothing_was_loaded_say_so(empty: str) -> None:
    with pages(config_of(empty)) as site:
        assert "Nothing was loaded into this schema yet" in said(read(site, "/"))
        assert "has no ledger" in said(read(site, "/run"))
        assert "No run is on record yet." in said(read(site, "/runs"))
        assert "No alert is open." in said(read(site, "/alerts"))
    with psycopg.connect(empty, autocommit=True) as connection:
        create(connection, "raw")
    with role(empty) as reader, pages(config_of(reader)) as site:
        for path in ("/", "/tables", "/run", "/runs", "/alerts"):
            read(site, path)
        assert "No run is on record yet." in said(read(site, "/run"))


def test_an_older_ledger_is_shown_as_far_as_it_goes_and_a_newer_one_too(empty: str, year: str) -> None:
    name = f"t_{secrets.token_hex(5)}"
    execute(empty, f"CREATE DATABASE {name}")
    old = make_conninfo(empty, dbname=name)
    try:
        execute(old, VERSION_4)
        write(
            old,
            "INSERT INTO bulketl.run VALUES ('r', 'h', 's', 'raw', '', '', '{}', '0.1', now(), now(), 'done', '{}')",
            "INSERT INTO bulketl.table_load (run, table_name, tier, outcome, rows, rejects, bytes, seconds, changed, drift,"
            " reason) VALUES ('r', 't', 'critical', 'loaded', 5, 0, 50, 1, '{}', '[]', 'full load')",
        )
        with pages(config_of(old)) as site:
            assert "the next load brings it to" in said(read(site, "/"))
            assert "of an earlier version" in said(read(site, "/table?name=t"))
            for path in ("/tables", "/run", "/runs", "/alerts", "/reports", "/report?name=run&of=r", "/capacity"):
                read(site, path)
            write(old, "UPDATE bulketl.run SET outcome = 'failed'", "UPDATE bulketl.table_load SET outcome = 'failed'")
            text = site.get("/report?name=incident").text
            assert "1 of 1 table is as before; it was not loaded since." in said(text)
    finally:
        execute(empty, f"DROP DATABASE {name} WITH (FORCE)")
    write(year, f"COMMENT ON SCHEMA bulketl IS {value(f'{TITLE}{NEWEST + 1}')}")
    with role(year) as reader, pages(config_of(reader), lambda: NOW) as site:
        assert f"this bulketl knows {NEWEST}" in said(read(site, "/"))
        assert "a later bulketl" in said(read(site, "/run"))


def test_a_ledger_that_is_being_upgraded_is_told_and_nobody_waits_long(year: str) -> None:
    with (
        role(year) as reader, pages(config_of(reader), lambda: NOW) as site,
        psycopg.connect(year) as other,
    ):  # fmt: skip
        other.execute("LOCK TABLE bulketl.run, bulketl.table_load IN ACCESS EXCLUSIVE MODE")
        assert "another bulketl is bringing it up to date" in said(read(site, "/", 503))


def test_several_sources_and_schemas_of_one_ledger_are_told_apart(year: str) -> None:
    write(
        year,
        "UPDATE bulketl.state SET source = 'mysql://other/<b>' WHERE table_name < 'table_010'",
        "INSERT INTO bulketl.state (schema_name, table_name, source, zone, kept, run)"
        " VALUES ('elsewhere', 't', 'mysql://x', '', '{}', 'r')",
    )
    with role(year) as reader, pages(config_of(reader), lambda: NOW) as site:
        text = said(read(site, "/"))
        assert "The tables come from 2 sources" in text
        assert "elsewhere (1 table)" in text
        chosen = site.get("/tables", params={"source": "mysql://other/<b>"})
        assert "10 tables from mysql://other/&lt;b&gt;, of 140" in said(chosen.text)


def test_a_run_whose_driver_died_is_told_with_what_to_do(year: str) -> None:
    run = "20261127-060000-dead"
    write(
        year,
        "INSERT INTO bulketl.run (run, kind, host, source, schema_name, zone, plan, document, version, started_at)"
        f" VALUES ('{run}', 'load', 'etl', 'mysql://x', 'raw', '', '', '{{}}', '1', now() - interval '1 hour')",
        "INSERT INTO bulketl.event VALUES"
        f' (\'{run}\', 1, now() - interval \'1 hour\', \'run_started\', \'{{"source": "s", "schema": "raw", "zone": "",'
        ' "tables": {"table_001": [100, "critical"]}}\')',
    )
    with role(year) as reader, pages(config_of(reader)) as site:
        assert f"bulketl load --resume {run}" in said(read(site, "/"))
        text = said(read(site, "/run"))
        assert "The load died: nobody carries it out" in text
        assert f"bulketl load --resume {run}" in text


def test_what_is_left_of_a_run_is_foretold_to_this_role_too(year: str) -> None:
    with role(year) as reader:
        one = next(looks(config_of(reader)))
    assert one.sight
    assert one.usual[""] == 1500
    assert one.usual["table_001"] == pytest.approx(30, rel=0.2)


def test_who_has_no_token_reads_and_writes_nothing(year: str) -> None:
    number = raise_alert(year, "table_007")
    with role(year) as reader, pages(config_of(reader)) as site:
        assert "Sign in to acknowledge" in read(site, "/alerts")
        path = f"/alerts/{number}/acknowledge"
        refused = site.post(path, data={"by": "ann"})
        assert refused.status_code == 303
        assert refused.headers["location"] == "/login?to=%2Falerts"
        assert site.post(path, data={"by": "ann"}, headers={"accept": "*/*"}).status_code == 401
        wrong = site.post("/login", data={"token": TOKEN + "x", "to": "/alerts"})
        assert wrong.status_code == 403
        assert "set-cookie" not in wrong.headers
        assert not execute(year, "SELECT * FROM bulketl.acknowledgement")


def test_an_acknowledgement_is_on_record_and_the_next_tick_hears_it_once(year: str, tmp_path: Path) -> None:
    number = raise_alert(year, "table_007")
    with role(year) as reader, pages(config_of(reader)) as site:
        taken = site.post("/login", data={"token": TOKEN, "to": "/alerts"})
        assert (taken.status_code, taken.headers["location"]) == (303, "/alerts")
        cookie = taken.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert f'aria-label="Acknowledge alert {number}"' in read(site, "/alerts")
        done = site.post(f"/alerts/{number}/acknowledge", data={"by": "ann", "hours": "2"})
        assert done.headers["location"] == "/alerts?said=taken"
        assert "ann looks after it" in said(read(site, "/alerts"))
        assert site.post(f"/alerts/{number}/acknowledge", data={"by": " "}).headers["location"] == "/alerts?said=noname"
        assert site.post("/alerts/9999/acknowledge", data={"by": "ann"}).status_code == 404
    ticking = config_of(year, alerts={"webhook": "http://127.0.0.1:9/", "spool": str(tmp_path)})
    bulketl.tick_alerts(ticking)
    found = bulketl.show_alert(ticking, str(number)).incident
    assert (found.status, found.acknowledged_by) == ("acknowledged", "ann")
    assert found.acknowledged_until
    left = found.acknowledged_until - dt.datetime.now(dt.UTC)
    assert dt.timedelta(hours=1, minutes=58) < left <= dt.timedelta(hours=2)
    before = found.acknowledged_until
    bulketl.tick_alerts(ticking)
    assert bulketl.show_alert(ticking, str(number)).incident.acknowledged_until == before
    with role(year) as reader, pages(config_of(reader)) as site:
        assert "acknowledged by ann, until" in said(read(site, "/alerts"))
    bulketl.resolve_alerts(ticking, [str(number)])
    with role(year) as reader, pages(config_of(reader)) as site:
        site.post("/login", data={"token": TOKEN})
        over = site.post(f"/alerts/{number}/acknowledge", data={"by": "ann"})
        assert over.headers["location"] == "/alerts?said=over"


def test_a_role_that_may_only_read_is_told_what_it_lacks(year: str) -> None:
    number = raise_alert(year, "table_007")
    with role(year) as reader, pages(config_of(reader)) as site:
        execute(year, f"REVOKE ALL ON bulketl.acknowledgement FROM {psycopg.conninfo.conninfo_to_dict(reader)['user']}")
        execute(year, f"GRANT SELECT ON bulketl.acknowledgement TO {psycopg.conninfo.conninfo_to_dict(reader)['user']}")
        answer = site.post(f"/alerts/{number}/acknowledge", data={"by": "ann"}, headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 503
        assert f"bulketl alerts ack {number}" in said(answer.text)
