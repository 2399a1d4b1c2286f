"""Publishing into tables that Postgres treats otherwise than plain ones: partitioned, with names that mean something."""

from __future__ import annotations

import pytest
from faults import small_partitions
from lab import Lab

RULES = {"t": {"extraction_strategy": "incremental", "incremental_column": "at", "deletes": "mirror"}}


def test_changes_are_merged_into_a_partitioned_table(maria_lab: Lab) -> None:
    """New rows, changed ones, and ones that move to another partition, each counted as what it is."""
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, c varchar(20), at datetime NOT NULL)",
        "INSERT INTO t SELECT seq, 'old', '2024-01-01' FROM seq_1_to_20",
    )
    maria_lab.pg(
        "CREATE TABLE {s}.t (id int PRIMARY KEY, c varchar(20), at timestamp(0)) PARTITION BY RANGE (id);"
        "CREATE TABLE {s}.t1 PARTITION OF {s}.t FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE {s}.t2 PARTITION OF {s}.t FOR VALUES FROM (10) TO (1000)"
    )
    assert maria_lab.load(rules=RULES, adopt=["t"]).how("t") == "refill"
    maria_lab.mysql(
        "UPDATE t SET c = 'new', at = '2024-01-02' WHERE id IN (3, 15)", "INSERT INTO t VALUES (5000, 'x', '2024-01-02')"
    )
    refused = maria_lab.load(rules=RULES)
    assert "no partition of relation" in refused.summary.failed[0].message
    maria_lab.pg("CREATE TABLE {s}.t3 PARTITION OF {s}.t DEFAULT")
    done = maria_lab.load(rules=RULES)
    table = done.summary.tables["t"]
    assert (done.how("t"), table.inserted, table.updated) == ("merge", 1, 2)
    assert maria_lab.differences("t") == []


def test_a_column_may_be_called_found(maria_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that means something inside a block of statements; refilled from a staging table, and merged."""
    small_partitions(monkeypatch, 50)
    maria_lab.mysql(
        "CREATE TABLE t (id int PRIMARY KEY, found varchar(20), at datetime NOT NULL)",
        "INSERT INTO t SELECT seq, 'old', '2024-01-01' FROM seq_1_to_200",
    )
    maria_lab.load(rules=RULES)
    maria_lab.pg("CREATE INDEX ON {s}.t (found)")
    maria_lab.mysql("UPDATE t SET found = 'new', at = '2024-01-02' WHERE id < 9")
    assert maria_lab.load().how("t") == "refill"
    assert maria_lab.differences("t") == []
    maria_lab.mysql("UPDATE t SET found = 'newer', at = '2024-01-03' WHERE id < 5")
    maria_lab.load(rules=RULES)
    assert maria_lab.load(rules=RULES).how("t") == "merge"
    assert maria_lab.differences("t") == []
