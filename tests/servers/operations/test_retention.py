"""Retention: old rows leave the target by rule, archived and checked first, and never come back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from adbc_driver_postgresql import dbapi
from lab import Lab
from typer.testing import CliRunner

import bulketl
from bulketl.cli.app import app
from bulketl.errors import PlanError, TargetError
from bulketl.postgres.locks import held
from bulketl.postgres.server import Postgres
from bulketl.postgres.write import retention

ARCHIVE = {"retention": {"keep": "7y", "by": "at", "action": "archive"}}


@pytest.fixture
def old(maria_lab: Lab) -> Lab:
    """A table with 40 rows of 2001, 60 of this year and one without a date, of many types."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, at datetime NULL, n decimal(30,10), d double, c varchar(50), b blob, s time)",
        "INSERT INTO t SELECT seq, IF(seq <= 40, '2001-05-06 07:08:09', NOW()), seq / 7, seq / 3, CONCAT('é', seq), X'00ff',"
        " '-12:34:56' FROM seq_1_to_100",
        "INSERT INTO t (id) VALUES (1000)",
    )
    return maria_lab


def count(lab: Lab) -> int:
    return int(lab.pg("SELECT count(*) FROM {s}.t")[0][0])


def retained(lab: Lab, rule: dict[str, Any], folder: Path | None) -> list[retention.Expired]:
    return bulketl.retain_tables(lab.config(rules={"t": rule}), (), folder)


@pytest.mark.parametrize("strategy", ["full_table", "incremental"])
@pytest.mark.parametrize("tier", ["reference", "audit"])
def test_rows_that_are_archived_leave_and_no_later_load_brings_them_back(
    old: Lab, tmp_path: Path, tier: str, strategy: str
) -> None:
    """Not a load of changes, nor a whole one, nor a comparison; the archive has every value."""
    rule = {**ARCHIVE, "table_importance": tier, "extraction_strategy": strategy, "incremental_column": "at"}
    if tier != "audit":
        rule["deletes"] = "mirror"
    old.load(rules={"t": rule})
    before = old.pg("SELECT id, at, n::text, d, c, b, s::text FROM {s}.t WHERE id <= 40 ORDER BY id")
    ((found),) = retained(old, rule, tmp_path)
    assert (found.rows, found.action, count(old)) == (40, "archive", 61)
    rows = pq.read_table(found.file).to_pylist()
    assert [tuple(row.values()) for row in rows] == before
    old.mysql(
        "UPDATE t SET c = 'other' WHERE id IN (5, 50)", "INSERT INTO t (id, at) VALUES (2000, '2002-01-01'), (2001, NOW())"
    )
    for _ in range(2):
        old.pg("UPDATE bulketl.state SET compared_at = compared_at - interval '2 days' WHERE schema_name = '{s}'")
        done = old.load(rules={"t": rule})
        assert done.summary.outcome == "done", [table.message for table in done.summary.failed]
        assert count(old) == 62
    config = old.config(rules={"t": rule})
    assert bulketl.load(config, bulketl.make_plan(config, full=True)).outcome == "done"
    assert count(old) == 62
    assert [verdict.problem for verdict in bulketl.verify_audit(config)] == ([""] if tier == "audit" else [])


@pytest.mark.parametrize("years", [1, 2, 3, 4, 7, 200])
def test_years_are_those_of_the_calendar(maria_lab: Lab, years: int) -> None:
    """A row stays on the very day that is so many years ago, and leaves on the next: leap years do not make it earlier."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, at date)",
                    f"INSERT INTO t VALUES (1, UTC_DATE() - INTERVAL {years} YEAR),"
                    f" (2, UTC_DATE() - INTERVAL {years} YEAR - INTERVAL 1 DAY)")  # fmt: skip
    maria_lab.load(rules={"t": {}})
    (found,) = retained(maria_lab, {"retention": {"keep": f"{years}y", "by": "at", "action": "delete"}}, None)
    ((first,),) = maria_lab.mysql("SELECT CAST(at AS CHAR) FROM t WHERE id = 1")
    assert (found.limit, found.rows) == (first, 1)


def test_a_dry_run_changes_nothing(old: Lab, tmp_path: Path) -> None:
    """It says what would leave."""
    old.load()
    ((found),) = retained(old, ARCHIVE, None)
    assert (found.rows, found.column, found.file, count(old)) == (40, "at", "", 101)
    assert list(tmp_path.iterdir()) == []


def test_a_legal_hold_wins(old: Lab, tmp_path: Path) -> None:
    """Whatever the rule says beside it."""
    old.load()
    hold = {"retention": {**ARCHIVE["retention"], "legal_hold": True}}
    ((found),) = retained(old, hold, tmp_path)
    assert (found.action, found.rows, count(old)) == ("kept: legal hold", 40, 101)
    assert list(tmp_path.iterdir()) == []


def test_rows_are_deleted_without_an_archive_where_that_is_declared(old: Lab, tmp_path: Path) -> None:
    """And it is on record."""
    old.load()
    rule = {"retention": {**ARCHIVE["retention"], "action": "delete"}}
    retained(old, rule, tmp_path)
    assert count(old) == 61
    assert old.pg("SELECT rows, action, file FROM bulketl.retained WHERE schema_name = '{s}'") == [(40, "delete", None)]
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_does_not_hold_what_the_table_holds_deletes_nothing(
    old: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One value of one row is enough; no file stays."""
    real = retention._write

    def spoilt(cursor: Any, query: str, path: Path) -> int:
        rows = real(cursor, query, path)
        table = pq.read_table(path)
        values = table.column("c").to_pylist()
        values[17] = "é17 "
        pq.write_table(table.set_column(table.schema.get_field_index("c"), "c", [values]), path)
        return rows

    old.load()
    monkeypatch.setattr(retention, "_write", spoilt)
    with pytest.raises(TargetError, match="does not hold what the table holds"):
        retained(old, ARCHIVE, tmp_path)
    assert count(old) == 101
    assert list(tmp_path.rglob("*.parquet")) == []


@pytest.mark.parametrize(("by", "told"), [("c", "is varchar in the target"), ("nope", "is not there in the target")])
def test_a_retention_that_does_not_fit_the_table_is_refused(old: Lab, tmp_path: Path, by: str, told: str) -> None:
    """By a date only."""
    old.load()
    rule = {"retention": {**ARCHIVE["retention"], "by": by}}
    with pytest.raises(PlanError, match=told):
        retained(old, rule, tmp_path)


def test_an_archive_cannot_be_written_where_nobody_may(old: Lab, tmp_path: Path) -> None:
    """The table stays as it is, and the message says where it was tried."""
    old.load()
    (tmp_path / old.schema).write_text("in the way")
    with pytest.raises(TargetError, match="cannot be archived in"):
        retained(old, ARCHIVE, tmp_path)
    assert count(old) == 101


def test_the_command_asks_for_a_folder_and_prints_what_left(old: Lab, tmp_path: Path) -> None:
    """Exit code 2 without one, 0 with; --json for machines."""
    old.load()
    rules = tmp_path / "tables.yaml"
    rules.write_text(json.dumps({"source_tables": {"t": ARCHIVE}}))
    uri = f"postgresql:///?{'&'.join(part for part in old.target.split())}"
    environment = {"BULKETL_SOURCE": old.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": old.schema}
    command, runner = ["retention", "--rules", str(rules)], CliRunner()
    without = runner.invoke(app, command, env=environment)
    assert (without.exit_code, "no folder is named" in without.stderr) == (2, True)
    done = runner.invoke(app, [*command, "--folder", str(tmp_path), "--json"], env=environment)
    assert [(item["table"], item["rows"]) for item in json.loads(done.stdout)] == [("t", 40)]


class Lost:
    """A connection whose commit reaches the server, or does not, and whose answer never comes back."""

    def __init__(self, connection: Any, reaches: bool) -> None:
        self.connection, self.reaches = connection, reaches

    def commit(self) -> None:
        """Commit, or roll back, and fail either way."""
        (self.connection.commit if self.reaches else self.connection.rollback)()
        raise dbapi.OperationalError("server closed the connection unexpectedly", status_code=dbapi_status())


def dbapi_status() -> Any:
    """Return what the driver says when a connection breaks."""
    from adbc_driver_manager import AdbcStatusCode

    return AdbcStatusCode.IO


@pytest.mark.parametrize("reaches", [True, False])
def test_an_archive_stays_when_the_answer_to_the_commit_is_lost(
    old: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reaches: bool
) -> None:
    """Nobody knows then whether the rows have left; the message says where they are and where to look."""
    monkeypatch.setattr(dbapi.Cursor, "connection", property(lambda cursor: Lost(cursor._conn, reaches)))
    old.load()
    with pytest.raises(TargetError, match="the commit failed; the archive stays at") as caught:
        retained(old, ARCHIVE, tmp_path)
    ((file),) = tmp_path.rglob("*.parquet")
    assert str(file) in caught.value.message
    assert "bulketl.retained" in caught.value.hint
    assert (pq.read_metadata(file).num_rows, count(old)) == (40, 61 if reaches else 101)


def test_an_archive_is_on_disk_before_its_rows_are_deleted(
    old: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file and the folders that were made for it."""
    synced: list[Path] = []
    real, delete = os.fsync, retention._remove

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        real(handle)

    def remove(*args: Any) -> None:
        (file,) = tmp_path.rglob("*.parquet")
        assert {file, file.parent, file.parent.parent} <= set(synced)
        delete(*args)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(retention, "_remove", remove)
    old.load()
    retained(old, ARCHIVE, tmp_path)
    assert count(old) == 61


@pytest.mark.parametrize("zone", ["+00:00", "+11:00", "-11:00"])
@pytest.mark.parametrize("strategy", ["full_table", "incremental"])
def test_instants_that_have_left_stay_away_in_every_zone(maria_lab: Lab, tmp_path: Path, strategy: str, zone: str) -> None:
    """Exactly those on the one side of the limit, a day's start in UTC, whatever the session shows."""
    lab = maria_lab
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY, at timestamp NULL, seen timestamp(6) NULL)")
    ((today),) = lab.pg("SELECT extract(epoch FROM date_trunc('day', now() AT TIME ZONE 'UTC') - interval '10 d')::bigint")
    limit = today[0]
    lab.mysql(
        "SET time_zone = '+00:00'",
        *(
            f"INSERT INTO t VALUES ({n}, FROM_UNIXTIME({limit + seconds}), FROM_UNIXTIME({limit + seconds}))"
            for n, seconds in enumerate((-90000, -3600, -1, 0, 3600, 90000))
        ),
        "INSERT INTO t VALUES (100, NULL, NULL)",
    )
    rule = {
        "retention": {"keep": "10d", "by": "at", "action": "delete"},
        "casts": {"at": "timestamptz"},
        "extraction_strategy": strategy,
        "incremental_column": "seen",
        "deletes": {"policy": "mirror", "every": "1s", "guard": 1},
    }
    config = lab.config(rules={"t": rule}, timestamp_zone=zone)
    assert bulketl.load(config, bulketl.make_plan(config)).outcome == "done"
    ((found),) = bulketl.retain_tables(config, (), tmp_path)
    assert found.rows == 3
    for full in (False, True):
        lab.mysql("UPDATE t SET seen = NOW() + INTERVAL id MICROSECOND")
        assert bulketl.load(config, bulketl.make_plan(config, full=full)).outcome == "done"
        assert lab.pg("SELECT id FROM {s}.t ORDER BY id") == [(3,), (4,), (5,), (100,)]


def test_rows_that_left_by_one_column_stay_away_when_retention_goes_by_another(maria_lab: Lab, tmp_path: Path) -> None:
    """Nor do they come back when rows are kept for longer afterwards."""
    lab = maria_lab
    lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, a datetime, b datetime)",
        "INSERT INTO t VALUES (1, '2001-01-01', NOW()), (2, NOW(), '2001-01-01'), (3, NOW(), NOW()),"
        " (4, NOW() - INTERVAL 100 DAY, NOW())",
    )
    lab.load()
    for by, keep in (("a", "50d"), ("b", "7y"), ("a", "7y")):
        lab.pg("INSERT INTO {s}.t VALUES (9, '2001-01-01', now()) ON CONFLICT DO NOTHING")  # so that all three remove rows
        retained(lab, {"retention": {"keep": keep, "by": by, "action": "delete"}}, tmp_path)
    lab.mysql("INSERT INTO t VALUES (5, NOW(), NOW())")
    assert lab.load().summary.outcome == "done"
    assert lab.pg("SELECT id FROM {s}.t ORDER BY id") == [(3,), (5,)]


def test_a_column_that_rows_have_left_by_may_be_excluded_but_not_dropped(old: Lab, tmp_path: Path) -> None:
    """One table is refused then, not the run; its entry in the state can be taken out."""
    old.mysql("CREATE TABLE other (id int PRIMARY KEY)", "ALTER TABLE t ADD INDEX (at)")
    old.load()
    retained(old, ARCHIVE, tmp_path)
    assert old.load(rules={"t": {"exclude_columns": ["at"]}}).summary.outcome == "done"
    assert count(old) == 61
    old.mysql("ALTER TABLE t DROP COLUMN at", "INSERT INTO other VALUES (1)")
    done = old.load()
    ((refusal),) = done.plan.refused
    assert (refusal.table, "no longer has the column 'at'" in refusal.message) == ("t", True)
    assert "bulketl.state.retained" in refusal.hint
    assert old.pg("SELECT count(*) FROM {s}.other") == [(1,)]
    old.pg("UPDATE bulketl.state SET retained = retained - 'at' WHERE (schema_name, table_name) = ('{s}', 't')")
    assert old.load().plan.refused == ()
    assert count(old) == 101


def test_nothing_leaves_a_table_that_is_being_loaded(old: Lab, tmp_path: Path) -> None:
    """The load would bring it back; looking is allowed."""
    old.load()
    with held(Postgres(old.target), "somebody", "elsewhere", old.schema, ["t"]):
        with pytest.raises(TargetError, match="is loaded by run somebody"):
            retained(old, ARCHIVE, tmp_path)
        assert (retained(old, ARCHIVE, None)[0].rows, count(old)) == (40, 101)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("policy", [None, "mirror"])
@pytest.mark.parametrize("strategy", ["full_table", "incremental"])
def test_a_legal_hold_holds_against_loads(old: Lab, strategy: str, policy: str | None) -> None:
    """What is gone at the source stays, until the hold ends."""
    rule: dict[str, Any] = {"extraction_strategy": strategy, "incremental_column": "at"}
    if policy:
        rule["deletes"] = {"policy": policy, "every": "1s", "guard": 1}
    hold = {**rule, "retention": {**ARCHIVE["retention"], "legal_hold": True}}
    old.load(rules={"t": hold})
    old.mysql("DELETE FROM t WHERE id <= 10", "UPDATE t SET c = 'new', at = NOW() WHERE id = 50")
    config = old.config(rules={"t": hold})
    for full in (False, True):
        old.pg("UPDATE bulketl.state SET compared_at = compared_at - interval '2 days' WHERE schema_name = '{s}'")
        assert bulketl.load(config, bulketl.make_plan(config, full=full)).outcome == "done"
        assert (count(old), old.pg("SELECT c FROM {s}.t WHERE id = 50")) == (101, [("new",)])
    if policy or strategy == "full_table":
        old.pg("UPDATE bulketl.state SET compared_at = compared_at - interval '2 days' WHERE schema_name = '{s}'")
        assert old.load(rules={"t": rule}).summary.outcome == "done"
        assert count(old) == 91


def test_a_legal_hold_on_a_table_without_a_key_is_refused(maria_lab: Lab) -> None:
    """Its rows could only be replaced as a whole."""
    maria_lab.mysql("CREATE TABLE t (at datetime)", "INSERT INTO t VALUES (NOW())")
    hold = {"retention": {**ARCHIVE["retention"], "legal_hold": True}}
    ((refusal),) = maria_lab.load(rules={"t": hold}).plan.refused
    assert "legal hold and no primary key" in refusal.message


def test_only_the_owner_may_read_an_archive(old: Lab, tmp_path: Path) -> None:
    """Whatever the umask says; the folders too."""
    before = os.umask(0)
    try:
        old.load()
        ((found),) = retained(old, ARCHIVE, tmp_path / "archives")
    finally:
        os.umask(before)
    file = Path(found.file)
    assert [path.stat().st_mode & 0o777 for path in (file, *list(file.parents)[:3])] == [0o600, 0o700, 0o700, 0o700]


@pytest.mark.parametrize("table", ["../../../../x", "..", ".x", "a/b", "%2E"])
def test_no_name_of_a_table_leads_out_of_the_folder(maria_lab: Lab, tmp_path: Path, table: str) -> None:
    """Nor is one hidden, nor do two share a folder."""
    maria_lab.mysql(
        f"CREATE TABLE `{table}` (id int PRIMARY KEY, at datetime)", f"INSERT INTO `{table}` VALUES (1, '2001-01-01')"
    )
    maria_lab.load()
    folder = tmp_path / "a" / "b" / "c" / "d"
    ((found),) = bulketl.retain_tables(maria_lab.config(rules={table: ARCHIVE}), (), folder)
    file = Path(found.file)
    assert (file.resolve().parent.parent.parent, file.is_file()) == (folder.resolve(), True)
    assert not any(part.startswith(".") for part in file.relative_to(folder).parts)


def test_a_plan_that_was_made_before_a_retention_does_not_bring_its_rows_back(old: Lab, tmp_path: Path) -> None:
    """It is refused, and the next one leaves them out."""
    old.load(rules={"t": ARCHIVE})
    config = old.config(rules={"t": ARCHIVE})
    old.pg("DELETE FROM {s}.t WHERE id = 100")  # else there is nothing to load
    plan = bulketl.make_plan(config)
    retained(old, ARCHIVE, tmp_path)
    with pytest.raises(PlanError, match="retention has removed rows of table 't'"):
        bulketl.load(config, plan)
    assert bulketl.load(config, bulketl.make_plan(config)).outcome == "done"
    assert count(old) == 61


def test_retention_of_a_table_that_nobody_loaded_is_noted_too(old: Lab, tmp_path: Path) -> None:
    """The first load after it leaves those rows out."""
    old.load()
    old.pg("DELETE FROM bulketl.state WHERE schema_name = '{s}'")
    retained(old, ARCHIVE, tmp_path)
    old.load(rules={"t": ARCHIVE})
    assert count(old) == 61


def test_dates_that_arrow_has_no_number_for_are_archived_as_what_they_are(maria_lab: Lab, tmp_path: Path) -> None:
    """Infinity, and moments beyond the year 294247; a row whose own date is infinite is not old."""
    maria_lab.mysql("CREATE TABLE t (id int PRIMARY KEY, at datetime, d date, m datetime(6), z datetime, fine date)")
    maria_lab.mysql("INSERT INTO t SELECT seq, '2001-01-01', NULL, NULL, NULL, '2001-01-01' FROM seq_1_to_4")
    maria_lab.load()
    maria_lab.pg(
        "UPDATE {s}.t SET d = 'infinity', m = '-infinity' WHERE id = 1; UPDATE {s}.t SET d = '0044-03-15 BC' WHERE id = 2;"
        "UPDATE {s}.t SET z = '294276-12-31' WHERE id = 3; UPDATE {s}.t SET at = '-infinity' WHERE id = 4"
    )
    ((found),) = retained(maria_lab, ARCHIVE, tmp_path)
    rows = [tuple(row.values())[2:5] for row in pq.read_table(found.file).to_pylist()]
    assert rows == [("infinity", "-infinity", None), ("0044-03-15 BC", None, None), (None, None, "294276-12-31 00:00:00")]
    assert pq.read_table(found.file).schema.field("fine").type == pa.date32()
    assert maria_lab.pg("SELECT id FROM {s}.t") == [(4,)]
