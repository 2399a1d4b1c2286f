"""Tables that are proved not to have changed are not read; everything else is."""

from __future__ import annotations

import time
from typing import Any

import pytest
from lab import Done, Lab, load

import bulketl

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


def test_where_the_time_of_change_is_not_that_of_the_commit_nothing_is_proved(maria_lab: Lab) -> None:
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
    lab.mysql("CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (1)")
    lab.load()
    assert outcomes(lab.load()) == {"a": "loaded"}


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
