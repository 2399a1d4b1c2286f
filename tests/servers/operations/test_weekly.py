"""The weekly report on real ledgers: what is advised is right, what is not known is said, a page stands alone."""

from __future__ import annotations

import datetime as dt
import importlib.util
import re
import time
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
import yaml
from dashboards import config_of, role
from lab import Lab, execute

import bulketl
from benchmarks import seeded
from bulketl.config.tables import TableRule
from bulketl.config.windows import Windows
from bulketl.operations.dashboard.sight import sight
from bulketl.operations.reports.advice import LONG, Advice, Shown, advise
from bulketl.operations.reports.period import ReportPeriod
from bulketl.operations.reports.rendering import markdown, page
from bulketl.operations.reports.weekly import WEEK, Weekly, weekly
from bulketl.postgres.ledger import weeks

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
    assert "pip install 'bulketl[report]'" in html
    assert "<figure" not in html


def ruled(target: str, **rules: Any) -> bulketl.Config:
    """Settings with rules of seeded tables, as a person would write them."""
    tables = {f"table_{number:03}": TableRule.model_validate(rules.get(f"t{number}", {})) for number in range(6)}
    return settings(target).model_copy(update={"tables": tables})


def still(target: str, table: str) -> None:
    """Have every load of a table read the same, and take long."""
    execute(
        target, "UPDATE bulketl.table_load SET rows = 5000, bytes = 450000, seconds = 700 WHERE table_name = %s", (table,)
    )
    execute(target, "UPDATE bulketl.measure SET value = 5000 WHERE table_name = %s", (table,))


def recorded(config: bulketl.Config, asked: Sequence[str]) -> tuple[Advice, ...]:
    """Return the advice of a ledger when the source was asked of some tables, and showed nothing of them."""
    with sight(config) as look:
        runs = [one.run for one in weeks.load_ends(look, "raw", PERIOD.until - dt.timedelta(days=90), PERIOD.until)]
        keys = weeks.integer_keys(look, "raw", runs[-LONG:])
        return advise(config, weeks.table_nights(look, ["raw"], runs), Shown(asked, {}, {}, {}, {}, keys, []))


def taken(advice: Advice) -> TableRule:
    """Return the rule that a line makes, as the configuration takes it."""
    ((table, keys),) = yaml.safe_load(advice.line).items()
    assert table == advice.table
    return TableRule.model_validate(keys)


def test_a_table_that_nobody_changes_is_read_by_its_key_and_compared_once_a_week(empty: str) -> None:
    """By fourteen loads that read the same; one row or one byte more, a higher key or a load less, and nothing is said."""
    seeding(empty, 6, 20)
    for number in range(6):
        still(empty, f"table_{number:03}")
    last = "(SELECT run FROM bulketl.run ORDER BY started_at DESC OFFSET 12 LIMIT 1)"  # of the fourteen the second
    execute(empty, f"UPDATE bulketl.table_load SET bytes = bytes + 1 WHERE table_name = 'table_001' AND run = {last}")
    execute(empty, f"UPDATE bulketl.measure SET value = 4999 WHERE table_name = 'table_002' AND run = {last}")
    execute(empty, "DELETE FROM bulketl.measure WHERE table_name = 'table_003'")
    rules = {"t4": {"table_importance": "audit"}, "t5": {"extraction_strategy": "incremental", "incremental_column": "id"}}
    config = ruled(empty, **rules)
    every = list(config.tables)
    (advice,) = recorded(config, every)
    assert (advice.table, advice.title, advice.seconds) == ("table_000", "nobody changes it", 600)
    assert "Each of its last 14 loads read it whole and read the same, 5,000 rows and 450 kB" in advice.why
    rule = taken(advice)
    assert (rule.extraction_strategy, rule.incremental_column) == ("incremental", "id")
    assert (rule.deletes.policy, rule.deletes.every) == ("mirror", dt.timedelta(days=7))
    assert recorded(config, every[1:]) == weekly(config, PERIOD).advice == ()  # of which the source was not asked
    execute(empty, f"DELETE FROM bulketl.run WHERE started_at < (SELECT started_at FROM bulketl.run WHERE run = {last})")
    assert recorded(config, every) == ()


def skewed(target: str, table: str, loads: int, rows: int) -> None:
    """Have the last loads of a table read five ranges, one of them with so many rows, and a second for each 100 rows."""
    execute(
        target,
        "WITH last AS (SELECT run FROM bulketl.run ORDER BY started_at DESC LIMIT %s), made AS ("
        " INSERT INTO bulketl.partition (run, schema_name, table_name, partition, rows, rejects, bytes, changed, loaded_at)"
        " SELECT run, 'raw', %s, n, CASE n WHEN 3 THEN %s ELSE 1000 END, 0, 90000, '{}', now()"
        " FROM last, generate_series(1, 4) n RETURNING *)"
        " INSERT INTO bulketl.event (run, seq, at, kind, body) SELECT run, 100000 * partition + %s, now(),"
        " 'partition_loaded', jsonb_build_object('table', table_name, 'partition', partition, 'rows', rows, 'bytes', bytes,"
        " 'rejects', 0, 'seconds', rows / 100.0) FROM made",
        (loads, table, rows, int(table[-1])),
    )


def test_a_range_that_holds_the_others_up_in_each_load_is_told_with_what_to_do(empty: str) -> None:
    """Out of the column that was written, or by the statistics of the source; not for less, nor for two loads of three."""
    seeding(empty, 6, 20)
    execute(empty, "UPDATE bulketl.partition SET rows = 1000")
    execute(empty, "UPDATE bulketl.event SET body = body || '{\"seconds\": 10}' WHERE kind = 'partition_loaded'")
    for number, loads, rows in ((0, 3, 9000), (1, 3, 9000), (2, 2, 9000), (3, 3, 3900), (4, 3, 9000), (5, 3, 9000)):
        skewed(empty, f"table_{number:03}", loads, rows)
    execute(empty, "DELETE FROM bulketl.measure WHERE table_name = 'table_004'")
    rules = {"t0": {"partition_by": "born"}, "t5": {"extraction_strategy": "incremental", "incremental_column": "id"}}
    report = weekly(ruled(empty, **rules), PERIOD, asking=False)
    found = {one.table: one for one in report.advice}
    assert {table: (one.title, one.line, one.at_source, one.seconds) for table, one in found.items()} == {
        "table_000": ("do not cut it along born", "table_000: {partition_by: null}", False, 80),
        "table_001": ("renew its statistics", "ANALYZE TABLE `table_001`", True, 80),
    }
    assert "of 5 ranges it had last time 9,000 rows where the median has 1,000" in found["table_000"].why
    assert taken(found["table_000"]).partition_by is None
    html, text = told(report, empty)
    assert "Run at the source:" in html
    assert "Run at the source:" in text


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
