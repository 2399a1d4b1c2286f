"""What is not normal is found on real ledgers: by the load that has just ended, kept, closed, and told where people look."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from lab import Lab

import bulketl
from bulketl.operations.anomalies.look import find_anomalies, open_anomalies
from bulketl.postgres.ledger.findings import Anomaly, read_findings
from bulketl.postgres.server import Postgres

NOW = dt.datetime(2026, 11, 27, 8, tzinfo=dt.UTC)
RULES: dict[str, Any] = {
    "t": {"table_importance": "critical", "extraction_strategy": "incremental", "incremental_column": "at"},
    "u": {"table_importance": "reference"},
}


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """An incremental table and one that is loaded whole."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, at datetime NOT NULL, KEY (at))",
        "INSERT INTO t SELECT seq, NOW() - INTERVAL 10 DAY FROM seq_1_to_2000",
        "CREATE TABLE u (id int PRIMARY KEY, c int)",
        "INSERT INTO u SELECT seq, 0 FROM seq_1_to_2000",
    )
    return maria_lab


def another_night(lab: Lab, days: int, **figures: float) -> str:
    """Load, and have that been so many days ago, with other figures in its record; return the run."""
    lab.mysql("INSERT INTO t SELECT (SELECT MAX(id) FROM t) + seq, NOW() FROM seq_1_to_1000",
              "UPDATE u SET c = c + 1")  # fmt: skip
    run = lab.load(rules=RULES).summary.run
    lab.pg(f"UPDATE bulketl.run SET started_at = started_at - interval '{days} days',"
           f" finished_at = finished_at - interval '{days} days', judged_at = now() WHERE run = %s", (run,))  # fmt: skip
    for column, value in figures.items():
        lab.pg(f"UPDATE bulketl.table_load SET {column} = %s WHERE run = %s", (value, run))
    return run


def nights(lab: Lab, count: int, **figures: float) -> None:
    """As many nights before, the first load of all a day before them."""
    for days in range(count + 1, 0, -1):
        another_night(lab, days, **{"seconds": 100.0, "lag": 60.0, **figures})


def found(lab: Lab, **more: Any) -> dict[tuple[str, str], Anomaly]:
    return {(one.table, one.kind): one for one in find_anomalies(lab.config(rules=RULES, **more))}


def test_a_load_is_judged_by_its_nights_once_and_what_it_shows_is_kept(lab: Lab) -> None:
    """Too fast, and with far fewer rows than usual; the next load that is normal closes that."""
    nights(lab, 8)
    assert found(lab) == {}
    lab.mysql("UPDATE u SET c = c + 1")
    run = lab.load(rules=RULES).summary.run
    lab.pg("UPDATE bulketl.table_load SET rows = 0 WHERE run = %s AND table_name = 't'", (run,))
    odd = found(lab)
    assert set(odd) == {("t", "faster"), ("t", "fewer_rows"), ("u", "faster")} or set(odd) == {
        ("t", "faster"),
        ("t", "fewer_rows"),
    }
    one = odd["t", "fewer_rows"]
    assert (one.run, one.value, one.nights, one.tier) == (run, 0, 8, "critical")
    assert one.bound < (one.expected or 0)
    kept = lab.pg(
        "SELECT table_name, kind, value, closed_at FROM bulketl.finding WHERE schema_name = '{s}' AND kind = 'fewer_rows'"
    )
    assert kept == [("t", "fewer_rows", 0.0, None)]
    assert found(lab) == odd
    lab.pg("UPDATE bulketl.run SET started_at = started_at - interval '1 hour' WHERE run = %s", (run,))
    last = another_night(lab, 0, seconds=100.0, lag=60.0)
    lab.pg("UPDATE bulketl.run SET judged_at = NULL WHERE run = %s", (last,))
    assert [key for key in found(lab) if key[0] == "t"] == []
    ((closed,),) = lab.pg(
        "SELECT closed_at IS NOT NULL FROM bulketl.finding WHERE schema_name = '{s}' AND kind = 'fewer_rows'"
    )
    assert closed


def test_a_first_load_a_full_one_and_a_part_are_planned(lab: Lab) -> None:
    """However many rows they have and however long they take."""
    nights(lab, 8)
    config = lab.config(rules=RULES)
    for words in ({"full": True}, {"since": "2020-01-01"}):
        plan = bulketl.make_plan(config, tables=["t"], **words)
        run = bulketl.load(config, plan).run
        lab.pg("UPDATE bulketl.table_load SET seconds = 9000, rows = 9000000 WHERE run = %s", (run,))
        assert found(lab) == {}
        assert lab.pg("SELECT judged_at IS NOT NULL FROM bulketl.run WHERE run = %s", (run,)) == [(True,)]


def test_a_table_that_is_slow_is_told_with_its_median(lab: Lab) -> None:
    nights(lab, 8, seconds=10.0)
    lab.mysql("UPDATE u SET c = c + 1")
    run = lab.load(rules=RULES).summary.run
    lab.pg("UPDATE bulketl.table_load SET seconds = 35 WHERE run = %s", (run,))
    assert {key for key in found(lab) if key[1] == "slower"} == {("t", "slower"), ("u", "slower")}
    assert found(lab)["t", "slower"].expected == 10.0


def test_a_lag_that_grows_is_found_from_the_newest_row(lab: Lab) -> None:
    """It is recorded with the load, by the watermark that it published."""
    nights(lab, 8)
    lab.mysql("DELETE FROM t WHERE at > NOW() - INTERVAL 1 DAY")
    lab.mysql("INSERT INTO t SELECT 1000000 + seq, NOW() - INTERVAL 3 DAY FROM seq_1_to_1000")
    lab.pg("UPDATE bulketl.state SET watermark = to_char(now() - interval '4 days', 'YYYY-MM-DD HH24:MI:SS')"
           " WHERE schema_name = '{s}' AND table_name = 't'")  # fmt: skip
    run = lab.load(rules=RULES).summary.run
    odd = found(lab)
    assert odd["t", "lag"].value == pytest.approx(3 * 86400, abs=6 * 3600)
    ((lag,),) = lab.pg("SELECT lag FROM bulketl.table_load WHERE run = %s AND table_name = 't'", (run,))
    assert lag == odd["t", "lag"].value


def test_a_table_that_is_not_loaded_and_a_window_without_a_run_are_found_from_the_first_day(lab: Lab) -> None:
    """And closed by the next load."""
    lab.load(rules=RULES)
    config = lab.config(rules=RULES)
    assert find_anomalies(config) == []
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=40)
    assert [(one.table, one.kind, one.tier) for one in find_anomalies(config, later)] == [("t", "not_loaded", "critical")]
    windows = {"load": "00:00-01:00 UTC"}
    with_window = bulketl.load_config(
        None,
        None,
        {"BULKETL_SOURCE": lab.source, "BULKETL_TARGET": config.target, "BULKETL_SCHEMA": lab.schema},
        windows=windows,
    )
    after = (dt.datetime.now(dt.UTC) + dt.timedelta(days=2)).replace(hour=2)
    kinds = {(one.table, one.kind) for one in find_anomalies(with_window, after)}
    assert ("", "no_run") in kinds
    assert find_anomalies(config) == []  # at this moment
    ((still,),) = lab.pg("SELECT count(*) FROM bulketl.finding WHERE schema_name = '{s}' AND closed_at IS NULL")
    assert still == 0


def test_a_table_that_fails_night_after_night_is_not_loaded(lab: Lab) -> None:
    """Though each night comes to it."""
    lab.pg("CREATE TABLE {s}.t (id int)")  # somebody else's: refused
    lab.load(rules=RULES)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=40)
    (one,) = find_anomalies(lab.config(rules=RULES), later)
    assert (one.table, one.kind, one.run) == ("t", "not_loaded", "")


def test_what_was_found_in_a_run_can_be_read_later(lab: Lab) -> None:
    nights(lab, 8, seconds=10.0)
    lab.mysql("UPDATE u SET c = c + 1")
    run = lab.load(rules=RULES).summary.run
    lab.pg("UPDATE bulketl.table_load SET seconds = 35 WHERE run = %s", (run,))
    find_anomalies(lab.config(rules=RULES))
    with Postgres(lab.target).connect() as connection:
        assert {one.table for one in read_findings(connection, lab.schema, run)} == {"t", "u"}
        assert json.dumps([one.to_json() for one in read_findings(connection, lab.schema)])


def test_who_may_only_read_is_told_the_same(lab: Lab) -> None:
    """What is recorded of loads, and what is overdue at that moment, without a word written."""
    nights(lab, 8, seconds=10.0)
    run = lab.load(rules=RULES).summary.run
    lab.pg("UPDATE bulketl.table_load SET seconds = 35 WHERE run = %s", (run,))
    config = lab.config(rules=RULES)
    find_anomalies(config)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=40)
    with Postgres(lab.target).connect() as connection:
        connection.execute("SET default_transaction_read_only = on")
        found = {(one.table, one.kind) for one in open_anomalies(config, connection, later)}
    assert found == {("t", "slower"), ("t", "not_loaded")}
    assert {(one.table, one.kind) for one in find_anomalies(config, later)} == found
