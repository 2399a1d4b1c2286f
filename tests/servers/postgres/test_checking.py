"""Checks against real servers: what they find, what is not published for it, and where a person sees it."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from faults import small_partitions
from lab import Done, Lab

import bulketl
from bulketl.cli.screens.summary import summary
from bulketl.cli.terminal import Terminal

ROWS = 60
WAYS = pytest.mark.parametrize("large", [False, True], ids=["small", "in partitions"])


@pytest.fixture
def clinic(maria_lab: Lab) -> Lab:
    """Ten patients and 60 payments; every tenth payment is negative, one has no patient, two have the same number."""
    maria_lab.mysql(
        "CREATE TABLE patient (PatNum int PRIMARY KEY, LName varchar(20), Guarantor int)",
        "INSERT INTO patient SELECT seq, CONCAT('n', seq), 1 FROM seq_1_to_10",
        "CREATE TABLE pay (PayNum int PRIMARY KEY, PatNum int, Amt decimal(10,2), Note varchar(40), Ref int,"
        " PayDate date, Edited datetime NOT NULL DEFAULT NOW(), KEY (Edited))",
        f"INSERT INTO pay (PayNum, PatNum, Amt, Note, Ref, PayDate) SELECT seq, 1 + seq % 10, IF(seq % 10, seq, -seq),"
        f" IF(seq % 7, 'ok', NULL), seq, '2024-01-01' + INTERVAL seq DAY FROM seq_1_to_{ROWS}",
        "UPDATE pay SET PatNum = 99 WHERE PayNum = 3",
        "UPDATE pay SET Ref = 5 WHERE PayNum = 6",
    )
    return maria_lab


def rules(*checks: dict[str, Any], **rule: Any) -> dict[str, Any]:
    return {"pay": {"checks": list(checks), **rule}, "patient": {"table_importance": "critical"}}


def load(lab: Lab, *checks: dict[str, Any], **rule: Any) -> Done:
    return lab.load(rules=rules(*checks, **rule))


def tables(lab: Lab) -> int:
    return int(lab.pg("SELECT count(*) FROM {s}.pay")[0][0])


FINDS: list[tuple[dict[str, Any], str, float]] = [
    ({"not_null": "Note"}, "not_null Note", ROWS // 7),
    ({"range": "Amt", "min": 0}, "range Amt 0..", ROWS // 10),
    ({"range": "PayDate", "min": "2024-01-10"}, "range PayDate 2024-01-10..", 8),
    ({"one_of": "Note", "values": ["fine"]}, "one_of Note fine", ROWS - ROWS // 7),
    ({"regex": "Note", "pattern": "^o.$"}, "", 0),
    ({"length": "Note", "max": 1}, "length Note ..1", ROWS - ROWS // 7),
    ({"expression": "Amt >= 0 OR Note IS NULL"}, "expression Amt >= 0 OR Note IS NULL", ROWS // 10),
    ({"unique": "Ref"}, "unique Ref", 2),
    ({"unique": ["Ref", "PatNum"]}, "", 0),
    ({"foreign_key": "PatNum", "to": "patient.PatNum"}, "foreign_key PatNum -> patient.PatNum", 1),
    ({"row_count": {"min": ROWS + 1}}, f"row_count {ROWS + 1}..", ROWS),
    ({"row_count": {"min": ROWS, "max": ROWS}}, "", 0),
    ({"sum": "Amt", "min": 2000}, "sum Amt 2000..", 1410),
    ({"sum": "Amt", "min": 1410, "max": 1410}, "", 0),
    ({"fresh": "Edited", "within": "1h"}, "", 0),
]  # fmt: skip


@WAYS
def test_each_kind_finds_what_is_wrong_and_warns(clinic: Lab, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """The table is loaded all the same; summary, ledger and screen have the figures."""
    if large:
        small_partitions(monkeypatch, 7)
    done = load(clinic, *({**entry, "severity": "warn"} for entry, _, _ in FINDS))
    told = done.summary.tables["pay"]
    expected = {label: figure for _, label, figure in FINDS if label}
    assert (told.outcome, told.rows) == ("loaded", ROWS)
    assert told.checks == {"warn": expected}
    run = (done.summary.run,)
    assert clinic.pg("SELECT checks FROM bulketl.table_load WHERE run = %s AND table_name = 'pay'", run) == [
        ({"warn": expected},)
    ]
    printed = json.loads(json.dumps(done.summary.to_json()))["tables"]
    assert {table["table"]: table["checks"] for table in printed}["pay"] == told.checks
    screen = io.StringIO()
    Terminal(file=screen).print(summary(done.summary, verbose=True))
    assert re.search(r"^check +pay: .*sum Amt 2000\.\.: it is 1,410 \(warning\)", screen.getvalue(), re.MULTILINE)


@WAYS
@pytest.mark.parametrize(("entry", "label", "figure"), [f for f in FINDS if f[1]], ids=lambda value: str(value)[:25])
def test_a_check_that_fails_keeps_the_table_from_being_published(
    clinic: Lab, monkeypatch: pytest.MonkeyPatch, large: bool, entry: dict[str, Any], label: str, figure: float
) -> None:
    """It is as it was before, the others are loaded, and the event says which check and how much."""
    clinic.mysql("CREATE TABLE good LIKE pay", "INSERT INTO good SELECT * FROM pay WHERE PayNum = 1")
    clinic.load(tables=["pay"])
    clinic.pg('DELETE FROM {s}.pay; INSERT INTO {s}.pay ("PayNum") VALUES (7)')
    if large:
        small_partitions(monkeypatch, 60 if not label.startswith(("unique", "foreign", "row", "sum")) else 7)
    done = load(clinic, {**entry, "severity": "fail"})
    told = done.summary.tables["pay"]
    assert (told.outcome, told.error) == ("failed", "DataError")
    assert told.checks == {"fail": {label: figure}}
    assert f"does not pass its checks: {label}: " in told.message
    assert clinic.pg('SELECT "PayNum" FROM {s}.pay') == [(7,)]
    assert done.summary.tables["good"].outcome == done.summary.tables["patient"].outcome == "loaded"
    assert clinic.staged() == []
    shown = bulketl.show_rejects(clinic.config(), ["pay"], done.summary.run, first=100)
    rows = 0 if label.split()[0] in ("unique", "foreign_key", "row_count", "sum") else figure
    assert len(shown) == rows
    assert all(row.reason == f"fails {label}" for row in shown)


@WAYS
def test_a_row_that_fails_a_rejecting_check_is_on_record(clinic: Lab, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """With key, column, value and reason; the rest is loaded, and good + rejects = read."""
    if large:
        small_partitions(monkeypatch, 7)
    done = load(clinic, {"range": "Amt", "min": 0, "severity": "reject"}, max_rejects="10%")
    told = done.summary.tables["pay"]
    assert (told.rows, told.rejects, told.checks) == (54, 6, {"reject": {"range Amt 0..": 6}})
    assert tables(clinic) == 54
    found = clinic.pg(
        "SELECT key, column_name, value, reason, row->>'PatNum' FROM bulketl.reject WHERE run = %s ORDER BY key",
        (done.summary.run,),
    )
    assert found[0] == ({"PayNum": 10}, "Amt", "-10.00", "fails range Amt 0..", "1")
    assert [row[0]["PayNum"] for row in found] == [10, 20, 30, 40, 50, 60]


@WAYS
def test_a_share_of_rejects_is_held_to(clinic: Lab, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """Six of sixty are more than 9.9 %."""
    if large:
        small_partitions(monkeypatch, 7)
    done = load(clinic, {"range": "Amt", "min": 0, "severity": "reject"}, max_rejects="9.9%")
    told = done.summary.tables["pay"]
    assert (told.outcome, told.rejects) == ("failed", 6)
    assert "6 rows rejected, and max_rejects is 9.9%" in told.message
    assert "pay" not in clinic.tables()


def test_an_incremental_load_is_checked_as_the_table_will_be(clinic: Lab) -> None:
    """One new row is a doubled reference, an orphan, and makes a sum too small: nothing of the load is kept."""
    incremental = {
        "extraction_strategy": "incremental", "incremental_column": "Edited", "table_importance": "critical",
    }  # fmt: skip
    clinic.mysql("UPDATE pay SET PatNum = 1 WHERE PayNum = 3", "UPDATE pay SET Ref = 6 WHERE PayNum = 6")
    checks: list[dict[str, Any]] = [
        {"unique": "Ref"}, {"foreign_key": "PatNum", "to": "patient.PatNum", "severity": "fail"},
        {"sum": "Amt", "min": 1410}, {"row_count": {"max": ROWS}},
    ]  # fmt: skip
    for check in checks:
        clinic.load(rules=rules(**incremental))
        assert load(clinic, check, **incremental).summary.outcome == "done"
        before = clinic.pg("SELECT watermark FROM bulketl.state WHERE schema_name = '{s}' AND table_name = 'pay'")
        clinic.mysql("INSERT INTO pay VALUES (1000, 98, -500, NULL, 5, NULL, NOW() + INTERVAL 1 MINUTE)")
        done = load(clinic, check, **incremental)
        assert done.how("pay") == "merge"
        assert done.summary.tables["pay"].outcome == "failed", check
        assert tables(clinic) == ROWS
        assert clinic.pg("SELECT watermark FROM bulketl.state WHERE schema_name = '{s}' AND table_name = 'pay'") == before
        clinic.mysql("DELETE FROM pay WHERE PayNum = 1000")


def test_chunks_are_checked_as_they_come_and_the_table_with_the_last(clinic: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that fails the table stops at its chunk."""
    small_partitions(monkeypatch, 20)
    chunked = {"extraction_strategy": "chunked_incremental", "incremental_column": "PayNum"}
    clinic.mysql(f"DELETE FROM pay WHERE PayNum > {ROWS}")
    load(clinic, **chunked)
    clinic.mysql(
        "INSERT INTO pay (PayNum, PatNum, Amt, Note, Ref) SELECT seq, 1, seq, 'new', seq FROM seq_61_to_2000",
        "UPDATE pay SET Amt = -1 WHERE PayNum = 1990",
    )
    done = load(clinic, {"range": "Amt", "min": -60}, {"row_count": {"max": 1900}, "severity": "fail"}, **chunked)
    assert done.parts("pay") > 2
    assert done.summary.tables["pay"].checks == {"fail": {"row_count ..1900": 2000}}
    assert ROWS < tables(clinic) < 2000


def test_tables_of_a_group_point_to_each_other(clinic: Lab) -> None:
    """Small tables are one transaction: a parent that comes with its child is there."""
    done = load(clinic, {"foreign_key": "PatNum", "to": "patient.PatNum"}, table_importance="critical")
    assert len(done.plan.groups) == 1
    assert done.summary.tables["pay"].checks == {"warn": {"foreign_key PatNum -> patient.PatNum": 1}}


def test_a_table_may_point_to_itself(clinic: Lab) -> None:
    """Staged rows among themselves."""
    own = {
        "patient": {"checks": [{"foreign_key": "Guarantor", "to": "patient.PatNum", "severity": "fail"}], "publish": "swap"}
    }
    assert clinic.load(rules=own, tables=["patient"]).summary.outcome == "done"
    clinic.mysql("UPDATE patient SET Guarantor = 12 WHERE PatNum = 10")
    done = clinic.load(rules=own, tables=["patient"])
    assert (done.how("patient"), done.summary.tables["patient"].outcome) == ("swap", "failed")


def test_a_parent_that_is_not_there_is_no_parent(clinic: Lab) -> None:
    """When it failed itself, every row with a value points to nothing, and the table says so."""
    clinic.mysql("UPDATE patient SET LName = 'x' WHERE PatNum = 1")
    both = {
        "pay": {"checks": [{"foreign_key": "PatNum", "to": "patient.PatNum"}], "dependencies": []},
        "patient": {"table_importance": "critical", "checks": [{"length": "LName", "min": 2}]},
    }
    done = clinic.load(rules=both)
    assert done.summary.tables["patient"].outcome == "failed"
    if done.summary.tables["pay"].outcome == "loaded":  # without dependencies it is not held back
        assert done.summary.tables["pay"].checks == {"warn": {"foreign_key PatNum -> patient.PatNum": ROWS}}


@pytest.mark.parametrize("column", ["Edited", "Stamp", "PayDate"])
@pytest.mark.parametrize("zone", ["server", "+05:00"])
def test_a_table_that_has_grown_old_is_found(clinic: Lab, column: str, zone: str) -> None:
    """By the clock that the column is written by; a date in the far future hides nothing."""
    clinic.mysql(
        "ALTER TABLE pay ADD Stamp timestamp NULL",
        "UPDATE pay SET Edited = NOW() - INTERVAL 10 MINUTE, Stamp = NOW() - INTERVAL 10 MINUTE, PayDate = CURDATE()",
        "UPDATE pay SET Edited = '2999-01-01', Stamp = '2037-01-01', PayDate = '2999-01-01' WHERE PayNum = 1",
    )
    young = "1h" if column != "PayDate" else "25h"
    assert (
        clinic.load(rules=rules({"fresh": column, "within": young}), timestamp_zone=zone).summary.tables["pay"].checks == {}
    )
    clinic.mysql(f"UPDATE pay SET {column} = NOW() - INTERVAL 3 DAY WHERE PayNum > 1")
    told = clinic.load(rules=rules({"fresh": column, "within": "1d"}), timestamp_zone=zone).summary.tables["pay"]
    ((label, figure),) = told.checks["warn"].items()
    assert label == f"fresh {column} within 1d"
    assert 2.9 * 86400 < figure < 4.1 * 86400
    clinic.mysql("DELETE FROM pay WHERE PayNum > 1")
    old = rules({"fresh": column, "within": "1d"}, deletes={"guard": "100%"})
    assert clinic.load(rules=old, timestamp_zone=zone).summary.tables["pay"].checks == {"warn": {label: -1}}


def test_rows_marked_as_deleted_count_no_more(clinic: Lab) -> None:
    """The row is there still, and not of the table any more."""
    marked = {"deletes": "mark"}
    load(clinic, **marked)
    clinic.mysql("DELETE FROM pay WHERE PayNum IN (3, 5, 6)")
    checks: list[dict[str, Any]] = [
        {"row_count": {"max": 57}},
        {"unique": "Ref"},
        {"foreign_key": "PatNum", "to": "patient.PatNum"},
    ]
    done = load(clinic, *checks, table_importance="critical", **marked)
    assert (done.summary.outcome, done.summary.tables["pay"].checks) == ("done", {})
    assert tables(clinic) == ROWS


def test_what_a_comparison_brings_in_is_checked_too(clinic: Lab) -> None:
    """A row that no stamp told of and that fails the table is not let in by its side door."""
    rule = {
        "extraction_strategy": "incremental", "incremental_column": "Edited", "deletes": {"policy": "mirror", "every": "1s"},
        "table_importance": "critical",
    }  # fmt: skip
    clinic.mysql("UPDATE pay SET Edited = NOW() - INTERVAL PayNum DAY")
    load(clinic, **rule)
    clinic.mysql("UPDATE pay SET Amt = -1, Edited = Edited WHERE PayNum = 7")
    clinic.pg("UPDATE bulketl.state SET compared_at = now() - interval '1 day' WHERE schema_name = '{s}'")
    done = load(clinic, {"expression": "Amt >= 0 OR PayNum % 10 = 0"}, **rule)
    assert "expression Amt >= 0 OR PayNum % 10 = 0: 1 row" in done.summary.tables["pay"].message
    assert clinic.pg('SELECT "Amt" FROM {s}.pay WHERE "PayNum" = 7') == [(7,)]


def test_wrong_checks_are_found_by_validate_and_refuse_their_table_only(clinic: Lab) -> None:
    """With the place in the rule; the plan has the others."""
    wanted = clinic.config(rules=rules({"not_null": "PayNum"}, {"range": "Nosuch", "max": 5}, {"sum": "Note", "min": 1}))
    messages = [finding.message for finding in bulketl.validate(wanted) if finding.severity == "error"]
    (message,) = [text for text in messages if "'pay'" in text]
    assert "checks.1 (range Nosuch ..5): there is no column 'Nosuch'" in message
    assert "checks.2 (sum Note 1..): column 'Note' is varchar(40), and no number" in message
    plan = bulketl.make_plan(wanted)
    assert [refusal.table for refusal in plan.refused] == ["pay"]
    assert [item.spec.table for item in plan.loads] == ["patient"]


@pytest.fixture
def quiet(clinic: Lab) -> Lab:
    """The clinic, with its payments in MyISAM, whose server knows when they last changed, two seconds ago."""
    clinic.mysql("ALTER TABLE pay ENGINE = MyISAM", "DO SLEEP(3)")
    return clinic


def test_a_table_that_did_not_change_grows_old_all_the_same(quiet: Lab) -> None:
    """It is passed over without such a check; with it, it is looked at."""
    load(quiet, {"not_null": "PayNum"})
    assert load(quiet, {"not_null": "PayNum"}).summary.tables["pay"].outcome == "unchanged"
    fresh = {"fresh": "Edited", "within": "1s"}
    load(quiet, fresh)
    assert set(load(quiet, fresh).summary.tables["pay"].checks["warn"]) == {"fresh Edited within 1s"}


@WAYS
def test_the_statements_of_a_plan_have_the_checks_of_the_table(
    clinic: Lab, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """Each can be executed where it stands."""
    if large:
        small_partitions(monkeypatch, 7)
    config = clinic.config(rules=rules(*(entry for entry, _, _ in FINDS)))
    load(clinic)
    plan = bulketl.make_plan(config, tables=["pay"])
    (found,) = [text for text in bulketl.statements(config, plan)["pay"] if "FROM pg_temp" not in text and "HAVING" in text]
    assert found.count("UNION ALL") == 3
    if not large:
        assert len(clinic.pg(found.replace("%", "%%"))) == 8
