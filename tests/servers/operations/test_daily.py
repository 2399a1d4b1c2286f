"""The daily report on real ledgers, read by exactly the role that `bulketl grants --role dashboard` makes."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dashboards import config_of, role, said
from lab import execute

import bulketl
from benchmarks import seeded
from bulketl.errors import ConfigError, runbook
from bulketl.operations.reports.daily import Daily, daily
from bulketl.operations.reports.rendering import bodies, markdown, page
from bulketl.postgres.ledger.schema import create

VERSION_4 = Path(__file__).parents[2].joinpath("support", "ledger4.sql").read_text(encoding="utf-8")
UNTIL = dt.datetime(2026, 11, 27, 3, 0, tzinfo=dt.UTC)
NOW = UNTIL + dt.timedelta(hours=4)
LAST = "20261127-023500-0000"  # the last run that is seeded
HOSTILE = (
    "<script>alert(1)</script>", "abc\u202efed", "x" * 63, '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "a|b`c",
    "two\nlines", "患者の診療記録", "\x1b[2J",
)  # fmt: skip


@pytest.fixture
def year(empty: str) -> str:
    """A ledger of 140 tables and 40 nights."""
    with psycopg.connect(empty, autocommit=True) as connection:
        seeded.seed(connection, UNTIL, tables=140, nights=40)
    return empty


def write(target: str, *statements: str) -> None:
    with psycopg.connect(target, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def told(target: str, until: dt.date | None = None, now: dt.datetime = NOW, **more: Any) -> Daily:
    """Return the report as the role `dashboard` may make it."""
    with role(target) as reader:
        return daily(config_of(reader, **more), until, now=now)


def run(name: str, begins: str, ends: str = "", outcome: str = "done", seconds: float = 0, kind: str = "load") -> str:
    """Return the statement that puts a run on record."""
    ended = f"'2026-11-{ends}:00Z'" if ends else "NULL"
    return (
        "INSERT INTO bulketl.run (run, kind, host, source, schema_name, zone, plan, document, version, started_at,"
        f" finished_at, outcome, summary) VALUES ('{name}', '{kind}', 'etl', '{seeded.SOURCE}', 'raw', '', '', '{{}}', '1',"
        f" '2026-11-{begins}:00Z', {ended}, {repr(outcome) if ends else 'NULL'}, '{{\"seconds\": {seconds}}}')"
    )


def loaded(run: str, table: str, outcome: str = "loaded", rows: int = 100, tier: str = "critical") -> str:
    """Return the statement that puts on record what became of a table in a run."""
    return (
        "INSERT INTO bulketl.table_load (run, source, schema_name, table_name, tier, outcome, rows, rejects, bytes, seconds,"
        f" changed, drift, reason) VALUES ('{run}', '{seeded.SOURCE}', 'raw', '{table}', '{tier}', '{outcome}', {rows}, 0,"
        f" {rows * 90}, 1, '{{}}', '[]', '')"
    )


def figure(report: Daily, title: str) -> Any:
    return next(one for one in report.figures if one.title == title)


def test_the_headline_and_the_tiers_have_numbers_that_add_up(year: str) -> None:
    report = told(year)
    assert report.headline == (
        "140 tables: 2 failed, 3 late, 135 on time. Critical: table_007 (failed), table_003 (late). 3 rows were rejected."
    )
    assert report.lede == "The load took 25 min and ended at 03:00."
    assert [group.title for group in report.groups] == ["critical", "important", "audit", "reference", "all"]
    *tiers, every = report.groups
    for group in report.groups:
        assert sum(group.outcomes.values()) == group.tables
    for name in ("tables", "rows", "bytes", "late"):
        assert sum(getattr(tier, name) for tier in tiers) == getattr(every, name)
    assert every.outcomes == {
        "failed": 2, "unfinished": 0, "loaded": 136, "unchanged": 0, "skipped": 0, "in no load": 2,
    }  # fmt: skip
    ((rows, size),) = execute(year, f"SELECT sum(rows), sum(bytes) FROM bulketl.table_load WHERE run = '{LAST}'")
    assert (every.rows, every.bytes, figure(report, "Rows read").last) == (rows, size, rows)
    assert report.exit_code == 1


def test_what_was_read_of_a_table_that_failed_counts_nowhere(year: str) -> None:
    """Neither its rows nor its bytes, in the tiers as in the figures."""
    before = told(year)
    write(
        year,
        f"UPDATE bulketl.table_load SET rows = 1000000, bytes = 90000000 WHERE run = '{LAST}' AND outcome = 'failed'",
    )
    after = told(year)
    for title in ("Rows read", "Volume"):
        assert figure(after, title).last == figure(before, title).last
    assert (after.groups[-1].rows, after.groups[-1].bytes) == (before.groups[-1].rows, before.groups[-1].bytes)


def test_what_is_wrong_comes_worst_first_and_once_for_tables_of_which_the_same_is_said(year: str) -> None:
    write(
        year,
        f"UPDATE bulketl.event SET body = body || jsonb_build_object('hint', '`bulketl load --tables ' || (body->>'table')"
        f" || '`') WHERE run = '{LAST}' AND kind = 'table_failed'",
    )
    troubles = told(year).troubles
    assert [(one.word, [each.of.table for each in one.tables]) for one in troubles] == [
        ("failed", ["table_007", "table_130"]), ("slow", ["table_003"]), ("overdue", ["table_020", "table_021"]),
        ("rejected", ["table_040"]),
    ]  # fmt: skip
    assert troubles[0].hint == f"`bulketl load --tables 'table_007,table_130'`; {runbook('critical-table-failed')}"


def test_a_night_stands_beside_the_one_before_the_same_weekday_and_the_median_of_fourteen(year: str) -> None:
    """As the ledger has them, and a figure that too few nights have has no median."""
    write(
        year,
        "UPDATE bulketl.run SET finished_at = started_at + interval '50 minutes'"
        " WHERE run = (SELECT run FROM bulketl.run ORDER BY started_at DESC OFFSET 7 LIMIT 1)",
    )
    took = figure(told(year), "Took")
    assert (took.last, took.median, took.before, took.week, took.against) == (1500, 1500, 1500, 3000, "±0 s")
    rejected = figure(told(year), "Rejected rows")
    assert (rejected.last, rejected.median, rejected.against) == (3, 0, "+3")
    sums = [row[0] for row in execute(
        year, "SELECT sum(rows)::bigint FROM bulketl.table_load GROUP BY run ORDER BY run DESC LIMIT 15")]  # fmt: skip
    rows = figure(told(year), "Rows read")
    assert (rows.last, rows.before) == (sums[0], sums[1])
    assert rows.median == (sorted(sums[1:])[6] + sorted(sums[1:])[7]) / 2
    write(year, "DELETE FROM bulketl.run WHERE started_at < '2026-11-24T12:00Z'")
    few = figure(told(year), "Took")
    assert (few.median, few.usual, few.week) == (None, "too few nights (2)", None)


def test_a_night_that_is_over_is_told_as_it_stood_then(year: str) -> None:
    """Tables that are late by now were not late then, and a failure of last night had not happened."""
    report = told(year, dt.date(2026, 11, 17))
    assert report.headline == "All 140 tables are on time."
    assert (report.past, report.exit_code, [one.run for one in report.runs]) == (True, 0, ["20261117-023500-000a"])
    assert report.nights[-1].day == dt.date(2026, 11, 16)
    assert figure(report, "Rows read").last == report.groups[-1].rows > 0
    late = told(year, dt.date(2026, 11, 21))
    assert "2 late" in late.headline
    assert told(year, dt.date(2026, 11, 27)).headline == told(year).headline
    with pytest.raises(ConfigError, match="has not begun"):
        told(year, dt.date(2026, 11, 29))


def test_a_night_without_a_load_says_so_first(year: str) -> None:
    """And in the morning of today, before noon: the night before is not taken for it."""
    report = told(year, now=NOW + dt.timedelta(days=1))
    assert report.headline.startswith("No load began in this night. 140 tables: ")
    assert report.lede == "The last one with a load was that of 26 November."
    assert (report.runs, report.figures[0].last, report.exit_code in (1, 3)) == ((), None, True)
    assert [one.strip.states[-1] for one in report.mattering if one.stand.of.table == "table_001"] == ["none"]
    text = said(page(config_of(year), "daily", report))
    assert "No load began in this night." in text
    assert report.subject == "28 November, raw: no load began"
    evening = told(year, now=NOW + dt.timedelta(hours=10))  # nothing has begun since noon
    assert evening.day == dt.date(2026, 11, 26)
    assert evening.loads


def test_two_loads_of_a_night_count_together_and_overlapping_seconds_once(year: str) -> None:
    """The last load that had a table tells what became of it; one that skipped it does not."""
    write(
        year,
        run("20261127-024500-b", "27 02:45", "27 03:10"), loaded("20261127-024500-b", "table_007"),
        loaded("20261127-024500-b", "table_000", "skipped", 0),
        run("20261127-050000-c", "27 05:00", "27 05:20"),
        loaded("20261127-050000-c", "table_130", "unchanged", 0, "reference"),
    )  # fmt: skip
    report = told(year)
    assert figure(report, "Took").last == 35 * 60 + 20 * 60
    assert report.lede == "3 loads took 55 min and ended at 05:20."
    outcomes = report.groups[-1].outcomes
    assert (outcomes["failed"], outcomes["loaded"], outcomes["unchanged"], outcomes["skipped"]) == (0, 137, 1, 0)
    assert report.headline.startswith("140 tables: 3 late, 136 on time, 1 not due.")
    assert "Runs of this night: 3" in said(page(config_of(year), "daily", report))


def test_a_load_that_was_resumed_took_no_longer_for_the_time_in_which_it_stood_still(year: str) -> None:
    write(
        year,
        f"UPDATE bulketl.run SET finished_at = '2026-11-27T05:00Z', summary = '{{\"seconds\": 600}}' WHERE run = '{LAST}'",
        f"INSERT INTO bulketl.event VALUES ('{LAST}', 9000, '2026-11-27T04:50Z', 'run_started', '{{\"tables\": {{}}}}')",
    )
    report = told(year)
    assert figure(report, "Took").last == 35 * 60
    assert report.lede == (
        "The load took 35 min and ended at 05:00. It was resumed, after it had stood still for 1 h 50 min."
    )


def test_a_load_that_is_on_or_died_is_told_and_has_no_figures_yet(year: str) -> None:
    name = "20261127-060000-dead"
    write(
        year, run(name, "27 06:00"),
        f'INSERT INTO bulketl.event VALUES (\'{name}\', 1, \'2026-11-27T06:00Z\', \'run_started\', \'{{"tables": {{}}}}\')',
        f"UPDATE bulketl.state SET run = '{name}', published_at = '2026-11-27T06:01Z' WHERE table_name = 'table_007'",
    )  # fmt: skip
    report = told(year)
    assert [one.outcome for one in report.runs] == ["partly done", "dead"]
    assert f"The load {name} did not come to its end: dead." in report.lede
    assert report.headline.startswith("140 tables: 1 failed, 3 late, 136 on time.")
    assert report.groups[0].outcomes["failed"] == 0
    assert f"bulketl load --resume {name}" in said(page(config_of(year), "daily", report))


def test_rejects_are_counted_with_reasons_and_columns_and_no_value_is_told(year: str) -> None:
    write(
        year,
        "INSERT INTO bulketl.reject (run, schema_name, table_name, partition, column_name, value, reason, key, row)"
        f" SELECT '{LAST}', 'raw', 'table_040', 0, 'salary', 'SECRET', 'is SECRET', '{{\"id\": \"SECRET\"}}',"
        ' \'{"n": "SECRET"}\' FROM generate_series(1, 3)',
        f'UPDATE bulketl.table_load SET checks = \'{{"reject": {{"range salary 0..9": 2}}, "warn": {{"not_null x": 7}}}}\''
        f" WHERE run = '{LAST}' AND table_name = 'table_040'",
        f"UPDATE bulketl.table_load SET error = 'SECRET' WHERE run = '{LAST}'",
    )
    report = told(year)
    (one,) = report.rejects
    assert (one.table, one.rows, one.where, one.allowed) == ("table_040", 3, "salary (3)", "0")
    assert one.reasons == [
        "2 rows fail the check range salary 0..9",
        "1 row does not fit the types of the columns, or Postgres refuses it",
    ]
    config = config_of(year)
    everything = [page(config, "daily", report), markdown(config, "daily", report), *bodies(config, "daily", report)]
    everything += [json.dumps(report.to_json()), json.dumps(bulketl.daily(config, now=NOW).to_json())]
    for text in everything:
        assert "salary" in text
        assert "SECRET" not in text


def test_drift_certificates_and_comparisons_are_told(year: str) -> None:
    write(
        year,
        'UPDATE bulketl.table_load SET drift = \'["+ born date", "~ name varchar(9) to text"]\''
        f" WHERE run = '{LAST}' AND table_name = 'table_001'",
        "INSERT INTO bulketl.certificate SELECT run, table_name, table_name <> 'table_002', '{}', source, schema_name"
        f" FROM bulketl.table_load WHERE run = '{LAST}' AND table_name < 'table_007'",
        f"INSERT INTO bulketl.compared VALUES ('{LAST}', 'raw', 'table_001', 11, 12, 13, 'mirror'),"
        f" ('{LAST}', 'raw', 'table_002', 0, 0, 0, 'mirror')",
        "INSERT INTO bulketl.verification"
        " SELECT 'raw', t, '2026-11-27T05:00Z', 's', 'ann', 'rows', 1, o, 9, 1, 0, 0, 0, 0, ''"
        " FROM (VALUES ('table_001', 'equal'), ('table_002', 'differs'), ('table_003', 'equal')) v (t, o)",
    )
    report = told(year)
    assert [(one.table, one.lines) for one in report.drift] == [
        ("table_001", ("+ born date", "~ name varchar(9) to text"))
    ]  # fmt: skip
    assert report.verified.told == [
        "Certified are 6 of 136 loaded tables.", "The figures of table_002 differ: `bulketl certificate` says where.",
        "2 tables were compared with the source row by row: 36 rows differed, in table_001.",
        "`bulketl verify` was asked about 3 tables: differing are table_002, 2 equal.",
    ]  # fmt: skip
    assert "+ born date" in said(page(config_of(year), "daily", report))


def test_several_sources_are_told_apart_and_other_schemas_are_left_out(year: str) -> None:
    write(
        year,
        "UPDATE bulketl.state SET source = 'mysql://other/<b>' WHERE table_name < 'table_010'",
        "INSERT INTO bulketl.state (schema_name, table_name, source, zone, kept, run)"
        " VALUES ('elsewhere', 't', 'mysql://x', '', '{}', 'r')",
        run("20261127-020000-e", "27 02:00", "27 02:10").replace("'raw'", "'elsewhere'"),
        loaded("20261127-020000-e", "t", rows=10**12).replace("'raw'", "'elsewhere'"),
    )
    report = told(year)
    assert [(group.source, group.tables) for group in report.groups if group.source] == [
        ("mysql://clinic:3306/opendental", 130), ("mysql://other/<b>", 10),
    ]  # fmt: skip
    assert (len(report.runs), figure(report, "Rows read").last < 10**12) == (1, True)
    text = said(page(config_of(year), "daily", report))
    assert "elsewhere (1 table)" in text
    assert "2 sources" in text


def test_an_empty_target_an_empty_ledger_and_an_old_one_are_told(empty: str) -> None:
    report = daily(config_of(empty), now=NOW)
    assert report.headline == "Nothing was loaded into this schema yet, and no rule names a table."
    assert "bulketl load" in said(page(config_of(empty), "daily", report))
    assert bodies(config_of(empty), "daily", report)[0].startswith("Nothing was loaded")
    assert markdown(config_of(empty), "daily", report).startswith("# Daily report, 27 November, raw: nothing loaded yet")
    with psycopg.connect(empty, autocommit=True) as connection:
        create(connection, "raw")
    assert told(empty).headline == report.headline
    write(
        empty, "DROP SCHEMA bulketl CASCADE; DROP SCHEMA IF EXISTS bulketl_staging CASCADE", VERSION_4,
        "INSERT INTO bulketl.run VALUES ('r', 'h', 's', 'raw', '', '', '{}', '0.1', '2026-11-27T02:00Z',"
        " '2026-11-27T02:05Z', 'done', '{}')",
        "INSERT INTO bulketl.table_load (run, table_name, tier, outcome, rows, rejects, bytes, seconds, changed, drift,"
        " reason) VALUES ('r', 't', 'critical', 'loaded', 5, 2, 50, 1, '{}', '[]', 'full load')",
    )  # fmt: skip
    old = daily(config_of(empty), now=NOW)
    assert (old.headline, old.groups[0].rows) == ("The one table is on time. 2 rows were rejected.", 5)
    assert "the next load brings it to" in said(page(config_of(empty), "daily", old))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_wherever_it_is_told(year: str, name: str) -> None:
    with psycopg.connect(year, autocommit=True) as connection:
        for table in ("table_load", "published", "partition", "state"):
            for old in ("table_007", "table_040"):
                connection.execute(
                    f"UPDATE bulketl.{table} SET table_name = %s WHERE table_name = %s".encode(), (f"{name}{old[-1]}", old)
                )
        connection.execute(
            "UPDATE bulketl.event SET body = body || jsonb_build_object('table', %s::text, 'message', %s::text)"
            " WHERE body->>'table' = 'table_007'",
            (f"{name}7", f"table {name!r} is bad: {name}"),
        )
        connection.execute("UPDATE bulketl.run SET host = %s, source = %s", (name, name))
        connection.execute("UPDATE bulketl.state SET source = %s", (name,))
        connection.execute(
            f"UPDATE bulketl.table_load SET drift = jsonb_build_array('+ ' || %s::text) WHERE run = '{LAST}'", (name,)
        )
    report, config = told(year), config_of(year)
    text, html = bodies(config, "daily", report)
    for made in (page(config, "daily", report), html):
        assert "<script>alert" not in made
        assert "<img" not in made
        assert not set(made) & {"\u202e", "\x1b"}
        assert "49" not in re.findall(r"<bdi>(.*?)</bdi>", made)
    for plain in (text, markdown(config, "daily", report)):
        assert not set(plain) & {"\u202e", "\x1b"}
        assert "\nlines" not in plain
    for line in markdown(config, "daily", report).splitlines():
        assert line.count("|") - line.count("\\|") in (0, 6, 7, 8, 9, 10, 11)
    assert "\n" not in report.subject


def test_a_house_of_432_tables_and_a_year_has_a_small_page_soon_though_everything_failed(empty: str) -> None:
    """Each for a reason of its own, with the longest names, and columns that all changed."""
    with psycopg.connect(empty, autocommit=True) as connection:
        seeded.seed(connection, UNTIL)
        connection.execute(
            "UPDATE bulketl.table_load SET outcome = 'failed', rejects = 5,"
            f" drift = to_jsonb(array_fill('+ <&>'::text, '{{300}}')) WHERE run = '{LAST}'"
        )
        connection.execute(
            "INSERT INTO bulketl.event SELECT run, 90000 + row_number() OVER (), now(), 'table_failed', jsonb_build_object("
            "'table', table_name, 'message', table_name || repeat('<why> ', 400), 'hint', repeat('do & ', 40))"
            f" FROM bulketl.table_load WHERE run = '{LAST}'"
        )
    with role(empty) as reader:
        began = time.monotonic()
        config = config_of(reader)
        report = daily(config, now=NOW)
        html = page(config, "daily", report)
        seconds = time.monotonic() - began
    assert (len(html.encode()) < 500_000, seconds < 5) == (True, True), (len(html.encode()), seconds)
    assert "432 tables: 430 failed, 2 late." in report.headline
    assert "more; bulketl report daily --json has them all" in said(html)
    assert sum(len(each.encode()) for each in bodies(config, "daily", report)) < 500_000
