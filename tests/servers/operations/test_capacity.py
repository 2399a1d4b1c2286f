"""Capacity on real servers: what a load measures, and what is said of it after many nights, after a few, after none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from dashboards import config_of, role
from lab import Lab, execute

import bulketl
from benchmarks import seeded
from bulketl import Config
from bulketl.config.capacity import Capacity as Limits
from bulketl.config.windows import Windows
from bulketl.operations.capacity.forecast import Capacity, capacity
from bulketl.postgres.ledger import measures
from bulketl.postgres.ledger.schema import NEWEST, create

UNTIL = dt.datetime(2026, 11, 25, 3, 0, tzinfo=dt.UTC)
NOW = UNTIL + dt.timedelta(hours=4)
WINDOW = Windows(load="01:00-05:00 UTC")


def seeding(target: str, tables: int, nights: int) -> None:
    with psycopg.connect(target, autocommit=True) as connection:
        seeded.seed(connection, UNTIL, tables=tables, nights=nights)


def settings(target: str, disk: int | None = 200 * 10**9, windows: Windows | None = WINDOW) -> Config:
    found = config_of(target)
    return found.model_copy(update={"capacity": Limits(disk=disk), "windows": windows})


@pytest.fixture
def asked(empty: str) -> Iterator[str]:
    """A target as the role `dashboard` may see it."""
    with psycopg.connect(empty, autocommit=True) as connection:
        create(connection, "raw")
    with role(empty) as reader:
        yield reader


def test_a_load_measures_the_database_sessions_and_keys_by_their_index(maria_lab: Lab) -> None:
    """With the lower limit of both sides; not a table without a number for a key, nor one whose key is masked."""
    lab = maria_lab
    lab.mysql(
        "CREATE TABLE a (id int PRIMARY KEY)",
        "INSERT INTO a VALUES (7), (2000000000)",
        "CREATE TABLE b (id int unsigned PRIMARY KEY)",
        "INSERT INTO b VALUES (4000000000)",
        "CREATE TABLE c (code varchar(9) PRIMARY KEY)",
        "INSERT INTO c VALUES ('x')",
        "CREATE TABLE d (id smallint PRIMARY KEY, x int)",
        'CREATE TABLE `e"\'%s` (`k"%` bigint unsigned, x int, PRIMARY KEY (`k"%`, x))',
        "INSERT INTO `e\"'%s` VALUES (9, 1), (12, 1)",
    )
    rules: dict[str, Any] = {name: {} for name in ("a", "b", "c", "d", "e\"'%s")}
    done = lab.load(rules=rules)
    found = lab.pg(
        "SELECT table_name, column_name, value::bigint, most::bigint, side FROM bulketl.measure"
        " WHERE run = %s AND what = 'key' ORDER BY 1",
        (done.summary.run,),
    )
    assert found[:2] == [("a", "id", 2_000_000_000, 2**31 - 1, ""), ("b", "id", 4_000_000_000, 2**32 - 1, "source")]
    others = lab.pg("SELECT what, value > 0, most > 10 FROM bulketl.measure WHERE run = %s AND what <> 'key' ORDER BY 1",
                    (done.summary.run,))  # fmt: skip
    assert others == [("connections", True, True), ("database", True, None)]


def test_a_load_goes_well_where_nothing_can_be_measured(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And says so."""
    maria_lab.mysql("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (7)")

    def refuse(*args: object) -> None:
        raise psycopg.errors.InsufficientPrivilege("no")

    monkeypatch.setattr("bulketl.loading.measuring.note_measures", refuse)
    done = maria_lab.load(rules={"a": {}})
    assert done.summary.outcome == "done"
    assert "how full keys and the disk are is not on record: postgresql:" in caplog.text


def test_keys_are_asked_for_in_several_statements(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "AT_ONCE", 2)
    names = [f"t{n}" for n in range(5)]
    for name in names:
        maria_lab.mysql(f"CREATE TABLE {name} (id int PRIMARY KEY)", f"INSERT INTO {name} VALUES (1), ({name[1]} + 10)")
    maria_lab.load(rules={name: {} for name in names})
    found = maria_lab.pg(
        "SELECT table_name, value::int FROM bulketl.measure WHERE schema_name = %s AND what = 'key'", (maria_lab.schema,)
    )
    assert sorted(found) == [(f"t{n}", n + 10) for n in range(5)]


def by_kind(found: Capacity, kind: str) -> tuple[str, str]:
    one = found.of(kind)[0]
    return one.state, one.when


def test_what_fills_up_has_a_date_and_an_interval(empty: str) -> None:
    """As exactly the role `dashboard` may know it; keys that nobody need look at are counted."""
    seeding(empty, tables=40, nights=120)
    with role(empty) as reader:
        found = capacity(settings(reader, disk=130 * 10**9), NOW)
    assert found.headline.startswith("The target's database fills up about 3 Apr 2027.")
    assert [one.name for one in found.of("key")] == [f"table_00{n}.id" for n in range(3)]
    disk = found.of("disk")[0]
    assert (disk.state, disk.told(disk.now)) == ("filling", "125 GB")
    assert disk.when == "about 3 Apr 2027"  # 5.2 GB at 40 MB a night
    assert disk.growth == "+280 MB"
    assert by_kind(found, "window") == ("no trend", "no trend")
    assert by_kind(found, "connections")[0] == "filling"
    assert found.rest == "37 other integer keys are not full within 10 years."
    assert found.to_json()["limits"][0]["state"] == "filling"


def test_before_seven_nights_nothing_is_known(empty: str) -> None:
    """And since when there is something."""
    seeding(empty, tables=3, nights=3)
    found = capacity(settings(empty), NOW)
    assert {one.state for one in found.limits if one.kind != "key"} == {"not known"}
    assert by_kind(found, "disk")[1] == "not known: 3 of 7 nights, on record since 22 Nov 2026"
    assert found.headline == "When anything is full is not known yet."


def test_without_a_ledger_or_a_limit_it_says_what_is_missing(asked: str) -> None:
    found = capacity(settings(asked, disk=None, windows=None), NOW)
    assert {one.kind: one.unknown for one in found.limits} == {
        "window": "bulketl.yaml has no windows: say `windows: {load: ...}`",
        "connections": "no load has measured it yet; the next one does",
        "disk": "no load has measured it yet; the next one does",
    }
    assert found.rest == "Integer keys: not known, no load has measured one yet."


def test_a_database_whose_disk_nobody_told_grows_all_the_same(empty: str) -> None:
    seeding(empty, tables=3, nights=30)
    disk = capacity(settings(empty, disk=None), NOW).of("disk")[0]
    assert (disk.growth, disk.when) == (
        "+280 MB",
        "not known: say `capacity: {disk: 200 GB}` in bulketl.yaml, with what there is",
    )


def test_a_window_fills_up_by_the_end_of_each_night(empty: str) -> None:
    """Whatever began outside it, and whoever stopped a load early, tells nothing."""
    seeding(empty, tables=3, nights=60)
    execute(
        empty,
        "UPDATE bulketl.run SET finished_at = started_at + make_interval(secs => 1500 + 60 *"
        " (60 - extract(day FROM '2026-11-25 03:00+00'::timestamptz - started_at)::int))",
    )
    execute(
        empty,
        "INSERT INTO bulketl.run (run, kind, host, source, schema_name, zone, plan, document, version, started_at,"
        " finished_at, outcome) SELECT run || 'x', kind, host, source, schema_name, zone, plan, document, version,"
        " started_at + interval '10 h', finished_at + interval '12 h', outcome FROM bulketl.run UNION ALL"
        " SELECT run || 'y', kind, host, source, schema_name, zone, plan, document, version, started_at + interval '1 min',"
        " started_at + interval '2 min', 'stopped' FROM bulketl.run",
    )
    window = capacity(settings(empty), NOW).of("window")[0]
    assert (window.state, window.growth, len(window.nights)) == ("filling", "+7 min", 60)
    assert window.told(window.most) == "4 h"


def test_two_sources_have_sessions_of_their_own(empty: str) -> None:
    seeding(empty, tables=3, nights=20)
    execute(empty, "UPDATE bulketl.measure SET source = 'mysql://b/x' WHERE what = 'connections' AND run < '20261115'")
    found = capacity(settings(empty), NOW).of("connections")
    assert sorted(one.what for one in found) == ["max_connections of mysql://b/x", f"max_connections of {seeded.SOURCE}"]


def test_a_ledger_of_before_says_so(empty: str) -> None:
    seeding(empty, tables=3, nights=20)
    execute(empty, "DROP TABLE bulketl.measure; COMMENT ON SCHEMA bulketl IS 'bulketl''s ledger, version 18'")
    found = capacity(settings(empty), NOW)
    assert (found.keys, found.note) == (
        0,
        f"it is of version 18; the next load brings it to {NEWEST}, and looks are quicker then",
    )


def test_it_is_an_act_for_notebooks(empty: str) -> None:
    seeding(empty, tables=3, nights=8)
    assert repr(bulketl.capacity(settings(empty), now=NOW)).startswith("Capacity(schema='raw', limits=")
