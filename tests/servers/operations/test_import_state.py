"""The older pipeline's state is taken over where its rows bear out what its books say, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from heldup import environ
from lab import Lab
from typer.testing import CliRunner, Result

from bulketl.cli.app import app

RULE = {"extraction_strategy": "incremental", "incremental_column": "at", "deletes": {"policy": "mirror"}}
NEWEST = "2026-01-30 00:00:00"
BOOKS = (
    "(table_name text PRIMARY KEY, last_primary_value text, primary_column_name text, rows_loaded int, load_status text,"
    " _loaded_at timestamp)"
)


@pytest.fixture
def lab(maria_lab: Lab) -> Lab:
    """A table of thirty rows, as many in the older pipeline's, whose books know the newest of them."""
    maria_lab.mysql(
        "CREATE TABLE visit (id int PRIMARY KEY, c varchar(20), at datetime, tick timestamp NULL)",
        "INSERT INTO visit SELECT seq, 'x', DATE('2026-01-01') + INTERVAL seq - 1 DAY, NULL FROM seq_1_to_30",
    )
    maria_lab.pg(
        f"CREATE TABLE {maria_lab.schema}.visit (id int PRIMARY KEY, c varchar(20), at timestamp(0), tick timestamp(0));"
        f"INSERT INTO {maria_lab.schema}.visit SELECT n, 'x', timestamp '2026-01-01' + (n - 1) * interval '1 day'"
        " FROM generate_series(1, 30) n;"
        f"CREATE TABLE {maria_lab.schema}.etl_load_status {BOOKS}"
    )
    return maria_lab


def asked(lab: Lab, folder: Path, *words: str, rule: dict[str, Any] | None = None) -> Result:
    """Run a command with a migration, and the rule of the table."""
    (folder / "tables.yaml").write_text(json.dumps({"source_tables": {"visit": {**RULE, **(rule or {})}}}))
    (folder / "bulketl.yaml").write_text(json.dumps({"schema": lab.schema, "migration": {}}))
    files = ["--rules", str(folder / "tables.yaml"), "--config", str(folder / "bulketl.yaml"), "--json"]
    return CliRunner().invoke(app, [*words, *files], env=environ(lab))


def taken(lab: Lab, folder: Path, *words: str, rule: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Take over the state of the table, and return what became of it."""
    done = asked(lab, folder, "migrate", "import-state", "--reason", "large", *words, rule=rule)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert done.exit_code == (3 if any(one["refused"] for one in found) else 0), done.stderr
    return found


def owner(lab: Lab, folder: Path) -> str:
    """Return who serves the table."""
    owners: dict[str, str] = json.loads(asked(lab, folder, "migrate", "status").stdout)["owners"]
    return owners["visit"]


def noted(lab: Lab, value: str = NEWEST, column: str = "at", status: str = "success") -> None:
    """Have the books say up to where the table is loaded."""
    note = "INSERT INTO {}.etl_load_status VALUES ('visit', %s, %s, 30, %s, now())"
    lab.pg(note.format(lab.schema), [value, column, status])


def test_a_table_goes_on_from_its_watermark_and_is_compared_in_the_next_load(lab: Lab, tmp_path: Path) -> None:
    """What the older pipeline never noticed is mended then: rows deleted at the source, and one that was edited."""
    noted(lab)
    lab.mysql(
        "DELETE FROM visit WHERE id = 3",
        "UPDATE visit SET c = 'y' WHERE id = 7",
        "INSERT INTO visit VALUES (31, 'z', '2026-02-01', NULL)",
    )
    dry = taken(lab, tmp_path, "--dry-run")
    assert (dry[0]["rows"], dry[0]["more"], dry[0]["newer"], dry[0]["refused"]) == (30, 0, 1, "")
    assert owner(lab, tmp_path) == "legacy"
    assert taken(lab, tmp_path) == dry
    done = json.loads(asked(lab, tmp_path, "load").stdout)
    visit = done["tables"][0]
    assert (visit["outcome"], visit["rows"] < 30, visit["compared"]) == (
        "loaded", True, {"missing": 0, "differing": 1, "gone": 1},
    )  # fmt: skip
    assert asked(lab, tmp_path, "verify", "--level", "rows").exit_code == 0
    assert owner(lab, tmp_path) == "bulketl"
    assert taken(lab, tmp_path) == []  # it is bulketl's


@pytest.mark.parametrize(
    ("sql", "note", "rule", "why"),
    [
        ("DELETE FROM {}.visit WHERE id = 30", {}, {}, f"books are ahead of its rows: they say {NEWEST}, and its newest"),
        ("DELETE FROM {}.visit WHERE id IN (4, 5)", {}, {}, f"2 of 30 rows of the source up to {NEWEST} missing"),
        ("TRUNCATE {}.visit", {}, {}, "its newest row is None"),
        ("SELECT 1", {"value": "4711"}, {}, "'4711' is not a value of at, which is datetime"),
        ("SELECT 1", {"column": "id", "value": "30"}, {}, "its books go by id, and its rule by at"),
        ("SELECT 1", {"status": "failed"}, {}, "do not say up to where it is loaded"),
        ("SELECT 1", {"value": ""}, {}, "do not say up to where it is loaded"),
        ("ALTER TABLE {}.visit ALTER c TYPE varchar(3)", {}, {}, "its columns are not as its rule has them"),
        ("ALTER TABLE {}.visit DROP CONSTRAINT visit_pkey", {}, {}, "has not the source's primary key"),
        ("SELECT 1", {}, {"extraction_strategy": "full_table"}, "its rule loads it whole"),
        ("SELECT 1", {}, {"table_importance": "audit", "deletes": {}}, "it is of tier audit"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)  # fmt: skip
def test_a_state_that_the_rows_do_not_bear_out_is_refused_with_its_figures(
    lab: Lab, tmp_path: Path, sql: str, note: dict[str, str], rule: dict[str, Any], why: str
) -> None:
    lab.pg(sql.format(lab.schema))
    noted(lab, **note)
    (found,) = taken(lab, tmp_path, rule=rule)
    assert why in found["refused"]
    assert owner(lab, tmp_path) == "legacy"


def test_without_books_there_is_nothing_to_take_over(lab: Lab, tmp_path: Path) -> None:
    lab.pg(f"DROP TABLE {lab.schema}.etl_load_status")
    done = asked(lab, tmp_path, "migrate", "import-state", "--reason", "x")
    assert done.exit_code == 2
    assert "has no table etl_load_status" in done.stdout
