"""The history of tables on real servers: every month agrees after a load, and what is planted is found in its month."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab import Lab
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.errors import PlanError
from bulketl.verifying.months import MonthPair, TableHistory

Command = Callable[..., Any]


def history(
    lab: Lab, *, by: str = "", sums: bool = False, tables: tuple[str, ...] = (), **overrides: Any
) -> dict[str, TableHistory]:
    found = bulketl.compare_history(lab.config(**overrides), tables=tables, by=by, sums=sums)
    return {item.table: item for item in found.tables}


def months(found: TableHistory) -> dict[int | None, MonthPair]:
    return {item.month: item for item in found.months}


@pytest.fixture
def years(lab: Lab) -> Lab:
    """Three years of visits, some without a date, some with one that is none or stands for something else."""
    lab.mysql(
        "CREATE TABLE visit (id int PRIMARY KEY, seen date, entered datetime NOT NULL, fee decimal(12,2), paid double,"
        " points smallint unsigned, flags bit(9), note varchar(20))",
        "CREATE TABLE plain (id int PRIMARY KEY, m int)",
        "INSERT INTO plain VALUES (1, 1)",
    )
    rows: list[tuple[object, ...]] = [
        (
            n,
            f"{2021 + n % 3}-{1 + n % 12:02}-10",
            f"{2021 + n % 3}-{1 + n % 12:02}-28 23:59:59",
            f"{n}.10",
            n / 10,
            n,
            n % 512,
            "x",
        )
        for n in range(360)
    ]
    odd = ["0000-00-00", "2024-00-10", "2024-05-00", None, "0001-01-01", "0000-06-15", "9999-12-31", "1900-01-01"]
    rows += [(1000 + n, date, "2023-12-01 00:00:00", "0.01", 0.1, 1, 1, "y") for n, date in enumerate(odd)]
    lab.insert("visit", rows, mode="")
    lab.load()
    return lab


def test_after_a_load_every_month_agrees_dates_that_are_none_included(years: Lab) -> None:
    """A date that is none is one without a date in the target; sentinels and the year 0 keep theirs."""
    found = history(years, by="seen", sums=True)
    visit = months(found["visit"])
    assert found["visit"].outcome == "equal"
    assert (visit[None].source, visit[None].target, visit[None].invalid) == (4, 4, 3)
    assert {month for month in visit if month is not None and not 202101 <= month <= 202312} == {6, 101, 190001, 999912}
    assert sum(item.source for item in visit.values()) == 368
    assert (found["plain"].outcome, found["plain"].skipped) == ("skipped", "no date column 'seen'")
    assert history(years)["plain"].skipped == "no date column"
    assert history(years)["visit"].column == "entered"  # says when a row was written


def test_what_is_planted_in_a_month_is_found_there_and_nowhere_else(years: Lab) -> None:
    """Lost rows, doubled ones, a moved date, a cent, a date that went."""
    years.pg("DELETE FROM {s}.visit WHERE id IN (3, 15)")  # 2021-04
    years.pg(
        "INSERT INTO {s}.visit SELECT id + 5000, seen, entered, fee, paid, points, flags, note FROM {s}.visit WHERE id = 4"
    )
    years.pg("UPDATE {s}.visit SET seen = seen + 31 WHERE id = 5")  # 2023-06 -> 2023-07
    years.pg("UPDATE {s}.visit SET fee = fee + 0.01 WHERE id = 6")  # 2021-07
    years.pg("UPDATE {s}.visit SET seen = NULL WHERE id = 7")  # 2022-08
    found = {item.month: item for item in history(years, by="seen", sums=True)["visit"].differing}
    assert {month: item.target - item.source for month, item in found.items()} == {
        None: 1, 202104: -2, 202107: 0, 202205: 1, 202208: -1, 202306: -1, 202307: 1,
    }  # fmt: skip
    ((name, one, other),) = found[202107].sums
    assert (name, (other or 0) - (one or 0)) == ("fee", Decimal("0.01"))
    assert 202107 not in {item.month for item in history(years, by="seen")["visit"].differing}


VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1e9, 1e9).map(lambda value: round(value, 2)),
    st.sampled_from([0.1, 0.2, 0.3, 2.0**53, -(2.0**53) + 1, 9e15 + 0.5, 1e300, -0.0, 5e-324, 1e-16, 123456789.123456789]),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(VALUES, st.floats(width=32, allow_nan=False, allow_infinity=False)), min_size=1, max_size=60))
def test_the_sum_of_floats_does_not_depend_on_their_order_or_server(
    maria_lab: Lab, values: list[tuple[float, float]]
) -> None:
    """Any doubles and floats: added up as decimals, they agree to the last digit."""
    maria_lab.mysql("DROP TABLE IF EXISTS money", "CREATE TABLE money (id int PRIMARY KEY, at date, d double, f float)")
    maria_lab.insert("money", [(n, "2024-01-01", d, f) for n, (d, f) in enumerate(values)])
    unguarded = {"money": {"deletes": {"policy": "mirror", "guard": "100%"}}}  # the example before may have had more rows
    assert {table.message for table in maria_lab.load(rules=unguarded).summary.failed} == set()
    maria_lab.pg("CREATE TABLE {s}.turned AS SELECT * FROM {s}.money ORDER BY id DESC; TRUNCATE {s}.money;"
                 " INSERT INTO {s}.money SELECT * FROM {s}.turned; DROP TABLE {s}.turned")  # fmt: skip
    assert history(maria_lab, sums=True)["money"].differing == ()
    changed = [d for d, _ in values if 1e-9 < abs(d) < 1e9]
    if changed:  # by the smallest step there is at its size
        maria_lab.pg("UPDATE {s}.money SET d = %s WHERE id = (SELECT min(id) FROM {s}.money WHERE d = %s)",
                     (math.nextafter(changed[0], math.inf), changed[0]))  # fmt: skip
        seen = abs(changed[0]) >= 1  # smaller ones have bits below 2^-53, of which some are left out
        assert history(maria_lab, sums=True)["money"].outcome == "differs" or not seen


def test_a_time_near_midnight_is_in_the_month_that_a_load_gives_it(lab: Lab) -> None:
    """As the server shows it, in a zone that is set, and as a moment in UTC."""
    lab.mysql(
        "SET time_zone = '+00:00'",
        "CREATE TABLE t (id int PRIMARY KEY, at timestamp NULL)",
        "INSERT INTO t VALUES (1, '2024-01-31 23:30:00'), (2, '2024-02-01 00:30:00'), (3, NULL), (4, '2024-02-29 12:00:00')",
    )
    expected = {"server": None, "-06:00": {202401: 2, 202402: 1, None: 1}, "+09:00": {202402: 3, None: 1}}
    for zone, counts in expected.items():
        lab.load(timestamp_zone=zone)
        found = history(lab, timestamp_zone=zone)["t"]
        assert found.outcome == "equal"
        if counts:
            assert {item.month: item.source for item in found.months} == counts
        rules = {"t": {"casts": {"at": "timestamptz"}}}
        lab.load(timestamp_zone=zone, rules=rules)
        found = history(lab, timestamp_zone=zone, rules=rules)["t"]
        assert {item.month: (item.source, item.target) for item in found.months} == {
            None: (1, 1), 202401: (1, 1), 202402: (2, 2),
        }  # fmt: skip
    rules = {"t": {"casts": {"at": "text"}}}
    lab.load(rules=rules)
    assert history(lab, rules=rules)["t"].outcome == "equal"


def test_rows_that_left_by_retention_or_are_marked_count_on_neither_side(lab: Lab) -> None:
    """They are gone as they should be."""
    lab.mysql(
        "CREATE TABLE a (id int PRIMARY KEY, at datetime NOT NULL)",
        "INSERT INTO a VALUES (1, '2001-05-05'), (2, NOW()), (3, NOW())",
        "CREATE TABLE b (id int PRIMARY KEY, at datetime NOT NULL, KEY (at))",
        "INSERT INTO b SELECT * FROM a",
    )
    rules: dict[str, Any] = {
        "a": {"retention": {"keep": "1y", "by": "at", "action": "delete"}},
        "b": {
            "deletes": {"policy": "mark", "guard": "100%"},
            "extraction_strategy": "incremental",
            "incremental_column": "at",
        },
    }
    lab.load(rules=rules)
    from bulketl import retain_tables

    retain_tables(lab.config(rules=rules), folder=Path())
    lab.mysql("DELETE FROM b WHERE id = 3")
    lab.pg("UPDATE bulketl.state SET compared_at = now() - interval '9 days'")
    lab.load(rules=rules)
    assert lab.pg(
        "SELECT (SELECT count(*) FROM {s}.a), (SELECT count(*) FROM {s}.b), (SELECT count(_deleted_at) FROM {s}.b)"
    ) == [(2, 3, 1)]
    assert {name: item.outcome for name, item in history(lab, rules=rules).items()} == {"a": "equal", "b": "equal"}


def test_a_table_that_was_never_loaded_or_cannot_be_read_is_told_and_the_others_go_on(years: Lab) -> None:
    """What is not compared is not equal."""
    years.mysql("CREATE TABLE later (id int PRIMARY KEY, at date)", "CREATE TABLE broken (id int PRIMARY KEY, at date)")
    years.load(tables=["broken"])
    years.pg("ALTER TABLE {s}.broken ALTER COLUMN at TYPE bytea USING NULL")
    found = history(years)
    assert {name: item.outcome for name, item in found.items()} == {
        "broken": "error", "later": "error", "plain": "skipped", "visit": "equal",
    }  # fmt: skip
    assert "no such table" in found["later"].error
    assert "the target" in found["broken"].error
    with pytest.raises(PlanError, match="no table has a column 'sene'"):
        history(years, by="sene")


def test_a_column_called_like_an_alias_changes_nothing(lab: Lab) -> None:
    """Names are quoted, whatever they are."""
    lab.mysql(
        'CREATE TABLE `group` (m int PRIMARY KEY, `or``der` date, `sum` decimal(5,2), `a"b` int, `100%` int)',
        "INSERT INTO `group` VALUES (1, '2024-01-01', 1.5, 2, 3), (2, '2024-02-01', 2.5, 3, 4)",
    )
    lab.load()
    found = history(lab, sums=True)["group"]
    assert (found.outcome, len(found.months)) == ("equal", 2)


@pytest.fixture
def command(maria_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `bulketl verify months` in a folder of its own, on one table of two months of which one lost a row."""
    monkeypatch.chdir(tmp_path)
    uri = f"postgresql:///?{'&'.join(maria_lab.target.split())}"
    environment = {"BULKETL_SOURCE": maria_lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": maria_lab.schema}
    maria_lab.mysql(
        "CREATE TABLE fee (id int PRIMARY KEY, at date NOT NULL, amount decimal(8,2))",
        "INSERT INTO fee VALUES (1, '2024-01-01', 1), (2, '2024-02-01', 2), (3, '2024-02-02', 3)",
        "CREATE TABLE word (id int PRIMARY KEY)",
    )
    maria_lab.load()

    def call(*words: str) -> Any:
        former = words[:1] in (("history",), ("verify",))
        return CliRunner().invoke(app, [*words] if former else ["verify", "months", *words], env=environment)

    return call


def test_the_screen_the_json_and_the_exit_code_tell_the_month(command: Command, maria_lab: Lab) -> None:
    """0 when all agree, 1 when a month differs, 2 for a wrong request."""
    assert command().exit_code == 0
    assert "the table agrees in every month" in command().stdout
    assert "no date column: word\n" in command().stdout
    maria_lab.pg("DELETE FROM {s}.fee WHERE id = 3")
    done = command("--sums")
    assert done.exit_code == 1
    assert "fee  by at: 1 row missing, in 1 of 2 months" in done.stdout
    assert "2024-02" in done.stdout
    assert "2024-01" not in done.stdout
    fee, word = json.loads(command("--json", "--sums").stdout)["tables"]
    assert fee["outcome"] == "differs"
    assert fee["months"][0] == {"month": "2024-01", "source": 1, "target": 1}
    assert fee["months"][1]["sums"]["amount"] == ["5.00", "2.00"]
    assert word["message"] == "no date column"
    assert command("--by", "nothing").exit_code == 2
    assert command("--tables", "nothing").exit_code == 2


def test_without_matplotlib_a_picture_is_refused_before_anything_is_counted(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the extra is named."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = command("--png", str(tmp_path / "a.png"))
    assert done.exit_code == 2
    assert "bulketl[plot]" in done.stderr
    assert done.stdout == ""


def test_a_picture_is_written_1200_pixels_wide(command: Command, tmp_path: Path) -> None:
    """A PNG; into a folder that is not there it is refused."""
    pytest.importorskip("matplotlib")
    path = tmp_path / "a.png"
    assert command("--png", str(path)).exit_code == 0
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(head[16:20], "big") == 1200
    done = command("--png", str(tmp_path / "none" / "a.png"))
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr
    done = command("--tables", "word", "--png", str(path))
    assert "nothing to draw" in done.stderr


def test_the_former_names_do_the_same_and_one_says_its_name_of_now(command: Command) -> None:
    """Whatever a script calls it."""
    now = command("--json")
    for words in (("history",), ("verify", "--history")):
        before = command(*words, "--json")
        found, wanted = (json.loads(one.stdout) for one in (before, now))
        assert (before.exit_code, found | {"at": ""}) == (now.exit_code, wanted | {"at": ""})
        assert ("`bulketl verify months` now" in before.stderr) is (words == ("history",))
