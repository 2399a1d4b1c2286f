"""Rejected rows against real servers: nothing is lost on the way, and what was rejected can be seen and taken in later."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faults import small_partitions
from lab import Done, Lab
from rich.console import Console
from typer.testing import CliRunner

import bulketl
import bulketl.loading.reading
from bulketl import ConfigError, PlanError, TargetError
from bulketl.cli.app import app
from bulketl.cli.screens.rejects import rows
from bulketl.postgres.locks import held
from bulketl.postgres.server import Postgres
from bulketl.rows.coerce import Batch, coerce

ROWS = 40
NOT_NEGATIVE = {"range": "n", "min": 0, "severity": "reject"}
RULES: dict[str, Any] = {"t": {"casts": {"flag": "boolean"}, "checks": [NOT_NEGATIVE], "max_rejects": "50%"}}


@pytest.fixture
def broken(maria_lab: Lab) -> Lab:
    """40 rows: two with a number that is no boolean, one negative, one date that is none."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, flag tinyint, n int, word varchar(20))",
        f"INSERT INTO t SELECT seq, 1, seq, CONCAT('w', seq) FROM seq_1_to_{ROWS}",
        "UPDATE t SET flag = 2 WHERE id IN (3, 4)",
        "UPDATE t SET n = -5, word = 'a,\"b\"' WHERE id = 9",
    )
    return maria_lab


def load(lab: Lab, **rules: Any) -> Done:
    return lab.load(rules={"t": {**RULES["t"], **rules}})


def test_rejects_are_counted_by_what_is_wrong_with_them(broken: Lab) -> None:
    """By run, table, column and reason; the last run first."""
    first = load(broken).summary.run
    second = load(broken).summary.run
    found = bulketl.list_rejects(broken.config())
    assert [(c.run, c.column, c.reason, c.rows, c.settled, c.loaded) for c in found] == [
        (run, column, reason, rows, 0, True)
        for run in (second, first)
        for column, reason, rows in (("flag", "does not fit boolean", 2), ("n", "fails range n 0..", 1))
    ]
    assert {item.run for item in bulketl.list_rejects(broken.config(), run="last")} == {second}
    assert {item.run for item in bulketl.list_rejects(broken.config(), ["t*"], first)} == {first}


def test_rejects_are_shown_with_their_values(broken: Lab) -> None:
    """The first so many, whole rows too."""
    load(broken)
    found = bulketl.show_rejects(broken.config(), ["t"])
    assert [(item.key, item.column, item.value) for item in found] == [
        ({"id": 3}, "flag", "2"), ({"id": 4}, "flag", "2"), ({"id": 9}, "n", "-5"),
    ]  # fmt: skip
    assert found[2].row == {"id": 9, "flag": 1, "n": -5, "word": 'a,"b"'}
    assert len(bulketl.show_rejects(broken.config(), first=2)) == 2
    assert not any(f"{secret}=" in repr(found) for secret in ("value", "row", "key"))


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_an_export_has_every_reject_and_only_its_owner_may_read_it(broken: Lab, tmp_path: Path, suffix: str) -> None:
    """Whole, in each form; a file that is there is not written over."""
    load(broken)
    file = tmp_path / f"rejects{suffix}"
    assert bulketl.export_rejects(broken.config(), file, ["t"]) == 3
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rows: list[dict[str, Any]]
    if suffix == ".csv":
        with file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    else:
        rows = json.loads(file.read_text()) if suffix == ".json" else pq.read_table(file).to_pylist()
    expected = [dataclasses.asdict(item) for item in bulketl.show_rejects(broken.config())]
    if suffix != ".json":
        expected = [{**row, "key": json.dumps(row["key"]), "row": json.dumps(row["row"])} for row in expected]
    assert rows == expected
    with pytest.raises(ConfigError, match="cannot be written: File exists"):
        bulketl.export_rejects(broken.config(), file)
    with pytest.raises(ConfigError, match="are not written as"):
        bulketl.export_rejects(broken.config(), tmp_path / "rejects.xls")


@pytest.mark.parametrize("strategy", [{}, {"extraction_strategy": "incremental", "incremental_column": "id"}])
def test_a_retry_loads_what_is_good_now_and_settles_it(broken: Lab, strategy: dict[str, Any]) -> None:
    """After a correction at the source: one row is good, one is bad still, one is gone."""
    load(broken, **strategy)
    broken.mysql(
        "UPDATE t SET flag = 0 WHERE id = 3", "DELETE FROM t WHERE id = 4", "UPDATE t SET word = 'new' WHERE id = 7"
    )
    config = broken.config(rules={"t": {**RULES["t"], **strategy}})
    (told,) = bulketl.retry_rejects(config)
    assert (told.asked, told.loaded, told.rejected, told.gone, told.unreadable) == (3, 1, 1, 1, 0)
    assert broken.pg("SELECT id, flag, word FROM {s}.t WHERE id IN (3, 4, 7, 9) ORDER BY id") == [
        (3, False, "w3"), (7, True, "w7"),  # exactly those rows are read
    ]  # fmt: skip
    assert [(item.column, item.settled) for item in bulketl.list_rejects(config)] == [("flag", 2), ("n", 0)]
    assert broken.pg("SELECT rows FROM bulketl.state WHERE schema_name = '{s}'") == [(ROWS - 2,)]
    (again,) = bulketl.retry_rejects(config)
    assert (again.asked, again.loaded, again.rejected) == (1, 0, 1)


def test_a_retry_takes_rows_after_the_rule_was_corrected(broken: Lab) -> None:
    """Of a cast's type nothing is changed here, but the check goes."""
    load(broken)
    (told,) = bulketl.retry_rejects(broken.config(rules={"t": {"casts": {"flag": "boolean"}}}))
    assert (told.asked, told.loaded, told.rejected) == (3, 1, 2)
    assert broken.pg("SELECT n FROM {s}.t WHERE id = 9") == [(-5,)]


def test_a_retry_of_several_runs_reads_each_row_once(broken: Lab) -> None:
    """All records of a row are settled together."""
    load(broken)
    load(broken)
    broken.mysql("UPDATE t SET flag = 1, n = 1")
    (told,) = bulketl.retry_rejects(broken.config(rules=RULES))
    assert (told.asked, told.loaded) == (3, 3)
    assert all(item.rows == item.settled for item in bulketl.list_rejects(broken.config()))
    assert bulketl.retry_rejects(broken.config(rules=RULES)) == []


KEYS = [
    ("bigint unsigned", "18446744073709551615"), ("decimal(20,4)", "1234567890123456.0001"), ("varchar(20)", "'é\\\\x41'"),
    ("binary(3)", "X'00FF5C'"), ("datetime(6)", "'2024-02-29 10:11:12.345678'"), ("date", "'2024-02-29'"),
    ("uuid", "'123e4567-e89b-12d3-a456-426614174000'"), ("time", "'-100:00:01'"), ("year", "2024"), ("bit(1)", "b'1'"),
    ("enum('a','b')", "'b'"), ("double", "0.1"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), KEYS, ids=[kind for kind, _ in KEYS])
def test_a_row_is_found_again_by_a_key_of_any_type(maria_lab: Lab, kind: str, value: str) -> None:
    """It alone."""
    maria_lab.mysql(f"CREATE TABLE t (k {kind}, part int, n int, PRIMARY KEY (k, part))")
    maria_lab.mysql(f"INSERT INTO t VALUES ({value}, 1, -1), ({value}, 2, 2)")
    rules = {"t": {"checks": [NOT_NEGATIVE], "max_rejects": 1}}
    assert maria_lab.load(rules=rules).summary.tables["t"].rejects == 1
    maria_lab.mysql("UPDATE t SET n = 5 WHERE part = 1")
    (told,) = bulketl.retry_rejects(maria_lab.config(rules=rules))
    assert (told.asked, told.loaded, told.gone) == (1, 1, 0)
    assert maria_lab.differences("t") == []


def test_a_key_that_was_what_is_wrong_cannot_be_asked_for(maria_lab: Lab) -> None:
    """It is counted, and nothing else happens; a date that an integer was read of is known, however wrong it is."""
    for table, kind in (("t", "datetime(6)"), ("u", "date")):
        maria_lab.mysql(f"CREATE TABLE {table} (d {kind} PRIMARY KEY, n int)")
        maria_lab.insert(table, [("0000-00-00", 1), ("2024-01-01", 2)], mode="")
    maria_lab.load(rules={table: {"max_rejects": 1} for table in "tu"})
    unknown, known = bulketl.retry_rejects(maria_lab.config())
    assert (unknown.asked, unknown.unreadable, unknown.loaded, unknown.rejected, unknown.gone) == (1, 1, 0, 0, 0)
    assert (known.asked, known.unreadable, known.loaded, known.rejected, known.gone) == (1, 0, 0, 1, 0)


@pytest.mark.parametrize("key", ["k", "k, n"])
@pytest.mark.parametrize(
    ("kind", "invalid"),
    [
        ("date", ["2024-02-31", "0000-00-00", "2024-00-10"]),
        ("datetime", ["2024-02-31 10:00:00", "0000-00-00 00:00:00"]),
        ("datetime(3)", ["2024-02-31 10:00:00.120", "0000-00-00 00:00:00.001"]),
        ("timestamp", ["0000-00-00 00:00:00"]),
    ],
)
def test_rows_whose_keys_are_no_dates_are_found_again(lab: Lab, kind: str, invalid: list[str], key: str) -> None:
    """Several in one retry, on either server; none of them is taken for gone."""
    lab.mysql(f"CREATE TABLE t (k {kind} NOT NULL, n decimal(9,2) NOT NULL, v int, PRIMARY KEY ({key}))")
    lab.insert("t", [(text, 1.5, 1) for text in (*invalid, "2024-01-05")], mode="ALLOW_INVALID_DATES")
    lab.load(rules={"t": {"max_rejects": 5}})
    (told,) = bulketl.retry_rejects(lab.config())
    assert (told.asked, told.rejected, told.gone, told.unreadable) == (len(invalid), len(invalid), 0, 0)
    lab.mysql(f"DELETE FROM t WHERE k*1 <> 0 AND v = 1 AND k*1 <> {'20240105' if kind == 'date' else '20240105000000'}")
    (told,) = bulketl.retry_rejects(lab.config())
    left = sum(text.strip("0-: .") == "" for text in invalid)
    assert (told.rejected, told.gone) == (left, len(invalid) - left)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("datetime(3)", "'2024-01-05 01:02:03.450'"), ("timestamp(1)", "'2024-01-05 01:02:03.4'"),
        ("time(3)", "'-00:00:01.500'"), ("decimal(9,4)", "1.5"), ("date", "'2024-01-05'"),
    ],
)  # fmt: skip
def test_a_row_that_is_still_bad_has_the_key_on_record_and_the_others_are_settled(lab: Lab, kind: str, value: str) -> None:
    """However the key is printed, it is printed alike by a load and by a retry."""
    lab.mysql(f"CREATE TABLE t (k {kind} NOT NULL, n int, v int, PRIMARY KEY (k, n))")
    lab.mysql(f"INSERT INTO t VALUES ({value}, 1, 70000), ({value}, 2, 70000)")
    rules = {"t": {"max_rejects": 5, "casts": {"v": "smallint"}}}
    lab.load(rules=rules)
    lab.mysql("UPDATE t SET v = 7 WHERE n = 1")
    (told,) = bulketl.retry_rejects(lab.config(rules=rules))
    assert (told.asked, told.loaded, told.rejected, told.gone) == (2, 1, 1, 0)
    (told,) = bulketl.retry_rejects(lab.config(rules=rules))
    assert (told.asked, told.loaded, told.rejected, told.gone) == (1, 0, 1, 0)


def test_rows_of_a_table_without_a_key_cannot_be_retried(maria_lab: Lab) -> None:
    """The error says what to do instead."""
    maria_lab.mysql("CREATE TABLE t (n int)", "INSERT INTO t VALUES (1), (-1)")
    rules = {"t": {"checks": [NOT_NEGATIVE], "max_rejects": 1}}
    maria_lab.load(rules=rules)
    with pytest.raises(PlanError, match="has no primary key") as raised:
        bulketl.retry_rejects(maria_lab.config(rules=rules))
    assert "bulketl load --tables t --full" in raised.value.hint


def test_rows_of_a_load_that_failed_are_not_mixed_into_what_is_there(broken: Lab) -> None:
    """The table is to be loaded: it has none of the others either."""
    broken.pg("CREATE TABLE {s}.t (old int)")
    load(broken, max_rejects=0, adopt=True)
    broken.mysql("UPDATE t SET flag = 1, n = 1")
    (told,) = bulketl.retry_rejects(broken.config(rules=RULES))
    assert (told.asked, told.loaded) == (0, 0)
    assert broken.pg("SELECT count(*) FROM {s}.t") == [(0,)]
    assert [item.loaded for item in bulketl.list_rejects(broken.config())] == [False, False]


def test_a_retry_waits_for_no_load_and_disturbs_none(broken: Lab) -> None:
    """It takes the locks of a load, and is refused while one has them."""
    load(broken)
    config = broken.config(rules=RULES)
    with (
        held(Postgres.of(config), "other", "x", broken.schema, ["t"]),
        pytest.raises(TargetError, match="is loaded by run other"),
    ):
        bulketl.retry_rejects(config)


def test_a_retry_into_a_table_whose_columns_changed_is_refused(broken: Lab) -> None:
    """The load follows them; a single row cannot."""
    load(broken)
    broken.mysql("ALTER TABLE t ADD more int")
    with pytest.raises(PlanError, match="has other columns"):
        bulketl.retry_rejects(broken.config(rules=RULES))


def test_a_retry_that_fails_a_check_of_the_table_changes_nothing(broken: Lab) -> None:
    """The rows stay rejected."""
    load(broken)
    broken.mysql("UPDATE t SET flag = 1, n = 1")
    full = {"t": {**RULES["t"], "checks": [{"row_count": {"max": ROWS - 1}, "severity": "fail"}]}}
    with pytest.raises(bulketl.DataError, match=r"row_count \.\.39: it has 40"):
        bulketl.retry_rejects(broken.config(rules=full))
    assert broken.pg("SELECT count(*) FROM {s}.t") == [(ROWS - 3,)]
    assert all(item.settled == 0 for item in bulketl.list_rejects(broken.config()))


def test_names_that_are_unknown_are_refused(broken: Lab) -> None:
    """A run, a table; nothing of it before the first load."""
    assert bulketl.list_rejects(broken.config()) == []
    load(broken)
    for call in (bulketl.list_rejects, bulketl.show_rejects, bulketl.retry_rejects):
        with pytest.raises(PlanError, match="nothing is known of a table 'nosuch'"):
            call(broken.config(), ["nosuch"])
        with pytest.raises(PlanError, match="there is no run 'x'"):
            call(broken.config(), run="x")


def test_the_commands_as_a_person_runs_them(broken: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on the screen, and that values are only on the screen that is asked for them."""
    monkeypatch.chdir(tmp_path)
    uri = f"postgresql:///?{'&'.join(broken.target.split())}"
    environment = {"BULKETL_SOURCE": broken.source, "BULKETL_TARGET": uri, "BULKETL_SCHEMA": broken.schema}
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tables.yaml").write_text(json.dumps({"source_tables": RULES}))

    def command(*words: str) -> str:
        done = CliRunner().invoke(app, ["rejects", *words], env=environment)
        assert done.exit_code == 0, done.output
        return done.output

    assert "no row was rejected" in command("list")
    load(broken)
    listed = command("list")
    assert "fails range n 0.." in listed
    assert not re.search(r"\s-5\s", listed)
    assert re.search(r"id=9\s+n\s+-5\s+fails range n 0..", command("show", "t"))
    assert [row["value"] for row in json.loads(command("show", "--first", "1", "--json"))] == ["2"]
    assert "3 rejected rows written to out.csv" in command("export", "out.csv")
    broken.mysql("UPDATE t SET flag = 1, n = 1")
    assert re.search(r"t\s+3\s+3\s+0\s+0\s+0", command("retry"))
    assert "no rejected row is waiting" in command("retry")


# --- good + rejects = read --------------------------------------------------------------------------------------------


def lossy(real: Callable[..., Batch], what: str) -> Callable[..., Batch]:
    """Return a coercion with a bug: it loses a good row, doubles one, or forgets a reject."""

    def broken_coerce(*args: Any) -> Batch:
        batch = real(*args)
        if what == "a reject is forgotten":
            return dataclasses.replace(batch, rejects=batch.rejects[:-1])
        rows = batch.good.slice(1) if what == "a row is lost" else pa.concat_tables([batch.good, batch.good.slice(0, 1)])
        return dataclasses.replace(batch, good=rows)

    return broken_coerce


@pytest.fixture(params=["group", "partitions", "chunks"])
def way(request: pytest.FixtureRequest, broken: Lab, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The rules of a table that is loaded in each way that rows can take."""
    if request.param == "chunks":
        load(broken)
        broken.mysql("INSERT INTO t SELECT seq, 2, seq, 'x' FROM seq_100_to_300")
    if request.param != "group":
        small_partitions(monkeypatch, 9)
    chunked = {"extraction_strategy": "chunked_incremental", "incremental_column": "id", "lookback": 0}
    return chunked if request.param == "chunks" else {}


@pytest.mark.parametrize("what", ["a row is lost", "a row is doubled", "a reject is forgotten"])
def test_a_row_that_is_lost_or_doubled_on_the_way_fails_the_table(
    broken: Lab, way: dict[str, Any], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Whatever is wrong in the code: what was read is counted before anything is done with it."""
    before = broken.pg("SELECT count(*) FROM {s}.t") if way else None
    monkeypatch.setattr(bulketl.loading.reading, "coerce", lossy(coerce, what))
    told = load(broken, **way).summary.tables["t"]
    assert (told.outcome, told.error) == ("failed", "DataError")
    assert re.search(r"\d+ rows were read, and \d+ are good and \d+ rejected", told.message)
    assert broken.pg("SELECT count(*) FROM {s}.t") == before if way else "t" not in broken.tables()


def test_a_reject_that_is_not_on_record_fails_the_table(broken: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written is counted too, before the table is published."""
    small_partitions(monkeypatch, 9)
    real = bulketl.postgres.ledger.entries.rejected
    monkeypatch.setattr(
        bulketl.postgres.ledger.entries,
        "rejected",
        lambda run, spec, index, rejects, encoding: real(run, spec, index, rejects[:1], encoding),
    )
    told = broken.load(rules={"t": RULES["t"]}, unforeseen="planted amid the load").summary.tables["t"]
    assert told.outcome == "failed"
    assert "6 rows were copied and 2 rejected, and Postgres counts 6 and 1" in told.message


@pytest.mark.parametrize("kind", ["time", "time(3)", "datetime(2)", "decimal(9,4)", "double", "binary(4)", "bit(1)"])
def test_a_row_that_postgres_refused_is_found_again_by_its_key(maria_lab: Lab, kind: str) -> None:
    """Its record is made of what was to be copied, and has the key as the source has it all the same."""
    value = {"time": "'-100:00:01'", "time(3)": "'01:02:03.450'", "datetime(2)": "'2024-01-05 01:02:03.40'"}.get(kind, "1")
    maria_lab.mysql(f"CREATE TABLE t (k {kind} PRIMARY KEY, c varchar(20))", f"INSERT INTO t VALUES ({value}, 'too long')")
    rules = {"t": {"casts": {"c": "varchar(3)"}, "max_rejects": 1}}
    done = maria_lab.load(rules=rules)
    assert done.summary.tables["t"].rejects == 1, done.summary.tables["t"].message
    (told,) = bulketl.retry_rejects(maria_lab.config(rules=rules))
    assert (told.asked, told.loaded, told.rejected, told.gone, told.unreadable) == (1, 0, 1, 0, 0)
    maria_lab.mysql("UPDATE t SET c = 'ok'")
    (told,) = bulketl.retry_rejects(maria_lab.config(rules=rules))
    assert (told.asked, told.loaded, told.rejected, told.gone, told.unreadable) == (1, 1, 0, 0, 0)
    assert all(item.settled for item in bulketl.show_rejects(maria_lab.config()))


def test_a_long_value_is_shown_by_its_beginning_and_exported_whole(maria_lab: Lab, tmp_path: Path) -> None:
    """A screen has no place for it; what is more than a million characters is on record as cut."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, c longtext)",
        "INSERT INTO t VALUES (1, REPEAT('x', 5000)), (2, REPEAT('y', 1000001))",
    )
    maria_lab.load(rules={"t": {"casts": {"c": "varchar(9)"}, "max_rejects": 2}})
    shown = bulketl.show_rejects(maria_lab.config())
    screen = Console(width=120, record=True)
    screen.print(rows(shown, 20))
    text = screen.export_text()
    assert len(text) < 3_000
    assert text.count("characters more") == 2
    assert shown[0].value == "x" * 5000
    assert shown[1].value == "y" * 1000 + "… (cut: 1,000,001 characters)"
    assert shown[1].row["c"] == {"cut": "y" * 1000, "characters": 1_000_001}
    assert bulketl.export_rejects(maria_lab.config(), tmp_path / "r.csv") == 2
    assert "x" * 5000 in (tmp_path / "r.csv").read_text("utf-8")
