"""The weekly report on real ledgers: what is advised is right, what is not known is said, a page stands alone."""

from __future__ import annotations

import datetime as dt
import importlib.util
import re
import time
from typing import Any

import psycopg
import pytest
from dashboards import config_of, role
from lab import Lab, execute

import bulketl
from benchmarks import seeded
from bulketl.config.windows import Windows
from bulketl.operations.reports.period import ReportPeriod
from bulketl.operations.reports.rendering import markdown, page
from bulketl.operations.reports.weekly import WEEK, Weekly, weekly

UNTIL = dt.datetime(2026, 11, 25, 3, 0, tzinfo=dt.UTC)
NOW = UNTIL + dt.timedelta(hours=4)
PERIOD = ReportPeriod(NOW - WEEK, NOW, NOW)
WINDOW = Windows(load="01:00-05:00 UTC")
HOSTILE = "<script>alert(1)</script>|`\u202e"


def seeding(target: str, tables: int, nights: int) -> None:
    with psycopg.connect(target, autocommit=True) as connection:
        seeded.seed(connection, UNTIL, tables=tables, nights=nights)


def settings(target: str, **more: Any) -> bulketl.Config:
    return config_of(target, **more).model_copy(update={"windows": WINDOW})


def told(report: Weekly, target: str) -> tuple[str, str]:
    return page(settings(target), "weekly", report), markdown(settings(target), "weekly", report)


def test_a_year_of_432_tables_is_one_small_page_soon(empty: str) -> None:
    """As exactly the role `dashboard` may read it; five seconds are those of its CPU, for others work here too."""
    seeding(empty, 432, 365)
    with role(empty) as reader:
        began = time.process_time()
        report = weekly(settings(reader), PERIOD)
        html, text = told(report, reader)
        took = time.process_time() - began
    print(f"{took:.2f} CPU seconds, {len(html):,} bytes, {html.count('<figure')} charts")
    assert took < 5
    assert len(html.encode()) <= 500_000
    assert re.findall(r"<script|<link|<img|<iframe|src=|url\((?!#)|@import|href=\"(?!#)|style=", html) == []
    assert 0 < html.count("<figure") <= 10
    assert html.count('<svg class="chart wide') == html.count('<svg class="chart narrow') == html.count("<figure")
    assert len(report.loads) == 7
    assert report.headline.startswith("The loads take no longer than before: no trend.")
    assert report.slowing == ()
    assert report.figures[0].each[-1] == 3
    assert "| rejected rows | 3 | 0 | 0 |" in text
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_what_slows_down_is_named_with_its_interval(empty: str) -> None:
    """And whether it does as its rows do."""
    seeding(empty, 6, 60)
    slow = "seconds = 100 + 2 * (60 - extract(day FROM '2026-11-25 03:00+00'::timestamptz - r.started_at))"
    execute(empty, f"UPDATE bulketl.table_load t SET {slow} FROM bulketl.run r WHERE r.run = t.run AND table_name"
                          " = 'table_004'")  # fmt: skip
    report = weekly(settings(empty), PERIOD)
    assert [(one.table, one.growth, one.interval, one.reading) for one in report.slowing] == [
        ("table_004", "+14 s", "14 s to 14 s", "faster than its rows")
    ]


def test_without_nights_enough_it_says_so(empty: str) -> None:
    seeding(empty, 5, 3)
    report = weekly(settings(empty), PERIOD)
    assert report.headline == "Trends are not known: 3 of 7 nights."
    html, text = told(report, empty)
    assert "Not known: 3 of 7 nights." in html
    assert "Not known: 3 of 7 nights." in text


def test_an_empty_ledger_is_told(empty: str) -> None:
    """So is a database without any."""
    report = weekly(settings(empty), PERIOD)
    assert report.headline == "No load ended in this period."
    for one in told(report, empty):
        assert "No load ended in this period." in one


def test_names_are_text(empty: str) -> None:
    seeding(empty, 5, 20)
    for table, column in (("table_load", "table_name"), ("measure", "table_name"), ("state", "table_name")):
        execute(empty, f"UPDATE bulketl.{table} SET {column} = %s WHERE {column} = 'table_000'", (HOSTILE,))
    execute(empty, "UPDATE bulketl.table_load SET rejects = 5")
    html, text = told(weekly(settings(empty), PERIOD), empty)
    assert "<script" not in html
    assert "\u202e" not in html + text
    assert "\\<script\\>" in text


def test_without_matplotlib_it_says_what_brings_charts(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seeding(empty, 5, 20)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name))
    html, _ = told(weekly(settings(empty), PERIOD), empty)
    assert "pip install 'bulketl[plot]'" in html
    assert "<figure" not in html


RULES: dict[str, Any] = {
    "whole": {"extraction_strategy": "full_table"},
    "busy": {"extraction_strategy": "full_table"},
    "poor": {"extraction_strategy": "incremental", "incremental_column": "born"},
    "kept": {"extraction_strategy": "incremental", "incremental_column": "edited", "deletes": {"policy": "mark"}},
}


@pytest.fixture
def advised(maria_lab: Lab) -> Lab:
    """Tables that a person could load in a cheaper way, and one that changes too much for that, with 20 nights each."""
    lab = maria_lab
    stamp = "edited datetime NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"
    for table, age in (("whole", "seq DIV 10"), ("busy", "0"), ("poor", "seq DIV 10"), ("kept", "1")):
        lab.mysql(
            f"CREATE TABLE {table} (id int PRIMARY KEY, {stamp}, born datetime NOT NULL, filling char(255), KEY (edited),"
            " KEY (born))",
            f"INSERT INTO {table} SELECT seq, NOW() - INTERVAL {age} DAY, NOW(), REPEAT('x', 255) FROM seq_1_to_12000",
            f"ANALYZE TABLE {table}",
        )
    lab.load(rules=RULES)
    lab.pg("UPDATE bulketl.table_load SET seconds = 600, inserted = 5, updated = 0, deleted = 0, unchanged = 11900"
           " WHERE schema_name = %s AND table_name = 'poor'", (lab.schema,))  # fmt: skip
    lab.pg("UPDATE bulketl.table_load SET seconds = 900 WHERE schema_name = %s AND table_name <> 'poor'", (lab.schema,))
    columns = {
        "run": "host, version, kind, source, schema_name, zone, plan, document, outcome, summary",
        "table_load": "source, schema_name, table_name, tier, outcome, rows, rejects, bytes, seconds, changed, drift,"
                      " reason, inserted, updated, deleted, unchanged",
    }  # fmt: skip
    for n in range(1, 21):
        lab.pg(f"INSERT INTO bulketl.run (run, started_at, finished_at, {columns['run']}) SELECT run || '-' || {n},"
               f" started_at - interval '{n} days', finished_at - interval '{n} days', {columns['run']} FROM bulketl.run"
               " WHERE schema_name = %s AND run NOT LIKE '%%-%%-%%-%%'", (lab.schema,))  # fmt: skip
        lab.pg(f"INSERT INTO bulketl.table_load (run, {columns['table_load']}) SELECT run || '-' || {n}, "
               f"{columns['table_load']} FROM bulketl.table_load WHERE schema_name = %s AND run NOT LIKE '%%-%%-%%-%%'",
               (lab.schema,))  # fmt: skip
        lab.pg("INSERT INTO bulketl.compared (run, schema_name, table_name, missing, differing, gone, deletes) SELECT"
               f" run || '-' || {n}, schema_name, 'kept', 0, 0, 0, 'mark' FROM bulketl.table_load"
               " WHERE schema_name = %s AND run NOT LIKE '%%-%%-%%-%%' AND table_name = 'kept'", (lab.schema,))  # fmt: skip
    lab.pg("INSERT INTO bulketl.event (run, seq, at, kind, body) SELECT run, 100000, now(), 'table_compared',"
           " '{\"table\": \"kept\", \"seconds\": 700}' FROM bulketl.run WHERE schema_name = %s", (lab.schema,))  # fmt: skip
    return lab


def test_advice_is_what_record_and_source_show_with_the_line_to_write(advised: Lab) -> None:
    """None for a table that changes too much; and each line is one that the configuration takes."""
    config = advised.config(rules=RULES)
    report = weekly(config)
    lines = {one.table: one.line for one in report.advice}
    assert lines == {
        "whole": "whole: {extraction_strategy: incremental, incremental_column: edited, deletes: mirror}",
        "poor": "poor: {incremental_column: edited}",
        "kept": "kept: {deletes: {policy: mark, every: 7d}}",
    }
    assert [one.table for one in report.advice] == ["whole", "kept", "poor"]
    assert report.advice[1].seconds == 600
    assert report.unasked == ""
    assert "3 changes would give back up to" in report.headline


def test_a_source_that_does_not_answer_is_told_and_no_column_is_named(advised: Lab) -> None:
    config = advised.config(rules=RULES)
    report = weekly(config.model_copy(update={"source": "mysql://nobody@127.0.0.1:1/x"}))
    assert [one.table for one in report.advice] == ["kept"]
    assert report.unasked
    assert report.unasked in page(config, "weekly", report).replace("&#39;", "'")
    assert weekly(config, asking=False).unasked == "nobody asked it"
