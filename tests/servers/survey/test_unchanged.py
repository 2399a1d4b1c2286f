"""Tables that are proved not to have changed are not read; everything else is."""

from __future__ import annotations

import io
import time
from typing import Any

import psycopg
import pytest
from lab import Done, Lab, load
from rich.console import Console

import bulketl
from bulketl.cli.screens import summary as screen
from bulketl.rows import reconcile
from bulketl.survey import unchanged

WITHIN = 3.2  # seconds: the server's times of change are whole seconds, and two must have passed


@pytest.fixture
def still(lab: Lab) -> Lab:
    """Two tables that were changed some seconds ago, and loaded: of an engine whose time of change can be trusted."""
    engine = "MyISAM" if lab.server.kind == "mariadb" else "InnoDB"
    for name in ("a", "b"):
        lab.mysql(f"CREATE TABLE {name} (id int PRIMARY KEY, c varchar(20)) ENGINE={engine}",
                  f"INSERT INTO {name} VALUES (1, 'x'), (2, 'y')")  # fmt: skip
    time.sleep(WITHIN)
    lab.load()
    return lab


def test_where_the_time_of_change_is_not_that_of_the_commit_it_proves_nothing(maria_lab: Lab) -> None:
    """MariaDB's InnoDB shows the begin of the last transaction, and keeps it through TRUNCATE."""
    maria_lab.mysql("CREATE TABLE a (id int PRIMARY KEY) ENGINE=InnoDB", "INSERT INTO a VALUES (1)")
    time.sleep(WITHIN)
    maria_lab.load()
    maria_lab.mysql("TRUNCATE a")
    assert outcomes(maria_lab.load()) == {"a": "loaded"}
    assert maria_lab.differences("a") == []


def outcomes(done: Done) -> dict[str, str]:
    return {name: table.outcome for name, table in done.summary.tables.items()}


def test_a_table_that_did_not_change_is_not_read_and_one_that_did_is(still: Lab) -> None:
    """The summary counts them apart, and the run is done."""
    assert outcomes(still.load()) == {"a": "unchanged", "b": "unchanged"}
    still.mysql("UPDATE a SET c = 'z' WHERE id = 1")
    done = still.load()
    assert outcomes(done) == {"a": "loaded", "b": "unchanged"}
    assert done.summary.outcome == "done"
    assert still.differences("a") == []


@pytest.mark.parametrize("statement", ["DELETE FROM a WHERE id = 1", "INSERT INTO a VALUES (3, 'n')", "TRUNCATE a"])
def test_any_change_makes_it_be_read(still: Lab, statement: str) -> None:
    """Also within the second of the load."""
    still.mysql(statement)
    assert outcomes(still.load())["a"] == "loaded"
    assert still.differences("a") == []


def test_a_table_with_a_check_that_looks_at_the_calendar_is_always_read(still: Lab) -> None:
    """What was right yesterday need not be so today."""
    rules = {"a": {"checks": [{"expression": "id > 0 OR Current_Date > '2020-01-01'", "severity": "warn"}]}}
    still.load(rules=rules)
    assert outcomes(still.load(rules=rules)) == {"a": "loaded", "b": "unchanged"}


@pytest.mark.parametrize(
    "overrides",
    [{"rules": {"a": {"casts": {"c": "text"}}}}, {"rules": {"a": {"exclude_columns": ["c"]}}}, {"nul_bytes": "reject"}],
)
def test_another_way_to_load_it_makes_it_be_read(still: Lab, overrides: dict[str, Any]) -> None:
    """The proof is of the rows as they were loaded."""
    assert outcomes(still.load(**overrides))["a"] == "loaded"


def test_a_target_that_somebody_changed_makes_it_be_read(still: Lab) -> None:
    """Rows that are missing or too many there."""
    still.pg("DELETE FROM {s}.a WHERE id = 1")
    assert outcomes(still.load()) == {"a": "loaded", "b": "unchanged"}
    assert still.differences("a") == []


def test_a_change_just_before_the_load_is_no_proof(lab: Lab) -> None:
    """Another one could follow within the same second."""
    engine = "MyISAM" if lab.server.kind == "mariadb" else "InnoDB"
    lab.mysql(f"CREATE TABLE a (id int AUTO_INCREMENT PRIMARY KEY) ENGINE={engine}")
    config = lab.config()
    recent = ("SELECT update_time >= NOW() - INTERVAL 2 SECOND FROM information_schema.tables"
              " WHERE table_schema = DATABASE() AND table_name = 'a'")  # fmt: skip
    for _ in range(20):
        lab.mysql("INSERT INTO a VALUES ()")
        plan = bulketl.make_plan(config)
        if lab.mysql(recent) == [(1,)]:  # and so it was when the plan was made, unless the machine is busy
            break
    else:
        pytest.fail("no plan was made within two seconds")
    load(config, plan=plan)
    assert {table.proof for table in lab.load().summary.tables.values()} <= {"", HASHES}


def test_a_part_that_was_loaded_again_proves_nothing_of_the_rest(maria_lab: Lab) -> None:
    """Rows that changed outside of it are still to be read."""
    rules = {"a": {"extraction_strategy": "incremental", "incremental_column": "id", "lookback": 0}}
    maria_lab.mysql("CREATE TABLE a (id int PRIMARY KEY) ENGINE=MyISAM", "INSERT INTO a VALUES (1), (2), (3)")
    maria_lab.load(rules=rules)
    maria_lab.mysql("INSERT INTO a VALUES (4)")
    time.sleep(WITHIN)
    config = maria_lab.config(rules=rules)
    load(config, plan=bulketl.make_plan(config, since="1", until="3"))
    maria_lab.pg("UPDATE bulketl.state SET rows = 3 WHERE schema_name = '{s}'")
    assert outcomes(maria_lab.load(rules=rules)) == {"a": "loaded"}
    assert maria_lab.differences("a") == []


HASHES = "equal hashes on both servers"
ODD = (
    "CREATE TABLE odd (a int, b varchar(20), c datetime, d decimal(10,2), e double, f blob, g text, h time, i date)",
    "INSERT INTO odd VALUES (NULL, 'x', '2024-01-31 10:00:00', 1.10, 0.1, X'00ff', 'long', '-10:00:00', '0000-00-00')",
    "INSERT INTO odd (a, e, f, g) VALUES (1, 1e300, '', ''), (1, 1e300, '', '')",
)  # no key, rows that are the same, a date that is none


@pytest.fixture
def dark(maria_lab: Lab) -> Lab:
    """Loaded tables of which the server does not tell when they were changed."""
    maria_lab.mysql("CREATE TABLE a (id int PRIMARY KEY, c varchar(20), n bigint)", "CREATE TABLE none (id int PRIMARY KEY)",
                    "INSERT INTO a VALUES (1, 'x', 10), (2, 'y', 20), (3, 'z', 30)")  # fmt: skip
    maria_lab.mysql(*ODD, mode="")
    maria_lab.load()
    return maria_lab


def proofs(done: Done) -> dict[str, str]:
    return {name: table.proof for name, table in done.summary.tables.items()}


def test_small_tables_that_are_the_same_on_both_servers_are_not_read(dark: Lab) -> None:
    """By a hash of each row; with odd values, without a key, and without rows too."""
    done = dark.load()
    assert outcomes(done) == {"a": "unchanged", "none": "unchanged", "odd": "unchanged"}
    assert proofs(done) == dict.fromkeys(("a", "none", "odd"), HASHES)
    assert done.summary.tables["a"].message == "its 3 rows are the same on both servers, by a hash of each"
    file = io.StringIO()
    Console(width=80, file=file).print(screen.summary(done.summary))
    shown = file.getvalue()
    assert "Unchanged: 3 by equal hashes on both servers\n" in shown
    assert shown.startswith("done: 3 tables unchanged\n")


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("a", "UPDATE a SET n = CASE id WHEN 1 THEN 20 WHEN 2 THEN 10 ELSE n END"),  # what CHECKSUM TABLE may not see
        ("a", "UPDATE a SET c = NULL WHERE id = 2"),
        ("a", "DELETE FROM a WHERE id = 3"),
        ("a", "INSERT INTO a VALUES (4, 'n', 1)"),
        ("none", "INSERT INTO none VALUES (1)"),
        ("odd", "DELETE FROM odd WHERE a = 1 LIMIT 1"),
        ("odd", "UPDATE odd SET f = X'00fe' WHERE a IS NULL"),
    ],
)
@pytest.mark.parametrize("where", ["source", "target"])
def test_any_difference_makes_a_hashed_table_be_read(dark: Lab, table: str, statement: str, where: str) -> None:
    """Whoever made it, and only that table is."""
    if where == "source":
        dark.mysql(statement)
    else:
        limited = f"DELETE FROM {dark.schema}.odd WHERE ctid = (SELECT max(ctid) FROM {dark.schema}.odd)"
        there = limited if "LIMIT" in statement else statement.replace("X'00fe'", "'\\x00fe'")
        dark.pg(f"SET search_path = {{s}}; {there}")
    assert outcomes(dark.load()) == dict.fromkeys(("a", "none", "odd"), "unchanged") | {table: "loaded"}
    assert dark.differences(table) == []
    assert set(outcomes(dark.load()).values()) == {"unchanged"}


@pytest.mark.parametrize(
    "overrides",
    [
        {"rules": {"a": {"casts": {"c": "text"}}}},
        {"rules": {"a": {"exclude_columns": ["c"]}}},
        {"rules": {"a": {"checks": [{"not_null": ["c"]}]}}},
        {"rules": {"a": {"checks": [{"foreign_key": "id", "to": "a.id"}]}}},
        {"nul_bytes": "reject"},
        {"added_columns": ["_loaded_at"]},
    ],
)
def test_another_way_to_load_it_makes_a_hashed_table_be_read(dark: Lab, overrides: dict[str, Any]) -> None:
    """Equal rows do not say that a new check holds, or that a new column is there."""
    assert outcomes(dark.load(**overrides))["a"] != "unchanged"


def test_a_column_that_no_hash_covers_makes_the_table_be_read(maria_lab: Lab) -> None:
    """Text that is declared jsonb is spelt in another way by each server."""
    rules = {"a": {"casts": {"c": "jsonb"}}}
    maria_lab.mysql("CREATE TABLE a (id int PRIMARY KEY, c text)", """INSERT INTO a VALUES (1, '{"b": 1,"a":2}')""")
    maria_lab.load(rules=rules)
    assert outcomes(maria_lab.load(rules=rules)) == {"a": "loaded"}


def test_a_table_that_is_large_is_read_and_not_hashed(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """To hash it on both servers takes about as long."""
    maria_lab.mysql("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)")
    maria_lab.load()
    monkeypatch.setattr(unchanged, "HASHED_BYTES", 1)
    assert outcomes(maria_lab.load()) == {"a": "loaded"}


@pytest.mark.parametrize("together", [1, 60])
def test_a_table_that_is_locked_in_the_target_is_read_with_those_of_the_same_query(
    dark: Lab, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    """Planning waits a second for a query, and not for whoever has the lock."""
    monkeypatch.setattr(reconcile, "HASHED_TOGETHER", together)
    with psycopg.connect(dark.target) as connection:
        connection.execute(f"LOCK TABLE {dark.schema}.a IN ACCESS EXCLUSIVE MODE".encode())
        plan = bulketl.make_plan(dark.config())
    assert [skip.table for skip in plan.skipped] == (["none", "odd"] if together == 1 else [])
    assert sorted(load.spec.table for load in plan.loads) == (["a"] if together == 1 else ["a", "none", "odd"])


def test_a_value_that_no_hash_can_be_made_of_makes_its_table_be_read_and_no_other(dark: Lab) -> None:
    """Here one that only Postgres has; the load brings the source's."""
    dark.pg("UPDATE {s}.odd SET h = 'infinity' WHERE a IS NULL")
    assert outcomes(dark.load()) == {"a": "unchanged", "none": "unchanged", "odd": "loaded"}
    assert dark.differences("odd") == []


@pytest.mark.parametrize(("kind", "where"), [("datetime(3)", "source"), ("datetime(3)", "target"), ("date", "source")])
def test_a_date_before_the_first_year_is_another_than_one_in_it(maria_lab: Lab, kind: str, where: str) -> None:
    """And infinity, which Postgres alone has, is no NULL."""
    maria_lab.mysql(f"CREATE TABLE a (id int PRIMARY KEY, d {kind})", "INSERT INTO a VALUES (1, '0000-01-01'), (2, NULL)",
                    mode="")  # fmt: skip
    maria_lab.load()
    if where == "source":
        maria_lab.mysql("UPDATE a SET d = '0001-01-01' WHERE id = 1")
    else:
        maria_lab.pg("UPDATE {s}.a SET d = 'infinity' WHERE id = 2")
    assert outcomes(maria_lab.load()) == {"a": "loaded"}
    assert maria_lab.pg("SELECT d::text LIKE '%%BC' FROM {s}.a ORDER BY id") == [(where == "target",), (None,)]


def test_a_column_that_was_kept_and_is_now_to_be_dropped_makes_the_table_be_read(dark: Lab) -> None:
    """The rows are the same, and the table is not."""
    dark.mysql("ALTER TABLE a DROP COLUMN n")
    dark.load()
    assert outcomes(dark.load())["a"] == "unchanged"
    assert outcomes(dark.load(dropped_columns="drop"))["a"] == "loaded"
    assert dark.pg("SELECT count(*) FROM information_schema.columns WHERE table_schema = '{s}' AND table_name = 'a'") == [
        (2,)
    ]


def test_a_load_that_is_certified_reads_what_only_hashes_prove(dark: Lab) -> None:
    """Its certificate has the figures of every column."""
    assert set(outcomes(dark.load(certify=True)).values()) == {"loaded"}


def test_what_a_check_finds_is_told_each_time(maria_lab: Lab) -> None:
    """Else a fault that stays would look as if it were mended."""
    rules = {"a": {"checks": [{"not_null": "c", "severity": "warn"}]}}
    maria_lab.mysql("CREATE TABLE a (id int PRIMARY KEY, c int)", "INSERT INTO a VALUES (1, NULL)")
    for _ in range(2):
        assert maria_lab.load(rules=rules).summary.tables["a"].checks == {"warn": {"not_null c": 1}}


def test_more_tables_than_one_query_asks_of(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they are divided, each is proved by its own rows."""
    monkeypatch.setattr(reconcile, "HASHED_TOGETHER", 2)
    names = [f"t{n}" for n in range(5)]
    for n, name in enumerate(names):
        maria_lab.mysql(f"CREATE TABLE {name} (id int PRIMARY KEY)", f"INSERT INTO {name} VALUES ({n})")
    maria_lab.load()
    maria_lab.mysql("UPDATE t3 SET id = 4")
    assert outcomes(maria_lab.load()) == dict.fromkeys(names, "unchanged") | {"t3": "loaded"}


def test_rows_that_are_marked_as_gone_do_not_count(maria_lab: Lab) -> None:
    """The table has them, and the source rightly not."""
    rules = {"a": {"deletes": "mark"}}
    maria_lab.mysql("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)")
    maria_lab.load(rules=rules)
    maria_lab.mysql("DELETE FROM a WHERE id = 2")
    assert outcomes(maria_lab.load(rules=rules)) == {"a": "loaded"}
    assert outcomes(maria_lab.load(rules=rules)) == {"a": "unchanged"}
    maria_lab.mysql("INSERT INTO a VALUES (2)")
    assert outcomes(maria_lab.load(rules=rules)) == {"a": "loaded"}
    assert maria_lab.pg("SELECT count(*) FROM {s}.a WHERE _deleted_at IS NULL") == [(2,)]
