"""The report on a run in trouble, on real servers: what it hit, before and since, who did what; numbered and kept."""

from __future__ import annotations

import datetime as dt
import json
import re
import signal
from pathlib import Path

import psycopg
import pytest
from dashboards import NOBODY, config_of, role
from heldup import environ, held_up
from lab import Lab
from typer.testing import CliRunner, Result

import bulketl
from bulketl.cli.app import app
from bulketl.errors import PlanError
from bulketl.operations.alerts.causes import Cause
from bulketl.operations.alerts.ledgerbook import LedgerBook
from bulketl.operations.alerts.machine import Acknowledged, Raised, Resolved
from bulketl.postgres.ledger.incidents import Member

SECRET = "KARLSSON"
HOSTILE = "<script>alert('x')|`\u202e"
RUNNER = CliRunner()


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """Three tables, one of a hostile name."""
    for table in ("t", "u", HOSTILE):
        quoted = table.replace("`", "``")
        maria_lab.mysql(
            f"CREATE TABLE `{quoted}` (id int PRIMARY KEY, c varchar(20))",
            f"INSERT INTO `{quoted}` SELECT seq, '{SECRET}' FROM seq_1_to_200",
        )
    return maria_lab


def in_trouble(lab: Lab, *tables: str) -> str:
    """Load with a CHECK in the target that these tables break, and return the run."""
    lab.load()
    for table in tables:
        lab.pg(f'ALTER TABLE {{s}}."{table}" ADD CONSTRAINT kept CHECK (id < 201)')
        lab.mysql(f"INSERT INTO `{table.replace('`', '``')}` VALUES (201, '{SECRET}')")
    return lab.load().summary.run


def mended(lab: Lab, table: str) -> str:
    lab.pg(f'ALTER TABLE {{s}}."{table}" DROP CONSTRAINT kept')
    return lab.load().summary.run


def asked(lab: Lab, *words: str) -> Result:
    return RUNNER.invoke(app, ["report", *words], env=environ(lab))


def test_a_table_that_failed_is_told_with_what_it_was_before_and_became_since(lab: Lab) -> None:
    """The same report, under the same number, when it is made again after the table was loaded."""
    run = in_trouble(lab, "t", "u")
    report = bulketl.incident(lab.config())
    (before,) = lab.pg("SELECT run FROM bulketl.run WHERE schema_name = '{s}' ORDER BY started_at LIMIT 1")
    assert report.run.run == run
    assert report.number
    assert report.headline.startswith("Load was partly done after ")
    assert report.headline.endswith(": 2 of 3 tables are as before; none was loaded since.")
    assert [(one.table, one.how, one.before and one.before.run, one.since) for one in report.affected] == [
        ("t", "failed", before[0], None), ("u", "failed", before[0], None),
    ]  # fmt: skip
    again = mended(lab, "t")
    first, report = report, bulketl.incident(lab.config(), run)
    assert report.number == first.number
    assert report.headline.endswith("2 of 3 tables are as before; 1 of them was loaded since.")
    assert [(one.table, one.since and one.since.run) for one in report.affected] == [("u", None), ("t", again)]
    assert [one.what for one in report.deeds if again in one.what] == [f"load {again} brought 1 of these tables in"]


def test_a_load_that_was_killed_left_behind_what_it_did_not_reach(lab: Lab) -> None:
    """And how to go on is told, which does it."""
    with held_up(lab) as (_, process, run):
        assert RUNNER.invoke(app, ["report", "incident", run], env=environ(lab)).exit_code == 2  # it is still on
        process.send_signal(signal.SIGKILL)
        process.wait()
    lab.pg(
        "UPDATE bulketl.event SET at = at - interval '1 hour' WHERE run = %s", (run,)
    )  # as if nothing had been heard of it for that long
    report = bulketl.incident(lab.config())
    reached = {table for (table,) in lab.pg("SELECT table_name FROM bulketl.published WHERE run = %s", (run,))}
    assert (report.run.outcome, report.planned) == ("dead", 3)
    assert {one.table for one in report.affected} == {"t", "u", HOSTILE} - reached
    assert {(one.how, one.hint) for one in report.affected} == {("not reached", f"`bulketl load --resume {run}`")}
    assert report.headline == f"Load died: {len(report.affected)} of 3 tables are as before; none was loaded since."
    bulketl.resume(lab.config(), run)
    with pytest.raises(PlanError, match="went well: there is no incident"):
        bulketl.incident(lab.config(), run)


def test_who_did_what_is_told_in_order(lab: Lab) -> None:
    """Whose run it was, who took the alert on, and who closed it."""
    run = in_trouble(lab, "t")
    now = dt.datetime.now(dt.UTC)
    blank = Cause(lab.schema, run, "target", "table_failed", "23514").blank("important", now)
    with psycopg.connect(lab.target, autocommit=True) as connection:
        book = LedgerBook(connection, lab.schema, NOBODY)
        book.change(blank, Raised({"t": Member("important", "it failed", "look at it", now)}), now)
        book.change(blank, Acknowledged("maria"), now + dt.timedelta(minutes=1))
        book.change(blank, Resolved("jan"), now + dt.timedelta(minutes=2))
    report = bulketl.incident(lab.config())
    told = [(one.who, re.sub(r"alert \d+", "alert N", one.what).partition(" until ")[0]) for one in report.deeds]
    assert told[0][1] == f"began load {run}, version {bulketl.__version__}"
    assert told[1][1] == "ended it: partly done"
    assert told[2] == ("bulketl", f"opened alert N: table t failed (23514 at the target), schema {lab.schema}")
    assert told[3:] == [("jan", "resolved alert N"), ("maria", "took on alert N")]
    moments = [one.at for one in report.deeds if one.at is not None]
    assert moments == sorted(moments)


def test_a_report_outlives_the_events_it_was_made_of(lab: Lab) -> None:
    """By its number, and by its run, word for word; and it is in the ledger before anybody asks for that."""
    run = in_trouble(lab, HOSTILE)
    made = bulketl.incident(lab.config())
    lab.pg("DELETE FROM bulketl.event WHERE run = %s", (run,))
    for which in (str(made.number), run):
        kept = bulketl.incident(lab.config(), which)
        assert {**kept.to_json(), "made": ""} == {**made.to_json(), "made": ""}
        assert abs(kept.made - made.made) < dt.timedelta(minutes=1)


@pytest.mark.parametrize("report", ["incident", "run"])
def test_page_markdown_and_json_tell_the_same_and_show_no_value(lab: Lab, report: str, tmp_path: Path) -> None:
    """In one file of which nothing is fetched and no name acts."""
    run = in_trouble(lab, HOSTILE)
    page = tmp_path / "r.html"
    told = asked(lab, report, run, "--html", str(page))
    assert told.exit_code == 0, told.output
    markdown, document = asked(lab, report, run, "--markdown").stdout, json.loads(asked(lab, report, run, "--json").stdout)
    html = page.read_text()
    assert re.findall(r"<script|<link|<img|<iframe|src=|url\(|@import|href=\"(?!#)", html) == []
    assert len(html) < 500_000
    for text in (html, markdown, json.dumps(document), told.stdout):
        assert SECRET not in text
        assert run in text.replace("\\", "")
    assert document["headline"] in html
    assert "<bdi>&lt;script&gt;" in html
    assert "\\<script\\>" in markdown
    assert "SQLSTATE 23514" in html


def test_what_there_is_no_report_on_is_said(lab: Lab) -> None:
    """No ledger, no run in trouble, a run that went well, a number and a run that there are not."""
    told = asked(lab, "incident")
    assert (told.exit_code, "no run into schema" in told.output) == (2, True)
    run = lab.load().summary.run
    for words, said in {
        (): "on record ended badly",
        (run,): f"`bulketl report run {run}` tells of it",
        ("700000",): "there is no incident report 700000",
        ("none",): "there is no run 'none'",
    }.items():
        told = asked(lab, "incident", *words)
        assert told.exit_code == 2
        assert said in " ".join(told.output.split()), told.output


def test_who_may_only_read_gets_the_report_without_a_number(lab: Lab) -> None:
    """Under exactly the role of the dashboard."""
    in_trouble(lab, "t")
    with role(lab.target, lab.schema) as target:
        report = bulketl.incident(config_of(target, lab.schema))
    assert (report.number, len(report.affected)) == (None, 1)
    assert "SQLSTATE 23514" in report.affected[0].why
