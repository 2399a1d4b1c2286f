"""What Postgres limits of a row, through every way of writing: one bad row among good ones is one reject with its reason."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest
from faults import small_partitions
from lab import Done, Lab

import bulketl
from bulketl.postgres.ledger.rejects import Rejected

CHANGES = {"extraction_strategy": "incremental", "incremental_column": "id"}
WAYS: dict[str, tuple[int, dict[str, Any]]] = {  # rows of a partition, 0 for a small table, and the rule
    "group": (0, {}),
    "swap": (4, {}),
    "refill": (4, {"publish": "refill"}),
    "merge": (4, CHANGES),
    "mark": (4, {"deletes": "mark"}),
    "append": (4, {"table_importance": "audit"}),
    "chunks": (4, {**CHANGES, "extraction_strategy": "chunked_incremental", "lookback": 0}),
}
LONG = "".join(random.Random(1).choices(string.printable[:94], k=2_900))
WIDE = 1_100  # columns of eight bytes: together more than a page, and nothing of them can be moved out of it
# Columns beside the key, their casts, a good and a bad value, the column that is said, and words of the reason.
LIMITS: dict[str, tuple[str, dict[str, str], str, str, str, str]] = {
    "length": ("c varchar(20)", {"c": "varchar(3)"}, "'abc'", "'abcd'", "c", "value too long"),
    "json": ("c longtext", {"c": "jsonb"}, "'[]'", "'{'", "c", "invalid input syntax for type json"),
    "json nul": ("c longtext", {"c": "jsonb"}, "'[]'", "'[\"\\\\u0000\"]'", "c", "unsupported Unicode escape"),
    "json surrogate": ("c longtext", {"c": "jsonb"}, "'[]'", "'[\"\\\\ud800\"]'", "c", "invalid input syntax"),
    "json deep": ("c longtext", {"c": "jsonb"}, "'[]'", "REPEAT('[', 100000)", "c", "stack depth limit"),
    "json number": ("c longtext", {"c": "jsonb"}, "'[]'", "'[1e999999]'", "c", "value overflows numeric format"),
    "json as json": ("c longtext", {"c": "json"}, "'[]'", "'{'", "c", "invalid input syntax for type json"),
}


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The rule of a table that is written in each way from its second load on."""
    size, rule = WAYS[request.param]
    if size:
        small_partitions(monkeypatch, size)
    return rule


def load(lab: Lab, rule: dict[str, Any], **more: Any) -> Done:
    return lab.load(rules={"t": {"max_rejects": "50%", **rule, **more}})


@pytest.mark.parametrize("kind", sorted(LIMITS))
def test_a_value_that_its_type_refuses_is_one_reject(maria_lab: Lab, way: dict[str, Any], kind: str) -> None:
    """All others are loaded."""
    column, casts, good, bad, named, reason = LIMITS[kind]
    maria_lab.mysql(f"CREATE TABLE t (id int PRIMARY KEY, {column})", f"INSERT INTO t SELECT seq, {good} FROM seq_1_to_20")
    load(maria_lab, way, casts=casts)
    maria_lab.mysql(f"INSERT INTO t VALUES (41, {good}), (50, {bad}), (60, {good})")
    _one_reject(maria_lab, load(maria_lab, way, casts=casts), named, reason)


def test_a_row_of_more_than_a_page_is_one_reject(maria_lab: Lab, way: dict[str, Any]) -> None:
    """The reason is Postgres' own, and no hint speaks of an index."""
    columns = ", ".join(f"c{n} double" for n in range(WIDE))
    names = ", ".join(f"c{n}" for n in range(WIDE))
    maria_lab.mysql(
        f"CREATE TABLE t (id int PRIMARY KEY, {columns}) ENGINE=MyISAM", "INSERT INTO t (id) SELECT seq FROM seq_1_to_20"
    )
    load(maria_lab, way)
    maria_lab.mysql(
        "INSERT INTO t (id) VALUES (41), (60)", f"INSERT INTO t (id, {names}) VALUES (50, {', '.join(['1.5'] * WIDE)})"
    )
    done = load(maria_lab, way)
    found = _one_reject(maria_lab, done, "", "row is too big")
    assert found.row["c7"] == 1.5
    assert len(found.row) == WIDE + 1


def test_a_key_of_more_than_an_index_can_hold_is_one_reject(maria_lab: Lab, way: dict[str, Any]) -> None:
    """The key is built when the table is published, or is there already."""
    maria_lab.mysql(
        "CREATE TABLE t (id int, k varchar(2900) CHARACTER SET latin1, PRIMARY KEY (id, k))",
        "INSERT INTO t SELECT seq, seq FROM seq_1_to_20",
    )
    load(maria_lab, way)
    # MySQL's indexes take 3,072 bytes, Postgres' a third of a page; and these cannot be compressed below that.
    maria_lab.insert("t", [(41, "x"), (50, LONG), (60, "x")])
    done = load(maria_lab, way)
    told = done.summary.tables["t"]
    assert (told.outcome, told.rejects) == ("loaded", 1), told.message
    (found,) = bulketl.show_rejects(maria_lab.config(), ["t"], done.summary.run)
    assert found.key["id"] == 50
    assert "index row" in found.reason


def _one_reject(lab: Lab, done: Done, column: str, reason: str) -> Rejected:
    told = done.summary.tables["t"]
    assert (told.outcome, told.rejects) == ("loaded", 1), told.message
    assert lab.pg("SELECT id FROM {s}.t WHERE id > 20 ORDER BY id") == [(41,), (60,)]
    assert lab.pg("SELECT count(*) FROM {s}.t") == [(22,)]
    (found,) = bulketl.show_rejects(lab.config(), ["t"], done.summary.run)
    assert (found.key, found.column) == ({"id": 50}, column)
    assert reason in found.reason
    return found


def test_more_columns_than_a_table_has_are_one_short_error_in_plan_and_load(maria_lab: Lab) -> None:
    """Before anything is created; the other tables are loaded."""
    maria_lab.mysql(
        f"CREATE TABLE t ({', '.join(f'c{n} tinyint' for n in range(1_700))}) ENGINE=MyISAM",
        "CREATE TABLE u (id int PRIMARY KEY)",
    )
    done = maria_lab.load()
    (refused,) = done.plan.refused
    assert "would have 1,700 columns, and a table of Postgres has at most 1,600" in refused.message
    told = done.summary.tables
    assert (told["t"].outcome, told["u"].outcome) == ("failed", "loaded")
    assert len(told["t"].message) + len(told["t"].hint) < 400
    found = [item for item in bulketl.validate(maria_lab.config()) if item.table == "t" and item.severity == "error"]
    assert any("1,600" in item.message for item in found)
    left = ", ".join(f"c{n}" for n in range(100))
    again = maria_lab.load(rules={"t": {"exclude_columns": left.split(", ")}})
    assert again.summary.tables["t"].outcome == "loaded", again.summary.tables["t"].message
