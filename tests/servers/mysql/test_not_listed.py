"""What a server does not list, cannot open or spells otherwise is not gone, for users with every right too."""

from __future__ import annotations

import pytest
from lab import Done, Lab

import bulketl
from bulketl.mysql import discover


def failed(done: Done) -> dict[str, str]:
    return {table.table: table.message for table in done.summary.failed}


@pytest.mark.parametrize("cut", ["_TABLES", "_COLUMNS"])
def test_a_catalogue_that_is_cut_short_is_no_word_on_what_it_leaves_out(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """A limit of the session, or a setting that hides columns: the server is asked for each, and has it."""
    lab.mysql(
        "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY, c int)", "INSERT INTO b VALUES (1, 2)"
    )
    assert lab.load().summary.outcome == "done"
    monkeypatch.setattr(discover, cut, getattr(discover, cut) + (" LIMIT 1" if cut == "_TABLES" else " LIMIT 2"))
    done = lab.load()
    assert "does not list it" in failed(done)["b"]
    assert lab.pg("SELECT * FROM {s}.b") == [(1, 2)]


def test_a_generated_invisible_key_is_loaded_and_missed_when_it_is_hidden(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """So are invisible columns, which `SELECT *` would leave out."""
    if lab.server.kind == "mariadb":
        lab.mysql("CREATE TABLE t (my_row_id int DEFAULT 0 PRIMARY KEY INVISIBLE, a int, g int AS (a + 1) VIRTUAL)")
    else:
        lab.mysql("SET SESSION sql_generate_invisible_primary_key = ON", "CREATE TABLE t (a int, g int AS (a + 1) VIRTUAL)")
    lab.mysql("ALTER TABLE t ADD h int INVISIBLE", "INSERT INTO t (my_row_id, a, h) VALUES (1, 2, 3)")
    assert lab.load().summary.outcome == "done"
    assert lab.pg("SELECT my_row_id, a, g, h FROM {s}.t") == [(1, 2, 3, 3)]
    condition = "WHERE column_name NOT IN ('my_row_id', 'h') AND "
    monkeypatch.setattr(discover, "_COLUMNS", discover._COLUMNS.replace("WHERE ", condition))
    assert "does not list it" in failed(lab.load())["t"]


def test_a_name_that_changed_its_case_is_not_gone(lab: Lab) -> None:
    """As when a server is moved to where names are written small."""
    lab.mysql("CREATE TABLE Patient (id int PRIMARY KEY, Name int)", "INSERT INTO Patient VALUES (1, 2)")
    assert lab.load().summary.outcome == "done"
    lab.mysql("ALTER TABLE Patient CHANGE Name name int")
    assert lab.load().summary.outcome == "done"
    lab.mysql("RENAME TABLE Patient TO patient")
    assert any(item.table == "Patient" and item.severity == "error" for item in bulketl.validate(lab.config()))
    done = lab.load(unforeseen="validate was asked before, for with patient the load has made it gone")
    assert "differs in case only" in failed(done)["Patient"]
    assert done.summary.tables["patient"].outcome == "loaded"


def test_a_table_that_the_server_cannot_open_fails_in_its_words(lab: Lab) -> None:
    """It is not gone, nor empty, and the others are loaded."""
    lab.mysql("CREATE TABLE part (a int) ENGINE = MyISAM", "CREATE TABLE m (a int) ENGINE = MERGE UNION = (part)",
              "INSERT INTO part VALUES (1)", "CREATE TABLE good (id int PRIMARY KEY)")  # fmt: skip
    assert lab.load().summary.outcome == "done"
    lab.mysql("DROP TABLE part")
    done = lab.load()
    assert "nable to open underlying table" in failed(done)["m"]
    assert done.summary.tables["part"].outcome == "skipped"
    assert lab.pg("SELECT a FROM {s}.m") == [(1,)]


def test_a_table_of_another_source_is_not_missed(lab: Lab) -> None:
    """What is in the schema and came from elsewhere is none of this source's."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY)")
    lab.load()
    lab.pg("UPDATE bulketl.state SET source = 'mysql://elsewhere:3306/x', table_name = 'theirs' WHERE schema_name = '{s}'")
    done = lab.load()
    assert done.summary.tables.keys() == {"t"}
    assert done.summary.outcome == "done"


def test_a_table_that_is_gone_is_forgotten_by_a_person(lab: Lab) -> None:
    """As the hint says; until then each load tells it."""
    lab.mysql("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int PRIMARY KEY)")
    lab.load()
    lab.mysql("DROP TABLE u")
    for _ in range(2):
        assert lab.load().summary.tables["u"].outcome == "skipped"
    assert [f.message for f in bulketl.validate(lab.config(rules={"t": {}})) if f.table == "u"] == [
        "is gone from the source"
    ]
    bulketl.reset(lab.config(), ["u"])
    assert "u" not in lab.load().summary.tables
