"""Pairs of SQL on real servers: what agrees, what differs and by how much, and that nothing is ever changed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.config.sqltext import MOST_ANSWERED
from bulketl.errors import ConfigError
from bulketl.mysql import query as mysql_query
from bulketl.mysql.server import MySQL
from bulketl.postgres import query as postgres_query
from bulketl.postgres.server import Postgres
from bulketl.verifying.pairs import PairResult, value_text

Command = Callable[..., Any]


def run(lab: Lab, folder: Path, pairs: dict[str, dict[str, Any]], **overrides: Any) -> dict[str, PairResult]:
    path = folder / "checks.yaml"
    path.write_text(json.dumps({"pairs": pairs}), encoding="utf-8")
    return {item.name: item for item in bulketl.run_pairs(lab.config(**overrides), path)}


def both(select: str, **values: Any) -> dict[str, Any]:
    return {"source": select, "target": select, **values}


@pytest.fixture
def paid(lab: Lab) -> Lab:
    """Sixty days of payments, money once exact and once as a double, loaded; the newest is of today."""
    lab.mysql(
        "CREATE TABLE payment (id int PRIMARY KEY, day date NOT NULL, kind varchar(9), amount decimal(12,2), fee double,"
        " at timestamp NULL)",
        *(
            f"INSERT INTO payment VALUES ({n}, CURDATE() - INTERVAL {n} DAY, '{'cash' if n % 2 else 'card'}', {n}.10, 0.1,"
            f" '2024-01-01 00:00:00')"
            for n in range(60)
        ),
    )
    lab.load()
    return lab


SUMS = "SELECT day, COUNT(*) AS n, SUM(amount) AS amount, SUM(fee) AS fee FROM payment WHERE day >= :since GROUP BY day"


def test_a_window_is_compared_per_key_and_what_differs_is_named(paid: Lab, tmp_path: Path) -> None:
    """A cent, a lost row, a row too many; what lies before the window is not looked at."""
    pairs = {"money": both(SUMS, key=["day"], last="30d")}
    before = run(paid, tmp_path, pairs)["money"]
    assert (before.outcome, before.compared) == ("equal", 31)
    paid.pg("UPDATE {s}.payment SET amount = amount + 0.01 WHERE id = 3")
    paid.pg("DELETE FROM {s}.payment WHERE id IN (7, 50)")
    paid.pg("INSERT INTO {s}.payment SELECT 99, current_date + 400, kind, amount, fee, at FROM {s}.payment WHERE id = 3")
    found = run(paid, tmp_path, pairs)["money"]
    day = {n: str(paid.mysql(f"SELECT CURDATE() - INTERVAL {n} DAY")[0][0]) for n in (3, 7)}
    assert found.outcome == "differs"
    seen = {(value_text(item.key[0]), item.column, item.missing, str(item.by)) for item in found.differences}
    assert {(day[3], "amount", "", "0.01"), (day[7], "", "target", "None")} <= seen
    assert [missing for _, _, missing, _ in seen].count("source") == 1
    assert len(seen) == 3


def test_a_tolerance_lets_a_cent_pass_and_not_two(paid: Lab, tmp_path: Path) -> None:
    """As an amount and as a share; figures that have none stay exact."""
    select = "SELECT COUNT(*) AS n, SUM(amount) AS amount FROM payment"
    pairs = {name: both(select, tolerance=value) for name, value in
             {"exact": 0, "cent": {"amount": 0.01}, "share": {"amount": "0.001%"}}.items()}  # fmt: skip
    for cents, outcomes in ((0, "equal equal equal"), (1, "differs equal equal"), (2, "differs differs differs")):
        paid.pg(f"UPDATE {{s}}.payment SET amount = 5.10 + {cents} * 0.01 WHERE id = 5")
        assert [item.outcome for item in run(paid, tmp_path, pairs).values()] == outcomes.split()


def test_numbers_of_every_type_agree_across_the_servers(paid: Lab, tmp_path: Path) -> None:
    """A count, an exact sum of 36 digits, a double, a truth value, a NULL, and a date that is none."""
    paid.mysql("CREATE TABLE z (id int PRIMARY KEY, d date NOT NULL)")
    paid.mysql("INSERT INTO z VALUES (1, '0000-00-00'), (2, '2024-05-06')", mode="")
    paid.load(tables=["z"])
    pairs = {
        "numbers": {
            "source": "SELECT COUNT(*) n, SUM(amount) + 1234567890123456789012345678901234.90 big, 0.1e0 f, 1 = 1 t, NULL x,"
            " MAX(day) d, CAST(MIN(at) AS DATE) at FROM payment",
            "target": "SELECT count(*) n, sum(amount) + 1234567890123456789012345678901234.90 big, 0.1::float8 f, true t,"
            " null::int x, max(day) d, min(at) at FROM payment",
        },
        "dates": both("SELECT id, d FROM z", key=["id"]),
        "by date": both("SELECT d, COUNT(*) AS n FROM z GROUP BY d", key=["d"]),
    }
    assert {name: (item.outcome, item.error) for name, item in run(paid, tmp_path, pairs).items()} == dict.fromkeys(
        pairs, ("equal", None)
    )
    pairs["numbers"]["target"] = pairs["numbers"]["target"].replace(".90 big", ".91 big")
    (difference,) = run(paid, tmp_path, pairs)["numbers"].differences
    assert (difference.column, str(difference.by)) == ("big", "0.01")


def test_what_today_is_the_calendar_of_the_source_says(paid: Lab, tmp_path: Path) -> None:
    """In the zone in which its times are loaded; both sides get the same days."""
    days = set()
    for zone in ("-12:00", "+13:00"):  # at any moment these two have different days
        found = run(paid, tmp_path, {"a": both("SELECT :today AS a, :since AS b", last="1d")}, timestamp_zone=zone)["a"]
        assert (found.outcome, found.error) == ("equal", None)
        days.add(found.window and found.window["today"])
    assert len(days) == 2


WRITING = {
    "a second statement": "SELECT 1; DELETE FROM payment",
    "no select": "DELETE FROM payment",
    "into a table": "SELECT * INTO copied FROM payment",
    "a lock": "SELECT id FROM payment WHERE id = 1 FOR UPDATE",
}


@pytest.mark.parametrize("what", WRITING)
def test_what_would_write_or_lock_is_refused_before_a_server_hears_of_it(maria_lab: Lab, tmp_path: Path, what: str) -> None:
    """As a mistake of the file, with its line."""
    with pytest.raises(ConfigError, match=r"checks\.yaml:1: pairs\.a\.(source|target): "):
        run(maria_lab, tmp_path, {"a": {"source": "SELECT 1", "target": "SELECT 1"} | {"source": WRITING[what]}})
    with pytest.raises(ConfigError, match=r"checks\.yaml:1: pairs\.a\.(source|target): "):
        run(maria_lab, tmp_path, {"a": {"source": "SELECT 1", "target": "SELECT 1"} | {"target": WRITING[what]}})


def test_a_select_that_writes_by_a_back_door_is_refused_by_both_servers(paid: Lab, tmp_path: Path) -> None:
    """A function that deletes, on InnoDB and MyISAM, and a WITH that does: the transactions are read-only."""
    paid.mysql(
        "CREATE TABLE old (id int) ENGINE=MyISAM",
        "INSERT INTO old VALUES (1)",
        "CREATE FUNCTION wipe() RETURNS int DETERMINISTIC MODIFIES SQL DATA BEGIN DELETE FROM payment; RETURN 1; END",
        "CREATE FUNCTION wipe_old() RETURNS int DETERMINISTIC MODIFIES SQL DATA BEGIN DELETE FROM old; RETURN 1; END",
    )
    paid.pg("CREATE FUNCTION {s}.wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM {s}.payment; SELECT 1'")
    one = {"source": "SELECT 1 AS n", "target": "SELECT 1 AS n"}
    pairs = {
        "function": one | {"source": "SELECT wipe() AS n"},
        "old": one | {"source": "SELECT wipe_old() AS n"},
        "there": one | {"target": f"SELECT {paid.schema}.wipe() AS n"},
        "with": one | {"target": "WITH d AS (DELETE FROM payment RETURNING 1) SELECT count(*) AS n FROM d"},
        "sequence": one | {"target": "SELECT set_config('transaction_read_only', 'off', false) AS n"},
    }
    found = run(paid, tmp_path, pairs)
    assert {item.outcome for item in found.values()} == {"error"}
    assert paid.mysql("SELECT (SELECT COUNT(*) FROM payment), (SELECT COUNT(*) FROM old)") == [(60, 1)]
    assert paid.pg("SELECT count(*) FROM {s}.payment") == [(60,)]


def test_a_select_that_takes_too_long_is_ended_and_the_others_go_on(paid: Lab, tmp_path: Path) -> None:
    """On both servers, with what to do."""
    crossed = "SELECT SUM(a.id + b.id * f.id) AS n FROM payment a, payment b, payment c, payment d, payment e, payment f"
    one = {"source": "SELECT 1 AS n", "target": "SELECT 1 AS n", "time_limit": "1s"}
    found = run(paid, tmp_path, {"here": one | {"source": crossed}, "there": one | {"target": crossed}, "well": one})
    assert [item.outcome for item in found.values()] == ["error", "error", "equal"]
    for name in ("here", "there"):
        error = found[name].error
        assert error is not None
        assert "longer than 1 s" in error.message
        assert "time_limit" in error.hint


def test_an_answer_without_end_is_cut_and_told(paid: Lab, tmp_path: Path) -> None:
    """Memory holds whatever the SELECT."""
    crossed = "SELECT a.id + 60 * b.id + 3600 * c.id AS id FROM payment a, payment b, payment c"
    few = "SELECT id FROM payment"
    pairs = {
        "here": {"source": crossed, "target": few, "key": ["id"]},
        "there": {"source": few, "target": crossed, "key": ["id"]},
    }
    for item in run(paid, tmp_path, pairs).values():
        assert item.error is not None
        assert "more than 100,000 rows" in item.error.message


def test_no_more_rows_than_that_leave_a_server(paid: Lab) -> None:
    """The limit is the server's, not ours after all rows have come."""
    crossed = "SELECT a.id FROM payment a, payment b, payment c"
    config = paid.config()
    here = mysql_query.answer(MySQL(config.source), crossed, {}, dt.timedelta(seconds=60))
    there = postgres_query.answer(Postgres(config.target), paid.schema, crossed, {}, dt.timedelta(seconds=60))
    assert (len(here.rows), len(there.rows)) == (MOST_ANSWERED + 1, MOST_ANSWERED + 1)


def test_what_a_server_does_not_understand_is_told_at_its_pair(paid: Lab, tmp_path: Path) -> None:
    """A pair that could not be compared counts as one that differs."""
    pairs = {"a": both("SELECT COUNT(*) AS n FROM payments"), "b": both("SELECT COUNT(*) AS n FROM payment")}
    found = run(paid, tmp_path, pairs)
    assert "payments" in str(found["a"].error)
    assert found["b"].outcome == "equal"


@pytest.fixture
def command(maria_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `bulketl pairs` in a folder with a file of checks."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    uri = f"postgresql:///?{'&'.join(maria_lab.target.split())}"
    environment = {"BULKETL_SOURCE": maria_lab.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": maria_lab.schema}

    def call(*words: str, pairs: object = None) -> Any:
        if pairs is not None:
            Path("config/checks.yaml").write_text(json.dumps({"pairs": pairs}), encoding="utf-8")
        return CliRunner().invoke(app, ["pairs", *words], env=environment)

    return call


ONE, TWO = "SELECT 1 AS n, 10.10 AS amount", "SELECT 1 AS n, 10.12 AS amount"


def test_the_exit_code_says_what_differs(command: Command) -> None:
    """0 all agree, 1 a pair that fails, 2 a wrong file or name, 3 only pairs that warn."""
    fails = {"source": ONE, "target": TWO}
    warns = fails | {"severity": "warn"}
    assert command().exit_code == 2
    assert command(pairs={"a": both(ONE)}).exit_code == 0
    assert command(pairs={"a": both(ONE), "w": warns}).exit_code == 3
    assert command(pairs={"a": both(ONE), "w": warns, "f": fails}).exit_code == 1
    assert command("w").exit_code == 3
    assert command("a").exit_code == 0
    assert command("x").exit_code == 2
    assert command(pairs={"f": {"source": ONE}}).exit_code == 2
    assert command(pairs={"f": warns | {"target": "SELECT nothing"}}).exit_code == 3


def test_the_screen_and_the_json_show_the_figures_that_differ(command: Command) -> None:
    """And by how much, with every digit."""
    pairs = {"fees": {"source": ONE, "target": TWO}, "same": both(ONE)}
    shown_text = command(pairs=pairs).stdout
    assert "fees  fail: differs" in shown_text
    assert "10.10" in shown_text
    assert "+0.02" in shown_text
    assert "1 of 2 pairs agree; 1 fails" in shown_text
    fees, same = json.loads(command("--json").stdout)
    assert fees["differences"] == [
        {"key": {}, "figure": "amount", "source": "10.10", "target": "10.12", "target_has": "0.02"}
    ]
    assert (same["outcome"], same["compared"], same["differences"]) == ("equal", 1, [])
