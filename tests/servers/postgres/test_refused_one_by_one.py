"""Rows that the table refuses, in what writes single rows: a repair, a retry, the comparison after a load.

As in a load each of them is one reject, and the others come in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from lab import Lab
from nights import a_day_later
from test_refused_by_table import BIG, REFUSALS

import bulketl
from bulketl.errors import BulketlError

MIRRORED: dict[str, Any] = {
    "extraction_strategy": "incremental", "incremental_column": "at", "deletes": {"policy": "mirror", "every": "1d"},
}  # fmt: skip
AUDITED = {**MIRRORED, "table_importance": "audit", "deletes": {"policy": "ignore", "every": "1d"}}
RULES: dict[str, dict[str, Any]] = {
    "repair": {},
    "repair of an audited table": AUDITED,
    "comparison": MIRRORED,
    "comparison that marks": {**MIRRORED, "deletes": {"policy": "mark", "every": "1d"}},
    "comparison of an audited table": AUDITED,
    "retry": {"checks": [{"range": "q", "max": 10, "severity": "reject"}]},
}
BEFORE = "'2023-01-01'"  # which no load by changes sees


@dataclass(frozen=True)
class Written:
    """What became of the rows: the run, how many came in, how many were rejected, '' or why nothing did."""

    run: str
    written: int
    rejected: int
    problem: str = ""


@pytest.fixture(params=sorted(RULES))
def way(request: pytest.FixtureRequest, maria_lab: Lab) -> str:
    """A table of 20 good rows that is loaded, and what writes single rows into it."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, n int, c longtext, p int, q int, at datetime)",
        "INSERT INTO t SELECT seq, seq, 'x', 1, 1, '2024-01-01' FROM seq_1_to_20",
    )
    if request.param == "retry":
        maria_lab.mysql("INSERT INTO t SELECT seq, seq, 'x', 1, 99, '2024-01-01' FROM seq_41_to_60")
    done = maria_lab.load(rules=rules(request.param))
    assert maria_lab.pg("SELECT count(*) FROM {s}.t") == [(20,)], done.summary.tables
    return str(request.param)


def rules(way: str, most: int | str = "60%") -> dict[str, Any]:
    return {"t": {"max_rejects": most, **RULES[way]}}


def write(lab: Lab, way: str, rows: Sequence[tuple[object, ...]], most: int | str = "60%") -> Written:
    """Put rows into the source in the way that is told, and let that write them."""
    for row in rows:
        lab.mysql(f"DELETE FROM t WHERE id = {row[0]}")
    lab.insert("t (id, n, c, p)", rows)
    lab.mysql(f"UPDATE t SET at = {BEFORE}, q = 1 WHERE q IS NULL")
    config = lab.config(rules=rules(way, most))
    if way == "retry":
        lab.mysql("DELETE FROM t WHERE q = 99")
        (one,) = bulketl.retry_rejects(config, ["t"])
        return Written("", one.loaded, one.rejected)
    if way.startswith("repair"):
        result = bulketl.verify(config, repair=True)
        (done,) = result.repaired
        rejects = bulketl.list_rejects(config, ["t"], result.run) if not done.problem else []
        return Written(result.run, done.written, sum(item.rows for item in rejects), done.problem)
    a_day_later(lab)
    told = lab.load(rules=rules(way, most), unforeseen="of the target's constraints validate warns").summary
    table = told.tables["t"]
    problem = table.message if table.outcome == "failed" else ""
    return Written(told.run, table.added, table.rejects, problem)


@pytest.mark.parametrize("kind", sorted(REFUSALS))
def test_a_row_that_the_table_refuses_is_one_reject(maria_lab: Lab, way: str, kind: str) -> None:
    """The others are written, and what is on record says what is at fault."""
    added, row, column, reason = REFUSALS[kind]
    maria_lab.pg(added)
    written = write(maria_lab, way, [(41, 7, "new", 1), row, (60, 8, "new", 1)])
    assert maria_lab.pg("SELECT id FROM {s}.t WHERE id > 20 ORDER BY id") == [(41,), (60,)], written
    assert (written.written, written.rejected) == (2, 1), written
    if way == "retry":
        (left,) = (item for item in bulketl.show_rejects(maria_lab.config(), ["t"], first=99) if not item.settled)
        assert left.key == {"id": 50}
        return
    (found,) = bulketl.show_rejects(maria_lab.config(), ["t"], written.run)
    assert (found.key, found.column, found.row["n"]) == ({"id": 50}, column, row[1])
    assert reason in found.reason


@pytest.mark.parametrize("kind", ["check", "deferred", "trigger"])
def test_more_of_them_than_may_be_change_nothing(maria_lab: Lab, way: str, kind: str) -> None:
    """The reason is said; a retry has no limit, for these rows are rejects already."""
    if way == "retry":
        pytest.skip("a retry leaves rows as they are")
    added, row, _, reason = REFUSALS[kind]
    maria_lab.pg(added)
    written = write(maria_lab, way, [(41, 7, "new", 1), *((50 + n, *row[1:]) for n in range(3))], 1)
    assert reason in written.problem
    assert "of the rows" in written.problem
    assert maria_lab.pg("SELECT count(*) FROM {s}.t") == [(20,)]


def test_rows_that_exclude_each_other_are_no_rejects(maria_lab: Lab, way: str) -> None:
    """Neither is at fault alone, so nothing is changed, and the value is said."""
    maria_lab.pg("ALTER TABLE {s}.t ADD CONSTRAINT once UNIQUE (n)")
    rows: list[tuple[object, ...]] = [(50, 777, "a", 1), (51, 777, "b", 1)]
    if way == "retry":
        with pytest.raises(BulketlError, match="777"):
            write(maria_lab, way, rows)
    else:
        assert "777" in write(maria_lab, way, rows).problem
    assert maria_lab.pg("SELECT count(*) FROM {s}.t") == [(20,)]


def test_rows_that_point_to_rows_of_their_own_table_are_not_rejected(maria_lab: Lab, way: str) -> None:
    """Whatever their order; nor is one that points to a row that is there."""
    maria_lab.pg("ALTER TABLE {s}.t ADD CONSTRAINT up FOREIGN KEY (p) REFERENCES {s}.t")
    rows = [(41, 5, "x", 44), (42, 5, "x", 43), (43, 5, "x", 1), (44, 5, "x", 42), (*BIG[:3], 4711)]
    written = write(maria_lab, way, rows)
    assert (written.written, written.rejected) == (4, 1), written
    assert maria_lab.pg("SELECT id FROM {s}.t WHERE id > 20 ORDER BY id") == [(41,), (42,), (43,), (44,)]


def test_rows_that_are_gone_are_in_no_others_way(maria_lab: Lab, way: str) -> None:
    """They leave first: a row takes the place of one that is gone, and another is refused."""
    if way not in ("repair", "comparison"):
        pytest.skip("rows that are gone stay")
    maria_lab.pg("ALTER TABLE {s}.t ADD CONSTRAINT once UNIQUE (n), ADD CONSTRAINT small CHECK (n < 1000)")
    maria_lab.mysql("DELETE FROM t WHERE id = 7")
    written = write(maria_lab, way, [(41, 7, "new", 1), BIG])
    assert (written.written, written.rejected) == (1, 1), written
    assert maria_lab.pg("SELECT id FROM {s}.t WHERE n = 7") == [(41,)]
