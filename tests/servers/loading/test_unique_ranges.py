"""Ranges of integer keys are proved by their keys; ranges of keys that rows share are counted."""

from __future__ import annotations

from typing import Any

import pytest
from faults import no_pauses, small_partitions
from lab import Lab, load

from bulketl.mysql import read

ROWS = 3000
ENDS = {
    "int": (-(2**31), 2**31 - 1), "bigint": (-(2**63), 2**63 - 1), "bigint unsigned": (0, 2**64 - 1),
    "tinyint unsigned": (0, 255), "mediumint": (-(2**23), 2**23 - 1),
}  # fmt: skip


def fill(lab: Lab, engine: str, every: int = 1) -> None:
    lab.mysql(
        f"CREATE TABLE t (id int PRIMARY KEY, shared int, word varchar(20), INDEX (shared) USING BTREE) ENGINE={engine}",
        f"INSERT INTO t SELECT seq * {every}, IF(seq % 10, seq % 3, NULL), 'word' FROM seq_1_to_{ROWS}",
    )


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM", "Aria", "MEMORY"])
@pytest.mark.parametrize("size", [100, 10_000])
def test_a_table_cut_along_a_column_whose_values_rows_share_loses_none(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, engine: str, size: int
) -> None:
    """Also where a slice would end amid equal values, and where the column is NULL."""
    small_partitions(monkeypatch, size)
    fill(maria_lab, engine, every=5)
    maria_lab.mysql(f"INSERT INTO t SELECT 1000000 + seq, 1, 'more' FROM seq_1_to_{ROWS * 4}")
    found = maria_lab.load(rules={"t": {"partition_by": "shared"}})
    assert found.summary.outcome == "done", found.summary.failed
    assert maria_lab.pg("SELECT count(*) FROM {s}.t") == [(ROWS * 5,)]
    assert maria_lab.differences("t") == []


@pytest.mark.parametrize(("every", "without", "most"), [(1, 0, 1.3), (1, 10, 1.5), (100, 0, 3.2)])
def test_the_server_reads_dense_rows_once(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, every: int, without: int, most: float
) -> None:
    """And a little more for what the plan asks and for missing keys. Sparse rows are counted too, and stepped over."""
    small_partitions(monkeypatch, ROWS // 20)
    monkeypatch.setattr("bulketl.mysql.gaps.FEW", 0)
    fill(maria_lab, "InnoDB", every)
    if without:
        maria_lab.mysql(f"DELETE FROM t WHERE id % {without} = 0")
    work = maria_lab.load().summary.source_work
    assert int(str(work["rows_read"])) < most * ROWS + 200


@pytest.mark.parametrize("kind", sorted(ENDS))
def test_ranges_reach_to_both_ends_of_a_type(lab: Lab, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    small_partitions(monkeypatch, 10)
    least, most = ENDS[kind]
    keys = {least, least + 1, most - 1, most, *range(0, 120, 3), 50, 51}
    lab.mysql(f"CREATE TABLE t (id {kind} PRIMARY KEY)", f"INSERT INTO t VALUES {','.join(f'({key})' for key in keys)}")
    found = lab.load()
    assert found.summary.outcome == "done", found.summary.failed
    assert found.parts("t") > 2
    assert sorted(key for (key,) in lab.pg("SELECT id::numeric FROM {s}.t")) == sorted(keys)


@pytest.mark.parametrize("every", [1, 7, 100])
@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
@pytest.mark.parametrize("lost", [slice(0, 1), slice(60, 63), slice(-1, None), slice(None)], ids=str)
def test_rows_that_the_driver_loses_are_found(
    maria_lab: Lab, monkeypatch: pytest.MonkeyPatch, engine: str, every: int, lost: slice
) -> None:
    """At the beginning, in the middle, at the end of what it brings, and all of it; sparse keys and dense ones."""
    small_partitions(monkeypatch, 1500)
    monkeypatch.setattr("bulketl.mysql.gaps.FEW", 300)
    no_pauses(monkeypatch)
    fill(maria_lab, engine, every)
    arrow = read._arrow

    def lossy(*args: Any) -> Any:
        rows = arrow(*args)
        kept = sorted(set(range(rows.num_rows)) - set(range(*lost.indices(rows.num_rows))))
        return rows if rows.num_rows < 64 else rows.take(kept)

    monkeypatch.setattr(read, "_arrow", lossy)
    found = load(maria_lab.config())
    assert found.summary.outcome == "failed" or maria_lab.differences("t") == []
    assert engine == "MyISAM" or found.summary.outcome == "failed"


def test_a_row_whose_transaction_ends_late_is_no_loss(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its key lies amid those that were read, and nothing is said to be missing."""
    small_partitions(monkeypatch, ROWS // 4)
    fill(maria_lab, "InnoDB")
    maria_lab.mysql("DELETE FROM t WHERE id = 700")
    arrow, late = read._arrow, ["INSERT INTO t VALUES (700, 1, 'late')"]

    def then_late(*args: Any) -> Any:
        rows = arrow(*args)
        if late and 699 in rows.column("id").to_pylist():
            maria_lab.mysql(late.pop())
        return rows

    monkeypatch.setattr(read, "_arrow", then_late)
    found = load(maria_lab.config())
    assert found.summary.outcome == "done", found.summary.failed
    assert found.summary.tables["t"].quality == 1
    assert maria_lab.differences("t") == []
