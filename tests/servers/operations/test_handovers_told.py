"""The older pipeline hears of tables that changed hands until it has answered; people hear of a rollback, and of silence."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alerted import pager
from lab import load
from sidebyside import Beside, dropped
from web import Endpoint

import bulketl
from bulketl.errors import PlanError
from bulketl.loading.handovers import tell
from bulketl.plan.selection import Selection
from bulketl.postgres.server import Postgres

__all__ = ["pager"]

# Writes down what it hears, and fails as long as a file is in its way.
HEARS = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
if (folder / "down").exists():
    print("the older pipeline is down")
    sys.exit(3)
with (folder / "heard").open("a") as file:
    print(*sys.argv[2:], sys.stdin.read(), sep="|", file=file)
"""


@pytest.fixture
def beside(maria_lab: object, request: pytest.FixtureRequest) -> Iterator[Beside]:
    """A table of both pipelines."""
    lab = request.getfixturevalue("maria_lab")
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    lab.pg("CREATE TABLE {s}.t (id integer PRIMARY KEY); INSERT INTO {s}.t VALUES (1)")
    yield Beside(lab)
    dropped(lab)


def heard(folder: Path) -> list[tuple[str, str]]:
    """Return what the older pipeline has heard: the tables as words, and what happened to them."""
    path = folder / "heard"
    found = [line.split("|", 1) for line in path.read_text().splitlines()] if path.exists() else []
    return [(tables, json.loads(text)["act"]) for tables, text in found]


def test_what_is_not_heard_is_told_again_in_order_by_every_later_load(beside: Beside, tmp_path: Path) -> None:
    """A promotion and a rollback, told while the other side is down, are heard once each when it is back."""
    told = [sys.executable, "-c", HEARS, str(tmp_path), "{tables}"]
    config = beside.shadowed(["t"], told=told)
    (tmp_path / "down").touch()
    done = bulketl.promote(config, reason="x", force=True)
    (left,) = done.handed.untold
    assert (left.act, left.attempts, "ended with 3: the older pipeline is down" in left.answer) == ("promote", 1, True)
    assert load(config).summary.outcome == "done"  # which tells it again, and is none the worse for it
    back = bulketl.rollback(config, reason="y", act="demote")
    assert [(one.act, one.attempts) for one in back.handed.untold] == [("promote", 3), ("demote", 0)]
    assert heard(tmp_path) == []
    (tmp_path / "down").unlink()
    assert load(config, unforeseen="nothing is left to load").summary.outcome == "done"
    assert heard(tmp_path) == [("t", "promote"), ("t", "demote")]
    assert tell(config).told == 0
    assert len(heard(tmp_path)) == 2


def test_a_name_that_looks_like_an_option_is_told_as_a_name_or_not_at_all(beside: Beside, tmp_path: Path) -> None:
    """Without a word that ends the options nothing is started, and that is said; with it the other side hears the name."""
    odd = "--drop -rf"
    beside.lab.mysql(f"CREATE TABLE `{odd}` (id int PRIMARY KEY)", f"INSERT INTO `{odd}` VALUES (1)")
    beside.lab.pg(f'CREATE TABLE {{s}}."{odd}" (id integer PRIMARY KEY)')
    command = [sys.executable, "-c", HEARS, str(tmp_path)]
    config = beside.shadowed([odd, "t"], told=[*command, "{tables}"])
    done = bulketl.promote(config, reason="x", force=True)
    (left,) = done.handed.untold
    assert f"was not started: table '{odd}' begins with a dash" in left.answer
    assert "write -- before {tables}" in left.answer
    assert heard(tmp_path) == []
    assert tell(beside.config(told=[*command, "--", "{tables}"])).untold == ()
    (line,) = (tmp_path / "heard").read_text().splitlines()
    assert line.split("|")[:3] == ["--", odd, "t"]


def test_without_a_command_nobody_tells_and_that_is_said(beside: Beside) -> None:
    """Silence is said where a person looks."""
    done = bulketl.promote(beside.shadowed(["t"]), reason="x", force=True)
    assert (done.handed.silent, len(done.handed.untold)) == (True, 1)


def test_a_rollback_is_alerted_and_reported_until_the_table_is_promoted_again(
    beside: Beside, pager: Endpoint, tmp_path: Path
) -> None:
    """With who gave it back and why; a handover that is not heard is an alert too, until it is."""
    told = [sys.executable, "-c", HEARS, str(tmp_path), "{tables}"]
    rules = {"t": {"table_importance": "critical"}}
    config = beside.shadowed(["t"], told=told, rules=rules, alerts={"webhook": pager.url})
    bulketl.promote(config, reason="x", force=True)
    (tmp_path / "down").touch()
    back = bulketl.rollback(config, reason="sums of claims are wrong", act="demote")
    found = {one.kind: one for one in bulketl.tick_alerts(config).open}
    assert set(found) == {"rolled_back", "untold"}
    assert "sums of claims are wrong" in found["rolled_back"].members["t"].text
    report = bulketl.incident(config, back.run)
    assert (report.number, [one.how for one in report.affected]) == (back.report, ["rolled back"])
    assert "1 table is served by the older pipeline again" in report.headline
    assert "sums of claims are wrong" in report.affected[0].why
    assert bulketl.incident(config).run.run == back.run
    assert bulketl.run_report(config, back.run).page.run.kind == "rollback"
    (tmp_path / "down").unlink()
    done = bulketl.promote(config, reason="again", force=True)
    assert bulketl.run_report(config, done.run).page.run.kind == "promote"
    assert bulketl.tick_alerts(config).open == ()


def test_a_kept_table_goes_when_its_time_is_over_and_a_rollback_names_it(
    beside: Beside, caplog: pytest.LogCaptureFixture
) -> None:
    """The next load drops it, says so and puts it on record; its schema goes too."""
    config = beside.shadowed(["t"])
    bulketl.promote(config, reason="x", force=True)
    beside.lab.pg("UPDATE bulketl.kept SET keep_until = now() WHERE schema_name = '{s}'")
    load(config)
    assert "the older one, kept since" in caplog.text
    assert beside.lab.pg("SELECT ended FROM bulketl.kept WHERE schema_name = '{s}'") == [("dropped",)]
    back = bulketl.rollback(config, reason="x")
    assert back.tables == ()
    assert [(table, why.partition(":")[0]) for table, why in back.impossible] == [("t", "its older table is kept no more")]
    assert beside.owner("t") == "bulketl"


def test_a_dry_run_tells_what_would_come_back_and_changes_nothing(beside: Beside) -> None:
    """Age, rows, bytes, and what loads did since."""
    config = beside.shadowed(["t"])
    assert bulketl.promote(config, reason="x", force=True, dry_run=True).tables[0].how == "swapped"
    assert beside.owner("t") == "shadow"
    bulketl.promote(config, reason="x", force=True)
    beside.lab.mysql("INSERT INTO t VALUES (3), (4)")
    load(config)
    (one,) = bulketl.rollback(config, reason="x", dry_run=True).tables
    assert (one.rows, one.now, one.since.loads, one.bytes > 0) == (1, 4, 1, True)
    assert beside.owner("t") == "bulketl"


def test_a_rollback_works_while_the_source_is_down(beside: Beside) -> None:
    """It asks the target alone."""
    bulketl.promote(beside.shadowed(["t"]), reason="x", force=True)
    config = beside.config(source="mysql://nobody@127.0.0.1:9/nothing")
    assert [one.table for one in bulketl.rollback(config, reason="x").tables] == ["t"]
    assert beside.lab.pg("SELECT count(*) FROM {s}.t") == [(1,)]
    with pytest.raises(PlanError, match="nothing is known"):
        bulketl.rollback(config, Selection(tables=("nothing",)), reason="x")
    with Postgres.of(config).connect() as connection:
        assert connection.execute("SELECT count(*) FROM bulketl.run WHERE kind = 'rollback' AND outcome = 'done'").fetchone()


def test_writes_of_the_older_pipeline_to_a_table_that_was_promoted_are_noticed(
    beside: Beside, pager: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """By the next tick and the next load, and no more once a load has come; bulketl's own writes are none."""
    config = beside.shadowed(["t"], alerts={"webhook": pager.url})
    bulketl.promote(config, reason="x", force=True)
    lab = beside.lab
    settled = """UPDATE bulketl.run SET finished_at = finished_at - interval '1 minute';
        UPDATE bulketl.kept SET writes_at = writes_at - interval '2 minutes'"""
    lab.mysql("INSERT INTO t VALUES (3)")
    load(config)
    lab.pg(settled)
    assert bulketl.tick_alerts(config).open == ()
    lab.pg("SELECT pg_stat_force_next_flush(); INSERT INTO {s}.t VALUES (77), (78)")
    (alert,) = bulketl.tick_alerts(config).open
    assert (alert.kind, alert.members["t"].text) == ("written", "others wrote 2 rows to it since the last run of bulketl")
    lab.mysql("INSERT INTO t VALUES (4)")
    load(config)
    assert "table 't': others wrote 2 rows to it" in caplog.text
    lab.pg(settled)
    assert bulketl.tick_alerts(config).open == ()
    lab.pg("DROP TABLE {s}.t; CREATE TABLE {s}.t (id int)")
    assert "made anew" in bulketl.tick_alerts(config).open[0].members["t"].text
